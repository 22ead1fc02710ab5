"""Whoever does the work, every part is done once and comes back in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cases.jobs import die, own_id_or_death, refuse, square, threads
from foretide.control.parts import PART_SERIES, cut, here
from foretide.control.pools import part_map
from foretide.errors import ForetideError, InputError, InvalidValueError


def test_the_cut_depends_on_the_order_alone() -> None:
    assert [list(part) for part in cut(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(cut(range(0), 2)) == []
    assert sum(map(len, cut(range(1001)))) == 1001
    assert len(next(cut(range(1001)))) == PART_SERIES


def test_parts_come_back_in_order() -> None:
    with part_map(workers=2) as mapped:
        assert list(mapped(square, range(40))) == [part * part for part in range(40)]
        assert list(mapped(square, [])) == []
        # begun and left: the next work is not disturbed
        assert next(iter(mapped(square, range(40)))) == 0
        assert set(mapped(threads, range(4))) == {"1"}
    with part_map() as mapped:
        assert mapped is here


def test_a_killed_process_is_replaced_and_its_parts_done_again(tmp_path: Path) -> None:
    mark = str(tmp_path / "died")
    with part_map(workers=2) as mapped:
        found = list(mapped(own_id_or_death, [(part, mark) for part in range(20)]))
        assert [part for part, _ in found] == list(range(20))
        assert os.getpid() not in {process for _, process in found}
        assert Path(mark).exists()
        # and the same processes go on
        assert list(mapped(square, [3])) == [9]


@pytest.mark.slow
def test_a_part_that_kills_every_process_is_given_up() -> None:
    with part_map(workers=2) as mapped, pytest.raises(ForetideError, match="use fewer workers"):
        list(mapped(die, [1]))


def test_an_error_of_the_work_is_raised_here() -> None:
    with part_map(workers=2) as mapped, pytest.raises(InvalidValueError, match="part 3 is refused"):
        list(mapped(refuse, [3]))


@pytest.mark.parametrize(
    ("workers", "scheduler", "said"),
    [(0, "", "--workers 0: must be 1 to 1024"), (2, "tcp://127.0.0.1:1", "drop one")],
)
def test_impossible_hands_are_refused(workers: int, scheduler: str, said: str) -> None:
    with pytest.raises(InputError, match=said), part_map(workers=workers, scheduler=scheduler):
        pass


_PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from foretide.control.pools import part_map
from cases.jobs import hang
if __name__ == "__main__":
    with part_map(workers=2) as mapped:
        for process in mapped(hang, range(2)):
            pass
"""


def is_gone(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True
    return any(line.startswith("State:") and "Z" in line for line in status.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_processes_end_with_the_one_they_work_for(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(_PARENT)
    parent = subprocess.Popen(
        [sys.executable, program, Path(__file__).parents[1]], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    # the pipe closes when the last of them is gone
    assert parent.stdout.read() == ""
    parent.stdout.close()
    assert all(is_gone(child) for child in children)
