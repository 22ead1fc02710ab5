"""Young series: helped by their elders from the first bucket on, and left alone when grown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.remembering import Remembering
from foretide.errors import InvalidValueError
from foretide.forecast.base import Forecaster
from foretide.forecast.fleet import Fleet
from foretide.forecast.ladder import Laddered, LadderedTrainable, laddered
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.forecast.shape_bank import Elder, Estimate
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast
from foretide.sources.demand_table import read_demand

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)
HOUR_S, DAY_H = 3600, 24
GROWN_DAYS = 35  # elders' history where the young one is born, a Monday


def rhythm(first_h: int, count_h: int, *, mean: float = 300.0, seed: int = 1) -> FloatArray:
    hours = np.arange(first_h, first_h + count_h)
    shape = 1 + 0.8 * np.sin(2 * np.pi * (hours % DAY_H - 9) / DAY_H)
    shape *= np.where(hours // DAY_H % 7 >= 5, 0.3, 1.28)
    return np.random.default_rng(seed).poisson(mean * shape).astype(np.float64)


def series(name: str, first_h: int, values: FloatArray, *, step_s: int = HOUR_S) -> Demand:
    start = MONDAY + timedelta(hours=first_h)
    return Demand(series_id=name, start=start, step_s=step_s, values=values)


def born(days: float, *, mean: float = 40.0, name: str = "shop/new") -> Demand:
    count_h = int(days * DAY_H)
    return series(name, GROWN_DAYS * DAY_H, rhythm(GROWN_DAYS * DAY_H, count_h, mean=mean, seed=9))


def elders(days: int = GROWN_DAYS + 14) -> list[Elder]:
    sizes = {"cart": 100.0, "search": 900.0, "home": 2000.0}
    return [
        Elder(demand=series(f"shop/{name}", 0, rhythm(0, days * DAY_H, mean=mean, seed=at)))
        for at, (name, mean) in enumerate(sizes.items())
    ]


def issued(
    model: Forecaster,
    demands: Sequence[Demand],
    at: datetime,
    *,
    hours: int = 24,
    levels: tuple[float, ...] = LEVELS,
) -> list[Forecast]:
    return model.forecast(
        demands,
        issued_at=at,
        horizon_s=hours * HOUR_S,
        levels=levels,
        timezone=ZoneInfo("UTC"),
    )


def truth(first_h: int, count_h: int, *, mean: float = 40.0) -> FloatArray:
    return rhythm(first_h, count_h, mean=mean * 100, seed=5) / 100


def test_nobody_to_help_leaves_the_forecaster_as_it_is() -> None:
    fleet = Fleet()
    assert laddered(fleet, []) is fleet
    young = born(1)
    only_itself = Laddered(fleet, [Elder(demand=young)])
    (alone,), (told,) = (issued(model, [young], young.end) for model in (fleet, only_itself))
    assert alone.values.tobytes() == told.values.tobytes()
    assert alone.note == told.note


def test_the_grown_are_left_alone() -> None:
    old = [one.demand for one in elders()]
    plain, told = (
        issued(model, old, old[0].end) for model in (Fleet(), laddered(Fleet(), elders()))
    )
    for one, other in zip(plain, told, strict=True):
        assert one.values.tobytes() == other.values.tobytes()
        assert one.note == other.note


@pytest.mark.parametrize("days", [3 / 24, 0.5, 1, 2, 4])
def test_the_shape_of_the_others_beats_what_little_is_known(days: float) -> None:
    young = born(days)
    begin = GROWN_DAYS * DAY_H + len(young.values)
    actual = truth(begin, 7 * DAY_H)
    (alone,), (told,) = (
        issued(model, [young], young.end, hours=168)
        for model in (Fleet(), laddered(Fleet(), elders()))
    )
    off = [np.abs(one.values[:, 1] - actual).mean() for one in (told, alone)]
    assert off[0] < 0.6 * off[1]
    inside = (actual >= told.values[:, 0]) & (actual <= told.values[:, 2])
    assert inside.mean() > 0.7
    assert "of history" in told.note
    assert "shop/" in told.note


def test_twenty_minutes_are_answered_with_a_shape_and_a_reason() -> None:
    minute = 60
    # a day before the elders' last: elders by the minute, the feature first seen 20 minutes ago
    count = 10 * 1440
    rate = 20 * (1 + 0.9 * np.sin(2 * np.pi * (np.arange(count) % 1440 - 540) / 1440))
    rng = np.random.default_rng(3)
    old = [
        Elder(
            demand=series(f"shop/{name}", 0, rng.poisson(rate * size).astype(float), step_s=minute)
        )
        for name, size in (("cart", 1.0), ("home", 5.0))
    ]
    noon = 9 * 1440 + 720
    young = Demand(
        series_id="shop/new",
        start=MONDAY + timedelta(minutes=noon - 20),
        step_s=minute,
        values=rng.poisson(rate[noon - 20 : noon] / 4).astype(float),
    )
    (told,) = issued(laddered(Fleet(), old), [young], young.end)
    at_noon, at_night = told.values[:60, 1].mean(), told.values[-9 * 60 : -8 * 60, 1].mean()
    assert at_night < 0.35 * at_noon
    assert told.values[:60, 0].mean() < rate[noon] / 4 < told.values[:60, 2].mean()
    assert told.note.startswith("only 0.3 h of history: the shape of ")
    assert "shop/cart" in told.note


def test_a_feature_yet_to_come_is_no_feature_without_calls() -> None:
    # The store knows that the app lived: before its first call a feature reads zero.
    young = born(0.5)
    padded = series("shop/new", 0, np.concatenate([np.zeros(GROWN_DAYS * DAY_H), young.values]))
    told = [issued(laddered(Fleet(), elders()), [one], young.end)[0] for one in (young, padded)]
    assert told[0].values.tobytes() == told[1].values.tobytes()
    assert told[0].note == told[1].note


def test_what_was_never_called_is_not_taken_for_new() -> None:
    silent = series("shop/old", 0, np.zeros(GROWN_DAYS * DAY_H))
    told, plain = (
        issued(model, [silent], silent.end)[0] for model in (laddered(Fleet(), elders()), Fleet())
    )
    assert told.values.tobytes() == plain.values.tobytes()


def test_a_weekend_is_known_from_the_others_before_the_first_own() -> None:
    young = born(4)  # Monday to Thursday
    (alone,), (told,) = (
        issued(model, [young], young.end, hours=72)
        for model in (Fleet(), laddered(Fleet(), elders()))
    )
    weekend = slice(DAY_H, 3 * DAY_H)
    friday = told.values[:DAY_H, 1].mean()
    assert told.values[weekend, 1].mean() < 0.45 * friday
    assert alone.values[weekend, 1].mean() > 0.8 * friday


def test_own_days_take_over_from_elders_that_are_unlike() -> None:
    young = born(5)
    night_owls = [
        msgspec.structs.replace(
            one, demand=series(one.demand.series_id, -12, one.demand.values.copy())
        )
        for one in elders()
    ]
    (alone,), (told,) = (
        issued(model, [young], young.end) for model in (Fleet(), laddered(Fleet(), night_owls))
    )
    off = np.abs(told.values[:, 1] - alone.values[:, 1]).mean() / alone.values[:, 1].mean()
    assert off < 0.05


def test_a_predecessor_counts_more_and_gives_its_level() -> None:
    heir = series("shop2/cart", GROWN_DAYS * DAY_H, np.empty(0))
    old = elders(GROWN_DAYS)
    heirs = [msgspec.structs.replace(old[0], successor="shop2/cart"), *old[1:]]
    (told,) = issued(laddered(Fleet(), heirs), [heir], heir.start, hours=168)
    assert told.values[:, 1].mean() == pytest.approx(100.0, rel=0.25)
    (guessed,) = issued(laddered(Fleet(), old), [heir], heir.start, hours=168)
    width = [one.values[:, 2].mean() / one.values[:, 1].mean() for one in (told, guessed)]
    assert width[1] > 1.3 * width[0]


@pytest.mark.parametrize("has_elders", [True, False])
def test_a_declared_estimate_is_the_level_until_something_is_seen(*, has_elders: bool) -> None:
    old = elders(GROWN_DAYS + 3) if has_elders else []
    declared = [Estimate(series_id="shop/new", daily_amount=4800.0)]
    model = laddered(Fleet(), old, declared)
    unseen = series("shop/new", GROWN_DAYS * DAY_H, np.empty(0))
    (told,) = issued(model, [unseen], unseen.start, hours=168)
    assert 7 * 3400 < told.values[:, 1].sum() < 7 * 6400
    assert "declared" in told.note
    ten_times = born(2, mean=2000.0)
    (later,) = issued(model, [ten_times], ten_times.end)
    assert later.values[:, 1].mean() > 1400


def test_a_declared_peak_is_reached_in_the_busiest_hour() -> None:
    declared = [Estimate(series_id="shop/new", peak_per_s=0.1)]
    unseen = series("shop/new", GROWN_DAYS * DAY_H, np.empty(0))
    (told,) = issued(laddered(Fleet(), elders(), declared), [unseen], unseen.start, hours=168)
    assert told.values[:, 1].max() == pytest.approx(360, rel=0.2)


@pytest.mark.parametrize(
    "given", [{}, {"daily_amount": 1.0, "peak_per_s": 1.0}, {"daily_amount": -1.0}]
)
def test_an_estimate_says_one_thing(given: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="give one of daily_amount and peak_per_s"):
        Estimate(series_id="shop/new", **given)


@pytest.mark.parametrize("days", [0.5, 4.0])
@pytest.mark.parametrize("junk", [0.0, 1e12, np.nan])
def test_the_future_is_not_looked_at(days: float, junk: float) -> None:
    young = born(days + 3)
    at = young.start + timedelta(days=days, minutes=20)

    def corrupted(one: Demand) -> Demand:
        values = one.values.copy()
        values[len(one.until(at).values) :] = junk
        return msgspec.structs.replace(one, values=values)

    old = [one.demand for one in elders()]
    told = [
        issued(laddered(Fleet(), [Elder(demand=one) for one in others]), [itself], at)[0]
        for itself, others in ((young, old), (corrupted(young), [corrupted(one) for one in old]))
    ]
    assert told[0].values.tobytes() == told[1].values.tobytes()
    assert told[0].note == told[1].note


def test_broken_elders_do_no_harm() -> None:
    young = born(1)
    hours = (GROWN_DAYS + 1) * DAY_H
    exploding = np.where(np.arange(hours) < hours - 5, 3.0, 1e15)
    broken = [
        Elder(demand=series("shop/nan", 0, np.full(hours, np.nan))),
        Elder(demand=series("shop/zero", 0, np.zeros(hours))),
        Elder(demand=series("shop/boom", 0, exploding)),
        Elder(demand=series("shop/none", 0, np.empty(0))),
        Elder(demand=series("shop/fine", 0, np.ones(60 * hours), step_s=60)),
        Elder(demand=series("shop/short", GROWN_DAYS * DAY_H, np.ones(24))),
    ]
    good = elders(GROWN_DAYS + 1)
    (best,), (told,) = (
        issued(laddered(Fleet(), some), [young], young.end) for some in (good, good + broken)
    )
    assert told.values[:, 1] == pytest.approx(best.values[:, 1], rel=0.35)


def test_a_crowd_of_elders_is_asked_in_any_order() -> None:
    hours = (GROWN_DAYS + 1) * DAY_H
    crowd = [
        Elder(demand=series(f"shop/f{at:02}", 0, rhythm(0, hours, mean=10.0 + at, seed=at)))
        for at in range(30)
    ]
    young = born(1)
    (one,), (other,) = (
        issued(laddered(Fleet(), some), [young], young.end) for some in (crowd, crowd[::-1])
    )
    assert one.values == pytest.approx(other.values, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    step_s=st.sampled_from([60, 420, 3600, 50_000, 86_400]),
    count=st.integers(0, 300),
    kind=st.sampled_from(["noise", "zero", "huge", "missing", "tiny", "spiky"]),
    elder_kind=st.sampled_from(["noise", "zero", "huge", "missing", "tiny"]),
    offset_h=st.integers(0, 900),
    daily_amount=st.sampled_from([None, 1e-9, 1e3, 1e15]),
)
def test_whatever_is_seen_of_whom_the_forecast_is_valid(
    step_s: int,
    count: int,
    kind: str,
    elder_kind: str,
    offset_h: int,
    daily_amount: float | None,
) -> None:
    rng = np.random.default_rng(count)
    length = 30 * 86_400 // step_s

    def made(name: str, size: int) -> FloatArray:
        return {
            "noise": rng.gamma(0.5, 30, size),
            "zero": np.zeros(size),
            "huge": rng.random(size) * 1e15,
            "missing": np.full(size, np.nan),
            "tiny": rng.random(size) * 1e-306,
            "spiky": np.where(rng.random(size) < 0.02, 1e6, rng.poisson(0.2, size)),
        }[name].astype(np.float64)

    young = series("shop/new", 0, made(kind, count), step_s=step_s)
    old = [
        Elder(demand=series(f"shop/{at}", -30 * DAY_H, made(elder_kind, length), step_s=step_s))
        for at in range(2)
    ]
    declared = [Estimate(series_id="shop/new", daily_amount=daily_amount)] if daily_amount else []
    at = MONDAY + timedelta(hours=offset_h)
    (found,) = issued(Laddered(SeasonalNaive(), old, declared), [young], at, hours=31)
    assert len(found.values) == -(-31 * HOUR_S // step_s)
    assert at <= found.start < at + timedelta(seconds=step_s)


@pytest.mark.parametrize("days", [1, 5])
def test_what_can_be_trained_still_can(days: int) -> None:
    young, old = born(days), elders(GROWN_DAYS + days)
    model = laddered(Remembering(), old)
    assert isinstance(model, LadderedTrainable)
    asked = [young, old[0].demand]
    zone = ZoneInfo("UTC")
    trained = model.train(asked, issued_at=young.end, timezone=zone)
    kept = model.forecast_trained(
        trained, asked, issued_at=young.end, horizon_s=24 * HOUR_S, levels=LEVELS, timezone=zone
    )
    direct = issued(model, asked, young.end)
    assert [one.values.tobytes() for one in kept] == [one.values.tobytes() for one in direct]
    with pytest.raises(InvalidValueError, match="was not made by remembering with elders"):
        model.forecast_trained(
            b"{}", asked, issued_at=young.end, horizon_s=HOUR_S, levels=LEVELS, timezone=zone
        )


@pytest.mark.parametrize("days", [0.5, 1, 2])
def test_real_siblings_help(shared_data: Path, days: float) -> None:
    table = read_demand(shared_data / "demand" / "twitter_mentions_5min.parquet")
    losses = np.zeros(2)
    levels = np.asarray(LEVELS)
    for young in table.demands:
        at = young.start + timedelta(days=40)
        begin, end = (int((40 + d) * 288) for d in (0, days))
        known = msgspec.structs.replace(young, start=at, values=young.values[begin:end].copy())
        actual = young.values[end : end + 288]
        old = [Elder(demand=one) for one in table.demands if one is not young]
        for which, model in enumerate((laddered(Fleet(), old), Fleet())):
            (found,) = issued(model, [known], known.end)
            missed = actual[:, None] - found.values
            pinball = np.maximum(levels * missed, (levels - 1) * missed)
            losses[which] += np.nansum(pinball) / np.nansum(actual)
    assert losses[0] < 1.02 * losses[1]
