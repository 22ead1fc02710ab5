from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretide.control import ingest
from foretide.control.ingest import import_file
from foretide.control.intake import Order, look_at
from foretide.control.tally import ImportReport
from foretide.errors import InputError
from foretide.sources.kinds import Wish
from foretide.store.warehouse import Warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0 secretive"
LINES = [
    f'203.0.113.{n % 5} - - [10/Oct/2000:13:{n:02d}:36 +0000] "GET /p{n % 3} HTTP/1.0" '
    f'{200 + n % 2} 2326 "-" "{AGENT}"\n'
    for n in range(20)
]


def imported(store: Path, path: Path, order: Order = Order()) -> ImportReport:  # noqa: B008
    ticket = look_at(path, order)
    with Warehouse(store, may_create=True) as warehouse:
        return import_file(warehouse, ticket, order, now=NOW)


def kept(store: Path) -> list[tuple[object, ...]]:
    return asked(
        store,
        "SELECT e.ts, f.name, e.status, e.device FROM events e JOIN features f "
        "USING (feature_id) ORDER BY ALL",
    )


def asked(store: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(store)) as connection:
        return connection.execute(query).fetchall()


def test_importing_a_content_twice_changes_nothing_whatever_its_name(tmp_path: Path) -> None:
    store, path, copy = tmp_path / "s", tmp_path / "a.log", tmp_path / "b.log.gz"
    path.write_text("".join(LINES), encoding="utf-8")
    copy.write_bytes(gzip.compress(path.read_bytes()))
    assert imported(store, path).stored_count == 20
    before = kept(store)
    for again in (path, copy):
        report = imported(store, again)
        assert report.stored_count == 0
        assert "imported before" in report.notes[0]
    assert kept(store) == before
    assert imported(store, path, Order(app="default")).stored_count == 0
    assert imported(store, path, Order(app="elsewhere")).stored_count == 20


@settings(max_examples=8, deadline=None)
@given(st.integers(1, sum(map(len, LINES)) - 1))
@example(len(LINES[0]))  # between two lines
@example(len(LINES[0]) - 1)  # all of a line but its end
@example(len(LINES[0]) + 71)  # a shorter line that can be read
def test_a_log_that_grew_from_any_byte_counts_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("grown")
    path, whole = folder / "a.log", folder / "whole.log"
    text = "".join(LINES)
    whole.write_text(text, encoding="utf-8")
    imported(folder / "once", whole)
    path.write_text(text[:cut], encoding="utf-8")
    try:
        imported(folder / "grown", path)
    except InputError:
        assert cut < len(LINES[0])  # not yet one readable line
    path.write_text(text, encoding="utf-8")
    imported(folder / "grown", path)
    # a line cut before its user agent is stored as a shorter one: its device stays unknown
    assert [row[:3] for row in kept(folder / "grown")] == [row[:3] for row in kept(folder / "once")]
    assert imported(folder / "grown", path).stored_count == 0


def test_no_raw_identity_is_in_the_stored_bytes(tmp_path: Path) -> None:
    store, path = tmp_path / "s.duckdb", tmp_path / "a.log"
    path.write_text("".join(LINES) + LINES[0][:-2] + "\n", encoding="utf-8")
    events = tmp_path / "e.csv"
    events.write_text("ts,session,country\n1714557600,visitor-4711,Atlantis\n", encoding="utf-8")
    assert imported(store, path).rejected_count == 1
    imported(store, events, Order(location="granted"))
    files = [file for file in tmp_path.iterdir() if file.name.startswith("s.duckdb")]
    stored = b"".join(file.read_bytes() for file in files)
    assert b"/p1" in stored
    for raw in (b"203.0.113", b"secretive", b"Firefox", b"visitor-4711", b"Atlantis"):
        assert raw not in stored


def test_without_consent_no_country_is_stored_and_with_it_that_is_audited(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("ts,country\n1714557600,us:ca\n1714557601,EU\n1714557602,\n", encoding="utf-8")
    silent = imported(tmp_path / "without", path)
    granted = imported(tmp_path / "with", path, Order(location="granted"))
    assert "2 locations dropped without consent" in silent.notes
    assert "1 locations that name no country dropped" in granted.notes
    with Warehouse(tmp_path / "without") as warehouse:
        assert warehouse.counts().countries == 0
        assert warehouse.audit() == []
    with Warehouse(tmp_path / "with") as warehouse:
        assert warehouse.counts().countries == 1
        assert [(entry.path, entry.count) for entry in warehouse.audit()] == [(str(path), 1)]


def test_a_file_that_breaks_off_half_way_leaves_nothing(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.log", tmp_path / "bad.log.gz"
    good.write_text(LINES[0], encoding="utf-8")
    noise = [line.replace("/p", f"/{n * 7919 % 10007}/") for n, line in enumerate(LINES * 500)]
    bad.write_bytes(gzip.compress("".join(noise).encode())[:-9])
    imported(tmp_path / "s", good)
    with pytest.raises(InputError, match="gzip stream is broken"):
        imported(tmp_path / "s", bad)
    assert len(kept(tmp_path / "s")) == 1
    with pytest.raises(InputError, match="gzip stream is broken"):
        imported(tmp_path / "fresh", bad)
    assert not (tmp_path / "fresh").exists()


def test_the_first_ten_refused_lines_are_told_and_all_are_parked(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(LINES) + "bad line\n" * 15, encoding="utf-8")
    report = imported(tmp_path / "s", path)
    assert (report.stored_count, report.rejected_count) == (20, 15)
    assert [reject.line for reject in report.rejects] == list(range(21, 31))
    with Warehouse(tmp_path / "s") as warehouse:
        assert [letter.line for letter in warehouse.dead_letters()] == list(range(21, 36))


def test_rows_name_their_app_unless_one_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("ts,app\n1714557600,shop\n1714557600,\n1714557600,a/b\n", encoding="utf-8")
    report = imported(tmp_path / "s", path)
    assert report.apps == ("default", "shop")
    assert [reject.line for reject in report.rejects] == [4]
    assert imported(tmp_path / "t", path, Order(app="mine")).apps == ("mine",)


def test_values_out_of_range_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(
        "ts,status,duration_s\n1714557600,999,-1\n1714557600,200,NaN\n", encoding="utf-8"
    )
    notes = imported(tmp_path / "s", path).notes
    assert "1 status values outside 100-599 dropped" in notes
    assert "2 durations below zero or not finite dropped" in notes


def test_demand_that_was_written_out_comes_back_as_the_same_series(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pl.DataFrame(
        {
            "series_id": ["shop//a"] * 3,
            "ts": [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 1, 3)],
            "value": [1.0, 0.0, 2.0],
        }
    ).write_parquet(path)
    report = imported(tmp_path / "s", path)
    assert (report.kind, report.stored_count, report.apps) == ("demand", 3, ("shop",))
    assert imported(tmp_path / "s", path).stored_count == 0
    with Warehouse(tmp_path / "s") as warehouse:
        assert [one.series_id for one in warehouse.demand()] == ["shop//a"]


def test_a_fetched_answer_is_filed_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ts,value\n2024-01-01T00:00:00Z,3\n2024-01-01T01:00:00Z,4\n", encoding="utf-8")
    table = look_at(path, Order()).table
    assert table is not None
    with Warehouse(tmp_path / "s", may_create=True) as warehouse:
        for stored in (2, 0):
            report = ingest.file_fetched(
                warehouse, table.demands, origin="http://x up", app="p", now=NOW
            )
            assert report.stored_count == stored


def test_the_elastic_log_stores_all_but_the_line_it_names(
    tmp_path: Path, shared_data: Path
) -> None:
    path = shared_data / "events" / "elastic_apache_logs.combined.log.gz"
    report = imported(tmp_path / "s", path)
    assert (report.stored_count, report.rejected_count) == (9_999, 1)
    assert [reject.line for reject in report.rejects] == [8899]
    with Warehouse(tmp_path / "s") as warehouse:
        before = warehouse.counts()
        (total,) = warehouse.demand(is_total=True)
    assert (total.step_s, total.values.sum()) == (3600, 9_999)
    assert imported(tmp_path / "s", path).stored_count == 0
    with Warehouse(tmp_path / "s") as warehouse:
        assert warehouse.counts() == before


def test_the_auriq_events_keep_devices_and_countries_with_consent(
    tmp_path: Path, shared_data: Path
) -> None:
    path = shared_data / "events" / "auriq_web_events.csv.gz"
    columns = {"ts": "t", "session": "uid", "feature": "page", "user_agent": "useragent"}
    wish = Wish(columns=columns | {"country": "region"})
    imported(tmp_path / "s", path, Order(wish=wish, app="web", location="granted"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        raw = pl.read_csv(file.read().encode())
    regions = raw["region"].drop_nulls().str.slice(0, 2).str.to_uppercase()
    countries = dict(asked(tmp_path / "s", "SELECT country, count(*) FROM events GROUP BY 1"))
    devices = dict(asked(tmp_path / "s", "SELECT device, count(*) FROM events GROUP BY 1"))
    with Warehouse(tmp_path / "s") as warehouse:
        assert warehouse.counts().sessions == raw["uid"].n_unique()
    assert countries["US"] == (regions == "US").sum()
    assert countries["JP"] == (regions == "JP").sum()
    assert sum(devices.values()) == 1_104
    assert devices["desktop"] > devices["phone"] > 0


def test_the_azure_calls_need_a_zone_and_become_demand_of_all(
    tmp_path: Path, shared_data: Path
) -> None:
    path = shared_data / "events" / "azure_llm_inference_conv.csv.gz"
    wish = Wish(columns={"ts": "TIMESTAMP"})
    with pytest.raises(InputError, match=r"line 2: TIMESTAMP has no time zone; .* --timezone"):
        look_at(path, Order(wish=wish))
    imported(tmp_path / "s", path, Order(wish=Wish(columns=wish.columns, zone="UTC"), app="llm"))
    with Warehouse(tmp_path / "s") as warehouse:
        (found,) = warehouse.demand()
    assert found.series_id == "llm/all"
    assert found.values.sum() == 19_366


def test_the_session_log_keeps_its_sessions(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "sessions" / "sessions_bank_calls.parquet"
    report = imported(tmp_path / "s", path, Order(app="bank"))
    assert report.stored_count == 77_808
    with Warehouse(tmp_path / "s") as warehouse:
        assert warehouse.counts().sessions == 23_552
        assert len(warehouse.features("bank")) == 10
