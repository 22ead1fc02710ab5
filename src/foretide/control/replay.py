"""This file knows how a journal proves itself: the same inputs give every plan again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from foretide.plan.planner import Memory, plan
from foretide.plan.policy import ServicePolicy
from foretide.store.journal import Entry, fleets


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
        decided, memory = plan(
            now=entry.at, fleet=fleet, demand=entry.demand, need=entry.need, policy=policy,
            memory=memory,
        )  # fmt: skip
        yield msgspec.structs.replace(entry, plan=decided)
