"""A control plane in a process of its own, to be killed: applies what it reads, or ticks.

`python control_plane.py apply ROOT` opens the platform, says `ready`, and applies each line of its
input, an action as JSON, saying the outcome; `apply-bound` binds its instances. `ticking ROOT
EPOCH_S SPEED JOURNAL` begins a process for each line of its input, `moving` or `steady`, and says
its number; that one ticks as often as it can, in a time that runs SPEED times as fast from the wall
clock's EPOCH_S on, for a need that changes every few minutes or stays, and tells each plan as a
line. Forked, not started: what is imported takes longer than a round.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from foretide.control.clock import WallClock
from foretide.model.plan import Action
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService


def say(words: str) -> None:
    """Say a line at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def apply_lines(root: str, *, is_bound: bool = False) -> None:
    services = {"web": LocalService(service="web")}
    platform = LocalPlatform(Path(root), services=services, clock=WallClock(), is_bound=is_bound)
    say("ready")
    decoder = msgspec.json.Decoder(Action)
    for line in sys.stdin:
        receipt = platform.apply(decoder.decode(line))
        say(f"{receipt.outcome} {receipt.detail}".strip())


def begin_ticking(root: str, epoch_s: str, speed: str, journal_path: str) -> None:
    # imported for this alone: the planner takes seconds
    from cases.scripted import SharedClock, tick_on

    clock = SharedClock(float(epoch_s), float(speed))
    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            is_steady = line.strip() == "steady"
            tick_on(Path(root), clock, Path(journal_path), is_steady=is_steady)
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("ended")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "ticking":
        begin_ticking(*words)
    else:
        apply_lines(*words, is_bound=verb == "apply-bound")
