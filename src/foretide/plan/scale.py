"""This file knows the three ways a fleet may go, and that two of them need no certainty."""

from __future__ import annotations

import math

import msgspec

from foretide.model.plan import Branch


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the forecast is one boot ahead.

    Parameters
    ----------
    width_fraction : float
        Width of the 90 % interval / its median, >= 0.
    width_max_fraction : float
        Below this the interval is low.
    """

    width_fraction: float
    width_max_fraction: float

    @property
    def is_low(self) -> bool:
        """Whether the forecast is sure enough to remove capacity on its word."""
        return self.width_fraction <= self.width_max_fraction


def proactive_scale(target_count: int, interval: Interval, current_count: int) -> Branch:
    """Return which way a fleet goes to meet what is predicted.

    Parameters
    ----------
    target_count : int
        Instances, serving and warm, that the forecast asks for one boot ahead.
    interval : Interval
        How sure the forecast is.
    current_count : int
        Instances there are, serving and warm, counting those on their way.

    Returns
    -------
    Branch
        `SCALE_UP` when the target is above; `SCALE_DOWN` when it is below and the interval is
        low; else `HOLD`: the total stays, and instances only move between serving and warm.
    """
    if target_count > current_count:
        return Branch.SCALE_UP
    if target_count < current_count and interval.is_low:
        return Branch.SCALE_DOWN
    return Branch.HOLD


SOFT_PAUSE_S = 300.0
_SOFT_FRACTION = 0.05


def soft_drop_count(excess_count: int, interval: Interval, current_count: int) -> int:
    """Return how many of the instances in excess may go every 5 minutes of a wide interval.

    Parameters
    ----------
    excess_count : int
        Instances above what the forecast asks for, >= 1.
    interval : Interval
        How sure the forecast is: the wider, the slower.
    current_count : int
        Instances there are.

    Returns
    -------
    int
        At least 1, at most 5 % of the fleet.
    """
    over = interval.width_fraction / interval.width_max_fraction - 1
    plans = 1 + math.ceil(2 * min(max(over, 0.0), 2.0))
    return max(1, min(excess_count // plans, int(_SOFT_FRACTION * current_count)))
