"""This file knows how accuracy is told: a table for people, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from foretide.forecast.standing import Standing
from foretide.model.accuracy import SeriesClass

_HEAD = ("issued", "scored", "days", "buckets", "WQL", "naive", "skill", "WAPE", "MASE",
         "in 50 %", "in 80 %", "in 95 %", "≤ Q.95")  # fmt: skip
_NOMINAL = ("", "", "", "", "0", "", "100 %", "0", "", "50.0 %", "80.0 %", "95.0 %", "95.0 %")
_NAME_MAX = 40
_CLASSES = [one.value for one in SeriesClass]


def table_lines(
    rows: Sequence[Standing], issued: Mapping[tuple[str, str], int], by: str
) -> Iterator[str]:
    """Yield the lines of a table of standings, with what it is to be read against.

    Parameters
    ----------
    rows : sequence of Standing
        In the order in which they are shown.
    issued : mapping of (str, str) to int
        Forecasts kept by key and forecaster.
    by : str
        What the keys are: horizon, class, feature or model.
    """
    has_models = by != "model" and len({one.model for one in rows}) > 1
    head = [_heading(by), *(["model"] if has_models else [])]
    lines: list[tuple[str, ...]] = [(*head, *_HEAD)]
    for one in rows:
        names = [_shown(one.key, by), *([one.model] if has_models else [])]
        lines.append((*names, *_cells(one, issued.get((one.key, one.model), one.scored_count))))
    lines.append(("nominal", *[""] * (len(head) - 1), *_NOMINAL))
    yield from _aligned(lines, len(head))
    if not all(one.is_judged for one in rows):
        yield "* fewer than 7 different days: too little to judge by"


def ordered(rows: Sequence[Standing], by: str) -> list[Standing]:
    """Return standings in the order in which a person looks for them."""
    if by == "class":
        return sorted(rows, key=lambda one: (_CLASSES.index(one.key), one.model))
    if by == "horizon":
        return sorted(rows, key=lambda one: (int(one.key), one.model))
    if by == "model":
        return sorted(rows, key=lambda one: (_last_if_unknown(one.accuracy.wql), one.model))
    return sorted(rows, key=lambda one: (one.key, one.model))


def as_json(rows: Sequence[Standing], issued: Mapping[tuple[str, str], int], by: str) -> str:
    """Return standings as one JSON text; what is not known is null."""
    found = [
        {
            "key": one.key,
            "model": one.model,
            "series_count": one.series_count,
            "issued_count": issued.get((one.key, one.model), one.scored_count),
            "scored_count": one.scored_count,
            "day_count": one.accuracy.day_count,
            "bucket_count": one.accuracy.matured_count,
            "is_judged": one.is_judged,
            "wql": _known(one.accuracy.wql),
            "naive_wql": _known(one.naive_wql),
            "skill": _known(one.accuracy.skill),
            "wape": _known(one.accuracy.wape),
            "mase": _known(one.accuracy.mase),
            "coverage_50": _known(one.accuracy.coverage_50),
            "coverage_80": _known(one.accuracy.coverage_80),
            "coverage_95": _known(one.accuracy.coverage_95),
            "below_95_fraction": _known(one.accuracy.below_95_fraction),
            "pinball_ratio": _known(one.accuracy.pinball_ratio),
            "worth_fraction": one.accuracy.worth_fraction,
        }
        for one in rows
    ]
    return msgspec.json.format(msgspec.json.encode({"by": by, "rows": found}), indent=2).decode()


def _heading(by: str) -> str:
    return {"horizon": "day ahead", "model": "model"}.get(by, by)


def _shown(key: str, by: str) -> str:
    name = f"day {key}" if by == "horizon" else key
    return name if len(name) <= _NAME_MAX else name[: _NAME_MAX - 1] + "…"


def _cells(one: Standing, issued: int) -> tuple[str, ...]:
    found = one.accuracy
    return (
        f"{issued:,}",
        f"{one.scored_count:,}",
        f"{found.day_count}" + ("" if one.is_judged else "*"),
        f"{found.matured_count:,}",
        *(_number(value) for value in (found.wql, one.naive_wql)),
        _percent(found.skill, 0),
        *(_number(value) for value in (found.wape, found.mase)),
        *(
            _percent(value, 1)
            for value in (
                found.coverage_50, found.coverage_80, found.coverage_95, found.below_95_fraction,
            )
        ),
    )  # fmt: skip


def _aligned(lines: Sequence[tuple[str, ...]], names: int) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [
            text.ljust(width) if column < names else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.3g}"


def _percent(value: float, digits: int) -> str:
    # adding zero makes -0 a plain 0
    return "?" if math.isnan(value) else f"{round(value * 100, digits) + 0.0:.{digits}f} %"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _last_if_unknown(value: float) -> float:
    return math.inf if math.isnan(value) else value
