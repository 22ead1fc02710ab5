"""The live view fits the terminal it is given, and speaks plainly where there is none."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from rich.console import Console

from foretide.cli.live_view import LiveFrame, LiveView, Standing, plain_line

_START = datetime(2026, 3, 2, tzinfo=UTC)
_LONG = "Scale up to 38 instances: " + "demand is about to rise and " * 20


def _frame(minute: int, *, decision: str = "Keep the fleet as it is.") -> LiveFrame:
    ahead = 5 + np.sin(np.arange(288) / 30)
    return LiveFrame(
        now=_START + timedelta(minutes=minute),
        progress_fraction=min(minute / (14 * 1440), 1.0),
        history_rps=5 + np.sin(np.arange(minute) / 200),
        history_step_s=60,
        low_rps=ahead * 0.8,
        median_rps=ahead,
        high_rps=ahead * 1.2,
        ahead_step_s=300,
        serving_count=31,
        warm_count=7,
        booting_count=2,
        planned_serving_count=33,
        planned_warm_count=8,
        decision=decision,
        objective=0.001,
        standings=(
            Standing(name="Foretide", cost_usd=12.5, violation_fraction=0.0004),
            Standing(name="HPA", cost_usd=15.25, violation_fraction=0.002),
        ),
    )


def _painted(frame: LiveFrame, *, width: int, height: int) -> list[str]:
    """Return the lines that the terminal would show of one frame."""
    console = Console(
        file=io.StringIO(), record=True, force_terminal=True, width=width, height=height
    )
    with LiveView("a synthetic shop", console) as view:
        view.show(frame)
    # The recording also holds what was painted before; the frame is what it ends with.
    lines = console.export_text().rstrip("\n").split("\n")
    return lines[max(n for n, line in enumerate(lines) if line.startswith("Foretide  ")) :]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (81, 25), (140, 50), (60, 20)])
def test_a_frame_fits_the_terminal(width: int, height: int) -> None:
    lines = _painted(_frame(3 * 1440, decision=_LONG), width=width, height=height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= height - 1  # the cursor's line


def test_a_frame_shows_fleet_reason_money_and_misses() -> None:
    text = "\n".join(_painted(_frame(3 * 1440), width=80, height=24))
    assert "a synthetic shop" in text
    assert "Thu 2026-03-05 00:00 UTC" in text
    assert "21% played" in text
    for name, count in (("planned", 41), ("serving", 31), ("warm", 7), ("booting", 2)):
        assert f"{name:<8}{count:>4}" in text
    assert "Keep the fleet as it is." in text
    assert "$12" in text
    assert "0.04 % ✓" in text
    assert "0.2 % ✗" in text
    assert "░" in text


def test_a_wider_terminal_is_used() -> None:
    narrow = _painted(_frame(3 * 1440), width=80, height=24)
    wide = _painted(_frame(3 * 1440), width=160, height=40)
    assert max(map(len, wide)) > 150
    assert len(wide) > len(narrow)


def test_the_first_minute_without_a_forecast_can_be_shown() -> None:
    nothing = np.empty(0)
    frame = msgspec.structs.replace(
        _frame(1), low_rps=nothing, median_rps=nothing, high_rps=nothing, standings=()
    )
    assert _painted(frame, width=80, height=24)
    assert "demand no requests/s" in plain_line(msgspec.structs.replace(frame, history_rps=nothing))


def test_without_a_terminal_one_line_per_half_day_and_no_control_characters() -> None:
    out = io.StringIO()
    with LiveView("a synthetic shop", Console(file=out, force_terminal=False)) as view:
        for minute in range(60, 3 * 1440 + 1, 5):
            view.show(_frame(minute))
    lines = out.getvalue().splitlines()
    assert len(lines) == 7  # the first frame, then noon and midnight of three days
    assert lines[0].startswith("2026-03-02 01:00 UTC | 0% played | demand ")
    assert [line[5:16] for line in lines[1:3]] == ["03-02 12:00", "03-03 00:00"]
    assert "HPA $15, 0.2 % over capacity" in lines[-1]
    assert "\x1b" not in out.getvalue()


def test_frames_between_two_paints_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[LiveFrame] = []
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    view = LiveView("a synthetic shop", console)

    def count(title: str, frame: LiveFrame, width: int, height: int) -> list[str]:
        drawn.append(frame)
        return [f"{title} {width} {height}"]

    monkeypatch.setattr("foretide.cli.live_view._draw", count)
    for minute in range(60, 160):
        view.show(_frame(minute))
    assert drawn == []
    console.print(view._screen)  # pyright: ignore[reportPrivateUsage]
    console.print(view._screen)  # pyright: ignore[reportPrivateUsage]
    assert len(drawn) == 1
    assert drawn[0].now == _START + timedelta(minutes=159)


def test_an_error_inside_gives_the_terminal_back() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)

    def break_down() -> None:
        with LiveView("a synthetic shop", console) as view:
            view.show(_frame(60))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_down()
    assert out.getvalue().endswith("\x1b[?25h")  # the cursor is shown again
