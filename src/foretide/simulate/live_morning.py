"""This file knows how a morning is played for real: processes, requests, and the product's loop.

The days before are played on the simulated platform. Its last fleet is then put onto real
processes under the same names, and the live loop goes on where the simulated one ended: with its
forecast, its memory and its journal.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from foretide.control.clock import PacedClock
from foretide.control.loop import LiveService, Loop
from foretide.control.state import LoopState
from foretide.errors import ActionFailedError, InputError
from foretide.model.demand import Demand
from foretide.model.fleet import InstanceState, LeadTimes
from foretide.model.plan import Launch
from foretide.platforms.base import Outcome
from foretide.platforms.local.down import ended
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.base import Listen
from foretide.platforms.local.traffic.choose import traffic_for
from foretide.platforms.local.versions import Versions
from foretide.simulate.morning import START_S, Morning, minute_of, rules_of
from foretide.simulate.morning_record import MorningRecord
from foretide.simulate.play import Moment, Play
from foretide.simulate.record import journal_path
from foretide.simulate.visitors import Tally, Visitors
from foretide.store.journal import FileJournal

PACKAGE = Path(__file__).parent / "shop_server"
_INTERPRETER_S = 0.1  # of an instance's start, before its program begins to count
_FIRST_FLEET_S = 30.0
_LOOK_S = 0.05
_HELD = (InstanceState.WARM, InstanceState.PARKING)
_ANSWER_S = 2.0  # a request without an answer by then has failed
_COUNT_WAIT_S = 0.2  # for the tally of a minute that has just ended


class _Curtain:
    # Before it rises time runs, too: how long the first instances take to start is measured. Then
    # it is the morning's first instant, however long that took.
    def __init__(self, start: datetime, speed: float) -> None:
        self.speed = speed
        self._risen = PacedClock(start, speed)
        self._clock = PacedClock(start - timedelta(seconds=2 * speed * _FIRST_FLEET_S), speed)
        self._clock.begin()

    def now(self) -> datetime:
        return self._clock.now()

    def rise(self) -> None:
        self._risen.begin()
        self._clock = self._risen


class LiveMorning:
    """A morning on real processes, from the first launch until nothing of it is left.

    Parameters
    ----------
    played : Morning
        What is played.
    folder : Path
        Of the demo: the journal goes below it, and all that the platform keeps.

    Raises
    ------
    InputError
        When another demo runs in the folder, or what the platform would keep there is not its own.
    """

    def __init__(self, played: Morning, *, folder: Path) -> None:
        self.played, self.record = played, MorningRecord(played)
        self.service = played.history.series_id
        self.root = _own(folder / "platform")
        self.stop = threading.Event()
        self.journal = journal_path(folder, self.service).with_suffix("")
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parts.close()

    def learn(self) -> Iterator[Moment]:
        """Play the days before on the simulated platform, minute by minute."""
        for old in (self.journal, journal_path(self.journal.parent.parent, self.service)):
            old.unlink(missing_ok=True)
        with FileJournal(self.journal, is_durable=False) as journal:
            self._past = Play(
                self.played.history, scenario=rules_of(self.played),
                capacity_rps=self.played.capacity_rps, journal=journal,
            )  # fmt: skip
            yield from self._past.moments()
        self._past.platform.advance(self.played.start)

    def set_up(self) -> None:
        """Install the shop, and launch what the simulated platform had running at last.

        Raises
        ------
        ActionFailedError
            When an instance does not start.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        content = installed(self.root, PACKAGE)
        Versions(self.root).add(self.service, self._past.policy.version, content.digest)
        self._clock = _Curtain(self.played.start, self.played.speed)
        self._begin_platform()
        self._visitors = self._parts.enter_context(self._calling())
        self._launch_first()
        self._past.outlook.need(self.played.start)  # what it learns once a day takes a moment

    def run(self, published: Callable[[LoopState], None]) -> Tally:
        """Let the morning pass; return what became of its requests.

        Parameters
        ----------
        published : callable
            Told of every heartbeat, after the record has taken it in.

        Raises
        ------
        SourceError
            When the requests came to an end too early.
        """

        def took(state: LoopState) -> None:
            if minute_of(self.played, state.at) >= self.played.minute_count:
                self.stop.set()
            else:
                self._take(state)
            published(state)

        with FileJournal(self.journal) as journal:
            live = LiveService(
                policy=self._past.policy, outlook=self._past.outlook, feed=self,
                platform=self.platform, journal=journal, mode="live", before=self._past.beat,
                lead_times=self.lead_times,
            )  # fmt: skip
            loop = Loop(self._clock, [live], changed=self.platform.changed, published=took)
            try:
                self._visitors.begin()
                self._clock.rise()
                loop.run_until(self.stop)
            finally:
                loop.close()
        last = self._visitors.ended()
        self.record.finish(self._visitors.tallies(self.played.minute_count), last)
        return last

    def demand(self, now: datetime) -> Demand:
        """Return the days before and what was sent of the morning in the minutes before `now`."""
        closed = min(minute_of(self.played, now), self.played.minute_count)
        tallies = self._visitors.tallies(closed - 1, wait_s=_COUNT_WAIT_S)[: max(closed, 0)]
        return self.played.demand(np.diff([one.sent for one in tallies], prepend=0))

    def lead_times(self) -> LeadTimes:
        """Return the lead times measured on the real platform, by the morning's clock."""
        return self.platform.lead_times(self.service)

    def log_lines(self) -> tuple[str, ...]:
        """Return why instances failed, one line each, newest last."""
        return tuple(one.words for one in self.platform.failures(self.service))

    def _take(self, state: LoopState) -> None:
        closed = minute_of(self.played, state.at)
        self.record.take(state.of(self.service), self._visitors.tallies(closed - 1)[:closed])

    def _begin_platform(self) -> None:
        listen = Listen(port=_free_port(), request_timeout_s=_ANSWER_S)
        self._listen = listen
        self._traffic = traffic_for(
            self.root, {self.service: listen}, clock=self._clock, is_bound=True
        )
        self.platform = LocalPlatform(
            self.root,
            services={self.service: LocalService(service=self.service, env=self._env())},
            traffic=self._traffic,
            clock=self._clock,
            is_bound=True,
        )
        self._parts.callback(self.platform.down)

    def _env(self) -> dict[str, str]:
        return {
            # the Python that runs this runs the shop, too
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "SHOP_START_S": str(START_S - _INTERPRETER_S),
            "SHOP_CAPACITY_RPS": f"{self.played.instance_rps:.3f}",
        }

    def _calling(self) -> Visitors:
        is_shared_out = self._traffic.counted(self.service) is not None
        return Visitors(
            self.played.sent_counts.tolist(),
            slot_s=self.played.slot_s,
            address=(self._listen.host, self._listen.port) if is_shared_out else None,
            listing=None if is_shared_out else self.root / "endpoints" / f"{self.service}.json",
            timeout_s=_ANSWER_S,
        )

    def _launch_first(self) -> None:
        first = self._past.platform.actual().instances
        for one in first:
            is_booting = one.state in (InstanceState.REQUESTED, InstanceState.BOOTING)
            is_warm = not one.is_serving_next if is_booting else one.state in _HELD
            receipt = self.platform.apply(
                Launch(
                    action_id=f"{one.instance_id}#first", service=self.service,
                    instance_id=one.instance_id, version=one.version, is_warm=is_warm,
                )
            )  # fmt: skip
            if receipt.outcome is Outcome.REFUSED:
                raise ActionFailedError(f"{one.instance_id} was not launched: {receipt.detail}")
        end_s = time.monotonic() + _FIRST_FLEET_S
        while not self._is_first_ready(len(first)):
            failures = self.log_lines()
            if failures or time.monotonic() > end_s:
                why = failures[-1] if failures else "it took too long"
                raise ActionFailedError(f"the first instances did not start: {why}")
            self.stop.wait(_LOOK_S)

    def _is_first_ready(self, count: int) -> bool:
        fleet = self.platform.observe(self.service)
        return fleet.count(InstanceState.SERVING, InstanceState.WARM) == count


def _own(root: Path) -> Path:
    """Return a platform's folder, in which nothing runs any more; it may be taken away."""
    if root.exists():
        if not (root / "id").is_file():
            raise InputError(f"{root}: is no demo's and would be overwritten; name another --out")
        ended(root)
    return root


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
