"""Counted requests become demand with a history, and a crash or a busy store costs none of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from foretide.control.ingest import file_fetched
from foretide.control.traffic_feed import TrafficFeed
from foretide.errors import PlatformUnavailableError, SourceError, StoreBusyError
from foretide.model.demand import Demand
from foretide.platforms.local.traffic.base import Counted
from foretide.store.warehouse import Warehouse

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Counter:
    """A proxy that has counted so many requests, until it does not answer."""

    def __init__(self) -> None:
        self.count, self.name, self.is_silent, self.is_counting = 0, "a", False, True

    def __call__(self) -> Counted | None:
        if self.is_silent:
            raise PlatformUnavailableError("the proxy does not answer")
        if not self.is_counting:
            return None
        return Counted(
            counter_id=self.name, request_count=self.count, failed_count=0, aborted_count=0,
            in_flight_count=0,
        )  # fmt: skip


class Days:
    """One service whose requests are counted, minute by minute."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.counter, self.now = folder, Counter(), START
        self.store = folder / "store.duckdb"
        self.feed = self.begun()

    def begun(self) -> TrafficFeed:
        return TrafficFeed(
            self.counter, service="web", store=self.store, diary=self.folder / "web.json",
            app="shop", features=(),
        )  # fmt: skip

    def minutes(self, count: int, *, each: int = 60) -> Demand | None:
        found = None
        for _ in range(count):
            found = self.feed.demand(self.now)
            self.counter.count += each
            self.now += timedelta(minutes=1)
        return found

    def known(self) -> Demand:
        found = self.feed.demand(self.now)
        assert found is not None
        return found

    def stored(self) -> list[float]:
        with Warehouse(self.store) as warehouse:
            found = warehouse.demand(app="web.traffic", feature="requests")
        return found[0].values.tolist() if found else []


@contextmanager
def another_owner(store: Path) -> Generator[None]:
    """Let another process have the store for a while."""
    program = (
        "import sys; from pathlib import Path; from foretide.store.warehouse import Warehouse\n"
        "with Warehouse(Path(sys.argv[1])):\n    print('there', flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as owner:  # fmt: skip
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "there\n"
            yield
        finally:
            owner.kill()


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def test_requests_are_counted_by_the_minute(days: Days) -> None:
    days.minutes(5)
    assert days.known().values.tolist() == [60.0] * 5
    assert days.known().start == START
    assert not days.store.exists()


def test_what_was_counted_goes_to_the_store_and_on_from_it(days: Days) -> None:
    days.minutes(20)
    days.feed.file(days.now)
    assert days.stored() == [60.0] * 19  # the last minute is counted when it is over
    days.minutes(10, each=30)
    found = days.known()
    assert found.start == START
    assert found.values.tolist() == [60.0] * 20 + [30.0] * 10
    days.feed.file(days.now)
    assert days.stored() == found.values.tolist()


def test_a_crash_costs_no_minute(days: Days) -> None:
    days.minutes(20)
    days.feed = days.begun()
    days.minutes(2)
    found = days.known()
    assert found.start == START
    assert found.values.tolist() == [60.0] * 22


def test_what_was_imported_is_history_and_what_was_counted_goes_before(days: Days) -> None:
    hours = Demand(
        series_id="shop/cart", start=START - timedelta(hours=1), step_s=60,
        values=np.full(90, 7.0),
    )  # fmt: skip
    with Warehouse(days.store, may_create=True) as warehouse:
        file_fetched(warehouse, [hours], origin="test", app="", now=START)
    days.minutes(5)
    found = days.known()
    assert found.start == hours.start
    assert found.values[:60].tolist() == [7.0] * 60
    assert found.values[60:65].tolist() == [60.0] * 5


def test_another_counter_and_silence_are_missing_and_not_zero(days: Days) -> None:
    days.minutes(3)
    days.counter.name, days.counter.count = "b", 5
    days.minutes(3)
    days.counter.is_silent = True
    with pytest.raises(SourceError, match="does not answer"):
        days.minutes(1)
    days.now += timedelta(minutes=5)
    days.counter.is_silent = False
    days.minutes(3)
    values = days.known().values
    assert np.isnan(values).any()
    assert set(values[np.isfinite(values)].tolist()) == {60.0}


def test_where_nobody_counts_nothing_is_known(days: Days) -> None:
    days.counter.is_counting = False
    found = days.minutes(20)
    assert found is None or np.isnan(found.values).all()
    days.feed.file(days.now)
    assert not days.store.exists()


def test_while_the_store_is_busy_counts_wait_in_their_file(days: Days) -> None:
    days.minutes(3)
    days.store.write_text("no store", encoding="utf-8")
    days.minutes(20)
    assert days.known().values.tolist() == [60.0] * 23
    days.store.unlink()
    days.feed.file(days.now)
    assert days.stored() == [60.0] * 23


def test_a_damaged_file_is_begun_anew(days: Days) -> None:
    days.minutes(3)
    (days.folder / "web.json").write_text("{", encoding="utf-8")
    days.feed = days.begun()
    days.minutes(3)
    assert days.known().values[-2:].tolist() == [60.0, 60.0]


def test_a_history_that_cannot_be_read_yet_is_read_later(days: Days) -> None:
    with Warehouse(days.store, may_create=True) as warehouse:
        one = Demand(
            series_id="shop/cart", start=START - timedelta(minutes=9), step_s=60,
            values=np.full(9, 7.0),
        )  # fmt: skip
        file_fetched(warehouse, [one], origin="test", app="", now=START)
    with another_owner(days.store):
        for _ in range(4):
            with pytest.raises(StoreBusyError, match="another process"):
                days.feed.demand(days.now)
            days.counter.count += 60
            days.now += timedelta(minutes=1)
    assert days.known().values.tolist() == [7.0] * 9 + [60.0] * 4
