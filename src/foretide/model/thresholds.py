"""This file knows the thresholds that move with confidence, and how a move is told."""

from __future__ import annotations

import math

import msgspec

from foretide.errors import InvalidValueError


class UpdateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Below what an update may start.

    Parameters
    ----------
    demand_rps : float
        Highest demand likely during the update, >= 0.
    cost_usd : float
        Highest extra cost of it, >= 0; infinite where the owner set no limit.
    """

    demand_rps: float
    cost_usd: float = math.inf

    def __post_init__(self) -> None:
        for field in ("demand_rps", "cost_usd"):
            if not getattr(self, field) >= 0:
                raise InvalidValueError(f"{field} must be >= 0, was {getattr(self, field)}")


class ThresholdMove(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that moved.

    Parameters
    ----------
    name : str
        Which: `trigger`, `update_demand_rps` or `update_cost_usd`.
    was, now : float
        Before and after.
    why : str
        What moved it, in words with its numbers.
    """

    name: str
    was: float
    now: float
    why: str
