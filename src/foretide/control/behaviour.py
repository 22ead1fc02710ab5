"""This file knows the corridor from calls to the next hour: what behaviour says, and its worth.

Calls arrive in any order, up to fifteen minutes late. A minute is closed once nothing can be late
for it; what is forecast now looks through a copy in which the open minutes are closed as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.behaviour import LEADS_MIN, Behaviour
from foretide.forecast.visits import MinuteCalls
from foretide.model.calls import US_PER_MIN, Calls
from foretide.model.instant import EPOCH

LATENESS_MIN = 15
Progress = Callable[[int, int], None]


class CallStream:
    """Takes in the calls of one app as they come, and forecasts its next hour.

    Parameters
    ----------
    behaviour : Behaviour
        Sees every minute once, when it is closed.
    lateness_min : int
        How late a call may come, in minutes of the calls' own time, >= 0.
    """

    def __init__(self, behaviour: Behaviour, *, lateness_min: int = LATENESS_MIN) -> None:
        if lateness_min < 0:
            raise InvalidValueError(f"lateness_min must be >= 0, was {lateness_min}")
        self.behaviour = behaviour
        self.late_count = 0
        self._lateness_min = lateness_min
        self._latest_min = -1
        self._waiting: list[Calls] = []

    def take(self, calls: Calls) -> None:
        """Take in some calls; those of minutes that are closed already are left out and counted.

        Parameters
        ----------
        calls : Calls
            In any order, any number at a time.
        """
        if not len(calls.ts_us):
            return
        minute = calls.ts_us // US_PER_MIN
        is_late = minute <= self.behaviour.minute
        late = int(np.count_nonzero(is_late))
        self.late_count += late
        self._waiting.append(_part(calls, np.flatnonzero(~is_late)) if late else calls)
        self._latest_min = max(self._latest_min, int(minute.max()))
        self._close(self.behaviour, self._latest_min - self._lateness_min)

    def outlook(self, now: datetime) -> Behaviour:
        """Return a copy that has seen every minute that ended by `now`, as far as it is known.

        Parameters
        ----------
        now : datetime
            Aware UTC.
        """
        ahead = copy.deepcopy(self.behaviour)
        ended = (now - EPOCH) // timedelta(minutes=1) - 1
        self._close(ahead, ended, is_final=False)
        return ahead

    def _close(self, behaviour: Behaviour, until_min: int, *, is_final: bool = True) -> None:
        if not self._waiting:
            return
        known = _joined(self._waiting)
        minute = known.ts_us // US_PER_MIN
        if behaviour.minute < 0 and not len(minute):
            return
        first = behaviour.minute + 1 if behaviour.minute >= 0 else int(minute.min())
        if until_min < first:
            return
        ready = minute <= until_min
        closed = known if ready.all() else _part(known, np.flatnonzero(ready))
        for calls in minutes_of(closed, first, until_min):
            behaviour.close(calls)
        if is_final:
            left = np.s_[:0] if ready.all() else np.flatnonzero(~ready)
            self._waiting = [_part(known, left)]


def minutes_of(calls: Calls, first_min: int, last_min: int) -> Iterator[MinuteCalls]:
    """Yield the calls minute by minute, also of minutes without any.

    Parameters
    ----------
    calls : Calls
        In any order, all within the minutes asked for.
    first_min, last_min : int
        Minutes since the epoch, both included.
    """
    order = np.argsort(calls.ts_us, kind="stable")
    ts_us, session, feature = calls.ts_us[order], calls.session[order], calls.feature[order]
    minute = ts_us // US_PER_MIN
    second = (ts_us % US_PER_MIN) / 1e6
    edges = np.searchsorted(minute, np.arange(first_min, last_min + 2))
    missing = set(calls.missing_min.tolist())
    for at in range(first_min, last_min + 1):
        part = slice(edges[at - first_min], edges[at - first_min + 1])
        yield MinuteCalls(
            minute=at,
            second=second[part],
            session=session[part],
            feature=feature[part],
            is_observed=at not in missing,
        )


def span_min(calls: Calls) -> tuple[int, int]:
    """Return the first and the last whole minute of the calls, since the epoch.

    Raises
    ------
    InvalidValueError
        When there are no calls.
    """
    if not len(calls.ts_us):
        raise InvalidValueError(f"{calls.app}: holds no calls; import events first")
    return int(calls.ts_us.min()) // US_PER_MIN, int(calls.ts_us.max()) // US_PER_MIN


def replayed(
    calls: Calls,
    *,
    leads: tuple[int, ...] = LEADS_MIN,
    on_progress: Progress | None = None,
) -> Behaviour:
    """Return a behaviour that has seen all calls.

    Parameters
    ----------
    calls : Calls
        Of one app, at least one.
    leads : tuple of int
        Minutes ahead, rising, 1 ... 60.
    on_progress : callable, optional
        Called with the minutes done and all of them.
    """
    first, last = span_min(calls)
    behaviour = Behaviour(calls.features, leads=leads, has_sessions=calls.has_sessions)
    for done, minute in enumerate(minutes_of(calls, first, last)):
        behaviour.close(minute)
        if on_progress is not None and done % 60 == 0:
            on_progress(done, last - first + 1)
    return behaviour


def without_sessions(calls: Calls) -> Calls:
    """Return the same calls, of which none names its session."""
    return msgspec.structs.replace(calls, session=np.zeros_like(calls.session))


def _part(calls: Calls, which: np.ndarray[tuple[int], np.dtype[np.intp]] | slice) -> Calls:
    return msgspec.structs.replace(
        calls,
        ts_us=calls.ts_us[which],
        session=calls.session[which],
        feature=calls.feature[which],
    )


def _joined(parts: list[Calls]) -> Calls:
    parts = [one for one in parts if len(one.ts_us) or len(one.missing_min)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    missing = np.concatenate([part.missing_min for part in parts])
    return msgspec.structs.replace(
        parts[0],
        ts_us=np.concatenate([part.ts_us for part in parts]),
        session=np.concatenate([part.session for part in parts]),
        feature=np.concatenate([part.feature for part in parts]),
        missing_min=np.unique(missing) if len(missing) else missing,
    )
