"""This file knows what this machine has of what the embedded platform can use, a line for each.

Little is needed. What is not there is worked around, and the line says how, and what would help.
"""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from foretide.errors import ActionFailedError
from foretide.platforms.local.groups import UNIFIED, Groups, own_trees
from foretide.platforms.local.isolation import may_renice
from foretide.platforms.local.ports import Ports
from foretide.platforms.local.traffic.choose import haproxy

_FILES_FEW = 1024  # an instance's log, its port and its end: three each, and a proxy's connections
_TOKEN_BYTES = 8
_DISK_FEW_GIB = 0.1


class Verdict(StrEnum):
    """What became of looking for something."""

    OK = "ok"
    WORKED_AROUND = "worked around"
    MISSING = "missing"  # nothing else does in its place


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one thing.

    Parameters
    ----------
    name : str
        What was looked for.
    verdict : Verdict
        Whether it is there.
    told : str
        What is there, or what is done without it, in one line.
    fix : str
        What a person can do; empty where nothing is to be done.
    """

    name: str
    verdict: Verdict
    told: str
    fix: str = ""


def of_machine(*, trees: Mapping[str, Path] | None = None) -> tuple[Finding, ...]:
    """Return what this machine has, each thing tried and not only looked up.

    Parameters
    ----------
    trees : mapping of Path, optional
        Where control groups may be made; found out where it is not given.
    """
    return (
        _processors(),
        _memory(),
        _noticing(),
        _binding(),
        *_groups(own_trees() if trees is None else trees),
        _priorities(),
        _files(),
        _ports(),
        _traffic(),
    )


def _processors() -> Finding:
    count = len(os.sched_getaffinity(0))
    told = f"{count} core{'s' if count > 1 else ''} for this process and what it starts"
    return Finding(name="processors", verdict=Verdict.OK, told=told)


def _memory() -> Finding:
    kib: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, amount = line.partition(":")
        kib[name] = int(amount.split()[0])
    free, total = kib["MemAvailable"] / 2**20, kib["MemTotal"] / 2**20
    told = f"{free:.1f} GiB free of {total:.1f}"
    return Finding(name="memory", verdict=Verdict.OK, told=told)


def _noticing() -> Finding:
    try:
        handle = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(handle, 0)  # type: ignore[arg-type]
        finally:
            os.close(handle)
    except (AttributeError, OSError) as error:
        return Finding(
            name="noticing",
            verdict=Verdict.MISSING,
            told=f"the end of an instance cannot be noticed (pidfd: {error})",
            fix="use Linux 5.3 or later, and a sandbox that allows pidfd_open",
        )
    told = "the end of an instance is noticed at once (pidfd)"
    return Finding(name="noticing", verdict=Verdict.OK, told=told)


def _binding() -> Finding:
    if shutil.which("setpriv") is None:
        return Finding(
            name="binding",
            verdict=Verdict.WORKED_AROUND,
            told="no setpriv: the demo's instances are ended by its guard alone",
            fix="install util-linux",
        )
    told = "the demo's instances end with it, by the kernel (setpriv) and by a guard"
    return Finding(name="binding", verdict=Verdict.OK, told=told)


def _groups(trees: Mapping[str, Path]) -> Iterator[Finding]:
    groups = Groups(f"doctor-{secrets.token_hex(_TOKEN_BYTES)}", trees, core_count=1)
    try:
        why = _why_no_groups(trees, groups)
        for name, is_there, told, otherwise in (
            (
                "freezing", groups.may_freeze,
                "warm instances are frozen by control group",
                "warm instances are stopped by signals",
            ),
            (
                "cpu groups", groups.may_weigh,
                "instances get their part of busy processors, and are resized in place",
                "instances share processors evenly and cannot be resized in place",
            ),
            (
                "memory groups", groups.may_bound_memory,
                "an instance's memory is held as a whole",
                "each process has a generous bound of its own (prlimit)",
            ),
        ):  # fmt: skip
            if is_there:
                yield Finding(name=name, verdict=Verdict.OK, told=told)
            else:
                yield Finding(
                    name=name, verdict=Verdict.WORKED_AROUND, told=f"{otherwise} ({why})",
                    fix=_DELEGATE,
                )  # fmt: skip
    finally:
        groups.clean()


_DELEGATE = (
    "with cgroup v2, run foretide up as a systemd service with Delegate=yes and KillMode=process"
)


def _why_no_groups(trees: Mapping[str, Path], groups: Groups) -> str:
    if UNIFIED not in trees:
        return "cgroup v2 is not mounted"
    return groups.refusals.get(UNIFIED, "cgroup v2 does not hand it down here")


def _priorities() -> Finding:
    if may_renice():
        told = "a priority that was lowered can be raised again (nice)"
        return Finding(name="priorities", verdict=Verdict.OK, told=told)
    return Finding(
        name="priorities",
        verdict=Verdict.WORKED_AROUND,
        told="a priority once lowered stays low: minimal instances keep theirs",
        fix="allow it: ulimit -e 20, or LimitNICE=0 in a systemd unit",
    )


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = "any number of" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    if soft == resource.RLIM_INFINITY or soft > _FILES_FEW:
        return Finding(name="open files", verdict=Verdict.OK, told=f"{count} at a time")
    return Finding(
        name="open files",
        verdict=Verdict.WORKED_AROUND,
        told=f"{count} at a time: enough for some {soft // 4} instances",
        fix=f"raise it: ulimit -n {min(hard, 65_536) if hard > 0 else 65_536}",
    )


def _ports() -> Finding:
    try:
        port = Ports("0").free(())
    except ActionFailedError as error:
        return Finding(name="ports", verdict=Verdict.MISSING, told=str(error), fix="end some")
    told = f"instances listen on 127.0.0.1 from {port} on"
    return Finding(name="ports", verdict=Verdict.OK, told=told)


def _traffic() -> Finding:
    program, told = haproxy()
    if program is None:
        return Finding(
            name="haproxy",
            verdict=Verdict.WORKED_AROUND,
            told=f"requests reach instances by a published list of addresses ({told})",
            fix="install HAProxy 2.4 or later",
        )
    return Finding(
        name="haproxy", verdict=Verdict.OK, told=f"requests go through {program} ({told})"
    )


def of_folder(name: str, path: Path) -> Finding:
    """Return whether a file or folder can be written, or made where it is not there yet.

    Parameters
    ----------
    name : str
        What it is for.
    path : Path
        Where it is or will be.
    """
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK) or (there != path and not there.is_dir()):
        return Finding(
            name=name,
            verdict=Verdict.MISSING,
            told=f"{path}: {there} cannot be written",
            fix="make it writable, or name another in foretide.toml",
        )
    free_gib = shutil.disk_usage(there).free / 2**30
    told = f"{path}{'' if there == path else ', made when it is needed'}; {free_gib:.1f} GiB free"
    if free_gib < _DISK_FEW_GIB:
        return Finding(
            name=name, verdict=Verdict.MISSING, told=told, fix="free some, or name another disk"
        )
    return Finding(name=name, verdict=Verdict.OK, told=told)


def of_address(name: str, listen: str) -> Finding:
    """Return whether an address where users are to be served is free.

    Parameters
    ----------
    name : str
        What listens there.
    listen : str
        ADDRESS:PORT.
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, int(port)))
        except OSError as error:
            return Finding(
                name=name,
                verdict=Verdict.WORKED_AROUND,
                told=f"{listen}: {error.strerror}: instances are published in a list instead",
                fix="end what listens there, or give another address",
            )
    return Finding(name=name, verdict=Verdict.OK, told=f"{listen} is free")
