"""This file knows `foretide pause` and `foretide resume`: a person's hand on one service."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import CONFIG_FILE

if TYPE_CHECKING:
    from foretide.control.board import Board

_HEARD_S, _SLICE_S = 5.0, 0.1
_Service = Annotated[str, typer.Argument(help="A [service.NAME] of the configuration.")]
_ConfigFile = Annotated[Path, typer.Option("--config", help="The configuration.")]


def pause(service: _Service, config: _ConfigFile = CONFIG_FILE) -> None:
    """Suspend acting for one service; it is planned and journaled all the same.

    Holds until `foretide resume`, whether `foretide up` runs, ends or begins meanwhile.
    """
    board = _board(service, config)
    if not board.pause(service):
        typer.echo(f"{service} was paused already")
        return
    typer.echo(f"{service} is paused: it is planned and journaled, and nothing is done")
    _told(board, service, is_paused=True)


def resume(service: _Service, config: _ConfigFile = CONFIG_FILE) -> None:
    """Let a paused service be acted upon again, as its mode says."""
    board = _board(service, config)
    if not board.resume(service):
        typer.echo(f"{service} was not paused")
        return
    typer.echo(f"{service} goes on")
    _told(board, service, is_paused=False)


def _board(service: str, config: Path) -> Board:
    from foretide.cli.up_parts import chosen, root_of
    from foretide.config.load import read_config
    from foretide.control.board import Board

    settings = read_config(config)
    chosen(settings, service, config)
    return Board(root_of(settings, config))


def _told(board: Board, service: str, *, is_paused: bool) -> None:
    """Wait until the loop that runs has taken notice, so that what follows can rely on it."""
    if board.owner() is None:
        return
    wait = threading.Event()
    for _ in range(round(_HEARD_S / _SLICE_S)):
        state = board.state()
        if state is not None and any(
            one.service == service and one.is_paused == is_paused for one in state.services
        ):
            return
        wait.wait(_SLICE_S)
    typer.echo("`foretide up` has not taken notice yet: its heartbeat takes long", err=True)
