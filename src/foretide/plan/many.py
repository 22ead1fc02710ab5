"""This file knows how many services are planned at once from prepared quantiles.

Whatever is the same for thousands of services is done for all of them in one stroke; the numbers
are those that each service would get alone, and the plans those of `planner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet
from foretide.model.plan import Plan
from foretide.plan.budget import Budget, Division, divided
from foretide.plan.capacity import instances_for, served_rps
from foretide.plan.knob import Knob
from foretide.plan.layers import bands, quantile_weights
from foretide.plan.memory import Circumstances, Memory, RecentDemand
from foretide.plan.need import (
    TAIL_LEVELS,
    GuardBand,
    Layers,
    Need,
    counts_of,
    layers_for,
    prices_of,
)
from foretide.plan.planner import plan
from foretide.plan.policy import ServicePolicy
from foretide.plan.worth import ask_of, held_count

_LOW, _MEDIAN, _UPPER = 0.05, 0.5, 0.95


class Standing(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What stays the same of one service from minute to minute.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    layers : Layers
        Its capacity cut into layers.
    counts : tuple of int
        Instances between which the layers lie.
    prices : ndarray, shape (prices, 3)
        What its bands are computed for.
    run, warm : tuple of int
        Which of the prices each knob's two bands go by: the usual knob, then the guard's.
    head_counts, floor_counts : tuple of int
        Instances each knob adds on top and always holds warm.
    rho : float
        Price of an unmet layer by the usual knob.
    """

    policy: ServicePolicy
    layers: Layers
    counts: tuple[int, ...]
    prices: FloatArray
    run: tuple[int, ...]
    warm: tuple[int, ...]
    head_counts: tuple[int, ...]
    floor_counts: tuple[int, ...]
    rho: float


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one service at one instant, beside its need.

    Parameters
    ----------
    fleet : Fleet
        What its platform reports.
    demand : RecentDemand
        What was last seen of its demand.
    memory : Memory
        From the plan before.
    priority : int
        Between layers of equal worth the higher one wins.
    """

    fleet: Fleet
    demand: RecentDemand
    memory: Memory = Memory()
    priority: int = 0


def standing_of(policy: ServicePolicy, *, peak_rps: float, top_rps: float) -> Standing:
    """Return what stays the same of a service.

    Parameters
    ----------
    policy : ServicePolicy
        The service, with its knob and, where it has one, its guard's.
    peak_rps : float
        Trailing 99.9 % quantile of demand: what head-room and warm floor are fractions of.
    top_rps : float
        Highest demand that is to be planned for; more is planned for as well, more slowly.
    """
    knobs = _knobs(policy)
    layers = layers_for(policy, top_rps)
    prices, run, warm = prices_of(knobs, policy)
    peak_count = instances_for(policy.curve, peak_rps)
    heads = counts_of([knob.run_head_fraction for knob in knobs], peak_count)
    floors = counts_of([knob.warm_floor_fraction for knob in knobs], peak_count)
    return Standing(
        policy=policy,
        layers=layers,
        counts=tuple(layers.counts.tolist()),
        prices=prices,
        run=tuple(run.tolist()),
        warm=tuple(warm.tolist()),
        head_counts=tuple(heads.tolist()),
        floor_counts=tuple(floors.tolist()),
        rho=policy.knob.warm_rho or policy.knob.run_rho,
    )


def _knobs(policy: ServicePolicy) -> tuple[Knob, ...]:
    return (policy.knob,) if policy.guard_knob is None else (policy.knob, policy.guard_knob)


def needs_of_many(
    standings: Sequence[Standing],
    quantiles_rps: FloatArray,
    levels: tuple[float, ...],
    *,
    forecast_id: str,
    width_max_fraction: FloatArray,
) -> list[Need]:
    """Return what quantiles of the coming minutes ask of many services at one instant.

    Parameters
    ----------
    standings : sequence of Standing
        The services.
    quantiles_rps : ndarray, shape (services, minutes, levels)
        Demand of each in each coming minute; at least the longest horizon of them.
    levels : tuple of float
        Quantile levels; must hold .05, .5 and .95.
    forecast_id : str
        The forecast they are of.
    width_max_fraction : ndarray, shape (services,)
        Below this the interval of each is low.

    Returns
    -------
    list of Need
        Each as `needs` would give it for its service alone.

    Raises
    ------
    InvalidValueError
        When there are too few minutes for the horizon of a service.
    """
    horizons = [one.policy.horizon_minutes for one in standings]
    if max(horizons, default=0) > quantiles_rps.shape[1]:
        raise InvalidValueError(
            f"quantiles_rps must reach {max(horizons)} minutes ahead, reached "
            f"{quantiles_rps.shape[1]}"
        )
    boots = np.array([one.policy.boot_minutes for one in standings], np.int64)
    at_boot = quantiles_rps[np.arange(len(standings)), boots]
    columns = [levels.index(level) for level in (_LOW, _MEDIAN, _UPPER)]
    low, median, upper = at_boot[:, columns].T
    least = np.array([served_rps(one.policy.curve, 1) for one in standings])
    widths = ((upper - low) / np.maximum(median, least)).tolist()
    tail_places = np.minimum(np.searchsorted(levels, TAIL_LEVELS), len(levels) - 1)
    tails = at_boot[:, tail_places].tolist()
    told = zip(low.tolist(), median.tolist(), upper.tolist(), widths, tails, strict=True)
    weights = quantile_weights(levels)
    is_sound = _are_sound(quantiles_rps, np.array(horizons))
    tops = quantiles_rps[:, :, -1].max(axis=1).tolist()
    found = list[Need]()
    for at, (one, (low_rps, median_rps, upper_rps, width, tail)) in enumerate(
        zip(standings, told, strict=True)
    ):
        usual, guard = _bands(one, quantiles_rps[at : at + 1, : horizons[at]], weights, tops[at])
        found.append(
            Need(
                forecast_id=forecast_id,
                low_rps=low_rps,
                predicted_rps=median_rps,
                upper_rps=upper_rps,
                width_fraction=width,
                width_max_fraction=float(width_max_fraction[at]),
                serving_up=usual.serving_up,
                serving_low=usual.serving_low,
                total_up=usual.total_up,
                total_low=usual.total_low,
                guard=guard,
                tail_rps=tuple(tail),
                rho=one.rho,
                is_sound=bool(is_sound[at]),
            )
        )
    return found


def _bands(
    one: Standing, quantiles: FloatArray, weights: FloatArray, top_rps: float
) -> tuple[GuardBand, GuardBand | None]:
    policy, layers, counts = one.policy, one.layers, one.counts
    if not layers.reaches(top_rps, policy):
        layers = layers_for(policy, top_rps)
        counts = tuple(layers.counts.tolist())
    wanted: list[list[int]] = bands(
        quantiles, weights, layers.table_rps, one.prices, policy.min_count
    )[0].tolist()
    made = list[GuardBand]()
    most = policy.max_count
    for run, warm, head, floor in zip(
        one.run, one.warm, one.head_counts, one.floor_counts, strict=True
    ):
        up, low = counts[wanted[run][0]] + head, counts[wanted[run][1]] + head
        total_up, total_low = up, low
        if policy.has_warm_pool:
            total_up = max(counts[wanted[warm][0]], up + floor)
            total_low = max(counts[wanted[warm][1]], up + floor)
        made.append(
            GuardBand(
                serving_up=min(up, most), serving_low=min(low, most),
                total_up=min(total_up, most), total_low=min(total_low, most),
            )
        )  # fmt: skip
    return made[0], made[1] if len(made) > 1 else None


def _are_sound(quantiles: FloatArray, horizons: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which services' quantiles are finite, not below 0 and rising within the horizon."""
    # not a number compares as false
    rises = (quantiles[:, :, 1:] >= quantiles[:, :, :-1]).all(axis=2)
    sound = rises & (quantiles[:, :, 0] >= 0) & np.isfinite(quantiles[:, :, -1])
    minutes = np.arange(int(quantiles.shape[1]))
    return np.all(sound | (minutes >= horizons[:, None]), axis=1)


def plans_of_many(
    now: datetime,
    standings: Sequence[Standing],
    needs: Sequence[Need | None],
    asked: Sequence[Asked],
    *,
    budget: Budget | None = None,
) -> tuple[list[tuple[Plan, Memory]], Division | None]:
    """Plan many services that may share a budget.

    Parameters
    ----------
    now : datetime
        The instant, aware UTC.
    standings, needs, asked : sequences
        The services, what their forecasts ask for, and what else is known of each.
    budget : Budget, optional
        What they may have together.

    Returns
    -------
    plans : list of (Plan, Memory)
        Of each service, as `plan` makes it under its ceiling.
    division : Division, optional
        How the budget was divided; None without one.
    """
    policies = [one.policy for one in standings]
    ceilings: list[Circumstances] = [Circumstances()] * len(policies)
    division = None
    if budget is not None:
        division = divided(
            [
                ask_of(
                    policy, need, one.demand, one.memory,
                    held_count=held_count(one.fleet, one.memory.ledger), priority=one.priority,
                )
                for policy, need, one in zip(policies, needs, asked, strict=True)
            ],
            budget,
        )  # fmt: skip
        ceilings = [Circumstances(ceiling_count=s.ceiling_count) for s in division.shares]
    return [
        plan(
            now=now, fleet=one.fleet, demand=one.demand, need=need, policy=policy,
            memory=one.memory, around=around,
        )
        for policy, need, one, around in zip(policies, needs, asked, ceilings, strict=True)
    ], division  # fmt: skip
