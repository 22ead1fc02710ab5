"""Layers of capacity: the band against every schedule there is, and what may never turn round."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from foretide.model.demand import FloatArray
from foretide.plan.capacity import latency_curve, layer_counts, linear_curve
from foretide.plan.layers import band, bands, filled_fraction, quantile_weights

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def _schedule_value(
    serves: tuple[int, ...], benefit: list[float], *, is_on: bool, lead: int, cost: float
) -> float | None:
    """Return what a layer earns by serving in these minutes; None where boots do not allow it."""
    value, ready = 0.0, 0 if is_on else lead
    for minute, on in enumerate(serves):
        if on and not is_on:
            if minute < ready:
                return None
            value -= cost
        if is_on and not on:
            ready = minute + lead
        is_on = bool(on)
        value += on * benefit[minute]
    # beyond the horizon: one that is still filled would have to be launched again
    return value + cost * (bool(serves[-1]) and benefit[-1] > 0)


def _brute_band(benefit: list[float], *, lead: int, cost: float) -> tuple[bool, bool]:
    """Return whether a layer is launched when off and kept when on, by trying every schedule."""
    launch_now, wait, keep, let_go = [-np.inf], [0.0], [-np.inf], [0.0]
    for serves in itertools.product((0, 1), repeat=len(benefit)):
        off = _schedule_value(serves, benefit, is_on=False, lead=lead, cost=cost)
        if off is not None:
            (launch_now if serves[lead] else wait).append(off)
        on = _schedule_value(serves, benefit, is_on=True, lead=lead, cost=cost)
        if on is not None:
            (keep if serves[0] else let_go).append(on)
    is_launched = max(launch_now) > max(wait)
    return is_launched, is_launched or max(keep) > max(let_go)


def _eighths(count: int) -> st.SearchStrategy[list[float]]:
    # sums of eighths are exact, so that ties are ties
    return st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=count, max_size=count)


@given(
    filled=st.integers(5, 10).flatmap(_eighths),
    rho=st.sampled_from([1, 2, 3, 6, 12]),
    lead=st.integers(0, 4),
    cost=st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]),
)
@settings(max_examples=150, deadline=None)
def test_the_band_is_the_best_of_every_schedule(
    filled: list[float], rho: int, lead: int, cost: float
) -> None:
    up, low = band(
        np.array(filled)[None, :, None],
        rho=rho,
        lead_minutes=lead,
        launch_cost_minutes=cost,
        min_count=0,
    )
    benefit = [rho * share - 1 for share in filled]
    assert (bool(up[0]), bool(low[0])) == _brute_band(benefit, lead=lead, cost=cost)


@given(
    demand=st.lists(st.integers(0, 40), min_size=7, max_size=9),
    rho=st.sampled_from([2, 4, 8]),
    lead=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_a_linear_fleet_is_as_many_layers_as_every_schedule_of_each_wants(
    demand: list[int], rho: int, lead: int
) -> None:
    table = np.arange(0.0, 48.0, 8.0)  # layers of 8 requests/s: shares are eighths
    filled = filled_fraction(np.array(demand, float)[None, :, None], np.ones(1), table)
    up, low = band(filled, rho=rho, lead_minutes=lead, launch_cost_minutes=float(lead), min_count=1)
    each = [
        _brute_band([rho * float(b) - 1 for b in layer], lead=lead, cost=lead)
        for layer in filled[0].T[1:]
    ]
    launched, kept = (sum(wanted) for wanted in zip(*each, strict=True))
    assert (up[0], low[0]) == (1 + launched, 1 + kept)
    # no layer is wanted above one that is not
    assert each == sorted(each, reverse=True)


_CURVES = {
    "concave": np.array([0.0, 13.0, 22.3, 30.7, 37.1, 41.9]),
    "queue": latency_curve(
        latency_objective_s=0.4, service_time_s=0.1, workers=1, max_instances=6
    ).served_rps,
}  # fmt: skip


@given(
    demand=st.lists(st.floats(0, 50), min_size=7, max_size=9),
    rho=st.sampled_from([2.3, 4.1, 8.7]),
    lead=st.integers(0, 3),
    curve=st.sampled_from(sorted(_CURVES)),
)
@settings(max_examples=40, deadline=None)
def test_any_curve_is_as_many_layers_as_every_schedule_of_each_wants(
    demand: list[float], rho: float, lead: int, curve: str
) -> None:
    filled = filled_fraction(np.array(demand)[None, :, None], np.ones(1), _CURVES[curve])
    up, low = band(filled, rho=rho, lead_minutes=lead, launch_cost_minutes=float(lead), min_count=1)
    each = [
        _brute_band([rho * float(b) - 1 for b in layer], lead=lead, cost=lead)
        for layer in filled[0].T[1:]
    ]
    # also where capacity is convex at first: demand fills a layer only after those below it
    assert each == sorted(each, reverse=True)
    launched, kept = (sum(wanted) for wanted in zip(*each, strict=True))
    assert (up[0], low[0]) == (1 + launched, 1 + kept)


@given(seed=st.integers(0, 2**32), least=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_many_prices_in_one_pass_are_each_as_if_alone(seed: int, least: int) -> None:
    # where to begin to look is taken from the instant before: it must not show
    demand = _quantiles(default_rng(seed), instants=6)
    weights, table = quantile_weights(_LEVELS), np.arange(0.0, 300.0, 7.0)
    prices = np.array([[2, 0, 0.5], [40, 0, 8], [30, 5, 5], [900, 5, 5], [0, 5, 5], [5, 4, 1]])
    found = bands(demand, weights, table, prices, least)
    filled = filled_fraction(demand, weights, table)
    for row, (rho, lead, cost) in enumerate(prices.tolist()):
        up, low = (
            band(filled, rho=rho, lead_minutes=int(lead), launch_cost_minutes=cost,
                 min_count=least)
            if rho
            else (np.full(6, least), np.full(6, least))
        )  # fmt: skip
        assert found[:, row].tolist() == np.stack([up, low], axis=1).tolist()


@given(
    seed=st.integers(0, 2**32),
    lead=st.sampled_from([0, 1, 5]),
    cost=st.sampled_from([0.5, 5.0]),
    rho=st.floats(1.1, 400),
    more=st.floats(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_more_demand_or_a_dearer_miss_never_asks_for_fewer(
    seed: int, lead: int, cost: float, rho: float, more: float
) -> None:
    rng = default_rng(seed)
    table = np.arange(0.0, 400.0, 10.0)
    demand = _quantiles(rng, instants=4)
    weights = quantile_weights(_LEVELS)
    filled = filled_fraction(demand, weights, table)
    added: FloatArray = rng.exponential(20, (1, demand.shape[1], 1))
    fuller = filled_fraction(demand + added, weights, table)

    def bands(share: FloatArray, price: float) -> npt.NDArray[np.int64]:
        return np.stack(
            band(share, rho=price, lead_minutes=lead, launch_cost_minutes=max(cost, lead),
                 min_count=1)
        )  # fmt: skip

    assert (bands(fuller, rho) >= bands(filled, rho)).all()
    assert (bands(filled, rho * more) >= bands(filled, rho)).all()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_many_instants_at_once_are_each_as_if_alone(seed: int) -> None:
    rng = default_rng(seed)
    demand = _quantiles(rng, instants=7)
    weights, table = quantile_weights(_LEVELS), np.arange(0.0, 300.0, 7.0)
    together = filled_fraction(demand, weights, table)
    bands = _plain_band(together)
    for row in range(len(demand)):
        alone = filled_fraction(demand[row : row + 1], weights, table)
        assert alone.tobytes() == together[row : row + 1].tobytes()
        assert [b[0] for b in _plain_band(alone)] == [b[row] for b in bands]


@given(
    demand=st.lists(st.floats(0, 1000), min_size=5, max_size=5).map(sorted),
    steps=st.lists(st.floats(1, 200), min_size=1, max_size=12),
)
@settings(deadline=None)
def test_the_filled_share_is_the_expectation_over_the_quantiles(
    demand: list[float], steps: list[float]
) -> None:
    table = np.concatenate([[0.0], np.cumsum(sorted(steps, reverse=True))])
    weights = quantile_weights(_LEVELS)
    filled = filled_fraction(np.array(demand)[None, None], weights, table)[0, 0]
    for share, low, high in zip(filled, table, table[1:], strict=False):
        # E[clip(d - low, 0, high - low)] is the integral of P(d > x) from low to high
        edges = np.unique(np.clip([low, *demand, high], low, high))
        middles = (edges[1:] + edges[:-1]) / 2
        above = (np.array(demand)[None] > middles[:, None]) @ weights
        assert share == pytest.approx((above @ np.diff(edges)) / (high - low), abs=1e-4)
    assert (filled >= 0).all()
    assert (filled <= 1 + 1e-6).all()
    assert (np.diff(filled) <= 1e-6).all()


def test_weights_reach_half_way_to_the_neighbours() -> None:
    assert quantile_weights((0.1, 0.5, 0.9)) == pytest.approx([0.3, 0.4, 0.3])
    assert quantile_weights((0.5,)) == pytest.approx([1.0])


def test_a_short_dip_is_bridged_and_a_long_one_is_not() -> None:
    def kept(dip_minutes: int) -> int:
        filled = np.ones((1, 40, 1))
        filled[0, :dip_minutes] = 0
        _, low = band(filled, rho=4, lead_minutes=5, launch_cost_minutes=5, min_count=0)
        return int(low[0])

    assert [kept(minutes) for minutes in (1, 4, 6, 20)] == [1, 1, 0, 0]


def test_a_launch_is_made_one_boot_before_it_is_needed() -> None:
    def launched(first_needed: int) -> int:
        filled = np.zeros((1, 40, 1))
        filled[0, first_needed:] = 1
        up, _ = band(filled, rho=4, lead_minutes=5, launch_cost_minutes=5, min_count=0)
        return int(up[0])

    assert [launched(minute) for minute in (0, 4, 5, 6, 9)] == [1, 1, 1, 0, 0]


def test_what_is_always_on_is_never_asked_about() -> None:
    filled = np.zeros((2, 10, 3))
    for least in (0, 2, 3):
        up, low = band(filled, rho=5, lead_minutes=1, launch_cost_minutes=1, min_count=least)
        assert up.tolist() == low.tolist() == [least, least]


def _quantiles(rng: Generator, instants: int) -> FloatArray:
    level = rng.uniform(0, 200, (instants, 1)) + np.cumsum(
        rng.normal(0, 10, (instants, 31)), axis=1
    )
    return np.sort(np.maximum(level[:, :, None] + rng.normal(0, 15, (instants, 31, 5)), 0), axis=2)


def _plain_band(filled: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return band(filled, rho=20, lead_minutes=5, launch_cost_minutes=5, min_count=1)


def test_layers_reach_the_highest_demand() -> None:
    table = (10.0 * layer_counts(linear_curve(10), 95, 1, 100)).astype(np.float64)
    quantiles = np.full((1, 31, 1), 95.0)
    up, low = _plain_band(filled_fraction(quantiles, np.ones(1), table))
    assert up.tolist() == low.tolist() == [10]
