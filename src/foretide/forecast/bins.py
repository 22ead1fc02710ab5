"""This file knows how buckets of any length become bins that divide a day, and back.

Bins hold the mean of their buckets, so the amounts of buckets of different length never mix.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

_HOUR_S = 3600


class Grid(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """When buckets begin, on the wall clock of the users.

    Parameters
    ----------
    past, ahead : ndarray of int, shape (buckets,)
        Wall-clock seconds at which past buckets began, and those to forecast begin.
    step_s, length_s : int
        Length of a bucket and of a bin, in seconds.
    """

    past: IntArray
    ahead: IntArray
    step_s: int
    length_s: int


def bin_s(step_s: int, finest_s: int) -> int:
    """Return the shortest bin that divides a day and is no shorter than a bucket or `finest_s`."""
    shortest = max(step_s, finest_s)
    return next(length for length in range(shortest, DAY_S + 1) if DAY_S % length == 0)


def gathered(
    values: FloatArray, grid: Grid, count: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bin means, one single bucket of each bin, and the usual shares of buckets ahead.

    Parameters
    ----------
    values : ndarray, shape (series, past buckets)
        NaN where nothing was observed.
    grid : Grid
        When those buckets were, and when the ones ahead will be.
    count : int
        Bins before the forecast's start.

    Returns
    -------
    tuple of ndarray
        Means and single buckets over their usual share, both (series, count), NaN where nothing
        was observed; and the usual share of every bucket ahead, (series, buckets ahead).
    """
    bin_of = (grid.past - grid.ahead[0]) // grid.length_s
    kept = np.flatnonzero((bin_of >= -count) & (bin_of < 0))
    # The hour that DST repeats is folded onto itself: its buckets meet in the same bins.
    order = kept[np.argsort(bin_of[kept], kind="stable")]
    target = bin_of[order] + count
    starts = np.flatnonzero(np.diff(target, prepend=-1))
    filled = target[starts]
    ordered = values[:, order]
    seen = np.isfinite(ordered)
    bins = np.full((len(values), count), np.nan)
    if len(starts) == len(order):
        bins[:, filled] = ordered
        return bins, bins, np.ones((len(values), len(grid.ahead)))
    total = np.add.reduceat(np.where(seen, ordered, 0.0), starts, axis=1)
    observed = np.add.reduceat(seen.astype(np.float64), starts, axis=1)
    with np.errstate(invalid="ignore"):
        bins[:, filled] = total / observed
    usual, usual_ahead = _usual_share(ordered, bins[:, target], grid, order)
    sizes = np.diff(starts, append=len(order))
    picked = starts + filled % sizes
    sampled = np.full((len(values), count), np.nan)
    sampled[:, filled] = ordered[:, picked] / usual[:, picked]
    return bins, sampled, usual_ahead


def _usual_share(
    buckets: FloatArray, bin_means: FloatArray, grid: Grid, order: IntArray
) -> tuple[FloatArray, FloatArray]:
    # What a bucket usually is over the mean of its bin, by minute (or second) of the hour: jobs
    # that run at :00 show here. In square roots, so that one burst cannot bend it.
    series = len(buckets)
    if _HOUR_S % grid.step_s or grid.length_s % grid.step_s:
        return np.ones((series, len(order))), np.ones((series, len(grid.ahead)))
    phases = _HOUR_S // grid.step_s
    phase = grid.past[order] % _HOUR_S // grid.step_s
    seen = np.isfinite(buckets)
    roots = np.sqrt(np.where(seen, buckets, 0.0))
    bin_roots = np.sqrt(np.where(seen, bin_means, 0.0))
    share = np.ones((series, phases))
    for row in range(series):
        upper = np.bincount(phase, weights=roots[row], minlength=phases)
        lower = np.bincount(phase, weights=bin_roots[row], minlength=phases)
        floor = 1e-9 + 0.02 * lower.mean()
        share[row] = ((upper + floor) / (lower + floor)) ** 2
    share = np.clip(share / share.mean(axis=1, keepdims=True), 0.05, 20.0)
    return share[:, phase], share[:, grid.ahead % _HOUR_S // grid.step_s]
