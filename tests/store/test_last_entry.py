"""The last entry of a journal, found from its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from foretide.errors import JournalError
from foretide.model.plan import Branch, Decision, Plan
from foretide.plan.memory import RecentDemand
from foretide.store.journal import Entry, FileJournal, read_journal
from foretide.store.last_entry import last_entry

START = datetime(2026, 3, 2, tzinfo=UTC)


def entry(minute: int, name: str = "nowcast") -> Entry:
    at = START + timedelta(minutes=minute)
    decision = Decision(branch=Branch.HOLD, reasons=(), forecast_id=name, curve_version="c")
    return Entry(
        at=at, changed=(), gone=(), need=None,
        demand=RecentDemand(last_rps=1.0, previous_rps=1.0, age_s=0.0, step_s=60),
        plan=Plan(service="web", made_at=at, serving_count=1, warm_count=0, actions=(),
                  decision=decision),
    )  # fmt: skip


def written(path: Path, entries: list[Entry]) -> Path:
    with FileJournal(path) as journal:
        for one in entries:
            journal.append(one)
    return path


@pytest.mark.parametrize("count", [1, 2, 700])
def test_it_is_the_last_that_reading_all_gives(tmp_path: Path, count: int) -> None:
    path = written(tmp_path / "web.jsonl", [entry(at) for at in range(count)])
    assert last_entry(path) == list(read_journal(path))[-1]


def test_a_line_longer_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "web.jsonl", [entry(0), entry(1, "x" * 200_000)])
    assert last_entry(path) == entry(1, "x" * 200_000)


def test_a_line_that_a_crash_cut_off_does_not_count(tmp_path: Path) -> None:
    path = written(tmp_path / "web.jsonl", [entry(0), entry(1)])
    path.write_bytes(path.read_bytes()[:-20])
    assert last_entry(path) == entry(0)
    path.write_bytes(path.read_bytes()[:20])
    assert last_entry(path) is None


def test_where_nothing_is_there_is_none(tmp_path: Path) -> None:
    assert last_entry(tmp_path / "none.jsonl") is None
    (tmp_path / "empty.jsonl").touch()
    assert last_entry(tmp_path / "empty.jsonl") is None


def test_what_is_no_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl"
    path.write_text('{"at": 3}\n', encoding="utf-8")
    with pytest.raises(JournalError, match="is no journal entry"):
        last_entry(path)
