"""This file knows which sessions are under way, and what those that call in a minute did before.

All of a session's calls within one minute are one visit. A session's name lives here alone, in
memory, and is forgotten when the session ends or when the day turns.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.path_stage import (
    AGE_COUNT,
    CALLS_MAX,
    MINUTE_S,
    SESSION_END_MIN,
    IntArray,
    stage_of,
)
from foretide.model.demand import FloatArray

BoolArray = npt.NDArray[np.bool_]
DAY_MIN = 1440
ACTIVE_MAX = 1_000_000
LEARNERS_ONE_IN = 8
# What is kept of a session in one number: minute and second of the last call, calls, learner, stage
_STAGE_BITS, _CALLS_BITS, _SECOND_BITS = 16, 4, 6
_CALLS_AT = _STAGE_BITS + 1
_SECOND_AT = _CALLS_AT + _CALLS_BITS
_MINUTE_AT = _SECOND_AT + _SECOND_BITS
_MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads names that are numbered in order


class MinuteCalls(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Every call of one closed minute.

    Parameters
    ----------
    minute : int
        Minutes since the epoch.
    second : ndarray, shape (calls,)
        When in the minute, in [0, 60).
    session : ndarray of uint64, shape (calls,)
        Pseudonym of the session; 0 where the call names none.
    feature : ndarray of int, shape (calls,)
        Number of the feature called.
    is_observed : bool
        Whether the source was alive: without it, no call does not mean no demand.
    """

    minute: int
    second: FloatArray
    session: npt.NDArray[np.uint64]
    feature: IntArray
    is_observed: bool = True


class Visits(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the sessions that called in a minute did before, and where they stand now.

    Parameters
    ----------
    call_visit, call_feature : ndarray of int, shape (calls,)
        Of each call: its visit and the feature.
    stage, quarter : ndarray of int, shape (visits,)
        Where the session stands at the end of the minute.
    is_known : ndarray of bool, shape (visits,)
        Whether the session is counted as under way since `since`.
    is_start : ndarray of bool, shape (visits,)
        Whether a session begins.
    is_learner : ndarray of bool, shape (visits,)
        Whether the session is one of those learned from.
    since, stage_before, quarter_before : ndarray of int, shape (visits,)
        Minute of the call before, and where the session stood then; of no meaning where it is
        not known.
    """

    call_visit: IntArray
    call_feature: IntArray
    stage: IntArray
    quarter: IntArray
    is_known: BoolArray
    is_start: BoolArray
    is_learner: BoolArray
    since: IntArray
    stage_before: IntArray
    quarter_before: IntArray


class ActiveSessions:
    """The sessions under way: about 150 bytes for each.

    Parameters
    ----------
    turn_min : int
        Minute of the UTC day at which all names are forgotten, 0 ... 1439.
    active_max : int
        Most sessions held; calls of further ones count as calls without a session.
    """

    def __init__(self, *, turn_min: int = 0, active_max: int = ACTIVE_MAX) -> None:
        self._turn_min = turn_min
        self._active_max = active_max
        self._kept: dict[int, int] = {}
        self._called: list[list[int]] = [[] for _ in range(AGE_COUNT)]
        self.known_min = 0  # minutes since names were last forgotten

    def __len__(self) -> int:
        return len(self._kept)

    def turn(self, minute: int) -> None:
        """Forget who has ended before `minute`, and everybody when the day turns."""
        self.known_min += 1
        if (minute - self._turn_min) % DAY_MIN == 0:
            self.known_min = 0
            self._kept.clear()
            self._called = [[] for _ in range(AGE_COUNT)]
            return
        kept, ended = self._kept, minute - AGE_COUNT
        for name in self._called[minute % AGE_COUNT]:
            if kept.get(name, -1) >> _MINUTE_AT == ended:
                del kept[name]
        self._called[minute % AGE_COUNT] = []

    def visit(self, calls: MinuteCalls, *, one_in: int) -> Visits:
        """Take in the calls of a minute; `turn` comes first, minutes rise.

        Parameters
        ----------
        calls : MinuteCalls
            In any order.
        one_in : int
            One in this many of the sessions that begin, a power of two, is learned from, by its
            name.
        """
        order = np.lexsort((calls.feature, calls.second, calls.session))
        session, feature = calls.session[order], calls.feature[order]
        second = calls.second[order].astype(np.int64)
        is_first = np.ones(len(session), dtype=np.bool_)
        is_first[1:] = session[1:] != session[:-1]
        begins, visit = np.flatnonzero(is_first), np.cumsum(is_first) - 1
        ends = np.full_like(begins, len(session) - 1)
        ends[:-1] = begins[1:] - 1
        first = session[begins]
        names: list[int] = first.tolist()
        known = self._kept.get
        found = np.array([known(name, -1) for name in names], dtype=np.int64)
        has_room = len(self._kept) + len(names) <= self._active_max
        if len(names) and not (has_room and names[0]):
            fits = self._fits(found, first)
            if not fits.all():
                return self.visit(_part(calls, order[fits[visit]]), one_in=one_in)
        since = found >> _MINUTE_AT
        second_before = _field(found, _SECOND_AT, _SECOND_BITS)
        gap_s = (calls.minute - since) * MINUTE_S + second[begins] - second_before
        is_known = found >= 0
        is_start = ~is_known | (gap_s > SESSION_END_MIN * MINUTE_S)
        before = np.where(is_start, 0, _field(found, _CALLS_AT, _CALLS_BITS))
        total = np.minimum(before + ends - begins + 1, CALLS_MAX)
        drawn: BoolArray = (first * _MIX >> np.uint64(40)) & np.uint64(one_in - 1) == 0
        is_learner: BoolArray = np.where(is_start, drawn, _field(found, _STAGE_BITS, 1) == 1)
        stage = stage_of(feature[ends], total)
        packed: IntArray = (
            (calls.minute << _MINUTE_AT) | (second[ends] << _SECOND_AT) | (total << _CALLS_AT)
        ) | (is_learner.astype(np.int64) << _STAGE_BITS) | stage  # fmt: skip
        self._kept.update(zip(names, packed.tolist(), strict=True))
        self._called[calls.minute % AGE_COUNT] = names
        return Visits(
            call_visit=visit,
            call_feature=feature,
            stage=stage,
            quarter=_quarter(second[ends]),
            is_known=is_known,
            is_start=is_start,
            is_learner=is_learner,
            since=since,
            stage_before=_field(found, 0, _STAGE_BITS),
            quarter_before=_quarter(second_before),
        )

    def _fits(self, found: IntArray, session: npt.NDArray[np.uint64]) -> BoolArray:
        # No name is no session; of new ones the first by name fit while there is room.
        is_new = (found < 0) & (session > 0)
        room = self._active_max - len(self._kept)
        return (session > 0) & (~is_new | (np.cumsum(is_new) <= room))


def _part(calls: MinuteCalls, which: IntArray) -> MinuteCalls:
    return MinuteCalls(
        minute=calls.minute,
        second=calls.second[which],
        session=calls.session[which],
        feature=calls.feature[which],
        is_observed=calls.is_observed,
    )


def _field(packed: IntArray, at: int, bits: int) -> IntArray:
    return packed >> at & ((1 << bits) - 1)


def _quarter(second: IntArray) -> IntArray:
    return (MINUTE_S - 1 - second) // 15
