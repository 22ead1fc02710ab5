"""This file knows where a command finds past demand to play: in a file, or in the store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foretide.cli import asked
from foretide.cli.durations import duration_s
from foretide.errors import InputError, InvalidValueError
from foretide.model.instant import parse_instant

if TYPE_CHECKING:
    from foretide.model.demand import Demand
    from foretide.simulate.scenario import Scenario


class Past(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Demand to be played.

    Parameters
    ----------
    origin : str
        The file as it was typed, or the store's path.
    title : str
        What a report calls it.
    demands : tuple of Demand
        At least one series.
    notes : tuple of str
        What had to be mended.
    """

    origin: str
    title: str
    demands: tuple[Demand, ...]
    notes: tuple[str, ...] = ()


def past_of(
    what: Sequence[str],
    *,
    series: Sequence[str] | None = None,
    span: tuple[str, str] = ("", ""),
    store: Path | None = None,
) -> Past:
    """Return the demand that the words of a command name.

    Parameters
    ----------
    what : sequence of str
        One file, or apps and features of the store.
    series : sequence of str, optional
        Of a file: only these.
    span : (str, str)
        First and last instant; empty: all there is.
    store : Path, optional
        The store, where there is no file.

    Raises
    ------
    InputError
        When there is no such demand, or none in that span.
    """
    start, end = instant("--since", span[0]), instant("--until", span[1])
    if start and end and start >= end:
        raise InputError(f"--since {span[0]}: must lie before --until {span[1]}")
    file = asked.table_among(what)
    if file is None:
        if series:
            raise InputError(
                f"--series {series[0]}: is for a file; of the store name APP/FEATURE itself"
            )
        return _from_store(what, (start, end), store)
    asked.refuse_beside(file, {"--store": store})
    from foretide.sources.demand_table import read_demand

    table = read_demand(file, series=series)
    return Past(
        origin=str(file),
        title=file.name,
        demands=tuple(within(one, start, end, str(file)) for one in table.demands),
        notes=table.notes,
    )


def _from_store(
    what: Sequence[str], span: tuple[datetime | None, datetime | None], store: Path | None
) -> Past:
    from foretide.cli.from_store import named_in
    from foretide.cli.where import store_path
    from foretide.store.warehouse import Warehouse

    place = store_path(store)
    with Warehouse(place) as warehouse:
        found = [
            one
            for name in named_in(warehouse, what)
            for one in warehouse.demand(
                app=name.app, feature=name.feature, start=span[0], end=span[1],
                is_total=name.feature is None,
            )
        ]  # fmt: skip
    if not found:
        raise InputError(f"{' '.join(what)}: no demand in that span; see `foretide demand`")
    return Past(origin=str(place), title=", ".join(what), demands=tuple(found))


def within(demand: Demand, start: datetime | None, end: datetime | None, where: str) -> Demand:
    """Return the buckets of a series that lie between two instants.

    Parameters
    ----------
    demand : Demand
        The series.
    start, end : datetime, optional
        Whole buckets between them are kept; open where absent.
    where : str
        What to name when there are none.

    Raises
    ------
    InputError
        When there are none.
    """
    step = timedelta(seconds=demand.step_s)
    first = max(0, -((demand.start - start) // step)) if start else 0
    last = (end - demand.start) // step if end else len(demand.values)
    values = demand.values[first : max(first, last)]
    if not len(values):
        raise InputError(
            f"{where}: no demand of {demand.series_id} in that span; it reaches from "
            f"{demand.start.isoformat()} to {demand.end.isoformat()}"
        )
    return msgspec.structs.replace(demand, start=demand.start + first * step, values=values)


def instant(flag: str, text: str) -> datetime | None:
    """Return the instant of a flag; None where it was left out.

    Raises
    ------
    InputError
        When it is no ISO 8601 instant with a zone.
    """
    try:
        return parse_instant(flag, text) if text else None
    except InvalidValueError as error:
        raise InputError(str(error)) from None


def scenarios_of(
    paths: Sequence[Path], *, boot: str = "", warm: str = "", scale_down: str = ""
) -> dict[str, Scenario]:
    """Return the scenarios of some files, each with every variant asked for, by name.

    Parameters
    ----------
    paths : sequence of Path
        At least one; a scenario is named after its file.
    boot, warm, scale_down : str
        The values of these flags; empty: as each scenario says.

    Raises
    ------
    InputError
        When a file or flag cannot be used, or two scenarios have one name.
    """
    from foretide.simulate.scenario import BOOT_MAX_S, read_scenario
    from foretide.simulate.variants import variants

    found: dict[str, Scenario] = {}
    for path in paths:
        if path.stem in found:
            raise InputError(f"--scenario {path}: another one is named {path.stem}; rename it")
        found[path.stem] = read_scenario(path)
    boots_s: list[int] = []
    for text in filter(None, boot.split(",")):
        seconds = duration_s("--boot", text if not text.strip().isdigit() else f"{text.strip()}s")
        if seconds > BOOT_MAX_S or seconds in boots_s:
            raise InputError(f"--boot {boot}: give each once, {BOOT_MAX_S} s at most")
        boots_s.append(seconds)
    return variants(found, boots_s=boots_s, warm=warm, scale_down=scale_down)


@contextmanager
def bar(label: str, total: int) -> Generator[Callable[[float], None]]:
    """Lend a function that moves a progress bar, where there is a terminal to draw one in.

    Parameters
    ----------
    label : str
        What is being done.
    total : int
        How much there is to do; the function takes how much is done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn()]
    counted = [MofNCompleteColumn()] if total > 1 else []
    with Progress(
        *columns, *counted, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(label, total=float(total))
        yield lambda done: progress.update(task, completed=done)
