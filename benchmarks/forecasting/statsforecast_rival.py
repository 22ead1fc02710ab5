"""MSTL with AutoETS by statsforecast, which needs an environment of its own: it pins old parts.

    ENVIRONMENT/bin/python statsforecast_rival.py QUESTIONS.parquet ANSWERS.parquet

Run by itself it imports nothing of this package. The day, and with two weeks of history also the
week, are taken out by MSTL; AutoETS without seasons follows the rest. Hours nobody observed are
filled with the hour a week before, or the mean. Intervals are the library's own.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

# Not part of the environment that this package is checked in.
_MODELS: Any = import_module("statsforecast.models")
STEPS = 168
# Columns of the library's table for .025, .1, .5, .9, .95, .975 and .99.
COLUMNS = ("lo-95", "lo-80", "mean", "hi-80", "hi-90", "hi-95", "hi-98")


def main(questions: str, answers: str) -> None:
    """Answer every question of a table (key, value by hour) with a table of quantiles."""
    table = pl.read_parquet(questions)
    keys: list[str] = []
    rows: list[np.ndarray[Any, Any]] = []
    for part in table.partition_by("key", maintain_order=True):
        keys.append(part["key"][0])
        rows.append(_answer(part["value"].to_numpy()).ravel())
    pl.DataFrame({"key": keys, "values": [row.tolist() for row in rows]}).write_parquet(answers)


def _answer(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    filled = _filled(values)
    seasons = [24, 168] if len(filled) >= 336 else [24]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _MODELS.MSTL(season_length=seasons, trend_forecaster=_MODELS.AutoETS(model="ZZN"))
        found: dict[str, Any] = model.forecast(y=filled, h=STEPS, level=[80, 90, 95, 98])
    quantiles = np.array([found[column] for column in COLUMNS]).T
    middle = np.nan_to_num(quantiles[:, 2], nan=float(filled[-1]))
    quantiles = np.where(np.isfinite(quantiles), quantiles, middle[:, None])
    return np.maximum(np.sort(quantiles, axis=1), 0)


def _filled(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    filled = np.asarray(values, dtype=np.float64).copy()
    overall = float(np.nanmean(filled))
    for at in np.flatnonzero(~np.isfinite(filled)):
        before = filled[at - 168] if at >= 168 else np.nan
        filled[at] = before if np.isfinite(before) else overall
    return filled


if __name__ == "__main__":
    main(*sys.argv[1:3])
