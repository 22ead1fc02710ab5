"""The demand of a service as the store comes to have it, while somebody else may have the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from foretide.control.ingest import file_fetched
from foretide.control.stored_demand import StoreFeed, overlaid
from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.store.warehouse import Warehouse

START = datetime(2026, 3, 2, tzinfo=UTC)


def demand(values: list[float], *, minute: int = 0, step_s: int = 60) -> Demand:
    return Demand(
        series_id="shop/cart", start=START + timedelta(minutes=minute), step_s=step_s,
        values=np.array(values),
    )  # fmt: skip


def keep(path: Path, *demands: Demand) -> None:
    with Warehouse(path, may_create=True) as warehouse:
        for one in demands:
            file_fetched(warehouse, [one], origin="test", app="", now=START)


def test_it_grows_with_the_store_and_begins_where_it_began(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    keep(path, demand([1.0, 2.0, 3.0]))
    feed = StoreFeed(path, "shop", ())
    first = feed.demand(START + timedelta(minutes=3))
    assert first is not None
    assert first.values.tolist() == [1, 2, 3]
    keep(path, demand([4.0, 5.0], minute=3))
    assert feed.demand(START + timedelta(minutes=3, seconds=20)) is first  # read a moment ago
    second = feed.demand(START + timedelta(minutes=5))
    assert second is not None
    assert (second.start, second.values.tolist()) == (first.start, [1, 2, 3, 4, 5])


def test_features_add_up(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    other = Demand(series_id="shop/search", start=START, step_s=60, values=np.array([10.0, 20.0]))
    keep(path, demand([1.0, 2.0]), other)
    for features, told in (((), [11, 22]), (("search",), [10, 20])):
        found = StoreFeed(path, "shop", features).demand(START + timedelta(minutes=2))
        assert found is not None
        assert found.values.tolist() == told


def test_nothing_known_is_nothing_and_no_store_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with pytest.raises(InputError, match="no store there"):
        StoreFeed(path, "shop", ()).demand(START)
    keep(path, demand([1.0]))
    assert StoreFeed(path, "other", ()).demand(START + timedelta(minutes=1)) is None


def test_what_was_not_observed_later_stays_as_it_was() -> None:
    nan = float("nan")
    found = overlaid(demand([1.0, 2.0, nan]), demand([nan, 30.0, 40.0], minute=1))
    assert np.array_equal(found.values, [1, 2, 30, 40])
    gap = overlaid(demand([1.0]), demand([5.0], minute=3))
    assert np.array_equal(gap.values, [1, nan, nan, 5], equal_nan=True)


def test_earlier_buckets_and_other_steps_are_left_out() -> None:
    assert overlaid(demand([1.0, 2.0], minute=2), demand([7.0, 8.0, 9.0])).values.tolist() == [9, 2]
    before = demand([1.0])
    assert overlaid(before, demand([1.0], step_s=300)) is before
