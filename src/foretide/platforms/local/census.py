"""This file knows which processes of a root there are, and what they take.

What is read here is the system's own list, /proc: it knows a process that was started in the
instant before its record was written, and does not know one that ended unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from foretide.platforms.local.identity import (
    INSTANCE_VARIABLE,
    ROOT_VARIABLE,
    Identity,
    identity,
    in_group,
    is_running,
    pids,
    stat,
    variables,
)

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """A process that carries a root's mark.

    Parameters
    ----------
    identity : Identity
        Which process.
    instance_id : str
        The instance it belongs to; empty for what serves the root itself, such as its proxy.
    is_leader : bool
        Whether it was started by us; the others were started by such a one.
    """

    identity: Identity
    instance_id: str
    is_leader: bool


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a program and all it started in its group take.

    Parameters
    ----------
    rss_mib : float
        Resident memory; what processes share is counted for each of them.
    cpu_s : float
        Processor time since the start, of processes that were waited for too.
    process_count : int
        How many processes there are; 0 when all are gone.
    """

    rss_mib: float
    cpu_s: float
    process_count: int


def marked(root_id: str) -> tuple[Marked, ...]:
    """Return every running process with this root's mark, oldest first."""
    mark = f"\0{ROOT_VARIABLE}={root_id}\0".encode()
    all_marked = [seen for pid in pids() if (seen := _marked(pid, mark)) is not None]
    return tuple(sorted(all_marked, key=lambda seen: seen.identity.start_ticks))


def found(root_id: str) -> dict[str, Identity]:
    """Return the running leader of each instance of this root, by instance.

    Parameters
    ----------
    root_id : str
        The root's own token.

    Returns
    -------
    dict of Identity
        By instance id; where a program started sessions of its own, the oldest.
    """
    leaders: dict[str, Identity] = {}
    for seen in marked(root_id):
        if seen.is_leader and seen.instance_id:
            leaders.setdefault(seen.instance_id, seen.identity)
    return leaders


def usages(leaders: Iterable[Identity]) -> dict[Identity, Usage]:
    """Return what each of several programs takes, in one walk over all processes."""
    wanted = {who.pid: who for who in leaders}
    mib, ticks, count = (dict.fromkeys(wanted, 0.0) for _ in range(3))
    for pid in pids():
        try:
            fields = stat(pid)
        except ProcessLookupError:
            continue
        group = int(fields[2])
        if group not in wanted or fields[0] == b"Z":
            continue
        mib[group] += int(fields[21]) * _PAGE_MIB
        ticks[group] += sum(int(field) for field in fields[11:15])
        count[group] += 1
    return {
        who: Usage(rss_mib=mib[pid], cpu_s=ticks[pid] / _TICKS_PER_S, process_count=int(count[pid]))
        for pid, who in wanted.items()
    }


def usage(leader: Identity) -> Usage:
    """Return what a program and all it started in its group take."""
    return usages([leader])[leader]


def resident_mib(leader: Identity) -> float:
    """Return the resident memory of a group, what its processes share counted once.

    Dearer than `usage` by a walk over each process's pages: for measuring, not for every minute.

    Returns
    -------
    float
        Proportional set size in MiB; where the system does not tell it, `usage`'s.
    """
    try:
        return sum(_proportional_mib(pid) for pid in in_group(leader.pid))
    except OSError:
        return usage(leader).rss_mib


def _marked(pid: int, mark: bytes) -> Marked | None:
    told = variables(pid)
    if mark not in told:
        return None
    key = f"\0{INSTANCE_VARIABLE}=".encode()
    instance_id = told.partition(key)[2].partition(b"\0")[0].decode(errors="replace")
    try:
        who, session = identity(pid), int(stat(pid)[3])
    except ProcessLookupError:
        return None
    if not is_running(who):
        return None
    return Marked(identity=who, instance_id=instance_id, is_leader=session == pid)


def _proportional_mib(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it ended since
    kib = rollup.partition(b"\nPss:")[2].split(maxsplit=1)[0]
    return int(kib) / 1024
