"""This file knows whether requests go through HAProxy or by a published list, and why."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from foretide.model.instant import Clock
from foretide.platforms.local.traffic.base import Listen, Traffic
from foretide.platforms.local.traffic.endpoint_list import GRACE_S, EndpointList
from foretide.platforms.local.traffic.haproxy import HaproxyTraffic
from foretide.platforms.local.traffic.places import services_in

# where systems keep it that do not show it to every user
_ALSO_IN = ("/usr/sbin", "/usr/local/sbin")
_OLDEST = (2, 4)


def traffic_for(
    root: Path,
    services: Mapping[str, Listen],
    *,
    clock: Clock,
    is_bound: bool = False,
    grace_s: float = GRACE_S,
) -> Traffic:
    """Return the best way on this machine; `notes` of it says which and why, where it matters.

    Parameters
    ----------
    root : Path
        The platform's folder.
    services : mapping of str to Listen
        Where each service's requests come in; a service that is not named listens nowhere.
    clock : Clock
        Whose time is written into published lists.
    is_bound : bool
        Whether what is started ends with this process.
    grace_s : float
        How long an instance that was taken off a list may still be asked, >= 0.
    """
    lists = EndpointList(root, clock=clock, grace_s=grace_s)
    if not services and not services_in(root):
        return lists
    program, why_not = haproxy()
    if program is None:
        notes = (f"{why_not}; instances are published in {root / 'endpoints'} instead",)
        return EndpointList(root, clock=clock, grace_s=grace_s, notes=notes)
    return HaproxyTraffic(root, services, program=program, is_bound=is_bound, lists=lists)


def haproxy() -> tuple[Path | None, str]:
    """Return where HAProxy is and its version; or None, and why it cannot be used."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ALSO_IN])
    found = shutil.which("haproxy", path=path)
    if found is None:
        return None, "HAProxy is not installed"
    try:
        said = subprocess.run(  # noqa: S603 - asked only what it is
            [found, "-v"], capture_output=True, timeout=5, check=False, text=True
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{found} does not run ({error})"
    version = re.search(r"version (\d+)\.(\d+)\S*", said)
    if version is None:
        return None, f"{found} does not say which version it is"
    if (int(version[1]), int(version[2])) < _OLDEST:
        return None, f"{found} is {version[0]}, older than {'.'.join(map(str, _OLDEST))}"
    return Path(found), version[0]
