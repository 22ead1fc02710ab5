"""Trust follows what candidates were worth: slowly on usual days, at once in a surge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.forecast.selector import Selector

LEADS = (1, 5, 30)
ALL = (0, 1, 2, 3)


def scored(*minutes: tuple[list[float], int]) -> Selector:
    """Score the same losses of the four candidates at every lead, for some minutes each."""
    selector = Selector(4, LEADS, 1)
    for losses, count in minutes:
        block = np.broadcast_to(np.array(losses)[:, None, None], (4, len(LEADS), 1))
        for _ in range(count):
            selector.score(block)
    return selector


@settings(max_examples=30, deadline=None)
@given(
    losses=st.lists(
        st.lists(st.one_of(st.floats(0, 1e6), st.just(float("nan"))), min_size=4, max_size=4),
        max_size=40,
    ),
    allowed=st.sets(st.integers(0, 3), min_size=1),
)
def test_trust_is_shared_among_those_allowed(losses: list[list[float]], allowed: set[int]) -> None:
    selector = scored(*((one, 1) for one in losses))
    trust = selector.trust(tuple(sorted(allowed)))
    assert trust.sum(axis=0) == pytest.approx(1.0)
    assert (trust >= 0).all()
    assert trust[[at for at in ALL if at not in allowed]].sum() == 0


def test_the_best_of_usual_days_is_trusted() -> None:
    trust = scored(([3.0, 2.0, 1.5, 1.0], 300)).trust(ALL)
    assert (trust[3] > 0.9).all()


def test_a_regression_that_explodes_is_dropped_within_minutes() -> None:
    usual = ([3.0, 2.0, 1.5, 1.0], 300)
    trust = scored(usual, ([3.0, 2.0, 1.5, 400.0], 2)).trust(ALL)
    assert (trust[3] < 1e-6).all()


def test_what_goes_astray_at_short_leads_is_not_trusted_further_ahead() -> None:
    selector = scored(([3.0, 2.0, 1.5, 1.0], 300))
    losses = np.broadcast_to(np.array([3.0, 2.0, 1.5, 1.0])[:, None, None], (4, 3, 1)).copy()
    losses[3, 0] = 60.0
    for _ in range(3):
        selector.score(losses)
    assert selector.trust(ALL)[3, 2, 0] < 0.01


def test_in_a_surge_only_the_safe_and_the_proven_are_heard() -> None:
    usual = ([1.0, 1.1, 0.9, 0.8], 300)
    surge = scored(usual, ([80.0, 200.0, 150.0, 190.0], 6))
    trust = surge.trust(ALL)
    assert surge.surges().all()
    assert (trust[0] + trust[1] > 0.95).all()
    assert trust[0, 0, 0] > 0.9
    proven = scored(usual, ([80.0, 200.0, 150.0, 10.0], 6)).trust(ALL)
    assert (proven[3] > 0.95).all()


def test_a_surge_does_not_decide_for_the_days_after() -> None:
    usual = ([1.0, 1.1, 0.9, 0.8], 2000)
    after = ([1.0, 1.1, 0.9, 0.8], 60)
    trust = scored(usual, ([80.0, 200.0, 300.0, 290.0], 20), after).trust(ALL)
    assert (trust[2:].sum(axis=0) > 0.5).all()


def test_rare_calls_are_no_surge() -> None:
    rng = np.random.default_rng(1)
    selector = Selector(4, LEADS, 1)
    for called in rng.random(3000) < 0.02:
        selector.score(np.full((4, len(LEADS), 1), 3.44 if called else 0.05))
        assert not selector.surges().any()
