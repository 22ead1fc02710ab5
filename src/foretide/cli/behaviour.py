"""This file knows how behaviour is told in words: what it gains, and what it expects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretide.model.behaviour import BehaviourBehind, BehaviourGain, Behind, Gain
    from foretide.model.calls import Calls
    from foretide.store.warehouse import Warehouse

Progress = Callable[[int, int], None]
_JUDGED_DAYS, _LEARNED_DAYS = 21, 7
_NOTHING_FRACTION = 0.01  # a gain below this is noise
_MORE_FRACTION = 0.5


def behaviour_gain(
    warehouse: Warehouse, app: str, *, on_progress: Progress | None = None
) -> BehaviourGain:
    """Return what knowing sessions was worth for an app of the store.

    Parameters
    ----------
    warehouse : Warehouse
        The store, open.
    app : str
        Which app.
    on_progress : callable, optional
        Called with the minutes done and all of them.
    """
    from foretide.control import behaviour_worth

    calls = _lately(warehouse, app, _JUDGED_DAYS)
    return behaviour_worth.behaviour_gain(calls, on_progress=on_progress)


def gain_lines(gain: BehaviourGain, *, feature: str | None = None) -> list[str]:
    """Return the table of gains, and in words where there is none.

    Parameters
    ----------
    gain : BehaviourGain
        What was measured.
    feature : str, optional
        Only the lines of this one.
    """
    shown = [one for one in gain.gains if feature in {None, one.feature}]
    what = "sessions" if gain.has_sessions else "other features (calls name no session)"
    lines = [f"{gain.app}: what knowing {what} was worth, WQL over {gain.minutes:,} minutes"]
    if shown:
        width = max(len("feature"), *(len(one.feature) for one in shown))
        lines.append(
            f"{'feature':{width}}  lead min  calls/min   with  without    gain  trusted most"
        )
        lines += [_gain_line(one, width) for one in shown]
        lines += _verdict(shown, what)
    elif not gain.note:
        lines.append("no feature was called often enough to judge")
    return [*lines, gain.note] if gain.note else lines


def _gain_line(one: Gain, width: int) -> str:
    trusted = f"{one.trusted} {one.trusted_fraction:.0%}"
    return (
        f"{one.feature:{width}}  {one.lead_min:8d}  {one.calls_per_min:9.2f}  "
        f"{one.with_wql:5.3f}    {one.without_wql:5.3f}  {one.gain_fraction:+6.1%}  {trusted}"
    )


def _verdict(shown: list[Gain], what: str) -> list[str]:
    leads = sorted({one.lead_min for one in shown})
    helped = {
        lead: [
            one.feature
            for one in shown
            if one.lead_min == lead and one.gain_fraction >= _NOTHING_FRACTION
        ]
        for lead in leads
    }
    nothing = [str(lead) for lead in leads if not helped[lead]]
    lines = [
        f"at {lead} min {what} help {', '.join(features)}"
        for lead, features in helped.items()
        if features
    ]
    if nothing:
        lines.append(f"at {', '.join(nothing)} min they gain nothing: counts alone do as well")
    return lines


def behaviour_behind(
    warehouse: Warehouse,
    app: str,
    *,
    feature: str | None = None,
    on_progress: Progress | None = None,
) -> BehaviourBehind:
    """Return which sessions the next hour of an app of the store is expected to come from.

    Parameters
    ----------
    warehouse : Warehouse
        The store, open.
    app : str
        Which app.
    feature : str, optional
        Only what stands behind this one.
    on_progress : callable, optional
        Called with the minutes done and all of them.
    """
    from foretide.control import behaviour_worth

    calls = _lately(warehouse, app, _LEARNED_DAYS)
    return behaviour_worth.behaviour_behind(calls, feature=feature, on_progress=on_progress)


def _lately(warehouse: Warehouse, app: str, days: int) -> Calls:
    from foretide.errors import InputError

    last = next((view.last for view in warehouse.apps() if view.name == app), None)
    calls = warehouse.calls(app, since=last and last - timedelta(days=days))
    if not len(calls.ts_us):
        raise InputError(f"{app}: holds no events of late; import events to know its behaviour")
    return calls


def behind_lines(behind: BehaviourBehind) -> list[str]:
    """Return what sessions are about to do, one line for each feature and lead."""
    lines = [f"{behind.app}: behaviour behind the hour after {behind.at:%Y-%m-%d %H:%M} UTC"]
    lines += [_behind_line(one) for one in behind.behinds]
    return [*lines, behind.note] if behind.note else lines


def _behind_line(one: Behind) -> str:
    head = f"{one.feature} in {one.lead_min} min: "
    total = _count(one.calls)
    if not one.sources:
        if one.arriving_calls > _MORE_FRACTION * one.calls:
            arriving = _count(one.arriving_calls)
            return f"{head}{arriving} of {total} expected calls come from sessions yet to begin"
        return f"{head}{total} expected calls, of no group of 20 sessions or more"
    first, *others = one.sources
    ago = f"{first.from_min}-{first.to_min} min ago"
    line = (
        f"{head}{_count(first.calls)} of {total} expected calls come from {first.sessions:,} "
        f"sessions that called {first.feature} {ago}"
    )
    more = [
        f"{_count(other.calls)} from {other.feature} {other.from_min}-{other.to_min} min ago"
        for other in others[:2]
    ]
    return f"{line} ({', '.join(more)})" if more else line


def _count(calls: float) -> str:
    return f"{calls:,.0f}" if calls >= 10 else f"{calls:.1f}"
