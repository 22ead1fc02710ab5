"""How tests start a real dask cluster: own processes, loopback, free ports, ended with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

_START_S = 30.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Cluster(NamedTuple):
    """A scheduler, its address and its worker processes."""

    scheduler: subprocess.Popen[bytes]
    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, *, workers: int) -> Generator[Cluster]:
    """Lend a scheduler and `workers` worker processes of one thread each."""
    pytest.importorskip("distributed", reason="needs the extra foretide[dask]")
    contact = folder / "scheduler.json"
    with ExitStack() as stack:
        scheduler = _started(
            stack, folder, "scheduler", "--port", "0", "--no-show", "--scheduler-file", contact
        )
        _wait_for(contact, scheduler)
        address = msgspec.json.decode(contact.read_bytes())["address"]
        running = [
            _started(
                stack, folder, "worker", address, "--nthreads", "1", "--no-nanny",
                "--memory-limit", "0", "--local-directory", folder / f"worker-{number}",
            )
            for number in range(workers)
        ]  # fmt: skip
        yield Cluster(scheduler, address, running)


def _started(stack: ExitStack, folder: Path, kind: str, *words: object) -> subprocess.Popen[bytes]:
    # dies with the test run, also when that is killed
    tether = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    command = [*tether, sys.executable, "-m", "dask", kind, "--host", "127.0.0.1"]
    log = stack.enter_context((folder / f"{kind}-{os.urandom(4).hex()}.log").open("wb"))
    process = subprocess.Popen(
        [*command, "--no-dashboard", *map(str, words)],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGKILL)
    return process


def _wait_for(contact: Path, scheduler: subprocess.Popen[bytes]) -> None:
    waited_s = 0.0
    while not (contact.exists() and contact.stat().st_size):
        if waited_s > _START_S or scheduler.poll() is not None:
            pytest.fail(f"the scheduler did not start: {next(contact.parent.glob('*.log'))}")
        try:
            scheduler.wait(0.05)
        except subprocess.TimeoutExpired:
            waited_s += 0.05
