from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.cli.sparkline import NOT_OBSERVED, sparkline

values_of_any_length = st.lists(st.floats(0, 1e12) | st.just(float("nan")), max_size=200).map(
    np.array
)


def test_only_zero_is_the_lowest_block_and_missing_is_blank() -> None:
    assert sparkline(np.array([0, 1, np.nan, 8]), width=4) == f"▁▂{NOT_OBSERVED}█"
    assert sparkline(np.array([0.0, 0.0]), width=4) == "▁▁"


@given(values_of_any_length, st.integers(1, 80))
def test_a_line_is_never_wider_than_asked_and_shows_every_gap(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], width: int
) -> None:
    line = sparkline(values, width=width)
    assert len(line) == min(width, len(values))
    if width >= len(values):
        blanks = [block == NOT_OBSERVED for block in line]
        assert blanks == np.isnan(values).tolist()
