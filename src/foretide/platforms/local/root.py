"""This file knows the folder a platform lives in, and that it has one owner at a time.

Nothing here is forced to the disk: what is written must outlive this process, and it does; when the
machine stops its instances stop too, and there is nothing left to tell of.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import select
import time
from pathlib import Path
from typing import Self

from foretide.errors import InputError
from foretide.platforms.local.identity import identity, is_running

_FOLDERS = ("instances", "logs", "content", "nodes", "traffic", "endpoints")
_LEFT_BEHIND_S = 5.0


class Root:
    """A platform's folder, owned until it is closed.

    Parameters
    ----------
    path : Path
        Made when absent, readable by its owner alone.

    Raises
    ------
    InputError
        When another process owns it, or it cannot be written: which, and what to do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(self.path)
        except OSError as error:
            raise unwritable(self.path, error) from None
        try:
            for name in _FOLDERS:
                (self.path / name).mkdir(exist_ok=True, mode=0o700)
            self.id = _id(self.path)
        except OSError as error:
            self.close()
            raise unwritable(self.path, error) from None

    def log(self, instance_id: str) -> Path:
        """Return where all an instance prints is added."""
        return self.path / "logs" / f"{instance_id}.log"

    def close(self) -> None:
        """Let another process own the folder; the system does so too when this one ends."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unwritable(path: Path, error: OSError) -> InputError:
    """Return the one line that says why a platform's folder cannot be used."""
    if error.errno == errno.ENOSPC:
        return InputError(f"{path}: no space left on its disk; free some, or give another folder")
    return InputError(
        f"{path} cannot be the platform's folder: {error.strerror}; "
        "make it writable, or give another folder"
    )


def replaced(path: Path, content: bytes) -> None:
    """Give a file new content wholly or not at all, readable by its owner alone.

    Raises
    ------
    OSError
        When it cannot be written: it is as it was.
    """
    aside = path.with_name(f".{path.name}.aside")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written(handle, content)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    aside.replace(path)


def written(handle: int, content: bytes) -> None:
    """Write all of `content`: a disk that fills up may take a part and say no only then.

    Raises
    ------
    OSError
        When not all of it could be written.
    """
    while content:
        content = content[os.write(handle, content) :]


def _locked(path: Path) -> int:
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, path)
        os.ftruncate(handle, 0)
        written(handle, b"%d\n" % os.getpid())
    except (OSError, InputError):
        os.close(handle)
        raise
    return handle


def _take(handle: int, path: Path) -> None:
    # An owner that is killed while it starts a process has its lock for as long as that process has
    # not become the program, which is told by the lock's owner being gone.
    limit_s = time.monotonic() + _LEFT_BEHIND_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 32, 0).decode(errors="replace").strip()
            if not owner.isdecimal() or _runs(int(owner)) or time.monotonic() > limit_s:
                whose = f"by process {owner}" if owner else "by another process"
                raise InputError(
                    f"{path} is in use {whose}; end that one first, or give another folder"
                ) from None
            select.select([], [], [], 0.005)
        else:
            return


def _runs(pid: int) -> bool:
    try:
        return is_running(identity(pid))
    except ProcessLookupError:
        return False


def _id(path: Path) -> str:
    at = path / "id"
    try:
        known = at.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        known = ""
    if not known:
        known = secrets.token_hex(8)
        replaced(at, f"{known}\n".encode())
    return known
