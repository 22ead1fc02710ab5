"""The chart fills its rectangle exactly, whatever it is given, and shows what is there."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foretide.cli.live_chart import AXIS_WIDTH, Ahead, bar, chart, halves

_PAST = st.lists(st.floats(0, 1e9) | st.just(math.nan), max_size=300)
_BAND = st.lists(st.tuples(*[st.floats(0, 1e9)] * 3).map(sorted), max_size=300)


@example(past=[0.001953125], band=[], width=20, height=7)
@given(past=_PAST, band=_BAND, width=st.integers(20, 200), height=st.integers(3, 40))
def test_the_chart_fills_its_rectangle(
    past: list[float], band: list[list[float]], width: int, height: int
) -> None:
    low, median, high = zip(*band, strict=True) if band else ((), (), ())
    lines = chart(past, Ahead(low=low, median=median, high=high), width=width, height=height)
    assert len(lines) == height
    assert {line.cell_len for line in lines} == {width}


def _heights(past: list[float], *, height: int = 10) -> list[int]:
    """Return how many characters of each column left of now hold a dot."""
    lines = chart(past, Ahead(), width=40, height=height)
    left, _ = halves(40)
    columns = range(AXIS_WIDTH, AXIS_WIDTH + left)
    return [sum(line.plain[column] != " " for line in lines) for column in columns]


def test_higher_demand_is_drawn_higher() -> None:
    heights = _heights([float(v) for v in range(1, 101)])
    assert heights == sorted(heights)
    assert heights[0] == 1
    assert heights[-1] == 10


def test_what_was_not_observed_is_blank_and_zero_is_not() -> None:
    heights = _heights([math.nan] * 50 + [0.0] * 25 + [5.0] * 25)
    left, _ = halves(40)
    assert heights[: left // 2 - 1] == [0] * (left // 2 - 1)
    assert min(heights[left // 2 + 1 :]) == 1


def test_the_band_is_shaded_around_the_median() -> None:
    ahead = Ahead(low=[4.0] * 10, median=[5.0] * 10, high=[6.0] * 10)
    lines = [line.plain for line in chart([10.0], ahead, width=40, height=10)]
    column = [line[-1] for line in lines]
    assert column.count("░") in {1, 2}
    dotted = next(place for place, mark in enumerate(column) if mark not in " ░")
    assert dotted in {4, 5}  # half-way up


def test_without_a_forecast_the_right_is_empty() -> None:
    lines = chart([1.0, 2.0], Ahead(), width=40, height=8)
    _, right = halves(40)
    assert {line.plain[-right:] for line in lines} == {" " * right}


@given(value=st.floats(0, 1e6), more=st.floats(0, 1e6), width=st.integers(0, 120))
def test_bars_grow_with_what_they_show(value: float, more: float, width: int) -> None:
    full = value + more
    assert len(bar(value, full, width)) <= width
    assert len(bar(full, full, width)) == (width if full > 0 else 0)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, ""), (0.5, "▌"), (1.0, "█"), (2.25, "██▎"), (9.0, "████")]
)
def test_a_bar_shows_eighths(value: float, text: str) -> None:
    assert bar(value, 4.0, 4) == text
