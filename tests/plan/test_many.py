"""Many services planned at once come out as each would alone, under the ceiling it was given."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from cases.planner import NOW, RPS, a_demand, a_policy
from foretide.errors import InvalidValueError
from foretide.forecast.nowcast import NOWCAST_LEVELS
from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.plan.budget import Budget
from foretide.plan.capacity import latency_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.many import Asked, Standing, needs_of_many, plans_of_many, standing_of
from foretide.plan.memory import Circumstances
from foretide.plan.need import Need, needs
from foretide.plan.planner import plan
from foretide.plan.policy import ServicePolicy

COUNT = 30


def policies() -> list[ServicePolicy]:
    curve = latency_curve(latency_objective_s=0.4, service_time_s=0.1, workers=2, max_instances=90)
    made = list[ServicePolicy]()
    for at in range(COUNT):
        pool = at % 3 > 0
        objective = (0.0003, 0.001, 0.01)[at % 3]
        changed: dict[str, object] = {"curve": curve} if at % 4 == 0 else {}
        made.append(
            a_policy(
                service=f"s{at}", boot_s=60.0 * (1 + at % 13), has_warm_pool=pool,
                knob=knob_for_objective(objective, has_warm_pool=pool), min_count=1 + at % 2,
                guard_knob=knob_for_objective(objective, has_warm_pool=pool, is_guard=True)
                if at % 5
                else None,
                **changed,
            )
        )  # fmt: skip
    return made


def quantiles() -> FloatArray:
    rng = np.random.default_rng(8)
    level = rng.uniform(0, 80 * RPS, COUNT)
    spread = np.sort(rng.standard_normal((COUNT, 40, len(NOWCAST_LEVELS))) * 0.2, axis=2)
    return level[:, None, None] * np.exp(spread)


def fleet_of(name: str, count: int) -> Fleet:
    states = (InstanceState.SERVING, InstanceState.WARM, InstanceState.BOOTING)
    instances = tuple(
        Instance(
            instance_id=f"{name}-{n}", service=name, version="v1", state=states[n % 3], since=NOW
        )
        for n in range(count)
    )
    return Fleet(service=name, observed_at=NOW, instances=instances)


def standings() -> list[Standing]:
    return [standing_of(one, peak_rps=70 * RPS, top_rps=50 * RPS) for one in policies()]


def all_needs() -> list[Need]:
    return needs_of_many(
        standings(), quantiles(), NOWCAST_LEVELS, forecast_id="f",
        width_max_fraction=np.linspace(0.1, 1, COUNT),
    )  # fmt: skip


def asked() -> list[Asked]:
    return [
        Asked(fleet=fleet_of(f"s{at}", 3 + at), demand=a_demand(at * RPS)) for at in range(COUNT)
    ]


def test_needs_of_many_are_those_of_each_alone() -> None:
    together, spread = all_needs(), quantiles()
    for at, policy in enumerate(policies()):
        knobs = (policy.knob,) if policy.guard_knob is None else (policy.knob, policy.guard_knob)
        alone = needs(
            spread[at : at + 1], NOWCAST_LEVELS, policy=policy, peak_rps=70 * RPS, knobs=knobs
        ).at(
            0,
            forecast_id="f",
            width_max_fraction=float(np.linspace(0.1, 1, COUNT)[at]),
            guard_knob=None if policy.guard_knob is None else 1,
            rho=policy.knob.warm_rho or policy.knob.run_rho,
        )
        assert together[at] == alone


def test_a_quantile_that_is_missing_spoils_its_own_service_alone() -> None:
    spread = quantiles()
    spread[3, 2, 5] = np.nan
    spread[7, 1, 3], spread[7, 1, 4] = 900.0, 1.0
    spread[0, 39, 5] = np.nan  # beyond its horizon
    found = needs_of_many(
        standings(), spread, NOWCAST_LEVELS, forecast_id="f", width_max_fraction=np.ones(COUNT)
    )
    assert [at for at, need in enumerate(found) if not need.is_sound] == [3, 7]


def test_plans_of_many_are_those_of_each_alone_under_its_ceiling() -> None:
    needed, known = all_needs(), asked()
    free, none = plans_of_many(NOW, standings(), needed, known)
    assert none is None
    most = sum(one.serving_count + one.warm_count for one, _ in free) - 40
    made, division = plans_of_many(
        NOW, standings(), needed, known, budget=Budget(instance_count=most)
    )
    assert division is not None
    assert division.instance_count <= most
    for policy, need, one, share, done in zip(
        policies(), needed, known, division.shares, made, strict=True
    ):
        around = Circumstances(ceiling_count=share.ceiling_count)
        assert done == plan(
            now=NOW, fleet=one.fleet, demand=one.demand, need=need, policy=policy,
            memory=one.memory, around=around,
        )  # fmt: skip
    assert sum(len(done.actions) for done, _ in made) < sum(len(done.actions) for done, _ in free)


def test_a_forecast_that_is_too_short_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="must reach 40 minutes ahead, reached 39"):
        needs_of_many(
            standings(), quantiles()[:, :39], NOWCAST_LEVELS, forecast_id="f",
            width_max_fraction=np.ones(COUNT),
        )  # fmt: skip


def test_demand_beyond_the_layers_is_planned_for_all_the_same() -> None:
    low = [standing_of(one, peak_rps=70 * RPS, top_rps=RPS) for one in policies()]
    found = needs_of_many(
        low, quantiles(), NOWCAST_LEVELS, forecast_id="f",
        width_max_fraction=np.linspace(0.1, 1, COUNT),
    )  # fmt: skip
    assert [msgspec.to_builtins(one) for one in found] == [
        msgspec.to_builtins(one) for one in all_needs()
    ]
