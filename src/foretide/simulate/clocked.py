"""This file knows a made platform that keeps up with a clock nobody has to turn."""

from __future__ import annotations

from foretide.model.fleet import Fleet
from foretide.model.instant import Clock
from foretide.model.plan import Action
from foretide.platforms.base import Receipt
from foretide.simulate.world import SimulatedPlatform


class ClockedPlatform:
    """A simulated platform on which as much time has passed as on a clock, whenever it is asked.

    Parameters
    ----------
    made : SimulatedPlatform
        The platform.
    clock : Clock
        Tells what time it is there.
    """

    def __init__(self, made: SimulatedPlatform, clock: Clock) -> None:
        self._made, self._clock = made, clock

    def observe(self, service: str) -> Fleet:
        """Return what runs now."""
        self._made.advance(self._clock.now())
        return self._made.observe(service)

    def apply(self, action: Action) -> Receipt:
        """Begin one action; see `Platform.apply`."""
        self._made.advance(self._clock.now())
        return self._made.apply(action)
