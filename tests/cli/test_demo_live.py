"""`foretide demo`: real processes are sent real requests, and nothing of them is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import httpx
import msgspec
import pytest

from foretide.serve.shown import Shown
from foretide.simulate.live_morning import LiveMorning
from foretide.simulate.morning import morning
from foretide.simulate.record import read_summaries

pytestmark = pytest.mark.slow

# The minutes around the newsletter: instances are launched, promoted and parked in all haste.
_PART = ("--skipped", "230", "--minutes", "30")


class _Demo:
    """A demo that runs, in a folder of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "foretide", "demo", "--out", "demo", *_PART, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def until(self, pattern: str) -> str:
        """Return the first line from now on that holds the pattern."""
        for line in self._output():
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"{pattern} was not said:\n{''.join(self.lines)}")

    def rest(self) -> str:
        """Return all it said, once it has ended."""
        self.lines += self._output()
        self.process.wait(30)
        return "".join(self.lines)

    def left(self) -> list[str]:
        """Return the processes of this demo that run, but for itself."""
        return [
            line for one in Path("/proc").glob("[0-9]*")
            if int(one.name) != self.process.pid and (line := _line(one, self.folder))
        ]  # fmt: skip

    def _output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout


def _line(process: Path, folder: Path) -> str:
    """Return a process's command when it runs and belongs to what is played in a folder."""
    try:
        if re.search(r"^State:\s+[ZX]", (process / "status").read_text(), re.MULTILINE):
            return ""
        words = (process / "cmdline").read_bytes().decode().replace("\0", " ")
        return words if str(folder) in f"{words} {(process / 'cwd').readlink()}" else ""
    except OSError:  # it ended while it was looked at
        return ""


@pytest.fixture
def start(tmp_path: Path) -> Generator[Callable[..., _Demo]]:
    """Return a function that starts the demo; whatever is left of it is killed in the end."""
    started: list[_Demo] = []

    def begin(*words: str) -> _Demo:
        started.append(_Demo(tmp_path, *words))
        return started[-1]

    yield begin
    for demo in started:
        demo.process.kill()
        demo.process.communicate()
    for one in Path("/proc").glob("[0-9]*"):
        if _line(one, tmp_path):
            os.kill(int(one.name), signal.SIGKILL)


def test_a_morning_is_played_for_real(start: Callable[..., _Demo]) -> None:
    demo = start()
    folder = demo.folder
    address = demo.until("^open http").split()[1]
    demo.until("0% played.*requests")
    assert "content-security-policy" in httpx.get(address).headers
    told = _told(address)
    assert "serving" in {cell.state for cell in told.cells}
    words = demo.rest()
    assert demo.process.returncode == 0, words
    assert demo.left() == []
    sent, failed = map(_number, re.findall(r"of ([\d,]+) requests ([\d,]+) failed", words)[0])
    assert sent > 2000
    assert failed < 0.2 * sent  # however busy this machine is
    assert re.search(r"[1-9]\d* launched, [1-9]\d* promoted", words)
    assert "promote to serving: 9 of 10 within" in words
    summary = read_summaries(folder / "demo")[""].series[0]
    assert summary.series_id == "shop"
    for name in ("report.html", "live.html", "journal/shop.jsonl"):
        assert (folder / "demo" / name).stat().st_size > 1000
    _replays(folder)


def _told(address: str) -> Shown:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        answer = httpx.get(address + "state.json")
        if answer.status_code == 200:
            told = msgspec.json.decode(answer.content, type=Shown)
            if told.served_count:
                return told
        time.sleep(0.2)
    raise AssertionError("nothing was told")


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _replays(folder: Path) -> None:
    command = [sys.executable, "-m", "foretide", "replay", "demo"]
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "all equal" in again.stdout, again.stdout + again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_leaves_no_orphan(
    start: Callable[..., _Demo], number: signal.Signals
) -> None:
    demo = start("--no-page")
    demo.until(r"\d% played.*requests.*instances S")
    assert len(demo.left()) > 5
    demo.process.send_signal(number)
    demo.process.wait(15)
    end_s = time.monotonic() + 5
    while demo.left() and time.monotonic() < end_s:
        time.sleep(0.05)
    assert demo.left() == []
    if number is not signal.SIGKILL:
        assert demo.process.returncode == 130
        assert demo.rest().endswith("stopped; nothing that it started is left running\n")


def test_without_a_proxy_the_published_list_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = (None, "HAProxy is not installed")
    monkeypatch.setattr("foretide.platforms.local.traffic.choose.haproxy", lambda: why)
    with LiveMorning(morning(minutes=6, skipped=230), folder=tmp_path) as live:
        for _ in live.learn():
            pass
        live.set_up()
        last = live.run(lambda _: None)
        notes = live.platform.notes()
    assert last.sent == live.played.sent_counts.sum()
    assert last.served > 0.8 * last.sent
    assert any("HAProxy is not installed" in note for note in notes)
