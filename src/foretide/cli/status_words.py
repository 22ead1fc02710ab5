"""This file knows how the state of every service is put into lines, and into one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from foretide.cli.words import describe
from foretide.control.compared import Compared, compared
from foretide.control.state import LoopState, ServiceState
from foretide.model.fleet import Fleet, LeadTimes

if TYPE_CHECKING:
    from foretide.control.state import Mode

_COLUMNS = ("service", "mode", "planned", "asked for", "running", "version", "node", "lead times")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All that `foretide status` shows.

    Parameters
    ----------
    process : int, optional
        Of the `foretide up` that runs; None while none does.
    state : LoopState, optional
        After its last heartbeat; None when there never was one.
    fleets : tuple of Fleet
        What runs now, by the platform's own records.
    paused : tuple of str
        Services that are paused.
    modes : mapping of str to str
        Every configured service and its mode.
    """

    process: int | None
    state: LoopState | None
    fleets: tuple[Fleet, ...]
    paused: tuple[str, ...]
    modes: Mapping[str, Mode]

    def service(self, name: str) -> tuple[ServiceState, Compared]:
        """Return the last state of a service, and its plan beside what runs now."""
        known = {one.service: one for one in self.state.services} if self.state else {}
        state = known.get(name, ServiceState(service=name, mode=self.modes[name]))
        if self.process is None:
            # a state left behind tells what was planned, not what runs
            state = msgspec.structs.replace(state, mode=self.modes[name])
        state = msgspec.structs.replace(state, is_paused=name in self.paused)
        fleet = next((one for one in self.fleets if one.service == name), None)
        if fleet is None and self.process is None:
            state = msgspec.structs.replace(state, fleet=None)
        return state, compared(state, fleet)

    def told(self) -> dict[str, object]:
        """Return all of it as one object: numbers for what is planned, asked for and running."""
        services = dict[str, object]()
        for name in self.modes:
            state, found = self.service(name)
            services[name] = {
                "mode": state.mode,
                "paused": state.is_paused,
                "at": state.at,
                **msgspec.structs.asdict(found),
                "version": state.version,
                "boot_s": state.boot_s,
                "lead_times": msgspec.to_builtins(state.lead_times),
                "decision": None if state.plan is None else state.plan.decision,
                "words": None if state.plan is None else describe(state.plan.decision),
                "silent": state.silent,
                "unwritten": state.unwritten,
                "unheard": state.unheard,
            }
        return {
            "process": self.process,
            "at": None if self.state is None else self.state.at,
            "held": "" if self.state is None else self.state.held,
            "services": services,
        }


def lines_of(shown: Shown) -> Iterator[str]:
    """Yield the lines of a table, one row for each service, and below it why each is as it is."""
    yield _heading(shown)
    found = {name: shown.service(name) for name in shown.modes}
    rows = [_row(name, state, one) for name, (state, one) in found.items()]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for cells in (_COLUMNS, *rows):
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
    for name, (state, one) in found.items():
        yield from (f"{name}: {line}" for line in _remarks(state, one))
    for fleet in shown.fleets:
        if fleet.service not in shown.modes:
            yield (
                f"{fleet.service}: {len(fleet.instances)} instances of a service that is not "
                "configured any more; `foretide down` ends all"
            )


def _heading(shown: Shown) -> str:
    if shown.process is None:
        running = sum(len(one.instances) for one in shown.fleets)
        left = f"; {running} instances run on their own" if running else ""
        return f"`foretide up` does not run{left}"
    at = "no heartbeat yet" if shown.state is None else f"last heartbeat {shown.state.at:%H:%M:%S}Z"
    return f"`foretide up` runs as process {shown.process}, {at}"


def _row(name: str, state: ServiceState, one: Compared) -> tuple[str, ...]:
    planned = "-" if one.planned_serving is None else f"{one.planned_serving}+{one.planned_warm}"
    running = f"{one.serving}+{one.warm}"
    if one.coming:
        running += f", {one.coming} coming"
    if one.leaving:
        running += f", {one.leaving} leaving"
    asked = ", ".join(f"{count} {verb}" for verb, count in one.requested.items()) or "-"
    return (
        name,
        f"{state.mode}, paused" if state.is_paused else state.mode,
        planned,
        asked,
        running,
        _counted(one.versions),
        _counted(one.nodes),
        _leads(state.lead_times, state.boot_s),
    )


def _counted(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "-"


def _leads(times: LeadTimes, boot_s: float) -> str:
    parts = [f"planned {boot_s:g} s"] if boot_s else []
    for kind in ("boot", "wake", "full"):
        middle, most = (getattr(times, f"{kind}_{level}_s") for level in ("p50", "p90"))
        count = getattr(times, f"{kind}_count")
        if middle is not None and most is not None:
            parts.append(f"{kind} {_time(middle)}/{_time(most)} ({count})")
    return ", ".join(parts) or "-"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.3g} ms"


def _remarks(state: ServiceState, one: Compared) -> Iterator[str]:
    if state.is_paused:
        yield "paused: it is planned and journaled, and nothing is done"
    yield from (text for text in (state.silent, state.unwritten, state.unheard) if text)
    if one.unanswered_count:
        yield f"{one.unanswered_count} of what was asked for was not answered, and is asked again"
    yield from (f"refused: {text}" for text in one.refused)
    if one.planned_serving is not None and state.mode == "live" and not one.is_as_planned:
        yield "what runs is not yet what was planned"
    if state.plan is not None:
        yield describe(state.plan.decision)
