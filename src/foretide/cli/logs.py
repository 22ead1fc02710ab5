"""This file knows `foretide logs`: what an instance printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretide.cli.where import CONFIG_FILE
from foretide.errors import InputError

_SHOWN_NAMES = 5


def logs(
    instance: Annotated[str, typer.Argument(help="An instance, as `foretide status` names it.")],
    lines: Annotated[int, typer.Option("--lines", min=1, help="Print at most so many.")] = 50,
    config: Annotated[Path, typer.Option("--config", help="The configuration.")] = CONFIG_FILE,
) -> None:
    """Print the last lines an instance printed; also of one that is gone."""
    from foretide.cli.up_parts import root_of
    from foretide.config.load import read_config
    from foretide.platforms.local.log import tail

    folder = root_of(read_config(config), config) / "logs"
    path = folder / f"{instance}.log"
    if path.parent != folder or not path.is_file():
        names = sorted(one.stem for one in folder.glob("*.log")) if folder.is_dir() else []
        more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        known = f"there is {', '.join(names[:_SHOWN_NAMES])}{more}" if names else "there is none"
        raise InputError(f"{instance}: no log of such an instance; {known}")
    for line in tail(path, lines):
        typer.echo(line)
