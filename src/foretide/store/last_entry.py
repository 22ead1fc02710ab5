"""This file knows the last entry of a journal without reading all that came before."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from foretide.errors import JournalError
from foretide.store.journal import Entry

_CHUNK_BYTES = 1 << 16


def last_entry(path: Path) -> Entry | None:
    """Return the last whole entry of a journal file; None when there is none.

    Parameters
    ----------
    path : Path
        Uncompressed. A last line that was cut off by a crash was never acted upon, and is left
        out.

    Raises
    ------
    JournalError
        When the file cannot be read, or its last whole line is no entry.
    """
    try:
        line = _last_line(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}") from error
    if not line:
        return None
    try:
        return msgspec.json.decode(line, type=Entry)
    except msgspec.DecodeError as error:
        raise JournalError(f"the last line of {path} is no journal entry: {error}") from error


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        begin, text = file.seek(0, os.SEEK_END), b""
        # a whole line ends with a line end, and begins after the one before
        while begin > 0 and text.count(b"\n") < 2:
            size = min(begin, _CHUNK_BYTES)
            begin = file.seek(begin - size)
            text = file.read(size) + text
    whole = text[: text.rfind(b"\n") + 1]
    return whole.rstrip(b"\n").rpartition(b"\n")[2]
