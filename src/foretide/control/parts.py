"""This file knows how the work on many series is cut into parts: the same way everywhere.

A part is some series in the order given and all that is to be done with them. Because the cut
depends on nothing but that order, what one process makes of the series equals, bit for bit, what
several processes or a cluster of equal machines make of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec

from foretide.forecast.base import Forecaster, check_asked
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

# Enough to be worth a journey to another process, few enough to share evenly.
PART_SERIES = 100
_ItemT = TypeVar("_ItemT")
_PartT = TypeVar("_PartT")
_DoneT = TypeVar("_DoneT")


class PartMap(Protocol):
    """Applies a function to parts, wherever it runs, and yields what came out, in order."""

    def __call__(
        self, function: Callable[[_PartT], _DoneT], parts: Iterable[_PartT], /
    ) -> Iterator[_DoneT]:
        """Yield ``function(part)`` for every part; an error of the function is raised here."""
        ...


def here(function: Callable[[_PartT], _DoneT], parts: Iterable[_PartT], /) -> Iterator[_DoneT]:
    """Yield ``function(part)`` for every part, one after the other in this process."""
    return map(function, parts)


def cut(items: Sequence[_ItemT], size: int = PART_SERIES) -> Iterator[Sequence[_ItemT]]:
    """Yield `items` in order, `size` at a time.

    Parameters
    ----------
    items : sequence
    size : int
        > 0.
    """
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


@runtime_checkable
class Divisible(Protocol):
    """A forecaster that knows much, and can leave behind what a part of the series needs not."""

    def for_part(self, demands: Sequence[Demand]) -> Forecaster:
        """Return what forecasts these series just as it does."""
        ...


class _Asked(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # One part of a forecast.
    forecaster: Forecaster
    demands: Sequence[Demand]
    instants: Sequence[datetime]
    horizon_s: int
    levels: tuple[float, ...]
    timezone: ZoneInfo


def forecast_map(
    forecaster: Forecaster,
    demands: Sequence[Demand],
    *,
    instants: Sequence[datetime],
    horizon_s: int,
    levels: tuple[float, ...],
    timezone: ZoneInfo,
    mapped: PartMap = here,
) -> Iterator[list[Forecast]]:
    """Forecast every demand at every instant, part by part.

    Parameters
    ----------
    forecaster : Forecaster
        Picklable, unless the work is done in this process.
    demands : sequence of Demand
    instants : sequence of datetime
        When to issue; aware UTC.
    horizon_s, levels, timezone
        As for `Forecaster.forecast`.
    mapped : callable
        Who does the work: what `foretide.control.pools.part_map` lends; this process by default.

    Yields
    ------
    list of Forecast
        Those of the next series, at most a hundred: one per instant for the first, then for the
        second, and so on.

    Raises
    ------
    InvalidValueError
        When the horizon or a level is impossible.
    """
    check_asked(horizon_s, levels)
    asked = (
        _Asked(
            forecaster=(
                forecaster.for_part(part) if isinstance(forecaster, Divisible) else forecaster
            ),
            demands=part,
            instants=instants,
            horizon_s=horizon_s,
            levels=levels,
            timezone=timezone,
        )
        for part in cut(demands)
    )
    yield from mapped(_forecast_part, asked)


def _forecast_part(asked: _Asked) -> list[Forecast]:
    by_instant = [
        asked.forecaster.forecast(
            asked.demands,
            issued_at=instant,
            horizon_s=asked.horizon_s,
            levels=asked.levels,
            timezone=asked.timezone,
        )
        for instant in asked.instants
    ]
    return [one for of_series in zip(*by_instant, strict=True) for one in of_series]
