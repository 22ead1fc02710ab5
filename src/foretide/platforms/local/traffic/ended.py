"""This file knows how a HAProxy is ended, also one that another process has started."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from foretide.platforms.local.identity import Identity, identity, pidfd
from foretide.platforms.local.process import reap, signal_leader
from foretide.platforms.local.traffic.places import place_of, removed, services_in
from foretide.platforms.local.traffic.runtime import Runtime

_FINISHING_S = 1.0  # for requests under way
_KILLED_S = 5.0


def ended(root: Path) -> int:
    """End every HAProxy that a platform in a folder has started, and remove its files.

    Parameters
    ----------
    root : Path
        The platform's folder.

    Returns
    -------
    int
        How many ran.
    """
    return sum(ended_of(root, service) for service in services_in(root))


def ended_of(root: Path, service: str) -> bool:
    """End the HAProxy of one service, remove its files, and return whether it ran."""
    place = place_of(root, service)
    try:
        who = identity(Runtime(place.socket).pid())
    except OSError:
        who = None  # nobody listens
    if who is not None:
        end(who)
    removed(place)
    return who is not None


def end(who: Identity) -> None:
    """End a HAProxy: it lets go of its port at once, and may finish what takes a second."""
    try:
        handle = pidfd(who)
    except ProcessLookupError:
        reap(who)
        return
    try:
        for number, within_s in ((signal.SIGUSR1, _FINISHING_S), (signal.SIGKILL, _KILLED_S)):
            signal_leader(who, number)
            if _is_over(handle, within_s):
                break
    finally:
        os.close(handle)
    reap(who)


def _is_over(handle: int, within_s: float) -> bool:
    watch = select.poll()
    watch.register(handle, select.POLLIN)
    return bool(watch.poll(within_s * 1000))
