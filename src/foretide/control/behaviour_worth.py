"""This file knows what behaviour was worth, what stands behind a forecast, and as what to learn it.

An app's calls are replayed minute by minute through the same engine that forecasts live. What is
judged is the later half; what is forecast for a minute was issued before it began.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from foretide.control.behaviour import minutes_of, replayed, span_min
from foretide.forecast.behaviour import ALL, CANDIDATES, SCORED_LEVELS, WITHOUT_SESSIONS, Behaviour
from foretide.forecast.kernel import SessionKernel
from foretide.forecast.path_stage import CALL_EDGES, CELL_COUNT
from foretide.forecast.score import pinball
from foretide.forecast.visits import ActiveSessions, MinuteCalls
from foretide.model.behaviour import (
    SESSIONS_MIN,
    BehaviourBehind,
    BehaviourGain,
    Behind,
    Gain,
    Source,
)
from foretide.model.calls import Calls
from foretide.model.demand import Demand, FloatArray
from foretide.model.ids import series_id
from foretide.model.instant import EPOCH

JUDGED_LEADS_MIN = (1, 5, 15, 30, 60)
_HISTORY_MIN = 1440
_CALLS_LEAST = 200  # of a feature in the minutes judged: fewer tell nothing
_USED_LEAST = 0.2  # part of the forecast that sessions must make to be named behind it
_BEFORE_FRACTION = 0.02  # sources that bring less than this of the calls are not worth a name
_MINUTE = timedelta(minutes=1)
Progress = Callable[[int, int], None]
_JUDGED = {"with": ALL, "without": WITHOUT_SESSIONS, "last": (0,), "usual": (1,)}


def behaviour_gain(
    calls: Calls,
    *,
    leads: tuple[int, ...] = JUDGED_LEADS_MIN,
    on_progress: Progress | None = None,
) -> BehaviourGain:
    """Return what knowing sessions was worth, by feature and lead, on the later half of the calls.

    Parameters
    ----------
    calls : Calls
        Of one app.
    leads : tuple of int
        Minutes ahead, rising, 1 ... 60.
    on_progress : callable, optional
        Called with the minutes done and all of them.

    Returns
    -------
    BehaviourGain
        Without gains, and with a note, where less than a day of calls is known.
    """
    first, last = span_min(calls) if len(calls.ts_us) else (0, -1)
    total = last - first + 1
    answer = BehaviourGain(app=calls.app, has_sessions=calls.has_sessions, minutes=0, gains=())
    if total < _HISTORY_MIN:
        note = f"{total} minutes of calls are known; a day is the least that can be judged"
        return _noted(answer, note)
    behaviour = Behaviour(calls.features, leads=leads, has_sessions=calls.has_sessions)
    begin = first + total // 2
    judges = {name: _Judge(behaviour, allowed) for name, allowed in _JUDGED.items()}
    for done, minute in enumerate(minutes_of(calls, first, last)):
        behaviour.close(minute)
        for judge in judges.values() if minute.minute >= begin - leads[-1] else ():
            judge.see(minute, is_judged=minute.minute >= begin)
        if on_progress is not None and done % 60 == 0:
            on_progress(done, total)
    gains = _gains(calls, behaviour, judges)
    answer = BehaviourGain(
        app=calls.app, has_sessions=calls.has_sessions, minutes=last + 1 - begin, gains=gains
    )
    rare = len(calls.features) - len({gain.feature for gain in gains})
    return _noted(answer, f"{rare} features with too few calls are left out" if rare else "")


class _Judge:
    # Sums up what one choice of candidates lost, without keeping what it said.

    def __init__(self, behaviour: Behaviour, allowed: tuple[int, ...]) -> None:
        self._behaviour, self._allowed = behaviour, allowed
        self._leads = np.array(behaviour.leads)
        width = len(behaviour.features) + 1
        shape = (behaviour.leads[-1] + 1, len(behaviour.leads), width, len(SCORED_LEVELS))
        self._said = np.full(shape, np.nan)
        self._losses = np.zeros((len(behaviour.leads), width))
        self.calls = np.zeros(width)
        self.minutes = 0

    def see(self, minute: MinuteCalls, *, is_judged: bool) -> None:
        if is_judged and minute.is_observed:
            counts = np.bincount(minute.feature, minlength=len(self.calls)).astype(np.float64)
            rows = (minute.minute - self._leads) % len(self._said)
            for lead, row in enumerate(rows.tolist()):
                over = pinball(self._said[row, lead], SCORED_LEVELS, counts)
                self._losses[lead] += over.sum(axis=-1)
            self.calls += counts
            self.minutes += 1
        row = minute.minute % len(self._said)
        self._said[row] = self._behaviour.issue(SCORED_LEVELS, self._allowed)

    def wql(self) -> FloatArray:
        # Shape (leads, features).
        return 2 * self._losses / np.maximum(self.calls, 1.0) / len(SCORED_LEVELS)


def _noted(answer: BehaviourGain, note: str) -> BehaviourGain:
    return BehaviourGain(
        app=answer.app,
        has_sessions=answer.has_sessions,
        minutes=answer.minutes,
        gains=answer.gains,
        note=note,
    )


def _gains(calls: Calls, behaviour: Behaviour, judges: dict[str, _Judge]) -> tuple[Gain, ...]:
    trust = behaviour.trust()
    loss = {name: judge.wql() for name, judge in judges.items()}
    judged = judges["with"]
    found: list[Gain] = []
    for place, feature in enumerate(calls.features):
        if judged.calls[place] < _CALLS_LEAST:
            continue
        for at, lead in enumerate(behaviour.leads):
            best = int(np.argmax(trust[:, at, place]))
            one = {name: float(wql[at, place]) for name, wql in loss.items()}
            found.append(
                Gain(
                    feature=feature,
                    lead_min=lead,
                    calls_per_min=float(judged.calls[place] / judged.minutes),
                    with_wql=one["with"],
                    without_wql=one["without"],
                    baseline_wql=min(one["last"], one["usual"]),
                    trusted=behaviour.candidates[best],
                    trusted_fraction=float(trust[best, at, place]),
                )
            )
    return tuple(found)


def behaviour_behind(
    calls: Calls,
    *,
    feature: str | None = None,
    leads: tuple[int, ...] = (1, 5, 15, 30),
    on_progress: Progress | None = None,
) -> BehaviourBehind:
    """Return which sessions the next hour of an app is expected to come from.

    Parameters
    ----------
    calls : Calls
        Of one app, at least one call.
    feature : str, optional
        Only what stands behind this one.
    leads : tuple of int
        Minutes ahead, rising, 1 ... 60.
    on_progress : callable, optional
        Called with the minutes done and all of them.

    Returns
    -------
    BehaviourBehind
        Only what sessions make at least a fifth of; groups under 20 sessions are not shown.
    """
    _, last = span_min(calls)
    at = EPOCH + (last + 1) * _MINUTE
    if not calls.has_sessions:
        note = "calls name no sessions: forecasts rest on counts alone"
        return BehaviourBehind(app=calls.app, at=at, behinds=(), note=note)
    behaviour = replayed(calls, on_progress=on_progress, leads=leads)
    sessions = CANDIDATES.index("own past + sessions")
    trust = behaviour.trust()[sessions]
    arriving = behaviour.arriving_calls()
    found: list[Behind] = []
    for place, name in enumerate(calls.features):
        for lead_at, lead in enumerate(leads if feature in {None, name} else ()):
            if trust[lead_at, place] < _USED_LEAST:
                continue
            sources = _sources(calls.features, behaviour.kernel, last, lead_at, place)
            here = behaviour.kernel.expected(last)[lead_at, place]
            total = float(here + arriving[lead_at, place])
            found.append(
                Behind(
                    feature=name,
                    lead_min=lead,
                    calls=total,
                    arriving_calls=float(arriving[lead_at, place]),
                    sources=tuple(one for one in sources if one.calls > _BEFORE_FRACTION * total),
                    trusted_fraction=float(trust[lead_at, place]),
                )
            )
    note = "" if found else "no forecast of the next hour rests on sessions: counts do as well"
    return BehaviourBehind(app=calls.app, at=at, behinds=tuple(found), note=note)


def _sources(
    features: tuple[str, ...], kernel: SessionKernel, minute: int, lead_at: int, place: int
) -> list[Source]:
    found = [
        Source(
            feature=features[group.feature] if group.feature < len(features) else "other",
            from_min=group.from_min,
            to_min=group.to_min,
            sessions=group.sessions,
            calls=group.calls,
        )
        for group in kernel.groups(minute, lead_at, place)
        if group.sessions >= SESSIONS_MIN
    ]
    return sorted(found, key=lambda source: -source.calls)


def covariates(calls: Calls, *, step_s: int = 60) -> list[Demand]:
    """Return behaviour as series that a learned model can use beside demand.

    Parameters
    ----------
    calls : Calls
        Of one app, at least one call.
    step_s : int
        Length of a bucket in seconds, a multiple of 60 that divides a day.

    Returns
    -------
    list of Demand
        Sessions that began in each bucket, and the mean of sessions under way in it, in all and
        by the feature called last; whole buckets from that of the first call on. A feature that
        never had 20 sessions under way at a time is left out; nothing without sessions.
    """
    if not calls.has_sessions:
        return []
    first, last = span_min(calls)
    width = len(calls.features) + 1
    active, kernel = ActiveSessions(), SessionKernel(width, (1,))
    rows = np.full((last - first + 1, width + 1), np.nan)
    for place, minute in enumerate(minutes_of(calls, first, last)):
        active.turn(minute.minute)
        kernel.age(minute.minute)
        visits = active.visit(minute, one_in=1)
        kernel.move(visits, minute.minute, is_learned=False)
        if minute.is_observed:
            standing = kernel.standing(minute.minute).reshape(CELL_COUNT, width, len(CALL_EDGES))
            rows[place] = [visits.is_start.sum(), *standing.sum(axis=(0, 2))]
    names = ["sessions begun", "sessions under way", *(f"after {name}" for name in calls.features)]
    under_way = rows[:, 1:].sum(axis=1)
    columns = [rows[:, 0], under_way, *(rows[:, 1 + at] for at in range(len(calls.features)))]
    return [
        _bucketed(calls.app, name, values, first, step_s, is_sum=at == 0)
        for at, (name, values) in enumerate(zip(names, columns, strict=True))
        if at == 0 or np.nanmax(values, initial=0.0) >= SESSIONS_MIN
    ]


def _bucketed(
    app: str, name: str, values: FloatArray, first_min: int, step_s: int, *, is_sum: bool
) -> Demand:
    width = step_s // 60
    lead_in = first_min % width
    tail = -(lead_in + len(values)) % width
    blank = np.nan if not is_sum else 0.0
    padded = np.concatenate([np.full(lead_in, blank), values, np.full(tail, blank)])
    rows = padded.reshape(-1, width)
    seen = np.isfinite(rows)
    total = np.where(seen, rows, 0.0).sum(axis=1)
    count = seen.sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)
    return Demand(
        series_id=series_id(app, name),
        start=EPOCH + (first_min - lead_in) * _MINUTE,
        step_s=step_s,
        values=np.where(count > 0, total, np.nan) if is_sum else mean,
    )
