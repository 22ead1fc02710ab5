"""This file knows how a demo is played live: on real processes, with real requests, on a page."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from types import FrameType

import msgspec
import typer
from rich.console import Console

from foretide.cli.demo_play import day_ahead, frames
from foretide.cli.demo_shown import POLICY_NAMES, about, frame, leads, shown
from foretide.cli.live_view import LiveView
from foretide.control.state import LoopState, ServiceState
from foretide.serve.live import PORT, live_server
from foretide.serve.shown import Shown
from foretide.serve.snapshot import write_snapshot
from foretide.simulate.backtest import trace_for
from foretide.simulate.live_morning import LiveMorning
from foretide.simulate.morning import HISTORY_DAYS, Morning, morning
from foretide.simulate.morning_record import MorningRecord
from foretide.simulate.record import make_folder, write_results
from foretide.simulate.report.amounts import percent, usd

TITLE = "a synthetic web shop's morning, on real processes"
_SAID_EVERY = timedelta(minutes=30)
_PAGE_FILE = "live.html"
_HONEST = (
    "The shop is synthetic: its customers were made up. Foretide's instances were real processes, "
    "and what failed of its requests really failed; the HPA and the limit are calculated from the "
    "same requests."
)
_FAILED = 3  # failures that are told of, the latest
_LATE_S = 0.25  # a request sent later than this was not sent when it should have been
_LATE_FRACTION = 0.05


class _Telling:
    """What is shown of a morning as it passes, in the terminal and on the page."""

    def __init__(self, live: LiveMorning, view: LiveView) -> None:
        self.page: Shown | None = None
        self.address = ""
        self.notes: list[str] = []
        self._live, self._view = live, view
        self._outline = day_ahead(live.played.history, live.played.start)
        self._last: ServiceState | None = None

    def heard(self, state: LoopState) -> None:
        """Show the newest heartbeat."""
        one = state.of(self._live.service)
        if one.plan is None or one.fleet is None or self._live.stop.is_set():
            return
        self._last = one
        self.notes = list(self._live.platform.notes())
        record = self._live.record
        self._view.show(frame(record, one, outline_rps=self._outline, address=self._row()))
        self.page = self._shown(one, is_over=False)

    def _row(self) -> str:
        # what is painted anew hides what was said before it
        return self.address if self._view.is_watched else ""

    def over(self) -> ServiceState:
        """Show the end, and return the last that was heard."""
        if self._last is None:
            raise AssertionError("a morning has a heartbeat")
        # measured since: what was on its way at the last heartbeat
        last = msgspec.structs.replace(self._last, lead_times=self._live.lead_times())
        self.notes += [f"an instance failed: {why}" for why in self._live.log_lines()[-_FAILED:]]
        self.notes += slowness(self._live.record)
        self.page = self._shown(last, is_over=True)
        return last

    def _shown(self, one: ServiceState, *, is_over: bool) -> Shown:
        return shown(
            self._live.record, one, outline_rps=self._outline, title=TITLE, notes=self.notes,
            is_over=is_over,
        )  # fmt: skip


def play_live(out: Path, *, objective: float, skipped: int, minutes: int, has_page: bool) -> None:
    """Play the shop's morning on real processes, and say what came of it.

    Parameters
    ----------
    out : Path
        Folder of the demo.
    objective : float
        Fraction of requests that may fail.
    skipped, minutes : int
        How much of the morning is left out, and how much of it is played.
    has_page : bool
        Whether it is shown on a page, too.

    Raises
    ------
    InputError
        When the folder cannot be used.
    ActionFailedError
        When an instance does not start on this machine.
    """
    try:
        with _ended_by_signals(), ExitStack() as parts:
            _play(out, parts, _laid_out(objective, skipped, minutes), has_page=has_page)
    except KeyboardInterrupt:
        typer.echo("foretide: stopped; nothing that it started is left running", err=True)
        raise typer.Exit(130) from None


def _laid_out(objective: float, skipped: int, minutes: int) -> Morning:
    with Console(stderr=True).status("making a week of a synthetic web shop"):
        return morning(minutes=minutes, skipped=skipped, objective=objective)


def _play(out: Path, parts: ExitStack, played: Morning, *, has_page: bool) -> None:
    live = parts.enter_context(LiveMorning(played, folder=out))
    make_folder(out)
    _learn(live)
    with Console(stderr=True).status("starting the shop's first instances"):
        live.set_up()
    view = LiveView(TITLE, said_every=_SAID_EVERY)
    telling = _Telling(live, view)
    with live_server(lambda: telling.page) if has_page else nullcontext("") as address:
        telling.address = address
        _announce(address, about(live.record))
        with view:
            live.run(telling.heard)
        last = telling.over()
        _keep(live, telling, out)
    _tell(live, last, telling, out)


def _learn(live: LiveMorning) -> None:
    past, rules = live.played.history, live.record.rules
    trace = msgspec.structs.replace(trace_for(past, rules), first_scored=len(past.values))
    with LiveView(f"{HISTORY_DAYS} days of the shop, simulated: what is learned from") as view:
        for one in frames(trace, rules, live.learn(), ()):
            view.show(one)


def _announce(address: str, scale: str) -> None:
    typer.echo(scale)
    if address:
        taken = "" if f":{PORT}/" in address else f" (port {PORT} is taken)"
        typer.echo(f"open {address} to see it in a browser{taken}")


def _keep(live: LiveMorning, telling: _Telling, out: Path) -> None:
    write_results(
        out,
        title="Foretide on a synthetic web shop's morning",
        scenario=live.record.rules,
        outcomes=[live.record.outcome()],
        notes=(_HONEST, about(live.record), *telling.notes),
    )
    if telling.page is not None:
        write_snapshot(out / _PAGE_FILE, telling.page)


def slowness(record: MorningRecord) -> list[str]:
    """Return how far this machine did not keep up, one line each."""
    played = record.played
    notes: list[str] = []
    late = sum(one.lag_s > _LATE_S for one in record.tallies)
    if late > _LATE_FRACTION * played.minute_count:
        notes.append(
            f"this machine is too slow or too busy: requests were sent more than {_LATE_S:g} s too "
            f"late in {late} of {played.minute_count} minutes; do not read too much into failures"
        )
    missed = played.minute_count - record.beat_count
    if missed > _LATE_FRACTION * played.minute_count:
        notes.append(
            f"this machine is too slow or too busy: {missed} of {played.minute_count} heartbeats "
            f"were skipped"
        )
    return notes


def _tell(live: LiveMorning, last: ServiceState, telling: _Telling, out: Path) -> None:
    record = live.record
    served, failed = int(record.served.sum()), int(record.failed.sum())
    outcome = record.outcome()
    typer.echo(f"{'':18}{'cost':>10}{'failed':>16}{'instances':>12}")
    for run in outcome.runs:
        one = run.score
        how = "" if run.policy == "foretide" else "  calculated"
        typer.echo(
            f"{POLICY_NAMES[run.policy]:18}{usd(one.cost_usd):>10}"
            f"{percent(one.violation_fraction):>16}{one.mean_billed_count:>12.1f}{how}"
        )
    own, rival = outcome.runs[0].score, outcome.runs[1].score
    saved = 1 - own.cost_usd / rival.cost_usd
    typer.echo(
        f"Foretide cost {abs(saved):.0%} {'less' if saved >= 0 else 'more'} than the HPA; of "
        f"{served + failed:,} requests {failed:,} failed."
    )
    counted = record.actions
    typer.echo(
        f"instances: {counted['launch']} launched, {counted['promote']} promoted, "
        f"{counted['park']} parked, {counted['drain']} drained, {counted['terminate']} ended while "
        f"they served nobody"
    )
    if record.refused_count:
        typer.echo(f"the platform refused {record.refused_count} actions")
    for row in leads(last, live.played.speed):
        if row.p90_s is not None:
            typer.echo(f"{row.name}: 9 of 10 within {_seconds(row.p90_s)} ({row.count} measured)")
    for note in telling.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"journal: {live.journal} (`foretide replay {out}` proves it)")
    typer.echo(f"page: {out / _PAGE_FILE}, as it was last")
    typer.echo(f"report: {out / 'report.html'}")


def _seconds(value_s: float) -> str:
    return f"{1000 * value_s:.1f} ms" if value_s < 1 else f"{value_s:.2f} s"


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """Let SIGTERM and a closed terminal end the demo as Ctrl-C does: in order."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the signal module's)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
