"""This file knows `foretide down`: ends everything that runs, and leaves nothing."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import CONFIG_FILE
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.control.board import Board

_SLICE_S = 0.1


def down(
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
    wait_s: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds that a running `foretide up` has to end."),
    ] = 60.0,
) -> None:
    """End a running `foretide up`, every instance, and the proxy; run again, it finds nothing.

    What is installed, journaled and measured stays in the platform's folder.
    """
    from foretide.cli.up_parts import root_of
    from foretide.config.load import read_config
    from foretide.control.board import Board
    from foretide.platforms.local.down import ended

    root = root_of(read_config(config), config)
    if not root.is_dir():
        typer.echo("nothing runs")
        return
    _end_loop(Board(root), wait_s)
    gone = ended(root)
    for name in gone:
        typer.echo(f"ended {name}")
    typer.echo(f"{len(gone)} instances ended; nothing runs" if gone else "nothing runs")


def _end_loop(board: Board, wait_s: float) -> None:
    """Ask the loop to end, and wait until it has: else it would launch anew what is ended here."""
    process = board.owner()
    if not process:
        return
    typer.echo(f"ending `foretide up` (process {process})")
    os.kill(process, signal.SIGTERM)
    wait = threading.Event()
    for _ in range(round(wait_s / _SLICE_S) + 1):
        if board.owner() is None:
            return
        wait.wait(_SLICE_S)
    raise InputError(
        f"--wait {wait_s:g}: `foretide up` (process {process}) has not ended in that time; "
        "give it longer, or end it by hand"
    )
