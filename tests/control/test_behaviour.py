"""From calls to the next hour: order does not matter, sessions pay, bursts do no harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.control.behaviour import CallStream, minutes_of, replayed, span_min, without_sessions
from foretide.control.behaviour_worth import behaviour_behind, behaviour_gain, covariates
from foretide.errors import InvalidValueError
from foretide.forecast.behaviour import ALL, SCORED_LEVELS, Behaviour
from foretide.forecast.score import wql
from foretide.forecast.visits import MinuteCalls
from foretide.model.calls import US_PER_MIN, Calls
from foretide.model.instant import EPOCH
from foretide.simulate.crowds import Crowd, with_crowds
from foretide.simulate.shop import FEATURES, ShopEvents, shop_demand, shop_events

START = datetime(2026, 3, 2, tzinfo=UTC)
LEVELS = (0.05, 0.5, 0.95)
CHECKOUT = FEATURES.index("checkout")


def calls_of(events: ShopEvents) -> Calls:
    return Calls(
        app="shop",
        features=FEATURES,
        ts_us=events.ts_us,
        session=events.session.astype(np.uint64) + 1,
        feature=events.feature.astype(np.int64),
    )


def part(calls: Calls, which: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Calls:
    return msgspec.structs.replace(
        calls,
        ts_us=calls.ts_us[which],
        session=calls.session[which],
        feature=calls.feature[which],
    )


@lru_cache
def shop(days: int = 1, peak: float = 20.0) -> Calls:
    return calls_of(shop_events(seed=4, start=START, days=days, peak_sessions_per_minute=peak))


def fingerprint(thing: Any) -> object:
    """Everything a behaviour knows, by value."""
    if isinstance(thing, np.ndarray):
        return thing.tobytes()
    if isinstance(thing, list | tuple):
        return [fingerprint(one) for one in cast("list[Any]", thing)]
    if isinstance(thing, dict):
        return {key: fingerprint(one) for key, one in cast("dict[Any, Any]", thing).items()}
    return fingerprint(vars(thing)) if hasattr(thing, "__dict__") else thing


def finished(stream: CallStream, calls: Calls) -> Behaviour:
    end = EPOCH + timedelta(minutes=span_min(calls)[1] + 1)
    return stream.outlook(end)


@settings(max_examples=8, deadline=None)
@given(
    cuts=st.lists(st.floats(0, 1), max_size=12),
    late_min=st.floats(0, 14.9),
    seed=st.integers(0, 99),
)
def test_any_batches_in_any_order_give_the_same_bits(
    cuts: list[float], late_min: float, seed: int
) -> None:
    calls = part(shop(), np.arange(6000))
    whole = replayed(calls)
    rng = np.random.default_rng(seed)
    # Every call comes up to `late_min` after it was made.
    arrival = calls.ts_us + rng.random(len(calls.ts_us)) * late_min * US_PER_MIN
    order = np.argsort(arrival, kind="stable")
    edges = sorted(int(cut * len(order)) for cut in cuts)
    stream = CallStream(Behaviour(calls.features))
    for which in np.split(order, edges):
        stream.take(part(calls, which))
    assert stream.late_count == 0
    streamed = finished(stream, calls)
    assert streamed.issue(LEVELS).tobytes() == whole.issue(LEVELS).tobytes()
    assert fingerprint(streamed) == fingerprint(whole)


def test_one_by_one_gives_the_same_bits() -> None:
    calls = part(shop(), np.arange(1500))
    stream = CallStream(Behaviour(calls.features))
    for at in range(len(calls.ts_us)):
        stream.take(part(calls, np.array([at])))
    assert fingerprint(finished(stream, calls)) == fingerprint(replayed(calls))


def test_asking_at_any_time_changes_no_bit() -> None:
    """What is said of a minute is worked out when somebody asks, or half an hour later."""
    calls = part(shop(), np.arange(6000))
    first, last = span_min(calls)
    rng = np.random.default_rng(3)
    asked, left = Behaviour(calls.features), Behaviour(calls.features)
    for minute in minutes_of(calls, first, last):
        asked.close(minute)
        left.close(minute)
        if rng.random() < 0.4:
            asked.issue(LEVELS)
    assert asked.issue(LEVELS).tobytes() == left.issue(LEVELS).tobytes()
    assert fingerprint(asked) == fingerprint(left)


def test_what_comes_too_late_is_left_out_and_counted() -> None:
    calls = part(shop(), np.arange(3000))
    early, rest = part(calls, np.arange(50)), part(calls, np.arange(50, 3000))
    stream = CallStream(Behaviour(calls.features))
    stream.take(rest)
    stream.take(early)
    assert stream.late_count > 0


def test_looking_ahead_changes_nothing() -> None:
    calls = part(shop(), np.arange(4000))
    stream = CallStream(Behaviour(calls.features))
    stream.take(calls)
    before = fingerprint(stream.behaviour)
    ahead = finished(stream, calls)
    assert ahead.minute == stream.behaviour.minute + 15
    assert fingerprint(stream.behaviour) == before


def test_the_future_is_not_looked_at() -> None:
    calls = shop()
    first, last = span_min(calls)
    middle = (first + last) // 2
    minute = calls.ts_us // US_PER_MIN
    past = part(calls, np.flatnonzero(minute <= middle))
    corrupt = msgspec.structs.replace(
        calls,
        feature=np.where(minute > middle, 0, calls.feature),
        session=np.where(minute > middle, np.uint64(3), calls.session),
    )
    said: list[bytes] = []
    for one in (past, corrupt):
        behaviour = Behaviour(calls.features)
        for closed in minutes_of(one, first, last):
            if closed.minute > middle:
                break
            behaviour.close(closed)
        said.append(behaviour.issue(LEVELS).tobytes())
    assert said[0] == said[1]


def test_minutes_must_follow_each_other() -> None:
    empty = np.empty(0)
    behaviour = Behaviour(("a",))

    def minute(at: int) -> MinuteCalls:
        return MinuteCalls(
            minute=at, second=empty, session=empty.astype(np.uint64), feature=empty.astype(np.int64)
        )

    behaviour.close(minute(5))
    with pytest.raises(InvalidValueError, match="minute must be 6"):
        behaviour.close(minute(7))
    with pytest.raises(InvalidValueError, match="leads"):
        Behaviour(("a",), leads=(0, 5))


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 99),
    levels=st.sets(st.floats(0.001, 0.999), min_size=1, max_size=8),
    missing=st.floats(0, 0.9),
)
def test_any_calls_are_answered_with_rising_quantiles(
    seed: int, levels: set[float], missing: float
) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 3000))
    calls = Calls(
        app="any",
        features=("a", "b"),
        ts_us=np.sort(rng.integers(0, 200, count)) * US_PER_MIN,
        session=rng.integers(0, 40, count).astype(np.uint64),
        feature=rng.integers(0, 3, count),
        missing_min=np.flatnonzero(rng.random(200) < missing),
    )
    found = replayed(calls).issue(tuple(sorted(levels)))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=-1) >= 0).all()


def with_campaigns(days: int) -> Calls:
    rng = np.random.default_rng(5)
    crowds = [
        Crowd(
            kind="funnel",
            start=START + timedelta(hours=6 + 3 * at),
            minutes=int(rng.integers(5, 25)),
            factor=float(rng.uniform(2, 8)),
        )
        for at in range(8 * days - 3)
    ]
    events = shop_events(seed=4, start=START, days=days, peak_sessions_per_minute=75)
    return calls_of(with_crowds(events, crowds, seed=1))


def test_sessions_foresee_the_funnel() -> None:
    """Checkout follows cart by five to ten minutes: a third of the loss goes, and more."""
    answer = behaviour_gain(with_campaigns(3), leads=(5, 30))
    gains = {(one.feature, one.lead_min): one for one in answer.gains}
    assert gains["checkout", 5].gain_fraction >= 0.30
    assert "sessions" in gains["checkout", 5].trusted
    assert min(one.gain_fraction for one in answer.gains) > -0.02


@pytest.mark.slow
def test_sessions_foresee_how_calls_to_a_bank_end(shared_data: Path) -> None:
    log = pl.read_parquet(shared_data / "sessions" / "sessions_bank_calls.parquet")
    log = log.filter(pl.col("ts") >= datetime(1999, 2, 7, tzinfo=UTC))
    names = sorted(log["feature"].cast(pl.String).unique())
    number = {name: at for at, name in enumerate(names)}
    calls = Calls(
        app="bank",
        features=tuple(names),
        ts_us=log["ts"].dt.epoch("us").to_numpy(),
        session=log["session"].cast(pl.UInt64).to_numpy() + np.uint64(1),
        feature=np.array([number[name] for name in log["feature"].cast(pl.String)]),
    )
    answer = behaviour_gain(calls, leads=(1,))
    gains = {one.feature: one.gain_fraction for one in answer.gains}
    assert gains["service_end"] >= 0.10
    assert gains["abandon"] >= 0.10


@pytest.mark.parametrize(
    ("kind", "hit"),
    [("one call", ("home",)), ("funnel", ("cart", "checkout")), ("bots", ("search",))],
)
def test_a_burst_costs_little_more_than_the_better_of_the_safe_two(
    kind: Literal["one call", "funnel", "bots"], hit: tuple[str, ...]
) -> None:
    begin_min = 1440 + 600
    crowd = Crowd(kind=kind, start=START + timedelta(minutes=begin_min), minutes=30, factor=15.0)
    events = shop_events(seed=4, start=START, days=2, peak_sessions_per_minute=20)
    calls = calls_of(with_crowds(events, [crowd], seed=1))
    leads = (1, 5, 15)
    behaviour = Behaviour(calls.features, leads=leads)
    first, _ = span_min(calls)
    allowed = {"mixed": ALL, "last": (0,), "usual": (1,)}
    said = {name: np.full((2880, 3, 7, len(SCORED_LEVELS)), np.nan) for name in allowed}
    counts = np.zeros((2880, 7))
    for minute in minutes_of(calls, first, first + begin_min + 95):
        behaviour.close(minute)
        at = minute.minute - first
        counts[at] = np.bincount(minute.feature, minlength=7)
        if at > begin_min - 30:
            for name, one in allowed.items():
                said[name][at] = behaviour.issue(SCORED_LEVELS, one)
    span = np.arange(begin_min - 5, begin_min + 90)
    for feature in hit:
        place = FEATURES.index(feature)
        for lead_at, lead in enumerate(leads):
            loss = {
                name: wql(one[span - lead, lead_at, place], SCORED_LEVELS, counts[span, place])
                for name, one in said.items()
            }
            assert loss["mixed"] <= 1.1 * min(loss["last"], loss["usual"]), (feature, lead)


def test_without_sessions_other_features_take_their_place() -> None:
    answer = behaviour_gain(without_sessions(with_campaigns(3)), leads=(5,))
    gains = {one.feature: one for one in answer.gains}
    assert not answer.has_sessions
    assert gains["checkout"].gain_fraction > 0.05
    assert gains["checkout"].trusted == "own past + other features"


def test_too_short_a_history_is_said_and_not_judged() -> None:
    calls = part(shop(), np.arange(1000))
    answer = behaviour_gain(calls)
    assert answer.gains == ()
    assert "a day is the least" in answer.note


def test_what_stands_behind_checkout_is_the_cart_and_never_a_small_group() -> None:
    crowd = Crowd(
        kind="funnel", start=START + timedelta(minutes=1440 + 600), minutes=30, factor=8.0
    )
    events = shop_events(seed=4, start=START, days=2, peak_sessions_per_minute=40)
    calls = calls_of(with_crowds(events, [crowd], seed=1))
    minute = calls.ts_us // US_PER_MIN - span_min(calls)[0]
    known = part(calls, np.flatnonzero(minute < 1440 + 620))
    behind = behaviour_behind(known, feature="checkout", leads=(1, 5))
    assert [one.lead_min for one in behind.behinds] == [1, 5]
    ahead = behind.behinds[1]
    assert ahead.sources[0].feature == "cart"
    assert ahead.sources[0].calls > 0.2 * ahead.calls
    assert sum(source.calls for source in ahead.sources) <= ahead.calls
    assert all(one.sessions >= 20 for behind_one in behind.behinds for one in behind_one.sources)
    assert behaviour_behind(without_sessions(known)).behinds == ()


def test_covariates_count_sessions_on_the_grid_of_demand() -> None:
    calls = shop(peak=60.0)
    found = {one.series_id: one for one in covariates(calls, step_s=3600)}
    starts = found["shop/sessions begun"]
    # Names are forgotten at midnight, so each session of the one day begins once.
    again = np.diff(np.sort(calls.ts_us)).size
    assert len(np.unique(calls.session)) <= starts.values.sum() < again
    under_way = found["shop/sessions under way"].values
    stages = sum(one.values for name, one in found.items() if "/after " in name)
    assert (stages <= under_way + 1e-9).all()
    demand = shop_demand(
        shop_events(seed=4, start=START, days=1, peak_sessions_per_minute=60.0), step_s=3600
    )[0]
    assert (starts.start, starts.step_s, len(starts.values)) == (demand.start, 3600, 24)
    assert covariates(without_sessions(calls)) == []
