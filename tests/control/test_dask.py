"""A cluster gives what one process gives, bit for bit, also when a worker is killed half-way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cases.cluster import Cluster, cluster
from cases.jobs import refuse
from foretide.control.parts import PART_SERIES, PartMap, forecast_map, here
from foretide.control.pools import part_map
from foretide.errors import ForetideError, InputError, InvalidValueError
from foretide.forecast.base import Forecaster
from foretide.forecast.fleet import Fleet
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

pytest.importorskip("distributed", reason="needs the extra foretide[dask]")

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR_S = 3600
LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
SERIES = 2_000


def made(count: int, days: int = 56) -> list[Demand]:
    hours = np.arange(days * 24)
    rng = np.random.default_rng(7)
    level = rng.uniform(1, 400, size=(count, 1))
    shape = 1 + 0.6 * np.sin(2 * np.pi * hours / 24) * np.where(hours // 24 % 7 < 5, 1, 0.3)
    values = rng.poisson(level * shape).astype(float)
    values[::17, 100:140] = np.nan
    return [
        Demand(series_id=f"shop/f{at}", start=START, step_s=HOUR_S, values=row)
        for at, row in enumerate(values)
    ]


def parts(
    demands: list[Demand], mapped: PartMap, forecaster: Forecaster
) -> Generator[list[Forecast]]:
    yield from forecast_map(
        forecaster,
        demands,
        instants=[demands[0].end],
        horizon_s=48 * HOUR_S,
        levels=LEVELS,
        timezone=ZoneInfo("Europe/Berlin"),
        mapped=mapped,
    )


def told(found: list[Forecast]) -> list[tuple[str, bytes, str]]:
    return [(one.series_id, one.values.tobytes(), one.note) for one in found]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


@pytest.mark.slow
def test_2000_series_are_the_same_on_two_workers_and_when_one_of_them_is_killed(
    tmp_path: Path,
) -> None:
    demands = made(SERIES)
    alone = [one for part in parts(demands, here, Fleet()) for one in part]
    assert len(alone) == SERIES
    with (
        cluster(tmp_path, workers=2) as running,
        part_map(scheduler=running.address) as mapped,
    ):
        whole = [one for part in parts(demands, mapped, Fleet()) for one in part]
        assert told(whole) == told(alone)
        cut_short: list[Forecast] = []
        for number, part in enumerate(parts(demands, mapped, Fleet()), 1):
            cut_short += part
            if number == SERIES // PART_SERIES // 2:
                os.kill(running.workers[0].pid, signal.SIGKILL)
        assert running.workers[0].wait() != 0
        assert running.workers[1].poll() is None
        assert told(cut_short) == told(alone)


def test_work_goes_on_after_parts_were_left_undone(two_workers: Cluster) -> None:
    demands = made(350, days=20)
    with part_map(scheduler=two_workers.address) as mapped:
        first = next(parts(demands, mapped, Fleet()))
        whole = [one for part in parts(demands, mapped, Fleet()) for one in part]
    assert told(whole[: len(first)]) == told(first)
    assert told(whole) == told([one for part in parts(demands, here, Fleet()) for one in part])


@pytest.mark.slow
def test_a_heavy_model_is_taught_and_served_there(two_workers: Cluster, tmp_path: Path) -> None:
    pytest.importorskip("prophet", reason="needs the extra foretide[prophet]")
    from foretide.control.champions import Champions, served
    from foretide.control.train import beat
    from foretide.forecasters.prophet import Prophet
    from foretide.store.models import Registry

    demands = made(2, days=21)
    now, zone = demands[0].end, ZoneInfo("UTC")
    found: list[list[tuple[str, bytes, str]]] = []
    with part_map(scheduler=two_workers.address) as there:
        for name, mapped in (("here", here), ("there", there)):
            registry = Registry(tmp_path / name)
            champions = Champions(registry, Prophet())
            done = beat(champions, registry, demands, now=now, timezone=zone, mapped=mapped)
            assert len(done.outcomes) == 2
            by = served(tmp_path / name, Prophet(), is_global=False)
            found.append(told([one for part in parts(demands, mapped, by) for one in part]))
    assert found[0] == found[1]


def test_an_error_of_the_work_is_raised_here(two_workers: Cluster) -> None:
    with (
        part_map(scheduler=two_workers.address) as mapped,
        pytest.raises(InvalidValueError, match="part 3 is refused"),
    ):
        list(mapped(refuse, [3]))


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:1", "nonsense://x:1", "127.0.0.1:8786", "tcp://[::", "tcp://h:x", "x"],
)
def test_a_scheduler_that_is_not_there_is_one_line(address: str) -> None:
    with pytest.raises(InputError) as caught, part_map(scheduler=address):
        pass
    assert str(caught.value).startswith(f"--scheduler {address}: no dask scheduler answers there")
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"needs an extra; install foretide\[dask\]"),
        part_map(scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_another_version_there_is_refused(
    two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretide.__version__", "9.9.9")
    with (
        pytest.raises(InputError, match=r"worker tcp://\S+ has foretide \S+, this process 9\.9\.9"),
        part_map(scheduler=two_workers.address),
    ):
        pass


def test_a_cluster_without_workers_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretide.control.cluster._WORKERS_S", 1)
    with (
        cluster(tmp_path, workers=0) as running,
        pytest.raises(InputError, match=r"no worker joined it within 1 s; run `dask worker tcp://"),
        part_map(scheduler=running.address),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("who", ["workers", "scheduler"])
def test_work_that_nobody_can_go_on_with_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr("foretide.control.cluster._ALONE_S", 2)
    monkeypatch.setattr("foretide.control.cluster._LOOK_S", 1)
    said = "no worker is left" if who == "workers" else "the scheduler went away"
    with (
        cluster(tmp_path, workers=1) as running,
        part_map(scheduler=running.address) as mapped,
    ):
        found = parts(made(600, days=20), mapped, Fleet())
        next(found)
        for process in running.workers if who == "workers" else [running.scheduler]:
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ForetideError, match=f"--scheduler {running.address}: {said}"):
            list(found)
