"""This file knows what every notch of the ladder would have come to on a trace, in seconds.

The forecast and its bands do not depend on the fleet: they are prepared once, and each notch is
then played by the compiled rules of `plan/course`, at millions of minutes a second.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np

from foretide.control.lookahead import Lookahead
from foretide.control.nights import surprise_rps
from foretide.model.demand import Demand, FloatArray
from foretide.plan.course import Minutes, course, first_state
from foretide.plan.knob import ladder
from foretide.plan.layers import IntArray
from foretide.plan.need import NeedBlock, low_width_bound
from foretide.plan.policy import ServicePolicy
from foretide.simulate.counts import Counts
from foretide.simulate.scenario import MINUTE_S

_DAY_MINUTES = 1440
_TRIGGER = 0.85


class Prepared(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A trace with its forecasts, ready to be played by any notch.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    minutes : Minutes
        What was known and asked for; bands of every notch, below 0 where there was no forecast.
    band_rps : ndarray, shape (3, minutes)
        5 %, 50 % and 95 % quantiles of each minute, issued one boot before it; NaN where none.
    first_forecast : int
        First minute with a forecast.
    """

    policy: ServicePolicy
    minutes: Minutes
    band_rps: FloatArray
    first_forecast: int


def prepared(demand: Demand, policy: ServicePolicy) -> Prepared:
    """Return a trace with all the forecasts of its days and what they ask for.

    Parameters
    ----------
    demand : Demand
        The whole trace, buckets of whole minutes.
    policy : ServicePolicy
        The service; whatever knob it has, bands are made for every notch of the ladder.
    """
    per_bucket = demand.step_s // MINUTE_S
    count = len(demand.values) * per_bucket
    rps = np.concatenate([[np.nan, np.nan], demand.values / demand.step_s])
    bucket = np.arange(count) // per_bucket
    knob_count = len(ladder(has_warm_pool=policy.has_warm_pool))
    days = _Days(count, knob_count, policy.boot_minutes)
    # a knob of the owner's: nothing is tuned meanwhile
    outlook = Lookahead(msgspec.structs.replace(policy, guard_knob=None), demand)
    first = -1
    minute = 0
    while minute < count:
        if outlook.need(demand.start + timedelta(minutes=minute)) is None:
            minute += _DAY_MINUTES // 2 if first >= 0 else per_bucket
            continue
        first = minute if first < 0 else first
        at = np.arange(minute, min(minute + _DAY_MINUTES, count))
        days.add(minute, outlook.every_notch(at)[0], per_bucket)
        minute += _DAY_MINUTES
    return Prepared(
        policy=policy,
        minutes=Minutes(
            last_rps=rps[bucket + 1],
            previous_rps=rps[bucket],
            is_low=days.is_low,
            bands=days.bands,
            trigger_fraction=np.full(count, _TRIGGER),
            surprise_rps=days.surprise,
        ),
        band_rps=days.quantiles[:, :count],
        first_forecast=max(first, 0),
    )


class _Days:
    """Collects what days ask for."""

    def __init__(self, count: int, knob_count: int, boot_minutes: int) -> None:
        self.bands = np.full((count, knob_count, 4), -1)
        self.is_low = np.zeros(count, dtype=np.bool_)
        self.surprise = np.full(count, np.inf)
        self.quantiles = np.full((3, count + boot_minutes), np.nan)
        self._boot = boot_minutes
        self._widths = np.empty(0)

    def add(self, first: int, block: NeedBlock, bucket_minutes: int) -> None:
        day = slice(first, first + len(block.bands))
        self.bands[day] = block.bands
        bound = low_width_bound(self._widths[-7 * _DAY_MINUTES :])
        self.is_low[day] = block.width_fraction <= bound
        self._widths = np.concatenate([self._widths, block.width_fraction])
        self.surprise[day] = surprise_rps(block, bucket_minutes, self._boot)
        ahead = slice(day.start + self._boot, day.stop + self._boot)
        self.quantiles[:, ahead] = block.low_rps, block.predicted_rps, block.upper_rps


def played(ready: Prepared, notches: IntArray, guard_notches: IntArray) -> Counts:
    """Return the fleet through a trace by given notches.

    Parameters
    ----------
    ready : Prepared
        The trace.
    notches, guard_notches : ndarray of int, shape (minutes,)
        In use in each minute, and while the spend guard acts.
    """
    first = ready.minutes.bands[ready.first_forecast, notches[ready.first_forecast]]
    state = first_state(
        ready.policy,
        serving_count=max(int(first[0]), 1),
        warm_count=max(int(first[2] - first[0]), 0),
    )
    found = course(
        ready.minutes, policy=ready.policy, knobs=notches, guard_knobs=guard_notches, state=state
    )
    return Counts(serving=found.serving, warm=found.warm, booting=found.booting)
