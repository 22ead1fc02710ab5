"""A global LightGBM, one model per quantile, learned from all series of a half together.

One training per half and number of origin: it sees the history before that origin of every series
and nothing later. Features are what is used for such series: the same hour of the last days and
weeks, medians of them, recent levels, hour, weekday, and how far ahead. Targets are changes from
the usual, in shares of the level. Intervals are the quantile models' own, sorted.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import lightgbm
import numpy as np
from forecasting.cases import STEPS, Case
from forecasting.models import LEVELS

from foretide.model.demand import FloatArray

_ROWS_PER_SERIES = 4000
_LEARN = {
    "objective": "quantile",
    "num_leaves": 48,
    "learning_rate": 0.06,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}
_ROUNDS = 160
# Columns of the features: medians of the last same hours of the day and of the week.
_SAME_DAY, _SAME_WEEK = 20, 21


def learned_and_asked(cases: Sequence[Case]) -> list[FloatArray]:
    """Learn from the history of every case and answer each."""
    levels = [_level(case.past.values) for case in cases]
    shares = [case.past.values / level for case, level in zip(cases, levels, strict=True)]
    rows = [
        _examples(values, case, at)
        for at, (values, case) in enumerate(zip(shares, cases, strict=True))
    ]
    features = np.concatenate([row[0] for row in rows])
    targets = np.concatenate([row[1] for row in rows])
    ahead = [
        _features(values, case, np.full(STEPS, len(values)), np.arange(STEPS))
        for values, case in zip(shares, cases, strict=True)
    ]
    asked = np.concatenate(ahead)
    usual, usual_ahead = _usual(features), _usual(asked)
    columns: list[FloatArray] = []
    for level in LEVELS:
        learn: dict[str, Any] = {**_LEARN, "alpha": level}
        model = lightgbm.train(learn, lightgbm.Dataset(features, targets - usual), _ROUNDS)
        change = np.asarray(model.predict(asked, num_threads=1), dtype=np.float64)
        columns.append(usual_ahead + change)
    table = np.sort(np.maximum(np.array(columns).T, 0), axis=1).reshape(len(cases), STEPS, -1)
    return [table[at] * level for at, level in enumerate(levels)]


def _level(values: FloatArray) -> float:
    recent = values[-28 * 24 :]
    recent = recent[np.isfinite(recent)]
    return float(recent.mean()) or 1.0 if len(recent) else 1.0


def _usual(features: FloatArray) -> FloatArray:
    # What the change is told from: the median of the last same hours of the week, or of the day.
    week, day = features[:, _SAME_WEEK], features[:, _SAME_DAY]
    return np.nan_to_num(np.where(np.isfinite(week), week, day), nan=1.0)


def _examples(values: FloatArray, case: Case, seed: int) -> tuple[FloatArray, FloatArray]:
    # Questions of the past: at every hour after the first week, any number of hours ahead.
    rng = np.random.default_rng(seed)
    earliest = min(8 * 24, len(values) // 2)
    count = min(_ROWS_PER_SERIES, 4 * (len(values) - earliest))
    # Half of them of the day ahead, which else would be a seventh.
    lead = np.where(
        rng.random(count) < 0.5, rng.integers(0, 24, count), rng.integers(0, STEPS, count)
    )
    target = rng.integers(earliest, len(values), count)
    issued = target - lead
    usable = (issued >= earliest) & np.isfinite(values[target])
    issued, lead, target = issued[usable], lead[usable], target[usable]
    return _features(values, case, issued, lead), values[target]


def _features(values: FloatArray, case: Case, issued: Any, lead: Any) -> FloatArray:
    # NaN where it was not observed: LightGBM knows missing. `issued`: hours known by then.
    target = issued + lead
    first = case.past.start.astimezone(ZoneInfo(case.zone))
    hour = (first.hour + target) % 24
    weekday = (first.weekday() + (first.hour + target) // 24) % 7
    days = lead // 24 + 1
    same_day = [_at(values, target - 24 * (days + back)) for back in range(4)]
    weeks = lead // 168 + 1
    same_week = [_at(values, target - 168 * (weeks + back)) for back in range(4)]
    around = [_at(values, np.minimum(target - 168 * weeks + off, issued - 1)) for off in (-1, 1)]
    last = [_at(values, issued - 1 - back) for back in (0, 1, 2, 23)]
    with np.errstate(all="ignore"):
        means = [_mean_before(values, issued, hours) for hours in (6, 24, 72, 168, 672)]
        week_mean = _mean_before(values, np.minimum(target - 168 * weeks + 12, issued), 24)
        columns = [
            *same_day, *same_week, *around, *last, *means, week_mean,
            _median(same_day), _median(same_week), _median([*same_day[:2], *same_week[:2]]),
            hour, weekday, lead, days, means[1] / means[3], same_week[0] * means[1] / week_mean,
        ]  # fmt: skip
    return np.array(columns, dtype=np.float64).T


def _at(values: FloatArray, index: Any) -> FloatArray:
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[np.clip(index, 0, len(values) - 1)], np.nan)


def _mean_before(values: FloatArray, end: Any, hours: int) -> FloatArray:
    seen = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(seen, values, 0))])
    count = np.concatenate([[0], np.cumsum(seen)])
    end = np.clip(end, 0, len(values))
    begin = np.clip(end - hours, 0, len(values))
    found = count[end] - count[begin]
    return np.where(found > 0, (total[end] - total[begin]) / np.maximum(found, 1), np.nan)


def _median(columns: Sequence[FloatArray]) -> FloatArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all missing is missing
        return np.nanmedian(np.array(columns), axis=0)
