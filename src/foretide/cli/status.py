"""This file knows `foretide status`: what was planned, asked for and is running."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import CONFIG_FILE

if TYPE_CHECKING:
    from foretide.model.fleet import Fleet


def status(
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each service: mode, what was planned, asked for and runs, lead times, and why.

    Answers while `foretide up` runs, and when it does not: what runs is read from the platform's
    folder then.
    """
    import msgspec

    from foretide.cli.status_words import Shown, lines_of
    from foretide.cli.up_parts import root_of
    from foretide.config.load import read_config
    from foretide.control.board import Board

    settings = read_config(config)
    root = root_of(settings, config)
    board = Board(root)
    shown = Shown(
        process=board.owner(),
        state=board.state(),
        fleets=tuple(_fleets(root)),
        paused=tuple(sorted(board.paused() & settings.services.keys())),
        modes={name: one.mode for name, one in settings.services.items()},
    )
    if as_json:
        typer.echo(msgspec.json.encode(shown.told()).decode())
        return
    for line in lines_of(shown):
        typer.echo(line)


def _fleets(root: Path) -> list[Fleet]:
    """Return what runs by the platform's own records; nothing where it was never used."""
    from foretide.control.clock import WallClock
    from foretide.model.fleet import Fleet
    from foretide.platforms.local.identity import is_running
    from foretide.platforms.local.record import GONE, Records

    now = WallClock().now()
    records = [
        one
        for one in Records(root / "instances").read()
        if one.state not in GONE and (one.identity is None or is_running(one.identity))
    ]
    return [
        Fleet(
            service=name,
            observed_at=now,
            instances=tuple(one.instance for one in records if one.service == name),
        )
        for name in sorted({one.service for one in records})
    ]
