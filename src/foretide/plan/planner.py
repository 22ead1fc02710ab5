"""This file knows how a need and a fleet become a plan. Read this first.

Every minute, for one service: the forecast's bands say how many instances should serve and how
many there should be in all. What the last minute of demand says may add to that, never take away.
`proactive_scale` picks the branch; guards bound it; the difference to the fleet becomes actions.
The same inputs give the same plan, and `Memory` is all that one minute hands to the next.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Action, Branch, Decision, Plan, Promote, Reason
from foretide.plan import reactive
from foretide.plan.act import Moves, actions_for
from foretide.plan.capacity import instances_for, served_rps
from foretide.plan.guard import is_stale, limited_total
from foretide.plan.need import Need
from foretide.plan.policy import ServicePolicy
from foretide.plan.scale import SOFT_PAUSE_S, Interval, proactive_scale, soft_drop_count

_TRIGGER_UTILISATION = 0.90
_MAX_SURGE_FACTOR = 3.0
_SURGE_HOLD = timedelta(minutes=2)
_FALLBACK_UTILISATION = 0.70
# The guard acts before the whole of the objective is spent, and is forgiven within hours.
_SPEND_SHARE = 0.6
_SPEND_HALF_LIFE = timedelta(hours=6)

_ARRIVING = (InstanceState.REQUESTED, InstanceState.BOOTING)
_SERVING = (InstanceState.SERVING, InstanceState.WAKING)
_WARM = (InstanceState.WARM, InstanceState.PARKING)


class RecentDemand(msgspec.Struct, frozen=True, kw_only=True):
    """The last closed buckets of a service's demand.

    Parameters
    ----------
    last_rps, previous_rps : float, optional
        The last bucket and the one before it; None where it was not observed.
    age_s : float, optional
        Seconds since the end of the last observed bucket; None when there never was one.
    step_s : int
        Length of a bucket in seconds.
    """

    last_rps: float | None
    previous_rps: float | None
    age_s: float | None
    step_s: int

    def __post_init__(self) -> None:
        for field in ("last_rps", "previous_rps"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidValueError(f"{field} must be finite and >= 0 or None, was {value}")


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What one plan hands to the next.

    Parameters
    ----------
    surge_until : datetime, optional
        Until when `surge_count` instances keep serving after a surge.
    surge_count : int
        Serving instances a surge asked for.
    wishes : tuple of (datetime, int)
        Recent wishes of the reactive formula, for its stabilisation.
    softened_at : datetime, optional
        When an instance was last removed in spite of a wide interval.
    counted_at : datetime, optional
        When the two sums below were last brought up to date.
    over_rps, asked_rps : float
        Demand over capacity and all demand, minute by minute, half of it forgotten in 6 hours.
    """

    surge_until: datetime | None = None
    surge_count: int = 0
    wishes: tuple[tuple[datetime, int], ...] = ()
    softened_at: datetime | None = None
    counted_at: datetime | None = None
    over_rps: float = 0.0
    asked_rps: float = 0.0


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """What should be: how many serve, how many there are in all, and why."""

    serving: int
    total: int
    reasons: tuple[Reason, ...]


def plan(
    *,
    now: datetime,
    fleet: Fleet,
    demand: RecentDemand,
    need: Need | None,
    policy: ServicePolicy,
    memory: Memory,
) -> tuple[Plan, Memory]:
    """Return what the fleet should become, the actions that lead there, and why.

    Parameters
    ----------
    now : datetime
        The instant of the tick, aware UTC.
    fleet : Fleet
        What the platform reports.
    demand : RecentDemand
        What was last seen of demand.
    need : Need, optional
        What the forecast asks for; None while there is too little history for one.
    policy : ServicePolicy
        The service.
    memory : Memory
        From the plan before this one; `Memory()` for the first.

    Returns
    -------
    plan : Plan
        Its actions put what adds capacity first.
    memory : Memory
        For the next plan.
    """
    serving, warm = fleet.count(*_SERVING), fleet.count(*_WARM)
    current = serving + warm + fleet.count(*_ARRIVING)
    lasting = _lasting_count(demand, policy)
    is_blind = demand.last_rps is None or is_stale(demand.age_s, demand.step_s)
    memory = _with_spend(now, demand, fleet.count(InstanceState.SERVING), policy, memory)
    memory = _with_surge(now, demand, serving, policy, memory)
    if need is None:
        target, memory = _reactive_target(
            now, demand, ready=serving, current=current, policy=policy, memory=memory
        )
    else:
        need, guarding = _guarded(need, policy, memory)
        target = _forecast_target(need, demand, serving, current, policy)
        target = msgspec.structs.replace(target, reasons=target.reasons + guarding)
        if policy.is_soft and not is_blind:
            target, memory = _softened(now, target, need=need, current=current, memory=memory)
    target = _with_surge_served(now, target, current=current, policy=policy, memory=memory)
    target = _with_surprise(target, lasting=lasting, current=current)
    if is_blind:
        target = _without_removal(target, serving, current)
    moves, bound = _bounded(target, current=current, lasting=lasting, policy=policy)
    actions, planned = actions_for(now, fleet, moves, policy)
    branch = _branch(actions, planned.total_count - current)
    return Plan(
        service=policy.service,
        made_at=now,
        serving_count=planned.serving_count,
        warm_count=planned.total_count - planned.serving_count,
        actions=actions,
        decision=_decision(branch, target.reasons + bound, need, demand, policy),
    ), memory


def _forecast_target(
    need: Need, demand: RecentDemand, serving: int, current: int, policy: ServicePolicy
) -> _Target:
    total = need.total_up if need.total_up > current else min(current, need.total_low)
    branch = proactive_scale(total, _interval(need), current)
    reasons: tuple[Reason, ...] = ()
    if branch is Branch.SCALE_UP:
        reasons = (Reason.FORECAST_RISES,)
    elif branch is Branch.SCALE_DOWN:
        reasons = (Reason.FORECAST_FALLS, Reason.INTERVAL_LOW)
    elif total < current:
        reasons, total = (Reason.INTERVAL_TOO_WIDE,), current
    if not policy.has_warm_pool:
        if not reasons and total > serving:
            # on their way, or left warm by an earlier pool: they are to serve
            reasons = (Reason.FORECAST_RISES,)
        return _Target(serving=total, total=total, reasons=reasons)
    wanted = need.serving_up
    if wanted <= serving:
        # what is served now is a floor for parking: the forecast may be late
        used = instances_for(policy.curve, demand.last_rps or 0.0)
        wanted = min(serving, max(need.serving_low, used))
    if branch is Branch.HOLD and wanted != serving:
        rises = wanted > serving
        reasons += (Reason.FORECAST_RISES if rises else Reason.FORECAST_FALLS,)
    return _Target(serving=wanted, total=total, reasons=reasons)


def _interval(need: Need) -> Interval:
    return Interval(width_fraction=need.width_fraction, width_max_fraction=need.width_max_fraction)


def _softened(
    now: datetime,
    target: _Target,
    *,
    need: Need,
    current: int,
    memory: Memory,
) -> tuple[_Target, Memory]:
    """Return the target with a few instances gone, where the owner lets them go slowly."""
    excess = current - need.total_low
    due = memory.softened_at is None or now - memory.softened_at >= timedelta(seconds=SOFT_PAUSE_S)
    if not (due and Reason.INTERVAL_TOO_WIDE in target.reasons):
        return target, memory
    interval = _interval(need)
    reasons = target.reasons
    if Reason.FORECAST_FALLS not in reasons:
        reasons = (*reasons, Reason.FORECAST_FALLS)
    total = current - soft_drop_count(excess, interval, current)
    softened = msgspec.structs.replace(target, total=total, reasons=reasons)
    return softened, msgspec.structs.replace(memory, softened_at=now)


def _reactive_target(
    now: datetime,
    demand: RecentDemand,
    *,
    ready: int,
    current: int,
    policy: ServicePolicy,
    memory: Memory,
) -> tuple[_Target, Memory]:
    """Return what the reactive formula asks for, while there is no forecast."""
    if demand.last_rps is None:
        return _Target(serving=ready, total=current, reasons=(Reason.NO_HISTORY,)), memory
    wish = reactive.wanted_count(
        demand.last_rps / (served_rps(policy.curve, max(ready, 1)) / max(ready, 1)),
        target_fraction=_FALLBACK_UTILISATION,
        current_count=current,
        measured_count=ready,
        unready_count=current - ready,
    )
    window = timedelta(seconds=reactive.SCALE_DOWN.stabilisation_s)
    wishes = (*((at, w) for at, w in memory.wishes if at > now - window), (now, wish))
    total = reactive.stabilised_count(
        current, lowest_recent_count=wish, highest_recent_count=max(w for _, w in wishes)
    )
    # without a forecast there is nothing to hold warm for: all there is serves
    target = _Target(serving=total, total=total, reasons=(Reason.NO_HISTORY,))
    return target, msgspec.structs.replace(memory, wishes=wishes)


def _with_spend(
    now: datetime, demand: RecentDemand, ready: int, policy: ServicePolicy, memory: Memory
) -> Memory:
    """Return the memory with what came over capacity in the last bucket."""
    passed = now - memory.counted_at if memory.counted_at is not None else timedelta(0)
    kept = 0.5 ** (passed / _SPEND_HALF_LIFE)
    last = demand.last_rps or 0.0
    return msgspec.structs.replace(
        memory,
        counted_at=now,
        over_rps=kept * memory.over_rps + max(0.0, last - served_rps(policy.curve, ready)),
        asked_rps=kept * memory.asked_rps + last,
    )


def _guarded(need: Need, policy: ServicePolicy, memory: Memory) -> tuple[Need, tuple[Reason, ...]]:
    """Return the need by its more careful bands, where the objective is being missed."""
    if need.guard is None or policy.objective_fraction is None:
        return need, ()
    allowed = _SPEND_SHARE * policy.objective_fraction * memory.asked_rps
    if memory.over_rps <= allowed:
        return need, ()
    bands = msgspec.structs.asdict(need.guard)
    return msgspec.structs.replace(need, **bands), (Reason.SPEND_GUARD,)


def _with_surge(
    now: datetime, demand: RecentDemand, serving: int, policy: ServicePolicy, memory: Memory
) -> Memory:
    """Return the memory with the surge that the last bucket shows, if it shows one."""
    last, previous = demand.last_rps, demand.previous_rps
    if last is None or last <= _TRIGGER_UTILISATION * served_rps(policy.curve, serving):
        return memory
    growth = last / previous if previous else 1.0
    count = instances_for(policy.curve, last * min(max(growth, 1.0), _MAX_SURGE_FACTOR))
    if _is_surging(now, memory) and count < memory.surge_count:
        return memory
    return msgspec.structs.replace(memory, surge_until=now + _SURGE_HOLD, surge_count=count)


def _is_surging(now: datetime, memory: Memory) -> bool:
    return memory.surge_until is not None and now <= memory.surge_until


def _with_surge_served(
    now: datetime, target: _Target, *, current: int, policy: ServicePolicy, memory: Memory
) -> _Target:
    """Return the target with as many serving as a surge asks for, out of those there are."""
    if not (policy.has_warm_pool and _is_surging(now, memory)):
        return target
    serving = min(memory.surge_count, max(target.total, current))
    if serving <= target.serving:
        return target
    reasons = (*target.reasons, Reason.REACTIVE_PROMOTE)
    return msgspec.structs.replace(target, serving=serving, reasons=reasons)


def _lasting_count(demand: RecentDemand, policy: ServicePolicy) -> int:
    """Return how many instances the last two buckets both took."""
    return instances_for(policy.curve, min(demand.last_rps or 0.0, demand.previous_rps or 0.0))


def _with_surprise(target: _Target, *, lasting: int, current: int) -> _Target:
    """Return the target raised to what two buckets took above all there is or is coming."""
    if lasting <= max(target.total, current):
        return target
    # no forecast knew, demand is here
    return _Target(
        serving=max(target.serving, lasting),
        total=lasting,
        reasons=(*target.reasons, Reason.SURPRISE),
    )


def _without_removal(target: _Target, serving: int, current: int) -> _Target:
    """Return the target with everything kept that is there: old data removes nothing."""
    if target.serving >= serving and target.total >= current:
        return target
    return _Target(
        serving=max(target.serving, serving),
        total=max(target.total, current),
        reasons=(*target.reasons, Reason.DATA_STALE),
    )


def _bounded(
    target: _Target, *, current: int, lasting: int, policy: ServicePolicy
) -> tuple[Moves, tuple[Reason, ...]]:
    """Return the target within the guards, and the guards that changed it."""
    total, bound = limited_total(target.total, current, policy, demanded_count=lasting)
    serving = target.serving
    if serving < policy.min_count:
        serving = policy.min_count
        if Reason.MIN_INSTANCES not in bound:
            bound = (*bound, Reason.MIN_INSTANCES)
    return Moves(serving_count=min(serving, total), total_count=total), bound


def _branch(actions: tuple[Action, ...], added_count: int) -> Branch:
    """Return which way a plan goes: by what becomes of the total, then by who changes place."""
    if added_count:
        return Branch.SCALE_UP if added_count > 0 else Branch.SCALE_DOWN
    if not actions:
        return Branch.HOLD
    return Branch.PROMOTE if isinstance(actions[0], Promote) else Branch.PARK


def _decision(
    branch: Branch,
    reasons: tuple[Reason, ...],
    need: Need | None,
    demand: RecentDemand,
    policy: ServicePolicy,
) -> Decision:
    base = Decision(
        branch=branch,
        reasons=reasons,
        forecast_id=need.forecast_id if need else "",
        curve_version=policy.curve.version,
        demand_rps=demand.last_rps,
    )
    if need is None:
        return base
    return msgspec.structs.replace(
        base,
        predicted_rps=need.predicted_rps,
        upper_rps=need.upper_rps,
        width_fraction=need.width_fraction,
        width_max_fraction=need.width_max_fraction,
        serving_up=need.serving_up,
        serving_low=need.serving_low,
        total_up=need.total_up,
        total_low=need.total_low,
    )
