"""The last words of an instance are kept and can be shown; its log does not fill the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.running import until
from foretide.platforms.local.identity import is_running
from foretide.platforms.local.log import earlier, shortened, tail
from foretide.platforms.local.process import Program, reap, start


def test_no_log_and_an_empty_one_have_no_lines(tmp_path: Path) -> None:
    assert tail(tmp_path / "log", 5) == ()
    (tmp_path / "log").write_text("")
    assert tail(tmp_path / "log", 5) == ()
    assert not shortened(tmp_path / "log")
    assert not shortened(tmp_path / "no")


@given(
    lines=st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=300)),
    count=st.integers(1, 60),
    ends=st.sampled_from(["", "\n"]),
)
def test_the_last_lines_are_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int, ends: str
) -> None:
    log = tmp_path_factory.mktemp("log") / "log"
    text = "\n".join(lines) + ends
    log.write_text(text)
    assert tail(log, count) == tuple(text.splitlines()[-count:])


def test_lines_across_blocks_are_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n:05} {'x' * 90}\n" for n in range(2000)))
    assert [line[:10] for line in tail(log, 300)] == [f"line {n:05}" for n in range(1700, 2000)]


def test_what_would_command_a_terminal_is_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[2Jred\x07\n\xff\xfe\tb\n" + b"y" * 1000 + b"\n")
    red, bytes_, long = tail(log, 3)
    assert red == "\N{REPLACEMENT CHARACTER}[2Jred\N{REPLACEMENT CHARACTER}"
    assert bytes_ == "\N{REPLACEMENT CHARACTER}" * 2 + "\tb"
    assert long == "y" * 397 + "..."


def test_a_log_is_shortened_under_its_writers_hands(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; read _ < go; echo last"
    (tmp_path / "go").touch()
    program = Program(
        command=("/bin/sh", "-c", script), folder=tmp_path, log=log, root_id="r", instance_id="i"
    )
    who = start(program)
    until(lambda: not is_running(who))
    reap(who)
    assert shortened(log, max_bytes=1000)
    assert log.stat().st_size == 0
    assert 900 < earlier(log).stat().st_size <= 1000
    assert tail(log, 3) == ("line 2999", "line 3000", "last")
    who = start(program)
    until(lambda: not is_running(who))
    reap(who)
    assert tail(log, 1) == ("last",)
    assert log.read_text().startswith("line 1\n")  # added from its new beginning, no hole before
