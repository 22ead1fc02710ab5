"""This file knows how a need and a fleet become a plan. Read this first.

Every minute, for one service, in this order; whoever plays the planner in another form must do so:

1. The report is reconciled with what was asked for (`reconcile`).
2. The bands are the need's; those of its guard while more came over capacity lately than allowed.
3. The plan that acts (`cost`) may lower what the fleet grows to, never what it shrinks to.
4. Without a forecast, or when it failed lately (`stance`), the HPA formula stands in.
5. `proactive_scale` picks the branch: grow, shrink while the interval is low, else park and wake.
6. A surge wakes what is warm at once and holds it for two minutes; surer, its trigger is lower.
7. A surprise launches at once and holds for five: demand above the 98 % quantile of one boot ago
   and above what there is, or two buckets in a row above all there is or is coming.
8. Stale demand, a report that contradicts, or an update in flight remove nothing.
9. Guards bound the total (`guard`), and the difference to the fleet becomes actions (`act`).
10. What the minute teaches (`learn`) acts from the next one on.
11. In a quiet minute one warm instance of an old version gives way to a new one (`refresh`).

The same inputs give the same plan, and `Memory` is all that one minute hands to the next.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from foretide.model.fleet import Fleet
from foretide.model.plan import Action, Branch, Decision, Plan, Promote, Reason, Terminate
from foretide.plan.act import actions_for
from foretide.plan.cost import HOME, Weighed
from foretide.plan.draft import Draft
from foretide.plan.guard import is_stale
from foretide.plan.learn import learned
from foretide.plan.memory import Circumstances, Memory, RecentDemand
from foretide.plan.need import GuardBand, Need
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import reconciled, with_actions
from foretide.plan.refresh import Refresh, counted, is_given_up, joined, refreshed

__all__ = ["Circumstances", "Memory", "RecentDemand", "plan"]

_CALM = Circumstances()


def plan(
    *,
    now: datetime,
    fleet: Fleet,
    demand: RecentDemand,
    need: Need | None,
    policy: ServicePolicy,
    memory: Memory,
    around: Circumstances = _CALM,
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
    around : Circumstances
        What else is to be heeded.

    Returns
    -------
    plan : Plan
        Its actions put what adds capacity first.
    memory : Memory
        For the next plan.
    """
    if around.boot_s is not None:
        policy = msgspec.structs.replace(policy, boot_s=around.boot_s)
    if memory.refresh.fresh_id or (around.may_refresh and policy.has_warm_pool):
        return _refreshing(
            now, fleet, demand=demand, need=need, policy=policy, memory=memory, around=around
        )
    return _planned(
        now, fleet, demand=demand, need=need, policy=policy, memory=memory, around=around
    )


def _refreshing(
    now: datetime,
    fleet: Fleet,
    *,
    demand: RecentDemand,
    need: Need | None,
    policy: ServicePolicy,
    memory: Memory,
    around: Circumstances,
) -> tuple[Plan, Memory]:
    """Plan for the instances that count, and replace a warm one of an old version beside it."""
    heeded, under = policy, around
    if memory.refresh.fresh_id:
        # the one under way takes its place of what is allowed
        heeded = msgspec.structs.replace(
            policy, max_count=max(policy.min_count, policy.max_count - 1)
        )
        if around.ceiling_count:
            under = msgspec.structs.replace(around, ceiling_count=around.ceiling_count - 1)
    decided, left = _planned(
        now, counted(fleet, memory.refresh), demand=demand, need=need, policy=heeded,
        memory=memory, around=under,
    )  # fmt: skip
    if memory.refresh.fresh_id and is_given_up(fleet, memory.refresh, decided):
        ledger = joined(memory.ledger, memory.refresh, now)
        memory = msgspec.structs.replace(memory, ledger=ledger, refresh=Refresh())
        return _planned(
            now, fleet, demand=demand, need=need, policy=policy, memory=memory, around=around
        )
    is_blind = demand.last_rps is None or is_stale(demand.age_s, demand.step_s, demand.delay_s)
    refresh, actions = refreshed(
        now, fleet, memory.refresh, policy=policy, decided=decided,
        room_count=_room_count(left, policy, around),
        is_sure=around.is_acting and not (is_blind or around.is_update_in_flight),
        refused=around.refused,
    )  # fmt: skip
    ledger = with_actions(left.ledger, _ends(actions), now)
    if memory.refresh.fresh_id and actions:
        ledger = joined(ledger, memory.refresh, now)
    if actions:
        told = (*decided.decision.reasons, Reason.VERSION_OLD)
        decided = msgspec.structs.replace(
            decided,
            actions=(*decided.actions, *actions),
            decision=msgspec.structs.replace(decided.decision, reasons=told),
        )
    return decided, msgspec.structs.replace(left, ledger=ledger, refresh=refresh)


def _ends(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    # the launch of a replacement is not awaited: it does not count yet
    return tuple(one for one in actions if isinstance(one, Terminate))


def _room_count(left: Memory, policy: ServicePolicy, around: Circumstances) -> int:
    held_count = left.ledger.census.total + left.ledger.unseen_count
    ceiling = around.ceiling_count
    most = policy.max_count if ceiling is None else min(policy.max_count, ceiling)
    return most - held_count


def _planned(
    now: datetime,
    fleet: Fleet,
    *,
    demand: RecentDemand,
    need: Need | None,
    policy: ServicePolicy,
    memory: Memory,
    around: Circumstances,
) -> tuple[Plan, Memory]:
    ledger, contradictions = reconciled(memory.ledger, fleet, around.refused, now)
    if ledger.instances is not None and Reason.REPORT_LATE in contradictions:
        fleet = msgspec.structs.replace(fleet, instances=ledger.instances)
    draft = Draft(now, demand, policy, memory, ledger)
    usable, bands = draft.usable(need), None
    if usable is None or draft.is_fallback:
        draft.follow_formula(is_told=need is not None)
    else:
        bands = draft.bands(usable, around)
        draft.follow_forecast(usable, bands)
    draft.serve_surge()
    draft.launch_surprise()
    draft.keep(contradictions, around)
    moves, bound = draft.bounded(around)
    actions, planned = actions_for(
        now, fleet, moves, policy, census=ledger.census, unseen_count=ledger.unseen_count
    )
    stance, track, weighed = learned(memory, now, draft.seen(usable, planned), policy)
    decision = _decision(
        _branch(actions, planned.total_count - draft.current), (*draft.reasons, *bound),
        need=usable, bands=bands, demand=demand, policy=policy, memory=memory, weighed=weighed,
    )  # fmt: skip
    return Plan(
        service=policy.service,
        made_at=now,
        serving_count=planned.serving_count,
        warm_count=planned.total_count - planned.serving_count,
        actions=actions,
        decision=decision,
    ), draft.remembered(stance, track, actions, around)


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
    *,
    need: Need | None,
    bands: GuardBand | None,
    demand: RecentDemand,
    policy: ServicePolicy,
    memory: Memory,
    weighed: Weighed | None,
) -> Decision:
    last_rps = None if demand.last_rps is None else _brief(demand.last_rps)
    if need is None:
        return Decision(
            branch=branch,
            reasons=reasons,
            forecast_id="",
            curve_version=policy.curve.version,
            demand_rps=last_rps,
        )
    stance = memory.stance
    return Decision(
        branch=branch,
        reasons=reasons,
        forecast_id=need.forecast_id,
        curve_version=policy.curve.version,
        demand_rps=last_rps,
        predicted_rps=_brief(need.predicted_rps),
        upper_rps=_brief(need.upper_rps),
        width_fraction=round(need.width_fraction, 2),
        width_max_fraction=round(need.width_max_fraction, 2),
        serving=None if bands is None else (bands.serving_up, bands.serving_low),
        total=None if bands is None else (bands.total_up, bands.total_low),
        confidence_fraction=round(stance.confidence, 2),
        choice=stance.choice if bands is not None and stance.choice is not HOME else None,
        cost_usd=None if weighed is None else _briefly(weighed),
    )


def _brief(number: float) -> float:
    return float(f"{number:.4g}")


def _cents(number: float) -> float:
    return float(f"{number:.3g}")


def _briefly(weighed: Weighed) -> tuple[float, float, float, float]:
    first, second, third, fourth = weighed.costs_usd
    return _cents(first), _cents(second), _cents(third), _cents(fourth)
