"""This file knows how `foretide train FILE` rehearses weeks of training, and keeps nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from foretide.cli import asked
from foretide.cli.from_file import Place, work_of_file
from foretide.cli.hands import hands_at_work
from foretide.cli.work import Hands
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.forecast.base import Trainable
    from foretide.model.demand import Demand

_HISTORY = timedelta(weeks=4)
_HOUR = timedelta(hours=1)


def rehearse(
    file: Path,
    forecaster: Trainable,
    *,
    since: str,
    until: Sequence[datetime],
    zone: ZoneInfo | None,
    hands: Hands,
) -> None:
    """Play the cadence of training over a table of demand, and print what would have been done.

    Parameters
    ----------
    file : Path
        With series_id, ts and value.
    forecaster : Trainable
    since : str
        First instant, ISO 8601 with a zone; empty: four weeks after the first bucket.
    until : sequence of datetime
        One last instant, or none for the end of the data.
    zone : ZoneInfo, optional
        Whose clock the users follow; UTC when absent.
    hands : Hands
        Who does the work.

    Raises
    ------
    InputError
        When nothing lies between the two.
    """
    from foretide.cli.train_words import said
    from foretide.control.champions import Champions, is_shared
    from foretide.control.rehearsal import rehearsed
    from foretide.store.models import Registry

    place = Place(zone=zone or ZoneInfo("UTC"))
    work = work_of_file(file, forecaster, instants=tuple(until), place=place, horizon_s=86_400)
    start, end = _span(work.demands, since, work.instants[0])
    with tempfile.TemporaryDirectory() as folder, hands_at_work(hands, "rehearsing") as mapped:
        registry = Registry(Path(folder))
        champions = Champions(registry, forecaster, is_shared=is_shared(forecaster))
        count = 0
        for beat in rehearsed(
            champions, registry, work.demands,
            start=start, end=end, timezone=place.zone, mapped=mapped,
        ):  # fmt: skip
            for one in beat.outcomes:
                typer.echo(f"{one.at:%Y-%m-%d %H:%M} {one.unit}: {said(one)}")
                count += 1
    weeks = (end - start) / timedelta(weeks=1) * len(work.demands)
    typer.echo(f"{forecaster.name}: {count:,} decisions in {weeks:,.0f} weeks of series")


def _span(demands: Sequence[Demand], since: str, end: datetime) -> tuple[datetime, datetime]:
    from foretide.model.instant import bucket_floor

    begun = asked.instants([since]) if since else (min(one.start for one in demands) + _HISTORY,)
    start, end = bucket_floor(begun[0], 3600), bucket_floor(end, 3600)
    if end - start < _HOUR:
        raise InputError(
            f"--since {start.isoformat()}: the demand ends at {end.isoformat()}; four weeks of it "
            "serve as history, give an earlier instant"
        )
    return start, end
