"""This file knows how the columns of a foreign table are called by the names Foretide uses."""

from __future__ import annotations

from foretide.errors import InputError

CANONICAL = (
    "ts",
    "app",
    "feature",
    "session",
    "user_agent",
    "device",
    "country",
    "duration_s",
    "status",
)


def parse_columns(text: str) -> dict[str, str]:
    """Return canonical name -> foreign name from `ts=t,session=uid,...`.

    Parameters
    ----------
    text : str
        What stands behind `--columns`; empty maps nothing.

    Raises
    ------
    InputError
        When a part is no pair, names an unknown column or maps one twice.
    """
    mapped: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, foreign = (piece.strip() for piece in part.partition("="))
        if not equals or not foreign:
            raise InputError(f"--columns {part!r}: write name=column, such as ts=timestamp")
        if name not in CANONICAL:
            raise InputError(
                f"--columns {part!r}: {name!r} is not one of {', '.join(CANONICAL)}; "
                f"Foretide's name stands left of '='"
            )
        if name in mapped:
            raise InputError(f"--columns {part!r}: {name} is mapped twice; keep one")
        mapped[name] = foreign
    return mapped


def resolve_columns(mapped: dict[str, str], found: list[str], origin: str) -> dict[str, str]:
    """Return canonical name -> column for a table whose columns are `found`.

    A canonical name that is not mapped stands for the column of that very name, where there is
    one.

    Raises
    ------
    InputError
        When a mapped column, or one for `ts`, is not there.
    """
    for name, foreign in mapped.items():
        if foreign not in found:
            raise InputError(
                f"{origin}: no column {foreign!r} (--columns {name}={foreign}); "
                f"the columns are {_listed(found)}"
            )
    taken = set(mapped.values())
    same = {name: name for name in CANONICAL if name in found and name not in taken}
    columns = {**same, **mapped}
    if "ts" not in columns:
        raise InputError(
            f"{origin}: no column 'ts'; name it with --columns ts=COLUMN; "
            f"the columns are {_listed(found)}"
        )
    return columns


def _listed(names: list[str], most: int = 20) -> str:
    names = ["".join(c if c.isprintable() else "?" for c in name)[:40] for name in names]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
