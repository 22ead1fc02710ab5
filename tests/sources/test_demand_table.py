from __future__ import annotations

import gzip
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.sources.demand_table import DemandTable, read_demand, write_demand

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
TimeUnit = Literal["ms", "us", "ns"]
UTC_US = pl.Datetime("us", "UTC")


def csv(folder: Path, *lines: str, header: str = "series_id,ts,value") -> Path:
    path = folder / "demand.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def parquet(folder: Path, **columns: pl.Series | list[object]) -> Path:
    path = folder / "demand.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def minute(i: int) -> str:
    return (START + timedelta(minutes=i)).isoformat()


def only(table: DemandTable) -> Demand:
    (demand,) = table.demands
    return demand


def same(a: Demand, b: Demand) -> bool:
    return (a.series_id, a.start, a.step_s) == (b.series_id, b.start, b.step_s) and (
        np.array_equal(a.values, b.values, equal_nan=True)
    )


def test_reads_one_series_and_leaves_absent_rows_unobserved(tmp_path: Path) -> None:
    path = csv(tmp_path, *(f"a,{minute(i)},{i}" for i in (0, 1, 2, 4)))
    table = read_demand(path)
    demand = only(table)
    assert (demand.series_id, demand.start, demand.step_s) == ("a", START, 60)
    np.testing.assert_array_equal(demand.values, [0, 1, 2, np.nan, 4])
    assert table.notes == ()


def test_series_of_different_steps_keep_their_own(tmp_path: Path) -> None:
    hourly = [f"h,{(START + timedelta(hours=i)).isoformat()},1" for i in range(3)]
    table = read_demand(csv(tmp_path, *hourly, f"m,{minute(0)},1", f"m,{minute(1)},1"))
    assert [(d.series_id, d.step_s) for d in table.demands] == [("h", 3600), ("m", 60)]


def test_the_smallest_of_equally_common_differences_is_the_step(tmp_path: Path) -> None:
    demand = only(read_demand(csv(tmp_path, *(f"a,{minute(i)},1" for i in (0, 3, 4)))))
    assert demand.step_s == 60


def test_a_file_without_series_column_is_one_series_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "night.shift.csv.gz"
    path.write_bytes(gzip.compress(f"ts,value\n{minute(0)},1\n{minute(1)},2\n".encode()))
    assert only(read_demand(path)).series_id == "night.shift"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T10:00:00Z",
        "2026-01-31 10:00:00+00:00",
        "2026-01-31 10:00:00+00",
        "2026-01-31T10:00Z",
        "2026-01-31T15:30:00+0530",
        "2026-01-31T10:00:00.000000+00:00",
        "2026-01-31 10:00:00 UTC",
        " 2026-01-31T05:00:00-05:00 ",
    ],
)
def test_reads_the_stamps_csv_writers_make(tmp_path: Path, text: str) -> None:
    assert only(read_demand(csv(tmp_path, f"a,{text},1"))).start == START


@pytest.mark.parametrize("unit", get_args(TimeUnit))
def test_reads_parquet_stamps_of_any_unit_and_zone(tmp_path: Path, unit: TimeUnit) -> None:
    kind = pl.Datetime(unit, "Asia/Tokyo")
    ts = pl.Series([START, START + timedelta(minutes=1)]).cast(kind)
    names = pl.Series(["a", "a"]).cast(pl.Categorical)
    demand = only(read_demand(parquet(tmp_path, series_id=names, ts=ts, value=[1, 2])))
    assert (demand.start, demand.step_s, demand.values.tolist()) == (START, 60, [1.0, 2.0])


def test_reads_parquet_stamps_with_a_fixed_offset(tmp_path: Path) -> None:
    path = tmp_path / "demand.parquet"
    stamps = [START, START + timedelta(minutes=1)]
    ts = cast("Any", pa.array(stamps, pa.timestamp("us", "+05:30")))
    table = cast("Any", pa.table({"ts": ts, "value": [1.0, 2.0], "other": [[1], [2]]}))
    pq.write_table(table, path)
    demand = only(read_demand(path))
    assert (demand.start, demand.values.tolist()) == (START, [1.0, 2.0])


def test_blank_lines_and_spaces_around_names_do_not_matter(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "",
        f"a,{minute(0)}, 1",
        "",
        f"a,{minute(1)},2 ",
        "",
        header="series_id, ts , value",
    )
    assert only(read_demand(path)).values.tolist() == [1.0, 2.0]


def test_a_row_alone_takes_the_step_of_the_others(tmp_path: Path) -> None:
    steps = {"a": 5, "b": 5, "c": 1}
    rows = [f"{name},{minute(i * step)},1" for name, step in steps.items() for i in range(2)]
    table = read_demand(csv(tmp_path, *rows, f"d,{minute(0)},1"))
    assert [demand.step_s for demand in table.demands] == [300, 300, 60, 300]
    assert "first 'd'" in table.notes[0]


def test_a_row_alone_in_its_file_is_an_hour_and_says_so(tmp_path: Path) -> None:
    table = read_demand(csv(tmp_path, f"a,{minute(0)},1"))
    assert only(table).step_s == 3600
    assert table.notes[0].endswith("taken as buckets of 3600 s")


def test_what_had_to_be_mended_is_counted(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        f"a,{minute(1)},2",
        f"a,{minute(0)},1",  # out of order
        f"a,{minute(1)},2",  # exact repeat
        f"a,{minute(2)},3",
        f"a,{minute(2)},4",  # another value: this one counts
        f"a,{minute(3)},NaN",
        f"a,{minute(4)},",
        f"a,{(START + timedelta(minutes=5, seconds=7)).isoformat()},6",  # off the grid
        f"a,{(START + timedelta(minutes=5, seconds=9)).isoformat()},7",  # and shares its bucket
        f"a,{minute(6)},8",
    )
    table = read_demand(path)
    np.testing.assert_array_equal(only(table).values, [1, 2, 4, np.nan, np.nan, 7, 8])
    counts = {
        "stood behind a later one": 1,
        "repeated another exactly": 1,
        "with another value: the last": 1,
        "had no value (NaN)": 2,
        "were off the grid": 2,
        "shared a bucket": 1,
    }
    assert len(table.notes) == len(counts)
    for words, count in counts.items():
        (note,) = [note for note in table.notes if words in note]
        assert note.endswith(f": {count}")


def test_a_series_never_observed_is_kept_without_values(tmp_path: Path) -> None:
    demand = only(read_demand(csv(tmp_path, f"a,{minute(0)},", f"a,{minute(1)},nan")))
    assert np.isnan(demand.values).all()
    assert len(demand.values) == 2


def test_keeps_only_the_series_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, f"a,{minute(0)},1", f"b,{minute(0)},2")
    assert only(read_demand(path, series=["b"])).values.tolist() == [2.0]


Refusal = tuple[list[str], str]
REFUSED_LINES: list[Refusal] = [
    ([f"a,{minute(0)},1", f"a,{minute(1)},-2"], "row 2: value -2.0 must lie in [0, 1e+15]"),
    ([f"a,{minute(0)},inf"], "row 1: value inf must lie in"),
    ([f"a,{minute(0)},many"], "row 1: value 'many' is no number; write a number"),
    (["a,2026-01-31T10:00:00,1"], "row 1: ts '2026-01-31T10:00:00' has no time zone; add one"),
    (["a,yesterday,1"], "row 1: ts 'yesterday' is no ISO timestamp"),
    (["a,2026-02-31T10:00:00Z,1"], "is no ISO timestamp"),
    ([f"a,{minute(0)},1", "a,,1"], "row 2: ts is no ISO timestamp"),
    ([f",{minute(0)},1"], "row 1: series_id"),
    ([f"a,{minute(0)},1", f"a,{minute(1)},1", "a,1926-01-31T10:00:00Z,1"], "correct its first"),
    ([], "holds no rows"),
    (["a,9999-01-01T00:00:00Z,1"], "lies outside the years 1900-2199; correct it"),
    ([f"a,{minute(0)},1", f"a,{minute(11_000)},1"], "series 'a' has rows 660000 s apart"),
    ([f"a,2026-01-31T10:00:00.{i}Z,1" for i in range(9)], "most rows share a bucket"),
    ([f"a,{minute(0)},1,2"], "cannot be read as CSV"),
]


@pytest.mark.parametrize(("lines", "text"), REFUSED_LINES)
def test_refuses_rows_in_one_line(tmp_path: Path, lines: list[str], text: str) -> None:
    path = csv(tmp_path, *lines)
    with pytest.raises(InputError) as refusal:
        read_demand(path)
    assert text in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_a_table_without_the_columns_and_names_what_it_found(tmp_path: Path) -> None:
    path = csv(tmp_path, "a,1", header="service,calls")
    with pytest.raises(InputError, match=r"no column ts and no column value.*found: service, cal"):
        read_demand(path)


def test_refuses_parquet_stamps_without_zone(tmp_path: Path) -> None:
    ts: list[object] = [START.replace(tzinfo=None)]
    path = parquet(tmp_path, series_id=["a"], ts=ts, value=[1.0])
    with pytest.raises(InputError, match="ts has no time zone"):
        read_demand(path)


def test_refuses_names_that_are_no_texts(tmp_path: Path) -> None:
    path = parquet(tmp_path, series_id=[["a"]], ts=[START], value=[1.0])
    with pytest.raises(InputError, match=r"series_id must be a text, its type is List\(String\)"):
        read_demand(path)


def test_refuses_a_parquet_row_without_time(tmp_path: Path) -> None:
    ts = pl.Series([START, None], dtype=UTC_US)
    path = parquet(tmp_path, series_id=["a", "a"], ts=ts, value=[1.0, 1.0])
    with pytest.raises(InputError, match="row 2: ts is missing; every row needs a time"):
        read_demand(path)


def test_refuses_values_that_are_no_numbers(tmp_path: Path) -> None:
    path = parquet(tmp_path, series_id=["a"], ts=[START], value=[True])
    with pytest.raises(InputError, match="value must be a number, its type is Boolean"):
        read_demand(path)


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; give an existing file"):
        read_demand(tmp_path / "absent.parquet")


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_demand(tmp_path)


def test_refuses_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputError, match="the file is empty"):
        read_demand(tmp_path / "empty.csv")


def test_refuses_what_is_only_named_parquet(tmp_path: Path) -> None:
    path = tmp_path / "demand.parquet"
    path.write_text("series_id,ts,value\n")
    with pytest.raises(InputError, match="is not a Parquet file"):
        read_demand(path)


def test_refuses_a_broken_parquet(tmp_path: Path) -> None:
    path = tmp_path / "demand.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_demand(path)


def test_refuses_an_unknown_series_and_names_near_ones(tmp_path: Path) -> None:
    path = csv(tmp_path, f"shop/cart,{minute(0)},1")
    with pytest.raises(InputError, match=r"no series 'shop/card' among its 1; .*shop/cart"):
        read_demand(path, series=["shop/card"])


def test_refuses_to_write_where_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_demand(tmp_path / "absent" / "out.parquet", [])


amounts = st.floats(0, 1e9, allow_subnormal=False)


@st.composite
def demand_lists(draw: st.DrawFn) -> list[Demand]:
    # What a table can say: observed at both ends, two neighbours observed, no step less common.
    names = draw(st.lists(st.text("ab/c", min_size=1), unique=True, min_size=1, max_size=4))
    demands: list[Demand] = []
    for name in sorted(names):
        step_s = draw(st.sampled_from([1, 60, 300, 3600, 86_400]))
        first = draw(st.integers(0, 20_000))
        values = draw(st.lists(amounts, min_size=2, max_size=12))
        if draw(st.booleans()):
            values += [np.nan, draw(amounts)]
        start = datetime.fromtimestamp(first * step_s, UTC)
        made = np.asarray(values, dtype=np.float64)
        demands.append(Demand(series_id=name, start=start, step_s=step_s, values=made))
    return demands


@given(demands=demand_lists())
@settings(deadline=None)
def test_writing_then_reading_gives_back_the_same(demands: list[Demand]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demand.parquet"
        write_demand(path, demands)
        assert pl.read_parquet_schema(path) == {
            "series_id": pl.String,
            "ts": UTC_US,
            "value": pl.Float64,
        }
        back = read_demand(path)
    assert back.notes == ()
    assert all(same(a, b) for a, b in zip(demands, back.demands, strict=True))


rows_of_any_kind = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9_000), amounts | st.just(np.nan)),
    min_size=1,
    unique_by=lambda row: row[:2],
)


def read_rows(rows: list[tuple[str, int, float]]) -> DemandTable | str:
    names, seconds, values = zip(*rows, strict=True)
    ts = pl.Series([START + timedelta(seconds=s) for s in seconds], dtype=UTC_US)
    with tempfile.TemporaryDirectory() as folder:
        path = parquet(Path(folder), series_id=list(names), ts=ts, value=list(values))
        try:
            table = read_demand(path)
        except InputError as refusal:
            return str(refusal).removeprefix(str(path))
        notes = tuple(note.removeprefix(str(path)) for note in table.notes)
        return DemandTable(demands=table.demands, notes=notes)


@given(data=st.data(), rows=rows_of_any_kind)
@settings(deadline=None)
def test_shuffling_rows_changes_nothing(
    data: st.DataObject, rows: list[tuple[str, int, float]]
) -> None:
    mixed = data.draw(st.permutations(rows))
    straight, shuffled = read_rows(sorted(rows)), read_rows(mixed)
    if isinstance(straight, str) or isinstance(shuffled, str):
        assert straight == shuffled
        return
    assert all(same(a, b) for a, b in zip(straight.demands, shuffled.demands, strict=True))
    assert straight.notes == tuple(n for n in shuffled.notes if "stood behind" not in n)


def test_reads_the_real_traces_without_a_mend(shared_data: Path) -> None:
    path = shared_data / "demand" / "nasa_http_1min.parquet"
    table = read_demand(path)
    raw = pl.read_parquet(path)
    assert table.notes == ()
    assert np.nansum(only(table).values) == raw["value"].sum()
    assert int(np.isfinite(only(table).values).sum()) == len(raw)
