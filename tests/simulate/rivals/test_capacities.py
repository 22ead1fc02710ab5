"""Capacities written down elsewhere: how they are read, refused and played."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.simulate.rivals.capacities import capacity_counts, read_capacities
from foretide.simulate.scenario import Scenario

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Scenario(boot_s=120)


def demand(minutes: int = 10, series_id: str = "web") -> Demand:
    return Demand(series_id=series_id, start=START, step_s=60, values=np.ones(minutes))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_capacity_serves_from_its_time_and_is_billed_one_boot_before(tmp_path: Path) -> None:
    file = written(
        tmp_path / "plan.csv",
        "ts,capacity\n2026-03-02T00:00Z,2\n2026-03-02T00:06Z,5\n2026-03-02T00:08Z,0\n",
    )
    counts = capacity_counts(read_capacities(file), demand(), scenario=RULES)
    assert counts.serving.tolist() == [2] * 6 + [5] * 2 + [1] * 2
    assert counts.booting.tolist() == [0] * 4 + [3] * 2 + [0] * 4
    assert not counts.warm.any()


def test_the_first_row_also_holds_before_its_time_and_parts_are_rounded_up(tmp_path: Path) -> None:
    file = written(
        tmp_path / "plan.csv", "ts,capacity\n2026-03-02 00:03:00+00:00,2.2\n2026-03-02T00:01Z,4\n"
    )
    counts = capacity_counts(read_capacities(file), demand(5), scenario=RULES)
    assert counts.serving.tolist() == [4, 4, 4, 3, 3]


def test_parquet_with_several_series_and_repeated_times(tmp_path: Path) -> None:
    at = [START, START, START + timedelta(minutes=2), START]
    pl.DataFrame(
        {"series_id": ["web", "web", "web", "api"], "ts": at, "capacity": [1, 6, 3, 9]}
    ).write_parquet(tmp_path / "plan.parquet")
    read = read_capacities(tmp_path / "plan.parquet")
    assert capacity_counts(read, demand(4), scenario=RULES).serving.tolist() == [6, 6, 3, 3]
    api = capacity_counts(read, demand(2, "api"), scenario=RULES)
    assert api.serving.tolist() == [9, 9]
    with pytest.raises(InputError, match="no capacity for series shop"):
        capacity_counts(read, demand(series_id="shop"), scenario=RULES)


def test_capacities_that_begin_after_the_trace_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "plan.csv", "ts,capacity\n2026-03-02T00:10Z,2\n")
    with pytest.raises(InputError, match=r"begins after the demand of web ends at 2026-03-02"):
        capacity_counts(read_capacities(file), demand(10), scenario=RULES)
    assert capacity_counts(read_capacities(file), demand(11), scenario=RULES).serving[0] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("ts,value\n2026-03-02T00:00Z,2\n", "no column capacity; needs ts, capacity, found"),
        ("ts,capacity\n", "holds no rows"),
        ("ts,capacity\n2026-03-02T00:00,2\n", "row 1: no time zone; write it as"),
        ("ts,capacity\n2026-03-02T00:00Z,2\nnoon,2\n", "'noon' in row 2: not a timestamp"),
        ("ts,capacity\n2026-03-02T00:00Z,-1\n", "capacity '-1' in row 1: must lie in"),
        ("ts,capacity\n2026-03-02T00:00Z,nan\n", "capacity 'nan' in row 1: must lie in"),
        ("ts,capacity\n2026-03-02T00:00Z,many\n", "capacity 'many' in row 1: must lie in"),
        ("ts,capacity\n2026-03-02T00:00Z,\n", "capacity None in row 1: must lie in"),
        ("ts,capacity\n2026-03-02T00:00Z,10001\n", r"must lie in \[0, 10000\] instances"),
        ("ts,capacity\n2026-03-02T00:00Z,1,2\n", "cannot be read"),
    ],
)
def test_what_is_no_table_of_capacities_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        read_capacities(written(tmp_path / "plan.csv", text))
    assert str(refused.value).startswith("--policy csv:")
    assert "\n" not in str(refused.value)


def test_files_that_are_no_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(InputError, match="give an existing file"):
            read_capacities(path)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match="cannot be read"):
        read_capacities(tmp_path / "cut.parquet")
