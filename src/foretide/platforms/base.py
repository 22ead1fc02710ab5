"""This file knows what every platform promises: to say what runs, and to do one action once."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from foretide.model.fleet import Fleet
from foretide.model.plan import Action


class Outcome(StrEnum):
    """What became of an action."""

    ACCEPTED = "accepted"  # begun; `observe` shows how it goes on
    ALREADY_DONE = "already_done"  # this id was accepted before, or the fleet is there already
    REFUSED = "refused"  # understood, will not be done; asking again is no use


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A platform's answer to one action.

    Parameters
    ----------
    action_id : str
        The id of the action answered.
    outcome : Outcome
        What became of it.
    detail : str
        Why it was refused, in one line; else empty.
    """

    action_id: str
    outcome: Outcome
    detail: str = ""


class Platform(Protocol):
    """The programmable execution service (PES)."""

    def observe(self, service: str) -> Fleet:
        """Return what runs for `service` now.

        Raises
        ------
        PlatformUnavailableError
            When the platform does not answer: the tick plans no removal and asks again later.
        """
        ...

    def apply(self, action: Action) -> Receipt:
        """Begin one action, idempotent by its `action_id`.

        A repeated id is answered `ALREADY_DONE` and changes nothing. An action on an instance
        that is gone is `ALREADY_DONE` for drain and terminate and `REFUSED` for the others.

        Raises
        ------
        PlatformUnavailableError
            When the platform did not answer: it may or may not have begun; retry the same id.
        ActionFailedError
            When it was tried and failed for good: never retry the same id.
        """
        ...
