"""This file knows what befalls a made platform: drawn from the seed, one generator for each kind.

Nothing is drawn where nothing can go wrong, so that a world without faults is the one it was.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime, timedelta

from foretide.model.fleet import Instance
from foretide.simulate.faults import Faults

_DAY_S = 86_400
_P99 = 2.3263478740408408  # standard normal
_Report = tuple[datetime, tuple[Instance, ...]]


class Mishaps:
    """The bad luck of one service's platform.

    Parameters
    ----------
    faults : Faults
        What may go wrong.
    service : str
        Whose platform it is: another service has other luck.
    """

    def __init__(self, faults: Faults, service: str) -> None:
        self.faults = faults
        self._boots = faults.generator("slow_boots", service)
        self._failures = faults.generator("failed_launches", service)
        self._losses = faults.generator("instance_losses", service)
        self._answers = faults.generator("lost_answers", service)

    def boot(self, usual: timedelta) -> timedelta:
        """Return how long the next launch takes."""
        slow = self.faults.slow_boots
        if slow is None:
            return usual
        spread = math.log(slow.p99_factor) / _P99
        return usual * math.exp(spread * float(self._boots.standard_normal()))

    def is_failing(self) -> bool:
        """Return whether the next launch never becomes ready."""
        failed = self.faults.failed_launches
        return failed is not None and bool(self._failures.random() < failed.fraction)

    def lost(self, running: list[str], passed: timedelta) -> list[str]:
        """Return which of the running instances are lost while this much time passes."""
        losses = self.faults.instance_losses
        if losses is None or not running:
            return []
        chance = -math.expm1(-losses.per_instance_day * passed.total_seconds() / _DAY_S)
        drawn = self._losses.random(len(running))
        return [name for name, luck in zip(running, drawn, strict=True) if luck < chance]

    def answer_is_lost(self) -> tuple[bool, bool]:
        """Return whether the next answer is lost, and whether its action was done all the same."""
        lost = self.faults.lost_answers
        if lost is None or self._answers.random() >= lost.fraction:
            return False, True
        return True, bool(self._answers.random() < 0.5)


class Reports:
    """What a platform shows of its fleet: now and then an old report, or the one before.

    Parameters
    ----------
    faults : Faults
        `late_reports` and `repeated_reports`.
    service : str
        Whose reports they are.
    """

    def __init__(self, faults: Faults, service: str) -> None:
        self._late, self._repeated = faults.late_reports, faults.repeated_reports
        self._lates = faults.generator("late_reports", service)
        self._repeats = faults.generator("repeated_reports", service)
        self._past: deque[_Report] = deque()
        self._shown: _Report | None = None
        self._is_old = False

    @property
    def has_faults(self) -> bool:
        """Whether a report may be another than the fleet of now."""
        return self._late is not None or self._repeated is not None

    def advance(self, before: datetime, now: datetime, was: tuple[Instance, ...]) -> None:
        """Note how the fleet was until `now`, and draw which report the coming instant shows."""
        self._past.append((before, was))
        delay = timedelta(seconds=self._late.delay_s if self._late else 0.0)
        while len(self._past) > 1 and self._past[1][0] <= now - delay:
            self._past.popleft()
        repeats = self._repeated is not None and self._repeats.random() < self._repeated.fraction
        is_late = self._late is not None and self._lates.random() < self._late.fraction
        if repeats and self._shown is not None:
            self._is_old = True
        elif is_late:
            self._shown, self._is_old = self._past[0], True
        else:
            self._is_old = False

    def show(self, now: datetime, instances: tuple[Instance, ...]) -> _Report:
        """Return when what is reported was so, and the instances there were."""
        if not self._is_old or self._shown is None:
            self._shown = (now, instances)
        return self._shown
