"""This file knows how the state of a morning becomes what the live page and the terminal show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from foretide.cli.live_view import LiveFrame, Standing
from foretide.cli.words import describe
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.instant import EPOCH
from foretide.serve.shown import Cell, Deed, Figures, FleetLines, LeadRow, Line, Range, Shown
from foretide.simulate.scenario import MINUTE_S

if TYPE_CHECKING:
    from foretide.control.state import ServiceState
    from foretide.model.demand import FloatArray
    from foretide.model.plan import Action
    from foretide.simulate.morning_record import MorningRecord

POLICY_NAMES = {"foretide": "Foretide", "hpa": "HPA at 70 %", "oracle": "clairvoyant limit"}
_PAST = {
    "launch": "launched", "promote": "promoted", "park": "parked", "drain": "drained",
    "terminate": "ended", "resize": "resized",
}  # fmt: skip
_BEHIND_MINUTES = 360  # shown of what came before the morning
_SPAN_S = 6 * 3600
_DEEDS_MOST = 200
_S = InstanceState
_CELLS = {
    _S.SERVING: ("S", "black on green"), _S.WAKING: ("S", "black on green"),
    _S.WARM: ("W", "black on yellow"), _S.PARKING: ("L", "black on magenta"),
    _S.DRAINING: ("L", "black on magenta"),
}  # fmt: skip
_BOOTING_CELL = ("B", "black on white")


def shown(
    record: MorningRecord,
    state: ServiceState,
    *,
    outline_rps: FloatArray,
    title: str,
    notes: Sequence[str],
    is_over: bool = False,
) -> Shown:
    """Return all that the live page shows.

    Parameters
    ----------
    record : MorningRecord
        What came of the morning so far.
    state : ServiceState
        As published last, with a plan and a fleet.
    outline_rps : ndarray, shape (minutes, 3)
        What was expected of the morning at its beginning.
    title : str
        What is played.
    notes : sequence of str
        What a person has to know besides.
    is_over : bool
        Whether nothing will change any more.
    """
    played, tallies = record.played, record.tallies
    last = tallies[-1] if tallies else None
    sent_rps, counts = record.sent_rps, record.counts()
    start, step = played.start, MINUTE_S
    said = [_line(start, row) for row in record.band[:, : record.minute_count + 1]]
    plan, fleet = state.plan, state.fleet
    return Shown(
        title=title,
        about=about(record),
        at=start + timedelta(minutes=len(tallies)) if is_over else state.at or start,
        start=start,
        end=start + timedelta(minutes=played.minute_count),
        is_over=is_over,
        demand=_line(
            start - timedelta(minutes=_BEHIND_MINUTES),
            record.demand_rps[len(played.history.values) - _BEHIND_MINUTES :],
        ),
        said=Range(low=said[0], median=said[1], high=said[2]),
        next=_next(state),
        outline=_line(start, outline_rps[: played.minute_count, 1]),
        fleet=FleetLines(
            serving=_line(start, counts.serving - record.leaving[: len(tallies)]),
            leaving=_line(start, record.leaving[: len(tallies)]),
            warm=_line(start, counts.warm),
            booting=_line(start, counts.booting),
            needed=_line(start, sent_rps / played.capacity_rps),
            rival=_line(start, record.rival().serving),
        ),
        served=Line(start=start, step_s=step, values=tuple(record.served.tolist())),
        failed=Line(start=start, step_s=step, values=tuple(record.failed.tolist())),
        cells=() if fleet is None else tuple(
            Cell(name=one.instance_id, state=one.state.value) for one in fleet.instances
        ),
        sent_count=0 if last is None else last.sent,
        served_count=0 if last is None else last.served,
        refused_count=0 if last is None else last.refused,
        broken_count=0 if last is None else last.broken,
        demand_rps=float(sent_rps[-1]) if len(sent_rps) else None,
        planned_serving_count=0 if plan is None else plan.serving_count,
        planned_warm_count=0 if plan is None else plan.warm_count,
        standings=tuple(
            Figures(
                name=POLICY_NAMES[one.policy], cost_usd=one.cost_usd,
                failed_fraction=one.failed_fraction, is_calculated=one.is_calculated,
            )
            for one in record.standings()
        ),
        deeds=tuple(_deed(one) for one in reversed(record.decided[-_DEEDS_MOST:])),
        leads=leads(state, played.speed),
        reason="" if plan is None else describe(plan.decision),
        notes=tuple(notes),
    )  # fmt: skip


def frame(
    record: MorningRecord, state: ServiceState, *, outline_rps: FloatArray, address: str = ""
) -> LiveFrame:
    """Return what the terminal shows.

    Parameters
    ----------
    record : MorningRecord
        What came of the morning so far.
    state : ServiceState
        As published last.
    outline_rps : ndarray, shape (minutes, 3)
        What was expected of the morning at its beginning.
    address : str
        Of the page, where there is one.
    """
    played = record.played
    now = state.at or played.start
    minute = len(record.tallies)
    ahead = _ahead(state, outline_rps[minute:])
    fleet = state.fleet or Fleet(service=state.service, observed_at=now, instances=())
    plan, warm = state.plan, fleet.count(_S.WARM)
    booting = fleet.count(_S.REQUESTED, _S.BOOTING)
    page = (_headed("page").append(address),) if address else ()
    return LiveFrame(
        now=now,
        progress_fraction=minute / played.minute_count,
        history_rps=record.demand_rps,
        history_step_s=MINUTE_S,
        low_rps=ahead[:, 0],
        median_rps=ahead[:, 1],
        high_rps=ahead[:, 2],
        ahead_step_s=MINUTE_S,
        serving_count=len(fleet.instances) - warm - booting,
        warm_count=warm,
        booting_count=booting,
        planned_serving_count=0 if plan is None else plan.serving_count,
        planned_warm_count=0 if plan is None else plan.warm_count,
        decision="" if plan is None else describe(plan.decision),
        objective=record.rules.objective,
        standings=tuple(
            Standing(
                name=POLICY_NAMES[one.policy].partition(" ")[0], cost_usd=one.cost_usd,
                violation_fraction=one.failed_fraction,
            )
            for one in record.standings()
        ),
        span_s=_SPAN_S,
        missed="failed",
        rows=(_requests(record), _cells(fleet), *page),
    )  # fmt: skip


def about(record: MorningRecord) -> str:
    """Return by what scale a morning is played, in a sentence."""
    played = record.played
    surprises = "".join(
        f" At {at:%H:%M} a newsletter goes out that nobody announced." for at in played.newsletters
    )
    return (
        f"A minute passes in {played.slot_s:g} s; one request is sent for every {played.scale} "
        f"calls of the shop. An instance answers {played.instance_rps:.0f} requests/s and takes "
        f"{record.rules.boot_s / played.speed:g} s to start.{surprises}"
    )


def deeds(actions: Sequence[Action]) -> str:
    """Return actions counted by kind, such as "2 launched, 1 promoted"."""
    counted = Counter(type(one).__name__.lower() for one in actions)
    return ", ".join(f"{count} {_PAST.get(verb, verb)}" for verb, count in counted.items())


def leads(state: ServiceState, speed: float) -> tuple[LeadRow, ...]:
    """Return the measured lead times in seconds of the machine."""
    told = state.lead_times
    rows = (
        ("launch to ready", told.boot_p50_s, told.boot_p90_s, told.boot_count),
        ("promote to serving", told.wake_p50_s, told.wake_p90_s, told.wake_count),
        ("promote to full throughput", told.full_p50_s, told.full_p90_s, told.full_count),
    )
    return tuple(
        LeadRow(
            name=name,
            p50_s=None if half is None else half / speed,
            p90_s=None if most is None else most / speed,
            count=count,
        )
        for name, half, most, count in rows
    )


def _deed(state: ServiceState) -> Deed:
    if state.plan is None:
        raise AssertionError("a decision has a plan")
    asked = [a for a in state.plan.actions if a.action_id in {r.action_id for r in state.receipts}]
    return Deed(
        at=state.plan.made_at, done=deeds(asked), why=describe(state.plan.decision)
    )  # fmt: skip


def _line(start: datetime, values: FloatArray | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Line:
    rounded = np.round(np.asarray(values, np.float64), 3)
    seen = np.isfinite(rounded)
    return Line(
        start=start,
        step_s=MINUTE_S,
        values=tuple(
            value if is_seen else None
            for value, is_seen in zip(rounded.tolist(), seen.tolist(), strict=True)
        ),
    )


def _next(state: ServiceState) -> Range:
    course = state.course
    if course is None:
        nothing = Line(start=state.at or EPOCH, step_s=MINUTE_S, values=())
        return Range(low=nothing, median=nothing, high=nothing)
    low, median, high = (
        _line(course.start, np.array(row))
        for row in (course.low_rps, course.median_rps, course.high_rps)
    )
    return Range(low=low, median=median, high=high)


def _ahead(state: ServiceState, outline_rps: FloatArray) -> FloatArray:
    """Return what is expected from now on: by the planner's forecast, then by the day's."""
    course = state.course
    if course is None:
        return outline_rps
    near = np.array([course.low_rps, course.median_rps, course.high_rps]).T
    return np.concatenate([near, outline_rps[len(near) :]])


def _requests(record: MorningRecord) -> Text:
    tallies = record.tallies
    text = _headed("requests")
    if not tallies:
        return text.append("none yet")
    last, slot_s = tallies[-1], record.played.slot_s
    text.append(f"{record.served[-1] / slot_s:,.0f}/s served, {last.served:,} so far, ")
    text.append(f"{last.failed:,} failed", style="bold red" if last.failed else "")
    return text


def _cells(fleet: Fleet) -> Text:
    text = _headed("instances")
    for one in fleet.instances:
        letter, style = _CELLS.get(one.state, _BOOTING_CELL)
        text.append(letter, style=style)
    return text


def _headed(name: str) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(f"{name:<10}", style="dim")
