"""This file knows how a service's demand becomes its need, minute by minute.

It holds the day's fit, and where the service's notch lies, and hands forecasts from one pure room
to the other. A simulation lets it work on a few hours at once, a live loop minute by minute: the
numbers are the same.

What was said of the last hours is held against what came, the fit's own level aside: a forecast
that is off by a fifth for whatever reason is put right within hours.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.control.nights import Nights
from foretide.control.special_days import SpecialDays
from foretide.errors import InvalidValueError
from foretide.forecast.nowcast import DAY_S, NOWCAST_LEVELS, Nowcast, fit, has_history, issue
from foretide.forecast.profile import day_rows
from foretide.forecast.wallclock import IntArray, epoch_s
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray
from foretide.plan.capacity import served_rps
from foretide.plan.knob import Knob, guard_notch, knob_for_objective, ladder, prior_notch
from foretide.plan.need import Layers, Need, NeedBlock, layers_for, low_width_bound, needs
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import MINUTE_S, ServicePolicy
from foretide.plan.tuning import Tuning, tuned

_PEAK_DAYS = 14
_PEAK_LEVEL = 0.999
_PEAK_TRIMMED_DAYS = 3
_WIDTH_DAYS = 7
_MAX_STEP_S = 3600
# A service that is new here and brings a history is tuned on as many days of it.
_BROUGHT_DAYS = 7
_BIAS_S, _BIAS_CLAMP = 6 * 3600, math.log(1.3)
_BIAS_IGNORED = 0.03  # what a fit that is right is off by, over hours
_SOIL_FRACTION = 0.02  # of one instance: keeps the logarithm of nothing finite
_MEDIAN = NOWCAST_LEVELS.index(0.5)
_SHOWN = [NOWCAST_LEVELS.index(level) for level in (0.05, 0.5, 0.95)]


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
    issued_factor : float
        What every forecast is multiplied by, > 0: for trials of a forecast that is off.
    """

    def __init__(
        self,
        policy: ServicePolicy,
        demand: Demand,
        *,
        block_minutes: int = 1,
        calendar: Calendar | None = None,
        issued_factor: float = 1.0,
    ) -> None:
        if demand.step_s % MINUTE_S or demand.step_s > _MAX_STEP_S:
            raise InvalidValueError(
                f"planning needs buckets of whole minutes, an hour at most; {demand.series_id} has "
                f"buckets of {demand.step_s} s"
            )
        self._policy = policy
        self._block_minutes = block_minutes
        self._issued_factor = issued_factor
        self._layers: Layers | None = None
        self._tuning = _first_tuning(policy)
        self._ladder = ladder(has_warm_pool=policy.has_warm_pool)
        self._nights = Nights(policy, len(self._ladder))
        self._is_begun = False
        self._calendar = msgspec.structs.replace(calendar or Calendar(), has_outages_detected=False)
        self._special: SpecialDays | None = None
        self._widths: list[FloatArray] = []
        self._width_max = low_width_bound(np.empty(0))
        self._peak_rps = 0.0
        self._nowcast: Nowcast | None = None
        self._said: dict[int, float] = {}  # medians one boot ahead by this fit, by closed buckets
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
        if self._block is None or not 0 <= minute - self._block[0] < len(self._block[1].bands):
            self._block = (minute, self._needs(self._nowcast, minute))
            self._widths.append(self._block[1].width_fraction)
        first, block = self._block
        knob = self._knobs()[0]
        return block.at(
            minute - first,
            forecast_id=f"nowcast@{int(now.timestamp())}",
            width_max_fraction=self._width_max,
            guard_knob=None if self._policy.guard_knob is None else 1,
            notch=None if self._tuning is None else self._tuning.notch,
            rho=max(knob.run_rho, knob.warm_rho),
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

    def course(self, now: datetime) -> FloatArray:
        """Return the 5, 50 and 95 % quantiles of the minutes from `now` on, as `need` saw them.

        Returns
        -------
        ndarray, shape (minutes, 3)
            In requests/s; without a row while there is no forecast.
        """
        if self._nowcast is None:
            return np.empty((0, len(_SHOWN)))
        return self._ahead(self._nowcast, np.array([self._minute(now)]))[0][:, _SHOWN]

    def every_notch(self, minutes: IntArray) -> tuple[NeedBlock, FloatArray]:
        """Return what every notch of the ladder asks for, and each minute's own quantiles.

        Parameters
        ----------
        minutes : ndarray of int, shape (minutes,)
            Rising, since the beginning of demand; of the day of the last need.

        Returns
        -------
        NeedBlock
            Bands of each knob of the ladder.
        ndarray, shape (minutes, levels)
            Quantiles of each minute, as issued at its start.

        Raises
        ------
        InvalidValueError
            When there is no forecast yet.
        """
        if self._nowcast is None:
            raise InvalidValueError("no forecast could be made yet: ask for a need first")
        quantiles = self._ahead(self._nowcast, minutes)
        return self._asked(quantiles, self._ladder), quantiles[:, 0]

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
        per_day = DAY_S // self._demand.step_s
        if self._nowcast is not None and closed - self._nowcast.first < per_day:
            return
        self._block = None
        if not self._is_begun:
            self._is_begun = True
            brought = closed // per_day if self._tuning is not None else 0
            for back in range(min(brought, _BROUGHT_DAYS), 0, -1):
                self._refit(closed - back * per_day)
                self._tune()
        else:
            self._tune()
        self._refit(closed)

    def _refit(self, closed: int) -> None:
        step_s = self._demand.step_s
        per_day = DAY_S // step_s
        known = self._rps[:closed]
        horizon_s = (self._policy.horizon_minutes + 1) * MINUTE_S
        lead_count = -(-horizon_s // step_s) + 1
        if self._calendar.is_empty:
            usual = known
        else:
            self._special = SpecialDays(self._demand, self._calendar, closed, per_day + lead_count)
            usual = self._special.usual_rps(self._rps, closed)
        self._said.clear()
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
        self._peak_rps = _usual_peak_rps(known[-_PEAK_DAYS * per_day :], per_day)
        widths = np.concatenate([*self._widths, np.empty(0)])[-_WIDTH_DAYS * DAY_S // MINUTE_S :]
        self._widths = [widths]
        self._width_max = low_width_bound(widths)

    def _tune(self) -> None:
        """Move the notch by what every notch would have done since the last fit."""
        objective = self._policy.objective_fraction
        if self._tuning is None or objective is None or self._nowcast is None:
            return
        per_bucket = self._demand.step_s // MINUTE_S
        first = self._nowcast.first
        minutes = np.arange(first * per_bucket, first * per_bucket + DAY_S // MINUTE_S)
        block, next_rps = self.every_notch(minutes)
        bucket = minutes // per_bucket
        rps = np.concatenate([[np.nan, np.nan], self._rps])
        night = self._nights.play(
            rps[bucket + 2], rps[bucket + 1], rps[bucket],
            bucket_minutes=per_bucket,
            block=block,
            next_rps=next_rps,
            levels=NOWCAST_LEVELS,
            width_max_fraction=self._width_max,
        )  # fmt: skip
        self._tuning = tuned(self._tuning, night, objective)

    def _knobs(self) -> tuple[Knob, ...]:
        """Return the knob in use, and the spend guard's where there is one."""
        if self._tuning is not None:
            notch = self._tuning.notch
            careful = guard_notch(notch, has_warm_pool=self._policy.has_warm_pool)
            return self._ladder[notch], self._ladder[careful]
        guard = self._policy.guard_knob
        return (self._policy.knob,) if guard is None else (self._policy.knob, guard)

    def _needs(self, nowcast: Nowcast, minute: int) -> NeedBlock:
        per_bucket = self._demand.step_s // MINUTE_S
        last_of_fit = (nowcast.first + DAY_S // self._demand.step_s) * per_bucket
        known = (len(self._rps) + 1) * per_bucket
        minutes = np.arange(minute, max(minute + 1, min(minute + self._block_minutes,
                                                        last_of_fit, known)))  # fmt: skip
        return self._asked(self._ahead(nowcast, minutes), self._knobs())

    def _asked(self, quantiles: FloatArray, knobs: tuple[Knob, ...]) -> NeedBlock:
        top_rps = float(quantiles[:, :, -1].max())
        if self._layers is None or not self._layers.reaches(top_rps, self._policy):
            self._layers = layers_for(self._policy, top_rps)
        return needs(
            quantiles, NOWCAST_LEVELS, policy=self._policy, peak_rps=self._peak_rps, knobs=knobs,
            layers=self._layers,
        )  # fmt: skip

    def _ahead(self, nowcast: Nowcast, minutes: IntArray) -> FloatArray:
        """Return quantiles of the minutes from each of several on, by the minute."""
        per_bucket = self._demand.step_s // MINUTE_S
        closed = np.minimum(minutes // per_bucket, len(self._rps))
        issued, row = np.unique(closed, return_inverse=True)
        quantiles = self._unbiased(nowcast, issued)
        ahead = minutes[:, None] + np.arange(self._policy.horizon_minutes)
        lead = np.minimum(ahead // per_bucket - closed[:, None], quantiles.shape[1] - 1)
        return quantiles[row[:, None], lead]

    def _unbiased(self, nowcast: Nowcast, issued: IntArray) -> FloatArray:
        """Return quantiles, put right by what those of the last hours were off."""
        step_s = self._demand.step_s
        window = _BIAS_S // step_s
        lead = max(1, int(self._policy.boot_s // step_s))
        # the first bucket ever spoken of has a whole minute of demand before it
        first = max(int(issued[0]) - window - lead, nowcast.anchor + 1)
        earlier = np.array([c for c in range(first, int(issued[0])) if c not in self._said], int)
        asked = np.concatenate([earlier, issued])
        quantiles = self._quantiles(nowcast, asked) * self._issued_factor
        place = np.minimum(lead, quantiles.shape[1] - 1)
        soil = _SOIL_FRACTION * served_rps(self._policy.curve, 1)
        every = np.arange(first, int(issued[-1]) + 1)
        medians = quantiles[:, place, _MEDIAN].tolist()
        self._said.update(zip(asked.tolist(), medians, strict=True))
        said = np.array([self._said.get(count, np.nan) for count in every.tolist()])
        came = self._rps[first : int(issued[-1])]
        off = np.full(len(every), np.nan)
        # what was said at `c` is of bucket `c + place`, known once `c + place + 1` are closed
        reach = len(came) - place
        if reach > 0:
            off[:reach] = np.log((came[place:] + soil) / (said[:reach] + soil))
        bias = np.zeros(len(issued))
        for at, count in enumerate(issued - first):
            seen = off[max(0, count - place - window) : max(0, count - place)]
            seen = seen[np.isfinite(seen)]
            if len(seen) >= window // 4:
                bias[at] = np.median(seen)
        bias = np.clip(bias, -_BIAS_CLAMP, _BIAS_CLAMP)
        bias -= np.clip(bias, -_BIAS_IGNORED, _BIAS_IGNORED)
        return quantiles[len(earlier) :] * np.exp(bias)[:, None, None]

    def _quantiles(self, nowcast: Nowcast, issued: IntArray) -> FloatArray:
        if self._special is None:
            return issue(nowcast, self._rps, issued)
        usual = self._special.usual_rps(self._rps, int(issued.max()))
        return self._special.moved(issue(nowcast, usual, issued), issued)


def _usual_peak_rps(recent: FloatArray, per_day: int) -> float:
    """Return the 99.9 % quantile of recent demand, the day with the highest one left out."""
    days = day_rows(recent, per_day)
    seen = days[np.isfinite(days).any(axis=1)]
    if len(seen) > _PEAK_TRIMMED_DAYS:
        seen = np.delete(seen, np.nanargmax(np.nanquantile(seen, _PEAK_LEVEL, axis=1)), axis=0)
    return float(np.nanquantile(seen, _PEAK_LEVEL))


def _first_tuning(policy: ServicePolicy) -> Tuning | None:
    """Return where the notch lies at first; None where a penalty or the owner sets the knob."""
    objective, pool = policy.objective_fraction, policy.has_warm_pool
    if objective is None or policy.guard_knob is None:
        return None
    if policy.knob != knob_for_objective(objective, has_warm_pool=pool):
        return None
    notch = prior_notch(objective, has_warm_pool=pool)
    return Tuning(notch=notch, prior=notch)
