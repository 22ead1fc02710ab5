"""This file knows a rival's fleet: instances that boot, serve, and go youngest first."""

from __future__ import annotations

from collections import deque

import numpy as np

from foretide.simulate.counts import Counts


class RivalFleet:
    """The serving and booting instances of one rival, minute by minute.

    Parameters
    ----------
    boot_minutes : int
        Whole minutes from launch to serving.
    minute_count : int
        Length of the trace.
    """

    def __init__(self, *, boot_minutes: int, minute_count: int) -> None:
        self.serving_count = 1
        self.booting_count = 0
        self._boot_minutes = boot_minutes
        self._launches: deque[list[int]] = deque()  # [serves from minute, instances], oldest first
        self._serving = [1] * minute_count
        self._booting = [0] * minute_count

    @property
    def total_count(self) -> int:
        """Instances asked for, serving or booting."""
        return self.serving_count + self.booting_count

    def advance(self, minute: int) -> None:
        """Let what has booted by the start of `minute` serve."""
        while self._launches and self._launches[0][0] <= minute:
            ready = self._launches.popleft()[1]
            self.serving_count += ready
            self.booting_count -= ready

    def resize(self, minute: int, total_count: int) -> None:
        """Launch up to `total_count` at the start of `minute`, or end down to it.

        Booting instances end first, youngest first, as Kubernetes deletes those not ready.
        """
        grown = total_count - self.total_count
        if grown > 0:
            self._launches.append([minute + self._boot_minutes, grown])
            self.booting_count += grown
            return
        surplus = -grown
        while surplus and self._launches:
            ended = min(surplus, self._launches[-1][1])
            self._launches[-1][1] -= ended
            self.booting_count -= ended
            surplus -= ended
            if not self._launches[-1][1]:
                self._launches.pop()
        self.serving_count -= surplus

    def start_serving(self, serving_count: int) -> None:
        """Have `serving_count` instances serve at once: the fleet that was there before."""
        self.serving_count = serving_count

    def record(self, minute: int) -> None:
        """Write down what this minute is billed and served by."""
        self._serving[minute] = self.serving_count
        self._booting[minute] = self.booting_count

    def counts(self) -> Counts:
        """Return what was written down; nothing is ever warm."""
        serving = np.array(self._serving, dtype=np.int64)
        return Counts(
            serving=serving,
            warm=np.zeros_like(serving),
            booting=np.array(self._booting, dtype=np.int64),
        )
