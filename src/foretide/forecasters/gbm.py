"""This file knows gradient-boosted trees: one model learned from all series, and asked of each.

Trees learn by how much the root of an hour's demand will differ from its usual one, from what was
known a day or a week before. Reference: Ke et al., "LightGBM", 2017.
"""

# lightgbm carries few types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from foretide.forecast.days import Floats
from foretide.forecasters.carry import carried, slopes, unusual
from foretide.forecasters.extras import imported
from foretide.forecasters.features import AHEAD_DAYS, features, usual
from foretide.forecasters.pooled import Learner, Pooled
from foretide.forecasters.pupils import FIRST_ROW, Pupil
from foretide.model.demand import Demand

_NAME = "gbm"
_HOURS_MAX = 100_000  # taught: what keeps a lesson at seconds
_ROUNDS = 80
_SETTINGS: dict[str, Any] = {
    "objective": "quantile",
    "alpha": 0.5,
    "learning_rate": 0.06,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    # How yesterday's behaviour is carried over, and the trees as their library writes them.
    lines: list[list[float]]
    trees: str


class Gbm(Pooled):
    """LightGBM over all series of a call, with our intervals; see `Pooled`.

    What it says of a series rests on all it was trained with, and on no other series asked for.
    """

    name = _NAME

    def __init__(self, behaviour: Sequence[Demand] = ()) -> None:
        super().__init__(_LEARNER, behaviour)


def _learn(taught: Sequence[Pupil], held_out: int) -> bytes:
    lightgbm = imported("lightgbm", model=_NAME, extra="gbm")
    schooled = [(one, range(FIRST_ROW, one.shown.rows - held_out)) for one in taught]
    schooled = [(one, rows) for one, rows in schooled if rows]
    if not schooled:
        return b""
    lines = slopes(
        [
            (unusual(one.behaviour, rows, one.shown.per_day), _change(one, rows, rows.stop))
            for one, rows in schooled
        ]
    )
    rng = np.random.default_rng(1)
    share = max(_HOURS_MAX // len(schooled), 1)
    lessons = [_sampled(*_lesson(one, rows, lines), share, rng) for one, rows in schooled]
    data = lightgbm.Dataset(
        np.concatenate([known for known, _ in lessons]),
        label=np.concatenate([change for _, change in lessons]),
        params=_SETTINGS,
    )
    trees = lightgbm.train(_SETTINGS, data, num_boost_round=_ROUNDS).model_to_string()
    return msgspec.json.encode(_Kept(lines=lines.tolist(), trees=trees))


def _change(one: Pupil, rows: Sequence[int], end: int) -> Floats:
    # By how much the outcome differed from the usual, shape (rows, days ahead, bins).
    ahead = np.asarray(rows)[:, None] + np.arange(AHEAD_DAYS)
    outcome = one.roots[np.minimum(ahead, len(one.roots) - 1)]
    outcome = np.where((ahead < end)[..., None], outcome, np.nan)
    return (outcome - usual(one.roots, rows, AHEAD_DAYS)).astype(np.float32)


def _known(
    one: Pupil, rows: Sequence[int], days_ahead: int, lines: Floats
) -> tuple[Floats, Floats]:
    # What the trees look at, and what is carried over.
    over = carried(lines, unusual(one.behaviour, rows, one.shown.per_day), days_ahead)
    known = features(one.shown, one.roots, rows, days_ahead, one.behaviour)
    return known, over


def _lesson(one: Pupil, rows: range, lines: Floats) -> tuple[Floats, Floats]:
    # What was known, and what it does not yet explain, hour by hour.
    known, over = _known(one, rows, AHEAD_DAYS, lines)
    change = (_change(one, rows, rows.stop) - over).ravel()
    is_seen = np.isfinite(change)
    return known.reshape(len(change), -1)[is_seen], change[is_seen]


def _sampled(
    known: Floats, change: Floats, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    if len(change) <= count:
        return known, change
    picked = np.sort(rng.choice(len(change), count, replace=False))
    return known[picked], change[picked]


def _ready(learned: bytes, _: int) -> tuple[Any, Floats]:
    lightgbm = imported("lightgbm", model=_NAME, extra="gbm")
    kept = msgspec.json.decode(learned, type=_Kept)
    return lightgbm.Booster(model_str=kept.trees), np.array(kept.lines, dtype=np.float32)


def _guess(model: tuple[Any, Floats], one: Pupil, rows: Sequence[int], days_ahead: int) -> Floats:
    trees, lines = model
    known, over = _known(one, rows, days_ahead, lines)
    change = trees.predict(known.reshape(-1, known.shape[-1]), num_threads=1)
    ceiling = np.float32(1.5) * np.nanmax(one.roots)
    roots = usual(one.roots, rows, days_ahead) + over + change.reshape(over.shape)
    return np.square(np.clip(roots, 0, ceiling)).astype(np.float32)


_LEARNER = Learner(name=_NAME, version=1, learn=_learn, ready=_ready, guess=_guess)
