"""This file knows below what an update of an application may start, and why that moves.

The owner's own number holds while nothing is sure. The surer the forecast, the nearer the threshold
comes to the best window ahead: the update can afford to wait for the ebb, and users see the least
of it. The ebb is fixed when the update is queued; only a window that was missed raises it, so that
a slightly lower ebb tomorrow cannot postpone an update for ever.
"""

from __future__ import annotations

import math

from foretide.errors import InvalidValueError
from foretide.model.plan import Refusal
from foretide.model.thresholds import ThresholdMove, UpdateLimits

_FITS_FRACTION = 0.99


def update_limits(
    *,
    owner_rps: float,
    ebb_rps: float,
    owner_usd: float | None,
    cheapest_usd: float,
    confidence: float,
) -> UpdateLimits:
    """Return below what demand and extra cost an update may start.

    Parameters
    ----------
    owner_rps : float
        The owner's own limit of demand, >= 0; what is left to serve while a batch is updated where
        none is set.
    ebb_rps : float
        90 % quantile of the highest demand in the best window ahead, >= 0; from `kept_ebb`.
    owner_usd : float, optional
        The owner's limit of the extra cost; None: there is none.
    cheapest_usd : float
        Extra cost in the cheapest window ahead, >= 0.
    confidence : float
        In [0, 1].

    Returns
    -------
    UpdateLimits
        Never above the owner's numbers, and equal to them without confidence.
    """
    if not 0 <= confidence <= 1:
        raise InvalidValueError(f"confidence must lie in [0, 1], was {confidence}")
    return UpdateLimits(
        demand_rps=owner_rps - confidence * max(0.0, owner_rps - ebb_rps),
        cost_usd=math.inf
        if owner_usd is None
        else owner_usd - confidence * max(0.0, owner_usd - cheapest_usd),
    )


def kept_ebb(queued_rps: float, best_rps: float, *, is_missed: bool) -> float:
    """Return the ebb an update waits for.

    Parameters
    ----------
    queued_rps : float
        The ebb fixed when it was queued, or since.
    best_rps : float
        The best window left before the deadline.
    is_missed : bool
        Whether the window it waited for has gone.
    """
    return max(queued_rps, best_rps) if is_missed else queued_rps


def update_refusal(
    limits: UpdateLimits,
    *,
    window_max_rps: float,
    fits_fraction: float,
    cost_usd: float,
    is_stale: bool,
    is_forced: bool,
) -> Refusal | None:
    """Return why an update may not start now; None when it may.

    Parameters
    ----------
    limits : UpdateLimits
        From `update_limits`.
    window_max_rps : float
        90 % quantile of the highest demand while it lasts.
    fits_fraction : float
        Probability that demand stays within what is left to serve, in [0, 1].
    cost_usd : float
        Its extra cost, >= 0.
    is_stale : bool
        Whether demand is too old to judge by.
    is_forced : bool
        Whether its deadline leaves no better window.
    """
    what = "update"
    if is_forced:
        return None
    if is_stale:
        return Refusal(what=what, reason="no fresh demand", fix="wait, or set an earlier deadline")
    if not window_max_rps <= limits.demand_rps:
        reason = f"demand up to {window_max_rps:.4g} rps > {limits.demand_rps:.4g}"
        return Refusal(what=what, reason=reason, fix="wait for the ebb, or raise the demand limit")
    if not fits_fraction >= _FITS_FRACTION:
        reason = f"what is left serves with probability {fits_fraction:.3f} < {_FITS_FRACTION}"
        return Refusal(what=what, reason=reason, fix="update fewer instances at once")
    if not cost_usd <= limits.cost_usd:
        reason = f"extra cost {cost_usd:.4g} USD > {limits.cost_usd:.4g}"
        return Refusal(what=what, reason=reason, fix="wait for a cheaper window, or allow more")
    return None


def limit_moves(
    before: UpdateLimits, after: UpdateLimits, *, why: str
) -> tuple[ThresholdMove, ...]:
    """Return which limits moved, to be written down.

    Parameters
    ----------
    before, after : UpdateLimits
    why : str
        What moved them: confidence, a missed window, or the owner.
    """
    pairs = (
        ("update_demand_rps", before.demand_rps, after.demand_rps),
        ("update_cost_usd", before.cost_usd, after.cost_usd),
    )
    return tuple(
        ThresholdMove(name=name, was=was, now=now, why=why)
        for name, was, now in pairs
        if was != now
    )
