"""This file knows how parts are worked on by a dask cluster that somebody else runs."""

# distributed is only partly typed
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
from __future__ import annotations

import platform
import socket
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

from foretide.control.parts import PartMap
from foretide.control.processes import THREADS
from foretide.errors import ForetideError, InputError

_PartT = TypeVar("_PartT")
_DoneT = TypeVar("_DoneT")
_PROTOCOLS = ("tcp", "tls", "ws", "wss", "ucx")
_CONNECT_S = 10
_WORKERS_S = 30
# How long nobody may be there to go on with the work.
_ALONE_S = 60
_LOOK_S = 5
_AHEAD = 3


@contextmanager
def cluster_map(address: str) -> Generator[PartMap]:
    """Lend a map that works on the cluster of the scheduler at `address`.

    Parameters
    ----------
    address : str
        Such as tcp://10.0.0.5:8786.

    Yields
    ------
    PartMap

    Raises
    ------
    InputError
        When the extra is missing, nobody answers there, no worker is there, or one runs another
        version than this process.
    """
    try:
        from distributed import Client  # noqa: PLC0415 (heavy, and an extra)
    except ImportError:
        raise InputError(f"--scheduler {address}: needs an extra; install foretide[dask]") from None
    try:
        # a client that cannot connect takes long to say so, and leaves threads behind
        _knock(address)
        with warnings.catch_warnings():
            # versions are compared below, and a difference that matters is refused
            warnings.simplefilter("ignore")
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler {address}: no dask scheduler answers there "
            f"({_first_line(error)}); give an address such as tcp://127.0.0.1:8786"
        ) from None
    try:
        workers = _ready_count(client, address)
        yield partial(_on_cluster, client, address, workers)
    finally:
        client.close(timeout=_CONNECT_S)


def _knock(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in _PROTOCOLS or not parts.hostname or not parts.port:
        raise ValueError("not of the form tcp://HOST:PORT")
    socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S).close()


def _on_cluster(
    client: Any,
    address: str,
    workers: int,
    function: Callable[[_PartT], _DoneT],
    parts: Iterable[_PartT],
    /,
) -> Iterator[_DoneT]:
    rest = iter(parts)
    futures: deque[Any] = deque()
    try:
        while True:
            for part in islice(rest, workers * _AHEAD - len(futures)):
                futures.append(_submitted(client, function, part))
            if not futures:
                return
            done: _DoneT = _awaited(client, address, futures[0])
            futures.popleft()
            yield done
    finally:
        client.cancel(list(futures))


def _submitted(client: Any, function: Callable[[_PartT], _DoneT], part: _PartT) -> Any:
    with warnings.catch_warnings():
        # A part travels with its task and not ahead of it: what was sent ahead would be lost
        # with the worker that held it.
        warnings.filterwarnings("ignore", message="Sending large graph")
        return client.submit(function, part, pure=False)


def _awaited(client: Any, address: str, future: Any) -> Any:
    from concurrent.futures import CancelledError  # noqa: PLC0415

    from distributed import KilledWorker  # noqa: PLC0415

    alone_s = 0
    while True:
        try:
            return future.result(timeout=_LOOK_S)
        except TimeoutError:
            alone_s = 0 if _worker_count(client) else alone_s + _LOOK_S
            if alone_s >= _ALONE_S:
                raise ForetideError(
                    f"--scheduler {address}: no worker is left since {alone_s} s; start one"
                ) from None
        except KilledWorker:
            raise ForetideError(
                f"--scheduler {address}: one part of the series ended several workers; "
                "their memory may be short"
            ) from None
        except (CancelledError, OSError):
            raise ForetideError(
                f"--scheduler {address}: the scheduler went away; start it again"
            ) from None


def _worker_count(client: Any) -> int:
    try:
        return len(client.nthreads())
    except OSError:
        return 0


def _ready_count(client: Any, address: str) -> int:
    # How many threads will work, once every worker is known to run what this process runs.
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except TimeoutError:
        raise InputError(
            f"--scheduler {address}: no worker joined it within {_WORKERS_S} s; "
            f"run `dask worker {address} --nthreads 1`"
        ) from None
    own = versions()
    for worker, theirs in client.run(versions, on_error="return").items():
        if isinstance(theirs, BaseException):
            raise InputError(
                f"--scheduler {address}: worker {worker} cannot run foretide "
                f"({_first_line(theirs)}); install foretide {own['foretide']} there"
            )
        for name, version in own.items():
            if theirs[name] != version:
                raise InputError(
                    f"--scheduler {address}: worker {worker} has {name} {theirs[name]}, this "
                    f"process {version}; results would differ: install the same there"
                )
    client.run(_compute_with_one_thread)
    return max(1, sum(client.nthreads().values()))


def versions() -> dict[str, str]:
    """Return the versions that must be equal for results to be: ours, Python's and NumPy's."""
    import numpy as np  # noqa: PLC0415

    from foretide import __version__  # noqa: PLC0415

    return {
        "foretide": __version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
    }


def _compute_with_one_thread() -> None:
    # For libraries that a worker loads from now on; those of its own it has loaded already.
    import os  # noqa: PLC0415

    os.environ.update(dict.fromkeys(THREADS, "1"))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
