"""This file knows what a forecast asks of a service: bands of instances for now and for one boot.

The bands do not depend on the fleet, so that a whole day of them is computed at once; what is then
done with the fleet there is, is the planner's.
"""

from __future__ import annotations

import functools
import math

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.capacity import instances_for, layer_counts, served_rps
from foretide.plan.compiled import compiled
from foretide.plan.knob import Knob
from foretide.plan.layers import IntArray, bands, quantile_weights
from foretide.plan.policy import ServicePolicy

# billed minutes that a promote costs: it is nearly free, but at half a minute a fleet of fifty
# changed place four hundred times a day; at eight half as often, for 0.3 % more
_PROMOTE_COST_MINUTES = 8.0
# No ceiling: a series that is always unsure would otherwise never shrink from its highest fleet.
_WIDTH_FACTOR, _WIDTH_FLOOR = 1.25, 0.20
# of demand at lead = boot, beside the median and the ends of the 90 % interval
TAIL_LEVELS = (0.75, 0.9, 0.98, 0.995, 0.999)


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
    notch : int, optional
        Where the knob in use lies on its ladder; None where a penalty sets it.
    low_rps : float
        5 % quantile at lead = boot.
    tail_rps : tuple of float, optional
        Quantiles at TAIL_LEVELS at lead = boot; what plans are weighed by.
    rho : float
        What an hour of one unmet layer costs / its price, by the knob in use; 0 = not told.
    age_s : float
        Seconds since the forecast was issued.
    is_sound : bool
        Whether no quantile is missing, below 0 or crosses another.
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
    notch: int | None = None
    low_rps: float = 0.0
    tail_rps: tuple[float, ...] = ()
    rho: float = 0.0
    age_s: float = 0.0
    is_sound: bool = True

    def __post_init__(self) -> None:
        if self.serving_up > self.serving_low or self.total_up > self.total_low:
            raise InvalidValueError("a band must not end below where it begins")


class NeedBlock(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the forecast asks for at many instants, by each of several knobs.

    Parameters
    ----------
    low_rps, predicted_rps, upper_rps, width_fraction : ndarray, shape (instants,)
        5 %, 50 % and 95 % quantiles at lead = boot, and the relative width between them.
    bands : ndarray of int, shape (instants, knobs, 4)
        Serving up and low, total up and low.
    tail_rps : ndarray, shape (instants, len(TAIL_LEVELS)), optional
        Further quantiles at lead = boot.
    is_sound : ndarray of bool, shape (instants,), optional
        Whether no quantile at any lead is missing, below 0 or crosses another.
    """

    low_rps: FloatArray
    predicted_rps: FloatArray
    upper_rps: FloatArray
    width_fraction: FloatArray
    bands: IntArray
    tail_rps: FloatArray | None = None
    is_sound: npt.NDArray[np.bool_] | None = None

    def at(
        self,
        row: int,
        *,
        forecast_id: str,
        width_max_fraction: float,
        knob: int = 0,
        guard_knob: int | None = None,
        notch: int | None = None,
        rho: float = 0.0,
    ) -> Need:
        """Return the need of one instant.

        Parameters
        ----------
        row : int
            The instant.
        forecast_id : str
            The forecast's name.
        width_max_fraction : float
            Below this its interval is low.
        knob : int
            Which of the knobs counts.
        guard_knob : int, optional
            Which of them counts while the spend guard acts.
        notch : int, optional
            Where the knob lies on its ladder, to be written down.
        rho : float
            Price of an unmet layer by the knob in use.
        """
        serving_up, serving_low, total_up, total_low = self.bands[row, knob].tolist()
        return Need(
            forecast_id=forecast_id,
            predicted_rps=float(self.predicted_rps[row]),
            upper_rps=float(self.upper_rps[row]),
            width_fraction=float(self.width_fraction[row]),
            width_max_fraction=width_max_fraction,
            serving_up=serving_up,
            serving_low=serving_low,
            total_up=total_up,
            total_low=total_low,
            guard=None if guard_knob is None else self._guard_at(row, guard_knob),
            notch=notch,
            rho=rho,
            low_rps=float(self.low_rps[row]),
            tail_rps=() if self.tail_rps is None else tuple(self.tail_rps[row].tolist()),
            is_sound=self.is_sound is None or bool(self.is_sound[row]),
        )

    def _guard_at(self, row: int, knob: int) -> GuardBand:
        serving_up, serving_low, total_up, total_low = self.bands[row, knob].tolist()
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


class Layers(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A service's capacity cut into layers, once for many needs.

    Parameters
    ----------
    counts : ndarray of int, shape (layers + 1,)
        Instances between which layers lie, rising from 0.
    table_rps : ndarray, shape (layers + 1,)
        Requests/s that each count serves.
    """

    counts: IntArray
    table_rps: FloatArray

    def reaches(self, top_rps: float, policy: ServicePolicy) -> bool:
        """Return whether demand up to `top_rps` lies within the layers."""
        return top_rps < self.table_rps[-1] or int(self.counts[-1]) >= policy.max_count


def layers_for(policy: ServicePolicy, top_rps: float) -> Layers:
    """Return a service's layers up to a demand.

    Parameters
    ----------
    policy : ServicePolicy
        Its curve and the bounds of its fleet.
    top_rps : float
        Highest demand the layers must reach, >= 0; those that reach further serve as well, as the
        cuts do not depend on it.
    """
    counts = layer_counts(policy.curve, top_rps, policy.min_count, policy.max_count)
    served = [served_rps(policy.curve, count) for count in counts.tolist()]
    return Layers(counts=counts, table_rps=np.array(served))


def needs(
    quantiles_rps: FloatArray,
    levels: tuple[float, ...],
    *,
    policy: ServicePolicy,
    peak_rps: float,
    knobs: tuple[Knob, ...],
    layers: Layers | None = None,
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
    knobs : tuple of Knob
        The settings for which bands are wanted.
    layers : Layers, optional
        Of the same policy, where they are at hand.

    Returns
    -------
    NeedBlock
        One entry per instant, each as if it had been computed alone.
    """
    quantiles = np.ascontiguousarray(quantiles_rps[:, : policy.horizon_minutes])
    is_sound = np.empty(len(quantiles), dtype=np.bool_)
    top_rps, is_broken = _judged(quantiles, is_sound)
    if is_broken:  # asks for nothing: the planner does not follow it, and says so
        quantiles = np.where(is_sound[:, None, None], quantiles, 0.0)
    if layers is None or not layers.reaches(top_rps, policy):
        layers = layers_for(policy, top_rps)
    prices, run, warm = prices_of(knobs, policy)
    found = layers.counts[
        bands(quantiles, quantile_weights(levels), layers.table_rps, prices, policy.min_count)
    ]
    head, floor = _standing_counts(knobs, instances_for(policy.curve, peak_rps))
    asked = np.empty((len(quantiles), len(knobs), 4), np.int64)
    serving, total = asked[:, :, :2], asked[:, :, 2:]
    np.add(found.take(run, axis=1), head, out=serving)
    if policy.has_warm_pool:
        np.maximum(found.take(warm, axis=1), serving[:, :, :1] + floor, out=total)
    else:
        total[:] = serving
    told = quantiles[:, policy.boot_minutes].take(_places(levels), axis=1)
    low, median, high = told[:, 0], told[:, 1], told[:, 2]
    return NeedBlock(
        low_rps=low,
        predicted_rps=median,
        upper_rps=high,
        width_fraction=(high - low) / np.maximum(median, served_rps(policy.curve, 1)),
        bands=np.minimum(asked, policy.max_count, out=asked),
        tail_rps=told[:, 3:],
        is_sound=is_sound,
    )


@functools.lru_cache(maxsize=64)
def _places(levels: tuple[float, ...]) -> IntArray:
    """Return where the quantiles lie that a need tells, the nearest where a tail has none."""
    tail = np.minimum(np.searchsorted(levels, TAIL_LEVELS), len(levels) - 1)
    return np.array([*(levels.index(level) for level in (0.05, 0.5, 0.95)), *tail.tolist()])


@compiled
def _judged(quantiles: FloatArray, is_sound: npt.NDArray[np.bool_]) -> tuple[float, bool]:
    """Tell where no quantile is missing, below 0 or crosses; return the highest, and if any is."""
    top, is_broken = 0.0, False
    for instant in range(len(quantiles)):
        sound, highest = True, 0.0
        for minute in range(quantiles.shape[1]):
            before = 0.0
            for level in range(quantiles.shape[2]):
                # not a number compares as false
                sound &= quantiles[instant, minute, level] >= before
                before = quantiles[instant, minute, level]
            sound &= before < math.inf
            highest = max(highest, before)
        is_sound[instant] = sound
        if sound:
            top = max(top, highest)
        else:
            is_broken = True
    return top, is_broken


@functools.lru_cache(maxsize=4096)
def _standing_counts(knobs: tuple[Knob, ...], peak_count: int) -> tuple[IntArray, IntArray]:
    """Return each knob's head-room and warm floor, shape (knobs, 1)."""
    head = counts_of([knob.run_head_fraction for knob in knobs], peak_count)
    floor = counts_of([knob.warm_floor_fraction for knob in knobs], peak_count)
    return head[:, None], floor[:, None]


def counts_of(fractions: list[float], peak_count: int) -> IntArray:
    """Return shares of the instances that a peak takes, rounded up to whole ones."""
    return np.ceil(np.array(fractions) * peak_count - 1e-9).astype(np.int64)


def prices_of(
    knobs: tuple[Knob, ...], policy: ServicePolicy
) -> tuple[FloatArray, IntArray, IntArray]:
    """Return each price there is once, and which of them each knob's two bands go by."""
    return _prices(knobs, policy.boot_minutes, policy.has_warm_pool)


@functools.lru_cache(maxsize=1024)
def _prices(
    knobs: tuple[Knob, ...], boot_minutes: int, has_warm_pool: bool
) -> tuple[FloatArray, IntArray, IntArray]:
    boot = float(boot_minutes)
    lead, cost = (0.0, _PROMOTE_COST_MINUTES) if has_warm_pool else (boot, boot)
    rows: dict[tuple[float, float, float], int] = {}
    run = [rows.setdefault((knob.run_rho, lead, cost), len(rows)) for knob in knobs]
    warm = [rows.setdefault((knob.warm_rho, boot, boot), len(rows)) for knob in knobs]
    return np.array(list(rows)), np.array(run), np.array(warm)
