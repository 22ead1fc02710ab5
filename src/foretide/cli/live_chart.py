"""This file knows how demand and its forecast are drawn with characters in a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean

import msgspec
from rich.text import Text

# A Braille cell is 2 x 4 dots; the bit of each dot by row from the bottom, left then right.
_DOTS = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
_BLANK = 0x2800
_PAST, _AHEAD, _BAND, _AXIS = "cyan", "bold yellow", "blue", "dim"
AXIS_WIDTH = 8
_NOTHING_RPS = 1e-6  # a request in eleven days; an axis cannot be scaled to less


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast as three lines of equal length, evenly spaced from now on.

    Parameters
    ----------
    low, median, high : sequence of float
        5 %, 50 % and 95 % quantiles in requests/s; all empty where there is no forecast.
    """

    low: Sequence[float] = ()
    median: Sequence[float] = ()
    high: Sequence[float] = ()


def chart(past: Sequence[float], ahead: Ahead, *, width: int, height: int) -> list[Text]:
    """Draw past demand to the left of now, the forecast's band and median to the right.

    Parameters
    ----------
    past : sequence of float
        Demand in requests/s, evenly spaced, the newest last; NaN where it was not observed.
    ahead : Ahead
        The forecast from now on.
    width, height : int
        Characters, with the axis; at least 20 x 3.

    Returns
    -------
    list of Text
        `height` lines of `width` characters. The axis starts at zero.
    """
    left, right = halves(width)
    top = _round_up(max([*filter(math.isfinite, past), *ahead.high, *ahead.median, 0.0]))
    to_dots = 4 * height / top
    behind = _area(_columns(past, 2 * left, fmean), to_dots, height)
    middle = _line(_columns(ahead.median, 2 * right, fmean), to_dots, height)
    low = _columns(ahead.low, right, min)
    high = _columns(ahead.high, right, max)
    lines: list[Text] = []
    for row in reversed(range(height)):
        line = Text(_label(row, height, top), style=_AXIS, no_wrap=True, end="")
        line.append("".join(_braille(mask) for mask in behind[row]), style=_PAST)
        line.append("│", style=_AXIS)
        in_band = [
            lowest * to_dots < 4 * (row + 1) and highest * to_dots > 4 * row
            for lowest, highest in zip(low, high, strict=True)
        ]
        # Runs of one style, not characters: a terminal is painted many times a second.
        for is_median, run in groupby(zip(middle[row], in_band, strict=True), key=_has_dots):
            marks = [_braille(mask) if is_median else "░" if is_in else " " for mask, is_in in run]
            line.append("".join(marks), style=_AHEAD if is_median else _BAND)
        lines.append(line)
    return lines


def _has_dots(cell: tuple[int, bool]) -> bool:
    return cell[0] > 0


def halves(width: int) -> tuple[int, int]:
    """Return how many characters lie left and right of now in a chart `width` characters wide."""
    plot = max(width - AXIS_WIDTH - 1, 2)
    return plot - plot // 2, plot // 2


def bar(value: float, full: float, width: int) -> str:
    """Return `value` as a bar in which `full` takes `width` characters; an eighth is visible."""
    if not (full > 0 and width > 0):
        return ""
    eighths = round(8 * width * min(max(value / full, 0.0), 1.0))
    return "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]


def _columns(
    values: Sequence[float], count: int, pick: Callable[[Sequence[float]], float]
) -> list[float]:
    # What `pick` makes of each column's share of the values, NaN where it has none.
    if not len(values):
        return [math.nan] * count
    columns: list[float] = []
    for place in range(count):
        first = place * len(values) // count
        last = max((place + 1) * len(values) // count, first + 1)
        seen = [value for value in values[first:last] if math.isfinite(value)]
        columns.append(pick(seen) if seen else math.nan)
    return columns


def _area(columns: list[float], to_dots: float, height: int) -> list[list[int]]:
    return _masks([(0, _level(v, to_dots, height)) for v in columns], height)


def _line(columns: list[float], to_dots: float, height: int) -> list[list[int]]:
    levels = [_level(value, to_dots, height) for value in columns]
    spans: list[tuple[int, int]] = []
    for before, level in zip(levels[:1] + levels, levels, strict=False):
        # Join to the dot before, so that a steep rise stays one line.
        low = level if before < 0 else min(level, before + 1)
        high = level if before < 0 else max(level, before - 1)
        spans.append((low, high) if level >= 0 else (0, -1))
    return _masks(spans, height)


def _level(value: float, to_dots: float, height: int) -> int:
    return -1 if math.isnan(value) else min(int(value * to_dots), 4 * height - 1)


def _masks(spans: list[tuple[int, int]], height: int) -> list[list[int]]:
    # Rows from the bottom; each span fills the dots of its half column from low to high.
    masks = [[0] * (len(spans) // 2) for _ in range(height)]
    for place, (low, high) in enumerate(spans):
        for dot in range(low, high + 1):
            masks[dot // 4][place // 2] |= _DOTS[dot % 4][place % 2]
    return masks


def _braille(mask: int) -> str:
    return chr(_BLANK + mask) if mask else " "


def _label(row: int, height: int, top: float) -> str:
    marks = {height - 1: top, 0: 0.0}
    if height >= 7:
        marks[height // 2] = top * (height // 2) / height  # at the lower edge of its row
    if row not in marks:
        return " " * (AXIS_WIDTH - 1) + "│"
    return f"{_short(marks[row]):>{AXIS_WIDTH - 2}} ┤"


def _short(value: float) -> str:
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= unit:
            per_letter = value / (1e3 if letter == "k" else unit)
            return f"{per_letter:,.4g}{letter}"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value >= 0.01 else f"{value:.1g}"  # the axis is narrow


def _round_up(value: float) -> float:
    # An axis one can read: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten.
    if value < _NOTHING_RPS:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= value)
