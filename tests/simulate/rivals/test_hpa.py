"""The HPA as a rival: against a literal, sync-by-sync reading of the Kubernetes controller."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.simulate.rivals.hpa import controlled, hpa_counts, hpa_warm_counts
from foretide.simulate.scenario import Scenario

_demand = st.lists(
    st.one_of(st.floats(0, 30), st.floats(0, 3), st.just(math.nan)), min_size=1, max_size=40
)


def _wish(used: float, target: float, current: int, ready: int) -> int:
    # GetResourceReplicas in plain Python, with every ready pod measured
    ratio = used / ready / target if ready else 1.0
    if ratio == 1:
        return current
    if ready == current or ratio < 1:
        return current if 0.9 <= ratio <= 1.1 else math.ceil(ratio * ready)
    again = used / current / target
    if again < 1 or 0.9 <= again <= 1.1:
        return current
    return max(math.ceil(again * current), current)


def _average_wish(used: float, target: float, current: int, _ready: int) -> int:
    # GetExternalPerPodMetric in plain Python
    return current if 0.9 <= used / (target * current) <= 1.1 else math.ceil(used / target)


def _literal(
    demand: FloatArray, boot: int, target: float, *, pool: int = 0, is_average: bool = False
) -> list[tuple[int, int, int]]:
    # (serving, warm, booting) a minute; every pod, wish and scale event kept with its time in
    # seconds. The pods beyond those asked for are the warm ones.
    formula = _average_wish if is_average else _wish
    pods = [-math.inf] * (1 + pool)  # when each becomes ready, oldest first
    wishes: list[tuple[int, int]] = []
    events: list[tuple[int, int]] = []
    asked, started = 1, False
    rows: list[tuple[int, int, int]] = []
    for minute in range(len(demand)):
        used = demand[minute - 1] if minute else math.nan
        ready = sum(at <= minute for at in pods)
        if not math.isnan(used) and not started:
            asked, started = max(1, math.ceil(used / target)), True
            pods = [-math.inf] * (asked + pool)
        elif not math.isnan(used):
            for now in range(minute * 60, minute * 60 + 60, 15):
                wish = formula(used, target, asked, min(ready, asked))
                highest = max([wish] + [w for at, w in wishes if at > now - 300])
                wishes.append((now, wish))
                new = wish if wish > asked else min(asked, highest)
                began = asked - sum(n for at, n in events if at > now - 15)
                if new > asked:
                    new = min(new, max(2 * began, began + 4))
                new = max(new, 1)
                if new != asked:
                    events.append((now, new - asked))
                asked = new
        del pods[asked + pool :]  # the youngest go first, so those not ready do
        pods += [minute + boot] * (asked + pool - len(pods))
        ready = sum(at <= minute for at in pods)
        rows.append((min(asked, ready), ready - min(asked, ready), len(pods) - ready))
    return rows


@settings(max_examples=150, deadline=None)
@given(
    _demand,
    st.integers(1, 6),
    st.sampled_from([0.3, 0.5, 0.7, 0.95]),
    st.sampled_from([0, 0, 1, 5]),
    st.booleans(),
)
@example([10.0] * 3 + [1.0] * 12, 5, 0.7, 0, False)
@example([1.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 6, 0.7, 0, False)
@example([5.0, 20.0, 30.0] + [1.0] * 12, 3, 0.5, 5, True)
def test_the_compiled_loop_equals_the_literal_controller(
    demand: list[float], boot: int, target: float, pool: int, is_average: bool
) -> None:
    values = np.array(demand)
    counts = controlled(
        values, boot_minutes=boot, target=target, pool_count=pool, is_average=is_average
    )
    rows = [*zip(counts.serving, counts.warm, counts.booting, strict=True)]
    assert rows == _literal(values, boot, target, pool=pool, is_average=is_average)


@given(_demand, st.data())
@settings(deadline=None)
def test_counts_depend_only_on_demand_before_the_minute(
    demand: list[float], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(demand) - 1))
    changed = demand[:at] + data.draw(
        st.lists(st.floats(0, 99), min_size=len(demand) - at, max_size=len(demand) - at)
    )
    before, after = (
        hpa_counts(np.array(d), capacity_rps=1.0, scenario=Scenario()) for d in (demand, changed)
    )
    np.testing.assert_array_equal(before.serving[: at + 1], after.serving[: at + 1])
    np.testing.assert_array_equal(before.booting[: at + 1], after.booting[: at + 1])


def test_a_doubling_of_demand_is_followed_after_the_boot_time() -> None:
    # By hand, target .5, capacity 1: demand 5 -> 10 instances. At minute 2 the metric says 10:
    # ratio 2, wanted 20, allowed 20 in one sync; then the unready halve the ratio: no change.
    demand = np.array([5.0, 10.0, 10.0, 10.0, 10.0, 10.0])
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(boot_s=120), target=0.5)
    assert counts.serving.tolist() == [1, 10, 10, 10, 20, 20]
    assert counts.booting.tolist() == [0, 0, 10, 10, 0, 0]


def test_growth_is_held_to_doubling_or_four_every_15_s() -> None:
    # By hand, target 1: from 1 to 5, 10, 20 and 40 in the four syncs of the minute that sees 70.
    # The last is held: of 40, 39 are not ready, so 70 / 40 asks for all 70, and 40 + 40 allows it,
    # but the minute has ended; the first sync of the next one takes it.
    demand = np.array([1.0, 70.0, 70.0, 70.0])
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(boot_s=300), target=1.0)
    assert counts.booting.tolist() == [0, 0, 39, 69]


def test_a_fall_is_followed_once_five_minutes_of_wishes_have_passed() -> None:
    # By hand, target .5: 10 instances; demand falls to 1 in minute 3, seen from minute 4 on. Wishes
    # of 10 end with the last sync of minute 3 (at 3:45) and are younger than 300 s until 8:45.
    demand = np.array([5.0, 5.0, 5.0] + [1.0] * 8)
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(boot_s=120), target=0.5)
    assert counts.serving.tolist() == [1] + [10] * 7 + [2] * 3


def test_a_change_within_the_tolerance_is_none() -> None:
    # target .5 and 10 instances: 5.5 used is a ratio of 1.1, 5.51 lies beyond it and wants 12
    demand = np.array([5.0, 5.5, 4.5, 5.51, 5.51])
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(boot_s=60), target=0.5)
    assert (counts.serving + counts.booting).tolist() == [1, 10, 10, 10, 12]


def test_a_warm_pool_is_promoted_at_once_and_refilled_by_launches() -> None:
    # By hand, target .5: 10 run and 4 are warm. Minute 2 sees 6.5: 13 are asked for, 3 of the warm
    # serve at once, and 3 launches refill the pool within 2 minutes.
    demand = np.array([5.0, 6.5, 6.5, 6.5, 6.5])
    counts = hpa_warm_counts(
        demand, capacity_rps=1.0, scenario=Scenario(boot_s=120), target=0.5, pool_count=4
    )
    assert counts.serving.tolist() == [1, 10, 13, 13, 13]
    assert counts.warm.tolist() == [4, 4, 1, 1, 4]
    assert counts.booting.tolist() == [0, 0, 3, 3, 0]


def test_an_instance_let_go_takes_the_place_of_one_that_boots_for_the_pool() -> None:
    # By hand, target 1: 10 run; 11.5 asks for 12 in minute 3 and takes 2 of the pool, which boot
    # until minute 13. The fall to 5 is followed at 8:45: two of those let go become the pool.
    demand = np.array([10.0, 10.0, 11.5, 5.0] + [5.0] * 8)
    counts = hpa_warm_counts(
        demand, capacity_rps=1.0, scenario=Scenario(boot_s=600), target=1.0, pool_count=2
    )
    assert counts.serving.tolist() == [1, 10, 10, 12, 12, 12, 12, 12, 5, 5, 5, 5]
    assert counts.warm.tolist() == [2, 2, 2, 0, 0, 0, 0, 0, 2, 2, 2, 2]
    assert counts.booting.tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 0, 0, 0, 0]


def test_unseen_demand_changes_nothing() -> None:
    demand = np.array([5.0, 5.0] + [math.nan] * 20)
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(), target=0.5)
    assert counts.serving.tolist() == [1] + [10] * 21
    nothing = hpa_counts(np.full(3, math.nan), capacity_rps=1.0, scenario=Scenario())
    assert nothing.serving.tolist() == [1, 1, 1]


def test_a_wild_number_asks_for_no_more_than_can_be_played() -> None:
    counts = hpa_counts(np.array([1.0, 1e15] * 20), capacity_rps=1e-9, scenario=Scenario())
    assert (counts.serving + counts.booting).max() == 10_000
    assert counts.serving.min() >= 1


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="target must be > 0, was 0"):
        hpa_counts(np.ones(3), capacity_rps=1.0, scenario=Scenario(), target=0)
    with pytest.raises(InvalidValueError, match="target must be > 0, was nan"):
        hpa_counts(np.ones(3), capacity_rps=1.0, scenario=Scenario(), target=math.nan)
    with pytest.raises(InvalidValueError, match="pool_count must be >= 0, was -1"):
        hpa_warm_counts(np.ones(3), capacity_rps=1.0, scenario=Scenario(), pool_count=-1)
