"""A stable series is left alone, whatever its noise: hardly an alarm in a thousand weeks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.forecast.calibration import calibrated
from foretide.forecast.evidence import evidence_of
from foretide.forecast.retrain import Cadence, Challenge, Judge, Reason, assess, settled
from foretide.forecast.score import pinball
from foretide.forecast.tally import LEVELS, Tally
from foretide.model.demand import FloatArray

ZONE, START = ZoneInfo("UTC"), datetime(2026, 1, 5, tzinfo=UTC)
FIRST = int(START.timestamp()) // 3600
CALIBRATED_H, WEEKS, SERIES, BEAT_H = 21 * 24, 12, 10, 6


def correlated(rng: np.random.Generator, series: int, hours: int, by: float) -> FloatArray:
    fresh = rng.normal(size=(series, hours))
    found = fresh.copy()
    for hour in range(1, hours):
        found[:, hour] = by * found[:, hour - 1] + np.sqrt(1 - by * by) * fresh[:, hour]
    return found


def of_days(rng: np.random.Generator, series: int, hours: int, part: float) -> FloatArray:
    days = np.repeat(rng.normal(size=(series, hours // 24)), 24, axis=1)
    return np.sqrt(part) * days + np.sqrt(1 - part) * rng.normal(size=(series, hours))


def noise(kind: str, rng: np.random.Generator, series: int, hours: int) -> FloatArray:
    """Return noise of one kind, the same at all times."""
    match kind.split():
        case ["correlated", by]:
            return correlated(rng, series, hours, float(by))
        case ["days", part]:
            return of_days(rng, series, hours, float(part))
        case ["tails"]:
            return rng.standard_t(3, size=(series, hours))
        case _:  # spells of more and of less noise
            spread = np.exp(0.5 * correlated(rng, series, hours, 0.97))
            return spread * rng.normal(size=(series, hours))


def tally_of(strays: FloatArray, quantiles: FloatArray) -> Tally:
    said = np.broadcast_to(quantiles, (strays.size, len(LEVELS)))
    missed = (strays < quantiles[0]) | (strays > quantiles[-1])
    return Tally(
        first_hour=FIRST,
        loss=pinball(said, LEVELS, strays.ravel()).mean(axis=-1).reshape(strays.shape),
        missed=missed.astype(np.float64),
        points=np.ones(strays.shape),
    )


def part(tally: Tally, until: int) -> Tally:
    return Tally(
        first_hour=FIRST,
        loss=tally.loss[:, :until],
        missed=tally.missed[:, :until],
        points=tally.points[:, :until],
    )


def alarms(strays: FloatArray, quantiles: FloatArray) -> list[tuple[float, Reason]]:
    """Return on which day after calibration challengers were forced; every one of them loses."""
    tally = tally_of(strays, quantiles)
    usual = calibrated(part(tally, CALIBRATED_H), ZONE)
    since = np.full(len(strays), FIRST + CALIBRATED_H, dtype=np.int64)
    states = [Cadence(trained_at=START + timedelta(hours=CALIBRATED_H))] * len(strays)
    found: list[tuple[float, Reason]] = []
    for hour in range(CALIBRATED_H + BEAT_H, strays.shape[1], BEAT_H):
        seen = evidence_of(
            part(tally, hour), usual, since_hour=since, now_hour=FIRST + hour, zone=ZONE
        )
        now = START + timedelta(hours=hour)
        for row, one in enumerate(seen):
            states[row], decision = assess(states[row], one, now)
            if isinstance(decision, Judge):
                states[row] = settled(states[row], now, has_won=False)
            if isinstance(decision, Challenge):
                found.append(((hour - CALIBRATED_H) / 24, decision.reason))
    return found


@pytest.mark.slow
def test_a_thousand_stable_weeks_have_at_most_ten_false_alarms() -> None:
    kinds = [
        "correlated 0", "correlated 0.5", "correlated 0.8", "correlated 0.9", "correlated 0.95",
        "correlated 0.99", "days 0.5", "days 0.9", "tails", "spells",
    ]  # fmt: skip
    found: Counter[str] = Counter()
    for seed, kind in enumerate(kinds):
        rng = np.random.default_rng(seed)
        quantiles = np.quantile(noise(kind, rng, 100, 60 * 24), LEVELS)
        strays = noise(kind, rng, SERIES, CALIBRATED_H + WEEKS * 7 * 24)
        found[kind] += len(alarms(strays, quantiles))
    weeks = SERIES * WEEKS * len(kinds)
    assert weeks >= 1000
    assert sum(found.values()) <= weeks / 100, found


@pytest.mark.parametrize("kind", ["correlated 0", "correlated 0.8", "days 0.5", "tails"])
def test_a_day_turned_upside_down_is_seen_within_a_day(kind: str) -> None:
    rng = np.random.default_rng(11)
    quantiles = np.quantile(noise(kind, rng, 100, 60 * 24), LEVELS)
    strays = noise(kind, rng, SERIES, CALIBRATED_H + 22 * 24)
    drift = CALIBRATED_H + 20 * 24
    strays[:, drift:] += 12 * np.sin(2 * np.pi * np.arange(48) / 24)
    days = [day for day, _ in alarms(strays, quantiles) if day > 20]
    assert len([day for day in days if day <= 21.0]) >= 0.9 * SERIES
