"""This file knows how one process is told apart from all others, also by who is not its parent.

A pid together with the tick at which it began names one process for as long as the machine runs.
What its environment says of whose it is is found in the system's own list, /proc.
"""

from __future__ import annotations

import os

import msgspec

ROOT_VARIABLE = "FORETIDE_ROOT"  # whose process it is
INSTANCE_VARIABLE = "FORETIDE_INSTANCE"
_GONE_STATES = frozenset({b"Z", b"X"})
_CHUNK_BYTES = 2**15  # more than almost any environment


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which process it is: pids are given again, a pid with its start is not.

    Parameters
    ----------
    pid : int
        Its number, which is its process group's and its session's too.
    start_ticks : int
        When it began, in clock ticks since the machine started.
    """

    pid: int
    start_ticks: int


def identity(pid: int) -> Identity:
    """Return which process has the number `pid` now.

    Raises
    ------
    ProcessLookupError
        When none has.
    """
    return Identity(pid=pid, start_ticks=int(stat(pid)[19]))


def stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third, the state, on.

    Raises
    ------
    ProcessLookupError
        When there is no such process.
    """
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProcessLookupError(f"no process {pid}") from None
    try:
        # the second field is the program's name, which may hold anything, even ") "
        return os.read(handle, 4096).rpartition(b") ")[2].split()
    finally:
        os.close(handle)


def is_running(who: Identity) -> bool:
    """Return whether this process still runs; one that ended and was not reaped does not."""
    try:
        fields = stat(who.pid)
    except ProcessLookupError:
        return False
    return int(fields[19]) == who.start_ticks and fields[0] not in _GONE_STATES


def pidfd(who: Identity) -> int:
    """Open a file descriptor that becomes readable when the process ends; the caller closes it.

    Raises
    ------
    ProcessLookupError
        When it is gone.
    """
    handle = os.pidfd_open(who.pid)
    try:
        if identity(who.pid) == who:
            return handle
    except ProcessLookupError:
        pass
    os.close(handle)
    raise ProcessLookupError(f"process {who.pid} is gone")


def variables(pid: int) -> bytes:
    """Return the environment a process was started with, a zero byte around each variable.

    Returns
    -------
    bytes
        Empty where the process is gone, or another user's.
    """
    try:
        handle = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        told = b"\0"
        while chunk := os.read(handle, _CHUNK_BYTES):
            told += chunk
        return told + b"\0"
    except OSError:
        return b""
    finally:
        os.close(handle)


def pids() -> list[int]:
    """Return the numbers of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - hot


def in_group(pid: int) -> list[int]:
    """Return the numbers of the running processes of the group that was begun by `pid`."""
    members: list[int] = []
    for other in pids():
        try:
            fields = stat(other)
        except ProcessLookupError:
            continue
        if int(fields[2]) == pid and fields[0] not in _GONE_STATES:
            members.append(other)
    return members
