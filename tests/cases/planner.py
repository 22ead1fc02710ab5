"""What the tests of the planner are made of: small fleets, needs and policies."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import settings

from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Plan
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import Knob
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RPS = 10.0
LAW = settings(max_examples=500, deadline=None)


def a_policy(**changed: object) -> ServicePolicy:
    known: dict[str, object] = {
        "service": "web", "version": "v1", "curve": linear_curve(RPS), "knob": Knob(run_rho=4),
        "boot_s": 300.0, "has_warm_pool": True, "max_count": 200,
    }  # fmt: skip
    return ServicePolicy(**(known | changed))  # pyright: ignore[reportArgumentType]


def a_fleet(counts: dict[InstanceState, int]) -> Fleet:
    states = [state for state, count in counts.items() for _ in range(count)]
    instances = tuple(
        Instance(
            instance_id=f"i{n}", service="web", version="v1", state=state, since=NOW,
            is_serving_next=False,
        )
        for n, state in enumerate(states)
    )  # fmt: skip
    return Fleet(service="web", observed_at=NOW, instances=instances)


def a_need(
    serving: tuple[int, int], total: tuple[int, int], *, width: float = 0.1, bound: float = 0.3
) -> Need:
    return Need(
        forecast_id="f", predicted_rps=100, upper_rps=120, width_fraction=width,
        width_max_fraction=bound, serving_up=serving[0], serving_low=serving[1],
        total_up=total[0], total_low=total[1],
    )  # fmt: skip


def told_of(need: Need, rps: float) -> Need:
    """Return a need with all that a forecast around `rps` says one boot ahead."""
    shares = (1.05, 1.1, 1.2, 1.3, 1.5)
    return msgspec.structs.replace(
        need, low_rps=0.9 * rps, predicted_rps=rps, upper_rps=1.15 * rps, rho=140.0,
        tail_rps=tuple(share * rps for share in shares),
    )  # fmt: skip


def a_demand(last: float | None, previous: float | None = None, age_s: float = 0) -> RecentDemand:
    return RecentDemand(
        last_rps=last, previous_rps=last if previous is None else previous, age_s=age_s, step_s=60
    )


def total_of(made: Plan) -> int:
    return made.serving_count + made.warm_count


def verbs_of(made: Plan) -> list[str]:
    return [type(action).__name__ for action in made.actions]
