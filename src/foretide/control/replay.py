"""This file knows how a journal proves itself: the same inputs give every plan again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from foretide.plan.confidence import trigger_moves
from foretide.plan.place import placed
from foretide.plan.planner import Memory, plan
from foretide.plan.policy import ServicePolicy
from foretide.store.journal import Entry, fleets


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of replaying a journal.

    Parameters
    ----------
    equal_count : int
        Decisions that came out as recorded, byte for byte, before the first that did not.
    differing : Entry, optional
        As recorded, the first whose decision comes out otherwise; None when all are equal.
    """

    equal_count: int
    differing: Entry | None


def judged(entries: Iterable[Entry], policy: ServicePolicy) -> Verdict:
    """Replay a journal up to the first decision that comes out otherwise.

    Parameters
    ----------
    entries : iterable of Entry
        A journal from its first entry on.
    policy : ServicePolicy
        As it was when the journal was written.
    """
    recorded, again = itertools.tee(entries)
    encode = msgspec.json.Encoder().encode
    count = 0
    for one, anew in zip(recorded, replayed(again, policy), strict=True):
        if encode(one) != encode(anew):
            return Verdict(equal_count=count, differing=one)
        count += 1
    return Verdict(equal_count=count, differing=None)


def replayed(entries: Iterable[Entry], policy: ServicePolicy) -> Iterator[Entry]:
    """Yield each entry with the plan made anew from what the entry recorded.

    Parameters
    ----------
    entries : iterable of Entry
        A journal from its first entry on.
    policy : ServicePolicy
        As it was when the journal was written.

    Yields
    ------
    Entry
        Equal to the one recorded, byte for byte once encoded, when the planner is the same.
    """
    memory = Memory()
    for entry, fleet in fleets(entries):
        if entry.is_start:
            memory = Memory()
        before = memory
        decided, memory = plan(
            now=entry.at, fleet=fleet, demand=entry.demand, need=entry.need, policy=policy,
            memory=before, around=entry.around,
        )  # fmt: skip
        if entry.rooms is not None:
            decided, _ = placed(decided, entry.rooms)
        moves = trigger_moves(before.stance.confidence, memory.stance.confidence)
        yield msgspec.structs.replace(entry, plan=decided, moves=moves)
