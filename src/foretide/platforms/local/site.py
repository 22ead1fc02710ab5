"""This file knows the parts of one embedded platform, as everything an instance goes through needs.

What happens to an instance is told in `boot`, `parking` and `ending`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from foretide.model.instant import Clock
from foretide.platforms.local.contents import Contents
from foretide.platforms.local.doors import Doors
from foretide.platforms.local.failures import Failures
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.keeper import Keeper
from foretide.platforms.local.lead import Leads
from foretide.platforms.local.lives import Lives
from foretide.platforms.local.nodes import Nodes
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.ports import Ports
from foretide.platforms.local.root import Root
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.warmth import Warmth


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The parts of one platform.

    Parameters
    ----------
    root : Root
    services : mapping of LocalService
        By name.
    lives : Lives
        The instances as they stand.
    keeper : Keeper
        Where what takes time is done.
    doors : Doors
        Who gets requests.
    contents : Contents
        What versions are.
    nodes : Nodes
        Where there is room.
    isolation : Isolation
        What keeps instances apart.
    warmth : Warmth
        How warm instances are held.
    failures, leads, ports, notes
        What is remembered.
    clock : Clock
        The platform's time.
    changed : threading.Event
        Set when an instance is ready or was lost.
    is_bound : bool
        Whether instances end with this process.
    """

    root: Root
    services: Mapping[str, LocalService]
    lives: Lives
    keeper: Keeper
    doors: Doors
    contents: Contents
    nodes: Nodes
    isolation: Isolation
    warmth: Warmth
    failures: Failures
    leads: Leads
    ports: Ports
    notes: Notes
    clock: Clock
    changed: threading.Event
    is_bound: bool
