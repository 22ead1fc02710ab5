"""This file knows how many instances a demand takes, and what latency leaves of an instance.

The curve of a latency objective follows the multi-server queue in Sakasegawa's approximation:
with `k` instances of `w` workers, `util = d*s/(k*w)` and
`P(W > t) = util^(sqrt(2(kw+1)) - 1) * exp(-(kw/s - d) * t / ((Ca^2 + Cs^2)/2))`.

References
----------
Sakasegawa, "An approximation formula Lq = a * rho^b / (1 - rho)", Annals of the Institute of
Statistical Mathematics 29 (1977); Kingman's heavy-traffic scaling by coefficients of variation.
"""

from __future__ import annotations

import bisect
import math

import numpy as np
import numpy.typing as npt

from foretide.config.settings import P95_OVER_MEAN
from foretide.errors import InvalidValueError
from foretide.model.capacity import CapacityCurve
from foretide.model.demand import FloatArray

_MAX_WAIT_PROBABILITY = 0.05
MAX_UTILISATION = 0.95
_NO_SPREAD = 1e-9
_FINE_LAYERS = 256  # above as many, a layer is at most a 64th of the fleet


def linear_curve(instance_rps: float) -> CapacityCurve:
    """Return the curve on which every instance serves the same.

    Parameters
    ----------
    instance_rps : float
        Requests/s of one instance, > 0.

    Raises
    ------
    InvalidValueError
        When `instance_rps` is not above 0.
    """
    if not instance_rps > 0:
        raise InvalidValueError(f"instance_rps must be > 0, was {instance_rps}")
    return CapacityCurve(
        version=f"linear-{instance_rps:g}", served_rps=np.array([0.0, instance_rps])
    )


def latency_curve(
    *,
    latency_objective_s: float,
    service_time_s: float,
    workers: int,
    max_instances: int,
    arrival_variation: float = 1.0,
    service_variation: float = 1.0,
    max_utilisation: float = MAX_UTILISATION,
) -> CapacityCurve:
    """Return what each count of instances serves while 95 % of requests keep the objective.

    Parameters
    ----------
    latency_objective_s : float
        Time within which 95 % of requests are to be answered; must exceed the 95 % quantile of
        the busy time, which is 3 x its mean where it is exponential, as assumed here.
    service_time_s : float
        Mean busy time of one request, > 0.
    workers : int
        Requests one instance works on at once, >= 1.
    max_instances : int
        Length of the curve, >= 1.
    arrival_variation, service_variation : float
        Coefficients of variation of the time between requests and of the busy time, >= 0; 1 for
        independent users and an exponential busy time.
    max_utilisation : float
        Utilisation never exceeded, the owner's target, in (0, 0.95].

    Raises
    ------
    InvalidValueError
        When the objective leaves no time to wait, or a number is out of range.
    """
    if not 0 < max_utilisation <= MAX_UTILISATION:
        raise InvalidValueError(
            f"max_utilisation must lie in (0, {MAX_UTILISATION}], was {max_utilisation}"
        )
    if not (0 <= arrival_variation < math.inf and 0 <= service_variation < math.inf):
        raise InvalidValueError(
            f"arrival_variation and service_variation must be >= 0, were {arrival_variation} and "
            f"{service_variation}"
        )
    service_p95_s = P95_OVER_MEAN * service_time_s
    wait_s = latency_objective_s - service_p95_s
    if wait_s <= 0:
        raise InvalidValueError(
            f"latency_objective_s must exceed the 95 % service time, {service_p95_s:.3g} s at a "
            f"mean of {service_time_s:g} s, was {latency_objective_s:g}; raise it"
        )
    slots = workers * np.arange(1.0, max_instances + 1)
    low, high = np.zeros(len(slots)), max_utilisation * slots / service_time_s
    spread = (arrival_variation**2 + service_variation**2) / 2
    for _ in range(50):  # halves of the interval: as exact as a float can be
        middle = (low + high) / 2
        waits = _wait_probability(middle, slots, service_time_s, wait_s, spread)
        is_met = waits <= _MAX_WAIT_PROBABILITY
        low, high = np.where(is_met, middle, low), np.where(is_met, high, middle)
    served = np.maximum.accumulate(np.concatenate([[0.0], low]))
    version = f"latency-{latency_objective_s:g}-{service_time_s:.4g}-{workers}"
    if spread != 1:
        version += f"-v{spread:.3g}"
    if max_utilisation != MAX_UTILISATION:
        version += f"-u{max_utilisation:g}"
    return CapacityCurve(version=version, served_rps=served)


def _wait_probability(
    rps: FloatArray, slots: FloatArray, service_s: float, wait_s: float, spread: float
) -> FloatArray:
    waits = np.power(rps * service_s / slots, np.sqrt(2 * (slots + 1)) - 1)
    free_rps = slots / service_s - rps
    if spread < _NO_SPREAD:  # nothing varies: below full use nobody waits
        return np.where(free_rps > 0, 0.0, waits)
    return waits * np.exp(-free_rps * wait_s / spread)


def response_p95_s(
    rps: float,
    *,
    service_time_s: float,
    worker_count: int,
    arrival_variation: float = 1.0,
    service_variation: float = 1.0,
) -> float:
    """Return the time within which 95 % of requests are answered, by the same queue.

    Parameters
    ----------
    rps : float
        Demand on the fleet, >= 0.
    service_time_s : float
        Mean busy time of one request, > 0.
    worker_count : int
        Requests the whole fleet works on at once, >= 1.
    arrival_variation, service_variation : float
        As for `latency_curve`.

    Returns
    -------
    float
        Seconds; infinite when demand exceeds what the fleet can do.
    """
    free_rps = worker_count / service_time_s - rps
    if free_rps <= 0:
        return math.inf
    used = rps * service_time_s / worker_count
    waits = used ** (math.sqrt(2 * (worker_count + 1)) - 1) if used > 0 else 0.0
    service_p95_s = P95_OVER_MEAN * service_time_s
    if waits <= _MAX_WAIT_PROBABILITY:
        return service_p95_s
    spread = (arrival_variation**2 + service_variation**2) / 2
    return service_p95_s + math.log(waits / _MAX_WAIT_PROBABILITY) * spread / free_rps


def scaled_curve(curve: CapacityCurve, factor: float, why: str) -> CapacityCurve:
    """Return a curve on which every count serves a share of what it did.

    Parameters
    ----------
    curve : CapacityCurve
    factor : float
        That share, in (0, 1]; a curve is only ever raised by learning the busy time anew.
    why : str
        One word for the version, so that decisions name what acted.

    Raises
    ------
    InvalidValueError
        When `factor` does not lie in (0, 1].
    """
    if not 0 < factor <= 1:
        raise InvalidValueError(f"factor must lie in (0, 1], was {factor}")
    if factor == 1:
        return curve
    return CapacityCurve(
        version=f"{curve.version}~{why}{factor:.3g}", served_rps=curve.served_rps * factor
    )


def served_rps(curve: CapacityCurve, count: int) -> float:
    """Return the requests/s that `count` serving instances serve."""
    table = curve.steps_rps
    last = len(table) - 1
    if count <= last:
        return table[count]
    return table[last] + (count - last) * (table[last] - table[last - 1])


def instances_for(curve: CapacityCurve, rps: float) -> int:
    """Return the smallest count of instances that serves `rps`.

    Parameters
    ----------
    curve : CapacityCurve
    rps : float
        Demand, >= 0.

    Returns
    -------
    int
        0 for no demand.
    """
    table = curve.steps_rps
    top_rps = table[-1]
    if rps <= top_rps:
        return bisect.bisect_left(table, rps)
    slope_rps = top_rps - table[-2]
    beyond = math.ceil((rps - top_rps) / slope_rps)
    # the division may land a hair beside a whole instance
    if top_rps + beyond * slope_rps < rps:
        beyond += 1
    elif top_rps + (beyond - 1) * slope_rps >= rps:
        beyond -= 1
    return len(table) - 1 + beyond


def layer_counts(
    curve: CapacityCurve, top_rps: float, min_count: int, max_count: int
) -> npt.NDArray[np.int64]:
    """Return the counts of instances between which layers lie, up to what serves `top_rps`.

    Up to 256 instances each makes a layer; from there on layers are twice as thick with each
    doubling, so that ten thousand instances take a thousand layers. Where the cuts lie does not
    depend on demand, and layers are cut from the curve itself, not from its concave majorant,
    which promises more than a small fleet serves, and more the further it reaches: higher demand
    later must never mean fewer instances now.

    Parameters
    ----------
    curve : CapacityCurve
    top_rps : float
        Highest demand the layers must reach, >= 0.
    min_count, max_count : int
        Bounds of the fleet.

    Returns
    -------
    ndarray of int, shape (layers + 1,)
        0, 1, 2 ... instances, rising. A layer is the step between two entries.
    """
    top = min(max(instances_for(curve, top_rps), min_count) + 1, max_count)
    counts = np.arange(min(_FINE_LAYERS, max_count) + 1)
    width = 2
    while counts[-1] < top:
        begin = int(counts[-1])
        thicker = np.arange(begin + width, 2 * begin + 1, width)
        counts = np.concatenate([counts, np.unique(np.minimum(thicker, max_count))])
        width *= 2
    return counts[: int(np.searchsorted(counts, top)) + 1]
