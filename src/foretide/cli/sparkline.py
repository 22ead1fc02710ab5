"""This file knows how demand is drawn in one line of text."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from foretide.model.demand import Demand, FloatArray

_BLOCKS = "▁▂▃▄▅▆▇█"
NOT_OBSERVED = " "


def laid(one: Demand, span: tuple[datetime, datetime]) -> FloatArray:
    """Return the values of a series on the buckets of `span`, NaN outside its own."""
    step = timedelta(seconds=one.step_s)
    values = np.full(max((span[1] - span[0]) // step, len(one.values)), np.nan)
    first = max((one.start - span[0]) // step, 0)
    values[first : first + len(one.values)] = one.values
    return values


def sparkline(values: FloatArray, *, width: int) -> str:
    """Return one block for each value, or for each of `width` groups of them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Amounts >= 0, NaN where not observed.
    width : int
        Most characters to use, >= 1.

    Returns
    -------
    str
        The lowest block is zero and nothing else, the highest the maximum of the groups' means; a
        blank stands where nothing of a group was observed.
    """
    groups = np.array_split(values, min(width, len(values))) if len(values) else []
    means = [float(np.nanmean(g)) if not np.isnan(g).all() else np.nan for g in groups]
    top = max((mean for mean in means if not np.isnan(mean)), default=0.0)
    return "".join(_block(mean, top) for mean in means)


def _block(mean: float, top: float) -> str:
    if np.isnan(mean):
        return NOT_OBSERVED
    if top <= 0 or mean <= 0:
        return _BLOCKS[0]
    return _BLOCKS[min(int(mean / top * (len(_BLOCKS) - 1)) + 1, len(_BLOCKS) - 1)]
