"""What decisions take: CPU seconds on one thread."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
from planning.many_services import NOW, case_of, round_s, settled

from foretide.forecast.nowcast import NOWCAST_LEVELS
from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.plan.capacity import linear_curve
from foretide.plan.course import Minutes, course, first_state
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need, NeedBlock, layers_for, low_width_bound, needs
from foretide.plan.planner import Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy

_MANY = 10_000
_ALONE, _ALONE_ROUNDS = 200, 15
_COURSE_MINUTES = 200_000
_Z = np.array([-2.3, -1.6, -1.3, -0.7, 0, 0.7, 1.3, 1.6, 2.05, 2.3, 2.6, 2.9, 3.1, 3.3])


def policy() -> ServicePolicy:
    """Return a service of about forty instances, held to one lost request in a thousand."""
    return ServicePolicy(
        service="web",
        version="v1",
        curve=linear_curve(1.0),
        knob=knob_for_objective(0.001, has_warm_pool=True),
        guard_knob=knob_for_objective(0.001, has_warm_pool=True, is_guard=True),
        objective_fraction=0.001,
        boot_s=300,
        has_warm_pool=True,
        max_count=1000,
    )


def quantiles(count: int) -> FloatArray:
    """Return quantiles of the coming minutes for many services."""
    rng = np.random.default_rng(3)
    level = 40 * np.exp(rng.normal(0, 0.2, (count, 1, 1)))
    wander = 1 + 0.02 * rng.normal(0, 1, (count, 31, 1)).cumsum(axis=1)
    return np.maximum(level * wander * (1 + 0.05 * _Z), 0.0)


def speeds() -> dict[str, float]:
    """Return the figures of every line that is a time."""
    many_s = _many_s()
    return {
        "decision": many_s / _MANY * 1e6,
        "alone": _alone_s() * 1e6,
        "many": many_s,
        "first": _first_s(),
        "rate": _minutes_per_s(),
    }


def _asked(block: NeedBlock) -> Need:
    return block.at(0, forecast_id="f", width_max_fraction=low_width_bound(np.empty(0)), knob=0,
                    guard_knob=1)  # fmt: skip


def _many_s() -> float:
    """Return the CPU time of needs and plans of many services in one call."""
    case = settled(case_of(_MANY))
    needs_s, plans_s, _ = round_s(case)
    return needs_s + plans_s


def _alone_s() -> float:
    """Return the CPU time of one service's need and plan, each service asked for by itself."""
    case = settled(case_of(_ALONE))
    now = NOW + timedelta(minutes=1)

    def decide_each() -> None:
        for at, (one, asked) in enumerate(zip(case.standings, case.asked, strict=True)):
            own = one.policy
            block = needs(
                case.quantiles_rps[at : at + 1], NOWCAST_LEVELS, policy=own,
                peak_rps=60 * own.curve.served_rps[1], knobs=(own.knob, own.guard_knob or own.knob),
                layers=one.layers,
            )  # fmt: skip
            plan(
                now=now, fleet=asked.fleet, demand=asked.demand, need=_asked(block), policy=own,
                memory=asked.memory,
            )  # fmt: skip

    took = list[float]()
    for _ in range(_ALONE_ROUNDS):
        began = time.process_time()
        decide_each()
        took.append(time.process_time() - began)
    return float(np.median(took)) / _ALONE


def decide() -> None:
    """Make one decision about one service, from its quantiles."""
    own, every = policy(), quantiles(1)
    knobs = (own.knob, knob_for_objective(0.001, has_warm_pool=True, is_guard=True))
    now = datetime(2026, 3, 2, tzinfo=UTC)
    fleet = Fleet(
        service="web",
        observed_at=now,
        instances=tuple(
            Instance(
                instance_id=f"i{n}", service="web", version="v1", since=now,
                state=InstanceState.SERVING if n < 42 else InstanceState.WARM,
            )
            for n in range(50)
        ),
    )  # fmt: skip
    demand = RecentDemand(last_rps=39.0, previous_rps=38.5, age_s=0.0, step_s=60)
    block = needs(
        every, NOWCAST_LEVELS, policy=own, peak_rps=50.0, knobs=knobs,
        layers=layers_for(own, float(every.max())),
    )  # fmt: skip
    plan(now=now, fleet=fleet, demand=demand, need=_asked(block), policy=own, memory=Memory())


def _first_s() -> float:
    """Return the wall time of a process that makes one decision, compiled code on disk."""
    code = (
        "import sys; sys.path.insert(0, 'benchmarks');from planning.speed import decide; decide()"
    )
    took = list[float]()
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        took.append(time.perf_counter() - began)
    return min(took)


def _minutes_per_s() -> float:
    own = policy()
    rng = np.random.default_rng(4)
    serving = 40 + rng.integers(-2, 3, _COURSE_MINUTES)
    bands = np.stack([serving, serving + 1, serving + 6, serving + 8], axis=1)[:, None]
    rps = serving - rng.uniform(0, 3, _COURSE_MINUTES)
    zeros = np.zeros(_COURSE_MINUTES, dtype=np.int64)
    minutes = Minutes(
        last_rps=rps,
        previous_rps=rps,
        is_low=np.ones(_COURSE_MINUTES, dtype=np.bool_),
        bands=bands,
        trigger_fraction=np.full(_COURSE_MINUTES, 0.85),
        surprise_rps=np.full(_COURSE_MINUTES, np.inf),
    )

    def play() -> None:
        course(minutes, policy=own, knobs=zeros, guard_knobs=zeros, state=first_state(own))

    play()
    began = time.process_time()
    play()
    return _COURSE_MINUTES / (time.process_time() - began)
