"""What the store kept of earlier forecasts corrects the next ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cases.kept import START, file, hourly, hours, kept
from foretide.control.recollection import recalling
from foretide.forecast.base import Forecaster
from foretide.forecast.fleet import Fleet
from foretide.store.warehouse import Warehouse

DAYS = 60
VALUES = np.random.default_rng(1).normal(200, 10, 24 * DAYS)
NOW = START + timedelta(days=DAYS)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "s.duckdb", may_create=True) as opened:
        file(opened, hourly(VALUES))
        yield opened


def issue_daily(warehouse: Warehouse, days: range, *, spread: float, model: str = "fleet") -> None:
    made = [
        kept(np.full(24, 200.0), issued_at=START + hours(24 * day), spread=spread, model=model)
        for day in days
    ]
    warehouse.keep_forecasts(made, kept_at=NOW)


def width(forecaster: Forecaster) -> float:
    (found,) = forecaster.forecast(
        [hourly(VALUES)], issued_at=NOW, horizon_s=86_400, levels=(0.1, 0.9),
        timezone=ZoneInfo("UTC"),
    )  # fmt: skip
    return float((found.values[:, 1] - found.values[:, 0]).mean())


@pytest.mark.parametrize(("said", "least", "most"), [(5.0, 1.3, 1.7), (20.0, 0.65, 0.85)])
def test_intervals_that_were_too_narrow_are_widened_and_too_wide_ones_narrowed(
    warehouse: Warehouse, said: float, least: float, most: float
) -> None:
    issue_daily(warehouse, range(5, DAYS), spread=said)
    model = recalling(warehouse, Fleet(), ["shop/cart"], now=NOW)
    assert least < width(model) / width(Fleet()) < most


def test_too_little_memory_leaves_the_forecaster_as_it_is(warehouse: Warehouse) -> None:
    fleet = Fleet()
    assert recalling(warehouse, fleet, ["shop/cart"], now=NOW) is fleet
    issue_daily(warehouse, range(DAYS - 14, DAYS), spread=5.0)
    assert recalling(warehouse, fleet, ["shop/cart"], now=NOW) is fleet


def test_another_forecasters_errors_are_not_its_own(warehouse: Warehouse) -> None:
    issue_daily(warehouse, range(5, DAYS), spread=5.0, model="prophet")
    fleet = Fleet()
    assert recalling(warehouse, fleet, ["shop/cart"], now=NOW) is fleet
