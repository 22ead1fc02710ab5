"""This file knows what `foretide up` says: one line for each thing that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from foretide.cli.words import describe

if TYPE_CHECKING:
    from foretide.config.settings import Config
    from foretide.control.state import LoopState, ServiceState
    from foretide.platforms.local.platform import LocalPlatform


class Teller:
    """Says what is new in each state of the loop.

    Parameters
    ----------
    say : callable
        Takes one line.
    platform : LocalPlatform, optional
        The embedded platform, which has notes of its own.
    """

    def __init__(self, say: Callable[[str], None], platform: LocalPlatform | None) -> None:
        self._say, self._platform = say, platform
        self._said: dict[str, str] = {}
        self._noted = 0
        self._is_heard = True

    def _told(self, line: str) -> None:
        """Say a line; when nobody listens any more the loop goes on all the same."""
        if self._is_heard:
            try:
                self._say(line)
            except OSError:
                self._is_heard = False

    def begin(self, settings: Config) -> None:
        """Say how each service is driven."""
        for name, one in settings.services.items():
            listen = None if one.local is None else one.local.listen
            at = f", served at {listen}" if listen else ""
            does = "is acted upon" if one.mode == "live" else "is planned and left alone"
            self._told(f"{name}: {one.mode}, {does}; platform {one.platform}{at}")

    def tell(self, state: LoopState) -> None:
        """Say what is new; nothing when nothing is."""
        stamp = f"{state.at:%H:%M:%S}"
        for line in (*self._notes(), *self._of_all(state)):
            self._told(f"{stamp} {line}")

    def end(self, state: LoopState | None) -> None:
        """Say what is left when the loop ends."""
        if state is None:
            return
        left = {
            one.service: len(one.fleet.instances)
            for one in state.services
            if self._platform is not None and one.fleet is not None and one.fleet.instances
        }
        if left:
            running = ", ".join(f"{count} of {name}" for name, count in left.items())
            self._told(
                f"stopped; instances go on running ({running}): `foretide up` goes on with them, "
                "`foretide down` ends them"
            )
        else:
            self._told("stopped")

    def _notes(self) -> Iterator[str]:
        if self._platform is None:
            return
        notes = self._platform.notes()
        yield from notes[self._noted :]
        self._noted = len(notes)

    def _of_all(self, state: LoopState) -> Iterator[str]:
        if self._is_new("held", state.held) and state.held:
            yield state.held
        for one in state.services:
            yield from (f"{one.service}: {line}" for line in self._of(one))

    def _of(self, one: ServiceState) -> Iterator[str]:
        name = one.service
        if self._is_new(f"{name} paused", str(one.is_paused)):
            yield "paused: planned, and nothing is done" if one.is_paused else "goes on"
        for kind in ("silent", "unwritten", "unheard"):
            trouble = getattr(one, kind)
            if self._is_new(f"{name} {kind}", trouble):
                yield trouble or f"{_OVER[kind]} again"
        if self._is_new(f"{name} boot", f"{one.boot_s:g}"):
            yield f"planned for launches that take {one.boot_s:g} s"
        yield from self._failures(name)
        if one.plan is None or not one.plan.actions:
            return
        if self._is_new(f"{name} plan", str(one.plan.made_at)):
            yield f"{counts(one)}. {describe(one.plan.decision)}"
            yield from (f"refused: {receipt.detail}" for receipt in one.receipts if receipt.detail)

    def _failures(self, service: str) -> Iterator[str]:
        if self._platform is None:
            return
        for failure in self._platform.failures(service):
            if self._is_new(f"{failure.instance_id} failed", failure.text):
                yield f"{failure.instance_id}: {failure.words}"

    def _is_new(self, what: str, text: str) -> bool:
        before = self._said.get(what, _USUAL.get(what.rsplit(" ", maxsplit=1)[-1], ""))
        self._said[what] = text
        return before != text


_OVER = {
    "silent": "the platform answers",
    "unwritten": "the journal is written",
    "unheard": "demand is read",
}
_USUAL = {"paused": "False"}


def counts(one: ServiceState) -> str:
    """Return what a service's plan makes of its fleet, in words."""
    if one.plan is None:
        return "nothing planned yet"
    done = "" if one.mode == "live" and not one.is_paused else " (not acted upon)"
    return f"{one.plan.serving_count} serving, {one.plan.warm_count} warm{done}"
