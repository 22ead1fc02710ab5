"""This file knows the morning a demo plays for real: whose it is, how fast, and by what scale.

Six days of the synthetic shop come first: what a forecast is learned from. The morning after them
is sent to real processes, faster than life: at a speed of 120 one of its minutes takes half a
second. So that a small machine can carry it, one request is sent for every `scale` calls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import IntArray
from foretide.simulate.scenario import MINUTE_S, Scenario
from foretide.simulate.shop import APP, shop_demand, shop_events

HISTORY_DAYS = 6
MORNING_MINUTES = 360
SPEED = 120.0
START_S = 2.5  # of an instance, on the machine's clock: five minutes of the morning's
# The morning is a Tuesday's: it rises from six on, and at ten a newsletter goes out of which the
# six days before it know nothing.
_START = datetime(2026, 3, 4, 6, tzinfo=UTC)
_SEED = 1
_PEAK_SESSIONS_PER_MINUTE = 240.0
_SCALE = 4
_FULL_COUNT = 24  # instances that the usual peak fills
_PEAK_LEVEL = 0.999
_OBJECTIVE = 0.001
_MOST_MINUTES = 1080  # the next night is no morning


class Morning(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A morning that is to be played, and the days before it.

    Parameters
    ----------
    history : Demand
        The days before, calls of each minute.
    shop_calls : ndarray, shape (minutes,)
        The shop's calls in each minute of the morning.
    sent_counts : ndarray of int, shape (minutes,)
        Requests to send in each of them.
    scale : int
        Calls that one request stands for, >= 1.
    speed : float
        Seconds of the morning in one of the machine's, > 0.
    capacity_rps : float
        Calls/s that one instance serves, by the morning's clock.
    objective : float
        Fraction of requests that may fail, in (0, 1).
    newsletters : tuple of datetime
        Sent in the morning; nobody announced them.
    """

    history: Demand
    shop_calls: FloatArray
    sent_counts: IntArray
    scale: int
    speed: float
    capacity_rps: float
    objective: float = _OBJECTIVE
    newsletters: tuple[datetime, ...] = ()

    @property
    def start(self) -> datetime:
        """The first instant of the morning."""
        return self.history.end

    @property
    def minute_count(self) -> int:
        """How long the morning is."""
        return len(self.sent_counts)

    @property
    def slot_s(self) -> float:
        """How long a minute of the morning takes, in seconds of the machine."""
        return MINUTE_S / self.speed

    @property
    def instance_rps(self) -> float:
        """Requests/s that one instance answers, by the machine's clock."""
        return self.capacity_rps * self.speed / self.scale

    def demand(self, sent_counts: IntArray | list[int]) -> Demand:
        """Return the days before with the morning so far, from the requests sent in each minute."""
        calls = self.scale * np.asarray(sent_counts, np.float64)
        return msgspec.structs.replace(
            self.history, values=np.concatenate([self.history.values, calls])
        )


def morning(
    *,
    minutes: int = MORNING_MINUTES,
    skipped: int = 0,
    speed: float = SPEED,
    objective: float = _OBJECTIVE,
) -> Morning:
    """Make the morning after six days of the shop.

    Parameters
    ----------
    minutes : int
        How much of it, >= 1.
    skipped : int
        Minutes of it that count as history, >= 0; with `minutes` at most 1080.
    speed : float
        How fast it is played, > 0.
    objective : float
        Fraction of requests that may fail, in (0, 1).

    Raises
    ------
    InvalidValueError
        When an argument lies outside its range.
    """
    if minutes < 1 or skipped < 0 or minutes + skipped > _MOST_MINUTES:
        raise InvalidValueError(
            f"minutes must be >= 1 and skipped >= 0, together at most {_MOST_MINUTES}, were "
            f"{minutes} and {skipped}"
        )
    events = shop_events(
        seed=_SEED,
        start=_START,
        days=HISTORY_DAYS + 2,  # the shop's surge is that of its last day but one, in the evening
        peak_sessions_per_minute=_PEAK_SESSIONS_PER_MINUTE,
    )
    calls = np.sum([one.values for one in shop_demand(events, step_s=MINUTE_S)], axis=0)
    first = HISTORY_DAYS * 24 * 60 + skipped
    history, rest = calls[:first], calls[first : first + minutes]
    return Morning(
        history=Demand(series_id=APP, start=_START, step_s=MINUTE_S, values=history),
        shop_calls=rest,
        sent_counts=np.diff(np.floor(np.cumsum(rest) / _SCALE), prepend=0.0).astype(np.int64),
        scale=_SCALE,
        speed=speed,
        objective=objective,
        capacity_rps=float(np.quantile(history, _PEAK_LEVEL)) / MINUTE_S / _FULL_COUNT,
        newsletters=tuple(
            at
            for at in events.truth.push_times
            if first <= (at - _START) / timedelta(minutes=1) < first + minutes
        ),
    )


def rules_of(played: Morning) -> Scenario:
    """Return the rules by which a morning and its rivals are scored."""
    return Scenario(
        objective=played.objective,
        boot_s=START_S * played.speed,
        wake_s=20,
        warm_price_fraction=0.2,
        price_usd_per_hour=0.1,
        warmup_days=HISTORY_DAYS,
        capacity_rps={played.history.series_id: played.capacity_rps},
    )


def minute_of(played: Morning, at: datetime) -> int:
    """Return which minute of the morning an instant lies in; negative before it."""
    return (at - played.start) // timedelta(seconds=MINUTE_S)
