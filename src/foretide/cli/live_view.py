"""This file knows how a running demo looks in a terminal, and what it says without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from textwrap import wrap
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from foretide.cli.live_chart import AXIS_WIDTH, Ahead, bar, chart, halves
from foretide.simulate.report.amounts import percent, usd

if TYPE_CHECKING:
    from foretide.model.demand import FloatArray

_PAINTS_PER_SECOND = 8
_DAY_S = 86_400
_DECISION_LINES = 3
_FIXED_LINES = 13  # all but the chart
_SOFT = "dim"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What one policy has come to so far.

    Parameters
    ----------
    name : str
        As it is shown.
    cost_usd : float
        Since scoring began.
    violation_fraction : float
        Requests over capacity / all requests since then, in [0, 1].
    """

    name: str
    cost_usd: float
    violation_fraction: float


class LiveFrame(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One moment of a running demo.

    Parameters
    ----------
    now : datetime
        The simulated instant, aware UTC.
    progress_fraction : float
        How much has been played, in [0, 1].
    history_rps : ndarray, shape (buckets,)
        Demand in requests/s up to now, the newest last; only the last `span_s` are shown.
    history_step_s : int
        Seconds between two of them.
    low_rps, median_rps, high_rps : ndarray, shape (steps,)
        5 %, 50 % and 95 % quantiles from now on, empty where there is no forecast yet; only the
        first `span_s` are shown.
    ahead_step_s : int
        Seconds between two of them.
    serving_count, warm_count, booting_count : int
        The fleet as observed.
    planned_serving_count, planned_warm_count : int
        The fleet as planned.
    decision : str
        Why, in one sentence: see `foretide.cli.words.describe`.
    objective : float
        Fraction of requests allowed over capacity.
    standings : tuple of Standing
        Foretide's first, then its rivals'; at most three are shown.
    span_s : int
        How much is shown behind and ahead of now, in seconds.
    missed : str
        What the fraction of a standing is of.
    rows : tuple of Text
        Lines of its own, below the fleet.
    """

    now: datetime
    progress_fraction: float
    history_rps: FloatArray
    history_step_s: int
    low_rps: FloatArray
    median_rps: FloatArray
    high_rps: FloatArray
    ahead_step_s: int
    serving_count: int
    warm_count: int
    booting_count: int
    planned_serving_count: int
    planned_warm_count: int
    decision: str
    objective: float
    standings: tuple[Standing, ...]
    span_s: int = _DAY_S
    missed: str = "over capacity"
    rows: tuple[Text, ...] = ()


class LiveView:
    """Shows frames as they come: painted in a terminal, a line now and then elsewhere.

    Parameters
    ----------
    title : str
        What is being played.
    console : Console, optional
        Where to; standard error by default, so that results alone go to standard output.
    said_every : timedelta
        What passes between two lines where there is no terminal; divides a day.
    """

    def __init__(
        self,
        title: str,
        console: Console | None = None,
        *,
        said_every: timedelta = timedelta(hours=12),
    ) -> None:
        self._said_every = said_every
        self._console = console or Console(stderr=True)
        self._screen = _Screen(title)
        self._said_until: datetime | None = None
        # Painted by rich's own thread: a frame that comes too soon is never drawn.
        self._live = Live(
            self._screen,
            console=self._console,
            refresh_per_second=_PAINTS_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Take the terminal, where there is one."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last frame on the terminal."""
        if self._console.is_terminal:
            self._live.stop()

    @property
    def is_watched(self) -> bool:
        """Whether the frames are painted in a terminal."""
        return self._console.is_terminal

    def show(self, frame: LiveFrame) -> None:
        """Take the newest frame; cheap enough to be called on every tick."""
        self._screen.frame = frame
        if not self._console.is_terminal:
            self._say(frame)

    def _say(self, frame: LiveFrame) -> None:
        if self._said_until is not None and frame.now < self._said_until:
            return
        midnight = frame.now.replace(hour=0, minute=0, second=0, microsecond=0)
        every = self._said_every
        self._said_until = midnight + every * ((frame.now - midnight) // every + 1)
        self._console.print(plain_line(frame), markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()


def plain_line(frame: LiveFrame) -> str:
    """Return a frame as one line of text."""
    newest = f"{frame.history_rps[-1]:.3g}" if len(frame.history_rps) else "no"
    parts = [
        f"{frame.now:%Y-%m-%d %H:%M} UTC",
        f"{frame.progress_fraction:.0%} played",
        f"demand {newest} requests/s",
        f"serving {frame.serving_count}, warm {frame.warm_count}, booting {frame.booting_count}",
    ]
    parts += [
        f"{s.name} {usd(s.cost_usd)}, {percent(s.violation_fraction)} {frame.missed}"
        for s in frame.standings
    ]
    parts += [row.plain.strip() for row in frame.rows]
    return " | ".join(parts)


class _Screen:
    """Draws the newest frame in whatever room the terminal has."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.frame: LiveFrame | None = None
        self._drawn: tuple[LiveFrame, tuple[int, int], list[RenderableType]] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        frame, size = self.frame, (options.max_width, console.size.height)
        if frame is None:
            yield Text(f"{self.title}: starting …")
            return
        if self._drawn is None or self._drawn[0] is not frame or self._drawn[1] != size:
            self._drawn = (frame, size, _draw(self.title, frame, *size))
        yield from self._drawn[2]


def _draw(title: str, frame: LiveFrame, width: int, height: int) -> list[RenderableType]:
    chart_height = height - 1 - _FIXED_LINES - len(frame.rows)  # the last line is the cursor's
    return [
        *_head(title, frame, width),
        *_demand(frame, width, max(5, min(chart_height, 24))),
        Text(),
        _fleet_and_standings(frame, width),
        *frame.rows,
        Text(),
        *_decision(frame, width),
    ]


def _head(title: str, frame: LiveFrame, width: int) -> Iterator[Text]:
    clock = f"{frame.now:%a %Y-%m-%d %H:%M} UTC"
    name = Text("Foretide", style="bold cyan", no_wrap=True, end="")
    name.append(f"  {title}", style="default")
    name.truncate(max(width - len(clock) - 2, 8), overflow="ellipsis", pad=True)
    name.append(f"  {clock}", style="bold default")
    yield _whole(name)
    share = f" {frame.progress_fraction:>4.0%} played"
    room = max(width - len(share), 1)
    done = round(room * min(max(frame.progress_fraction, 0.0), 1.0))
    line = Text("━" * done, style="cyan", no_wrap=True)
    line.append("─" * (room - done), style=_SOFT).append(share, style=_SOFT)
    yield line


def _demand(frame: LiveFrame, width: int, height: int) -> Iterator[Text]:
    legend = Text("requests/s   ", style=_SOFT, no_wrap=True, overflow="ellipsis")
    legend.append(f"⣿ demand, last {frame.span_s // 3600} h", style="cyan").append("    ")
    legend.append("⠒ expected next", style="bold yellow").append("  ")
    legend.append("░ 9 of 10 times within", style="blue")
    yield legend
    shown = frame.span_s // frame.history_step_s
    past = frame.history_rps[-shown:].tolist()
    past = [float("nan")] * (shown - len(past)) + past
    steps = frame.span_s // frame.ahead_step_s
    ahead = Ahead(
        low=frame.low_rps[:steps].tolist(),
        median=frame.median_rps[:steps].tolist(),
        high=frame.high_rps[:steps].tolist(),
    )
    for line in chart(past, ahead, width=width, height=height):
        yield _whole(line)
    yield _time_axis(frame, width)


def _time_axis(frame: LiveFrame, width: int) -> Text:
    left, right = halves(width)
    day = timedelta(seconds=frame.span_s)
    shown = min(frame.span_s, len(frame.median_rps) * frame.ahead_step_s)
    end = f"{frame.now + timedelta(seconds=shown):%a %H:%M}" if shown else ""
    now = f"now {frame.now:%H:%M}"
    line = f"{frame.now - day:%a %H:%M}".ljust(left - len(now) // 2) + now
    axis = Text(" " * AXIS_WIDTH, style=_SOFT, no_wrap=True, overflow="crop")
    return axis.append(line + end.rjust(left + 1 + right - len(line)))


def _fleet_and_standings(frame: LiveFrame, width: int) -> Table:
    columns = Table.grid(expand=False, padding=(0, 3, 0, 0))
    columns.add_column(no_wrap=True)
    columns.add_column(no_wrap=True)
    columns.add_row(_fleet(frame, max(width - 42, 24)), _standings(frame))
    return columns


def _fleet(frame: LiveFrame, width: int) -> Text:
    planned = frame.planned_serving_count + frame.planned_warm_count
    observed = frame.serving_count + frame.warm_count + frame.booting_count
    full = max(planned, observed, 1)
    rows = (
        ("planned", planned, "magenta"),
        ("serving", frame.serving_count, "green"),
        ("warm", frame.warm_count, "yellow"),
        ("booting", frame.booting_count, "white"),
    )
    room = width - 14
    text = Text()
    for name, count, style in rows:
        text.append(f"{name:<8}", style=_SOFT).append(f"{count:>4} ", style="bold")
        text.append(bar(count, full, room), style=style).append("\n")
    text.right_crop(1)
    return text


def _standings(frame: LiveFrame) -> Text:
    text = Text(f"{'so far':<12}{'cost':>9}{frame.missed:>16}\n", style=_SOFT)
    if not frame.standings:
        text.append("learning, not counted yet\n", style=_SOFT)
    for standing in frame.standings[:3]:
        is_met = standing.violation_fraction <= frame.objective
        text.append(f"{standing.name[:12]:<12}", style="default")
        text.append(f"{usd(standing.cost_usd):>9}", style="bold default")
        over = f"{percent(standing.violation_fraction)} {'✓' if is_met else '✗'}"
        text.append(f"{over:>16}\n", style="green" if is_met else "red")
    text.right_crop(1)
    return text


def _decision(frame: LiveFrame, width: int) -> list[Text]:
    lines = [Text(line) for line in wrap(frame.decision, max(width - 5, 10))[:_DECISION_LINES]]
    # Always as many lines, so that nothing jumps.
    lines += [Text() for _ in range(_DECISION_LINES - len(lines))]
    leads = ("now  ", *["     "] * (_DECISION_LINES - 1))
    return [
        Text.assemble((lead, "bold magenta"), line, no_wrap=True)
        for lead, line in zip(leads, lines, strict=True)
    ]


def _whole(line: Text) -> Text:
    line.end = "\n"
    return line
