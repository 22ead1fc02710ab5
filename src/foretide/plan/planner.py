"""This file knows how a need and a fleet become a plan. Read this first.

Every minute, for one service: the forecast's bands say how many instances should serve and how
many there should be in all. What the last minute of demand says may add to that, never take away.
`proactive_scale` picks the branch; guards bound it; the difference to the fleet becomes actions.
The same inputs give the same plan, and `Memory` is all that one minute hands to the next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Branch, Decision, Plan, Reason
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
    """

    surge_until: datetime | None = None
    surge_count: int = 0
    wishes: tuple[tuple[datetime, int], ...] = ()
    softened_at: datetime | None = None


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """What should be: how many serve, how many there are in all, and why."""

    serving: int
    total: int
    branch: Branch
    reasons: tuple[Reason, ...]
    is_reactive: bool = False


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
    memory = _with_surge(now, demand, serving, policy, memory)
    if need is None:
        target, memory = _reactive_target(now, fleet, demand, policy, memory)
    else:
        target = _forecast_target(need, demand, serving, current, policy)
        target, memory = _softened(
            now, target, need=need, current=current, policy=policy, memory=memory
        )
    target = _with_reactive_layer(
        now, target, demand=demand, current=current, policy=policy, memory=memory
    )
    if is_stale(demand.age_s, demand.step_s):
        target = _without_removal(target, serving, current)
    total, bound = limited_total(target.total, current, policy, is_reactive=target.is_reactive)
    serving_target = min(max(target.serving, policy.min_count), total)
    moves = Moves(serving_count=serving_target, total_count=total)
    actions, planned = actions_for(now, fleet, moves, policy)
    return Plan(
        service=policy.service,
        made_at=now,
        serving_count=planned.serving_count,
        warm_count=planned.total_count - planned.serving_count,
        actions=actions,
        decision=_decision(need, demand, policy, target, bound),
    ), memory


def _forecast_target(
    need: Need, demand: RecentDemand, serving: int, current: int, policy: ServicePolicy
) -> _Target:
    total = need.total_up if need.total_up > current else min(current, need.total_low)
    interval = _interval(need)
    branch = proactive_scale(total, interval, current)
    reasons: tuple[Reason, ...] = ()
    if branch is Branch.SCALE_UP:
        reasons = (Reason.FORECAST_RISES,)
    elif branch is Branch.SCALE_DOWN:
        reasons = (Reason.FORECAST_FALLS, Reason.INTERVAL_LOW)
    elif total < current:
        reasons, total = (Reason.INTERVAL_TOO_WIDE,), current
    wanted = need.serving_up
    if wanted <= serving:
        # what is served now is a floor for parking: the forecast may be late
        used = instances_for(policy.curve, demand.last_rps or 0.0)
        wanted = min(serving, max(need.serving_low, used))
    if branch is Branch.HOLD and wanted != serving:
        branch = Branch.PROMOTE if wanted > serving else Branch.PARK
        rises = wanted > serving
        reasons += (Reason.FORECAST_RISES if rises else Reason.FORECAST_FALLS,)
    return _Target(serving=wanted, total=total, branch=branch, reasons=reasons)


def _interval(need: Need) -> Interval:
    return Interval(width_fraction=need.width_fraction, width_max_fraction=need.width_max_fraction)


def _softened(
    now: datetime,
    target: _Target,
    *,
    need: Need,
    current: int,
    policy: ServicePolicy,
    memory: Memory,
) -> tuple[_Target, Memory]:
    """Return the target with a few instances gone, where the owner lets them go slowly."""
    excess = current - need.total_low
    due = memory.softened_at is None or now - memory.softened_at >= timedelta(seconds=SOFT_PAUSE_S)
    if not (policy.is_soft and due and Reason.INTERVAL_TOO_WIDE in target.reasons and excess > 0):
        return target, memory
    interval = _interval(need)
    softened = msgspec.structs.replace(
        target,
        total=current - soft_drop_count(excess, interval, current),
        branch=Branch.SCALE_DOWN,
        reasons=(*target.reasons, Reason.FORECAST_FALLS),
    )
    return softened, msgspec.structs.replace(memory, softened_at=now)


def _reactive_target(
    now: datetime, fleet: Fleet, demand: RecentDemand, policy: ServicePolicy, memory: Memory
) -> tuple[_Target, Memory]:
    """Return what the reactive formula asks for, while there is no forecast."""
    ready = fleet.count(*_SERVING)
    current = len(fleet.instances)
    if demand.last_rps is None:
        held = _Target(
            serving=ready, total=current, branch=Branch.HOLD, reasons=(Reason.NO_HISTORY,)
        )
        return held, memory
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
    branch = Branch.HOLD
    if total != current:
        branch = Branch.SCALE_UP if total > current else Branch.SCALE_DOWN
    # without a forecast there is nothing to hold warm for: all there is serves
    target = _Target(serving=total, total=total, branch=branch, reasons=(Reason.NO_HISTORY,))
    return target, msgspec.structs.replace(memory, wishes=wishes)


def _with_surge(
    now: datetime, demand: RecentDemand, serving: int, policy: ServicePolicy, memory: Memory
) -> Memory:
    """Return the memory with the surge that the last bucket shows, if it shows one."""
    last, previous = demand.last_rps, demand.previous_rps
    if last is None or last <= _TRIGGER_UTILISATION * served_rps(policy.curve, serving):
        return memory
    growth = last / previous if previous else 1.0
    count = instances_for(policy.curve, last * min(max(growth, 1.0), _MAX_SURGE_FACTOR))
    return msgspec.structs.replace(memory, surge_until=now + _SURGE_HOLD, surge_count=count)


def _with_reactive_layer(
    now: datetime,
    target: _Target,
    *,
    demand: RecentDemand,
    current: int,
    policy: ServicePolicy,
    memory: Memory,
) -> _Target:
    """Return the target raised by what demand already shows; it never lowers one."""
    surging = memory.surge_until is not None and now <= memory.surge_until
    if surging and policy.has_warm_pool and memory.surge_count > target.serving:
        promoted = min(memory.surge_count, max(target.total, current))
        if promoted > target.serving:
            target = msgspec.structs.replace(
                target,
                serving=promoted,
                branch=Branch.PROMOTE if target.branch is Branch.PARK else target.branch,
                reasons=(*target.reasons, Reason.REACTIVE_PROMOTE),
            )
    lasting_rps = min(demand.last_rps or 0.0, demand.previous_rps or 0.0)
    lasting = instances_for(policy.curve, lasting_rps)
    if lasting > max(target.total, current):
        # two buckets above all there is or is coming: no forecast knew, demand is here
        return _Target(
            serving=max(target.serving, lasting), total=lasting, branch=Branch.SCALE_UP,
            reasons=(*target.reasons, Reason.SURPRISE), is_reactive=True,
        )  # fmt: skip
    return target


def _without_removal(target: _Target, serving: int, current: int) -> _Target:
    """Return the target with everything kept that is there: old data removes nothing."""
    if target.serving >= serving and target.total >= current:
        return target
    total = max(target.total, current)
    return msgspec.structs.replace(
        target,
        serving=max(target.serving, serving),
        total=total,
        branch=Branch.SCALE_UP if total > current else Branch.HOLD,
        reasons=(*target.reasons, Reason.DATA_STALE),
    )


def _decision(
    need: Need | None,
    demand: RecentDemand,
    policy: ServicePolicy,
    target: _Target,
    bound: tuple[Reason, ...],
) -> Decision:
    base = Decision(
        branch=target.branch,
        reasons=target.reasons + bound,
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
