"""This file knows how much of a node's link was in use, minute by minute, and keeps it.

A minute is one of the platform's clock, which may run faster than life; what share of the link was
used in it is measured in seconds of life.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from foretide.errors import PlatformError
from foretide.model.demand import Demand
from foretide.model.instant import EPOCH

STEP_S = 60
KEPT_MINUTES = 8 * 7 * 1440  # what a forecast may learn from


class LinkUse:
    """The use of one link, as shares of it in [0, 1] by the minute.

    Parameters
    ----------
    path : Path
        Where it is kept: a line "minute since the epoch, share" for each. A line that cannot be
        read is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._minutes: deque[tuple[int, float]] = deque(_kept(path), maxlen=KEPT_MINUTES)
        self._minute: int | None = None
        self._used_s = self._passed_s = 0.0

    def note(self, now: datetime, used_fraction: float, passed_s: float) -> None:
        """Note that a share of the link was used for so many seconds of life, up to `now`.

        Parameters
        ----------
        now : datetime
            By the platform's clock.
        used_fraction : float
            In [0, 1].
        passed_s : float
            > 0.

        Raises
        ------
        PlatformError
            When a full minute cannot be written down.
        """
        minute = int((now - EPOCH) // timedelta(seconds=STEP_S))
        if self._minute is not None and minute > self._minute:
            self._close(self._minute)
        if self._minute is None or minute > self._minute:
            self._minute = minute
        self._used_s += used_fraction * passed_s
        self._passed_s += passed_s

    def latest(self) -> float:
        """Return the share in use in this minute so far, or in the last; 0 when none was seen."""
        if self._passed_s > 0:
            return self._used_s / self._passed_s
        return self._minutes[-1][1] if self._minutes else 0.0

    def series(self, node_id: str) -> Demand | None:
        """Return the shares of all minutes that are over, NaN where none was measured.

        None before the first.
        """
        if not self._minutes:
            return None
        first, last = self._minutes[0][0], self._minutes[-1][0]
        values = np.full(last - first + 1, math.nan)
        for minute, used in self._minutes:
            values[minute - first] = used
        start = EPOCH + timedelta(seconds=STEP_S * first)
        return Demand(series_id=node_id, start=start, step_s=STEP_S, values=values)

    def _close(self, minute: int) -> None:
        used = round(min(1.0, self._used_s / self._passed_s), 4)
        self._used_s = self._passed_s = 0.0
        self._minutes.append((minute, used))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{minute},{used}\n")
        except OSError as error:
            raise PlatformError(f"{self._path}: {error.strerror}; make it writable") from None


def _kept(path: Path) -> list[tuple[int, float]]:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    known = dict(found for line in lines if (found := _minute_in(line)))
    newest = max(known, default=0)
    return sorted((m, used) for m, used in known.items() if m > newest - KEPT_MINUTES)


def _minute_in(line: str) -> tuple[int, float] | None:
    minute, _, used = line.partition(",")
    try:
        found = int(minute), float(used)
    except ValueError:
        return None
    return found if found[0] >= 0 and 0 <= found[1] <= 1 else None
