"""What tests let other processes do: they must be able to import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from foretide.errors import InvalidValueError


def square(part: int) -> int:
    """Return the square."""
    return part * part


def own_id_or_death(part: tuple[int, str]) -> tuple[int, int]:
    """Die at the part numbered 7 when nobody died there yet."""
    number, mark = part
    if number == 7 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def die(part: int) -> int:
    """Die."""
    os.kill(os.getpid(), signal.SIGKILL)
    return part


def refuse(part: int) -> int:
    """Refuse the part."""
    raise InvalidValueError(f"part {part} is refused")


def threads(_part: int) -> str:
    """Return how many threads this process computes with."""
    return os.environ["OMP_NUM_THREADS"]


def hang(_part: int) -> None:
    """Say who hangs, and hang."""
    os.write(1, b"%d\n" % os.getpid())  # in one piece
    signal.pause()
