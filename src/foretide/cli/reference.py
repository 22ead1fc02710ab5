"""This file knows the command `foretide reference`: pages made from the program itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

import typer


def reference(
    ctx: typer.Context,
    page: Annotated[
        Literal["config", "commands"], typer.Argument(help="Which page to print, as Markdown.")
    ],
) -> None:
    """Print a reference page: every setting, or every command with its flags."""
    from foretide.config.reference import config_reference

    typer.echo(config_reference() if page == "config" else commands_reference(ctx))


def commands_reference(ctx: typer.Context) -> str:
    """Return the page of commands in Markdown, from the definitions the command line runs by.

    Parameters
    ----------
    ctx : typer.Context
        Of a command of the application to describe.

    Returns
    -------
    str
        One section a command, hidden ones left out.
    """
    root = ctx.find_root()
    commands = cast("Mapping[str, Any]", getattr(root.command, "commands", {}))
    sections = [
        _section(f"foretide {name}", command, ctx)
        for name, command in sorted(commands.items())
        if not command.hidden
    ]
    opening = (
        "# Command reference\n\nA command given something it cannot use prints one line and "
        "ends with exit code 2.\n"
    )
    return "\n".join([opening, *sections])


# Typer's commands and parameters carry no types that a checker can read.
def _section(title: str, command: Any, ctx: typer.Context) -> str:
    rows = list(_rows(command, ctx))
    table = ["| Argument or flag | Value | Default | Meaning |", "|---|---|---|---|", *rows]
    # The docstring of a command may go on with sections for its readers in code.
    said = " ".join(re.split(r"\f|\n\w+\n-{3,}", str(command.help or ""))[0].split())
    return "\n".join([f"## `{title}`\n", f"{said}\n", *(table if rows else []), ""])


def _rows(command: Any, ctx: typer.Context) -> Iterator[str]:
    for param in command.params:
        if param.hidden or param.name == "help":
            continue
        is_argument = param.param_type_name == "argument"
        is_flag = not is_argument and param.is_flag
        shown = param.display_name_raw if is_argument else ", ".join(param.opts)
        repeats = ", repeatable" if param.multiple or param.nargs == -1 else ""
        value = "" if is_flag else _value(param, ctx) + repeats
        default = "" if is_flag else _default(param)
        cells = (f"`{shown}`", value, default, " ".join(str(param.help or "").split()))
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _value(param: Any, ctx: typer.Context) -> str:
    shown = str(param.display_type(ctx=ctx)).strip("<>")
    kind = shown.removeprefix("list[").removesuffix("]")
    return {"str": "text", "int": "whole number", "float": "number"}.get(kind, kind)


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if param.default in (None, (), [], "") or callable(param.default):
        return ""
    return f"`{param.default}`"
