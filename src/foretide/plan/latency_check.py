"""This file knows whether instances serve what the curve promises, by the latency measured.

Predicted over measured 95 % response time, averaged over an hour, multiplies the curve while it is
below 1. A quiet fleet proves nothing; a single slow minute proves little; trust returns slowly.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.capacity import CapacityCurve
from foretide.plan.capacity import scaled_curve

_LEAST = 0.7
_BUSY_UTILISATION = 0.5
_MEMORY_S = 3600.0
_WATCHED, _BAD = 5, 3
# below this a minute is bad: half of all minutes are a little slower than predicted
_BAD_RATIO = 0.95
_RECOVERY_PER_S = 0.10 / 3600
# A version nobody has measured is believed to serve this share of the one before.
_NEWCOMER_FRACTION = 0.85
_NEWCOMER_S = 1800.0


class LatencyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the latency measured lately compares with the one predicted.

    Parameters
    ----------
    factor : float
        Share of the curve that is believed, in [0.7, 1].
    ratio : float
        Predicted over measured 95 % response time, averaged over an hour.
    were_bad : tuple of bool
        Of the last five busy minutes.
    at : datetime, optional
        When the last of them was seen.
    """

    factor: float = 1.0
    ratio: float = 1.0
    were_bad: tuple[bool, ...] = ()
    at: datetime | None = None


def checked(
    check: LatencyCheck,
    *,
    now: datetime,
    utilisation: float,
    predicted_p95_s: float,
    measured_p95_s: float,
) -> LatencyCheck:
    """Return the check after one more minute.

    Parameters
    ----------
    check : LatencyCheck
    now : datetime
        End of the minute, aware UTC.
    utilisation : float
        Demand over what the fleet serves by the curve; at 0.5 or less the minute does not count.
    predicted_p95_s, measured_p95_s : float
        95 % response time by the queue and as measured, > 0; a minute without a measurement (NaN)
        does not count.

    Returns
    -------
    LatencyCheck
        Its factor falls only when three of the last five busy minutes were bad, and rises by no
        more than a tenth an hour.
    """
    if not (utilisation > _BUSY_UTILISATION and measured_p95_s > 0 and predicted_p95_s > 0):
        return check
    passed_s = 60.0 if check.at is None else max(0.0, (now - check.at).total_seconds())
    seen = min(predicted_p95_s / measured_p95_s, 1.0 / _LEAST)
    ratio = check.ratio + (1 - math.exp(-passed_s / _MEMORY_S)) * (seen - check.ratio)
    were_bad = (*check.were_bad, seen < _BAD_RATIO)[-_WATCHED:]
    believed = min(max(ratio, _LEAST), 1.0)
    if believed < check.factor:
        factor = believed if sum(were_bad) >= _BAD else check.factor
    else:
        factor = min(believed, check.factor + _RECOVERY_PER_S * passed_s)
    return LatencyCheck(factor=factor, ratio=ratio, were_bad=were_bad, at=now)


def believed_curve(
    curve: CapacityCurve, check: LatencyCheck, *, measured_s: float
) -> CapacityCurve:
    """Return what of a curve is believed; its version names what acted.

    Parameters
    ----------
    curve : CapacityCurve
        Of the busy time as last learned.
    check : LatencyCheck
        What latency says.
    measured_s : float
        For how long the version that serves has been measured, >= 0: one known for less than half
        an hour is believed to serve 85 % of what the one before did.

    Raises
    ------
    InvalidValueError
        When `measured_s` is below 0.
    """
    if not measured_s >= 0:
        raise InvalidValueError(f"measured_s must be >= 0, was {measured_s}")
    if measured_s < _NEWCOMER_S:
        curve = scaled_curve(curve, _NEWCOMER_FRACTION, "new")
    return scaled_curve(curve, check.factor, "slow")
