"""This file knows one fit of Prophet: how it is made, and the few numbers it consists of.

A fit is kept as those numbers, so that it is small, and forecasting with it needs neither Prophet
nor the history it was fitted to.
"""

# prophet and pandas carry few types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import logging
import warnings
from typing import Any

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.wallclock import IntArray
from foretide.forecasters.extras import imported
from foretide.forecasters.shown import Shown
from foretide.model.demand import FloatArray

_DAYS_FOR_WEEKS = 14


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """How Prophet is set up.

    Parameters
    ----------
    name : str
        The forecaster's name.
    is_root : bool
        Whether it is fitted to square roots.
    daily_order, weekly_order : int
        Waves per day and per week; 0 leaves both to the library.
    """

    name: str
    is_root: bool
    daily_order: int
    weekly_order: int


DEFAULT = Preset(name="prophet", is_root=False, daily_order=0, weekly_order=0)
TUNED = Preset(name="prophet-tuned", is_root=True, daily_order=8, weekly_order=20)


class Season(msgspec.Struct, frozen=True, kw_only=True):
    """One season: waves that fit into a period.

    Parameters
    ----------
    period_days : float
        Length of the longest wave.
    weights : list of float
        Of the sine and the cosine of each wave in turn.
    """

    period_days: float
    weights: list[float]


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted model, in units of what it was fitted to.

    Parameters
    ----------
    until_s : int
        Wall-clock seconds at which its knowledge ends.
    start_s : int
        Wall-clock seconds at which its trend begins.
    length_s : float
        Seconds that are one unit of the trend's time.
    slope, offset : float
        Of the trend at its beginning.
    changes, bends : list of float
        When, in that time, the slope changes, and by how much.
    seasons : list of Season
    """

    until_s: int
    start_s: int
    length_s: float
    slope: float
    offset: float
    changes: list[float]
    bends: list[float]
    seasons: list[Season]


def fitted(seen: Shown, row: int, preset: Preset) -> Fit | None:
    """Fit Prophet to the days before one; the same days give the same fit.

    Parameters
    ----------
    seen : Shown
        The series.
    row : int
        Nothing from this day on is looked at.
    preset : Preset
        How Prophet is set up.

    Returns
    -------
    Fit or None
        None where there is nothing to fit, or the library finds no fit.
    """
    library = imported("prophet", model=preset.name, extra="prophet")
    import cmdstanpy
    import pandas as pd

    days = seen.past.days
    is_seen = days.seen[0, :row].ravel() > 0
    at_s = seen.clock_s(0, row).ravel()[is_seen]
    if len(at_s) < 2:
        return None
    values = days.values[0, :row].ravel()[is_seen].astype(np.float64)
    table = pd.DataFrame(
        {"ds": pd.to_datetime(at_s, unit="s"), "y": np.sqrt(values) if preset.is_root else values}
    )
    logging.getLogger("prophet").setLevel(logging.ERROR)
    with warnings.catch_warnings(), cmdstanpy.disable_logging():
        # of pandas and numpy, about how the library calls them
        warnings.simplefilter("ignore")
        model = library.Prophet(**settings_of(preset, row))
        try:
            model.fit(table, seed=1)
        except RuntimeError:
            return None
        finally:
            # of the files in which it spoke with Stan
            model.stan_backend.cleanup()
    if not all(np.isfinite(found).all() for found in model.params.values()):
        return None
    return _numbers(model, until_s=seen.first_s - (seen.rows - row) * DAY_S)


def settings_of(preset: Preset, days: int) -> dict[str, Any]:
    """Return what the library is told.

    Parameters
    ----------
    preset : Preset
        How Prophet is set up.
    days : int
        Of history: less than two weeks tell nothing of weeks, nor of a trend.

    Returns
    -------
    dict
        Without samples of its own: the intervals are ours.
    """
    if not preset.weekly_order:
        return {"uncertainty_samples": 0}
    has_weeks = days >= _DAYS_FOR_WEEKS
    return {
        "uncertainty_samples": 0,
        "growth": "linear" if has_weeks else "flat",
        "daily_seasonality": preset.daily_order,
        "weekly_seasonality": preset.weekly_order if has_weeks else False,
        "yearly_seasonality": False,
    }


def _numbers(model: Any, until_s: int) -> Fit:
    scale, parameters = float(model.y_scale), model.params
    length_s = model.t_scale.total_seconds()
    seasons: list[Season] = []
    weights = parameters["beta"][0] * scale
    for season in model.seasonalities.values():
        count = 2 * season["fourier_order"]
        own, weights = weights[:count], weights[count:]
        seasons.append(Season(period_days=season["period"], weights=own.tolist()))
    is_flat = model.growth == "flat"
    return Fit(
        until_s=until_s,
        start_s=int(model.start.value // 10**9),
        length_s=length_s,
        slope=0.0 if is_flat else float(parameters["k"][0][0]) * scale,
        offset=float(parameters["m"][0][0]) * scale,
        changes=[] if is_flat else [float(one) for one in model.changepoints_t],
        bends=[] if is_flat else [float(one) * scale for one in np.ravel(parameters["delta"])],
        seasons=seasons,
    )


def value_at(fit: Fit, at_s: IntArray) -> FloatArray:
    """Return what a fit says of some instants, as the library's own `predict` does.

    Parameters
    ----------
    fit : Fit
    at_s : ndarray of int
        Wall-clock seconds.

    Returns
    -------
    ndarray, shape of `at_s`
        A trend that bends, plus the seasons; may be below zero.
    """
    t = (at_s - fit.start_s) / fit.length_s
    total = fit.offset + fit.slope * t
    for change, bend in zip(fit.changes, fit.bends, strict=True):
        total = total + bend * np.maximum(t - change, 0)
    for season in fit.seasons:
        turn = 2 * np.pi * (at_s / DAY_S) / season.period_days
        for place, weight in enumerate(season.weights):
            wave = np.cos if place % 2 else np.sin
            total = total + weight * wave((place // 2 + 1) * turn)
    return total
