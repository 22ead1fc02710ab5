from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.batch import RawBatch
from foretide.sources.content import LineReader
from foretide.sources.event_table import CsvReader, read_parquet_events


def read(path: Path, text: str, columns: dict[str, str] | None = None) -> list[RawBatch]:
    path.write_text(text, encoding="utf-8")
    reader = CsvReader(path, columns or {})
    return list(reader.read(LineReader(path, chunk_bytes=16)))


def test_csv_rows_keep_their_line_numbers_across_quoted_line_ends(tmp_path: Path) -> None:
    text = 'ts,feature,note\n1714557600,/a,"two\nlines"\n1714557601,/b,x\n\n1714557602,/c\n'
    (batch,) = read(tmp_path / "a.csv", text)
    assert batch.frame.select("line", "feature").rows() == [(2, "/a"), (4, "/b")]
    assert [(r.line, r.reason) for r in batch.rejects] == [(6, "2 fields where the header has 3")]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_stray_quote_costs_its_own_line_only(tmp_path: Path, place: int) -> None:
    fields = ["1714557600", "/bad", "x"]
    fields[place] = '"' + fields[place]
    good = [f"1714557{n:03d},/p,x" for n in range(600, 700)]
    lines = ["ts,feature,note", *good[:50], ",".join(fields), *good[50:]]
    (batch,) = read(tmp_path / "a.csv", "\n".join(lines) + "\n")
    assert [(r.line, r.reason) for r in batch.rejects] == [(52, "a quote is not closed")]
    assert batch.frame["line"].to_list() == [*range(2, 52), *range(53, 103)]
    assert batch.frame["feature"].unique().to_list() == ["/p"]


@given(
    st.lists(st.sampled_from(["1714557600,/a,x", ",", '"', "", 'a"b', '"q",w', "é,,"]), max_size=20)
)
def test_no_rows_break_the_reader_and_every_line_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.csv"
    (batch,) = read(path, "\n".join(["ts,feature,note", *lines]) + "\n")
    seen = batch.frame["line"].to_list() + [reject.line for reject in batch.rejects]
    assert len(seen) == len(set(seen)) == batch.lines
    assert set(batch.frame["feature"]) <= {"/a"}
    assert set(seen) <= {n for n, line in enumerate(lines, 2) if line}


def test_semicolons_foreign_names_and_blanks_are_understood(tmp_path: Path) -> None:
    text = "\ufeffwhen;user;dur\r\n2024-05-01T10:00:00Z; u1 ;0.5\r\n2024-05-01T10:00:00Z;;-\r\n"
    columns = {"ts": "when", "session": "user", "duration_s": "dur"}
    (batch,) = read(tmp_path / "a.csv", text, columns)
    assert batch.frame["session"].to_list() == ["u1 ", None]
    assert batch.frame["duration_s"].to_list() == [0.5, None]


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'uid' .* the columns are ts, user"):
        read(tmp_path / "a.csv", "ts,user\n1,2\n", {"session": "uid"})
    with pytest.raises(InputError, match=r"no column 'ts'; name it with --columns ts=COLUMN"):
        read(tmp_path / "a.csv", "when,user\n1,2\n")


def test_gzip_and_plain_csv_are_the_same(tmp_path: Path) -> None:
    text = "ts,feature\n1714557600,/a\n"
    (plain,) = read(tmp_path / "a.csv", text)
    zipped = tmp_path / "b.csv.gz"
    zipped.write_bytes(gzip.compress(text.encode()))
    (same,) = CsvReader(zipped, {}).read(LineReader(zipped))
    assert same.frame.equals(plain.frame)


def test_parquet_events_come_with_row_numbers_and_typed_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {"t": [1714557600, None, 1714557601], "page": ["/a", "/b", "/c"], "uid": [1, 2, 3]},
        schema_overrides={"page": pl.Categorical},
    ).write_parquet(path)
    columns = {"ts": "t", "feature": "page", "session": "uid"}
    (batch,) = read_parquet_events(path, columns)
    assert batch.frame.select("line", "feature", "session").rows() == [
        (1, "/a", "1"),
        (3, "/c", "3"),
    ]
    assert [(r.line, r.reason) for r in batch.rejects] == [(2, "t: no timestamp")]


def test_what_is_no_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(InputError, match="not a Parquet file") as caught:
        list(read_parquet_events(path, {}))
    assert "\n" not in str(caught.value)
