from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from foretide.errors import InputError
from foretide.sources.kinds import Kind, kind_of

LOG = '203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326\n'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (LOG, Kind.LOG),
        ("# made by a server\n" + LOG, Kind.LOG),
        ('\n{"ts": 1}\n', Kind.NDJSON),
        ("ts,feature\n1,2\n", Kind.CSV),
        ("series_id,ts,value\na,2024-01-01T00:00:00Z,1\n", Kind.DEMAND),
        ("ts\tvalue\n1\t2\n", Kind.DEMAND),
    ],
)
def test_the_content_tells_the_kind(tmp_path: Path, text: str, kind: Kind) -> None:
    path = tmp_path / "anything"
    path.write_text(text, encoding="utf-8")
    assert kind_of(path, {}) is kind


def test_columns_make_a_table_one_of_events(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"ts": [datetime(2024, 1, 1, tzinfo=UTC)], "value": [1.0]}).write_parquet(path)
    assert kind_of(path, {}) is Kind.DEMAND
    assert kind_of(path, {"ts": "ts"}) is Kind.PARQUET


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("[1, 2]\n", "one JSON object a line"),
        ("when,who\n1,2\n", "its first line names when, who"),
        ("plain words\n", "neither an access log"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        kind_of(path, {})
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_folder_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder"):
        kind_of(tmp_path, {})
    with pytest.raises(InputError, match="no such file"):
        kind_of(tmp_path / "absent", {})
