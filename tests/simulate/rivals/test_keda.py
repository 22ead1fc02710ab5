"""KEDA as a rival: an HPA on a metric that is shared out among all instances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.rivals.keda import keda_counts
from foretide.simulate.scenario import Scenario


def test_it_lets_go_while_instances_still_boot() -> None:
    # By hand, threshold 1, boot 20 minutes: 10 run, 20 are asked for in minute 2, then demand falls
    # to 12: KEDA's wish of 12 rules once the wishes of 20 are 300 s old (at 7:45); the HPA finds
    # 12 / 10 on the ready, .6 with the idle: the direction turns, and it keeps all 20 for ever.
    demand = np.array([10.0, 20.0] + [12.0] * 9)
    rules = Scenario(boot_s=1200)
    keda = keda_counts(demand, capacity_rps=1.0, scenario=rules, target=1.0)
    hpa = hpa_counts(demand, capacity_rps=1.0, scenario=rules, target=1.0)
    assert (keda.serving + keda.booting).tolist() == [1, 10] + [20] * 5 + [12] * 4
    assert (hpa.serving + hpa.booting).tolist() == [1, 10] + [20] * 9


def test_without_a_metric_nothing_changes() -> None:
    demand = np.array([5.0, 5.0] + [math.nan] * 20)
    counts = keda_counts(demand, capacity_rps=1.0, scenario=Scenario(), target=0.5)
    assert counts.serving.tolist() == [1] + [10] * 21


def test_one_instance_is_kept_however_long_nobody_calls() -> None:
    counts = keda_counts(np.zeros(60), capacity_rps=1.0, scenario=Scenario())
    assert counts.serving.tolist() == [1] * 60


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="target must be > 0"):
        keda_counts(np.ones(3), capacity_rps=1.0, scenario=Scenario(), target=0)
