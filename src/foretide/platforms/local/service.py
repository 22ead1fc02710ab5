"""This file knows what the embedded platform is told of a service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class LocalService(msgspec.Struct, frozen=True, kw_only=True):
    """A service whose instances are processes of this machine.

    Parameters
    ----------
    service : str
        Its name.
    warm : {"frozen", "minimal"}
        How its warm instances are held: stopped, or shrunk to one worker.
    env : mapping of str
        Variables for its instances, over those of the package.
    """

    service: str
    warm: Literal["frozen", "minimal"] = "frozen"
    env: Mapping[str, str] = {}
