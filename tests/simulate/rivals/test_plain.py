"""The plain algorithm: three branches on the forecast one boot ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.control.lookahead import Lookahead
from foretide.errors import InvalidValueError
from foretide.model.demand import Demand
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.simulate.rivals.group import followed
from foretide.simulate.rivals.plain import plain_counts
from foretide.simulate.scenario import Scenario

RULES = Scenario(boot_s=300)


def test_it_grows_at_once_and_shrinks_only_when_the_interval_is_low() -> None:
    target = np.array([4, 6, 5, 5, 7, 3, 3])
    is_low = np.array([True, True, False, True, False, False, True])
    serving, booting = followed(target, is_low, 2)
    assert (serving + booting).tolist() == [4, 6, 6, 5, 7, 7, 3]
    # what is launched in minute 1 serves from minute 3; of it one has ended by then
    assert serving.tolist() == [4, 4, 4, 5, 5, 5, 3]


def wave(minutes: int) -> Demand:
    rng = np.random.default_rng(5)
    rate = 600 - 300 * np.cos(2 * np.pi * np.arange(minutes) / 1440)
    return Demand(
        series_id="web", start=datetime(2026, 3, 2, tzinfo=UTC), step_s=60,
        values=rng.poisson(rate).astype(np.float64),
    )  # fmt: skip


def test_its_target_is_the_planners_own_forecast_at_the_utilisation_given() -> None:
    demand = wave(1000)
    counts = plain_counts(demand, demand.values / 60, capacity_rps=0.5, scenario=RULES, target=0.8)
    policy = ServicePolicy(
        service="web", version="v1", curve=linear_curve(0.5), boot_s=300, has_warm_pool=True,
        knob=knob_for_objective(0.01, has_warm_pool=True),
    )  # fmt: skip
    outlook = Lookahead(policy, demand, block_minutes=240)
    total = counts.serving + counts.booting
    needs = [outlook.need(demand.start + timedelta(minutes=minute)) for minute in range(1000)]
    assert needs[719] is None
    for minute, need in enumerate(needs[720:], 720):
        assert need is not None
        asked = int(np.ceil(need.predicted_rps / 0.5 / 0.8))
        if need.width_fraction <= need.width_max_fraction:
            assert total[minute] == asked
        else:
            assert total[minute] == max(total[minute - 1], asked)


def test_until_there_is_a_forecast_the_last_demand_stands_for_it() -> None:
    demand = wave(100)
    counts = plain_counts(demand, demand.values / 60, capacity_rps=0.5, scenario=RULES, target=0.5)
    asked = np.ceil(demand.values[:-1] / 60 / 0.5 / 0.5).astype(int)
    assert (counts.serving + counts.booting).tolist() == [1, *asked.tolist()]


def test_a_target_of_nothing_is_refused() -> None:
    demand = wave(3)
    with pytest.raises(InvalidValueError, match="target must be > 0"):
        plain_counts(demand, demand.values, capacity_rps=1.0, scenario=RULES, target=0)
