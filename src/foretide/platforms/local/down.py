"""This file knows how everything that a root ever started is ended, so that nothing is left."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from foretide.platforms.local.census import Marked, marked
from foretide.platforms.local.identity import Identity, pidfd
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.process import reap, signal_group, signal_leader
from foretide.platforms.local.root import Root
from foretide.platforms.local.traffic.ended import ended as traffic_ended

_GRACE_S, _KILLED_WITHIN_S = 5.0, 10.0
_SWEEPS_COUNT = 10  # what was about to start something while it was killed is found by the next


def ended(path: Path) -> tuple[str, ...]:
    """End all that the platform in a folder ever started, without a platform.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    tuple of str
        The instances that ran, oldest first.

    Raises
    ------
    InputError
        When a control plane still owns the folder: end that first.
    """
    with Root(path) as root:
        traffic_ended(root.path)
        isolation = Isolation(root.id)
        return ended_in(root, isolation=isolation)


def ended_in(root: Root, *, isolation: Isolation) -> tuple[str, ...]:
    """End all instances of a root that is owned, forget them, and return those that ran.

    A second look finds what a program started in the instant in which it was ended.
    """
    names: dict[str, None] = {}
    for _ in range(_SWEEPS_COUNT):
        seen = [one for one in marked(root.id) if one.instance_id]
        if not seen:
            break
        is_first = not names
        names.update(dict.fromkeys(one.instance_id for one in seen))
        for one in seen:
            isolation.freeze(one.instance_id, is_frozen=False)
        _end(seen, grace_s=_GRACE_S if is_first else 0.0)
    for path in (root.path / "instances").glob("*.json"):
        path.unlink(missing_ok=True)
    isolation.clean()
    return tuple(names)


def _end(seen: list[Marked], *, grace_s: float) -> None:
    everyone = [one.identity for one in seen]
    if grace_s > 0:
        for one in seen:
            if one.is_leader:
                signal_leader(one.identity, signal.SIGTERM)
        for who in everyone:
            signal_leader(who, signal.SIGCONT)
        _wait(everyone, within_s=grace_s)
    for one in seen:
        signal_leader(one.identity, signal.SIGKILL)
        if one.is_leader:
            signal_group(one.identity, signal.SIGKILL)
    _wait(everyone, within_s=_KILLED_WITHIN_S)
    for who in everyone:
        reap(who)


def _wait(everyone: Iterable[Identity], *, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    watched = select.poll()
    handles = set[int]()
    try:
        for who in everyone:
            try:
                handle = pidfd(who)
            except ProcessLookupError:
                continue
            handles.add(handle)
            watched.register(handle, select.POLLIN)
        while handles and (left_s := until_s - time.monotonic()) > 0:
            for handle, _ in watched.poll(left_s * 1000):
                watched.unregister(handle)
                handles.remove(handle)
                os.close(handle)
    finally:
        for handle in handles:
            os.close(handle)
