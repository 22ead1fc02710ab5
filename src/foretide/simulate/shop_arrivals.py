"""This file knows when the customers of the synthetic shop arrive: minute by minute, by country."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

DAY_MINUTES = 1440
_PUSH_HOURS = {1: 10, 4: 16}  # weekday (Monday = 0) -> UTC hour of the newsletter
_NOISE_MEMORY_MINUTES = 30.0
_NOISE_SIGMA = 0.04  # of the slow drift around the smooth shape, in log
_CLUSTER_SIGMA = 0.06  # of the minute's own surplus: shared links, families, coach parties


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """Customers of one time zone.

    Parameters
    ----------
    code : str
        ISO 3166 alpha-2.
    zone : str
        IANA time zone in which they wake, work and shop.
    share_fraction : float
        Their part of all customers, in (0, 1].
    """

    code: str
    zone: str
    share_fraction: float


COUNTRIES = (
    Country(code="DE", zone="Europe/Berlin", share_fraction=0.30),
    Country(code="FR", zone="Europe/Paris", share_fraction=0.16),
    Country(code="GB", zone="Europe/London", share_fraction=0.16),
    Country(code="US", zone="America/New_York", share_fraction=0.20),
    Country(code="BR", zone="America/Sao_Paulo", share_fraction=0.08),
    Country(code="IN", zone="Asia/Kolkata", share_fraction=0.06),
    Country(code="JP", zone="Asia/Tokyo", share_fraction=0.04),
)


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """When sessions begin, who begins them, and the truth about the surges among them.

    Parameters
    ----------
    start_s : ndarray, shape (sessions,)
        Seconds from the shop's start; negative for sessions already open when it starts.
    country : ndarray of int8, shape (sessions,)
        Index into `COUNTRIES`.
    local_hour : ndarray, shape (sessions,)
        Hour of day where the customer is, in [0, 24).
    push_times : tuple of datetime
        When newsletters went out: every week at the same hours, so that they can be learned.
    burst_at : datetime
        When the one surge began that nobody announced.
    """

    start_s: FloatArray
    country: npt.NDArray[np.int8]
    local_hour: FloatArray
    push_times: tuple[datetime, ...]
    burst_at: datetime


def arrivals(
    rng: np.random.Generator,
    *,
    start: datetime,
    days: int,
    lead_in_minutes: int,
    peak_sessions_per_minute: float,
    growth_per_week_fraction: float,
) -> Arrivals:
    """Draw session starts from an inhomogeneous, overdispersed Poisson process.

    Parameters
    ----------
    rng : numpy Generator
        Where the randomness comes from.
    start : datetime
        Start of the shop, aware UTC.
    days, lead_in_minutes : int
        Days to play, and minutes before `start` whose sessions are still open at `start`.
    peak_sessions_per_minute : float
        Sessions per minute in the busiest minute of the smooth first week, > 0.
    growth_per_week_fraction : float
        Growth of the whole from week to week, > -1.

    Returns
    -------
    Arrivals
        In no particular order.
    """
    first = start - timedelta(minutes=lead_in_minutes)
    count = days * DAY_MINUTES + lead_in_minutes
    hours, weekend = _local_clocks(first, count)
    shape = _daily_shape(hours, weekend) * np.array([[c.share_fraction] for c in COUNTRIES])
    shape *= peak_sessions_per_minute / shape.sum(axis=0)[: 7 * DAY_MINUTES].max()
    minutes = np.arange(count) - lead_in_minutes
    pushes = _push_times(start, days)
    burst_at = _burst_time(rng, start, days)
    level = (1.0 + growth_per_week_fraction) ** (minutes / (7 * DAY_MINUTES))
    level = level * _noise(rng, count)
    for push in pushes:
        level = level * (1.0 + 0.7 * _surge(minutes, start, push, rise_min=4, decay_min=35))
    level = level * (1.0 + 1.0 * _surge(minutes, start, burst_at, rise_min=3, decay_min=25))
    expected: FloatArray = (shape * level).ravel()
    cell = np.repeat(np.arange(expected.size), rng.poisson(expected).astype(np.int64))
    country, minute = np.divmod(cell, count)
    return Arrivals(
        start_s=(minute - lead_in_minutes + rng.random(len(minute))) * 60.0,
        country=country.astype(np.int8),
        local_hour=hours[country, minute],
        push_times=pushes,
        burst_at=burst_at,
    )


def _local_clocks(first: datetime, count: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    # UTC offsets change on whole quarters of an hour: one look-up for every 15 minutes is exact.
    utc = np.arange(count) + (first - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 60
    hours = np.empty((len(COUNTRIES), count))
    weekend = np.empty((len(COUNTRIES), count), dtype=bool)
    marks = [first + timedelta(minutes=m) for m in range(0, count, 15)]
    for row, country in enumerate(COUNTRIES):
        zone = ZoneInfo(country.zone)
        offsets = [mark.astimezone(zone).utcoffset() or timedelta() for mark in marks]
        offset_min = np.repeat([o.total_seconds() / 60 for o in offsets], 15)[:count]
        local = utc + offset_min
        hours[row] = local % DAY_MINUTES / 60
        weekend[row] = (local // DAY_MINUTES + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    return hours, weekend


def _bump(hours: FloatArray, centre: float, width: float) -> FloatArray:
    distance = (hours - centre + 12) % 24 - 12
    return np.exp(-0.5 * (distance / width) ** 2)


def _daily_shape(hours: FloatArray, weekend: npt.NDArray[np.bool_]) -> FloatArray:
    weekday = 0.05 + 0.55 * _bump(hours, 12.5, 2.4) + _bump(hours, 20.3, 2.3)
    free = 0.06 + 0.95 * _bump(hours, 14.5, 3.4) + 0.80 * _bump(hours, 20.5, 2.2)
    return np.where(weekend, free, weekday)


def _push_times(start: datetime, days: int) -> tuple[datetime, ...]:
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    dates = [midnight + timedelta(days=d) for d in range(days + 1)]
    pushes = [d.replace(hour=_PUSH_HOURS[d.weekday()]) for d in dates if d.weekday() in _PUSH_HOURS]
    return tuple(p for p in pushes if start <= p < start + timedelta(days=days))


def _burst_time(rng: np.random.Generator, start: datetime, days: int) -> datetime:
    # Late enough that a policy has learned the shop, in office hours so that it is a nuisance.
    day = start + timedelta(days=int(0.8 * days))
    return day + timedelta(minutes=int(rng.integers(9 * 60, 20 * 60)))


def _surge(
    minutes: npt.NDArray[np.int64],
    start: datetime,
    at: datetime,
    *,
    rise_min: float,
    decay_min: float,
) -> FloatArray:
    since = minutes - (at - start).total_seconds() / 60
    fall = np.exp(-np.maximum(since - rise_min, 0.0) / decay_min)
    return np.where(since < 0, 0.0, np.minimum(since / rise_min, 1.0) * fall)


def _noise(rng: np.random.Generator, count: int) -> FloatArray:
    # A slow drift (what everybody does at once) times each minute's own surplus (clustering).
    kernel = np.exp(-np.arange(6 * _NOISE_MEMORY_MINUTES) / _NOISE_MEMORY_MINUTES)
    kernel /= np.sqrt((kernel**2).sum())
    white = rng.standard_normal(count + len(kernel) - 1)
    drift = np.exp(_NOISE_SIGMA * np.convolve(white, kernel, mode="valid"))
    return drift * rng.gamma(_CLUSTER_SIGMA**-2, _CLUSTER_SIGMA**2, count)
