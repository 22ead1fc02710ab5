from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from foretide.model.batch import RawBatch
from foretide.sources.content import LineChunk
from foretide.sources.posted import PostedReader

GOOD = {"ts": "2024-05-01T10:00:00Z", "feature": "/a", "session": 7, "status": "200", "odd": [1]}


def parsed(*lines: str | bytes, columns: dict[str, str] | None = None) -> RawBatch:
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    reader = PostedReader(columns or {})
    return reader.parse(LineChunk(data=data + b"\n", first_line=1, position=0))


def test_an_event_is_read_and_unknown_fields_are_ignored() -> None:
    row = parsed(json.dumps(GOOD | {"duration_s": 0.25, "country": "IT"})).frame.row(0, named=True)
    assert row["ts"] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert (row["feature"], row["session"], row["status"]) == ("/a", "7", 200)
    assert (row["duration_s"], row["country"]) == (0.25, "IT")


def test_foreign_names_and_unix_times_are_read() -> None:
    lines = ['{"t": 1714557600, "uid": "a"}', '{"t": 1714557600000.0, "uid": "b"}']
    batch = parsed(*lines, columns={"ts": "t", "session": "uid"})
    assert batch.frame["ts"].to_list() == [datetime(2024, 5, 1, 10, tzinfo=UTC)] * 2
    assert batch.frame["session"].to_list() == ["a", "b"]


def test_each_bad_line_is_refused_with_its_number_and_reason() -> None:
    good = json.dumps(GOOD)
    bad = [
        "{",
        '{"ts": [1]}',
        '{"feature": "/a"}',
        '{"ts": "2024-05-01T10:00:00"}',
        b'{"a": "\xff"}',
    ]
    batch = parsed(good, "", *bad, good)
    assert batch.frame["line"].to_list() == [1, 8]
    assert [reject.line for reject in batch.rejects] == [3, 4, 5, 6, 7]
    reasons = [reject.reason for reject in batch.rejects]
    assert "truncated" in reasons[0]
    assert "$.ts" in reasons[1]
    assert reasons[2] == "ts: no timestamp"
    assert "--timezone" in reasons[3]


@given(st.lists(st.binary(max_size=40) | st.just(json.dumps(GOOD).encode()), max_size=10))
def test_no_bytes_break_the_parser_and_every_line_is_accounted_for(lines: list[bytes]) -> None:
    batch = parsed(*lines)
    written = [line for line in b"\n".join(lines).split(b"\n") if line.strip()]
    assert len(batch.frame) + len(batch.rejects) == batch.lines == len(written)
