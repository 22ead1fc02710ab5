"""The benchmark asks fairly, looks at nothing later, and counts what it says it counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foretide.model.demand import Demand, FloatArray

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))
cases: Any = import_module("forecasting.cases")
kept: Any = import_module("forecasting.kept")
models: Any = import_module("forecasting.models")
scores: Any = import_module("forecasting.scores")
sources: Any = import_module("forecasting.sources")
targets: Any = import_module("forecasting.targets")

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK: FloatArray = 50.0 + 40 * np.sin(np.arange(168) * 2 * np.pi / 24) + 9 * (np.arange(168) >= 120)


def demand(days: int, name: str = "made/a", noise: float = 0.0) -> Demand:
    rng = np.random.default_rng(1)
    values = np.tile(WEEK, -(-days // 7))[: days * 24] * np.exp(noise * rng.normal(size=days * 24))
    return Demand(series_id=name, start=START, step_s=3600, values=values)


def asked(days: int, noise: float = 0.0) -> list[Any]:
    return cases.cases_of(sources.SOURCES[0], [demand(days, noise=noise)])


@pytest.mark.parametrize("days", [9, 14, 30, 60, 400])
def test_a_question_splits_a_series_at_its_instant(days: int) -> None:
    whole = demand(days)
    found = asked(days)
    assert len(found) >= 4
    for case in found:
        assert case.past.end == case.issued_at
        assert case.days <= 56
        first = round((case.issued_at - START) / timedelta(hours=1))
        np.testing.assert_array_equal(
            case.past.values, whole.values[first - len(case.past.values) : first]
        )
        known = np.isfinite(case.actual)
        np.testing.assert_array_equal(case.actual[known], whole.values[first : first + 168])
    assert len({case.issued_at.hour for case in found}) >= 4


def test_less_history_is_the_end_of_it() -> None:
    for long, short in zip(asked(60), cases.with_history(asked(60), 4), strict=True):
        np.testing.assert_array_equal(short.past.values, long.past.values[-96:])
        assert (short.past.end, short.issued_at) == (long.past.end, long.issued_at)


def test_a_shift_moves_the_last_hours_and_what_comes() -> None:
    for old, new in zip(asked(60), cases.shifted(asked(60), 2.0, 12), strict=True):
        ratio = new.past.values / old.past.values
        assert set(ratio[:-12]) == {1.0}
        assert set(ratio[-12:]) == {2.0}
        np.testing.assert_array_equal(new.actual, 2 * old.actual)


@pytest.mark.parametrize("name", ["seasonal_naive", "weekly_median"])
def test_plain_rivals_know_a_week_that_repeats(name: str) -> None:
    found = asked(60)
    for case, answer in zip(found, getattr(models, name)(found, 168), strict=True):
        assert answer.shape == (168, len(models.LEVELS))
        np.testing.assert_allclose(answer[:, 2], case.actual, rtol=1e-6)


@pytest.mark.parametrize("name", ["seasonal_naive", "weekly_median"])
@pytest.mark.parametrize("days", [9, 14, 60])
@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_plain_rivals_always_answer(name: str, days: int, missing: float) -> None:
    rng = np.random.default_rng(2)
    for case in asked(days, noise=0.3):
        values = np.where(rng.random(len(case.past.values)) < missing, np.nan, case.past.values)
        past = Demand(series_id="made/a", start=case.past.start, step_s=3600, values=values)
        (answer,) = getattr(models, name)([msgspec.structs.replace(case, past=past)], 168)
        assert np.isfinite(answer).all()
        assert (answer >= 0).all()
        assert (np.diff(answer, axis=1) >= 0).all()


def test_losses_are_of_a_series_and_ratios_of_sources() -> None:
    (case, *_) = asked(60)
    exact = np.repeat(case.actual[:, None], len(models.LEVELS), axis=1)
    twice = scores.losses([case], [2 * exact], 168)
    # Too high by the demand itself: 2 x (1 - level), mean over the levels scored.
    assert twice[case.source]["made/a"] == pytest.approx(2 * np.mean([0.9, 0.5, 0.1, 0.05, 0.01]))
    ours = {"one": {"a": 1.0, "b": 4.0}, "two": {"c": 1.0}}
    theirs = {"one": {"a": 1.0, "b": 1.0}, "two": {"c": 2.0}}
    found = scores.ratio(ours, theirs)
    assert found.by_source == pytest.approx({"one": 2.0, "two": 0.5})
    assert found.middle == pytest.approx(1.0)
    assert found.low < found.middle < found.high
    assert scores.better(ours, theirs) == {"one": {"a": 1.0, "b": 1.0}, "two": {"c": 1.0}}


def test_coverage_is_told_by_day() -> None:
    (case, *_) = asked(60)
    wide = np.zeros((168, len(models.LEVELS)))
    wide[:, -3:] = 1e9
    wide[24:48] = 0
    by_day = scores.coverages([case], [wide], 0.025, 0.975)
    assert by_day == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    below = scores.share_below([case], [wide], 0.95)
    assert (below.pooled, below.by_series) == pytest.approx((6 / 7, 6 / 7))


def test_an_answer_is_kept_for_the_very_same_question(tmp_path: Path) -> None:
    calls: list[int] = []

    def answer(several: Sequence[Any]) -> list[FloatArray]:
        calls.append(len(several))
        return [np.full((168, 7), float(case.past.values[-1])) for case in several]

    found = asked(60)
    shelf = kept.Kept(folder=tmp_path)
    for ask in (shelf.each, shelf.together):
        calls.clear()
        first = ask(found, f"rival {ask.__name__}", answer)
        asked_once = sum(calls)
        again = ask(found, f"rival {ask.__name__}", answer)
        assert asked_once == sum(calls) == len(found)
        np.testing.assert_allclose(first, again, rtol=1e-6)
        ask(cases.shifted(found, 2.0, 12), f"rival {ask.__name__}", answer)
        assert sum(calls) == 2 * len(found)
    kept.Kept(folder=tmp_path, is_fresh=True).each(found, "rival each", answer)
    assert sum(calls) == 3 * len(found)


def test_lightgbm_is_taught_nothing_later() -> None:
    pytest.importorskip("lightgbm", reason="needs the extra foretide[gbm]")
    rival: Any = import_module("forecasting.lightgbm_rival")
    (case, *_) = asked(60, noise=0.2)
    values = case.past.values
    issued, lead = np.array([400, 700]), np.array([167, 3])
    told = rival._features(values, case, issued, lead)
    spoilt = values.copy()
    spoilt[700:] = 1e9
    np.testing.assert_array_equal(told[1], rival._features(spoilt, case, issued, lead)[1])
    spoilt[400:] = 1e9
    np.testing.assert_array_equal(told[0], rival._features(spoilt, case, issued, lead)[0])


@pytest.mark.parametrize(
    ("reached", "verdict"),
    [(0.5, "stretch"), (0.7, "target"), (0.9, "floor"), (1.1, "**missed**")],
)
def test_a_verdict_is_the_highest_bound_met(reached: float, verdict: str) -> None:
    line = targets.Target(key="a", what="a", floor=1.0, target=0.8, stretch=0.6)
    assert line.verdict(reached) == verdict
    rate = msgspec.structs.replace(line, floor=1.0, target=1.25, stretch=1.67, is_more_better=True)
    assert rate.verdict(1 / reached) == verdict


def test_halves_share_no_source_and_each_has_fifteen() -> None:
    names = [one.name for one in sources.SOURCES]
    assert len(set(names)) == len(names) == 30
    assert sum(one.split == sources.CHOSEN for one in sources.SOURCES) == 15


def test_the_command_names_what_it_does_not_know(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "forecast.py"), "--models", "oracle"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("--models oracle: unknown; use some of fleet, ")
