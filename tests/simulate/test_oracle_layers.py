"""The cheapest life of each layer: against a plain three-state programme, and the nesting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from foretide.model.demand import FloatArray
from foretide.simulate.oracle_layers import layer_count, layer_states, layered_fleet, least_costs

_WARM_FRACTIONS = st.sampled_from([0.05, 0.2, 0.7, 1.0])
_SEEDS = st.integers(0, 2**32 - 1)


def _three_states(
    load: FloatArray, launch: FloatArray, warm_fraction: float, lagrange: float
) -> float:
    # Off, warm, running, one layer and one minute at a time, as the rules are written.
    total = 0.0
    for layer in range(1, layer_count(load) + 1):
        missed = np.clip(load - layer, 0, 1)
        off = warm = running = 0.0
        for minute in range(len(load)):
            here = min(off + launch[minute], warm, running) if minute else 0.0
            off, warm, running = (
                min(off, warm, running) + lagrange * missed[minute],
                here + warm_fraction + lagrange * missed[minute],
                here + 1.0,
            )
        total += min(off, warm, running)
    return total


def _made_up(rng: Generator, minutes: int) -> tuple[FloatArray, FloatArray]:
    # A slow swing with noise and bursts, so that layers come to rest and are woken again.
    swing = 4 + 4 * np.sin(np.arange(minutes) * 2 * np.pi / rng.integers(60, 600))
    load = swing * rng.uniform(0.2, 2) + rng.exponential(0.3, minutes)
    load[rng.random(minutes) < 0.01] *= rng.uniform(1, 4)
    if rng.random() < 0.3:
        load = np.round(load)  # whole instances make ties
    launch = np.full(minutes, float(rng.integers(1, 7)))
    for at in rng.integers(0, minutes, 3):
        launch[at : at + 5] = np.arange(5)[: len(launch[at : at + 5])]  # after a gap
    launch[0] = 0
    return load, np.minimum(launch, np.arange(minutes))


@settings(max_examples=40, deadline=None)
@given(_SEEDS, _WARM_FRACTIONS)
def test_least_costs_equal_the_plain_programme(seed: int, warm_fraction: float) -> None:
    rng = default_rng(seed)
    load, launch = _made_up(rng, int(rng.integers(1, 400)))
    lagrange = np.array([1.01, 1.7, 12.0, 3e4])
    got = least_costs(load, launch, warm_fraction=warm_fraction, lagrange=lagrange)
    plain = [_three_states(load, launch, warm_fraction, price) for price in lagrange]
    np.testing.assert_allclose(got, plain, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(_SEEDS, _WARM_FRACTIONS, st.floats(1.01, 1e4))
def test_layers_nest_and_cost_what_was_said(
    seed: int, warm_fraction: float, lagrange: float
) -> None:
    load, launch = _made_up(default_rng(seed), 400)
    load[: seed % 300] = 0.5  # a long rest
    last = layer_count(load)
    states = layer_states(
        load, launch, warm_fraction=warm_fraction, lagrange=np.full(last, lagrange)
    )
    is_on, is_running = np.zeros((2, len(load), last), dtype=bool)
    is_on[states.minutes], is_running[states.minutes] = states.is_on, states.is_running
    assert (is_on[:, 1:] <= is_on[:, :-1]).all()
    assert (is_running[:, 1:] <= is_running[:, :-1]).all()
    assert (is_running <= is_on).all()
    cost = is_running.sum() + warm_fraction * (is_on & ~is_running).sum()
    cost += ((is_on[1:] & ~is_on[:-1]) * launch[1:, None]).sum()
    missed = np.clip(load[:, None] - np.arange(1, last + 1), 0, 1)[~is_running].sum()
    assert states.missed.sum() == pytest.approx(missed)
    least = least_costs(load, launch, warm_fraction=warm_fraction, lagrange=np.array([lagrange]))
    assert cost + lagrange * missed == pytest.approx(least[0], rel=1e-9)


def test_a_short_dip_keeps_the_second_instance_warm() -> None:
    # By hand: boot 5 minutes, warm .2. Staying warm for 3 minutes costs .6, a new launch 5.
    load = np.array([2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    launch = np.minimum(np.arange(7.0), 5.0)
    price = np.array([100.0])
    with_pool = layered_fleet(load, launch, warm_fraction=0.2, lagrange=price)
    assert with_pool.serving.tolist() == [2, 2, 1, 1, 1, 2, 2]
    assert with_pool.warm.tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert with_pool.missed.tolist() == [0]
    # With no warm pool it runs on: 3 minutes cost less than the 5 of a launch.
    without = layered_fleet(load, launch, warm_fraction=1.0, lagrange=price)
    assert without.serving.tolist() == [2] * 7
    assert not without.warm.any()


def test_a_miss_that_costs_less_than_a_launch_is_borne() -> None:
    # By hand: running once saves 4 x .5 and costs 1 and a launch of 5, or 99 warm minutes before.
    load = np.array([1.0] * 99 + [1.5])
    fleet = layered_fleet(load, np.full(100, 5.0), warm_fraction=0.2, lagrange=np.array([4.0]))
    assert fleet.serving.tolist() == [1] * 100
    assert not fleet.warm.any()
    assert fleet.missed.tolist() == [0.5]


def test_no_layer_is_needed_for_one_instance_of_load() -> None:
    assert layer_count(np.array([0.0, 1.0])) == 0
    assert layer_count(np.array([1.0001])) == 1
    assert layer_count(np.empty(0)) == 0
    nothing = least_costs(
        np.array([0.5, 1.0]), np.zeros(2), warm_fraction=0.2, lagrange=np.array([2.0])
    )
    assert nothing.tolist() == [0.0]


def test_a_peak_of_many_layers_is_traced_in_groups() -> None:
    load = np.ones(200)
    load[100] = 300.5
    fleet = layered_fleet(load, np.full(200, 5.0), warm_fraction=0.2, lagrange=np.full(300, 1e6))
    assert fleet.serving[100] == 301
    assert fleet.serving.sum() + fleet.warm.sum() == 200 + 300
    assert not fleet.missed.any()
