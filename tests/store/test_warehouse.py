from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InputError, InvalidValueError, StoreError
from foretide.model.batch import EVENT_SCHEMA, Content, EventBatch, ImportRecord, Mark, Reject
from foretide.model.demand import Demand
from foretide.store.amounts import Series
from foretide.store.filing import Filed
from foretide.store.key import key_path
from foretide.store.warehouse import Warehouse

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MARK = Mark(byte_count=1, line_count=1, digest=b"d")
RECORD = ImportRecord(
    at=NOON,
    path="a.log",
    kind="log",
    app="default",
    content=Content(head=b"h", whole=MARK, complete=MARK),
    line_count=3,
    stored_count=2,
    rejected_count=1,
)


def events(*rows: tuple[float, str], app: str = "shop", visitor: int | None = None) -> EventBatch:
    frame = pl.DataFrame(
        {
            "ts": [NOON + timedelta(seconds=at) for at, _ in rows],
            "app": [app] * len(rows),
            "feature": [feature for _, feature in rows],
            "session": pl.Series([None] * len(rows), dtype=pl.UInt64),
            "visitor": pl.Series([visitor] * len(rows), dtype=pl.UInt64),
            "device": ["phone"] * len(rows),
            "country": pl.Series([None] * len(rows), dtype=pl.String),
            "duration_s": [0.5] * len(rows),
            "status": [200] * len(rows),
        },
        schema_overrides=dict(EVENT_SCHEMA),
    )
    return EventBatch(frame=frame, mended={})


def filed(warehouse: Warehouse, *batches: EventBatch, features_max: int = 200) -> Filed:
    with warehouse.filing(features_max=features_max) as filing:
        for batch in batches:
            filing.stage(batch, ())
        return filing.commit(RECORD)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "s.duckdb", may_create=True) as opened:
        yield opened


def test_events_come_back_as_demand_where_silence_is_zero(warehouse: Warehouse) -> None:
    filed(warehouse, events((0, "/a"), (1, "/a"), (130, "/b"), (600, "/a")))
    a, b = warehouse.demand(app="shop")
    assert (a.series_id, b.series_id) == ("shop//a", "shop//b")
    assert a.start == NOON
    assert a.values.tolist() == [2, *[0] * 9, 1]
    assert b.values.tolist() == [0, 0, 1, *[0] * 8]
    (total,) = warehouse.demand(app="shop", is_total=True)
    assert total.series_id == "shop"
    assert total.values.sum() == 4


def test_a_silence_beyond_the_heartbeat_is_missing(warehouse: Warehouse) -> None:
    filed(warehouse, events((0, "/a"), (2 * 3600, "/a")))
    (found,) = warehouse.demand()
    assert np.isnan(found.values).sum() == 119
    warehouse.set_heartbeat("shop", 3 * 3600)
    (found,) = warehouse.demand()
    assert found.values.sum() == 2
    assert not np.isnan(found.values).any()


def test_spans_steps_and_names_choose(warehouse: Warehouse) -> None:
    filed(warehouse, events(*((60.0 * at, "/a") for at in range(120))))
    (hours,) = warehouse.demand(series="shop//a", step_s=3600)
    assert hours.values.tolist() == [60, 60]
    start, end = NOON + timedelta(minutes=10), NOON + timedelta(minutes=20)
    (some,) = warehouse.demand(app="shop", feature="/a", start=start, end=end)
    assert (some.start, some.end) == (start, end)
    assert warehouse.demand(app="shop", feature="/zzz") == []
    assert warehouse.demand(app="nix") == []
    with pytest.raises(InvalidValueError, match="give a multiple"):
        warehouse.demand(app="shop", step_s=90)


@pytest.mark.parametrize("step_s", [60, 600, 3600])
@pytest.mark.parametrize(("low_min", "high_min"), [(-90, 30), (7, 95), (60, 400), (500, 900)])
def test_a_part_asked_for_is_that_part_of_the_whole(
    warehouse: Warehouse, step_s: int, low_min: int, high_min: int
) -> None:
    filed(warehouse, events(*((60.0 * at, "/a") for at in (*range(50), *range(90, 180), 320))))
    filed(warehouse, events((0, "/rare")))
    start, end = NOON + timedelta(minutes=low_min), NOON + timedelta(minutes=high_min)
    part = warehouse.demand(app="shop", start=start, end=end, step_s=step_s)
    for whole in warehouse.demand(app="shop", step_s=step_s):
        step = timedelta(seconds=step_s)
        at = [whole.start + n * step for n in range(len(whole.values))]
        expected = [v for t, v in zip(at, whole.values, strict=True) if start <= t < end]
        found = [one for one in part if one.series_id == whole.series_id]
        assert len(found) == bool(expected)
        for one in found:
            assert one.start == next(t for t in at if t >= start)
            np.testing.assert_array_equal(one.values, expected)


def test_hourly_stamps_make_an_hourly_series(warehouse: Warehouse) -> None:
    filed(warehouse, events(*((3600.0 * at + 300, "/a") for at in range(24))))
    (found,) = warehouse.demand()
    assert found.step_s == 3600
    assert found.values.tolist() == [1] * 24
    with pytest.raises(InvalidValueError, match="known every 3600 s"):
        warehouse.demand(step_s=60)


def test_features_beyond_the_cap_fall_into_other_and_stay_there(warehouse: Warehouse) -> None:
    first = filed(
        warehouse, events((0, "/a"), (1, "/a"), (2, "/b"), (3, "/c"), (4, "/d")), features_max=2
    )
    assert (first.folded_feature_count, first.folded_call_count) == (2, 2)
    again = filed(warehouse, events((5, "/d"), (6, "/a"), (7, "other")), features_max=2)
    assert (again.folded_feature_count, again.overlapping_count) == (1, 0)
    names = {feature.name: feature.amount for feature in warehouse.features("shop")}
    assert names == {"/a": 3, "/b": 1, "other": 4}


def test_what_fails_half_way_leaves_nothing(warehouse: Warehouse) -> None:
    def breaks() -> None:
        with warehouse.filing() as filing:
            filing.stage(events((0, "/a")), [Reject(line=1, reason="bad")])
            raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError):
        breaks()
    assert warehouse.counts().events == warehouse.counts().imports == 0
    assert warehouse.apps() == []
    filed(warehouse, events((0, "/a")))
    assert warehouse.counts().events == 1


def test_a_process_killed_while_filing_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from foretide.control.ingest import import_file\n"
        "from foretide.control.intake import Order, look_at\n"
        "from foretide.control.clock import WallClock\n"
        "from foretide.store.warehouse import Warehouse\n"
        "def kill(position): os.kill(os.getpid(), signal.SIGKILL)\n"
        "ticket = look_at(Path(sys.argv[2]), Order())\n"
        "with Warehouse(Path(sys.argv[1]), may_create=True) as warehouse:\n"
        "    import_file(warehouse, ticket, Order(), now=WallClock().now(), on_progress=kill)\n"
    )
    path, store = tmp_path / "e.csv", tmp_path / "s.duckdb"
    path.write_text("ts\n" + "1714557600\n" * 1000, encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", script, str(store), str(path)], check=False)
    assert ended.returncode == -9
    with Warehouse(store) as warehouse:
        assert warehouse.counts().events == warehouse.counts().imports == 0


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6 * 3600), st.integers(1, 3)), min_size=1, max_size=40),
    st.data(),
)
def test_sessions_are_cut_at_half_an_hour_of_silence_also_across_imports(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, int]], data: st.DataObject
) -> None:
    ordered = sorted(calls)
    cut = data.draw(st.integers(0, len(ordered)))
    with Warehouse(tmp_path_factory.mktemp("store") / "s.duckdb", may_create=True) as warehouse:
        for part in (ordered[:cut], ordered[cut:]):
            batches = [
                events(*((at, "/a") for at, who in part if who == visitor), visitor=visitor)
                for visitor in (1, 2, 3)
            ]
            filed(warehouse, *batches)
        assert warehouse.counts().sessions == expected_sessions(calls)


def expected_sessions(calls: list[tuple[int, int]]) -> int:
    found = 0
    for visitor in (1, 2, 3):
        times = sorted(at for at, who in calls if who == visitor)
        found += sum(1 for i, at in enumerate(times) if i == 0 or at - times[i - 1] > 1800)
    return found


@settings(max_examples=6, deadline=None)
@given(st.permutations([(float(17 * at), "/a" if at % 3 else "/b") for at in range(30)]))
def test_the_order_of_the_rows_changes_no_demand(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str]]
) -> None:
    with Warehouse(tmp_path_factory.mktemp("store") / "s.duckdb", may_create=True) as warehouse:
        filed(warehouse, events(*rows[:11]), events(*rows[11:]))
        found = [(one.series_id, one.values.tolist()) for one in warehouse.demand()]
    calls = Counter((feature, int(at // 60)) for at, feature in rows)
    assert found == [
        (f"shop/{feature}", [calls[feature, minute] for minute in range(9)])
        for feature in ("/a", "/b")
    ]


def given_demand(values: list[float], *, step_s: int = 300) -> list[Series]:
    demand = Demand(series_id="x", start=NOON, step_s=step_s, values=np.array(values))
    return [Series(app="shop", feature="x", demand=demand)]


def test_demand_given_as_a_table_is_kept_with_its_gaps(warehouse: Warehouse) -> None:
    first = warehouse.file_demand(given_demand([1, np.nan, 0, 4]), RECORD)
    again = warehouse.file_demand(given_demand([1, np.nan, 7, 4, 5]), RECORD)
    assert (first.stored_count, first.replaced_count) == (3, 0)
    assert (again.stored_count, again.replaced_count) == (1, 1)
    (found,) = warehouse.demand()
    assert found.step_s == 300
    np.testing.assert_array_equal(found.values, [1, np.nan, 7, 4, 5])
    assert warehouse.counts().amounts == 4


def test_a_series_is_either_counted_or_given_and_keeps_its_step(warehouse: Warehouse) -> None:
    warehouse.file_demand(given_demand([1, 2]), RECORD)
    with pytest.raises(InputError, match="kept with 300 s"):
        warehouse.file_demand(given_demand([1, 2], step_s=60), RECORD)
    with pytest.raises(InputError, match="came as a table"):
        filed(warehouse, events((0, "x")))
    filed(warehouse, events((0, "y")))
    counted = Demand(series_id="y", start=NOON, step_s=60, values=np.array([1.0]))
    with pytest.raises(InputError, match="counted from events"):
        warehouse.file_demand([Series(app="shop", feature="y", demand=counted)], RECORD)
    assert warehouse.counts().imports == 2


def test_refused_lines_and_records_come_back(warehouse: Warehouse) -> None:
    with warehouse.filing() as filing:
        filing.stage(events((0, "/a")), [Reject(line=7, reason="bad", text="(withheld)")])
        filing.commit(RECORD, country_count=3)
    (letter,) = warehouse.dead_letters()
    assert (letter.path, letter.line, letter.reason) == ("a.log", 7, "bad")
    (entry,) = warehouse.audit()
    assert (entry.at, entry.count) == (NOON, 3)
    assert "--location-consent" in entry.what
    assert warehouse.imports() == [RECORD]


def test_the_key_is_made_once_and_for_its_owner_only(warehouse: Warehouse) -> None:
    key = warehouse.session_key()
    assert warehouse.session_key() == key
    assert key_path(warehouse.path).stat().st_mode & 0o777 == 0o600
    key_path(warehouse.path).write_bytes(b"short")
    with pytest.raises(StoreError, match="not a key"):
        warehouse.session_key()


def test_a_second_process_is_told_who_owns_the_store(warehouse: Warehouse) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from foretide.store.warehouse import Warehouse\n"
        "from foretide.errors import StoreBusyError\n"
        "try: Warehouse(Path(sys.argv[1]))\n"
        "except StoreBusyError as error: print(error)\n"
    )
    asked = [sys.executable, "-c", script, str(warehouse.path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert f"another process (process {os.getpid()}) owns the store" in said
    assert said.count("\n") == 1


def test_what_is_no_store_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no store there"):
        Warehouse(tmp_path / "absent")
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Warehouse(broken)
    assert "\n" not in str(caught.value)


def test_a_damaged_store_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Warehouse(path, may_create=True) as warehouse:
        filed(warehouse, events((0, "/a")))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(StoreError, match="cannot be used") as caught, Warehouse(path) as damaged:
        damaged.counts()
    assert "\n" not in str(caught.value)


def test_another_version_or_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Warehouse(path, may_create=True).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE about SET version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Warehouse(path)
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    with pytest.raises(StoreError, match="not a store"):
        Warehouse(tmp_path / "t.duckdb")


def test_a_store_made_in_vain_is_taken_away(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        with Warehouse(path, may_create=True) as warehouse:
            warehouse.session_key()
            raise InputError("bad input")

    with pytest.raises(InputError):
        fails(tmp_path / "new" / "deep" / "s.duckdb")
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "s.duckdb"
    Warehouse(kept, may_create=True).close()
    with pytest.raises(InputError):
        fails(kept)
    assert kept.exists()
