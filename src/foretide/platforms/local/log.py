"""This file knows what an instance has printed, and that it does not fill the disk.

An instance writes into its log itself, so the log can only be shortened under its hands: its last
part is copied to a second file, and the log begins anew.
"""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 4 * 2**20
_BLOCK_BYTES = 2**13
_LINE_MAX_CHARS = 400  # what is shown of one; the whole is in the file


def tail(path: Path, lines: int) -> tuple[str, ...]:
    """Return the last lines of a log, oldest first.

    Parameters
    ----------
    path : Path
        The log.
    lines : int
        How many, > 0.

    Returns
    -------
    tuple of str
        Without line ends and without characters that would command a terminal; none where there
        is no log.
    """
    wanted = [_end_of(path, lines)]
    if wanted[0].count(b"\n") < lines:  # it may have been shortened a moment ago
        wanted.insert(0, _end_of(earlier(path), lines))
    told = b"".join(wanted).decode(errors="replace").splitlines()
    return tuple(_shown(line) for line in told[-lines:])


def earlier(path: Path) -> Path:
    """Return where the earlier part of a log that was shortened is."""
    return path.with_name(f"{path.name}.1")


def shortened(path: Path, *, max_bytes: int = MAX_BYTES) -> bool:
    """Keep a log below twice a size: beyond `max_bytes` it begins anew.

    What is printed in the microseconds between the copy and the cut is lost.

    Parameters
    ----------
    path : Path
        The log, open for appending in the program that writes it.
    max_bytes : int
        Above this it is shortened, > 0.

    Returns
    -------
    bool
        Whether it was.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    with path.open("r+b") as log:
        log.seek(-max_bytes, os.SEEK_END)
        kept = log.read(max_bytes)
        earlier(path).write_bytes(kept.partition(b"\n")[2] or kept)
        log.truncate(0)
    return True


def _end_of(path: Path, lines: int) -> bytes:
    try:
        with path.open("rb") as log:
            start, end = log.seek(0, os.SEEK_END), b""
            # one line end more than lines: the first line is then whole
            while start > 0 and end.count(b"\n") <= lines and len(end) < MAX_BYTES:
                size = min(start, _BLOCK_BYTES)
                start = log.seek(start - size)
                end = log.read(size) + end
            return end
    except FileNotFoundError:
        return b""


def _shown(line: str) -> str:
    plain = "".join(
        c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line
    )
    return plain if len(plain) <= _LINE_MAX_CHARS else f"{plain[: _LINE_MAX_CHARS - 3]}..."
