"""What the laws of forecasters are tried on: demand of every kind, and how to ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import strategies as st

from foretide.forecast.base import Forecaster, Trainable
from foretide.forecasters.auto import Auto
from foretide.forecasters.registry import built_in_names, forecaster, names
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.999)
HOUR_S = 3600
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")

LIGHT = ("fleet", "seasonal-naive", "auto")
HEAVY = tuple(name for name in built_in_names() if name not in LIGHT)
TRAINABLE = ("fleet", *HEAVY)
POOLED = ("gbm", "lstm")  # learn from all series together
SMOOTH = ("prophet", "prophet-tuned")  # seasons made of few waves, which no edge can be drawn with


def chosen(name: str) -> Forecaster:
    """Return a forecaster, or skip: its extra is not installed here."""
    if name not in names():
        pytest.skip(f"the extra that {name} needs is not installed")
    if name == "auto":
        # its own laws; what it costs with every rival is not for hundreds of examples
        return Auto([forecaster("fleet"), forecaster("seasonal-naive")])
    return forecaster(name)


def issued(
    model: Forecaster,
    demands: list[Demand],
    at: datetime,
    *,
    hours: float = 48,
    zone: str = "UTC",
    levels: tuple[float, ...] = LEVELS,
) -> list[Forecast]:
    return model.forecast(
        demands,
        issued_at=at,
        horizon_s=int(hours * HOUR_S),
        levels=levels,
        timezone=ZoneInfo(zone),
    )


def asking(
    model: Forecaster, demand: Demand, at: datetime
) -> Callable[[tuple[float, ...]], Forecast]:
    """Return a function of levels that asks a model of one series, trained once where it can be."""
    trained = train(model, [demand], at) if model.name in TRAINABLE else None

    def ask(levels: tuple[float, ...]) -> Forecast:
        if trained is None:
            return issued(model, [demand], at, levels=levels)[0]
        return reissued(model, trained, [demand], at, levels=levels)[0]

    return ask


def train(model: Forecaster, demands: list[Demand], at: datetime, zone: str = "UTC") -> bytes:
    return cast("Trainable", model).train(demands, issued_at=at, timezone=ZoneInfo(zone))


def reissued(
    model: Forecaster,
    trained: bytes,
    demands: list[Demand],
    at: datetime,
    *,
    hours: float = 48,
    levels: tuple[float, ...] = LEVELS,
) -> list[Forecast]:
    return cast("Trainable", model).forecast_trained(
        trained,
        demands,
        issued_at=at,
        horizon_s=int(hours * HOUR_S),
        levels=levels,
        timezone=ZoneInfo("UTC"),
    )


def made(
    name: str, days: float, *, step_s: int = HOUR_S, seed: int = 0, level: float = 40.0
) -> Demand:
    count = int(days * 86_400 / step_s)
    at_h = np.arange(count) * step_s / HOUR_S
    weekend = (at_h // 24) % 7 >= 5
    rate = level * (1 + 0.7 * np.sin(at_h * 2 * np.pi / 24)) * np.where(weekend, 0.6, 1.0)
    values = np.random.default_rng(seed).poisson(rate).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=step_s, values=values)


def spoilt(demand: Demand, missing_fraction: float, seed: int) -> Demand:
    values = demand.values.copy()
    values[np.random.default_rng(seed).random(len(values)) < missing_fraction] = np.nan
    return Demand(
        series_id=demand.series_id, start=demand.start, step_s=demand.step_s, values=values
    )


def broken(count: int, step_s: int = HOUR_S) -> list[Demand]:
    """Series from which nothing can be learned, or worse."""
    rng = np.random.default_rng(5)
    kinds = {
        "missing": np.full(count, np.nan),
        "zero": np.zeros(count),
        "constant": np.full(count, 5.0),
        "huge": np.full(count, 1e15),
        "two points": np.full(count, np.nan),
        "exploding": np.where(np.arange(count) < count - 30, 3.0, 3e12),
        "all but empty": np.where(rng.random(count) < 0.004, 1e9, 0.0),
        "noise": rng.gamma(0.05, 1000.0, count),
    }
    kinds["two points"][[-40, -3]] = [1.0, 1e9]
    return [
        Demand(series_id=name, start=START, step_s=step_s, values=values)
        for name, values in kinds.items()
    ]


def same(one: Forecast, other: Forecast) -> bool:
    return (
        one.series_id == other.series_id
        and one.start == other.start
        and one.note == other.note
        and one.values.tobytes() == other.values.tobytes()
    )


def caveat(found: Forecast) -> str:
    """Return what a forecast says of its own width: who won a competition is none of that."""
    parts = found.note.split("; ")
    return "; ".join(part for part in parts if not part.startswith("auto: ") or "little" in part)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    """Any demand a table may hold: odd grids, gaps, extremes, hardly anything."""
    step_s = draw(st.sampled_from([60, 300, 420, 900, 3600, 7200, 50_000, 86_400]))
    count = draw(st.integers(0, min(400, 20 * 86_400 // step_s)))
    kind = draw(st.sampled_from(["noise", "zero", "constant", "spiky", "huge", "tiny", "missing"]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    values = {
        "noise": rng.gamma(0.5, 30, count),
        "zero": np.zeros(count),
        "constant": np.full(count, 17.0),
        "spiky": np.where(rng.random(count) < 0.02, 1e6, rng.poisson(0.2, count)),
        "huge": rng.random(count) * 1e15,
        "tiny": rng.random(count) * 1e-306,
        "missing": np.full(count, np.nan),
    }[kind].astype(np.float64)
    values[rng.random(count) < draw(st.sampled_from([0.0, 0.3, 0.95]))] = np.nan
    return Demand(series_id="any", start=START, step_s=step_s, values=values)
