"""Prophet as a person would use it, with the intervals that the library itself gives.

`default` is `Prophet()`. `tuned` fits square roots, takes the trend as steadier, and describes the
week by a Fourier series of the hour of the week beside the day's. Both see wall-clock time.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
from forecasting.cases import STEPS, Case
from forecasting.models import LEVELS
from prophet import Prophet

from foretide.model.demand import FloatArray

_HOUR_US = 3_600_000_000
for _name in ("cmdstanpy", "prophet", "prophet.plot"):
    logging.getLogger(_name).disabled = True


def _answer(case: Case, *, is_tuned: bool) -> FloatArray:
    stamps = _wall_clock(case, STEPS)
    values = case.past.values
    seen = np.isfinite(values)
    known = values[seen]
    if len(known) < 2:
        return np.full((STEPS, len(LEVELS)), known[0] if len(known) else 0.0)
    level = float(known.mean()) or 1.0
    shown = np.sqrt(known / level) if is_tuned else known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _described(case.days) if is_tuned else Prophet()
        model.fit(pd.DataFrame({"ds": stamps[: len(values)][seen], "y": shown}), seed=1)
        np.random.seed(1)  # noqa: NPY002 - Prophet draws from the global generator
        ahead = pd.DataFrame({"ds": stamps[len(values) :]})
        samples = np.asarray(model.predictive_samples(ahead)["yhat"], dtype=np.float64)
    samples = np.maximum(samples, 0)
    quantiles = np.quantile(samples, LEVELS, axis=1).T
    return np.square(quantiles) * level if is_tuned else quantiles


def default(cases: Sequence[Case]) -> list[FloatArray]:
    """Answer every case with the library's defaults."""
    return [_answer(case, is_tuned=False) for case in cases]


def tuned(cases: Sequence[Case]) -> list[FloatArray]:
    """Answer every case with what suits demand better."""
    return [_answer(case, is_tuned=True) for case in cases]


def _described(days: float) -> Any:
    model = Prophet(
        daily_seasonality=8,
        weekly_seasonality=False,
        yearly_seasonality=False,
        changepoint_prior_scale=0.02,
    )
    if days >= 14:
        model.add_seasonality("hour_of_week", period=7, fourier_order=30)
    return model


def _wall_clock(case: Case, steps: int) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    hours = np.arange(len(case.past.values) + steps)
    first = np.datetime64(case.past.start.replace(tzinfo=None), "us")
    utc = pl.Series(first + hours * np.timedelta64(_HOUR_US, "us")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(ZoneInfo(case.zone).key).dt.replace_time_zone(None)
    return local.to_numpy()
