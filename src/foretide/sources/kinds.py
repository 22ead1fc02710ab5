"""This file knows what a file holds, told by its content and never by its name."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

import msgspec

from foretide.errors import InputError
from foretide.sources.content import head_of
from foretide.sources.event_table import csv_header, parquet_columns
from foretide.sources.logs import is_log_line

_SNIFF_BYTES = 1 << 16
_SNIFF_LINES = 20
_PARQUET_MAGIC = b"PAR1"


class Kind(StrEnum):
    """How a file is read."""

    LOG = "log"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    DEMAND = "demand"


def kind_of(path: Path, columns: Collection[str]) -> Kind:
    """Return what the file at `path` holds.

    Parameters
    ----------
    path : Path
        The file.
    columns : collection of str
        The names mapped by hand: with any, a table holds events and not demand.

    Raises
    ------
    InputError
        When it is absent, no file, empty, or nothing that can be read.
    """
    refuse_unreadable(path)
    head = head_of(path, _SNIFF_BYTES)
    if not head.strip():
        raise InputError(f"{path}: the file is empty; give one that holds events or demand")
    if head.startswith(_PARQUET_MAGIC):
        return _of_table(parquet_columns(path), Kind.PARQUET, columns)
    text = head.decode("utf-8", "replace")
    lines = [line for line in text.split("\n")[:_SNIFF_LINES] if line.strip()]
    if lines[0].lstrip().startswith("{"):
        return Kind.NDJSON
    if any(is_log_line(line.rstrip("\r")) for line in lines):
        return Kind.LOG
    if lines[0].lstrip().startswith("["):
        raise InputError(f"{path}: a JSON array; write one JSON object a line (NDJSON)")
    return _of_csv(path, columns)


def refuse_unreadable(path: Path) -> None:
    """Refuse what cannot be read as one file.

    Raises
    ------
    InputError
        When `path` is absent, a folder or of no length.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; name its files, such as '{path}/*.log'")
    if not path.exists():
        raise InputError(f"{path}: no such file; give an existing file")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; give one that holds events or demand")


def _of_csv(path: Path, columns: Collection[str]) -> Kind:
    names: list[str] = []
    try:
        names, _ = csv_header(path)
    except InputError:
        if columns:
            raise
    kind = _of_table(names, Kind.CSV, columns)
    if not columns and kind is Kind.CSV and "ts" not in names:
        found = f" (its first line names {', '.join(names[:12])})" if len(names) > 1 else ""
        raise InputError(
            f"{path}: neither an access log, NDJSON, Parquet nor a table with a column ts{found}; "
            "map foreign names with --columns ts=COLUMN or force a kind with --format"
        )
    return kind


def _of_table(names: list[str], kind: Kind, columns: Collection[str]) -> Kind:
    is_demand = {"ts", "value"} <= set(names) and not columns
    return Kind.DEMAND if is_demand else kind


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How a person wants files to be read.

    Parameters
    ----------
    kind : Kind, optional
        Forced kind; told by the content when absent.
    columns : dict of str to str
        Canonical name -> foreign column.
    zone : str, optional
        IANA zone of stamps that carry none.
    """

    kind: Kind | None = None
    columns: dict[str, str] = {}
    zone: str | None = None
