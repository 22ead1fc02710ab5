"""This file knows what a forecast asks of a service: bands of instances for now and for one boot.

The bands do not depend on the fleet, so that a whole day of them is computed at once; what is then
done with the fleet there is, is the planner's.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.capacity import layer_counts, served_rps
from foretide.plan.knob import Knob
from foretide.plan.layers import IntArray, SingleArray, band, filled_fraction, quantile_weights
from foretide.plan.policy import ServicePolicy

# billed minutes that a promote costs: it is nearly free, but flapping wears
_PROMOTE_COST_MINUTES = 0.5
# No ceiling: a series that is always unsure would otherwise never shrink from its highest fleet.
_WIDTH_FACTOR, _WIDTH_FLOOR = 1.25, 0.20


class GuardBand(msgspec.Struct, frozen=True, kw_only=True):
    """The bands for hours after more was lost than the objective allows; as in `Need`."""

    serving_up: int
    serving_low: int
    total_up: int
    total_low: int


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What the forecast asks for at one instant.

    Parameters
    ----------
    forecast_id : str
        The forecast it rests on.
    predicted_rps, upper_rps : float
        Median and 95 % quantile of demand at lead = boot.
    width_fraction : float
        (Q.95 - Q.05) / max(Q.50, what one instance serves) at lead = boot.
    width_max_fraction : float
        Below this the interval is low enough to remove capacity.
    serving_up, serving_low : int
        Serving instances: grow to `up`, shrink to no less than `low`.
    total_up, total_low : int
        The same for serving and warm together.
    guard : GuardBand, optional
        What takes their place while the spend guard acts.
    """

    forecast_id: str
    predicted_rps: float
    upper_rps: float
    width_fraction: float
    width_max_fraction: float
    serving_up: int
    serving_low: int
    total_up: int
    total_low: int
    guard: GuardBand | None = None

    def __post_init__(self) -> None:
        if self.serving_up > self.serving_low or self.total_up > self.total_low:
            raise InvalidValueError("a band must not end below where it begins")


class NeedBlock(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the forecast asks for at many instants.

    Parameters
    ----------
    low_rps, predicted_rps, upper_rps, width_fraction : ndarray, shape (instants,)
        5 %, 50 % and 95 % quantiles at lead = boot, and the relative width between them.
    serving_up, serving_low, total_up, total_low : ndarray of int, shape (instants,)
        The bands.
    guard : ndarray of int, shape (4, instants), optional
        The same four while the spend guard acts.
    """

    low_rps: FloatArray
    predicted_rps: FloatArray
    upper_rps: FloatArray
    width_fraction: FloatArray
    serving_up: IntArray
    serving_low: IntArray
    total_up: IntArray
    total_low: IntArray
    guard: IntArray | None = None

    def at(self, row: int, *, forecast_id: str, width_max_fraction: float) -> Need:
        """Return the need of one instant."""
        return Need(
            forecast_id=forecast_id,
            predicted_rps=float(self.predicted_rps[row]),
            upper_rps=float(self.upper_rps[row]),
            width_fraction=float(self.width_fraction[row]),
            width_max_fraction=width_max_fraction,
            serving_up=int(self.serving_up[row]),
            serving_low=int(self.serving_low[row]),
            total_up=int(self.total_up[row]),
            total_low=int(self.total_low[row]),
            guard=self._guard_at(row),
        )

    def _guard_at(self, row: int) -> GuardBand | None:
        if self.guard is None:
            return None
        serving_up, serving_low, total_up, total_low = self.guard[:, row].tolist()
        return GuardBand(
            serving_up=serving_up, serving_low=serving_low, total_up=total_up, total_low=total_low
        )


def low_width_bound(widths: FloatArray) -> float:
    """Return the width below which an interval counts as low.

    Parameters
    ----------
    widths : ndarray, shape (instants,)
        Relative widths of the trailing 7 days; may be empty.

    Returns
    -------
    float
        1.25 x their median, at least 0.2; the strictest, 0.2, without any history.
    """
    if not len(widths):
        return _WIDTH_FLOOR
    return max(_WIDTH_FACTOR * float(np.median(widths)), _WIDTH_FLOOR)


def needs(
    quantiles_rps: FloatArray, levels: tuple[float, ...], *, policy: ServicePolicy, peak_rps: float
) -> NeedBlock:
    """Return what quantiles of the coming minutes ask of a service.

    Parameters
    ----------
    quantiles_rps : ndarray, shape (instants, minutes, levels)
        Demand in each coming minute; minute 0 is the one that begins now. At least
        `policy.horizon_minutes` of them.
    levels : tuple of float
        Quantile levels; must hold .05, .5 and .95.
    policy : ServicePolicy
        The service.
    peak_rps : float
        Trailing 99.9 % quantile of demand: what head-room and warm floor are fractions of.

    Returns
    -------
    NeedBlock
        One entry per instant, each as if it had been computed alone.
    """
    quantiles = quantiles_rps[:, : policy.horizon_minutes]
    top_rps = float(quantiles[:, :, -1].max())
    counts = layer_counts(policy.curve, top_rps, policy.min_count, policy.max_count)
    table = np.array([served_rps(policy.curve, int(count)) for count in counts])
    filled = filled_fraction(quantiles, quantile_weights(levels), table)
    usual = _bands(filled, counts, policy=policy, knob=policy.knob, peak_rps=peak_rps)
    guard = None
    if policy.guard_knob is not None:
        guard = _bands(filled, counts, policy=policy, knob=policy.guard_knob, peak_rps=peak_rps)
    at_boot = quantiles[:, policy.boot_minutes]
    low, median, high = (at_boot[:, levels.index(level)] for level in (0.05, 0.5, 0.95))
    return NeedBlock(
        low_rps=low,
        predicted_rps=median,
        upper_rps=high,
        width_fraction=(high - low) / np.maximum(median, served_rps(policy.curve, 1)),
        serving_up=usual[0],
        serving_low=usual[1],
        total_up=usual[2],
        total_low=usual[3],
        guard=guard,
    )


def _bands(
    filled: SingleArray, counts: IntArray, *, policy: ServicePolicy, knob: Knob, peak_rps: float
) -> IntArray:
    """Return serving up and low, and total up and low, as four rows."""
    boot, least = policy.boot_minutes, policy.min_count

    def grown(rho: float, lead_minutes: int, launch_cost_minutes: float) -> IntArray:
        up, low = band(
            filled, rho=rho, lead_minutes=lead_minutes, launch_cost_minutes=launch_cost_minutes,
            min_count=least,
        )  # fmt: skip
        return counts[np.stack([up, low])]

    peak_count = peak_rps / served_rps(policy.curve, 1)
    head = math.ceil(knob.run_head_fraction * peak_count)
    if not policy.has_warm_pool:
        serving = grown(knob.run_rho, boot, boot) + head
        return np.minimum(np.concatenate([serving, serving]), policy.max_count)
    serving = grown(knob.run_rho, 0, _PROMOTE_COST_MINUTES) + head
    floor = serving[0] + math.ceil(knob.warm_floor_fraction * peak_count)
    total = np.stack([floor, floor])
    if knob.warm_rho:
        total = np.maximum(grown(knob.warm_rho, boot, boot), floor)
    return np.minimum(np.concatenate([serving, total]), policy.max_count)
