"""The loop and the commands beside it: one loop at a time, pauses that last, a whole state."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from foretide.control.board import Board
from foretide.control.state import LoopState, ServiceState
from foretide.errors import InputError, InvalidValueError, PlatformError

STATE = LoopState(
    at=datetime(2026, 3, 2, tzinfo=UTC), beat_count=3,
    services=(ServiceState(service="web", mode="live"),),
)  # fmt: skip


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "root")


def test_what_was_never_used_is_empty_and_leaves_nothing(board: Board, tmp_path: Path) -> None:
    assert board.state() is None
    assert board.owner() is None
    assert board.paused() == frozenset()
    assert not board.resume("web")
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_read_as_it_was_published(board: Board) -> None:
    board.publish(STATE)
    assert board.state() == STATE
    assert STATE.of("web").mode == "live"
    with pytest.raises(InvalidValueError, match="service must be one of web"):
        STATE.of("x")


def test_only_the_owner_may_read_it(board: Board, tmp_path: Path) -> None:
    board.publish(STATE)
    board.pause("web")
    for path in (tmp_path / "root").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_state_of_another_version_is_told_in_one_line(board: Board, tmp_path: Path) -> None:
    board.publish(STATE)
    (tmp_path / "root/loop/state.json").write_text('{"at": 3}', encoding="utf-8")
    with pytest.raises(PlatformError, match="was written by another version"):
        board.state()


def test_that_a_state_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file", encoding="utf-8")
    Board(tmp_path / "root").publish(STATE)
    with (
        pytest.raises(InputError, match="make it writable, or give another"),
        Board(tmp_path / "root").taken(),
    ):
        pass


def test_a_pause_is_said_once_and_outlives_whoever_said_it(board: Board, tmp_path: Path) -> None:
    assert board.pause("web")
    assert not board.pause("web")
    assert Board(tmp_path / "root").paused() == {"web"}
    assert Board(tmp_path / "root").resume("web")
    assert board.paused() == frozenset()


def test_one_loop_runs_at_a_time_and_its_process_is_named(board: Board, tmp_path: Path) -> None:
    with board.taken():
        assert Board(tmp_path / "root").owner() == os.getpid()
        with (
            pytest.raises(InputError, match=rf"runs here already \(process {os.getpid()}\)"),
            Board(tmp_path / "root").taken(),
        ):
            pass
    assert board.owner() is None
    with board.taken():
        pass


def test_a_loop_that_was_killed_holds_nothing(board: Board, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from foretide.control.board import Board\n"
        "with Board(Path(sys.argv[1])).taken():\n    print('held', flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "root")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert board.owner() == holder.pid
        holder.kill()
        holder.wait()
    assert board.owner() is None
    with board.taken():
        pass
