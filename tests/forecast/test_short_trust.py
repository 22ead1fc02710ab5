"""Trust in forecasts of the next hours: by what they lost, and by how they stand now."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.forecast.score import pinball
from foretide.forecast.short_trust import SCORED, astray, losses_of, lost_by, weights_of


def test_the_loss_of_one_instant_is_the_pinball_loss() -> None:
    rng = np.random.default_rng(0)
    centre = rng.random((2, 3, 40)).astype(np.float32)
    stray = rng.random((2, 3, 40)).astype(np.float32)
    shape = np.sort(rng.standard_normal((2, 3, len(SCORED))), axis=2)
    came = rng.random((2, 3, 40)).astype(np.float32)
    lost = lost_by(centre, stray, shape, came)
    for at in range(40):
        loss = losses_of([lost[..., [at]]], np.ones((2, 3, 1), dtype=np.float32))
        root = np.maximum(centre[0, 1, at] + stray[0, 1, at] * shape[0, 1], 0)
        expected = pinball(
            np.square(root)[None], tuple(SCORED), came[0, 1, [at]].astype(np.float64)
        )
        np.testing.assert_allclose(loss[0, 1, 0], expected.sum(), rtol=1e-4)


def test_a_shock_that_nobody_foresaw_does_not_hide_who_is_better() -> None:
    came = np.ones((1, 1, 100), dtype=np.float32)
    came[..., 50] = 1e4
    weight = np.ones_like(came)
    shape = np.zeros((1, 1, len(SCORED)))
    good, bad = (lost_by(np.full_like(came, said), weight, shape, came) for said in (1.05, 1.4))
    weights = weights_of(losses_of([good, bad], weight))
    assert weights[0, 0, 0] > 0.6


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=5))
def test_weights_sum_to_one_and_the_better_weighs_no_less(losses: list[float]) -> None:
    weights = weights_of(np.array(losses)[None, None])[0, 0]
    assert abs(weights.sum() - 1) < 1e-12
    assert (np.diff(weights[np.argsort(losses)]) <= 1e-12).all()


def test_who_lies_far_from_the_rest_is_told_by_how_far_he_usually_does() -> None:
    rng = np.random.default_rng(1)
    shape = (1, 1, 500)
    calm, wild = rng.standard_normal(shape), 10 * rng.standard_normal(shape)
    rest = np.zeros(shape)
    seen = np.ones(shape, dtype=np.float32)
    weights = np.full((1, 1, 3), 1 / 3)
    now = [np.array([[20.0]]), np.array([[20.0]]), np.array([[0.0]])]
    said = [one.astype(np.float32) for one in (calm, wild, rest)]
    off, usual = astray(said, now, weights, seen)
    assert off[0, 0, 0] == off[0, 0, 1]
    assert usual[0, 0, 1] > 1.5 * usual[0, 0, 0]
    off, _ = astray(said, [now[2]] * 3, weights, seen)
    np.testing.assert_allclose(off, 0, atol=1e-9)
