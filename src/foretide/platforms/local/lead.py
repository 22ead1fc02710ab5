"""This file knows how long instances took to come: from cold, from warm, and to full throughput.

Kept in a file of the root, so that a new control plane plans with what the one before measured.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

from foretide.model.fleet import LeadTimes
from foretide.platforms.local.root import replaced

_KEPT_COUNT = 200
Kind = Literal["boot", "wake", "full"]
_KINDS: tuple[Kind, ...] = ("boot", "wake", "full")
_Kept = dict[str, dict[Kind, list[float]]]


class Leads:
    """The lead times measured lately.

    Parameters
    ----------
    path : Path
        Where they are kept; what cannot be read there is measured anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken: dict[tuple[str, Kind], deque[float]] = {}
        self._is_changed = False
        for service, kinds in _read(path).items():
            for kind, taken in kinds.items():
                self._taken[service, kind] = deque(taken, _KEPT_COUNT)

    def add(self, service: str, kind: Kind, took_s: float) -> None:
        """Keep one measurement, in seconds."""
        taken = self._taken.setdefault((service, kind), deque(maxlen=_KEPT_COUNT))
        taken.append(max(took_s, 0.0))
        self._is_changed = True

    def save(self) -> None:
        """Write down what came since the last time; that it cannot be written is no error."""
        if not self._is_changed:
            return
        kept: _Kept = {}
        for (service, kind), taken in self._taken.items():
            kept.setdefault(service, {})[kind] = list(taken)
        try:
            replaced(self._path, msgspec.json.encode(kept))
            self._is_changed = False
        except OSError:
            pass  # measured again after a restart

    def of(self, service: str) -> LeadTimes:
        """Return the median and the 90 % quantile of each, None where nothing was measured."""
        told: dict[str, float | int] = {}
        for kind in _KINDS:
            taken = sorted(self._taken.get((service, kind), ()))
            if taken:
                told[f"{kind}_p50_s"] = quantile(taken, 0.5)
                told[f"{kind}_p90_s"] = quantile(taken, 0.9)
                told[f"{kind}_count"] = len(taken)
        return msgspec.convert(told, LeadTimes)


def quantile(ordered: list[float], level: float) -> float:
    """Return a quantile of at least one number in ascending order, interpolated linearly."""
    at = level * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _read(path: Path) -> _Kept:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return {}
