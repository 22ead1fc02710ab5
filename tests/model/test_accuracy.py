from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.kept import kept
from foretide.errors import InvalidValueError
from foretide.model.accuracy import Accuracy, Kept, Tally, accuracy_from


def accuracy(**changes: float) -> Accuracy:
    tally = Tally(
        bucket_count=1000, demand=5000.0, pinball=(1.0, 2.0, 1.0, 0.5, 0.5), absolute_error=10.0,
        scaled_error=500.0, scaled_count=1000, naive_loss=10.0, expected_loss=5.0,
        inside_50_count=500, inside_80_count=800, inside_95_count=950, below_95_count=950,
    )  # fmt: skip
    one = accuracy_from(tally, series_id="a/b", model="fleet", day=1, day_count=42, age_s=0.0)
    return msgspec.structs.replace(one, **changes)


def test_measures_of_a_worked_example() -> None:
    one = accuracy()
    assert one.wql == pytest.approx(2 * 5 / 5 / 5000)
    assert one.wape == pytest.approx(10 / 5000)
    assert one.mase == pytest.approx(0.5)
    assert one.skill == pytest.approx(0.5)
    assert (one.coverage_50, one.coverage_80, one.coverage_95) == (0.5, 0.8, 0.95)
    assert one.pinball_ratio == 1


def test_nothing_scored_is_nothing_known_and_worth_nothing() -> None:
    one = accuracy_from(Tally(), series_id="a/b", model="m", day=0, day_count=0, age_s=0.0)
    assert all(math.isnan(value) for value in (one.wql, one.wape, one.mase, one.skill))
    assert math.isnan(one.coverage_80)
    assert (one.believed_skill, one.worth_fraction) == (0, 0)


@given(
    skill=st.floats(-5, 1),
    days=st.integers(0, 400),
    more=st.integers(1, 400),
)
def test_skill_is_believed_the_more_the_more_days_prove_it(
    skill: float, days: int, more: int
) -> None:
    few, many = accuracy(skill=skill, day_count=days), accuracy(skill=skill, day_count=days + more)
    assert abs(few.believed_skill) <= abs(many.believed_skill) <= abs(skill)
    assert few.believed_skill * skill >= 0
    assert 0 <= few.worth_fraction <= 1


@given(coverage=st.floats(0, 1), days=st.integers(1, 400))
def test_worse_coverage_never_raises_the_worth(coverage: float, days: int) -> None:
    right = accuracy(coverage_80=0.8, day_count=days)
    wrong = accuracy(coverage_80=coverage, day_count=days)
    worse = accuracy(coverage_80=0.8 + (coverage - 0.8) * 1.0001, day_count=days)
    assert wrong.worth_fraction <= right.worth_fraction
    assert worse.worth_fraction <= wrong.worth_fraction + 1e-12


def test_a_single_day_off_by_chance_is_not_held_against_the_intervals() -> None:
    assert accuracy(coverage_80=0.6, day_count=1).calibration_fraction == 1
    assert accuracy(coverage_80=0.6, day_count=100).calibration_fraction == 0


def test_only_the_kept_levels_and_a_fitting_yardstick_are_kept() -> None:
    one = kept([1.0, 2.0])
    other = msgspec.structs.replace(
        one.forecast, levels=(0.5,), values=np.ones((2, 1), dtype=np.float64)
    )
    with pytest.raises(InvalidValueError, match="levels"):
        Kept(forecast=other, naive=one.naive, naive_scale=1.0, series_class=one.series_class)
    with pytest.raises(InvalidValueError, match="naive"):
        Kept(
            forecast=one.forecast, naive=np.ones((1, 5)), naive_scale=1.0,
            series_class=one.series_class,
        )  # fmt: skip
