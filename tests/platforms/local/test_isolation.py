"""What a machine allows is used, what it does not allow is worked around and said once."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from uuid import uuid4

import pytest

from cases.running import Running, running, until
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.isolation import Isolation, may_renice
from foretide.platforms.local.manifest import Needs

_NEEDS = Needs(cpu_cores=0.5, memory_mib=64)


def _private_mib(app: Running) -> float:
    return resource.prlimit(app.who.pid, resource.RLIMIT_DATA)[0] / 2**20


def test_without_groups_all_is_said_and_processes_are_bounded(tmp_path: Path) -> None:
    isolation = Isolation("r", trees={})
    limits = isolation.limits("web-1", _NEEDS)
    assert (limits.memory_mib, limits.groups) == (4 * 64 + 256, ())
    notes = isolation.notes()
    assert [note.partition(":")[0] for note in notes] == [
        "no control group can be frozen",
        "no control group for processors",
        "no control group for memory",
    ]
    with running(tmp_path, limits=limits) as app:
        why = isolation.resized("web-1", app.who, cpu_cores=1, memory_mib=128)
        assert "processors cannot be given or taken in place" in why
        assert "\n" not in why
        assert _private_mib(app) == 4 * 64 + 256  # nothing was changed
        isolation.forget("web-1")
        isolation.clean()


def _real() -> Isolation:
    isolation = Isolation(f"test-{uuid4().hex[:12]}")
    if len(isolation.notes()) == 3:
        isolation.clean()
        pytest.skip("no control groups can be made here")
    return isolation


def test_an_instance_is_resized_in_place_both_ways(tmp_path: Path) -> None:
    isolation = _real()
    try:
        limits = isolation.limits("web-1", _NEEDS)
        with running(tmp_path, workers=2, limits=limits) as app:
            folder = next((made for made in limits.groups if (made / "cpu.shares").exists()), None)
            for cores, memory_mib in ((2.0, 512.0), (0.25, 32.0), (1.0, 100.0)):
                why = isolation.resized("web-1", app.who, cpu_cores=cores, memory_mib=memory_mib)
                if why.startswith("processors cannot"):
                    pytest.skip(why)
                assert why == ""
                assert _private_mib(app) == 4 * memory_mib + 256
                if folder is not None:
                    assert (folder / "cpu.shares").read_text() == f"{cores * 1024:.0f}\n"
            assert app.get("/") == "web-1"
            for cores, memory_mib in ((0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)):
                assert "more than" in isolation.resized(
                    "web-1", app.who, cpu_cores=cores, memory_mib=memory_mib
                )
            assert "no control group of ours" in isolation.resized(
                "web-2", app.who, cpu_cores=1, memory_mib=64
            )
        gone = isolation.resized("web-1", app.who, cpu_cores=1, memory_mib=64)
        assert gone == "web-1 is gone"
    finally:
        isolation.clean()
    assert not any(folder.exists() for folder in isolation.folders)


def test_what_is_lowered_is_restored_also_by_another_control_plane(tmp_path: Path) -> None:
    root_id = f"test-{uuid4().hex[:12]}"
    first = Isolation(root_id)
    try:
        limits = first.limits("web-1", _NEEDS)
        folder = next((made for made in limits.groups if (made / "cpu.shares").exists()), None)
        if folder is None:
            pytest.skip("no older tree of shares can be written here")
        with running(tmp_path, limits=limits) as app:
            first.lower("web-1", app.who, cpu_cores=0.01, memory_mib=20)
            assert (folder / "cpu.shares").read_text() == "10\n"
            first.restore("web-1", app.who, cpu_cores=9)
            assert (folder / "cpu.shares").read_text() == "512\n"  # it remembers what was given
            first.lower("web-1", app.who, cpu_cores=0.01, memory_mib=20)
            Isolation(root_id).restore("web-1", app.who, cpu_cores=0.5)
            assert (folder / "cpu.shares").read_text() == "512\n"
    finally:
        first.clean()


def test_where_there_are_no_groups_priorities_stand_in(tmp_path: Path) -> None:
    if not may_renice():
        pytest.skip("a priority that is lowered could not be raised again here")
    isolation = Isolation("r", trees={})
    with running(tmp_path, workers=2) as app:
        worker = int(app.get("/pid"))
        isolation.lower("web-1", app.who, cpu_cores=0.01, memory_mib=20)
        isolation.lower("web-1", app.who, cpu_cores=0.01, memory_mib=20)
        assert os.getpriority(os.PRIO_PROCESS, worker) == 15
        isolation.restore("web-1", app.who, cpu_cores=0.5)
        assert os.getpriority(os.PRIO_PROCESS, worker) == 0
        assert os.getpriority(os.PRIO_PROCESS, app.who.pid) == 0


def test_what_is_gone_is_no_error() -> None:
    isolation = Isolation("r", trees={})
    gone = Identity(pid=2**22 + 1, start_ticks=1)
    isolation.lower("web-1", gone, cpu_cores=0.01, memory_mib=20)
    isolation.restore("web-1", gone, cpu_cores=0.5)
    assert isolation.resized("web-1", gone, cpu_cores=1, memory_mib=1) == "web-1 is gone"


def test_an_empty_folder_is_left_by_nobody(tmp_path: Path) -> None:
    isolation = Isolation("r", trees={"unified": tmp_path})
    isolation.limits("web-1", _NEEDS)
    assert (tmp_path / "foretide-r" / "instance-web-1").is_dir()
    isolation.forget("web-1")
    isolation.forget("web-1")
    isolation.limits("web-2", _NEEDS)
    isolation.clean()
    until(lambda: list(tmp_path.iterdir()) == [])
