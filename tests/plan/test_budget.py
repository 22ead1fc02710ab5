"""A divided budget: worth most by brute force, within the ceiling, and never taking away."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.budget import Ask, Budget, Division, divided

_worths = st.lists(st.integers(0, 20).map(float), max_size=4).map(
    lambda found: np.array(sorted(found, reverse=True))
)


def _asks(prices: st.SearchStrategy[float]) -> st.SearchStrategy[list[Ask]]:
    one = st.builds(
        Ask, service=st.just(""), min_count=st.integers(0, 3), held_count=st.integers(0, 3),
        worth=_worths, price_usd_per_hour=prices, priority=st.integers(-1, 1),
    )  # fmt: skip
    return st.lists(one, max_size=4).map(
        lambda found: [_named(ask, f"s{at}") for at, ask in enumerate(found)]
    )


def _named(ask: Ask, name: str) -> Ask:
    return Ask(
        service=name, min_count=ask.min_count, held_count=ask.held_count, worth=ask.worth,
        price_usd_per_hour=ask.price_usd_per_hour, priority=ask.priority,
    )  # fmt: skip


def an_ask(name: str, *worth: float, held: int = 0, priority: int = 0, price: float = 1) -> Ask:
    return Ask(
        service=name, min_count=0, held_count=held, worth=np.array(worth, float),
        price_usd_per_hour=price, priority=priority,
    )  # fmt: skip


def ceilings(division: Division) -> dict[str, int]:
    return {share.service: share.ceiling_count for share in division.shares}


def gain(asks: list[Ask], counts: tuple[int, ...]) -> float:
    return sum(
        ask.price_usd_per_hour * float(ask.worth[:count].sum())
        for ask, count in zip(asks, counts, strict=True)
    )


def best_gain(asks: list[Ask], budget: Budget) -> float:
    """Try every division there is."""
    floor = [ask.floor_count for ask in asks]
    most = -math.inf
    for counts in itertools.product(*(range(len(ask.worth) + 1) for ask in asks)):
        totals = [f + c for f, c in zip(floor, counts, strict=True)]
        usd = sum(t * a.price_usd_per_hour for t, a in zip(totals, asks, strict=True))
        fits = budget.instance_count is None or sum(totals) <= budget.instance_count
        if fits and (budget.usd_per_hour is None or usd <= budget.usd_per_hour + 1e-9):
            most = max(most, gain(asks, counts))
    return most


def check(asks: list[Ask], budget: Budget) -> None:
    division = divided(asks, budget)
    counts = tuple(
        share.ceiling_count - ask.floor_count
        for share, ask in zip(division.shares, asks, strict=True)
    )
    assert all(0 <= count <= len(ask.worth) for count, ask in zip(counts, asks, strict=True))
    best = best_gain(asks, budget)
    if math.isinf(best):
        assert division.is_over
        assert set(counts) <= {0}
    else:
        assert not division.is_over
        assert gain(asks, counts) == pytest.approx(best)
        if budget.instance_count is not None:
            assert division.instance_count <= budget.instance_count
        if budget.usd_per_hour is not None:
            assert division.usd_per_hour <= budget.usd_per_hour + 1e-9


_counts = st.none() | st.integers(0, 20)
_usd = st.none() | st.integers(0, 40).map(lambda tenths: tenths / 10)


@settings(max_examples=300, deadline=None)
@given(_asks(st.just(0.1)), _counts, _usd)
def test_of_one_price_no_division_is_worth_more(
    asks: list[Ask], count: int | None, usd: float | None
) -> None:
    check(asks, Budget(instance_count=count, usd_per_hour=usd))


@settings(max_examples=300, deadline=None)
@given(_asks(st.sampled_from([0.1, 0.17, 0.3, 0.45])), _counts, _usd)
def test_of_several_prices_none_is_worth_more_while_few_ask(
    asks: list[Ask], count: int | None, usd: float | None
) -> None:
    check(asks, Budget(instance_count=count, usd_per_hour=usd))


@settings(max_examples=200, deadline=None)
@given(_asks(st.just(0.1)), st.integers(0, 20), st.randoms(use_true_random=False))
def test_the_order_of_the_asks_does_not_matter(asks: list[Ask], count: int, rng: object) -> None:
    turned = list(asks)
    rng.shuffle(turned)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    budget = Budget(instance_count=count)
    assert ceilings(divided(asks, budget)) == ceilings(divided(turned, budget))


@settings(max_examples=200, deadline=None)
@given(_asks(st.just(0.1)), st.integers(0, 20))
def test_more_budget_is_never_less_for_anyone(asks: list[Ask], count: int) -> None:
    less, more = (ceilings(divided(asks, Budget(instance_count=n))) for n in (count, count + 1))
    assert all(more[name] >= less[name] for name in less)


def test_the_best_layers_come_first() -> None:
    asks = [an_ask("a", 9, 3, 1), an_ask("b", 8, 7, 2)]
    division = divided(asks, Budget(instance_count=4))
    assert ceilings(division) == {"a": 2, "b": 2}
    assert division.margin_worth == 2
    assert [(s.cut_count, s.cut_worth) for s in division.shares] == [(1, 1.0), (1, 2.0)]


def test_between_equals_the_higher_priority_comes_first_then_the_name() -> None:
    asks = [an_ask("b", 5, 5), an_ask("c", 5, 5, priority=1), an_ask("a", 5, 5)]
    assert ceilings(divided(asks, Budget(instance_count=3))) == {"b": 0, "c": 2, "a": 1}


def test_what_runs_is_never_taken_away() -> None:
    asks = [an_ask("big", 9, held=10), an_ask("small", 99)]
    division = divided(asks, Budget(instance_count=8))
    assert ceilings(division) == {"big": 10, "small": 0}
    assert division.is_over
    assert division.margin_worth == 99


def test_what_is_needed_at_least_comes_before_any_budget() -> None:
    least = Ask(service="a", min_count=3, held_count=0, worth=np.array([5.0]), price_usd_per_hour=1)
    division = divided([least], Budget(instance_count=2, usd_per_hour=0.5))
    assert ceilings(division) == {"a": 3}
    assert division.is_over


def test_without_a_ceiling_everyone_has_what_it_asks_for() -> None:
    asks = [an_ask("a", 3, 2, 0), an_ask("b", held=4)]
    division = divided(asks, Budget())
    assert ceilings(division) == {"a": 3, "b": 4}
    assert (division.margin_worth, division.is_over) == (0.0, False)


def test_a_dear_layer_that_does_not_fit_makes_room_for_cheap_ones() -> None:
    asks = [an_ask("dear", 3, price=1.0), an_ask("cheap", 2, 2, price=0.4)]
    division = divided(asks, Budget(usd_per_hour=0.9))
    assert ceilings(division) == {"dear": 0, "cheap": 2}
    # the best per USD first would fill .4 of 1.0 and leave no room for the dear one
    asks = [an_ask("dear", 3, price=1.0), an_ask("cheap", 4, price=0.4)]
    assert ceilings(divided(asks, Budget(usd_per_hour=1.0))) == {"dear": 1, "cheap": 0}


def test_many_services_of_many_prices_lose_at_most_the_layer_that_does_not_fit() -> None:
    rng = np.random.default_rng(5)
    asks = [
        an_ask(f"s{n}", *np.sort(rng.random(30))[::-1], price=float(rng.uniform(0.1, 2)))
        for n in range(200)
    ]
    division = divided(asks, Budget(usd_per_hour=1500))
    got = [s.ceiling_count for s in division.shares]
    # the limit: layers may be cut in pieces
    layers = sorted(((float(w), a.price_usd_per_hour) for a in asks for w in a.worth), reverse=True)
    left, limit = 1500.0, 0.0
    for worth, price in layers:
        limit += worth * min(price, left)
        left -= min(price, left)
    assert limit - gain(asks, tuple(got)) <= 2.0 * division.margin_worth
    assert division.usd_per_hour <= 1500


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_impossible_numbers_are_refused_by_name(value: float) -> None:
    with pytest.raises(InvalidValueError, match="usd_per_hour"):
        Budget(usd_per_hour=value)
    with pytest.raises(InvalidValueError, match="price_usd_per_hour of a"):
        an_ask("a", price=-abs(value) if math.isfinite(value) else value)
    with pytest.raises(InvalidValueError, match="worth of a"):
        an_ask("a", value)


def test_a_service_asks_once() -> None:
    with pytest.raises(InvalidValueError, match="once"):
        divided([an_ask("a"), an_ask("a")], Budget())
