"""This file knows the steps from a need to what should be: each may raise or lower what is asked.

A draft is filled by the planner in the order told at the top of `planner.py`. It lives for one
tick and remembers nothing itself: what the next tick must know is in the `Memory` it leaves.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from foretide.model.plan import Action, Branch, Choice, Reason
from foretide.plan import reactive
from foretide.plan.act import Moves
from foretide.plan.capacity import instances_for, served_rps
from foretide.plan.confidence import trigger_fraction
from foretide.plan.cost import FORMULA_FRACTION, reactive_count
from foretide.plan.course import MAX_SURGE_FACTOR, SPEND_HALF_LIFE_MINUTES, SPEND_SHARE
from foretide.plan.guard import FORECAST_OLD_S, is_stale, least_serving, limited_total
from foretide.plan.learn import Bucket, Seen
from foretide.plan.memory import Circumstances, Memory, RecentDemand, Stance
from foretide.plan.need import GuardBand, Need
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import Ledger, with_actions
from foretide.plan.scale import SOFT_PAUSE_S, Interval, proactive_scale, soft_drop_count
from foretide.plan.track import Track

_SURGE_HOLD = timedelta(minutes=2)
_SURPRISE_HOLD = timedelta(minutes=5)
_SPEND_HALF_LIFE_S = 60.0 * SPEND_HALF_LIFE_MINUTES
_CLOSE_S = 1.0  # ends of the same bucket, told by clocks that differ


class Draft:
    """What should be, on its way from a need to a plan.

    Parameters
    ----------
    now : datetime
        The instant of the tick, aware UTC.
    demand : RecentDemand
        What was last seen of demand.
    policy : ServicePolicy
        The service.
    memory : Memory
        From the plan before.
    ledger : Ledger
        The fleet, reconciled.
    """

    def __init__(
        self,
        now: datetime,
        demand: RecentDemand,
        policy: ServicePolicy,
        memory: Memory,
        ledger: Ledger,
    ) -> None:
        self._now, self._demand, self._policy = now, demand, policy
        self._memory, self._ledger = memory, ledger
        self._is_blind = demand.last_rps is None or is_stale(
            demand.age_s, demand.step_s, demand.delay_s
        )
        self._last_rps = demand.last_rps or 0.0
        self._used = instances_for(policy.curve, self._last_rps)
        previous_rps = demand.previous_rps or 0.0
        self._lasting = (
            self._used
            if previous_rps >= self._last_rps
            else instances_for(policy.curve, previous_rps)
        )
        self._serving_now = ledger.census.serving
        self.current = ledger.census.total + ledger.unseen_count
        self.serving, self.total = self._serving_now, self.current
        self.reasons: list[Reason] = []
        self._wishes, self._softened_at = memory.wishes, memory.softened_at
        self._surge = memory.surge_until, memory.surge_count
        self._surprise = memory.surprise_until, memory.surprise_count
        self._is_formula = False
        self._demanded = self._lasting
        self._over_rps, self._asked_rps = self._spend()
        objective = policy.objective_fraction
        self._is_overspent = (
            objective is not None and self._over_rps > SPEND_SHARE * objective * self._asked_rps
        )
        self._bucket = self._closed()

    def _spend(self) -> tuple[float, float]:
        """Return what came over capacity and what was asked, the last minute included."""
        memory = self._memory
        kept = 1.0
        if memory.counted_at is not None:
            passed_s = (self._now - memory.counted_at).total_seconds()
            kept = 0.5 ** (passed_s / _SPEND_HALF_LIFE_S)
        over_rps = self._last_rps - served_rps(self._policy.curve, self._ledger.census.ready)
        return (
            kept * memory.over_rps + max(0.0, over_rps),
            kept * memory.asked_rps + self._last_rps,
        )

    def _closed(self) -> Bucket | None:
        demand = self._demand
        if self._is_blind or demand.age_s is None:
            return None
        now_s = self._now.timestamp()
        end_s = now_s - demand.age_s
        is_new = end_s > self._memory.track.heard_s + _CLOSE_S
        return Bucket(
            rps=self._last_rps,
            end_s=end_s,
            now_s=now_s,
            step_s=demand.step_s,
            said=self._memory.track.due(end_s - demand.step_s) if is_new else None,
            is_new=is_new,
        )

    def usable(self, need: Need | None) -> Need | None:
        """Return the need unless it cannot be believed, which is then among the reasons."""
        if need is None:
            return None
        if not need.is_sound or not math.isfinite(need.width_fraction):
            self.reasons.append(Reason.FORECAST_BROKEN)
            return None
        if need.age_s > FORECAST_OLD_S:
            self.reasons.append(Reason.FORECAST_OLD)
            return None
        return need

    @property
    def is_fallback(self) -> bool:
        """Whether the forecast failed so badly lately that the formula stands in for it."""
        until = self._memory.stance.fallback_until
        return until is not None and self._now < until

    def bands(self, need: Need, around: Circumstances) -> GuardBand:
        """Return the bands that act: the need's, its guard's, or those of the plan that won."""
        bands: Need | GuardBand = need
        if need.guard is not None and self._is_overspent:
            bands = need.guard
            self.reasons.append(Reason.SPEND_GUARD)
        serving_up, total_up = bands.serving_up, bands.total_up
        choice = self._memory.stance.choice
        if around.aggressiveness < 1 and self._policy.has_warm_pool:
            serving_up = self._bold(need, serving_up, around.aggressiveness)
        if choice is not Choice.PRE_SCALED_WARM and self._policy.is_cost_weighed:
            serving_up, total_up = self._chosen(choice, serving_up, total_up)
        return GuardBand(
            serving_up=serving_up,
            serving_low=max(serving_up, bands.serving_low),
            total_up=total_up,
            total_low=max(total_up, bands.total_low),
        )

    def _bold(self, need: Need, serving_up: int, aggressiveness: float) -> int:
        """Return how far above the median to run, where the forecast has lost skill."""
        middle = instances_for(self._policy.curve, need.predicted_rps)
        if serving_up <= middle:
            return serving_up
        self.reasons.append(Reason.LESS_SKILL)
        return middle + math.ceil(aggressiveness * (serving_up - middle))

    def _chosen(self, choice: Choice, serving_up: int, total_up: int) -> tuple[int, int]:
        """Return what to grow to by the plan that won; what to shrink to stays the bands'."""
        self.reasons.append(Reason.COST_FACTOR)
        match choice:
            case Choice.REACTIVE if not self._is_blind:
                count = reactive_count(self._last_rps, self._policy)
                return count, count
            case Choice.PRE_SCALED:
                return serving_up, min(serving_up, total_up)
            case Choice.HELD:
                return min(serving_up, self.current), min(total_up, self.current)
            case _:
                return serving_up, total_up

    def follow_forecast(self, need: Need, bands: GuardBand) -> None:
        """Aim at what the bands ask for, as the branch allows."""
        total = (
            bands.total_up if bands.total_up > self.current else min(self.current, bands.total_low)
        )
        interval = Interval(
            width_fraction=need.width_fraction, width_max_fraction=need.width_max_fraction
        )
        branch = proactive_scale(total, interval, self.current)
        told: list[Reason] = []
        if branch is Branch.SCALE_UP:
            told = [Reason.FORECAST_RISES]
        elif branch is Branch.SCALE_DOWN:
            told = [Reason.FORECAST_FALLS, Reason.INTERVAL_LOW]
        elif total < self.current:
            told, total = [Reason.INTERVAL_TOO_WIDE], self.current
        self.total = total
        if not self._policy.has_warm_pool:
            if not told and total > self._serving_now:
                # on their way, or left warm by an earlier pool: they are to serve
                told = [Reason.FORECAST_RISES]
            self.serving = total
        else:
            self.serving = self._wanted_serving(bands)
            if branch is Branch.HOLD and self.serving != self._serving_now:
                rises = self.serving > self._serving_now
                told.append(Reason.FORECAST_RISES if rises else Reason.FORECAST_FALLS)
        if self._policy.is_soft and not self._is_blind and Reason.INTERVAL_TOO_WIDE in told:
            self._soften(interval, self.current - bands.total_low, told)
        self.reasons = told + self.reasons

    def _wanted_serving(self, bands: GuardBand) -> int:
        if bands.serving_up > self._serving_now:
            return bands.serving_up
        # what is served now is a floor for parking: the forecast may be late
        return min(self._serving_now, max(bands.serving_low, self._used))

    def _soften(self, interval: Interval, excess: int, told: list[Reason]) -> None:
        """Let a few instances go, where the owner lets them go slowly."""
        last = self._softened_at
        if last is not None and self._now - last < timedelta(seconds=SOFT_PAUSE_S):
            return
        if Reason.FORECAST_FALLS not in told:
            told.append(Reason.FORECAST_FALLS)
        self.total = self.current - soft_drop_count(excess, interval, self.current)
        self._softened_at = self._now

    def follow_formula(self, *, is_told: bool) -> None:
        """Aim at what the HPA formula asks for, while there is no forecast to believe.

        Parameters
        ----------
        is_told : bool
            Whether there is a forecast that failed: its last plan is a floor.
        """
        self._is_formula = True
        stance = self._memory.stance
        floor_serving, floor_total = 0, 0
        if is_told:
            self.reasons.append(Reason.FALLBACK)
            floor_serving, floor_total = stance.floor_serving, stance.floor_total
        else:
            self.reasons.append(Reason.NO_HISTORY)
        if self._demand.last_rps is None:
            self.serving = max(self._serving_now, floor_serving)
            self.total = max(self.current, floor_total)
            return
        ready, arriving = self._serving_now, self._ledger.census.arriving
        wish = reactive.wanted_count(
            self._last_rps / (served_rps(self._policy.curve, max(ready, 1)) / max(ready, 1)),
            target_fraction=FORMULA_FRACTION,
            current_count=ready + arriving,
            measured_count=ready,
            unready_count=arriving,
        )
        window = timedelta(seconds=reactive.SCALE_DOWN.stabilisation_s)
        kept = ((at, w) for at, w in self._wishes if at > self._now - window)
        self._wishes = (*kept, (self._now, wish))
        count = reactive.stabilised_count(
            ready + arriving,
            lowest_recent_count=wish,
            highest_recent_count=max(w for _, w in self._wishes),
        )
        # the formula knows no warm instances: what it asks for serves, the floor keeps the rest
        self.serving = max(count, floor_serving)
        self.total = max(count, floor_total)

    def serve_surge(self) -> None:
        """Let as many serve as a surge asks for, out of those there are."""
        until, count = self._surge
        stance: Stance = self._memory.stance
        trigger = trigger_fraction(0.0 if self._is_blind else stance.confidence)
        capacity_rps = served_rps(self._policy.curve, self._serving_now)
        is_held = until is not None and self._now <= until
        if self._demand.last_rps is not None and self._last_rps > trigger * capacity_rps:
            wanted = instances_for(self._policy.curve, self._last_rps * self._growth())
            if not is_held or wanted >= count:
                self._surge = until, count = self._now + _SURGE_HOLD, wanted
                is_held = True
        if not (is_held and self._policy.has_warm_pool):
            return
        serving = min(count, max(self.total, self.current))
        if serving > self.serving:
            self.serving = serving
            self.reasons.append(Reason.REACTIVE_PROMOTE)

    def _growth(self) -> float:
        previous = self._demand.previous_rps
        growth = self._last_rps / previous if previous else 1.0
        return min(max(growth, 1.0), MAX_SURGE_FACTOR)

    def launch_surprise(self) -> None:
        """Launch what demand takes that no forecast knew of."""
        until, count = self._surprise
        is_held = until is not None and self._now <= until
        if self._bucket is not None and self._bucket.is_surprise:
            wanted = self._used
            if wanted > self.current:
                # beyond all there is: no jitter, so it will go on rising as it has risen
                wanted = instances_for(self._policy.curve, self._continued_rps())
                self._demanded = max(self._demanded, wanted)
            if not is_held or wanted >= count:
                self._surprise = until, count = self._now + _SURPRISE_HOLD, wanted
                is_held = True
        held = count if is_held else 0
        lasting = self._lasting if self._lasting > self.current else 0
        wanted = max(held, lasting)
        if wanted > self.total:
            self.total = wanted
            self.serving = max(self.serving, lasting)
            self.reasons.append(Reason.SURPRISE)

    def _continued_rps(self) -> float:
        """Return the next bucket's demand if it changes as much as the last one did."""
        last_rps = self._last_rps
        risen_rps = max(0.0, last_rps - (self._demand.previous_rps or last_rps))
        return min(last_rps + risen_rps, MAX_SURGE_FACTOR * last_rps)

    def keep(self, contradictions: tuple[Reason, ...], around: Circumstances) -> None:
        """Keep everything that is there where removing would rest on doubt."""
        self.reasons.extend(contradictions)
        if self._ledger.observed_at is None:
            # just begun, by a report that may not show what was launched before it
            self.total = min(self.total, self.current)
        if self._is_blind and self._memory.stance.fresh_count > self.total:
            self.total = self._memory.stance.fresh_count
            self._tell(Reason.DATA_STALE)
        if self.serving >= self._serving_now and self.total >= self.current:
            return
        if self._is_blind:
            self._tell(Reason.DATA_STALE)
        elif around.is_update_in_flight:
            self._tell(Reason.UPDATE_IN_FLIGHT)
        elif not contradictions:
            return
        self.serving = max(self.serving, self._serving_now)
        self.total = max(self.total, self.current)

    def _tell(self, reason: Reason) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)

    def bounded(self, around: Circumstances) -> tuple[Moves, tuple[Reason, ...]]:
        """Return the counts within the guards, and the guards that changed them."""
        policy, bound = self._policy, tuple[Reason, ...]()
        serving, total = self.serving, self.total
        least = least_serving(self._ledger.census, policy)
        if serving < least:
            serving, total = least, max(least, total)
            bound = (Reason.DISRUPTION_LIMIT,)
        total, limits = limited_total(
            total, self.current, policy,
            demanded_count=self._demanded, ceiling_count=around.ceiling_count,
        )  # fmt: skip
        bound += limits
        if serving < policy.min_count:
            serving = policy.min_count
            if Reason.MIN_INSTANCES not in bound:
                bound = (*bound, Reason.MIN_INSTANCES)
        return Moves(serving_count=min(serving, total), total_count=total), bound

    def seen(self, need: Need | None, planned: Moves) -> Seen:
        """Return what this minute has shown, to be learned from."""
        return Seen(
            need=need,
            total_up=0 if need is None else need.total_up,
            bucket=self._bucket,
            current=self.current,
            serving_count=planned.serving_count,
            total_count=planned.total_count,
            is_short=self._policy.objective_fraction is None or self._is_overspent,
            is_formula=self._is_formula,
        )

    def remembered(
        self,
        stance: Stance,
        track: Track,
        actions: tuple[Action, ...],
        around: Circumstances,
    ) -> Memory:
        """Return what the next tick must know."""
        ledger = self._ledger
        if around.is_acting and actions:
            ledger = with_actions(ledger, actions, self._now)
        return Memory(
            counted_at=self._now,
            surge_until=self._surge[0],
            surge_count=self._surge[1],
            surprise_until=self._surprise[0],
            surprise_count=self._surprise[1],
            wishes=self._wishes,
            softened_at=self._softened_at,
            over_rps=self._over_rps,
            asked_rps=self._asked_rps,
            stance=stance,
            track=track,
            ledger=ledger,
        )
