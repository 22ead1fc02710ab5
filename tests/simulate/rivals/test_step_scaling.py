"""Step scaling as a rival: the user guide's example, its rounding and its alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.simulate.rivals.step_scaling import step_scaling_counts
from foretide.simulate.scenario import Scenario

NAN = math.nan


def total(demand: list[float], *, boot_s: int = 60, target: float = 0.5) -> list[int]:
    counts = step_scaling_counts(
        np.array(demand), capacity_rps=1.0, scenario=Scenario(boot_s=boot_s), target=target
    )
    assert not counts.warm.any()
    return (counts.serving + counts.booting).tolist()


def test_the_example_of_the_user_guide() -> None:
    # A group of 10, alarms at 50 %. At 60 % it gains 10 % (1), at 70 % 30 % of 11 (3.3: 3), at
    # 40 % it loses 10 % of 14 (1.4: 1), at 30 % 30 % of 13 (3.9: 3). Between them it is at 50 %.
    demand = [5.0, 6.0, 6.0, 5.0, 7.7, 7.7, 5.5, 5.6, 5.6, 6.5, 3.9, 3.9, 5.0]
    assert total(demand) == [1, 10, 10, 11, 11, 11, 14, 14, 14, 13, 13, 13, 10]


def test_less_than_ten_percent_beyond_the_threshold_moves_nothing() -> None:
    assert total([5.0] + [5.9] * 20) == [1] + [10] * 20
    assert total([5.0] + [4.1] * 20) == [1] + [10] * 20


def test_a_part_of_an_instance_counts_as_one_and_others_are_cut_off() -> None:
    # by hand: 10 % of 4 is .4 and counts as one; 30 % of 4 is 1.2 and counts as one
    assert total([2.0, 2.4, 2.4, 2.4])[3] == 5
    assert total([2.0, 2.9, 2.9, 2.9])[3] == 5
    # 10 % of 19 is 1.9 and counts as one
    assert total([9.5, 11.5, 11.5, 11.5])[3] == 20


def test_two_minutes_raise_an_alarm_and_one_does_not() -> None:
    assert total([5.0, 9.0, 5.0, 9.0, 5.0, 9.0]) == [1] + [10] * 5


def test_what_warms_up_counts_towards_the_step() -> None:
    # Boot 10 minutes: 60 % adds one and, as it lasts, no other; 70 % adds 3, of which one is there.
    demand = [5.0, 6.0, 6.0, 6.0, 7.0, 7.0, 7.0]
    assert total(demand, boot_s=600) == [1, 10, 10, 11, 11, 13, 13]


def test_nothing_is_removed_while_instances_warm_up() -> None:
    demand = [5.0, 6.0, 6.0] + [1.0] * 12
    asked = total(demand, boot_s=600)
    assert asked[3:13] == [11] * 10
    assert asked[13] == 11 - 3


def test_a_minute_without_a_metric_neither_counts_nor_breaks_a_succession() -> None:
    assert total([5.0, 6.0, NAN, 6.0, 6.0]) == [1, 10, 10, 10, 11]
    assert total([5.0, 5.0] + [NAN] * 30) == [1] + [10] * 31


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="target must be > 0"):
        total([1.0], target=0)
