from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.aggregate import coarser, observed_only, on_grid

amounts = st.lists(st.integers(0, 1000), min_size=1, max_size=100).map(
    lambda found: np.array(found, dtype=np.float64)
)


@given(amounts, st.integers(1, 10), st.data())
def test_nothing_observed_is_lost_or_made(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], factor: int, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, factor - 1))
    coarse = coarser(values, factor=factor, offset=offset)
    assert len(coarse) == -(-(offset + len(values)) // factor)
    assert np.nansum(coarse) <= values.sum()
    whole = (offset == 0) and len(values) % factor == 0
    if whole:
        assert coarse.sum() == values.sum()


def test_a_bucket_needs_three_quarters_to_be_observed() -> None:
    values = np.array([1, 1, 1, np.nan, 1, 1, np.nan, np.nan])
    assert coarser(values, factor=4, offset=0).tolist()[0] == 3
    assert np.isnan(coarser(values, factor=4, offset=0)[1])


def test_a_grid_holds_zero_where_nothing_was_called_and_missing_where_nobody_looked() -> None:
    laid = on_grid(np.array([5, 9]), np.array([2.0, 7.0]), first=5, count=4)
    assert laid.tolist() == [2, 0, 0, 0]
    seen = observed_only(laid, np.array([True, True, False, True]))
    assert np.isnan(seen).tolist() == [False, False, True, False]
