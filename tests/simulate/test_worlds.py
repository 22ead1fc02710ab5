"""Two hundred made worlds with faults: every law is kept after every tick of every one of them."""

from __future__ import annotations

import pytest

from cases.worlds import broken, made_world, run
from foretide.simulate.faults import FAULT_KINDS

_FAST = range(20)
_SLOW = tuple(range(first, first + 20) for first in range(20, 220, 20))


def test_twenty_worlds_keep_every_law() -> None:
    assert [text for text in map(broken, _FAST) if text] == []


@pytest.mark.slow
@pytest.mark.parametrize("seeds", _SLOW, ids=str)
def test_two_hundred_more_worlds_keep_every_law(seeds: range) -> None:
    assert [text for text in map(broken, seeds) if text] == []


def test_a_seed_is_one_world() -> None:
    first, again = made_world(7), made_world(7)
    assert (first.demand.values == again.demand.values).all()
    assert first.faults == again.faults
    assert run(7) == run(7) > 0


def test_the_worlds_know_every_fault() -> None:
    assert {kind for seed in _FAST for kind in made_world(seed).faults.kinds()} == set(FAULT_KINDS)
