"""This file knows how the live loop and the commands beside it tell each other things.

A few files in one folder, readable by their owner alone: the state after the last heartbeat, one
empty file for each paused service, and a lock that is held while a loop runs. A pause needs no loop
and outlives one.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from foretide.control.state import LoopState
from foretide.errors import InputError, PlatformError

_STATE, _PAUSED, _LOCK = "state.json", "paused", "lock"


class Board:
    """What is pinned up beside the loop of one root.

    Parameters
    ----------
    root : Path
        The platform's folder; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "loop"
        self._encoder = msgspec.json.Encoder()

    @contextmanager
    def taken(self) -> Generator[None]:
        """Hold the lock: one loop runs at a time.

        Raises
        ------
        InputError
            When another loop runs, naming its process, or the folder cannot be written.
        """
        self._make(self._folder)
        handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _locked(handle):
                raise InputError(
                    f"{self._root}: `foretide up` runs here already (process {self.owner()}); "
                    "end that one first, or give another [local] root"
                )
            os.ftruncate(handle, 0)
            os.write(handle, b"%d\n" % os.getpid())
            yield
            os.ftruncate(handle, 0)
        finally:
            os.close(handle)

    def owner(self) -> int | None:
        """Return the process of the loop that runs; None while none does."""
        try:
            handle = os.open(self._folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.read(handle, 32).strip()
            return int(written) if written.isdigit() else 0
        finally:
            os.close(handle)
        return None

    def publish(self, state: LoopState) -> None:
        """Replace the state that others see; that it cannot be written stops nothing."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = self._folder / f".{_STATE}.aside"
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(self._encoder.encode(state))
            aside.replace(self._folder / _STATE)

    def state(self) -> LoopState | None:
        """Return the state after the last heartbeat; None when there never was one.

        Raises
        ------
        PlatformError
            When what is there cannot be read.
        """
        path = self._folder / _STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=LoopState)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PlatformError(f"{path}: {error.strerror}; make it readable") from None
        except msgspec.DecodeError as error:
            raise PlatformError(
                f"{path} was written by another version ({error}); run `foretide up` anew"
            ) from None

    def pause(self, service: str) -> bool:
        """Suspend acting for a service; return whether it was not paused before."""
        path = self._folder / _PAUSED / service
        if path.exists():
            return False
        self._make(path.parent)
        path.touch(mode=0o600)
        return True

    def resume(self, service: str) -> bool:
        """Let a service be acted upon again; return whether it was paused."""
        path = self._folder / _PAUSED / service
        is_there = path.exists()
        path.unlink(missing_ok=True)
        return is_there

    def paused(self) -> frozenset[str]:
        """Return the paused services."""
        try:
            return frozenset(path.name for path in (self._folder / _PAUSED).iterdir())
        except OSError:
            return frozenset()

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise InputError(
                f"{folder}: {error.strerror}; make it writable, or give another [local] root"
            ) from None


def _locked(handle: int) -> bool:
    """Return whether the lock is ours; one who only looks whether it is held has it for a blink."""
    blink = threading.Event()
    for _ in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            blink.wait(0.02)
        else:
            return True
    return False
