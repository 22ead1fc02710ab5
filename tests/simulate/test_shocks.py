"""What demand does unannounced: as much as was said, when it was said, and nothing elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.simulate.shocks import drift, flash_crowd, level_shift, metric_gaps

FLAT = np.full(200, 10.0)


def test_a_crowd_is_there_within_two_minutes_and_gone_after_its_time() -> None:
    crowd = flash_crowd(FLAT, step_s=60, at=50, factor=5, hold_s=600, ebb_s=600)
    assert (crowd[:50] == 10).all()
    assert crowd[50] == pytest.approx(20)  # the mean of the first of two minutes of coming
    assert crowd[51] == pytest.approx(40)
    assert crowd[52:62] == pytest.approx(50)
    assert (np.diff(crowd[62:73]) <= 0).all()
    assert (crowd[73:] == 10).all()


def test_a_bucket_takes_the_mean_of_its_minutes() -> None:
    by_minute = flash_crowd(FLAT, step_s=60, at=50)
    by_five = flash_crowd(FLAT[:40], step_s=300, at=10)
    assert by_five == pytest.approx(by_minute.reshape(-1, 5).mean(axis=1))


@given(
    at=st.integers(-5, 250), factor=st.floats(0.1, 20), step_s=st.sampled_from([60, 300, 3600]),
    hold_s=st.floats(0, 20_000),
)  # fmt: skip
def test_no_crowd_is_higher_than_was_said(
    at: int, factor: float, step_s: int, hold_s: float
) -> None:
    crowd = flash_crowd(FLAT, step_s=step_s, at=max(at, 0), factor=factor, hold_s=hold_s)
    low, high = sorted((10.0, 10 * factor))
    assert ((crowd >= low - 1e-9) & (crowd <= high + 1e-9)).all()
    assert len(crowd) == len(FLAT)


def test_a_new_level_stays() -> None:
    shifted = level_shift(FLAT, at=120, factor=0.5)
    assert (shifted[:120] == 10).all()
    assert (shifted[120:] == 5).all()


def test_drift_compounds_by_the_day() -> None:
    drifted = drift(np.full(49, 100.0), step_s=3600, fraction_per_day=0.1)
    assert drifted[[0, 24, 48]] == pytest.approx([100, 110, 121])


def test_a_gap_is_missing_and_not_zero() -> None:
    seen = metric_gaps(FLAT, gaps=[(10, 3), (-2, 3), (198, 9)])
    assert np.flatnonzero(np.isnan(seen)).tolist() == [0, 10, 11, 12, 198, 199]
    assert np.nansum(seen) == 10 * (200 - 6)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_what_no_demand_does_is_refused(factor: float) -> None:
    with pytest.raises(InvalidValueError, match="factor"):
        flash_crowd(FLAT, step_s=60, at=0, factor=factor)
    with pytest.raises(InvalidValueError, match="factor"):
        level_shift(FLAT, at=0, factor=factor)
    with pytest.raises(InvalidValueError, match="fraction_per_day"):
        drift(FLAT, step_s=60, fraction_per_day=-1 + min(factor, 0))
