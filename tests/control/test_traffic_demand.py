"""How a counter that is read now and then becomes demand: exact, never negative, never made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.control.traffic_demand import Reading, TrafficDemand
from foretide.platforms.local.traffic.base import Counted

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def counted(count: int, counter: str = "a") -> Counted:
    return Counted(
        counter_id=counter, request_count=count, failed_count=0, aborted_count=0, in_flight_count=0
    )


def values(demand: TrafficDemand) -> list[float | None]:
    found = demand.demand()
    assert found is not None
    return [None if np.isnan(one) else round(one, 6) for one in found.values.tolist()]


def test_buckets_hold_what_was_counted_in_them() -> None:
    demand = TrafficDemand("web", step_s=60)
    for minute, count in enumerate([0, 60, 180, 180]):
        demand.read(at(60 * minute), counted(count))
    assert values(demand) == [60, 120, 0]
    found = demand.demand()
    assert found is not None
    assert (found.start, found.step_s, found.series_id) == (START, 60, "web")


def test_a_reading_just_after_a_bucket_is_shared_by_time() -> None:
    demand = TrafficDemand("web", step_s=60)
    demand.read(at(-59.5), counted(0))
    demand.read(at(0.5), counted(600))
    demand.read(at(60.5), counted(600))
    # the minute before was begun half a second late
    assert values(demand) == [None, 5.0]


def test_nothing_is_said_before_a_bucket_is_over() -> None:
    demand = TrafficDemand("web", step_s=60)
    assert demand.demand() is None
    demand.read(at(1), counted(5))
    demand.read(at(59), counted(9))
    assert demand.demand() is None


def test_a_counter_that_began_again_leaves_its_bucket_missing() -> None:
    demand = TrafficDemand("web", step_s=60)
    for second, count, counter in [
        (0, 1000, "a"), (60, 1060, "a"), (120, 7, "b"), (180, 67, "b"), (240, 3, "b"),
        (300, 10, "b"),
    ]:  # fmt: skip
        demand.read(at(second), counted(count, counter))
    # also where the same counter says less than before
    assert values(demand) == [60, None, 60, None, 7]


def test_where_nobody_counts_demand_is_missing() -> None:
    demand = TrafficDemand("web", step_s=60)
    demand.read(at(0), counted(0))
    demand.read(at(60), None)
    demand.read(at(120), counted(50))
    demand.read(at(180), counted(80))
    assert values(demand) == [None, None, 30]


def test_readings_far_apart_tell_nothing_of_the_buckets_between() -> None:
    demand = TrafficDemand("web", step_s=60)
    demand.read(at(0), counted(0))
    demand.read(at(120), counted(100))
    demand.read(at(300), counted(400))
    demand.read(at(360), counted(401))
    assert values(demand) == [50, 50, None, None, None, 1]


def test_a_clock_that_goes_back_counts_nothing_twice() -> None:
    demand = TrafficDemand("web", step_s=60)
    for second, count in [(0, 0), (60, 60), (30, 90), (60, 120), (120, 180)]:
        demand.read(at(second), counted(count))
    assert values(demand) == [60, 120]


def test_a_clock_that_leaps_ahead_by_years_is_answered_with_two_days() -> None:
    demand = TrafficDemand("web", step_s=60)
    demand.read(at(0), counted(0))
    demand.read(at(10 * 365 * 86_400), counted(1))
    assert len(values(demand)) == 2880


def test_another_process_goes_on_from_the_last_reading() -> None:
    first = TrafficDemand("web", step_s=60)
    first.read(at(0), counted(100))
    first.read(at(50), counted(150))
    second = TrafficDemand("web", step_s=60, last=first.last)
    second.read(at(70), counted(170))
    second.read(at(120), counted(230))
    assert first.last == Reading(at=at(50), counter_id="a", request_count=150)
    assert values(second)[1] == 10 + 60


def test_a_reading_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Reading(at=datetime(2026, 3, 2), counter_id="a", request_count=0)  # noqa: DTZ001


@given(
    gaps_ms=st.lists(st.integers(10, 119_000), min_size=2, max_size=60),
    counts=st.lists(st.integers(0, 10_000), min_size=60, max_size=60),
    offset_ms=st.integers(0, 59_999),
)
def test_all_that_was_counted_is_somewhere_and_nothing_else(
    gaps_ms: list[int], counts: list[int], offset_ms: int
) -> None:
    demand = TrafficDemand("web", step_s=60)
    total, now_s = 0, offset_ms / 1000
    times_s, totals = list[float](), list[int]()
    for gap_ms, count in zip([0, *gaps_ms], counts, strict=False):
        now_s, total = now_s + gap_ms / 1000, total + count
        demand.read(at(now_s), counted(total))
        times_s.append(now_s)
        totals.append(total)
    found = demand.demand()
    if found is None:
        return
    assert np.nanmin(np.append(found.values, 0)) >= 0
    # the counter between two readings, told by straight lines, at the bounds of each bucket
    edges_s = np.arange(len(found.values) + 1) * 60 + (found.start - START).total_seconds()
    expected = np.diff(np.interp(edges_s, times_s, totals))
    whole = edges_s[:-1] >= times_s[0]
    assert np.isnan(found.values[~whole]).all()
    np.testing.assert_allclose(found.values[whole], expected[whole], rtol=1e-6, atol=0.01)
