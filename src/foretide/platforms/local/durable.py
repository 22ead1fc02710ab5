"""This file knows how what was written is forced to the disk: a name there stands for all of it."""

from __future__ import annotations

import os
from pathlib import Path


def forced(folder: Path) -> None:
    """Force every file below a folder, and their names, to the disk."""
    for at, _, names in os.walk(folder):
        for name in names:
            path = Path(at) / name
            if not path.is_symlink():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        names_forced(Path(at))


def names_forced(folder: Path) -> None:
    """Force the names in a folder to the disk: a name is there once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
