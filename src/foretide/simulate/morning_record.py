"""This file knows what came of a morning so far: who ran, who was served, what it cost, and why.

What Foretide's instances answered was counted by the one who called. The HPA did not run: its
fleet, and what would have come over its capacity, are calculated from the requests really sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.control.state import ServiceState
from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet, InstanceState
from foretide.platforms.base import Outcome
from foretide.simulate.counts import Counts, IntArray, Score, score
from foretide.simulate.morning import Morning, minute_of, rules_of
from foretide.simulate.oracle import oracle_counts
from foretide.simulate.outcome import Band, PolicyRun, SeriesOutcome
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import MINUTE_S
from foretide.simulate.visitors import Tally

_S = InstanceState
_BOOTING = (_S.REQUESTED, _S.BOOTING)
_LEAVING = (_S.PARKING, _S.DRAINING)
_RIVAL, _LIMIT = "hpa", "oracle"
_BAND_ROWS = 3


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy has come to.

    Parameters
    ----------
    policy : str
        `foretide` or `hpa`.
    cost_usd : float
        By the scenario's prices.
    failed_fraction : float
        Requests that failed / all requests.
    is_calculated : bool
        Whether it did not run.
    """

    policy: str
    cost_usd: float
    failed_fraction: float
    is_calculated: bool = False


class MorningRecord:
    """What came of each minute, as it comes in.

    Parameters
    ----------
    played : Morning
        What is played.
    """

    def __init__(self, played: Morning) -> None:
        self.played, self.rules = played, rules_of(played)
        self.minute_count = 0  # known so far
        self.beat_count = 0
        self.decided: list[ServiceState] = []  # those that did something, newest last
        self.actions = Counter[str]()
        self.refused_count = 0
        size = played.minute_count
        self.serving, self.warm, self.booting, self.leaving = np.zeros((4, size), np.int64)
        self.band = np.full((_BAND_ROWS, size), np.nan)
        self.tallies: Sequence[Tally] = ()
        self._taken_at: datetime | None = None

    def take(self, state: ServiceState, tallies: Sequence[Tally]) -> None:
        """Take in what the loop tells of itself after a heartbeat.

        Parameters
        ----------
        state : ServiceState
            Of the service, with a plan.
        tallies : sequence of Tally
            Of the minutes that have ended.
        """
        self.tallies = tallies
        if state.plan is None or state.fleet is None or state.plan.made_at == self._taken_at:
            return  # where the platform was silent, the plan before is told again
        self._taken_at = state.plan.made_at
        self.beat_count += 1
        minute = minute_of(self.played, state.plan.made_at)
        if minute < self.played.minute_count:
            self._count(minute, state.fleet)
        self._expect(state)
        verbs = {action.action_id: type(action).__name__.lower() for action in state.plan.actions}
        for receipt in state.receipts:
            if receipt.outcome is Outcome.REFUSED:
                self.refused_count += 1
            elif receipt.action_id in verbs:
                self.actions[verbs[receipt.action_id]] += 1
        if state.receipts:
            self.decided.append(state)

    def finish(self, tallies: Sequence[Tally], last: Tally) -> None:
        """Take in the tallies of all minutes, and what became of the last requests after them."""
        self.tallies = [*tallies[:-1], msgspec.structs.replace(last, slot=tallies[-1].slot)]
        for row in (self.serving, self.warm, self.booting, self.leaving):
            row[self.minute_count :] = row[max(0, self.minute_count - 1)]

    def _count(self, minute: int, fleet: Fleet) -> None:
        leaving, booting = fleet.count(*_LEAVING), fleet.count(*_BOOTING)
        warm = fleet.count(_S.WARM)
        serving = len(fleet.instances) - warm - booting
        now = {"serving": serving, "warm": warm, "booting": booting, "leaving": leaving}
        before = self.minute_count
        for row, count in ((getattr(self, name), count) for name, count in now.items()):
            # a minute whose heartbeat was skipped was as the one before it
            row[before:minute] = row[before - 1] if before else count
            row[minute] = count
        self.minute_count = minute + 1

    def _expect(self, state: ServiceState) -> None:
        course = state.course
        if course is None:
            return
        ahead = int(self.rules.boot_s // course.step_s)
        minute = minute_of(self.played, course.start) + ahead
        if ahead < len(course.median_rps) and minute < self.played.minute_count:
            self.band[:, minute] = (
                course.low_rps[ahead], course.median_rps[ahead], course.high_rps[ahead],
            )  # fmt: skip

    @property
    def sent(self) -> IntArray:
        """Requests sent in each minute that has ended."""
        return np.diff([one.sent for one in self.tallies], prepend=0)

    @property
    def served(self) -> IntArray:
        """Requests answered in each minute that has ended."""
        return np.diff([one.served for one in self.tallies], prepend=0)

    @property
    def failed(self) -> IntArray:
        """Requests that failed in each minute that has ended."""
        return np.diff([one.failed for one in self.tallies], prepend=0)

    @property
    def sent_rps(self) -> FloatArray:
        """Demand that was really sent, in calls/s of the shop, by minute."""
        return self.played.scale * self.sent / MINUTE_S

    @property
    def demand_rps(self) -> FloatArray:
        """Demand of the days before and of the morning so far, in calls/s, by minute."""
        return np.concatenate([self.played.history.values / MINUTE_S, self.sent_rps])

    def counts(self) -> Counts:
        """Return Foretide's instances in each minute that has ended; what leaves still serves."""
        known = len(self.tallies)
        return Counts(
            serving=self.serving[:known], warm=self.warm[:known], booting=self.booting[:known]
        )

    def rival(self) -> Counts:
        """Return the instances the HPA would have had in each minute that has ended."""
        return hpa_counts(
            self.demand_rps, capacity_rps=self.played.capacity_rps, scenario=self.rules
        ).from_minute(len(self.played.history.values))

    def standings(self) -> tuple[Standing, ...]:
        """Return what both have come to so far; nothing before the first minute has ended."""
        if not len(self.tallies):
            return ()
        own, rival = self._scored(self.counts()), self._scored(self.rival())
        return (
            Standing(
                policy="foretide", cost_usd=own.cost_usd, failed_fraction=self.failed_fraction
            ),
            Standing(
                policy=_RIVAL, cost_usd=rival.cost_usd, failed_fraction=rival.violation_fraction,
                is_calculated=True,
            ),
        )  # fmt: skip

    @property
    def failed_fraction(self) -> float:
        """Requests that really failed / those of which it is known what became of them."""
        last = self.tallies[-1] if self.tallies else None
        known = 0 if last is None else last.served + last.failed
        return last.failed / known if last is not None and known else 0.0

    def outcome(self) -> SeriesOutcome:
        """Return the morning as a comparison of policies, the limit beside them."""
        first = len(self.played.history.values)
        own = msgspec.structs.replace(
            self._scored(self.counts()), violation_fraction=self.failed_fraction
        )
        limit = oracle_counts(
            self.demand_rps, capacity_rps=self.played.capacity_rps, scenario=self.rules,
            first_scored=first,
        ).from_minute(first)  # fmt: skip
        low, median, high = self.band[:, : len(self.tallies)]
        band = Band(low_rps=low, median_rps=median, high_rps=high)
        rival = self.rival()
        return SeriesOutcome(
            series_id=self.played.history.series_id,
            start=self.played.start,
            demand_rps=self.sent_rps,
            capacity_rps=self.played.capacity_rps,
            runs=(
                PolicyRun(policy="foretide", counts=self.counts(), score=own, band=band),
                PolicyRun(policy=_RIVAL, counts=rival, score=self._scored(rival)),
                PolicyRun(policy=_LIMIT, counts=limit, score=self._scored(limit)),
            ),
        )

    def _scored(self, counts: Counts) -> Score:
        return score(
            counts,
            self.sent_rps,
            capacity_rps=self.played.capacity_rps,
            warm_price_fraction=self.rules.warm_price_fraction,
            price_usd_per_hour=self.rules.price_usd_per_hour,
        )

    def instant(self, minute: int) -> datetime:
        """Return the start of a minute of the morning."""
        return self.played.start + timedelta(seconds=MINUTE_S * minute)
