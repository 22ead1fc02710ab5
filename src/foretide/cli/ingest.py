"""This file knows `foretide import`: logs, events and demand go into the store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from foretide.cli.durations import duration_s, step_s
from foretide.cli.where import STORE_HELP, store_path
from foretide.errors import InputError
from foretide.model.instant import parse_instant

if TYPE_CHECKING:
    from foretide.control.intake import Order, Ticket
    from foretide.control.tally import ImportReport
    from foretide.store.warehouse import Warehouse

FORMATS = ("log", "ndjson", "csv", "parquet", "demand")
_PROMETHEUS = "prometheus"
_FEATURES_MOST = 100_000


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files or quoted globs, plain or .gz; or `prometheus URL` with --query.",
        ),
    ],
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    app: Annotated[
        str, typer.Option(help="App to file under. [the app column, else 'default']")
    ] = "",
    kind: Annotated[
        str,
        typer.Option("--format", help="log, ndjson, csv, parquet or demand. [told by content]"),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            help="Foreign names: ts=t,session=uid,feature=page,device=device,country=region; "
            "also app, user_agent, duration_s, status."
        ),
    ] = "",
    timezone: Annotated[
        str, typer.Option(help="Zone of time stamps that carry none, such as UTC or Europe/Rome.")
    ] = "",
    location_consent: Annotated[
        str, typer.Option(help="'granted' keeps countries: you vouch that users consented.")
    ] = "",
    max_features: Annotated[
        int, typer.Option(help="Most features of an app; the rest counts as 'other'.")
    ] = 200,
    heartbeat: Annotated[
        str, typer.Option(help="Longest silence that still means zero, not missing. [30m]")
    ] = "",
    query: Annotated[str, typer.Option(help="PromQL that gives requests per second.")] = "",
    since: Annotated[str, typer.Option(help="Prometheus: from here. [7 days ago]")] = "",
    until: Annotated[str, typer.Option(help="Prometheus: to here. [now]")] = "",
    step: Annotated[str, typer.Option(help="Prometheus: length of a bucket.")] = "60s",
) -> None:
    """Import access logs, events (NDJSON, CSV, Parquet) or demand into the store.

    What a file holds is told by its content. Each file is stored whole or not at all; importing a
    content twice changes nothing, and of a log that has grown only the new lines are read.
    """
    order = order_from(
        app=app,
        kind=kind,
        columns=columns,
        zone=timezone,
        consent=location_consent,
        features_max=max_features,
        heartbeat=heartbeat,
    )
    if paths[0] == _PROMETHEUS and not Path(_PROMETHEUS).exists():
        _from_prometheus(
            paths[1:], store_path(store), order, query=query, span=(since, until), step=step
        )
        return
    for flag, value in (("--query", query), ("--since", since), ("--until", until)):
        if value:
            raise InputError(f"{flag} {value!r}: only for `foretide import prometheus URL`")
    import_files([Path(path) for path in _expanded(paths)], store_path(store), order)


def order_from(
    *,
    app: str,
    kind: str,
    columns: str,
    zone: str,
    consent: str,
    features_max: int,
    heartbeat: str,
) -> Order:
    """Return what the flags of `import` ask for.

    Parameters
    ----------
    app, kind, columns, zone, consent, heartbeat : str
        What stands behind the flags; empty where they were left out.
    features_max : int
        Most features of an app.

    Raises
    ------
    InputError
        When a flag holds what it may not.
    """
    from foretide.control.intake import Order
    from foretide.sources.columns import parse_columns
    from foretide.sources.kinds import Kind, Wish

    if kind not in {"", *FORMATS}:
        raise InputError(f"--format {kind!r}: give one of {', '.join(FORMATS)}")
    if consent not in {"", "granted"}:
        raise InputError(f"--location-consent {consent!r}: give 'granted' or leave it out")
    if not 1 <= features_max <= _FEATURES_MOST:
        raise InputError(f"--max-features {features_max}: give 1 to {_FEATURES_MOST}")
    return Order(
        wish=Wish(
            kind=Kind(kind) if kind else None,
            columns=parse_columns(columns),
            zone=_zone(zone),
        ),
        app=app,
        location="granted" if consent else "absent",
        features_max=features_max,
        heartbeat_s=duration_s("--heartbeat", heartbeat) if heartbeat else None,
    )


def _zone(name: str) -> str | None:
    if not name:
        return None
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        raise InputError(
            f"--timezone {name!r}: no such zone; give an IANA name such as UTC or Europe/Rome"
        ) from None


def _expanded(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if not set("*?[") & set(path) or Path(path).exists():
            yield path
            continue
        base = Path(path).anchor or "."
        found = sorted(Path(base).glob(str(Path(path).relative_to(base) if base != "." else path)))
        files = [str(one) for one in found if one.is_file()]
        if not files:
            raise InputError(f"{path}: no file matches; check the pattern")
        yield from files


def import_files(paths: list[Path], store: Path, order: Order) -> None:
    """Import files into a store with a progress bar, and tell what became of each.

    Raises
    ------
    InputError
        When one of them cannot be imported; all are looked at before the first is stored.
    """
    from foretide.control.clock import WallClock
    from foretide.control.ingest import import_file
    from foretide.control.intake import look_at
    from foretide.store.warehouse import Warehouse

    tickets = [look_at(path, order) for path in paths]
    reports: list[ImportReport] = []
    with Warehouse(store, may_create=True) as warehouse:
        try:
            with _progress(tickets) as advance:
                for ticket in tickets:
                    now = WallClock().now()
                    moved = advance(ticket)
                    reports.append(
                        import_file(warehouse, ticket, order, now=now, on_progress=moved)
                    )
        finally:  # what was stored before a file failed stays stored, and is said
            for report in reports:
                _tell(report)
        _tell_whole(warehouse)


@contextmanager
def _progress(tickets: Sequence[Ticket]) -> Generator[Callable[[Ticket], Callable[[int], None]]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    sizes = [ticket.path.stat().st_size for ticket in tickets]
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("importing", total=sum(sizes))
        done = 0

        def advance(ticket: Ticket) -> Callable[[int], None]:
            nonlocal done
            before, done = done, done + ticket.path.stat().st_size
            bar.update(task, description=ticket.path.name, completed=before)
            return lambda position: bar.update(task, completed=before + position)

        yield advance


def _tell(report: ImportReport) -> None:
    what = "buckets" if report.kind == "demand" else "events"
    refused = f", {report.rejected_count:,} refused" if report.rejected_count else ""
    typer.echo(
        f"{report.path}: {report.line_count:,} lines ({report.kind}), "
        f"{report.stored_count:,} {what} stored{refused}"
    )
    for reject in report.rejects:
        shown = f"  {reject.text}" if reject.text else ""
        typer.echo(f"  {report.path}:{reject.line}: {reject.reason}{shown}")
    more = report.rejected_count - len(report.rejects)
    if more > 0:
        typer.echo(f"  ... and {more:,} more, all of them kept in the table dead_letter")
    for note in report.notes:
        typer.echo(f"  note: {note}")


def _tell_whole(warehouse: Warehouse) -> None:
    counts = warehouse.counts()
    typer.echo(
        f"{warehouse.path} now holds {counts.events:,} events and {counts.amounts:,} buckets of "
        f"demand from {counts.imports:,} imports; see `foretide demand`"
    )


def _from_prometheus(
    urls: Sequence[str],
    store: Path,
    order: Order,
    *,
    query: str,
    span: tuple[str, str],
    step: str,
) -> None:
    if len(urls) != 1:
        raise InputError(f"import prometheus: give one URL, was {' '.join(urls) or 'none'}")
    if not query:
        raise InputError(
            "--query: missing; give PromQL such as 'sum(rate(http_requests_total[1m]))'"
        )
    from foretide.control.clock import WallClock
    from foretide.control.ingest import file_fetched
    from foretide.sources.prometheus import fetch_demand
    from foretide.store.warehouse import Warehouse

    now = WallClock().now()
    end = parse_instant("--until", span[1]) if span[1] else now
    start = parse_instant("--since", span[0]) if span[0] else end - timedelta(days=7)
    bucket_s = step_s("--step", step)
    with _asking() as asked:
        demands = fetch_demand(
            urls[0], query, start=start, end=end, step_s=bucket_s, now=now, on_progress=asked
        )
    with Warehouse(store, may_create=True) as warehouse:
        report = file_fetched(
            warehouse, demands, origin=_origin(urls[0], query), app=order.app, now=now
        )
        _tell(report)
        _tell_whole(warehouse)


@contextmanager
def _asking() -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("asking Prometheus", total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)


def _origin(url: str, query: str) -> str:
    parts = urlsplit(url)  # the address may carry a password, which is not to be kept
    return f"{parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()} {query}"
