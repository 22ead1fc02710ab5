"""This file knows who does the work on parts of many series: this process, others, or a cluster.

Whoever does it, the parts are the same and come back in the order given, each exactly once; a
process that dies is replaced and its parts are done again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from typing import TypeVar

from foretide.control.parts import PartMap, here
from foretide.control.processes import begin_alone, one_thread_each
from foretide.errors import ForetideError, InputError

WORKERS_MAX = 1024
_PartT = TypeVar("_PartT")
_DoneT = TypeVar("_DoneT")
# Parts under way for each worker: enough to keep it busy, few enough to bound memory.
_AHEAD = 3
# A part that took this many pools with it would take any other.
_POOLS_MAX = 4


@contextmanager
def part_map(*, workers: int = 1, scheduler: str = "") -> Generator[PartMap]:
    """Lend a map that works here, in several processes, or on a dask cluster.

    Parameters
    ----------
    workers : int
        Processes of this machine, 1 ... 1024; 1 works in this one.
    scheduler : str
        Address of a dask scheduler, such as tcp://10.0.0.5:8786; excludes several `workers`.

    Yields
    ------
    PartMap
        What it is given must be importable by its name, and picklable, unless it works here.

    Raises
    ------
    InputError
        When the number is impossible, both are asked for, the extra is missing, or the cluster
        cannot be reached or runs another version.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise InputError(f"--workers {workers}: must be 1 to {WORKERS_MAX}")
    if scheduler and workers > 1:
        raise InputError(
            f"--workers {workers}: the workers of --scheduler {scheduler} do the work; drop one"
        )
    if scheduler:
        from foretide.control.cluster import cluster_map  # noqa: PLC0415 (needs an extra)

        with cluster_map(scheduler) as mapped:
            yield mapped
    elif workers > 1:
        with one_thread_each(), closing(_Processes(workers)) as mapped:
            yield mapped
    else:
        yield here


class _Processes:
    # Processes of this machine; those that broke are replaced, and their parts done again.

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._started()

    def __call__(
        self, function: Callable[[_PartT], _DoneT], parts: Iterable[_PartT], /
    ) -> Iterator[_DoneT]:
        # What is under way, oldest first.
        waiting: deque[tuple[_PartT, Future[_DoneT]]] = deque()
        rest, broken = iter(parts), 0
        try:
            while True:
                try:
                    for part in islice(rest, self._workers * _AHEAD - len(waiting)):
                        # kept even when the pool breaks at this moment
                        waiting.append((part, Future()))
                        waiting[-1] = part, self._pool.submit(function, part)
                    if not waiting:
                        return
                    done = waiting[0][1].result()
                except BrokenProcessPool:
                    broken += 1
                    self._replace(broken)
                    again = [part for part, _ in waiting]
                    waiting.clear()
                    rest = chain(again, rest)
                    continue
                waiting.popleft()
                yield done
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes, once what they are at is done."""
        self._pool.shutdown(cancel_futures=True)

    def _replace(self, broken: int) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if broken >= _POOLS_MAX:
            raise ForetideError(
                f"--workers {self._workers}: a process died {broken} times over the same parts of "
                "the series; memory may be short: use fewer workers"
            )
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=get_context("spawn"),
            initializer=begin_alone,
            initargs=(os.getpid(),),
        )
