"""This file knows the oldest rival: as many instances as the highest demand ever took, always."""

from __future__ import annotations

import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.scenario import FLEET_MAX_COUNT


def static_peak_counts(demand_rps: FloatArray, *, capacity_rps: float, first_scored: int) -> Counts:
    """Play a fleet that never changes once the warm-up has shown its peak.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute, NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    first_scored : int
        First minute after the warm-up; from it on the fleet stays what the highest demand before
        it took. Until then it is what the highest demand so far took, without any boot.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.
    """
    seen = np.nan_to_num(demand_rps[:-1], nan=0.0) / capacity_rps
    highest = np.maximum.accumulate(np.concatenate(([0.0], seen)))[: len(demand_rps)]
    highest[first_scored:] = highest[first_scored]
    serving = np.clip(np.ceil(highest), 1, FLEET_MAX_COUNT).astype(np.int64)
    still = np.zeros_like(serving)
    return Counts(serving=serving, warm=still, booting=still)
