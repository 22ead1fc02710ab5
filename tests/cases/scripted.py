"""A control plane that ticks for a need that a script tells; see `control_plane`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from foretide.control.clock import WallClock
from foretide.control.tick import Beat, acted, tick
from foretide.model.instant import bucket_floor
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import Knob
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.store.journal import FileJournal, read_journal

START = datetime(2026, 3, 2, tzinfo=UTC)
# serving and warm instances asked for, one row after the other, a few minutes each
SCRIPT = ((3, 2), (5, 1), (2, 4), (6, 0), (1, 3), (4, 3), (2, 0), (5, 4))
STEADY = (3, 2)
ROW_MINUTES = 3


class SharedClock:
    """A time that runs faster than the machine's, and on when a process is killed."""

    def __init__(self, epoch_s: float, speed: float) -> None:
        self._epoch_s, self._speed, self._wall = epoch_s, speed, WallClock()

    def now(self) -> datetime:
        passed_s = self._wall.now().timestamp() - self._epoch_s
        return START + timedelta(seconds=passed_s * self._speed)


class Script:
    """Asks for what the script says, or always for the same."""

    def __init__(self, *, is_steady: bool) -> None:
        self._is_steady = is_steady

    def wanted(self, now: datetime) -> tuple[int, int]:
        if self._is_steady:
            return STEADY
        minute = int((now - START).total_seconds() // 60)
        return SCRIPT[minute // ROW_MINUTES % len(SCRIPT)]

    def recent(self, now: datetime) -> RecentDemand:
        rps = self.wanted(now)[0] * 8.0
        return RecentDemand(last_rps=rps, previous_rps=rps, age_s=0.0, step_s=60)

    def need(self, now: datetime) -> Need:
        serving, warm = self.wanted(now)
        total = serving + warm
        return Need(
            forecast_id="script", predicted_rps=serving * 8.0, upper_rps=serving * 9.0,
            width_fraction=0.1, width_max_fraction=0.6, serving_up=serving, serving_low=serving,
            total_up=total, total_low=total,
        )  # fmt: skip


def policy() -> ServicePolicy:
    return ServicePolicy(
        service="web", version="v1", curve=linear_curve(10.0), knob=Knob(run_rho=4), boot_s=60.0,
        has_warm_pool=True, max_count=20, is_cost_weighed=False,
    )  # fmt: skip


def tick_on(root: Path, clock: SharedClock, journal_path: Path, *, is_steady: bool) -> None:
    """Tick for ever, telling each plan."""
    services = {"web": LocalService(service="web")}
    platform = LocalPlatform(root, services=services, clock=clock)
    entries = list(read_journal(journal_path)) if journal_path.exists() else []
    if entries:
        acted(platform, entries[-1].plan.actions)  # what the one before had decided last
    beat, last = Beat(), None
    with FileJournal(journal_path, is_durable=True) as journal:
        while True:
            now = bucket_floor(clock.now(), 60)
            if now == last:
                time.sleep(0.002)
                continue
            last = now
            beat = tick(
                now, policy=policy(), platform=platform, outlook=Script(is_steady=is_steady),
                journal=journal, before=beat, is_acting=True,
            )  # fmt: skip
            sys.stdout.write(f"{told(beat)}\n")
            sys.stdout.flush()


def told(beat: Beat) -> str:
    """Return one line of JSON for a tick."""
    if beat.plan is None or beat.fleet is None:
        return "{}"
    return json.dumps({
        "serving": beat.plan.serving_count,
        "warm": beat.plan.warm_count,
        "action_count": len(beat.plan.actions),
        "refused": [one.detail for one in beat.receipts if one.outcome == "refused"],
        "states": {i.instance_id: i.state for i in beat.fleet.instances},
    })  # fmt: skip
