"""How the notch follows what came of every notch: two witnesses, one spike, and never too far."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.demand import FloatArray
from foretide.plan.tuning import Night, Tuning, tuned, unmet_share, worth_rising

_NOTCHES = 16
_OBJECTIVE = 0.001


def _night(
    share: FloatArray | float,
    *,
    expected: FloatArray | float | None = None,
    price: float = 1.05,
    error: float = 0.0,
) -> Night:
    """Return a night in which notch n left `share` of the objective unmet, less with each notch."""
    falls = 1.5 ** -np.arange(float(_NOTCHES))
    unmet = np.ones(_NOTCHES) * share * falls
    told = unmet if expected is None else np.ones(_NOTCHES) * expected * falls
    return Night(
        asked=1000.0, unmet=1000 * _OBJECTIVE * unmet, expected=1000 * _OBJECTIVE * told,
        billed=1440 * price ** np.arange(float(_NOTCHES)), error_fraction=error,
    )  # fmt: skip


def _after(nights: list[Night], notch: int = 7) -> list[int]:
    tuning, path = Tuning(notch=notch, prior=notch), list[int]()
    for night in nights:
        tuning = tuned(tuning, night, _OBJECTIVE)
        path.append(tuning.notch)
    return path


def test_a_notch_that_is_right_stays() -> None:
    # at notch 7 less than half of the objective is left, and one below more than a fifth
    assert set(_after([_night(0.4 * 1.5**7)] * 30)) == {7}


def test_a_bursting_series_climbs_within_days_and_stops_where_little_is_left() -> None:
    path = _after([_night(5 * 1.5**7)] * 20)
    assert path[1] > 9
    left = 5 * 1.5**7 * 1.5 ** -float(path[-1])
    assert 0.15 < left < 0.65


def test_a_calm_series_comes_down_one_notch_at_most() -> None:
    path = _after([_night(1e-6)] * 40)
    assert path == sorted(path, reverse=True)
    assert path[-1] == 6
    # nobody comes down after a single night
    assert path[0] == 7


def test_one_spike_that_no_forecast_knew_moves_nothing() -> None:
    calm, spike = _night(0.4 * 1.5**7), _night(500 * 1.5**7, expected=0.4 * 1.5**7)
    assert set(_after([*[calm] * 6, spike, *[calm] * 20])) == {7}


def test_shocks_that_come_back_count_though_no_forecast_knew_them() -> None:
    shock = _night(20 * 1.5**7, expected=0.5 * 1.5**7)
    assert _after([shock] * 8)[-1] > 8
    # not every night: twice in a fortnight is more than once
    calm = _night(0.1 * 1.5**7)
    assert _after([*[calm] * 4, shock, *[calm] * 5, shock, calm])[-1] > 7


def test_nobody_rises_where_that_loses_little_less_for_much_more() -> None:
    # a notch loses a third less, and costs a quarter more
    dear = _night(5 * 1.5**7, price=1.25)
    assert set(_after([dear] * 10)) == {7}
    # where demand is hard to foresee more is paid for certainty
    unsure = _night(5 * 1.5**7, price=1.25, error=0.2)
    assert _after([unsure] * 10)[-1] > 9


@given(
    unmet=st.lists(st.floats(0, 10), min_size=_NOTCHES, max_size=_NOTCHES),
    price=st.floats(1.0, 3.0), error=st.floats(0, 1),
)  # fmt: skip
def test_a_rise_is_worth_less_the_dearer_it_is(
    unmet: list[float], price: float, error: float
) -> None:
    cheap, dear = (
        worth_rising((_night(np.array(unmet), price=one, error=error),), _OBJECTIVE)
        for one in (price, 1.1 * price)
    )
    assert (cheap | ~dear).all()
    # nothing lies above the last
    assert not cheap[-1]


def test_a_day_without_demand_teaches_nothing() -> None:
    zeros = np.zeros(_NOTCHES)
    nothing = Night(asked=0.0, unmet=zeros, expected=zeros, billed=zeros)
    assert _after([nothing] * 5) == [7] * 5


@given(
    shares=st.lists(st.floats(0, 1e4), min_size=1, max_size=25),
    expected=st.lists(st.floats(0, 1e4), min_size=25, max_size=25),
    notch=st.integers(0, _NOTCHES - 1),
)
def test_the_notch_stays_on_the_ladder_and_moves_within_its_bounds(
    shares: list[float], expected: list[float], notch: int
) -> None:
    nights = [_night(a, expected=b) for a, b in zip(shares, expected, strict=False)]
    path = [notch, *_after(nights, notch)]
    assert all(max(0, notch - 1) <= one < _NOTCHES for one in path)
    assert all(-1 <= b - a <= 4 for a, b in itertools.pairwise(path))


@given(
    first=st.floats(0, 100), second=st.floats(0, 100), expected=st.floats(0.01, 100),
    count=st.integers(1, 30),
)  # fmt: skip
def test_more_left_unmet_never_counts_as_less(
    first: float, second: float, expected: float, count: int
) -> None:
    small, large = sorted((first, second))
    shares = [
        unmet_share((_night(one, expected=expected),) * count, _OBJECTIVE, 7)
        for one in (small, large)
    ]
    assert (shares[0] <= shares[1] * (1 + 1e-9)).all()
