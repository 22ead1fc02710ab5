"""Busy seconds: learned from rates and use, never below nothing, and not fooled by a backup."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.work import busy_seconds, nonnegative


def _brute(matrix: np.ndarray, target: np.ndarray) -> float:
    """Return the least loss over every choice of what is left free."""
    best = float(target @ target)
    for count in range(1, matrix.shape[1] + 1):
        for chosen in itertools.combinations(range(matrix.shape[1]), count):
            part = matrix[:, chosen]
            found = np.linalg.lstsq(part, target, rcond=None)[0]
            if (found >= -1e-12).all():
                best = min(best, float(((part @ found - target) ** 2).sum()))
    return best


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 100_000), features=st.integers(1, 5))
def test_it_is_the_best_there_is_without_numbers_below_0(seed: int, features: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(12, features)), rng.normal(size=12)
    found = nonnegative(matrix, target)
    assert (found >= 0).all()
    loss = float(((matrix @ found - target) ** 2).sum())
    assert loss <= _brute(matrix, target) * (1 + 1e-7) + 1e-9


def _made(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.array([[0.05, 0.2, 0.0], [0.0, 0.01, 0.4]])
    rates = rng.uniform(5, 50, size=(2000, 3))
    busy = rates @ truth.T * rng.normal(1, 0.02, size=(2000, 2))
    return busy, rates, truth


def test_what_each_feature_costs_each_service_is_found() -> None:
    busy, rates, truth = _made()
    assert busy_seconds(busy, rates) == pytest.approx(truth, abs=0.01)


def test_a_backup_that_keeps_instances_busy_is_not_put_down_to_users() -> None:
    busy, rates, truth = _made()
    busy[100:250] += 40
    assert busy_seconds(busy, rates) == pytest.approx(truth, abs=0.01)


def test_a_release_that_works_less_is_followed() -> None:
    busy, rates, truth = _made()
    busy[1000:] /= 2
    learned = busy_seconds(busy, rates, half_life_minutes=120)
    assert learned == pytest.approx(truth / 2, abs=0.01)


def test_what_was_not_measured_is_not_learned() -> None:
    busy, rates, _ = _made()
    busy[:, 1] = np.nan
    rates[:, 2] = 0.0
    learned = busy_seconds(busy, rates)
    assert np.isnan(learned[1]).all()
    assert np.isnan(learned[0, 2])
    assert np.isfinite(learned[0, :2]).all()


def test_minutes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="must hold the same minutes"):
        busy_seconds(np.zeros((3, 1)), np.zeros((4, 1)))
