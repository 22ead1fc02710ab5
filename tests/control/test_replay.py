"""A journal proves itself: the same inputs give every decision again, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from foretide.control.replay import judged, replayed
from foretide.model.demand import Demand
from foretide.model.thresholds import ThresholdMove
from foretide.simulate.play import Play
from foretide.simulate.scenario import Scenario
from foretide.store.journal import Entry, FileJournal, MemoryJournal, read_journal

MOVE = ThresholdMove(name="trigger", was=0.9, now=0.8, why="forged")
START = datetime(2026, 3, 2, tzinfo=UTC)


def game(journal: FileJournal | MemoryJournal, *, has_warm_pool: bool = True) -> Play:
    rng = np.random.default_rng(8)
    hours = np.arange(400) / 12
    values = rng.poisson(1200 * (1 - 0.9 * np.cos(hours * np.pi / 12))).astype(np.float64)
    values[200:210] = np.nan
    values[250:256] *= 3
    demand = Demand(series_id="shop/search", start=START, step_s=300, values=values)
    rules = Scenario(warm_price_fraction=0.2 if has_warm_pool else 1.0)
    return Play(demand, scenario=rules, capacity_rps=0.4, journal=journal)


def run(journal: FileJournal | MemoryJournal, *, has_warm_pool: bool = True) -> Play:
    play = game(journal, has_warm_pool=has_warm_pool)
    for _ in play.moments():
        pass
    return play


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    journal = MemoryJournal()
    run(journal)
    return journal.entries


@pytest.fixture(scope="module")
def play() -> Play:
    return game(MemoryJournal())


@pytest.mark.parametrize("name", ["web.jsonl", "web.jsonl.gz"])
@pytest.mark.parametrize("has_warm_pool", [True, False])
def test_a_journal_file_gives_every_plan_again(
    tmp_path: Path, name: str, *, has_warm_pool: bool
) -> None:
    path = tmp_path / name
    with FileJournal(path, is_durable=False) as journal:
        play = run(journal, has_warm_pool=has_warm_pool)
    again = tmp_path / "again.jsonl"
    with FileJournal(again, is_durable=False) as journal:
        for entry in replayed(read_journal(path), play.policy):
            journal.append(entry)
    plain = tmp_path / "plain.jsonl"
    with FileJournal(plain, is_durable=False) as journal:
        for entry in read_journal(path):
            journal.append(entry)
    assert again.read_bytes() == plain.read_bytes()
    assert judged(read_journal(path), play.policy).equal_count == 2000


def test_the_journal_is_small(entries: list[Entry]) -> None:
    sizes = [len(msgspec.json.encode(entry.plan.decision)) for entry in entries]
    assert max(sizes) <= 300


def test_a_threshold_that_moved_is_in_the_journal_with_its_cause(entries: list[Entry]) -> None:
    moved = [entry for entry in entries if entry.moves]
    assert 0 < len(moved) < len(entries) / 4
    for entry in moved:
        (move,) = entry.moves
        assert move.name == "trigger"
        assert move.was != move.now
        assert "confidence" in move.why


Tamper = Callable[[Entry], Entry]


def _more_serving(entry: Entry) -> Entry:
    plan = msgspec.structs.replace(entry.plan, serving_count=entry.plan.serving_count + 1)
    return msgspec.structs.replace(entry, plan=plan)


def _other_reason(entry: Entry) -> Entry:
    decision = msgspec.structs.replace(entry.plan.decision, reasons=())
    plan = msgspec.structs.replace(
        entry.plan, decision=msgspec.structs.replace(decision, forecast_id="forged")
    )
    return msgspec.structs.replace(entry, plan=plan)


def _other_demand(entry: Entry) -> Entry:
    demand = msgspec.structs.replace(entry.demand, last_rps=1e3)
    return msgspec.structs.replace(entry, demand=demand)


def _lost_instance(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, changed=entry.changed[:-1])


def _other_circumstances(entry: Entry) -> Entry:
    around = msgspec.structs.replace(entry.around, is_update_in_flight=True, ceiling_count=0)
    return msgspec.structs.replace(entry, around=around, moves=(*entry.moves, MOVE))


@pytest.mark.parametrize(
    "tamper", [_more_serving, _other_reason, _other_demand, _other_circumstances]
)
def test_an_entry_that_was_tampered_with_is_found(
    entries: list[Entry], play: Play, tamper: Tamper
) -> None:
    forged = [*entries[:900], tamper(entries[900]), *entries[901:]]
    verdict = judged(forged, play.policy)
    assert verdict.equal_count == 900
    assert verdict.differing == forged[900]


def test_a_fleet_that_was_tampered_with_is_found(entries: list[Entry], play: Play) -> None:
    at = next(n for n, entry in enumerate(entries) if n > 900 and entry.changed)
    forged = [*entries[:at], _lost_instance(entries[at]), *entries[at + 1 :]]
    assert judged(forged, play.policy).differing is not None


def test_an_entry_that_is_missing_is_found(entries: list[Entry], play: Play) -> None:
    launches = next(n for n, entry in enumerate(entries) if n > 900 and entry.changed)
    assert judged(entries[:launches] + entries[launches + 1 :], play.policy).differing is not None


def test_a_restart_in_the_middle_is_replayed_as_one(entries: list[Entry], play: Play) -> None:
    twice = [*entries[:500], *entries]
    assert judged(twice, play.policy).equal_count == len(entries) + 500


def test_an_empty_journal_has_nothing_to_differ(play: Play) -> None:
    verdict = judged([], play.policy)
    assert (verdict.equal_count, verdict.differing) == (0, None)
