"""This file knows `foretide up`: the live loop in the foreground."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import CONFIG_FILE
from foretide.errors import ConfigError

if TYPE_CHECKING:
    from foretide.cli.up_parts import Parts
    from foretide.config.settings import Config
    from foretide.control.board import Board
    from foretide.control.clock import WallClock


def up(
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
    once: Annotated[bool, typer.Option("--once", help="Make one heartbeat and end.")] = False,
    for_time: Annotated[
        str, typer.Option("--for", help="End after so long, such as 30s or 2h. [when asked]")
    ] = "",
) -> None:
    """Plan every service each minute, and act where its mode is `live`.

    Runs until Ctrl-C or SIGTERM. Instances go on running then; `foretide up` goes on with them, and
    `foretide down` ends them.
    """
    from foretide.cli.durations import duration_s
    from foretide.cli.up_parts import made_parts, root_of
    from foretide.config.load import read_config
    from foretide.control.board import Board
    from foretide.control.clock import WallClock

    most_s = duration_s("--for", for_time) if for_time else None
    settings = read_config(config)
    if not settings.services:
        raise ConfigError(f"{config}: no [service.NAME]; add one, see `foretide init`")
    board, clock = Board(root_of(settings, config)), WallClock()
    with (
        _stopped_by_signals() as stop,
        board.taken(),
        made_parts(settings, config, clock) as parts,
    ):
        if most_s is not None:
            _set_after(stop, most_s)
        _run(parts, settings, board, clock, stop, is_once=once)


def _run(
    parts: Parts,
    settings: Config,
    board: Board,
    clock: WallClock,
    stop: threading.Event,
    *,
    is_once: bool,
) -> None:
    from foretide.cli.up_words import Teller
    from foretide.control.loop import Loop
    from foretide.plan.budget import Budget

    teller = Teller(typer.echo, parts.platform)
    teller.begin(settings)
    loop = Loop(
        clock,
        parts.services,
        budget=Budget(
            instance_count=settings.budget.instances, usd_per_hour=settings.budget.usd_per_hour
        ),
        changed=None if parts.platform is None else parts.platform.changed,
        paused=board.paused,
        published=lambda state: (board.publish(state), teller.tell(state))[1],
    )
    try:
        if is_once:
            loop.beat(clock.now())
        else:
            loop.run_until(stop)
    finally:
        loop.close()
        for feed in parts.feeds:
            feed.file(clock.now())
    teller.end(loop.state)


def _set_after(stop: threading.Event, seconds: float) -> None:
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()


@contextmanager
def _stopped_by_signals() -> Generator[threading.Event]:
    """Lend an event that Ctrl-C or SIGTERM sets; asked a second time, the program ends at once."""
    stop = threading.Event()
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def asked(number: int, frame: FrameType | None) -> None:
        del frame
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for one in before:
        signal.signal(one, asked)
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
