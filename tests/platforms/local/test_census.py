"""Who belongs to a root is found in the system's own list, and so is what it takes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import uuid4

import pytest

from cases.running import running, until
from foretide.platforms.local.census import (
    Usage,
    found,
    marked,
    resident_mib,
    usage,
    usages,
)
from foretide.platforms.local.identity import Identity, is_running
from foretide.platforms.local.process import Program, reap, signal_group, start


def test_each_instance_is_found_once_and_only_by_its_root(tmp_path: Path) -> None:
    root = uuid4().hex
    with (
        running(tmp_path, root_id=root, instance_id="a-1") as first,
        running(tmp_path, root_id=root, instance_id="a-2", workers=3) as second,
        running(tmp_path, instance_id="a-3") as stranger,
    ):
        assert found(root) == {"a-1": first.who, "a-2": second.who}
        assert found(stranger.root_id) == {"a-3": stranger.who}
        everyone = marked(root)
        assert len(everyone) == 1 + 4
        assert [seen.instance_id for seen in everyone if seen.is_leader] == ["a-1", "a-2"]
        assert found(root[:-1]) == found("") == {}


def test_one_that_ended_is_not_found(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        signal_group(app.who, signal.SIGKILL)
        until(lambda: not is_running(app.who))
        assert found(app.root_id) == {}  # not reaped yet


def test_a_program_that_starts_a_session_of_its_own_is_one_instance(tmp_path: Path) -> None:
    root = uuid4().hex
    program = Program(
        command=("/bin/sh", "-c", "setsid sleep 30 & wait"), folder=tmp_path,
        log=tmp_path / "log", root_id=root, instance_id="i-1",
    )  # fmt: skip
    who = start(program)
    try:
        until(lambda: sum(seen.is_leader for seen in marked(root)) == 2)
        assert found(root) == {"i-1": who}
    finally:
        for seen in marked(root):
            os.kill(seen.identity.pid, signal.SIGKILL)
        until(lambda: marked(root) == ())
        reap(who)


def test_memory_and_time_are_those_of_the_whole_group(tmp_path: Path) -> None:
    root = uuid4().hex
    with (
        running(tmp_path, root_id=root, instance_id="a-1", memory_mib=40) as alone,
        running(tmp_path, root_id=root, instance_id="a-2", workers=3, memory_mib=40) as many,
    ):
        both = usages([alone.who, many.who])
        assert both[alone.who].process_count == 1
        assert 40 < both[alone.who].rss_mib < 80
        assert both[many.who].process_count == 4
        assert 120 < both[many.who].rss_mib < 220
        assert usage(many.who).rss_mib == pytest.approx(both[many.who].rss_mib, rel=0.05)
        # what forked processes share is counted once
        assert 120 < resident_mib(many.who) < both[many.who].rss_mib
        before = both[alone.who].cpu_s
        for _ in range(300):
            alone.get("/")
        assert before < usage(alone.who).cpu_s < before + 5


def test_what_is_gone_takes_nothing() -> None:
    gone = Identity(pid=2**22 + 1, start_ticks=1)
    assert usage(gone) == Usage(rss_mib=0, cpu_s=0, process_count=0)
    assert resident_mib(gone) == 0
