# pyright: reportPrivateUsage=false
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from foretide.model.batch import RawBatch
from foretide.sources import logs
from foretide.sources.content import LineChunk, LineReader
from foretide.sources.logs import is_log_line, parse_log, read_log, redacted

COMMON = '203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1 HTTP/1.0" 200 2326'
COMBINED = f'{COMMON} "http://example.com/start" "Mozilla/4.08 [en] (Win98; I ;Nav)"'


def parsed(*lines: str, first_line: int = 1) -> RawBatch:
    data = ("\n".join(lines) + "\n").encode()
    return parse_log(LineChunk(data=data, first_line=first_line, position=0))


def test_a_combined_line_gives_all_it_says() -> None:
    row = parsed(COMBINED).frame.row(0, named=True)
    assert row["ts"] == datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC)
    assert row["feature"] == "/a.gif?x=1"
    assert row["address"] == "203.0.113.7"
    assert row["user_agent"] == "Mozilla/4.08 [en] (Win98; I ;Nav)"
    assert row["status"] == 200


@pytest.mark.parametrize(
    "line",
    [
        COMMON,
        COMMON.replace("2326", "-"),
        COMBINED + " 0.002 upstream",
        COMBINED.replace("frank", "frank o'hara"),
        COMBINED.replace("203.0.113.7", "2001:db8::1"),
        COMBINED.replace("Mozilla/4.08", r"\"quoted\" Mozilla"),
        COMBINED.replace("http://example.com/start", "-"),
        COMMON.replace("GET /a.gif?x=1 HTTP/1.0", "GET /a.gif"),
    ],
)
def test_variants_of_the_formats_are_read(line: str) -> None:
    assert len(parsed(line).frame) == 1
    assert len(parsed(line + "\r").frame) == 1
    assert is_log_line(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (COMBINED.removesuffix('"'), "a quote is not closed"),
        ("no log at all", "not a line of an access log"),
        (COMMON.replace("GET /a.gif?x=1 HTTP/1.0", "-"), "request is not METHOD PATH"),
        (COMMON.replace("2000", "1970"), "timestamp not in the years 1990-2099"),
        (COMMON.replace("Oct", "Okt"), "time is not [day/Mon/year:h:m:s +zone]"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_reason(line: str, reason: str) -> None:
    batch = parsed(COMMON, "", line, COMMON, first_line=100)
    assert [(reject.line, reject.reason) for reject in batch.rejects] == [(102, reason)]
    assert batch.frame["line"].to_list() == [100, 103]
    assert batch.lines == 3


def test_what_is_kept_of_a_bad_line_holds_no_identity() -> None:
    bad = COMBINED.replace("a.gif?x=1", "a/198.51.100.9?mail=ann").removesuffix('"')
    kept = redacted(bad)
    assert "/a/(address)" in kept
    for raw in ("203.0.113.7", "198.51.100.9", "frank", "ann", "Mozilla", "example.com"):
        assert raw not in kept
    assert redacted("203.0.113.7 something else") == "(26 characters withheld)"


pieces = st.sampled_from(
    [
        '"',
        " ",
        "٣",
        "\\",
        '\\"',
        "-",
        "[",
        "]",
        "GET /x",
        "200",
        "0",
        "10/Oct/2000:13:55:36 -0700",
        "é",
    ]
)
strange = st.lists(pieces, max_size=30).map("".join)
cut = st.integers(0, len(COMBINED)).flatmap(
    lambda at: pieces.map(lambda piece: COMBINED[:at] + piece + COMBINED[at:])
)


@given(st.lists(strange | cut | st.just(COMMON), min_size=1, max_size=8))
def test_the_fast_way_reads_exactly_what_the_whole_rule_reads(lines: list[str]) -> None:
    table = pl.DataFrame({"text": lines}).with_row_index("line")
    groups = table["text"].str.extract_groups(logs._LINE).struct.unnest()
    mixed = logs._with_slow_lines(table, logs._fast(table))
    whole = pl.concat([table, groups], how="horizontal").select(mixed.columns)
    assert_frame_equal(mixed, whole)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser_and_every_line_is_accounted_for(data: bytes) -> None:
    batch = parse_log(LineChunk(data=data, first_line=1, position=0))
    assert len(batch.frame) + len(batch.rejects) == batch.lines


def test_the_elastic_log_gives_all_but_its_one_broken_line(shared_data: Path) -> None:
    path = shared_data / "events" / "elastic_apache_logs.combined.log.gz"
    small = list(read_log(LineReader(path, chunk_bytes=10_000)))
    whole = list(read_log(LineReader(path)))
    assert [reject.line for batch in whole for reject in batch.rejects] == [8899]
    assert [reject.line for batch in small for reject in batch.rejects] == [8899]
    assert_frame_equal(
        pl.concat([batch.frame for batch in small]), pl.concat([batch.frame for batch in whole])
    )
