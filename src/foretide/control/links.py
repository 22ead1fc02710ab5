"""This file knows how busy each node's link will be while an instance comes to it.

The use of a link is a series like any other, so the engine that forecasts demand forecasts it: what
counts is the highest 90 % quantile of the launch window. With less than three days of history it is
the highest minute of the last hour, and with none of that hour what the platform says of now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.fleet import Fleet as Engine
from foretide.model.demand import Demand
from foretide.model.instant import bucket_floor
from foretide.model.placement import Rooms

_LEVEL = 0.9
_HISTORY = timedelta(days=3)
_LATELY = timedelta(hours=1)
_LEARNT = timedelta(days=15)  # more history makes it slower and hardly better at a few minutes
_BUCKET_S = 300  # the engine's finest
_WINDOW_MAX_S = 3600.0
# The engine counts in events: a share of 1 is as many as make no odds between whole numbers.
_PER_SHARE = 1e4


class Ground(Protocol):
    """A platform that knows its nodes."""

    def rooms(self, service: str, version: str) -> Rooms:
        """Return where one more instance of a version could go, by what is so now.

        Raises
        ------
        PlatformUnavailableError
            When the platform does not answer.
        InputError
            When it has no such version.
        """
        ...

    def link_use(self) -> tuple[Demand, ...]:
        """Return which share of each node's link was in use, by the bucket, in [0, 1].

        One series for each node, named after it; NaN where nothing was measured.
        """
        ...


class Links:
    """Says where an instance could go by what is expected, not by what is so now.

    Parameters
    ----------
    ground : Ground
        The platform.
    timezone : ZoneInfo
        Whose wall clock the days of the users follow.
    """

    def __init__(self, ground: Ground, *, timezone: ZoneInfo | None = None) -> None:
        self._ground = ground
        self._timezone = timezone or ZoneInfo("UTC")
        self._expected: tuple[datetime, float, Mapping[str, float]] | None = None

    def rooms(self, now: datetime, service: str, version: str) -> Rooms:
        """Return where one more instance could go, its links as busy as they are expected to be.

        Parameters
        ----------
        now : datetime
            The instant of the tick, aware UTC; buckets that end later are not used.
        service, version : str
            What is to be launched.

        Raises
        ------
        PlatformUnavailableError, InputError
            As `Ground.rooms`.
        """
        rooms = self._ground.rooms(service, version)
        window_s = min(max(rooms.size.boot_s, float(_BUCKET_S)), _WINDOW_MAX_S)
        expected = self._for(now, window_s)
        nodes = tuple(
            msgspec.structs.replace(room, used_fraction=expected[room.node_id])
            if room.node_id in expected
            else room
            for room in rooms.nodes
        )
        return Rooms(size=rooms.size, nodes=nodes)

    def _for(self, now: datetime, window_s: float) -> Mapping[str, float]:
        at = bucket_floor(now, _BUCKET_S)
        if self._expected is None or self._expected[:2] != (at, window_s):
            found = expected_use(
                self._ground.link_use(), now, window_s=window_s, timezone=self._timezone
            )
            self._expected = (at, window_s, found)
        return self._expected[2]


def expected_use(
    uses: tuple[Demand, ...], now: datetime, *, window_s: float, timezone: ZoneInfo
) -> dict[str, float]:
    """Return the share of each link that is expected to be in use, in [0, 1].

    Parameters
    ----------
    uses : tuple of Demand
        Shares in use, by node; see `Ground.link_use`.
    now : datetime
        Only buckets that ended by then are used.
    window_s : float
        How far ahead, > 0.
    timezone : ZoneInfo
        Whose wall clock the days of the users follow.

    Returns
    -------
    dict of str to float
        Nodes of which neither three days nor anything of the last hour is known are left out.
    """
    known = [use.until(now) for use in uses]
    found = {use.series_id: lately for use in known if (lately := _lately(use, now)) is not None}
    long = [use for use in known if now - use.start >= _HISTORY and use.series_id in found]
    if not long:
        return found
    forecasts = Engine().forecast(
        [_as_events(use) for use in long],
        issued_at=now,
        horizon_s=math.ceil(window_s) + _BUCKET_S,
        levels=(_LEVEL,),
        timezone=timezone,
    )
    highest = {one.series_id: float(one.values.max()) / _PER_SHARE for one in forecasts}
    return found | {name: round(min(1.0, used), 3) for name, used in highest.items()}


def _lately(use: Demand, now: datetime) -> float | None:
    buckets = int(_LATELY.total_seconds() // use.step_s)
    last = use.values[-buckets:] if now - use.end < _LATELY else use.values[:0]
    seen = last[np.isfinite(last)]
    return round(float(min(1.0, seen.max())), 3) if len(seen) else None


def _as_events(use: Demand) -> Demand:
    values = use.values[-int(_LEARNT.total_seconds() // use.step_s) :]
    return Demand(
        series_id=use.series_id,
        start=use.start + timedelta(seconds=use.step_s * (len(use.values) - len(values))),
        step_s=use.step_s,
        values=values * _PER_SHARE,
    )
