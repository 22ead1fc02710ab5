"""A morning that passes in no time: the live loop on the simulated platform, every call counted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.control.loop import LiveService, Loop
from foretide.control.state import ServiceState
from foretide.model.demand import Demand
from foretide.simulate.morning import Morning
from foretide.simulate.morning_record import MorningRecord
from foretide.simulate.play import Play
from foretide.simulate.visitors import Tally
from foretide.store.journal import MemoryJournal


class Passed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What came of it.

    Parameters
    ----------
    record : MorningRecord
        All minutes.
    state : ServiceState
        As published last.
    """

    record: MorningRecord
    state: ServiceState


class _Clock:
    speed = 120.0

    def __init__(self, start: datetime) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start


class _Sent:
    def __init__(self, played: Morning) -> None:
        self._played = played
        self.tallies: list[Tally] = []

    def demand(self, now: datetime) -> Demand:
        assert now >= self._played.start
        return self._played.demand(np.diff([one.sent for one in self.tallies], prepend=0))

    def send(self, sent: int, capacity: int) -> None:
        last = self.tallies[-1] if self.tallies else None
        served = min(sent, capacity)
        self.tallies.append(
            Tally(
                slot=len(self.tallies),
                sent=sent + (last.sent if last else 0),
                served=served + (last.served if last else 0),
                refused=sent - served + (last.refused if last else 0),
                broken=0,
                lag_s=0.0,
            )
        )


def pass_by(
    played: Morning, *, minutes: int | None = None, skipped: Collection[int] = ()
) -> Passed:
    """Let a morning pass, as far as `minutes`; heartbeats of the `skipped` minutes are left out."""
    record = MorningRecord(played)
    past = Play(
        played.history,
        scenario=record.rules,
        capacity_rps=played.capacity_rps,
        journal=MemoryJournal(),
    )
    for _ in past.moments():
        pass
    past.platform.advance(played.start)
    sent = _Sent(played)
    live = LiveService(
        policy=past.policy,
        outlook=past.outlook,
        feed=sent,
        platform=past.platform,
        journal=MemoryJournal(),
        mode="live",
        before=past.beat,
    )
    loop = Loop(_Clock(played.start), [live])
    state = None
    for minute in range(played.minute_count if minutes is None else minutes):
        now = played.start + timedelta(minutes=minute, seconds=0.5)
        past.platform.advance(now)
        if minute not in skipped:
            state = loop.beat(now).of(past.policy.service)
            record.take(state, tuple(sent.tallies))
        capacity = int(record.serving[minute] * played.instance_rps * played.slot_s)
        sent.send(int(played.sent_counts[minute]), capacity)
    loop.close()
    record.finish(sent.tallies, sent.tallies[-1])
    if state is None:
        raise AssertionError("a morning has a heartbeat")
    return Passed(record=record, state=state)
