from __future__ import annotations

import pytest

from foretide.errors import InputError
from foretide.sources.columns import parse_columns, resolve_columns


def test_pairs_are_read() -> None:
    assert parse_columns("ts=t, session = uid") == {"ts": "t", "session": "uid"}
    assert parse_columns("") == {}


@pytest.mark.parametrize("text", ["ts", "ts=", "=t", "time=t", "ts=a,ts=b"])
def test_what_is_no_mapping_is_refused_naming_the_flag(text: str) -> None:
    with pytest.raises(InputError, match="--columns"):
        parse_columns(text)


def test_a_name_stands_for_its_own_column_unless_that_is_taken() -> None:
    found = ["ts", "status", "uid", "session"]
    assert resolve_columns({"session": "uid"}, found, "f") == {
        "ts": "ts",
        "status": "status",
        "session": "uid",
    }
    assert "status" not in resolve_columns({"duration_s": "status"}, found, "f")
