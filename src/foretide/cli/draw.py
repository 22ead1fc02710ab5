"""This file knows how demand and its forecast look in a terminal.

Dots are braille (two columns and four rows to a character): the past, then the middle of the
forecast. Shade is the band between the lowest and the highest quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE, _SHADE = 0x2800, "░"
_PAST_MIN = timedelta(days=3)
_LABEL = 9


def drawn(demand: Demand, forecast: Forecast, *, width: int, height: int) -> list[str]:
    """Draw the past and the forecast of one series.

    Parameters
    ----------
    demand : Demand
        What was observed.
    forecast : Forecast
        What is expected, for the same series.
    width, height : int
        Characters to draw in, > 30 and > 2.

    Returns
    -------
    list of str
        A heading, `height` lines of picture, and a line of dates.
    """
    begin = forecast.issued_at - max(_PAST_MIN, forecast.end - forecast.start)
    span_s = (forecast.end - begin).total_seconds()
    columns = 2 * (width - _LABEL - 2)

    def column_of(instant: datetime) -> int:
        return min(int((instant - begin).total_seconds() / span_s * columns), columns - 1)

    middle = min(range(len(forecast.levels)), key=lambda at: abs(forecast.levels[at] - 0.5))
    past = _past(demand, begin, forecast.issued_at)
    ahead = [
        (forecast.start + timedelta(seconds=forecast.step_s * step), row)
        for step, row in enumerate(forecast.values.tolist())
    ]
    # Neighbouring buckets are joined; where one is missing the line breaks.
    reach = math.ceil(demand.step_s / span_s * columns) + 1
    lines = [
        _joined(_means([(column_of(ts), value) for ts, value in past], columns), reach),
        _joined(_means([(column_of(ts), row[middle]) for ts, row in ahead], columns), reach),
    ]
    low = dict(_means([(column_of(ts) // 2, row[0]) for ts, row in ahead], columns))
    high = dict(_means([(column_of(ts) // 2, row[-1]) for ts, row in ahead], columns))
    seen = [value for line in lines for _, value in line]
    top = max([*seen, *high.values()], default=0.0) or 1.0
    grid = _shaded(low, high, top, columns // 2, height)
    for line in lines:
        _dotted(grid, line, top)
    text = [_heading(forecast)]
    for row, cells in enumerate(grid):
        label = _number(top * (1 - row / height)) if row % 3 == 0 else ""
        text.append(f"{label:>{_LABEL}} ┤{''.join(cells)}")
    return [*text, _dates(begin, forecast, column_of(forecast.start) // 2, width)]


def _past(demand: Demand, begin: datetime, end: datetime) -> list[tuple[datetime, float]]:
    known = demand.until(end)
    step = timedelta(seconds=demand.step_s)
    first = max(0, math.ceil((begin - demand.start) / step))
    return [
        (demand.start + step * (first + at), value)
        for at, value in enumerate(known.values[first:].tolist())
        if not math.isnan(value)
    ]


def _means(points: Sequence[tuple[int, float]], columns: int) -> list[tuple[int, float]]:
    total, count = [0.0] * columns, [0] * columns
    for column, value in points:
        total[column] += value
        count[column] += 1
    return [(at, total[at] / count[at]) for at in range(columns) if count[at]]


def _shaded(
    low: dict[int, float], high: dict[int, float], top: float, width: int, height: int
) -> list[list[str]]:
    grid = [[" "] * width for _ in range(height)]
    for column, upper in high.items():
        first = height - 1 - min(int(upper / top * height), height - 1)
        last = height - 1 - min(int(low[column] / top * height), height - 1)
        for row in range(first, last + 1):
            grid[row][column] = _SHADE
    return grid


def _joined(points: Sequence[tuple[int, float]], reach: int) -> list[tuple[int, float]]:
    line: list[tuple[int, float]] = []
    for (column, value), (after, next_value) in pairwise(points):
        width = after - column
        filled = width if width <= reach else 1
        line += [(column + at, value + (next_value - value) * at / width) for at in range(filled)]
    return line + list(points[-1:])


def _dotted(grid: list[list[str]], line: Sequence[tuple[int, float]], top: float) -> None:
    rows = 4 * len(grid)
    cells: dict[tuple[int, int], int] = {}
    last_column, last_row = -2, 0
    for column, value in line:
        row = rows - 1 - min(int(value / top * rows), rows - 1)
        begin = last_row if column == last_column + 1 else row
        for dot in range(min(begin, row), max(begin, row) + 1):
            cell = (dot // 4, column // 2)
            cells[cell] = cells.get(cell, 0) | _DOTS[dot % 4][column % 2]
        last_column, last_row = column, row
    for (row, column), mask in cells.items():
        grid[row][column] = chr(_BRAILLE + mask)


def _heading(forecast: Forecast) -> str:
    levels = f"{forecast.levels[0]:g} … {forecast.levels[-1]:g}"
    note = f" · {forecast.note}" if forecast.note else ""
    return f"{forecast.series_id} · {forecast.model} · {_SHADE} quantiles {levels}{note}"


def _dates(begin: datetime, forecast: Forecast, issued_column: int, width: int) -> str:
    first, last = f"{begin:%m-%d %H:%M}", f"{forecast.end:%m-%d %H:%M}"
    issued = f"▲ {forecast.issued_at:%Y-%m-%d %H:%M}Z"
    line = (" " * (_LABEL + 2) + first).ljust(_LABEL + 2 + issued_column) + issued
    return line + last.rjust(width - len(line)) if len(line) + len(last) < width else line


def _number(value: float) -> str:
    if value and not 1e-3 <= value < 1e12:
        return f"{value:.2e}"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.1f} {unit}"
    return f"{value:.4g}"
