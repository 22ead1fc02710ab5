"""This file knows when a model is due to learn again, and whether what it learned may serve.

Every series has an interval T, seven days at first. Calm pays with a longer one, trouble halves it;
trouble beyond chance asks for a challenger at once. A challenger serves only once it has beaten
the champion on what happened since it was trained. Pure: the same state, evidence and instant give
the same decision.
"""

from __future__ import annotations

import enum
import math
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from foretide.forecast.evidence import Evidence

DAY = timedelta(days=1)
INTERVAL_FIRST, INTERVAL_MIN, INTERVAL_MAX = 7 * DAY, DAY, 28 * DAY
TRIAL_MIN = DAY
ALARM_P = 0.001
# Forced trainings in one bout of trouble; after them the (halved) interval has to do.
FORCED_MAX = 3
_CALM_DUES = 2
_GROWTH = 1.5
_WORSE_FOR = 2 * DAY
_FIRST_WAIT = timedelta(hours=6)
_CALM_FOR = 7 * DAY
_COVERAGE_NEWS = 7 * DAY  # half of what coverage is judged on


class Reason(enum.StrEnum):
    """Why something is decided."""

    FIRST = "first"
    DUE = "due"
    LOSS = "loss"
    UNDER_COVERAGE = "under-coverage"
    OVER_COVERAGE = "over-coverage"
    ASKED = "asked"
    NOT_DUE = "not-due"
    ON_TRIAL = "on-trial"
    WAITING = "waiting"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger waiting to be judged.

    Parameters
    ----------
    since : datetime
        When it was trained: what happened later is what it is judged on.
    is_forced : bool
        Whether an alarm asked for it, and not the calendar.
    """

    since: datetime
    is_forced: bool


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often one series' model learns, and what led there.

    Parameters
    ----------
    trained_at : datetime
        When it last learned, be it champion or challenger.
    interval_s : float
        T: after this long it is due again, 1 ... 28 days.
    calm_due_count : int
        Due dates in a row at which all was as calibrated.
    halved_at : datetime, optional
        When T was last halved.
    worse_since : datetime, optional
        Since when the loss has been worse than chance explains.
    calm_since : datetime, optional
        Since when neither loss nor coverage gave rise to worry.
    covered_at : datetime, optional
        When coverage was last looked at.
    trial : Trial, optional
        The challenger on trial.
    forced_count : int
        Challengers that alarms asked for in this bout of trouble.
    lost_count : int
        Forced challengers that lost in a row.
    not_before : datetime, optional
        No alarm asks for another before this.
    """

    trained_at: datetime
    interval_s: float = INTERVAL_FIRST.total_seconds()
    calm_due_count: int = 0
    halved_at: datetime | None = None
    worse_since: datetime | None = None
    calm_since: datetime | None = None
    covered_at: datetime | None = None
    trial: Trial | None = None
    forced_count: int = 0
    lost_count: int = 0
    not_before: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """When it learns again if nothing happens."""
        return self.trained_at + timedelta(seconds=self.interval_s)


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Go on with what serves."""

    reason: Reason


class Retrain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Train a challenger, because the calendar says so."""

    reason: Reason


class Challenge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Train a challenger now, because something is wrong."""

    reason: Reason


class Judge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Weigh the challenger against the champion on what happened since `since`."""

    since: datetime


class Reconform(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Narrow the champion's intervals, without training: they hold too much."""

    reason: Reason


Decision: TypeAlias = Keep | Retrain | Challenge | Judge | Reconform


def assess(state: Cadence, seen: Evidence, now: datetime) -> tuple[Cadence, Decision]:
    """Say what is to be done with one series' model now.

    Parameters
    ----------
    state : Cadence
        As the last call left it.
    seen : Evidence
        Of the champion.
    now : datetime
        Aware UTC, not before the last call's.

    Returns
    -------
    tuple of Cadence and Decision
        A `Retrain` or `Challenge` is taken to be carried out at `now`.
    """
    is_checking = state.covered_at is None or now - state.covered_at >= DAY
    if is_checking:
        state = _with(state, covered_at=now)
    alarm = _alarm(state, seen, now, is_checking=is_checking)
    state = _watched(state, seen, now, is_alarmed=alarm is not None)
    if alarm is not None and _may_force(state, now):
        return _begun(_halved(state, now), now, is_forced=True), Challenge(reason=alarm)
    if state.trial is not None:
        if now - state.trial.since >= TRIAL_MIN:
            return state, Judge(since=state.trial.since)
        return state, Keep(reason=Reason.ON_TRIAL)
    if alarm is not None or (state.worse_since and now - state.worse_since >= _WORSE_FOR):
        state = _halved(state, now)
    if now >= state.due_at:
        return _begun(_weighed(state, seen), now, is_forced=False), Retrain(reason=Reason.DUE)
    if is_checking and seen.over_p < ALARM_P:
        return state, Reconform(reason=Reason.OVER_COVERAGE)
    return state, Keep(reason=Reason.NOT_DUE if alarm is None else Reason.WAITING)


def settled(state: Cadence, now: datetime, *, has_won: bool) -> Cadence:
    """Return the state once the challenger on trial was judged.

    A forced challenger that lost makes the next alarm wait: 6 h, 12, 24 and so on up to T.

    Parameters
    ----------
    state : Cadence
        With a trial.
    now : datetime
        When it was judged.
    has_won : bool
        Whether it serves from now on.
    """
    if has_won:
        # what was worse was the champion of then
        return _with(state, trial=None, lost_count=0, not_before=None, worse_since=None)
    if state.trial is None or not state.trial.is_forced:
        return _with(state, trial=None)
    wait_s = min(_FIRST_WAIT.total_seconds() * 2**state.lost_count, state.interval_s)
    return _with(
        state,
        trial=None,
        lost_count=state.lost_count + 1,
        not_before=now + timedelta(seconds=wait_s),
    )


def _alarm(state: Cadence, seen: Evidence, now: datetime, *, is_checking: bool) -> Reason | None:
    # What a challenger could not mend is no alarm again until it is seen in what came since.
    is_stale = state.lost_count > 0 and not math.isnan(seen.day_ratio)
    if seen.day_ratio > seen.day_ratio_now or (seen.ratio > seen.ratio_now and not is_stale):
        return Reason.LOSS
    is_news = not state.lost_count or now - state.trained_at >= _COVERAGE_NEWS
    return Reason.UNDER_COVERAGE if is_checking and is_news and seen.under_p < ALARM_P else None


def _watched(state: Cadence, seen: Evidence, now: datetime, *, is_alarmed: bool) -> Cadence:
    # What lasts is measured from its first sight; what is not known changes nothing.
    if math.isnan(seen.ratio) and not is_alarmed:
        return state
    is_worse = seen.ratio > seen.ratio_worse
    worse_since = (state.worse_since or now) if is_worse else None
    if is_worse or is_alarmed:
        return _with(state, worse_since=worse_since, calm_since=None)
    calm_since = state.calm_since or now
    if now - calm_since >= _CALM_FOR:  # the trouble is over
        return _with(state, worse_since=None, calm_since=calm_since, forced_count=0, lost_count=0)
    return _with(state, worse_since=None, calm_since=calm_since)


def _may_force(state: Cadence, now: datetime) -> bool:
    if state.forced_count >= FORCED_MAX or (state.trial is not None and state.trial.is_forced):
        return False
    return state.not_before is None or now >= state.not_before


def _halved(state: Cadence, now: datetime) -> Cadence:
    # at most once in T/2
    half_s = state.interval_s / 2
    if state.halved_at is not None and (now - state.halved_at).total_seconds() < half_s:
        return state
    interval_s = max(half_s, INTERVAL_MIN.total_seconds())
    return _with(state, interval_s=interval_s, halved_at=now, calm_due_count=0)


def _weighed(state: Cadence, seen: Evidence) -> Cadence:
    # Calm at two due dates in a row makes the interval longer.
    is_covered = min(seen.under_p, seen.over_p) >= ALARM_P
    if not (seen.period_ratio <= seen.ratio_calm and is_covered):
        return _with(state, calm_due_count=0)
    if state.calm_due_count + 1 < _CALM_DUES:
        return _with(state, calm_due_count=state.calm_due_count + 1)
    longer_s = min(state.interval_s * _GROWTH, INTERVAL_MAX.total_seconds())
    return _with(state, calm_due_count=0, interval_s=longer_s)


def _begun(state: Cadence, now: datetime, *, is_forced: bool) -> Cadence:
    return _with(
        state,
        trained_at=now,
        trial=Trial(since=now, is_forced=is_forced),
        forced_count=state.forced_count + is_forced,
    )


def _with(state: Cadence, **changes: object) -> Cadence:
    return msgspec.structs.replace(state, **changes)
