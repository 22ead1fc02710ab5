"""The HPA as a rival: against a literal, sync-by-sync reading of the Kubernetes controller."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.reactive import wanted_count
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import Scenario

_demand = st.lists(
    st.one_of(st.floats(0, 30), st.floats(0, 3), st.just(math.nan)), min_size=1, max_size=40
)


def _literal(demand: FloatArray, boot: int, target: float) -> list[tuple[int, int]]:
    # (serving, booting) a minute; every pod, wish and scale event kept with its time in seconds.
    pods = [-math.inf]  # when each becomes ready, oldest first
    wishes: list[tuple[int, int]] = []
    events: list[tuple[int, int]] = []
    started = False
    rows: list[tuple[int, int]] = []
    for minute in range(len(demand)):
        used = demand[minute - 1] if minute else math.nan
        if not math.isnan(used) and not started:
            pods, started = [-math.inf] * max(1, math.ceil(used / target)), True
        elif not math.isnan(used):
            for now in range(minute * 60, minute * 60 + 60, 15):
                ready = sum(at <= minute for at in pods)
                current = len(pods)
                wish = wanted_count(
                    used,
                    target_fraction=target,
                    current_count=current,
                    measured_count=ready,
                    unready_count=current - ready,
                )
                highest = max([wish] + [w for at, w in wishes if at > now - 300])
                wishes.append((now, wish))
                new = wish if wish > current else min(current, highest)
                began = current - sum(n for at, n in events if at > now - 15)
                if new > current:
                    new = min(new, max(2 * began, began + 4))
                new = max(new, 1)
                if new != current:
                    events.append((now, new - current))
                del pods[new:]  # the youngest go first, so those not ready do
                pods += [minute + boot] * (new - len(pods))
        ready = sum(at <= minute for at in pods)
        rows.append((ready, len(pods) - ready))
    return rows


@settings(max_examples=150, deadline=None)
@given(_demand, st.integers(1, 6), st.sampled_from([0.3, 0.5, 0.7, 0.95]))
@example([10.0] * 3 + [1.0] * 12, 5, 0.7)
@example([1.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 6, 0.7)
def test_the_fast_loop_equals_the_literal_controller(
    demand: list[float], boot: int, target: float
) -> None:
    values = np.array(demand)
    counts = hpa_counts(
        values * 2, capacity_rps=2.0, scenario=Scenario(boot_s=boot * 60), target=target
    )
    assert [*zip(counts.serving, counts.booting, strict=True)] == _literal(values, boot, target)
    assert not counts.warm.any()


@given(_demand, st.data())
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


def test_a_fall_is_followed_once_five_minutes_of_wishes_have_passed() -> None:
    # By hand, target .5: 10 instances; demand falls to 1 in minute 3, seen from minute 4 on. Wishes
    # of 10 end with the last sync of minute 3 (at 3:45) and are younger than 300 s until 8:45.
    demand = np.array([5.0, 5.0, 5.0] + [1.0] * 8)
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(boot_s=120), target=0.5)
    assert counts.serving.tolist() == [1] + [10] * 7 + [2] * 3


def test_unseen_demand_changes_nothing() -> None:
    demand = np.array([5.0, 5.0] + [math.nan] * 20)
    counts = hpa_counts(demand, capacity_rps=1.0, scenario=Scenario(), target=0.5)
    assert counts.serving.tolist() == [1] + [10] * 21
    nothing = hpa_counts(np.full(3, math.nan), capacity_rps=1.0, scenario=Scenario())
    assert nothing.serving.tolist() == [1, 1, 1]


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="target must be > 0, was 0"):
        hpa_counts(np.ones(3), capacity_rps=1.0, scenario=Scenario(), target=0)
