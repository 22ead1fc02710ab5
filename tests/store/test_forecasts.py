"""Forecasts are kept once, come back as they were, and survive a crash between issue and score."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest

from cases.kept import START, file, hourly, hours, kept
from foretide.errors import StoreError
from foretide.model.accuracy import Score, Tally
from foretide.store.forecasts import Look
from foretide.store.scores import Looked, ScoresAsked
from foretide.store.tables import VERSION
from foretide.store.warehouse import Warehouse

DEMAND = hourly(np.arange(24.0 * 10))


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "s.duckdb", may_create=True) as opened:
        file(opened, DEMAND, hourly(np.arange(48.0), "shop//a/b"))
        yield opened


def test_a_forecast_comes_back_to_the_last_bit(warehouse: Warehouse) -> None:
    rng = np.random.default_rng(1)
    made = [
        kept(rng.gamma(2, 1e7, 100), spread=1e5, name=name, model=model, naive_scale=1.25)
        for name in ("shop/cart", "shop//a/b")
        for model in ("fleet", "gbm")
    ]
    made[0] = msgspec.structs.replace(
        made[0], forecast=msgspec.structs.replace(made[0].forecast, note="wide; « because »")
    )
    assert warehouse.keep_forecasts(made, kept_at=START) == 4
    back = warehouse.forecasts_of(app="shop", feature="cart")
    assert [one.forecast.model for one in back] == ["fleet", "gbm"]
    for one, other in zip(made[:2], back, strict=True):
        assert one.forecast.values.tobytes() == other.forecast.values.tobytes()
        assert one.naive.astype(np.float32).tolist() == other.naive.tolist()
        assert (one.naive_scale, one.series_class) == (other.naive_scale, other.series_class)
        for field in ("series_id", "issued_at", "start", "step_s", "levels", "note"):
            assert getattr(one.forecast, field) == getattr(other.forecast, field)
    (slashed, _) = warehouse.forecasts_of(app="shop", feature="/a/b")
    assert slashed.forecast.series_id == "shop//a/b"


def test_two_issues_of_one_instant_count_once_and_the_first_stays(warehouse: Warehouse) -> None:
    first, second = kept(np.full(24, 1.0)), kept(np.full(168, 2.0))
    assert warehouse.keep_forecasts([first, second], kept_at=START) == 1
    assert warehouse.keep_forecasts([second], kept_at=START) == 0
    (found,) = warehouse.forecasts_of(app="shop", feature="cart")
    assert found.forecast.values.tolist() == first.forecast.values.tolist()
    others = [
        kept(np.full(24, 1.0), issued_at=START + hours(1)),
        kept(np.full(24, 1.0), model="gbm"),
    ]
    assert warehouse.keep_forecasts(others, kept_at=START) == 2
    assert sum(one.count for one in warehouse.issued(ScoresAsked())) == 3


def test_forecasts_of_demand_that_is_not_there_are_refused_all_of_them(
    warehouse: Warehouse,
) -> None:
    both = [kept(np.full(24, 1.0)), kept(np.full(24, 1.0), name="shop/none")]
    with pytest.raises(StoreError, match="shop/none"):
        warehouse.keep_forecasts(both, kept_at=START)
    assert warehouse.forecasts_of(app="shop", feature="cart") == []


def test_a_final_score_is_never_touched_again(warehouse: Warehouse) -> None:
    warehouse.keep_forecasts([kept(np.full(48, 1.0))], kept_at=START)

    def score(day: int, count: int, *, is_final: bool) -> tuple[int, Score]:
        return 1, Score(day=day, tally=Tally(bucket_count=count), is_final=is_final)

    warehouse.file_scores([score(1, 20, is_final=False), score(2, 3, is_final=False)])
    warehouse.file_scores([score(1, 24, is_final=True)])
    warehouse.file_scores([score(1, 99, is_final=False), score(2, 5, is_final=False)])
    found = warehouse.scores(ScoresAsked(by="horizon"))
    assert [(one.key, one.tally.bucket_count) for one in found] == [("1", 24), ("2", 5)]
    (still,) = warehouse.open_forecasts(START + timedelta(days=99))
    assert still.final_days == (1,)
    look = Look(until=START, import_id=1)
    warehouse.file_scores([], looked=[Looked(forecast_id=1, is_closed=False, look=look)])
    (seen,) = warehouse.open_forecasts(START + timedelta(days=99))
    assert seen.looked == look
    warehouse.file_scores([], looked=[Looked(forecast_id=1, is_closed=True, look=look)])
    assert warehouse.open_forecasts(START + timedelta(days=99)) == []


def test_a_store_of_the_first_version_is_brought_along(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Warehouse(path, may_create=True) as opened:
        file(opened, DEMAND)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE forecasts")
        connection.execute("DROP TABLE scores")
        connection.execute("UPDATE about SET version = 1")
    with Warehouse(path) as opened:
        assert opened.demand()[0].values.tolist() == DEMAND.values.tolist()
        assert opened.keep_forecasts([kept(np.full(24, 1.0))], kept_at=START) == 1
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT version FROM about").fetchall() == [(VERSION,)]


_ISSUE_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from cases.kept import START, file, hourly, hours, kept
from foretide.store.warehouse import Warehouse
with Warehouse(Path(sys.argv[1]), may_create=True) as warehouse:
    file(warehouse, hourly(np.full(24 * 10, 3.0)))
    for at in range(10_000):
        warehouse.keep_forecasts([kept(np.full(48, 3.0), issued_at=START + hours(at))],
                                 kept_at=START)
        print(at, flush=True)
"""


def test_what_was_kept_before_a_kill_is_there_and_is_scored(tmp_path: Path) -> None:
    from foretide.control.scoring import score_matured

    path = tmp_path / "s.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", _ISSUE_FOR_EVER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    ) as issuing:
        assert issuing.stdout is not None
        last = 0
        for line in issuing.stdout:
            last = int(line)
            if last >= 20:
                issuing.kill()
                break
    with Warehouse(path) as warehouse:
        found = warehouse.forecasts_of(app="shop", feature="cart")
        assert len(found) >= last + 1
        done = score_matured(warehouse, START + timedelta(days=20))
        assert done.forecast_count == len(found)
