"""The ceiling of a bid: only accuracy raises it, and never past its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.bid import bid_ceiling_usd, kill_cost_hours
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import Knob
from foretide.plan.policy import ServicePolicy
from foretide.plan.track import Issued, Track, compared

FRACTION = st.floats(0, 1)


def _ceiling(
    needed: float, *, spikes: int = 100, skill: float = 0.0, owner: float | None = None
) -> float:
    hours = kill_cost_hours(
        shortfall_requests=3000, penalty_usd_per_request=0.0001, needed_fraction=needed,
        on_demand_usd_per_hour=0.1,
    )  # fmt: skip
    return bid_ceiling_usd(
        on_demand_usd_per_hour=0.1, kill_hours=hours, spike_hours=10.0, spike_count=spikes,
        skill=skill, owner_usd_per_hour=owner,
    )  # fmt: skip


@settings(max_examples=500)
@given(one=FRACTION, other=FRACTION, spikes=st.integers(0, 90), skill=st.floats(-1, 1))
def test_worse_accuracy_never_raises_the_ceiling(
    one: float, other: float, spikes: int, skill: float
) -> None:
    low, high = sorted((one, other))
    assert _ceiling(low, spikes=spikes, skill=skill) <= _ceiling(high, spikes=spikes, skill=skill)
    assert 0.1 <= _ceiling(high, spikes=spikes, skill=skill) <= 0.15 + 1e-12
    assert _ceiling(high, spikes=spikes, skill=skill, owner=0.08) == 0.08


def test_until_thirty_spikes_are_seen_skill_stands_in() -> None:
    assert _ceiling(1.0, spikes=29, skill=0.4) == pytest.approx(0.11)
    assert _ceiling(1.0, spikes=29, skill=-3) == pytest.approx(0.1)
    assert _ceiling(1.0, spikes=30, skill=0.4) == pytest.approx(0.13)


def test_measured_accuracy_alone_raises_the_ceiling() -> None:
    """The same plans, the same prices; in one history what was planned was needed."""
    policy = ServicePolicy(
        service="web", version="v1", curve=linear_curve(10), knob=Knob(run_rho=12), boot_s=300,
        has_warm_pool=False,
    )  # fmt: skip

    def needed_fraction(rps: float) -> float:
        track = Track()
        for minute in range(600):
            said = Issued(
                for_s=minute * 60.0, low_rps=100, predicted_rps=200, upper_rps=300,
                surprise_rps=320, serving_count=25, total_count=25, reactive_count=10,
            )  # fmt: skip
            track = compared(
                track,
                said=said,
                saying=None,
                rps=rps,
                end_s=minute * 60.0 + 60,
                step_s=60,
                policy=policy,
            )
        return 1 - track.wasted_fraction

    assert needed_fraction(250) == 1
    assert _ceiling(needed_fraction(250)) > _ceiling(needed_fraction(120)) > 0.1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"needed_fraction must lie in \[0, 1\], was 2"):
        _ceiling(2.0)
