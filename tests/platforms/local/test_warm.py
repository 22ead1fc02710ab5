"""A warm instance takes little, comes back at once, and can be told anything twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cases.running import Running, pause, running, until
from foretide.errors import ActionFailedError
from foretide.platforms.local.census import marked, resident_mib, usage
from foretide.platforms.local.identity import Identity, in_group, is_running, stat
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.manifest import Minimal, Needs
from foretide.platforms.local.process import signal_group, signal_leader
from foretide.platforms.local.warm import WarmState, warm_state

_MINIMAL = Minimal(shrink_signal="USR1", grow_signal="USR2")
_NEEDS = Needs(cpu_cores=0.5, memory_mib=128)


@pytest.fixture(params=["groups", "signals"])
def isolation(request: pytest.FixtureRequest) -> Iterator[Isolation]:
    """Return what this machine allows, and what one without control groups does."""
    trees: dict[str, Path] | None = None if request.param == "groups" else {}
    made = Isolation(f"test-{uuid4().hex[:12]}", trees=trees)
    try:
        if trees is None and len(made.notes()) == 3:
            pytest.skip("no control groups can be made here")
        yield made
    finally:
        made.clean()
        assert not any(folder.exists() for folder in made.folders)


def _cpu_s(app: Running) -> float:
    return usage(app.who).cpu_s


def _is_stopped(app: Running) -> bool:
    # by a signal each process is T; in a frozen group none is scheduled, so none answers
    states = {stat(pid)[0] for pid in in_group(app.who.pid)}
    if states == {b"T"}:
        return True
    try:
        app.get("/live", timeout_s=0.2)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("workers", [1, 3])
def test_a_frozen_instance_is_stopped_as_a_whole_and_answers_again(
    tmp_path: Path, isolation: Isolation, workers: int
) -> None:
    frozen = warm_state("frozen", None, isolation)
    limits = isolation.limits("web-1", _NEEDS)
    with running(tmp_path, workers=workers, limits=limits) as app:
        for _ in range(2):
            frozen.hold("web-1", app.who)
            frozen.hold("web-1", app.who)
            until(lambda: _is_stopped(app))
            assert is_running(app.who)
            frozen.grow("web-1", app.who)
            frozen.grow("web-1", app.who)
            assert app.get("/") == "web-1"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_frozen_instance_can_be_ended(
    tmp_path: Path, isolation: Isolation, end: signal.Signals
) -> None:
    frozen = warm_state("frozen", None, isolation)
    limits = isolation.limits("web-1", _NEEDS)
    with running(tmp_path, workers=2, limits=limits) as app:
        frozen.hold("web-1", app.who)
        until(lambda: _is_stopped(app))
        if end is signal.SIGTERM:
            signal_leader(app.who, end)
            frozen.grow("web-1", app.who)
        else:
            signal_group(app.who, end)
        until(lambda: marked(app.root_id) == ())


def test_one_that_ended_frozen_does_not_hold_the_next_of_its_name(
    tmp_path: Path, isolation: Isolation
) -> None:
    for _ in range(2):  # in place, an update starts the new version under the same name
        with running(tmp_path, limits=isolation.limits("web-1", _NEEDS)) as app:
            warm_state("frozen", None, isolation).hold("web-1", app.who)


def test_one_control_plane_wakes_what_another_froze(tmp_path: Path, isolation: Isolation) -> None:
    with running(tmp_path) as app:  # in no group: as if one had been refused then
        signal_group(app.who, signal.SIGSTOP)
        until(lambda: _is_stopped(app))
        warm_state("frozen", None, isolation).grow("web-1", app.who)
        assert app.get("/") == "web-1"


def test_a_minimal_instance_keeps_one_worker_and_grows_while_it_serves(
    tmp_path: Path, isolation: Isolation
) -> None:
    minimal = warm_state("minimal", _MINIMAL, isolation, needs=_NEEDS)
    limits = isolation.limits("web-1", _NEEDS)
    with running(tmp_path, workers=4, memory_mib=40, worker_start_s=0.8, limits=limits) as app:
        serving_mib = resident_mib(app.who)
        assert serving_mib > 160
        first = _worker(app)
        for _ in range(2):
            minimal.hold("web-1", app.who)
            minimal.hold("web-1", app.who)
            until(lambda: usage(app.who).process_count == 2)
            assert resident_mib(app.who) <= 0.30 * serving_mib
            assert app.get("/live")  # it goes on, in the one worker that was not ended
            assert _worker(app) == first
            begun_s = time.perf_counter()
            minimal.grow("web-1", app.who)
            assert app.get("/") == "web-1"
            assert time.perf_counter() - begun_s < 0.8  # before the others have started
            assert not app.is_well("/full")
            minimal.grow("web-1", app.who)
            until(lambda: app.is_well("/full"))
            assert usage(app.who).process_count == 5


def _worker(app: Running) -> int:
    return min(pid for pid in in_group(app.who.pid) if pid != app.who.pid)


@pytest.mark.parametrize("kind", ["frozen", "minimal"])
def test_a_warm_instance_takes_no_processor_time(
    tmp_path: Path, isolation: Isolation, kind: str
) -> None:
    state = _state(kind, isolation)
    limits = isolation.limits("web-1", _NEEDS)
    with running(tmp_path, workers=2, limits=limits) as app:
        state.hold("web-1", app.who)
        if kind == "minimal":
            until(lambda: usage(app.who).process_count == 2)
        pause(0.1)
        before = _cpu_s(app)
        pause(1.0)
        # ticks are hundredths of a second: one is the least that could be seen
        assert _cpu_s(app) - before <= 0.01


@pytest.mark.parametrize("kind", ["frozen", "minimal"])
def test_what_is_gone_is_no_error(isolation: Isolation, kind: str) -> None:
    gone = Identity(pid=2**22 + 1, start_ticks=1)
    state = _state(kind, isolation)
    state.hold("web-1", gone)
    state.grow("web-1", gone)


def test_a_program_that_cannot_shrink_is_not_held_minimal(isolation: Isolation) -> None:
    with pytest.raises(ActionFailedError, match=r"add \[minimal\] to its package.toml"):
        warm_state("minimal", None, isolation)


def _state(kind: str, isolation: Isolation) -> WarmState:
    return warm_state("frozen" if kind == "frozen" else "minimal", _MINIMAL, isolation)
