"""A real Prometheus, filled with a history before it is started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from foretide.model.demand import Demand

READY_S = 60
BACKFILL = ("create-blocks-from", "openmetrics", "--max-block-duration=720h", "--quiet")


def gauge(name: str, samples: Iterable[tuple[float, datetime]], labels: str = "") -> list[str]:
    """Return a gauge in the OpenMetrics text format."""
    return [
        f"# TYPE {name} gauge",
        *(f"{name}{labels} {value!r} {int(at.timestamp())}" for value, at in samples),
    ]


def ends(demand: Demand, *, is_rate: bool) -> list[tuple[float, datetime]]:
    """Return what a series held, told at the end of each bucket: per second, or as it is."""
    divisor, step = (demand.step_s if is_rate else 1), timedelta(seconds=demand.step_s)
    return [
        (float(demand.values[at]) / divisor, demand.start + (at + 1) * step)
        for at in np.flatnonzero(np.isfinite(demand.values)).tolist()
    ]


@contextmanager
def serving(folder: Path, lines: Iterable[str]) -> Generator[str]:
    """Lend the address of a Prometheus that holds what some OpenMetrics lines say.

    Skips the test where Prometheus is not installed.
    """
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    if server is None or tool is None:
        pytest.skip("prometheus and promtool (Debian package prometheus) are not installed")
    (folder / "backfill.txt").write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    (folder / "prometheus.yml").write_text("scrape_configs: []\n", encoding="utf-8")
    data = folder / "data"
    subprocess.run(
        [tool, "tsdb", *BACKFILL, folder / "backfill.txt", data], check=True, capture_output=True
    )
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                server,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={url.removeprefix('http://')}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    transport = httpx.HTTPTransport(retries=3)
    gate = threading.Event()
    with httpx.Client(transport=transport) as client:
        for _ in range(READY_S * 10):
            assert process.poll() is None, log.read_text()
            try:
                if client.get(f"{url}/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            gate.wait(0.1)
    raise AssertionError(log.read_text())
