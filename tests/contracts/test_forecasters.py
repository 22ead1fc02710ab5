"""Laws that every forecaster keeps, whatever the demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.forecasters import (
    HEAVY,
    HOUR_S,
    LEVELS,
    LIGHT,
    SMOOTH,
    START,
    ZONES,
    asking,
    broken,
    caveat,
    chosen,
    demands,
    issued,
    made,
    same,
    spoilt,
)
from foretide.errors import InvalidValueError
from foretide.forecast.base import Forecaster, step_count
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast


@pytest.fixture(scope="module", params=[*LIGHT, *HEAVY])
def model(request: pytest.FixtureRequest) -> Forecaster:
    """Every forecaster of ours."""
    return chosen(request.param)


@pytest.fixture(scope="module", params=LIGHT)
def light(request: pytest.FixtureRequest) -> Forecaster:
    """Those that answer in milliseconds."""
    return chosen(request.param)


@pytest.fixture(scope="module", params=HEAVY)
def heavy(request: pytest.FixtureRequest) -> Forecaster:
    """Those whose fits take time: fewer examples."""
    return chosen(request.param)


any_history = given(
    demand=demands(),
    offset_min=st.integers(-3000, 60_000),
    hours=st.sampled_from([0.5, 24, 31, 168]),
    zone=st.sampled_from(ZONES),
)


@settings(max_examples=60, deadline=None)
@any_history
def test_any_history_is_answered_on_the_right_buckets(
    light: Forecaster, demand: Demand, offset_min: int, hours: float, zone: str
) -> None:
    check_buckets(light, demand, offset_min, hours, zone)


@settings(max_examples=8, deadline=None)
@any_history
def test_heavy_models_answer_any_history_too(
    heavy: Forecaster, demand: Demand, offset_min: int, hours: float, zone: str
) -> None:
    check_buckets(heavy, demand, offset_min, hours, zone)


def check_buckets(
    model: Forecaster, demand: Demand, offset_min: int, hours: float, zone: str
) -> None:
    at = START + timedelta(minutes=offset_min)
    (found,) = issued(model, [demand], at, hours=hours, zone=zone)
    # Forecast itself refuses what is not finite, negative or crossing.
    assert len(found.values) == step_count(demand.step_s, int(hours * HOUR_S))
    assert at <= found.start < at + timedelta(seconds=demand.step_s)
    assert (found.start - demand.start) % timedelta(seconds=demand.step_s) == timedelta()
    assert (found.series_id, found.model, found.issued_at) == ("any", model.name, at)


look_ahead = given(
    days=st.sampled_from([0.5, 2, 5, 10, 16, 30]),
    missing_fraction=st.sampled_from([0.0, 0.4]),
    back_h=st.integers(1, 40),
    junk=st.floats(0, 1e12),
    zone=st.sampled_from(ZONES),
)


@settings(max_examples=25, deadline=None)
@look_ahead
def test_the_future_is_not_looked_at(
    light: Forecaster, days: float, missing_fraction: float, back_h: int, junk: float, zone: str
) -> None:
    check_future(light, days, missing_fraction, back_h, junk, zone)


@pytest.mark.parametrize(("days", "zone"), [(10, "Asia/Kolkata"), (26, "Europe/Paris")])
def test_heavy_models_do_not_look_at_the_future_either(
    heavy: Forecaster, days: float, zone: str
) -> None:
    check_future(heavy, days, 0.2, 30, 1e9, zone)


def check_future(
    model: Forecaster, days: float, missing_fraction: float, back_h: int, junk: float, zone: str
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


@pytest.mark.parametrize("step_s", [300, 3600])
def test_chunk_mates_and_their_order_change_nothing(light: Forecaster, step_s: int) -> None:
    series = [
        spoilt(made(f"s{at}", 15, step_s=step_s, seed=at, level=3.0**at), at / 10, at)
        for at in range(7)
    ]
    series += broken(len(series[0].values), step_s)
    at = series[0].end
    together = issued(light, series, at)
    backwards = issued(light, series[::-1], at)[::-1]
    for demand, one, other in zip(series, together, backwards, strict=True):
        (alone,) = issued(light, [demand], at)
        assert same(alone, one)
        assert same(alone, other)


def test_what_nothing_can_be_learned_from_is_answered_widely(model: Forecaster) -> None:
    series = broken(24 * 21)
    at = series[0].end
    for demand, found in zip(series, issued(model, series, at, hours=168), strict=True):
        assert (found.values[:, -1] > found.values[:, 0]).all(), demand.series_id
        assert found.values.max() <= 1000 * np.nanmax(demand.values, initial=1.0)
        if demand.series_id in {"missing", "zero", "two points"}:
            assert caveat(found), demand.series_id


@pytest.mark.parametrize("silent_h", [0, 200])
def test_a_level_does_not_depend_on_the_others_asked_for(model: Forecaster, silent_h: int) -> None:
    demand = made("a", 20)
    at = demand.end + timedelta(hours=silent_h)
    ask = asking(model, demand, at)
    all_levels = ask(LEVELS)
    for column, level in enumerate(LEVELS):
        assert ask((level,)).values.tobytes() == all_levels.values[:, [column]].tobytes()


@pytest.fixture(scope="module")
def settled_width(model: Forecaster) -> float:
    """How wide a model is of a series it knows well."""
    old = made("old", 56)
    (settled,) = issued(model, [old], old.end, levels=(0.05, 0.5, 0.95))
    return relative_width(settled)


@pytest.mark.parametrize(
    ("days", "is_noted"),
    [(0, True), (1 / 24, True), (2 / 24, True), (1, True), (5, True), (30, False)],
)
def test_little_history_is_said_and_wide(
    model: Forecaster, settled_width: float, days: float, *, is_noted: bool
) -> None:
    demand = made("young", days)
    (found,) = issued(model, [demand], max(demand.end, START), levels=(0.05, 0.5, 0.95))
    assert bool(caveat(found)) == is_noted
    if is_noted:
        # what cannot draw an edge is never narrow
        at_least = 1.0 if model.name in SMOOTH else 1.2
        assert relative_width(found) > at_least * settled_width


def relative_width(found: Forecast) -> float:
    return float((found.values[:, -1] - found.values[:, 0]).mean() / found.values[:, 1].mean())


@pytest.mark.parametrize("back_h", [1, 23, 24, 30, 80, 84, 140, 166, 1000])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_a_single_point_is_held_to_loosely(model: Forecaster, back_h: int, zone: str) -> None:
    demand = Demand(series_id="one", start=START, step_s=HOUR_S, values=np.array([100.0]))
    at = START + timedelta(hours=back_h)
    (found,) = issued(model, [demand], at, levels=(0.05, 0.5, 0.95), zone=zone)
    assert caveat(found)
    assert (found.values[:, 0] < 75).all()
    assert (np.abs(found.values[:, 1] - 100) < 1).all()
    assert (found.values[:, 2] > 130).all()


@pytest.mark.parametrize("value", [0.0, 12.0])
def test_a_constant_series_is_not_taken_for_certain(model: Forecaster, value: float) -> None:
    demand = Demand(series_id="flat", start=START, step_s=HOUR_S, values=np.full(24 * 30, value))
    (found,) = issued(model, [demand], demand.end, levels=(0.05, 0.5, 0.95))
    assert (found.values[:, 0] <= value).all()
    assert (found.values[:, 2] > value).all()
    assert np.abs(found.values[:, 1] - value).max() < 0.1


def test_silence_widens_and_is_said(model: Forecaster) -> None:
    demand = made("silent", 40)
    widths: list[float] = []
    for days in (0, 3, 20, 400):
        at = demand.end + timedelta(days=days)
        (found,) = issued(model, [demand], at)
        assert bool(caveat(found)) == (days > 0)
        assert found.start == at
        widths.append(float((found.values[:, 3] - found.values[:, 1]).mean()))
    assert widths == sorted(widths)


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
    steps = middle.reshape(7, 24).argmax(axis=1) + 24 * np.arange(7)
    peaks = [found.start + timedelta(hours=int(step)) for step in steps]
    assert [stamp.astimezone(zone).hour for stamp in peaks] == [12] * 7
    if model.name not in SMOOTH:
        assert (middle > 250).sum() == 7


@pytest.mark.parametrize("levels", [(), (0.5, 0.5), (0.9, 0.1), (0.0,), (1.0,)])
def test_impossible_levels_are_refused(model: Forecaster, levels: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="levels"):
        issued(model, [made("a", 1)], START, levels=levels)


@pytest.mark.parametrize("hours", [0, 169])
def test_impossible_horizons_are_refused(model: Forecaster, hours: int) -> None:
    with pytest.raises(InvalidValueError, match="horizon_s"):
        issued(model, [made("a", 1)], START, hours=hours)
