"""What is shown of a morning: the same numbers in the terminal and on the page, in little room."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from cases.mornings import Passed, pass_by
from foretide.cli.demo_live import slowness
from foretide.cli.demo_shown import about, frame, leads, shown
from foretide.cli.live_view import LiveView, plain_line
from foretide.control.clock import WallClock
from foretide.errors import InputError
from foretide.model.fleet import LeadTimes
from foretide.platforms.local.platform import LocalPlatform
from foretide.simulate.live_morning import LiveMorning
from foretide.simulate.morning import Morning, morning

_OUTLINE = np.full((40, 3), 5.0)


@pytest.fixture(scope="module")
def played() -> Morning:
    return morning(minutes=30, skipped=230)


@pytest.fixture(scope="module")
def passed(played: Morning) -> Passed:
    return pass_by(played)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 24), (140, 50)])
def test_a_frame_of_a_morning_fits_the_terminal(passed: Passed, width: int, height: int) -> None:
    console = Console(
        file=io.StringIO(), record=True, force_terminal=True, width=width, height=height
    )
    told = frame(passed.record, passed.state, outline_rps=_OUTLINE, address="http://127.0.0.1:1/")
    with LiveView("a morning", console) as view:
        view.show(told)
    lines = console.export_text().rstrip("\n").split("\n")
    painted = lines[max(n for n, line in enumerate(lines) if line.startswith("Foretide  ")) :]
    assert len(painted) <= height - 1
    assert max(map(len, painted)) <= width
    assert any(line.startswith("instances SSS") for line in painted)
    assert any("http://127.0.0.1:1/" in line for line in painted)


def test_a_line_says_what_was_served_and_failed(passed: Passed) -> None:
    last = passed.record.tallies[-1]
    told = frame(passed.record, passed.state, outline_rps=_OUTLINE)
    line = plain_line(told)
    assert f"{last.served:,} so far, {last.failed:,} failed" in line
    assert "http" not in line


def test_the_page_is_told_what_the_record_knows(passed: Passed) -> None:
    record, state = passed.record, passed.state
    told = shown(record, state, outline_rps=_OUTLINE, title="a morning", notes=["one"])
    last = record.tallies[-1]
    assert (told.served_count, told.sent_count) == (last.served, last.sent)
    assert told.served_count + told.refused_count + told.broken_count == told.sent_count
    serving, leaving = told.fleet.serving.values, told.fleet.leaving.values
    together = np.array(serving, float) + np.array(leaving, float)
    assert together.tolist() == record.serving.tolist()
    assert np.array(told.served.values, float).sum() == last.served
    assert [one.is_calculated for one in told.standings] == [False, True]
    assert [one.at for one in told.deeds] == sorted((d.at for d in told.deeds), reverse=True)
    assert len(told.deeds) == len(record.decided)
    assert told.demand.values[-1] == pytest.approx(record.sent_rps[-1], abs=1e-3)
    assert len(told.next.median.values) > 0
    assert told.about == about(record)
    assert "newsletter" in told.about


def test_lead_times_are_told_by_the_machines_clock(passed: Passed) -> None:
    measured = LeadTimes(boot_p50_s=300, boot_p90_s=360, boot_count=7)
    rows = leads(msgspec.structs.replace(passed.state, lead_times=measured), 120)
    assert (rows[0].p50_s, rows[0].p90_s, rows[0].count) == (2.5, 3.0, 7)
    assert (rows[1].p90_s, rows[1].count) == (None, 0)


def test_a_machine_that_kept_up_is_not_blamed_and_a_slow_one_is(
    played: Morning, passed: Passed
) -> None:
    record = passed.record
    assert slowness(record) == []
    tallies, beats = record.tallies, record.beat_count
    record.tallies = [msgspec.structs.replace(one, lag_s=0.4) for one in tallies]
    record.beat_count = beats - 4
    late, skipped = slowness(record)
    record.tallies, record.beat_count = tallies, beats
    assert f"late in {played.minute_count} of {played.minute_count} minutes" in late
    assert f"4 of {played.minute_count} heartbeats" in skipped


def test_a_folder_of_somebody_else_is_left_alone(played: Morning, tmp_path: Path) -> None:
    mine = tmp_path / "platform" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    with pytest.raises(InputError, match="is no demo's"):
        LiveMorning(played, folder=tmp_path)
    assert mine.exists()


def test_two_demos_do_not_share_a_folder(played: Morning, tmp_path: Path) -> None:
    with (
        LocalPlatform(tmp_path / "platform", services={}, clock=WallClock(), is_bound=True),
        pytest.raises(InputError),
    ):
        LiveMorning(played, folder=tmp_path)
