"""This file knows what is to be forecast when a command asks for it, and how far along that is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from foretide.errors import InputError
from foretide.model.calendar import Calendar

if TYPE_CHECKING:
    from foretide.forecast.base import Forecaster
    from foretide.model.accuracy import Kept
    from foretide.model.demand import Demand
    from foretide.model.forecast import Forecast


class Work(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Series of one app or file, to be forecast by one forecaster.

    Parameters
    ----------
    demands : tuple of Demand
        In the order in which they are shown.
    forecaster : Forecaster
        Who is to forecast them.
    instants : tuple of datetime
        When to issue; rising.
    zone : ZoneInfo
        By whose clock their users live.
    calendar : Calendar
        What the forecaster was told of their days.
    """

    demands: tuple[Demand, ...]
    forecaster: Forecaster
    instants: tuple[datetime, ...]
    zone: ZoneInfo
    calendar: Calendar = Calendar()


class Hands(msgspec.Struct, frozen=True, kw_only=True):
    """Who does the work: processes of this machine, or a cluster.

    Parameters
    ----------
    workers : int
        Processes here, 1: this one.
    scheduler : str
        Address of a dask scheduler; empty: none.
    """

    workers: int = 1
    scheduler: str = ""


def forecasts_of(
    works: Sequence[Work],
    *,
    horizon_s: int,
    levels: tuple[float, ...],
    hands: Hands,
    keep: Callable[[list[Kept]], None] | None = None,
) -> Iterator[list[Forecast]]:
    """Yield the forecasts of one part of the series after another, at every instant, by series.

    Parameters
    ----------
    works : sequence of Work
        What is to be forecast.
    horizon_s : int
        How far ahead.
    levels : tuple of float
        At which quantile levels.
    hands : Hands
        Who does it.
    keep : callable, optional
        Is handed what is to be kept of each part, before the next one is begun.
    """
    from foretide.control.parts import forecast_map
    from foretide.control.pools import part_map

    if keep is not None:
        from foretide.model.accuracy import KEPT_LEVELS

        every = tuple(sorted({*levels, *KEPT_LEVELS}))
    else:
        every = levels
    done, total = 0, sum(len(work.demands) for work in works)
    with (
        part_map(workers=hands.workers, scheduler=hands.scheduler) as mapped,
        progress("forecasting") as moved,
    ):
        for work in works:
            first = 0
            for part in forecast_map(
                work.forecaster, work.demands, instants=work.instants, horizon_s=horizon_s,
                levels=every, timezone=work.zone, mapped=mapped,
            ):  # fmt: skip
                count = len(part) // len(work.instants)
                if keep is not None:
                    keep(_kept(work, work.demands[first : first + count], part, horizon_s))
                    yield _at(part, levels)
                else:
                    yield part
                first += count
                done += count
                moved(done, total)


def _kept(
    work: Work, demands: Sequence[Demand], part: list[Forecast], horizon_s: int
) -> list[Kept]:
    from foretide.control.issuing import kept_of

    instants = len(work.instants)
    return [
        one
        for at in range(instants)
        for one in kept_of(demands, part[at::instants], horizon_s=horizon_s, timezone=work.zone)
    ]


def _at(part: list[Forecast], levels: tuple[float, ...]) -> list[Forecast]:
    from foretide.control.issuing import at_levels

    return [at_levels(one, levels) for one in part]


def check_history(origin: object, works: Sequence[Work]) -> None:
    """Refuse an instant by which no bucket of any series had ended.

    Raises
    ------
    InputError
        The text names `--at`, `origin` and the first instant that will do.
    """
    from datetime import timedelta

    first = min(one.start + timedelta(seconds=one.step_s) for work in works for one in work.demands)
    for instant in (instant for work in works for instant in work.instants):
        if instant < first:
            raise InputError(
                f"--at {instant.isoformat()}: {origin} has no bucket that ended by then; "
                f"the first ended at {first.isoformat()}"
            )


@contextmanager
def progress(label: str) -> Generator[Callable[[int, int], None]]:
    """Lend a function that moves a progress bar, where there is a terminal to draw one in.

    It takes how many steps are done, and of how many.

    Parameters
    ----------
    label : str
        What is being done.
    """
    import sys

    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
