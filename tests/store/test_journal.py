"""What was decided is on the disk before it is done, and comes back as it was."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import JournalError
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Branch, Decision, Plan, Reason
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.store.journal import Entry, FileJournal, fleet_change, fleets, read_journal

START = datetime(2026, 3, 2, tzinfo=UTC)
NEED = Need(
    forecast_id="nowcast@1", predicted_rps=1 / 3, upper_rps=0.1, width_fraction=0.7,
    width_max_fraction=0.2, serving_up=1, serving_low=2, total_up=2, total_low=3,
)  # fmt: skip


def instance(name: str, state: InstanceState = InstanceState.SERVING) -> Instance:
    return Instance(instance_id=name, service="web", version="v1", state=state, since=START)


def entry(minute: int, *, need: Need | None = NEED, is_start: bool = False) -> Entry:
    at = START + timedelta(minutes=minute)
    return Entry(
        at=at,
        changed=(instance(f"i{minute}"),),
        gone=(f"i{minute - 1}",) if minute and not is_start else (),
        demand=RecentDemand(last_rps=0.1 + 0.2, previous_rps=None, age_s=0.0, step_s=60),
        need=need,
        plan=Plan(
            service="web",
            made_at=at,
            serving_count=1,
            warm_count=0,
            actions=(),
            decision=Decision(
                branch=Branch.HOLD, reasons=(Reason.NO_HISTORY,), forecast_id="", curve_version="c"
            ),
        ),
        is_start=is_start,
    )


ENTRIES = [entry(0, is_start=True), entry(1, need=None), entry(2)]


@pytest.fixture(params=["web.jsonl", "web.jsonl.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "below" / request.param


def write(path: Path, entries: list[Entry]) -> None:
    with FileJournal(path, is_durable=False) as journal:
        for one in entries:
            journal.append(one)


def cut(path: Path, count: int) -> None:
    """Take the last bytes of a file away, as a crash does."""
    path.write_bytes(path.read_bytes()[:-count])


def test_entries_come_back_as_they_were(path: Path) -> None:
    write(path, ENTRIES)
    assert list(read_journal(path)) == ENTRIES


def test_a_start_is_the_only_thing_that_costs_a_word(path: Path) -> None:
    write(path, ENTRIES)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert [b"is_start" in line for line in raw.splitlines()] == [True, False, False]


def test_an_entry_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl"
    with FileJournal(path) as journal:
        for count, one in enumerate(ENTRIES, 1):
            journal.append(one)
            assert list(read_journal(path)) == ENTRIES[:count]


@pytest.mark.parametrize("count", [1, 2, 100])
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path, count: int) -> None:
    path = tmp_path / "web.jsonl"
    write(path, ENTRIES)
    cut(path, count)
    assert list(read_journal(path)) == ENTRIES[:2]


@pytest.mark.parametrize("count", [1, 8, 40])
def test_a_compressed_journal_that_was_not_closed_gives_what_it_holds(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "web.jsonl.gz"
    write(path, ENTRIES)
    cut(path, count)
    held = list(read_journal(path))
    assert held == ENTRIES[: len(held)]


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_restart_goes_on_behind_the_last_whole_line(tmp_path: Path, count: int) -> None:
    path = tmp_path / "web.jsonl"
    write(path, ENTRIES)
    if count:
        cut(path, count)
    again = entry(3, is_start=True)
    with FileJournal(path) as journal:
        journal.append(again)
    assert list(read_journal(path)) == [*(ENTRIES[:2] if count else ENTRIES), again]


def test_a_restart_finds_a_line_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl"
    write(path, ENTRIES)
    with path.open("ab") as file:
        file.write(b"x" * 200_000)
    write(path, [entry(3)])
    assert list(read_journal(path)) == [*ENTRIES, entry(3)]
    path.write_bytes(b"y" * 200_000)
    write(path, ENTRIES)
    assert list(read_journal(path)) == ENTRIES


def test_a_compressed_journal_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "web.jsonl.gz"
    write(path, ENTRIES)
    write(path, ENTRIES[:1])
    assert list(read_journal(path)) == ENTRIES[:1]
    with pytest.raises(JournalError, match="durable and compressed"):
        FileJournal(path)
    assert list(read_journal(path)) == ENTRIES[:1]


@pytest.mark.parametrize("broken", [b"{}\n", b"[1, 2\n", b"\xff\xfe\n", b"\n"])
def test_a_broken_line_is_named(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "web.jsonl"
    write(path, ENTRIES[:1])
    with path.open("ab") as file:
        file.write(broken)
    write(path, ENTRIES[1:])
    with pytest.raises(JournalError, match=r"web\.jsonl:2 is no journal entry"):
        list(read_journal(path))


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.jsonl.gz", "plain.jsonl.gz"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.jsonl.gz").write_bytes(b"this is no gzip file")
    with pytest.raises(JournalError, match=name):
        list(read_journal(tmp_path / name))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be opened"):
        FileJournal(tmp_path / "file" / "web.jsonl")


needs_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no /dev/full"
)


@needs_full
def test_a_full_disk_is_told_at_once() -> None:
    with FileJournal(Path("/dev/full")) as journal:
        for _ in range(2):
            with pytest.raises(JournalError, match="cannot be written: No space left"):
                journal.append(ENTRIES[0])


@needs_full
def test_a_full_disk_is_told_in_the_end_where_nothing_is_forced_to_it() -> None:
    journal = FileJournal(Path("/dev/full"), is_durable=False)
    journal.append(ENTRIES[0])
    with pytest.raises(JournalError, match="cannot be written: No space left"):
        journal.close()


def test_the_fleet_is_told_by_its_changes() -> None:
    found = [tuple(i.instance_id for i in fleet.instances) for _, fleet in fleets(ENTRIES)]
    assert found == [("i0",), ("i1",), ("i2",)]


def test_a_start_forgets_the_fleet_before_it() -> None:
    restarted = [*ENTRIES, entry(9, is_start=True)]
    *_, (_, fleet) = fleets(restarted)
    assert [i.instance_id for i in fleet.instances] == ["i9"]


held = st.dictionaries(
    st.sampled_from("abcdefgh"), st.sampled_from(list(InstanceState)[:7]), max_size=8
)


@given(st.lists(held, min_size=1, max_size=8))
def test_changes_add_up_to_every_fleet(worlds: list[dict[str, InstanceState]]) -> None:
    entries, before = list[Entry](), None
    seen = list[dict[str, Instance]]()
    for minute, world in enumerate(worlds):
        instances = tuple(instance(name, state) for name, state in world.items())
        at = START + timedelta(minutes=minute)
        fleet = Fleet(service="web", observed_at=at, instances=instances)
        changed, gone = fleet_change(before, fleet)
        entries.append(
            msgspec.structs.replace(
                entry(minute), changed=changed, gone=gone, is_start=before is None
            )
        )
        before = fleet
        seen.append({i.instance_id: i for i in instances})
    assert [{i.instance_id: i for i in fleet.instances} for _, fleet in fleets(entries)] == seen
