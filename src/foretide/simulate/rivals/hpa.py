"""This file knows the Kubernetes HPA as a rival: four syncs a minute on the last closed minute."""

from __future__ import annotations

import math
from collections import deque

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.reactive import SCALE_DOWN, bounded_count, stabilised_count, wanted_count
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.fleet import RivalFleet
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario

SYNC_S = 15
_SYNCS = MINUTE_S // SYNC_S
_WINDOW_SYNCS = int(SCALE_DOWN.stabilisation_s) // SYNC_S


def hpa_counts(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, target: float = 0.7
) -> Counts:
    """Play a Horizontal Pod Autoscaler with Kubernetes' defaults over a trace.

    Where its rules leave room they favour the rival: utilisation is not capped at what its
    instances can serve, and what any of the four syncs of a minute asks for is dated at the start
    of that minute. The fleet of 1 becomes the one the formula asks for as soon as a first
    demand has been seen, so that no start-up loss is counted against it.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed: a sync without a metric changes nothing.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        Utilisation aimed at, > 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.
    """
    if not target > 0:
        raise InvalidValueError(f"the HPA's target must be > 0, was {target}")
    fleet = RivalFleet(boot_minutes=scenario.boot_minutes, minute_count=len(demand_rps))
    wishes = _Wishes()
    has_started = False
    used = math.nan  # demand of the last closed minute, in instances
    for minute, used_next in enumerate((demand_rps / capacity_rps).tolist()):
        fleet.advance(minute)
        if has_started and not math.isnan(used):
            _sync_minute(fleet, wishes, minute, used, target)
        elif not math.isnan(used):
            fleet.start_serving(min(max(1, math.ceil(used / target)), FLEET_MAX_COUNT))
            has_started = True
        fleet.record(minute)
        used = used_next
    return fleet.counts()


class _Wishes:
    # The highest wish of the scale-down window: a queue whose wishes fall from old to new.

    def __init__(self) -> None:
        self._falling: deque[tuple[int, int]] = deque()

    def highest(self, sync: int, wanted: int) -> int:
        for made_at, wish in self._falling:
            if made_at > sync - _WINDOW_SYNCS:
                return max(wish, wanted)
        return wanted

    def add(self, sync: int, wanted: int) -> None:
        while self._falling and self._falling[0][0] <= sync - _WINDOW_SYNCS:
            self._falling.popleft()
        while self._falling and self._falling[-1][1] <= wanted:
            self._falling.pop()
        self._falling.append((sync, wanted))


def _sync_minute(
    fleet: RivalFleet, wishes: _Wishes, minute: int, used: float, target: float
) -> None:
    last = minute * _SYNCS + _SYNCS - 1
    for sync in range(minute * _SYNCS, last + 1):
        current = fleet.total_count
        wanted = wanted_count(
            used,
            target_fraction=target,
            current_count=current,
            measured_count=fleet.serving_count,
            unready_count=fleet.booting_count,
        )
        if wanted <= current <= wishes.highest(last, wanted):
            wishes.add(last, wanted)  # the same wish until the minute ends, and no change
            return
        stabilised = stabilised_count(
            current, lowest_recent_count=wanted, highest_recent_count=wishes.highest(sync, wanted)
        )
        wishes.add(sync, wanted)
        # a period of 15 s holds no change but the one made now: the last sync's is 15 s old
        fleet.resize(
            minute, bounded_count(stabilised, current_count=current, max_count=FLEET_MAX_COUNT)
        )
