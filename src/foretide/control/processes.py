"""This file knows how a process that works for another begins, and that it ends with it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

# Read by the arithmetic libraries when they are loaded; several processes each with a thread per
# core would only wait for one another.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PR_SET_PDEATHSIG = 1


@contextmanager
def one_thread_each() -> Generator[None]:
    """Let processes that are started within compute with one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def begin_alone(parent: int) -> None:
    """Make this process end with the one that started it, and leave Ctrl-C to that one.

    What most parts need is imported now, so that the first part takes no longer than the others.

    Parameters
    ----------
    parent : int
        Id of the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent had ended before the line above
    import_module("foretide.forecast.fleet")
