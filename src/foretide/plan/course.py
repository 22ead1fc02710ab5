"""This file knows the course a fleet takes through known demand: the planner's rules, compiled.

A setting is judged by what it would have done lately, for every setting there is, every night;
that is a hundred thousand minutes, and the planner itself takes too long for them. The rules here
are those of `plan/planner` with a forecast at hand: bands, three branches, parking, surge,
surprise, spend guard, rates, missing demand, on a platform where every launch boots for its lead
time. `tests/simulate/test_course.py` holds the two against each other minute by minute. What
depends on more than demand and forecast is not played: failed launches, ceilings, updates in
flight, and the formula that reigns while there is no forecast (the fleet stays as it is).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray
from foretide.plan.compiled import compiled
from foretide.plan.layers import IntArray
from foretide.plan.policy import ServicePolicy

BoolArray = npt.NDArray[np.bool_]

# The planner's and the guards' too. They stand here because compiled code on the disk notices a
# change of its own file alone.
MAX_SURGE_FACTOR = 3.0
_SURGE_MINUTES = 2
_SURPRISE_MINUTES = 5
# The guard acts before the whole of the objective is spent.
SPEND_SHARE = 0.6
# Longer than a crowd stays, shorter than it would be paid for.
SPEND_HALF_LIFE_MINUTES = 240
_SPEND_KEPT = 0.5 ** (1 / SPEND_HALF_LIFE_MINUTES)
UP_COUNT = 4
DOWN_FRACTION = 0.10

# places in a state, before the instances that boot, those ready soonest first
_SERVING, _WARM, _BOOTING, _OVER, _ASKED = range(5)
_SURGE_LEFT, _SURGE, _SURPRISE_LEFT, _SURPRISE, _HEAD = range(5, 10)


class Course(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a fleet was through some minutes.

    Parameters
    ----------
    serving, warm, booting : ndarray of int, shape (minutes,)
        The fleet in each minute, after what was decided at its start.
    state : ndarray
        Where it stands after the last; for `course` to go on from.
    """

    serving: IntArray
    warm: IntArray
    booting: IntArray
    state: FloatArray


class Minutes(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was known at some minutes.

    Parameters
    ----------
    last_rps, previous_rps : ndarray, shape (minutes,)
        The last closed bucket of demand at each minute, and the one before; NaN where missing.
    is_low : ndarray of bool, shape (minutes,)
        Whether the interval was low enough to remove on the forecast's word.
    bands : ndarray of int, shape (minutes, knobs, 4)
        From `NeedBlock`; a first entry below 0 stands for no forecast.
    trigger_fraction : ndarray, shape (minutes,)
        The use of what serves above which a surge wakes what is warm.
    surprise_rps : ndarray, shape (minutes,)
        Above it the last bucket was a surprise; infinite where that bucket was there before.
    """

    last_rps: FloatArray
    previous_rps: FloatArray
    is_low: BoolArray
    bands: IntArray
    trigger_fraction: FloatArray
    surprise_rps: FloatArray


def first_state(
    policy: ServicePolicy,
    *,
    serving_count: int = 1,
    warm_count: int = 0,
    over_rps: float = 0.0,
    asked_rps: float = 0.0,
) -> FloatArray:
    """Return the state of a fleet of which nothing boots, no surge or surprise being held.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    serving_count, warm_count : int
        The fleet.
    over_rps, asked_rps : float
        What the planner remembers of demand over capacity and of all demand.
    """
    state = np.zeros(_HEAD + policy.boot_minutes)
    state[_SERVING], state[_WARM] = serving_count, warm_count
    state[_OVER], state[_ASKED] = over_rps, asked_rps
    state[_SURGE_LEFT] = state[_SURPRISE_LEFT] = -1
    return state


def course(
    minutes: Minutes,
    *,
    policy: ServicePolicy,
    knobs: IntArray,
    guard_knobs: IntArray,
    state: FloatArray,
) -> Course:
    """Return what a service's fleet becomes, minute by minute.

    Parameters
    ----------
    minutes : Minutes
        What was known.
    policy : ServicePolicy
        The service.
    knobs, guard_knobs : ndarray of int, shape (minutes,)
        Which of the bands counts in each minute, and which while the spend guard acts.
    state : ndarray
        Where the fleet stands at first, from `first_state` or an earlier course.
    """
    counts = np.empty((3, len(knobs)), np.int64)
    after = state.copy()
    allowed = policy.objective_fraction or math.inf
    _play(
        minutes.last_rps, minutes.previous_rps, minutes.is_low, minutes.bands,
        minutes.trigger_fraction, minutes.surprise_rps, knobs, guard_knobs, policy.curve.served_rps,
        policy.has_warm_pool, policy.min_count, policy.max_count, allowed, after, counts,
    )  # fmt: skip
    return Course(serving=counts[0], warm=counts[1], booting=counts[2], state=after)


def expected_unmet_rps(
    quantiles_rps: FloatArray, weights: FloatArray, served_rps: FloatArray
) -> FloatArray:
    """Return the demand that a forecast expects to find no capacity.

    Parameters
    ----------
    quantiles_rps : ndarray, shape (minutes, levels)
        Of each minute's demand.
    weights : ndarray, shape (levels,)
        From `quantile_weights`.
    served_rps : ndarray, shape (minutes,)
        What the fleet of each minute serves.

    Returns
    -------
    ndarray, shape (minutes,)
    """
    return np.maximum(quantiles_rps - served_rps[:, None], 0.0) @ weights


@compiled
def _served(table: FloatArray, count: int) -> float:
    last = len(table) - 1
    if count <= last:
        return table[count]
    return table[last] + (count - last) * (table[last] - table[last - 1])


@compiled
def _instances(table: FloatArray, rps: float) -> int:
    last = len(table) - 1
    if rps <= table[last]:
        return int(np.searchsorted(table, rps))
    count = last + math.ceil((rps - table[last]) / (table[last] - table[last - 1]))
    if _served(table, count) < rps:
        return count + 1
    return count - 1 if _served(table, count - 1) >= rps else count


@compiled
def _play(  # noqa: PLR0917
    last_rps: FloatArray,
    previous_rps: FloatArray,
    is_low: BoolArray,
    bands: IntArray,
    trigger: FloatArray,
    surprise: FloatArray,
    knobs: IntArray,
    guard_knobs: IntArray,
    table: FloatArray,
    has_pool: bool,
    min_count: int,
    max_count: int,
    allowed: float,
    state: FloatArray,
    counts: IntArray,
) -> None:
    for minute in range(len(knobs)):
        _arrive(state, has_pool)
        last = last_rps[minute]
        is_seen = not math.isnan(last)
        demand = last if is_seen else 0.0
        before = 0.0 if math.isnan(previous_rps[minute]) else previous_rps[minute]
        serving = int(state[_SERVING])
        current = serving + int(state[_WARM]) + int(state[_BOOTING])
        _heed(state, table, demand, before, is_seen, trigger[minute], surprise[minute])
        is_spent = state[_OVER] > SPEND_SHARE * allowed * state[_ASKED]
        knob = guard_knobs[minute] if is_spent else knobs[minute]
        target, total = serving, current
        if bands[minute, knob, 0] >= 0:
            used = _instances(table, demand)
            target, total = _follow(
                bands[minute, knob], serving, current, used, is_low[minute], has_pool
            )
        lasting = _instances(table, min(demand, before))
        if has_pool and state[_SURGE_LEFT] >= 0:
            target = max(target, min(int(state[_SURGE]), max(total, current)))
        unheard = lasting if lasting > current else 0
        wished = max(int(state[_SURPRISE]) if state[_SURPRISE_LEFT] >= 0 else 0, unheard)
        if wished > total:
            target, total = max(target, unheard), wished
        if not is_seen:  # what is not known removes nothing
            target, total = max(target, serving), max(total, current)
        # rates, then bounds
        most = max(current + max(current, UP_COUNT), lasting, min_count)
        least = min(current - max(int(DOWN_FRACTION * current), 1), max_count)
        total = max(min(max(min(total, most), least), max_count), min_count)
        target = min(max(target, min_count), total) if has_pool else total
        _move(state, target, total)
        for row in range(3):
            counts[row, minute] = int(state[row])


@compiled
def _arrive(state: FloatArray, has_pool: bool) -> None:
    """Let what was launched a boot ago be ready."""
    ready = state[_HEAD]
    state[_HEAD:-1] = state[_HEAD + 1 :]
    state[-1] = 0
    state[_BOOTING] -= ready
    state[_WARM if has_pool else _SERVING] += ready


@compiled
def _heed(  # noqa: PLR0917
    state: FloatArray,
    table: FloatArray,
    demand: float,
    before: float,
    is_seen: bool,
    trigger: float,
    surprise: float,
) -> None:
    """Remember what the last bucket lost, and whether it was a surge or a surprise."""
    serves = _served(table, int(state[_SERVING]))
    state[_OVER] = _SPEND_KEPT * state[_OVER] + max(0.0, demand - serves)
    state[_ASKED] = _SPEND_KEPT * state[_ASKED] + demand
    state[_SURGE_LEFT] -= 1
    state[_SURPRISE_LEFT] -= 1
    if not is_seen:
        return
    if demand > trigger * serves:
        growth = min(max(demand / before if before > 0 else 1.0, 1.0), MAX_SURGE_FACTOR)
        wished = _instances(table, demand * growth)
        if state[_SURGE_LEFT] < 0 or wished >= state[_SURGE]:
            state[_SURGE_LEFT], state[_SURGE] = _SURGE_MINUTES, wished
    if demand > surprise:
        wished = _instances(table, demand)
        if state[_SURPRISE_LEFT] < 0 or wished >= state[_SURPRISE]:
            state[_SURPRISE_LEFT], state[_SURPRISE] = _SURPRISE_MINUTES, wished


@compiled
def _follow(  # noqa: PLR0917
    band: IntArray, serving: int, current: int, used: int, is_low: bool, has_pool: bool
) -> tuple[int, int]:
    """Return what should serve and what should be there, by the bands alone."""
    total = band[2]
    if total <= current:
        total = min(current, band[3])
        if total < current and not is_low:
            total = current
    if not has_pool:
        return total, total
    target = band[0]
    if target <= serving:
        target = min(serving, max(band[1], used))
    return target, total


@compiled
def _move(state: FloatArray, target: int, total: int) -> None:
    """Wake, launch, park and end instances: what boots ends first, and the youngest of it."""
    serving, warm, booting = int(state[_SERVING]), int(state[_WARM]), int(state[_BOOTING])
    current = serving + warm + booting
    launched, removed = max(0, total - current), max(0, current - total)
    woken = min(warm, max(0, target - serving))
    released = max(0, serving - target)
    ended = min(removed, warm - woken + booting)
    drained = min(released, removed - ended)
    serving += woken - released
    warm += released - drained - woken
    place = len(state) - 1
    while ended and place >= _HEAD:
        gone = min(ended, int(state[place]))
        state[place] -= gone
        booting -= gone
        ended -= gone
        place -= 1
    warm -= ended
    state[-1] += launched
    state[_SERVING], state[_WARM], state[_BOOTING] = serving, warm, booting + launched
