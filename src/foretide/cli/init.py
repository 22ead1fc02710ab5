"""This file knows the command `foretide init`: a commented configuration to start from."""

from pathlib import Path
from typing import Annotated

import typer

from foretide.errors import InputError


def init(
    path: Annotated[Path, typer.Option("--path", help="File to write.", dir_okay=False)] = Path(
        "foretide.toml"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file when it exists.")
    ] = False,
) -> None:
    """Write a commented configuration, which works as it stands."""
    from foretide.config.template import example_config

    try:
        # "x" refuses an existing file in the same step in which it would be made.
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(example_config())
    except FileExistsError:
        raise InputError(
            f"--path {path}: exists already; name another file or add --force to replace it"
        ) from None
    except OSError as error:
        raise InputError(f"--path {path}: {error.strerror}; name a file in a folder") from None
    typer.echo(f"wrote {path}: edit [app.shop] and [service.web], then run `foretide --help`")
