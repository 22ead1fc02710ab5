"""This file knows what was asked and what was answered, across restarts.

A line is written when an action is begun, before anything is done, and another with the answer. An
action begun and not answered when a process ended is finished by the next.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from foretide.errors import PlatformError, PlatformUnavailableError
from foretide.model.plan import Action, Launch
from foretide.platforms.base import Outcome, Receipt
from foretide.platforms.local.root import replaced, written

_KEPT_COUNT = 5_000  # actions whose answers are remembered: days of a busy service
_LONGEST_COUNT = 4 * _KEPT_COUNT


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    begun: Action | None = None
    answered: Receipt | None = None


class Receipts:
    """The answers given in a root, newest last.

    Parameters
    ----------
    path : Path
        One JSON line for each action begun, and one for each answer.

    Raises
    ------
    PlatformError
        When what is there cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, Receipt] = {}
        self._open: dict[str, Action] = {}
        self._launches: dict[str, Launch] = {}
        self._line_count = 0
        self._encoder = msgspec.json.Encoder()
        self._read()
        self._compact()
        self._handle = self._opened()

    def known(self, action_id: str) -> Receipt | None:
        """Return the answer to an action asked before; None when it was not answered."""
        return self._answers.get(action_id)

    def unanswered(self) -> tuple[Action, ...]:
        """Return what was begun and not answered, in the order in which it was asked."""
        return tuple(self._open.values())

    def launch(self, instance_id: str) -> Launch | None:
        """Return the launch of an instance that was begun not too long ago, by any action."""
        return self._launches.get(instance_id)

    def begin(self, action: Action) -> None:
        """Write down that an action is about to be done.

        Raises
        ------
        PlatformUnavailableError
            When it cannot be written: nothing may be done.
        """
        if action.action_id not in self._open:
            self._append(_Line(begun=action))
            self._keep_open(action)

    def answer(self, receipt: Receipt) -> None:
        """Write down what became of an action.

        Raises
        ------
        PlatformUnavailableError
            When it cannot be written: asked again, it is found done.
        """
        self._append(_Line(answered=receipt))
        self._keep(receipt)
        if self._line_count > _LONGEST_COUNT:
            os.close(self._handle)
            self._compact()
            self._handle = self._opened()

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _append(self, line: _Line) -> None:
        size = os.fstat(self._handle).st_size
        try:
            written(self._handle, self._encoder.encode(line) + b"\n")
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, size)  # half a line would spoil the next
            raise PlatformUnavailableError(
                f"{self._path} cannot be written: {error.strerror}; nothing is done until it can"
            ) from error
        self._line_count += 1

    def _keep_open(self, action: Action) -> None:
        self._open[action.action_id] = action
        if isinstance(action, Launch):
            self._launches[action.instance_id] = action

    def _keep(self, receipt: Receipt) -> None:
        self._open.pop(receipt.action_id, None)
        self._answers[receipt.action_id] = receipt

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise PlatformError(f"{self._path} cannot be read: {error.strerror}") from None
        decoder = msgspec.json.Decoder(_Line)
        for number, text in enumerate(lines, 1):
            if not text.endswith(b"\n"):
                continue  # cut off by a crash: it was not begun
            try:
                line = decoder.decode(text)
            except msgspec.DecodeError as error:
                raise PlatformError(
                    f"{self._path}:{number} is no receipt ({error}); remove the line"
                ) from None
            self._line_count += 1
            if line.begun is not None:
                self._keep_open(line.begun)
            if line.answered is not None:
                self._keep(line.answered)

    def _compact(self) -> None:
        if not self._path.exists():
            return
        newest = list(self._answers.items())[-_KEPT_COUNT:]
        self._answers = dict(newest)
        # one whose answer is forgotten would look begun and not answered
        known = self._answers.keys() | self._open.keys()
        self._launches = {n: a for n, a in self._launches.items() if a.action_id in known}
        lines = [
            _Line(begun=launch)
            for launch in self._launches.values()
            if launch.action_id not in self._open
        ]
        lines += [_Line(answered=receipt) for _, receipt in newest]
        lines += [_Line(begun=action) for action in self._open.values()]
        text = b"".join(self._encoder.encode(line) + b"\n" for line in lines)
        try:
            replaced(self._path, text)
        except OSError as error:
            raise PlatformError(
                f"{self._path} cannot be written: {error.strerror}; free space or make it writable"
            ) from None
        self._line_count = len(lines)

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlatformError(f"{self._path} cannot be written: {error.strerror}") from None


def accepted(action: Action) -> Receipt:
    """Return the answer to an action that was begun."""
    return Receipt(action_id=action.action_id, outcome=Outcome.ACCEPTED)


def already_done(action: Action) -> Receipt:
    """Return the answer to an action that changes nothing any more."""
    return Receipt(action_id=action.action_id, outcome=Outcome.ALREADY_DONE)


def refused(action: Action, reason: str) -> Receipt:
    """Return the answer to an action that will not be done."""
    return Receipt(action_id=action.action_id, outcome=Outcome.REFUSED, detail=reason)
