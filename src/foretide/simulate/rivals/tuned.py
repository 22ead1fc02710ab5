"""This file knows the tuned rivals: an HPA whose owner tries every target, night after night."""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.hpa import controlled
from foretide.simulate.scenario import Scenario

TARGETS = tuple(round(0.30 + 0.05 * step, 2) for step in range(14))
POOLS = (0, 1, 2, 4, 8, 16, 32)
TRAILING_DAYS = 14
OBJECTIVE_FRACTION = 0.7
FIRST_TARGET = 0.7
_DAY_MINUTES = 1440


class _Nights(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What every configuration missed and was billed on every whole day, shape (configs, days), and
    # the demand of those days, in instance-minutes.
    missed: FloatArray
    billed: FloatArray
    used: FloatArray


def tuned_counts(
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    pools: tuple[int, ...] = (0,),
) -> Counts:
    """Play an HPA that is tuned every night on what the last 14 days would have been.

    Each target from .30 to .95 in steps of .05, with each pool of warm instances, is played in the
    shade over the whole trace; every midnight (a day of the trace) the cheapest takes over that
    missed no more than .7 of the objective in the trailing 14 days, else the one that missed
    least. The fleet is carried over: what a change of target or pool launches has to boot. The
    first day runs at .7 without a pool. A night costs one day of each configuration, not
    fourteen, because they are played on and never anew.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives boot time, objective and the price of a warm instance.
    pools : tuple of int
        Sizes of the warm pool to try; `POOLS` for `hpa-warm-tuned`.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.
    """
    used = demand_rps / capacity_rps
    configs = [(target, pool) for target in TARGETS for pool in pools]
    chosen = _choices(_nights(used, scenario, configs), scenario.objective)
    day = np.minimum(np.arange(len(used)) // _DAY_MINUTES, len(chosen))
    targets = np.array([FIRST_TARGET, *(configs[config][0] for config in chosen)])
    sizes = np.array([0, *(configs[config][1] for config in chosen)], np.int64)
    return controlled(
        used, boot_minutes=scenario.boot_minutes, target=targets[day], pool_count=sizes[day]
    )


def _nights(used: FloatArray, scenario: Scenario, configs: list[tuple[float, int]]) -> _Nights:
    day_count = len(used) // _DAY_MINUTES
    whole = used[: day_count * _DAY_MINUTES]
    seen = np.isfinite(whole)
    demand = np.where(seen, whole, 0.0)
    missed, billed = np.empty((2, len(configs), day_count))
    for row, (target, pool) in enumerate(configs):
        counts = controlled(
            whole, boot_minutes=scenario.boot_minutes, target=target, pool_count=pool
        )
        missed[row] = _by_day(np.maximum(demand - counts.serving, 0.0))
        billed[row] = _by_day(np.where(seen, counts.billed(scenario.warm_price_fraction), 0.0))
    return _Nights(missed=missed, billed=billed, used=_by_day(demand))


def _by_day(minutes: FloatArray) -> FloatArray:
    return minutes.reshape(-1, _DAY_MINUTES).sum(axis=1)


def _choices(nights: _Nights, objective: float) -> list[int]:
    """Return the configuration that takes over at the end of each whole day."""
    chosen = list[int]()
    for night in range(1, len(nights.used) + 1):
        days = slice(max(0, night - TRAILING_DAYS), night)
        total = nights.used[days].sum()
        missed = nights.missed[:, days].sum(axis=1) / max(total, np.finfo(np.float64).tiny)
        billed = nights.billed[:, days].sum(axis=1)
        is_safe = missed <= OBJECTIVE_FRACTION * objective
        if is_safe.any():
            chosen.append(int(np.where(is_safe, billed, np.inf).argmin()))
        else:
            safest = missed <= missed.min()
            chosen.append(int(np.where(safest, billed, np.inf).argmin()))
    return chosen
