"""This file knows how forecasters are judged on past demand: issued again and again, then scored.

Every forecaster is asked at every origin with nothing later than it, and meets the same demand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from foretide.control.issuing import has_past, kept, plain_forecasts
from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S, Forecaster
from foretide.forecast.maturity import scores_of
from foretide.model.accuracy import KEPT_LEVELS, LATENESS_S, Kept, Score, Scored, Tally
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_PART_SERIES = 100
_Heading = tuple[str, str, str]  # series, forecaster, key
# Weekdays come in turn, without an origin meeting the very days of the one before.
_SPACING = timedelta(days=1)


class Judged(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One forecast of the past and how its days were scored.

    Parameters
    ----------
    kept : Kept
        As it would have been issued.
    scores : tuple of Score
        One for each day of its horizon with an observed bucket.
    """

    kept: Kept
    scores: tuple[Score, ...]


def origins(demands: Sequence[Demand], *, count: int, horizon_s: int) -> tuple[datetime, ...]:
    """Return the instants at which to forecast, a day apart, the last horizon ending with the data.

    Parameters
    ----------
    demands : sequence of Demand
        At least one.
    count : int
        How many, >= 1.
    horizon_s : int
        How far ahead each looks.

    Raises
    ------
    InvalidValueError
        When fewer than two days of demand lie before the first of them.
    """
    first = min(one.start for one in demands)
    last = max(one.end for one in demands) - timedelta(seconds=horizon_s)
    earliest = last - (count - 1) * _SPACING
    room = (last - first) // _SPACING - 2
    if earliest < first + timedelta(days=2):
        days = (last - first).total_seconds() / DAY_S + horizon_s / DAY_S
        most = f"at most {room + 1}" if room >= 0 else "none at this horizon"
        raise InvalidValueError(
            f"origins must leave two days before the first; {days:.3g} days of demand have room "
            f"for {most}, was {count}"
        )
    return tuple(earliest + at * _SPACING for at in range(count))


def judged(
    demands: Sequence[Demand],
    forecasters: Sequence[Forecaster],
    *,
    origins: Sequence[datetime],
    horizon_s: int,
    timezone: ZoneInfo,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Judged]:
    """Yield every forecast of every forecaster, scored.

    Series of which nothing was observed by an origin are left out at that origin.

    Parameters
    ----------
    demands : sequence of Demand
        What came to be.
    forecasters : sequence of Forecaster
        Who is judged.
    origins : sequence of datetime
        When each forecast is issued.
    horizon_s : int
        How far ahead.
    timezone : ZoneInfo
        Whose wall clock the users follow.
    progress : callable
        Told how many forecasts are done, of how many.
    """
    done, total = 0, len(demands) * len(origins) * len(forecasters)
    for begin in range(0, len(demands), _PART_SERIES):
        part = demands[begin : begin + _PART_SERIES]
        for origin in origins:
            known = [one for one in part if has_past(one, origin)]
            plain = plain_forecasts(known, issued_at=origin, horizon_s=horizon_s, timezone=timezone)
            for forecaster in forecasters:
                found = forecaster.forecast(
                    known, issued_at=origin, horizon_s=horizon_s, levels=KEPT_LEVELS,
                    timezone=timezone,
                )  # fmt: skip
                yield from (_judge(*of_one) for of_one in zip(known, found, plain, strict=True))
                done += len(part)
                progress(done, total)


def _judge(demand: Demand, forecast: Forecast, naive: Forecast) -> Judged:
    one = kept(demand, forecast, naive)
    until = demand.end + timedelta(seconds=LATENESS_S)
    return Judged(kept=one, scores=tuple(scores_of(one, demand, known_until=until)))


def summed(found: Iterable[Judged], key_of: Callable[[Kept, Score], str]) -> list[Scored]:
    """Return the sums of scored forecasts by series, forecaster and a key.

    Parameters
    ----------
    found : iterable of Judged
        Scored forecasts; none is held on to.
    key_of : callable
        What keeps them apart, besides series and forecaster.
    """
    tallies: dict[_Heading, Tally] = defaultdict(Tally)
    forecasts: dict[_Heading, set[datetime]] = defaultdict(set)
    days: dict[_Heading, set[date]] = defaultdict(set)
    lasts: dict[_Heading, datetime] = {}
    for one in found:
        forecast = one.kept.forecast
        for score in one.scores:
            heading = forecast.series_id, forecast.model, key_of(one.kept, score)
            begins = forecast.start + timedelta(days=score.day - 1)
            tallies[heading] = tallies[heading].plus(score.tally)
            forecasts[heading].add(forecast.issued_at)
            days[heading].add(begins.date())
            ends = begins + timedelta(days=1)
            lasts[heading] = max(lasts.get(heading, ends), ends)
    return [
        Scored(
            series_id=heading[0],
            model=heading[1],
            key=heading[2],
            forecast_count=len(forecasts[heading]),
            day_count=len(days[heading]),
            last=lasts[heading],
            tally=tally,
        )
        for heading, tally in tallies.items()
    ]
