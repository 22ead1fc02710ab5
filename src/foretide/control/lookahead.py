"""This file knows how a service's demand becomes its need, minute by minute.

It holds the day's fit and hands forecasts from one pure room to the other. A simulation lets it
work on a few hours at once, a live loop minute by minute: the numbers are the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.control.special_days import SpecialDays
from foretide.errors import InvalidValueError
from foretide.forecast.nowcast import DAY_S, NOWCAST_LEVELS, Nowcast, fit, has_history, issue
from foretide.forecast.wallclock import IntArray, epoch_s
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray
from foretide.plan.need import Need, NeedBlock, low_width_bound, needs
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import MINUTE_S, ServicePolicy

_PEAK_DAYS = 14
_PEAK_LEVEL = 0.999
_WIDTH_DAYS = 7
_MAX_STEP_S = 3600


class Lookahead:
    """Forecasts one service's demand and says what it asks for.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    demand : Demand
        Its demand so far, amounts per bucket of at most an hour. It may hold more than an
        instant may know: whatever is asked of an instant comes from buckets closed by then.
    block_minutes : int
        Minutes computed at once when one of them is asked for; 1 when live.
    calendar : Calendar, optional
        Holidays, events and declared outages of the users; nothing is known when absent. Zeros
        are never taken for an outage here: minutes without demand are to be seen at once.
    """

    def __init__(
        self,
        policy: ServicePolicy,
        demand: Demand,
        *,
        block_minutes: int = 1,
        calendar: Calendar | None = None,
    ) -> None:
        if demand.step_s % MINUTE_S or demand.step_s > _MAX_STEP_S:
            raise InvalidValueError(
                f"planning needs buckets of whole minutes, an hour at most; {demand.series_id} has "
                f"buckets of {demand.step_s} s"
            )
        self._policy = policy
        self._block_minutes = block_minutes
        self._calendar = msgspec.structs.replace(calendar or Calendar(), has_outages_detected=False)
        self._special: SpecialDays | None = None
        self._widths: list[FloatArray] = []
        self._width_max = low_width_bound(np.empty(0))
        self._peak_rps = 0.0
        self._nowcast: Nowcast | None = None
        self._block: tuple[int, NeedBlock] | None = None
        self.see(demand)

    def see(self, demand: Demand) -> None:
        """Take in the demand as it is known now; earlier buckets must not have changed."""
        self._demand = demand
        self._rps = demand.values / demand.step_s

    def recent(self, now: datetime) -> RecentDemand:
        """Return what is known of the last buckets at `now`."""
        step_s = self._demand.step_s
        closed = self._closed_count(now)
        last, previous = (self._rps[closed - back] if closed >= back else np.nan for back in (1, 2))
        if np.isfinite(last):
            age_s = (now - self._demand.start).total_seconds() - closed * step_s
        else:
            age_s = self._age_s(now, closed)
        return RecentDemand(
            last_rps=float(last) if np.isfinite(last) else None,
            previous_rps=float(previous) if np.isfinite(previous) else None,
            age_s=age_s,
            step_s=step_s,
        )

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast issued at `now` asks for; None with too little history."""
        minute = self._minute(now)
        closed = self._closed_count(now)
        self._refit_when_due(closed)
        if self._nowcast is None:
            return None
        if self._block is None or not 0 <= minute - self._block[0] < len(self._block[1].serving_up):
            self._block = (minute, self._needs(self._nowcast, minute))
            self._widths.append(self._block[1].width_fraction)
        first, block = self._block
        return block.at(
            minute - first,
            forecast_id=f"nowcast@{int(now.timestamp())}",
            width_max_fraction=self._width_max,
        )

    def band(self, now: datetime) -> tuple[float, float, float]:
        """Return the 5, 50 and 95 % quantiles that `need` rests on, in requests/s."""
        if self._block is None:
            return np.nan, np.nan, np.nan
        first, block = self._block
        row = self._minute(now) - first
        return (
            float(block.low_rps[row]),
            float(block.predicted_rps[row]),
            float(block.upper_rps[row]),
        )

    def _minute(self, now: datetime) -> int:
        return int((now - self._demand.start) / timedelta(seconds=MINUTE_S))

    def _closed_count(self, now: datetime) -> int:
        closed = int((now - self._demand.start).total_seconds() // self._demand.step_s)
        return max(0, min(closed, len(self._rps)))

    def _age_s(self, now: datetime, closed: int) -> float | None:
        """Return the time since the last observed bucket, looking back a day at most."""
        first = max(0, closed - DAY_S // self._demand.step_s)
        seen = np.flatnonzero(np.isfinite(self._rps[first:closed]))
        if not len(seen):
            return None
        end_s = (first + int(seen[-1]) + 1) * self._demand.step_s
        return (now - self._demand.start).total_seconds() - end_s

    def _refit_when_due(self, closed: int) -> None:
        step_s = self._demand.step_s
        per_day = DAY_S // step_s
        if self._nowcast is not None and closed - self._nowcast.first < per_day:
            return
        known = self._rps[:closed]
        horizon_s = (self._policy.horizon_minutes + 1) * MINUTE_S
        lead_count = -(-horizon_s // step_s) + 1
        self._block = None
        if self._calendar.is_empty:
            usual = known
        else:
            self._special = SpecialDays(self._demand, self._calendar, closed, per_day + lead_count)
            usual = self._special.usual_rps(self._rps, closed)
        if not has_history(usual, step_s):
            self._nowcast = None  # the last fit is too old to go on with
            return
        self._nowcast = fit(
            usual,
            step_s=step_s,
            lead_count=lead_count,
            start_s=epoch_s(self._demand.start),
            zone=ZoneInfo(self._calendar.timezone),
        )
        recent = known[-_PEAK_DAYS * per_day :]
        self._peak_rps = float(np.quantile(recent[np.isfinite(recent)], _PEAK_LEVEL))
        widths = np.concatenate([*self._widths, np.empty(0)])[-_WIDTH_DAYS * DAY_S // MINUTE_S :]
        self._widths = [widths]
        self._width_max = low_width_bound(widths)

    def _needs(self, nowcast: Nowcast, minute: int) -> NeedBlock:
        per_bucket = self._demand.step_s // MINUTE_S
        last_of_fit = (nowcast.first + DAY_S // self._demand.step_s) * per_bucket
        known = (len(self._rps) + 1) * per_bucket
        minutes = np.arange(minute, max(minute + 1, min(minute + self._block_minutes,
                                                        last_of_fit, known)))  # fmt: skip
        closed = np.minimum(minutes // per_bucket, len(self._rps))
        issued, row = np.unique(closed, return_inverse=True)
        quantiles = self._quantiles(nowcast, issued)
        ahead = minutes[:, None] + np.arange(self._policy.horizon_minutes)
        lead = np.minimum(ahead // per_bucket - closed[:, None], quantiles.shape[1] - 1)
        return needs(
            quantiles[row[:, None], lead],
            NOWCAST_LEVELS,
            policy=self._policy,
            peak_rps=self._peak_rps,
        )

    def _quantiles(self, nowcast: Nowcast, issued: IntArray) -> FloatArray:
        if self._special is None:
            return issue(nowcast, self._rps, issued)
        usual = self._special.usual_rps(self._rps, int(issued.max()))
        return self._special.moved(issue(nowcast, usual, issued), issued)
