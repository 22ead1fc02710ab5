"""The session kernel: what it learns of a path whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from foretide.forecast.kernel import SessionKernel
from foretide.forecast.path_stage import CELL_COUNT, stage_count
from foretide.forecast.visits import ActiveSessions, MinuteCalls

CART, CHECKOUT = 0, 1
LAG_MIN = 6
LEADS = (1, 2, 5, 6, 10)
PER_MIN = 20


def funnel(minutes: int, *, buys: float = 1.0, seed: int = 0) -> list[MinuteCalls]:
    """Every minute twenty sessions call the cart; `buys` of them check out six minutes later."""
    rng = np.random.default_rng(seed)
    bought = [np.empty(0, dtype=np.uint64)] * LAG_MIN
    found: list[MinuteCalls] = []
    for minute in range(minutes):
        fresh = np.arange(1 + minute * PER_MIN, 1 + (minute + 1) * PER_MIN, dtype=np.uint64)
        session = np.concatenate([fresh, bought.pop(0)])
        bought.append(fresh[rng.random(PER_MIN) < buys])
        feature = np.repeat([CART, CHECKOUT], [PER_MIN, len(session) - PER_MIN])
        found.append(
            MinuteCalls(
                minute=minute + 10,
                second=rng.random(len(session)) * 60,
                session=session,
                feature=feature,
            )
        )
    return found


def learned(calls: list[MinuteCalls]) -> tuple[SessionKernel, ActiveSessions]:
    kernel, active = SessionKernel(3, LEADS), ActiveSessions()
    for minute in calls:
        active.turn(minute.minute)
        kernel.age(minute.minute)
        visits = active.visit(minute, one_in=1)
        kernel.move(visits, minute.minute, is_learned=True)
    kernel.absorb(1.0)
    kernel.renew()
    return kernel, active


@pytest.mark.parametrize("buys", [1.0, 0.5])
def test_a_funnel_is_foreseen_as_far_as_its_sessions_are_here(buys: float) -> None:
    calls = funnel(400, buys=buys)
    kernel, _ = learned(calls)
    expected = kernel.expected(calls[-1].minute)
    bought = expected[:, CHECKOUT]
    # Those who come within five minutes have all been seen at the cart; nobody buys later on.
    assert bought[:3] == pytest.approx(buys * PER_MIN, rel=0.12)
    assert bought[-1] < 0.2 * buys * PER_MIN
    # A cart is only ever called by a session that begins.
    assert expected[:, CART] == pytest.approx(0.0, abs=0.5)


def test_arrivals_buy_only_after_the_lag() -> None:
    kernel, _ = learned(funnel(400))
    arriving = kernel.arriving(np.full(LEADS[-1], float(PER_MIN)))
    assert arriving[:, CART] == pytest.approx(PER_MIN, rel=0.01)
    assert arriving[:3, CHECKOUT] == pytest.approx(0.0, abs=0.5)
    assert arriving[-1, CHECKOUT] == pytest.approx(PER_MIN, rel=0.25)


def test_sessions_here_are_those_under_way() -> None:
    calls = funnel(90)
    kernel, active = learned(calls)
    standing = kernel.standing(calls[-1].minute)
    assert standing.sum() == len(active)
    assert standing.shape == (CELL_COUNT * stage_count(3),)
    for later in range(1, 33):
        active.turn(calls[-1].minute + later)
        kernel.age(calls[-1].minute + later)
    assert len(active) == 0
    assert kernel.standing(calls[-1].minute + 32).sum() == 0


def test_who_does_not_go_on_is_not_believed() -> None:
    """A crowd that looks once and leaves: within minutes its numbers count for little."""
    calls = funnel(400)
    kernel, active = learned(calls)
    last = calls[-1].minute
    for later in range(1, 12):
        minute = last + later
        kernel.expected(minute - 1)
        session = np.arange(10**6 * later, 10**6 * later + 400, dtype=np.uint64)
        crowd = MinuteCalls(
            minute=minute,
            second=np.full(400, 30.0),
            session=session,
            feature=np.full(400, CART),
        )
        active.turn(minute)
        kernel.age(minute)
        kernel.move(active.visit(crowd, one_in=1), minute, is_learned=False)
    assert kernel.heed()[CART] < 0.15
    assert kernel.expected(last + 11)[0, CHECKOUT] < 0.2 * 400


def test_groups_add_up_to_what_is_expected() -> None:
    calls = funnel(300)
    kernel, _ = learned(calls)
    last = calls[-1].minute
    groups = kernel.groups(last, 2, CHECKOUT)
    assert sum(group.calls for group in groups) == pytest.approx(kernel.expected(last)[2, CHECKOUT])
    assert sum(group.sessions for group in groups) == kernel.standing(last).sum()
    largest = max(groups, key=lambda group: group.calls)
    # Who is to buy in five minutes, six after the cart, was there in the minute before the last.
    assert (largest.feature, largest.from_min, largest.to_min) == (CART, 1, 2)
