"""This file knows the referee's arithmetic: what a policy's counts cost and what they missed."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray
from foretide.simulate.scenario import MINUTE_S

IntArray = npt.NDArray[np.int64]


class Counts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Instances of one policy in every minute of a trace.

    Parameters
    ----------
    serving, warm, booting : ndarray of int, shape (minutes,)
        Instances that serve, are held warm, and are being started (to serve or to be warm).
    """

    serving: IntArray
    warm: IntArray
    booting: IntArray

    def billed(self, warm_price_fraction: float) -> FloatArray:
        """Return instance-minutes paid for in each minute, in serving instances."""
        return self.serving + self.booting + warm_price_fraction * self.warm

    def from_minute(self, first: int) -> Counts:
        """Return the counts from minute `first` on."""
        return Counts(
            serving=self.serving[first:], warm=self.warm[first:], booting=self.booting[first:]
        )


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy came to over the scored minutes of a trace.

    Parameters
    ----------
    violation_fraction : float
        Requests over capacity / all requests, in [0, 1].
    cost_usd : float
        Billed instance-hours x price.
    mean_billed_count : float
        Billed instances, averaged over the scored minutes.
    scored_minute_count : int
        Minutes whose demand was observed.
    """

    violation_fraction: float
    cost_usd: float
    mean_billed_count: float
    scored_minute_count: int


def score(
    counts: Counts,
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    warm_price_fraction: float,
    price_usd_per_hour: float,
) -> Score:
    """Score counts against demand over the minutes in which demand was observed.

    Parameters
    ----------
    counts : Counts
        One entry per minute of `demand_rps`.
    demand_rps : ndarray, shape (minutes,)
        Demand in each minute, NaN where it was not observed (not scored).
    capacity_rps : float
        Requests/s one instance serves.
    warm_price_fraction, price_usd_per_hour : float
        Prices of the scenario.

    Returns
    -------
    Score
        Violation = sum of max(0, demand - served) / sum of demand; nothing carries over.
    """
    seen = np.isfinite(demand_rps)
    demand = demand_rps[seen]
    unmet = np.maximum(demand - capacity_rps * counts.serving[seen], 0.0).sum()
    total = demand.sum()
    billed = counts.billed(warm_price_fraction)[seen]
    return Score(
        violation_fraction=float(unmet / total) if total > 0 else 0.0,
        cost_usd=float(billed.sum() * price_usd_per_hour * MINUTE_S / 3600),
        mean_billed_count=float(billed.mean()) if len(billed) else 0.0,
        scored_minute_count=int(seen.sum()),
    )
