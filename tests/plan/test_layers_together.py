"""Layers together: the band against every schedule of a whole fleet, instances told apart."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from foretide.model.demand import FloatArray
from foretide.plan.capacity import latency_curve
from foretide.plan.layers import band, filled_fraction

_CURVES = {
    "linear": np.array([0.0, 8.0, 16.0, 24.0]),
    "concave": np.array([0.0, 13.0, 22.3, 30.7]),
    "queue": latency_curve(
        latency_objective_s=0.4, service_time_s=0.1, workers=1, max_instances=3
    ).served_rps,
}  # fmt: skip
_SIZES = ((2, 7), (3, 5))  # instances, minutes: 16,384 and 32,768 fleets


@functools.cache
def _fleets(instances: int, minutes: int, lead: int, *, is_on: bool) -> npt.NDArray[np.bool_]:
    """Return every schedule of every instance that its boots allow; (fleets, instances, minutes).

    An instance that is off, or goes off, serves again `lead` minutes later at the earliest.
    """
    own = [
        serves
        for serves in itertools.product((False, True), repeat=minutes)
        if _is_possible(serves, lead, is_on=is_on)
    ]
    return np.array(list(itertools.product(own, repeat=instances)), dtype=np.bool_)


def _is_possible(serves: tuple[bool, ...], lead: int, *, is_on: bool) -> bool:
    ready = 0 if is_on else lead
    before = is_on
    for minute, on in enumerate(serves):
        if on and not before and minute < ready:
            return False
        if before and not on:
            ready = minute + lead
        before = on
    return True


def _best_count(
    benefit: FloatArray, fleets: npt.NDArray[np.bool_], cost: float, *, is_on: bool, minute: int
) -> int:
    """Return how many instances the best of all fleets has on in a minute."""
    count = fleets.sum(axis=1)
    earned = np.cumsum(np.pad(benefit, ((0, 0), (1, 0))), axis=1)  # by minute and count
    value = earned[np.arange(len(benefit)), count].sum(axis=1)
    before = np.pad(fleets, ((0, 0), (0, 0), (1, 0)), constant_values=is_on)
    value -= cost * (fleets & ~before[..., :-1]).sum(axis=(1, 2))
    # beyond the horizon: those that are still filled would have to be launched again
    value += cost * np.minimum(count[:, -1], (benefit[-1] > 0).sum())
    return int(count[np.argmax(value), minute])


@given(
    seed=st.integers(0, 2**32),
    curve=st.sampled_from(sorted(_CURVES)),
    size=st.sampled_from(_SIZES),
    rho=st.sampled_from([1.7, 3.1, 8.3]),
    lead=st.integers(0, 3),
    more=st.sampled_from([0.0, 0.5, 2.0]),
)
@settings(max_examples=100, deadline=None)
def test_the_band_is_the_best_of_every_fleet(
    seed: int, curve: str, size: tuple[int, int], rho: float, lead: int, more: float
) -> None:
    instances, minutes = size
    table = _CURVES[curve][: instances + 1]
    rng = default_rng(seed)
    # a few likely values of demand a minute, so that layers are filled in part
    demand = np.sort(rng.uniform(0, 1.2 * table[-1], (minutes, 3)), axis=1)
    filled = filled_fraction(demand[None], np.full(3, 1 / 3), table)
    cost = lead + more
    up, low = band(filled, rho=rho, lead_minutes=lead, launch_cost_minutes=cost, min_count=0)
    benefit = rho * filled[0] - 1
    launched = _best_count(
        benefit, _fleets(instances, minutes, lead, is_on=False), cost, is_on=False, minute=lead
    )
    kept = _best_count(
        benefit, _fleets(instances, minutes, lead, is_on=True), cost, is_on=True, minute=0
    )
    assert up[0] == launched
    assert low[0] == max(launched, kept)
