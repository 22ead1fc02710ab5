"""This file knows how Foretide plays a trace: the product's own tick, minute after minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.control.links import Links
from foretide.control.lookahead import Lookahead
from foretide.control.tick import Beat, tick
from foretide.model.demand import Demand
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Plan
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.simulate.counts import Counts
from foretide.simulate.faults import NO_FAULTS, Faults
from foretide.simulate.feed import Feed
from foretide.simulate.outcome import Band
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import Journal

# Minutes of need computed at once: long enough for arrays to pay, short enough to stay in cache.
_BLOCK_MINUTES = 240
_SERVING = (InstanceState.SERVING, InstanceState.WAKING)
_BOOTING = (InstanceState.REQUESTED, InstanceState.BOOTING)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One minute of a play, after what was decided at its start was done.

    Parameters
    ----------
    minute : int
        Minutes since the beginning of the trace.
    at : datetime
        Its start, aware UTC.
    serving, warm, booting : int
        The fleet through this minute.
    plan : Plan
        What was decided at its start.
    """

    minute: int
    at: datetime
    serving: int
    warm: int
    booting: int
    plan: Plan


def policy_for(series_id: str, scenario: Scenario, capacity_rps: float) -> ServicePolicy:
    """Return the service that a scenario makes of a series."""
    return ServicePolicy(
        service=series_id,
        version="v1",
        curve=linear_curve(capacity_rps),
        knob=knob_for_objective(scenario.objective, has_warm_pool=scenario.has_warm_pool),
        objective_fraction=scenario.objective,
        guard_knob=knob_for_objective(
            scenario.objective, has_warm_pool=scenario.has_warm_pool, is_guard=True
        ),
        boot_s=scenario.boot_s,
        has_warm_pool=scenario.has_warm_pool,
        max_count=FLEET_MAX_COUNT,
        is_soft=scenario.scale_down == "soft",
        price_usd_per_hour=scenario.price_usd_per_hour,
        warm_price_fraction=scenario.warm_price_fraction,
    )


class Play:
    """A trace played by the product's own tick on the simulated platform.

    Parameters
    ----------
    demand : Demand
        The whole trace, buckets of whole minutes. What is decided at a minute comes from buckets
        closed before it.
    scenario : Scenario
        The rules.
    capacity_rps : float
        Requests/s of one instance, > 0.
    journal : Journal
        Where every tick is written.
    faults : Faults
        Those of the platform and of single readings; those of the trace itself are in `demand`.
    """

    def __init__(
        self,
        demand: Demand,
        *,
        scenario: Scenario,
        capacity_rps: float,
        journal: Journal,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.policy = policy_for(demand.series_id, scenario, capacity_rps)
        self.minute_count = len(demand.values) * demand.step_s // MINUTE_S
        self._demand = demand
        self._journal = journal
        self._faults = faults
        self.platform = SimulatedPlatform(
            self.policy.service, start=demand.start, boot_s=self.policy.boot_minutes * MINUTE_S,
            faults=faults,
        )  # fmt: skip
        self.beat = Beat()
        bias = faults.forecast_bias
        self.outlook = Lookahead(
            self.policy, demand, block_minutes=_BLOCK_MINUTES,
            issued_factor=bias.factor if bias is not None else 1.0,
        )  # fmt: skip
        self._counts = np.zeros((3, self.minute_count), np.int64)
        self._band = np.full((3, self.minute_count + self.policy.boot_minutes), np.nan)

    def moments(self) -> Iterator[Moment]:
        """Play the trace, one minute at a time; to be run through once."""
        start = self._demand.start
        platform = self.platform
        places = Links(platform) if platform.has_nodes else None
        outlook = Feed(self.outlook, faults=self._faults, service=self.policy.service)
        for minute in range(self.minute_count):
            now = start + timedelta(minutes=minute)
            platform.advance(now)
            self.beat = tick(
                now, policy=self.policy, platform=platform, outlook=outlook,
                journal=self._journal, before=self.beat, is_acting=True, places=places,
            )  # fmt: skip
            self._band[:, minute + self.policy.boot_minutes] = outlook.band(now)
            yield self._recorded(minute, now, platform.actual(), self.beat)

    def _recorded(self, minute: int, now: datetime, fleet: Fleet, beat: Beat) -> Moment:
        serving, booting = fleet.count(*_SERVING), fleet.count(*_BOOTING)
        warm = len(fleet.instances) - serving - booting
        self._counts[:, minute] = serving, warm, booting
        if beat.plan is None:
            raise AssertionError("a tick leaves a plan")
        return Moment(
            minute=minute, at=now, serving=serving, warm=warm, booting=booting, plan=beat.plan
        )

    def counts(self) -> Counts:
        """Return the counts of the minutes played so far, one entry per minute of the trace."""
        serving, warm, booting = self._counts
        return Counts(serving=serving, warm=warm, booting=booting)

    def band(self, first: int) -> Band:
        """Return what was expected of each minute from `first` on, one boot before it."""
        low, median, high = self._band[:, first : self.minute_count]
        return Band(low_rps=low, median_rps=median, high_rps=high)
