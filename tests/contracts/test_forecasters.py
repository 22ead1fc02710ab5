"""Laws that every forecaster keeps, whatever the demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.forecast.base import Forecaster, step_count
from foretide.forecast.registry import forecaster, names
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.999)
HOUR_S = 3600
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")

every_forecaster = pytest.mark.parametrize("model", [forecaster(name) for name in names()])


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


def same(one: Forecast, other: Forecast) -> bool:
    return (
        one.series_id == other.series_id
        and one.start == other.start
        and one.note == other.note
        and one.values.tobytes() == other.values.tobytes()
    )


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


@every_forecaster
@settings(max_examples=60, deadline=None)
@given(
    demand=demands(),
    offset_min=st.integers(-3000, 60_000),
    hours=st.sampled_from([0.5, 24, 31, 168]),
    zone=st.sampled_from(ZONES),
)
def test_any_history_is_answered_on_the_right_buckets(
    model: Forecaster, demand: Demand, offset_min: int, hours: float, zone: str
) -> None:
    at = START + timedelta(minutes=offset_min)
    (found,) = issued(model, [demand], at, hours=hours, zone=zone)
    # Forecast itself refuses what is not finite, negative or crossing.
    assert len(found.values) == step_count(demand.step_s, int(hours * HOUR_S))
    assert at <= found.start < at + timedelta(seconds=demand.step_s)
    assert (found.start - demand.start) % timedelta(seconds=demand.step_s) == timedelta()
    assert (found.series_id, found.model, found.issued_at) == ("any", model.name, at)


@every_forecaster
@settings(max_examples=25, deadline=None)
@given(
    days=st.sampled_from([0.5, 2, 5, 10, 16, 30]),
    missing_fraction=st.sampled_from([0.0, 0.4]),
    back_h=st.integers(1, 40),
    junk=st.floats(0, 1e12),
    zone=st.sampled_from(ZONES),
)
def test_the_future_is_not_looked_at(
    model: Forecaster,
    days: float,
    missing_fraction: float,
    back_h: int,
    junk: float,
    zone: str,
) -> None:
    demand = spoilt(made("a", days), missing_fraction, 1)
    at = demand.end - timedelta(hours=back_h) + timedelta(minutes=20)
    closed = len(demand.until(at).values)
    values = demand.values.copy()
    values[closed:] = junk
    corrupt = Demand(series_id="a", start=demand.start, step_s=demand.step_s, values=values)
    (before,) = issued(model, [demand], at, zone=zone)
    (after,) = issued(model, [corrupt], at, zone=zone)
    (cut,) = issued(model, [demand.until(at)], at, zone=zone)
    assert same(before, after)
    assert same(before, cut)


@every_forecaster
@pytest.mark.parametrize("step_s", [300, 3600])
def test_chunk_mates_and_their_order_change_nothing(model: Forecaster, step_s: int) -> None:
    days = 15
    series = [
        spoilt(made(f"s{at}", days, step_s=step_s, seed=at, level=3.0**at), at / 10, at)
        for at in range(7)
    ]
    count = len(series[0].values)
    odd = [np.full(count, np.nan), np.zeros(count), np.full(count, 1e15), np.full(count, 5.0)]
    odd[0][-3:] = [0.0, 1e9, 0.0]
    series += [
        Demand(series_id=f"odd{at}", start=START, step_s=step_s, values=values)
        for at, values in enumerate(odd)
    ]
    at = series[0].end
    together = issued(model, series, at)
    backwards = issued(model, series[::-1], at)[::-1]
    for demand, one, other in zip(series, together, backwards, strict=True):
        (alone,) = issued(model, [demand], at)
        assert same(alone, one)
        assert same(alone, other)


@every_forecaster
@pytest.mark.parametrize("silent_h", [0, 200])
def test_a_level_does_not_depend_on_the_others_asked_for(model: Forecaster, silent_h: int) -> None:
    demand = made("a", 20)
    at = demand.end + timedelta(hours=silent_h)
    (all_levels,) = issued(model, [demand], at)
    for column, level in enumerate(LEVELS):
        (alone,) = issued(model, [demand], at, levels=(level,))
        assert alone.values.tobytes() == all_levels.values[:, [column]].tobytes()


@every_forecaster
@pytest.mark.parametrize(
    ("days", "is_noted"),
    [(0, True), (1 / 24, True), (2 / 24, True), (1, True), (5, True), (30, False)],
)
def test_little_history_is_said_and_wide(model: Forecaster, days: float, *, is_noted: bool) -> None:
    demand = made("young", days)
    (found,) = issued(model, [demand], max(demand.end, START), levels=(0.05, 0.5, 0.95))
    (settled,) = issued(model, [made("old", 56)], made("old", 56).end, levels=(0.05, 0.5, 0.95))
    assert bool(found.note) == is_noted
    if is_noted:
        assert relative_width(found) > 1.2 * relative_width(settled)


def relative_width(found: Forecast) -> float:
    return float((found.values[:, -1] - found.values[:, 0]).mean() / found.values[:, 1].mean())


@every_forecaster
@pytest.mark.parametrize("back_h", [1, 23, 24, 30, 80, 84, 140, 166, 1000])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_a_single_point_is_held_to_loosely(model: Forecaster, back_h: int, zone: str) -> None:
    demand = Demand(series_id="one", start=START, step_s=HOUR_S, values=np.array([100.0]))
    at = START + timedelta(hours=back_h)
    (found,) = issued(model, [demand], at, levels=(0.05, 0.5, 0.95), zone=zone)
    assert found.note
    assert (found.values[:, 0] < 75).all()
    assert (np.abs(found.values[:, 1] - 100) < 1).all()
    assert (found.values[:, 2] > 130).all()


@every_forecaster
@pytest.mark.parametrize("value", [0.0, 12.0])
def test_a_constant_series_is_not_taken_for_certain(model: Forecaster, value: float) -> None:
    demand = Demand(series_id="flat", start=START, step_s=HOUR_S, values=np.full(24 * 30, value))
    (found,) = issued(model, [demand], demand.end, levels=(0.05, 0.5, 0.95))
    assert (found.values[:, 0] <= value).all()
    assert (found.values[:, 2] > value).all()
    assert np.abs(found.values[:, 1] - value).max() < 0.1


@every_forecaster
def test_silence_widens_and_is_said(model: Forecaster) -> None:
    demand = made("silent", 40)
    widths: list[float] = []
    for days in (0, 3, 20, 400):
        at = demand.end + timedelta(days=days)
        (found,) = issued(model, [demand], at)
        assert bool(found.note) == (days > 0)
        assert found.start == at
        widths.append(float((found.values[:, 3] - found.values[:, 1]).mean()))
    assert widths == sorted(widths)


@every_forecaster
def test_the_wall_clock_is_followed_across_daylight_saving(model: Forecaster) -> None:
    # Paris turned its clocks on 2026-03-29: lunch at 12:00 moves from 11:00 to 10:00 UTC.
    zone = ZoneInfo("Europe/Paris")
    stamps = [START + timedelta(hours=at) for at in range(24 * 40)]
    is_lunch = [stamp.astimezone(zone).hour == 12 for stamp in stamps]
    at = datetime(2026, 3, 27, 7, tzinfo=UTC)
    demand = Demand(
        series_id="lunch", start=START, step_s=HOUR_S, values=np.where(is_lunch, 500.0, 10.0)
    )
    (found,) = issued(model, [demand], at, hours=168, zone="Europe/Paris")
    middle = found.values[:, 2]
    peaks = [found.start + timedelta(hours=int(step)) for step in np.flatnonzero(middle > 250)]
    assert [stamp.astimezone(zone).hour for stamp in peaks] == [12] * 7


@every_forecaster
@pytest.mark.parametrize("levels", [(), (0.5, 0.5), (0.9, 0.1), (0.0,), (1.0,)])
def test_impossible_levels_are_refused(model: Forecaster, levels: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="levels"):
        issued(model, [made("a", 1)], START, levels=levels)


@every_forecaster
@pytest.mark.parametrize("hours", [0, 169])
def test_impossible_horizons_are_refused(model: Forecaster, hours: int) -> None:
    with pytest.raises(InvalidValueError, match="horizon_s"):
        issued(model, [made("a", 1)], START, hours=hours)
