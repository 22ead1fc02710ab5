"""This file knows the classes of load: what a policy can be expected to reach on a series.

A series is judged by what was observed and by what had been expected of it one boot before, never
by what a policy made of it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.outcome import Band

PEAK_LEVEL = 0.999
SPIKY_BELOW_FRACTION = 0.1  # of the peak
SPIKY_BELOW_COUNT = 5.0  # instances
FORECASTABLE_UP_TO = 0.07


class LoadClass(StrEnum):
    """What kind of load a series is.

    `spiky`: on average it takes less than a tenth of its peak, or less than 5 instances, so that
    one event or one instance decides. Else `forecastable`: the forecast one boot ahead was off by
    at most 7 % (WAPE); `bursty`: by more; `unknown`: nothing was forecast, or nothing called.
    """

    FORECASTABLE = "forecastable"
    BURSTY = "bursty"
    SPIKY = "spiky"
    UNKNOWN = "unknown"


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """A series' class, and the numbers it follows from.

    Parameters
    ----------
    load_class : LoadClass
        The class.
    mean_count, peak_count : float
        Mean and 99.9 % quantile of demand, in instances; 0 where nothing was observed.
    wape_fraction : float, optional
        Sum of |demand - median| / sum of demand, the median issued one boot before; None where
        nothing was forecast.
    coverage_fraction : float, optional
        Share of minutes whose demand lay within the 5-95 % band, nominally 0.9.
    """

    load_class: LoadClass
    mean_count: float
    peak_count: float
    wape_fraction: float | None = None
    coverage_fraction: float | None = None


def series_class(demand_rps: FloatArray, band: Band | None, capacity_rps: float) -> Classified:
    """Return the class of a series' scored minutes.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each scored minute, NaN where it was not observed.
    band : Band, optional
        What was expected of the same minutes one boot before each; None when nothing was.
    capacity_rps : float
        Requests/s of one instance, > 0.

    Returns
    -------
    Classified
        The class and its numbers.
    """
    seen = demand_rps[np.isfinite(demand_rps)] / capacity_rps
    mean = float(seen.mean()) if len(seen) else 0.0
    peak = float(np.quantile(seen, PEAK_LEVEL)) if len(seen) else 0.0
    wape, coverage = forecast_worth(demand_rps, band)
    return Classified(
        load_class=_class(mean, peak, wape),
        mean_count=mean,
        peak_count=peak,
        wape_fraction=wape,
        coverage_fraction=coverage,
    )


def forecast_worth(demand_rps: FloatArray, band: Band | None) -> tuple[float | None, float | None]:
    """Return how far the median was off, and how often demand lay within the band.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        NaN where it was not observed.
    band : Band, optional
        Of the same minutes.

    Returns
    -------
    wape_fraction, coverage_fraction : float, optional
        None where no minute was both observed and forecast, or nothing was called.
    """
    if band is None:
        return None, None
    both = np.isfinite(demand_rps) & np.isfinite(band.median_rps)
    demand = demand_rps[both]
    if not demand.sum() > 0:
        return None, None
    wape = np.abs(demand - band.median_rps[both]).sum() / demand.sum()
    within = (demand >= band.low_rps[both]) & (demand <= band.high_rps[both])
    return float(wape), float(within.mean())


def _class(mean: float, peak: float, wape: float | None) -> LoadClass:
    if not peak > 0:
        return LoadClass.UNKNOWN
    if mean < SPIKY_BELOW_FRACTION * peak or mean < SPIKY_BELOW_COUNT:
        return LoadClass.SPIKY
    if wape is None:
        return LoadClass.UNKNOWN
    return LoadClass.FORECASTABLE if wape <= FORECASTABLE_UP_TO else LoadClass.BURSTY
