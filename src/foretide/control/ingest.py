"""This file knows the corridor from a file to the store: parse, refine, commit.

Every file is stored whole or not at all, and a content that is there already changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b

from foretide.control.intake import Order, Ticket, raw_batches
from foretide.control.refine import Refining, refine
from foretide.control.tally import ImportReport, Tally
from foretide.model.batch import Content, ImportRecord, Mark
from foretide.model.demand import Demand
from foretide.model.ids import check_name
from foretide.sources.content import LineReader, known_content
from foretide.sources.kinds import Kind
from foretide.store.amounts import Series
from foretide.store.warehouse import Warehouse

DEFAULT_APP = "default"
Progress = Callable[[int], None]


def import_file(
    warehouse: Warehouse,
    ticket: Ticket,
    order: Order,
    *,
    now: datetime,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Store what a file holds, all of it or none, and tell what became of it.

    Parameters
    ----------
    warehouse : Warehouse
        The store.
    ticket : Ticket
        The file, looked at.
    order : Order
        What to do with it.
    now : datetime
        The present instant.
    on_progress : callable, optional
        Called with the bytes of the file on disk read so far.

    Raises
    ------
    InputError
        When the file breaks off or contradicts what is stored; nothing of it is kept then.
    """
    if ticket.table is not None:
        report = _import_table(warehouse, ticket, order, now=now)
    else:
        report = _import_events(warehouse, ticket, order, now=now, on_progress=on_progress)
    if order.heartbeat_s is not None:
        for app in report.apps:
            warehouse.set_heartbeat(app, order.heartbeat_s)
    return report


def _import_events(
    warehouse: Warehouse,
    ticket: Ticket,
    order: Order,
    *,
    now: datetime,
    on_progress: Progress | None,
) -> ImportReport:
    path, kind = ticket.path, ticket.kind
    known = known_content(path, warehouse.contents(app=order.app or DEFAULT_APP))
    if known is not None and known.is_all:
        return _known_already(ticket, warehouse.apps_of(known.content))
    is_lines = kind is not Kind.PARQUET
    reader = LineReader(path, known=known.content if known and is_lines else None)
    how = Refining(
        key=warehouse.session_key(),
        app=order.app or DEFAULT_APP,
        is_app_forced=bool(order.app),
        location=order.location,
    )
    tally = Tally()
    with warehouse.filing(features_max=order.features_max) as filing:
        for raw in raw_batches(path, kind, order.wish, reader):
            refined = refine(raw, how)
            filing.stage(refined.batch, refined.rejects)
            tally.add(raw, refined)
            if on_progress is not None:
                on_progress(raw.position)
        record = ImportRecord(
            at=now,
            path=str(path),
            kind=kind.value,
            app=order.app or DEFAULT_APP,
            content=_content(kind, reader, tally),
            line_count=tally.line_count,
            stored_count=tally.stored_count,
            rejected_count=tally.rejected_count,
        )
        is_granted = order.location == "granted"
        filed = filing.commit(record, country_count=tally.country_count if is_granted else None)
    return tally.report(ticket, filed, grown_from=known.content if known else None)


def _content(kind: Kind, reader: LineReader, tally: Tally) -> Content:
    if kind is Kind.PARQUET:  # read by columns: its bytes have yet to be gone through
        reader.raw()
    return reader.content(is_tail_stored=tally.last_rejected_line != reader.line_count)


def _known_already(ticket: Ticket, apps: tuple[str, ...]) -> ImportReport:
    return ImportReport(
        path=str(ticket.path),
        kind=ticket.kind.value,
        line_count=0,
        stored_count=0,
        rejected_count=0,
        notes=("this content was imported before: nothing changed",),
        apps=apps,
    )


def _import_table(
    warehouse: Warehouse, ticket: Ticket, order: Order, *, now: datetime
) -> ImportReport:
    table = ticket.table
    if table is None:
        raise AssertionError("a ticket for demand carries its table")
    reader = LineReader(ticket.path)
    reader.raw()
    return file_table(
        warehouse,
        table.demands,
        origin=str(ticket.path),
        app=order.app,
        content=reader.content(is_tail_stored=False),
        notes=table.notes,
        now=now,
    )


def file_table(
    warehouse: Warehouse,
    demands: Sequence[Demand],
    *,
    origin: str,
    app: str,
    content: Content,
    notes: Sequence[str],
    now: datetime,
) -> ImportReport:
    """Store demand that came whole: from a table or from a server that counts.

    Parameters
    ----------
    warehouse : Warehouse
        The store.
    demands : sequence of Demand
        What to store; a bucket that is there already is replaced.
    origin : str
        File or address it came from.
    app : str
        App to file it under; empty = the part of the series id before '/', else `default`.
    content : Content
        What it is known by.
    notes : sequence of str
        What was mended on the way.
    now : datetime
        The present instant.

    Raises
    ------
    InputError
        When a series is kept with another step or is counted from events.
    """
    series = [_named(demand, app) for demand in demands]
    rows = sum(len(demand.values) for demand in demands)
    record = ImportRecord(
        at=now,
        path=origin,
        kind=Kind.DEMAND.value,
        app=app or DEFAULT_APP,
        content=content,
        line_count=rows,
        stored_count=rows,
        rejected_count=0,
    )
    given = warehouse.file_demand(series, record)
    replaced = [f"{given.replaced_count:,} buckets had another amount and were replaced"]
    return ImportReport(
        path=origin,
        kind=Kind.DEMAND.value,
        line_count=rows,
        stored_count=given.stored_count,
        rejected_count=0,
        notes=(*notes, *(replaced if given.replaced_count else [])),
        apps=tuple(sorted({one.app for one in series})),
    )


def _named(demand: Demand, app: str) -> Series:
    head, slash, rest = demand.series_id.partition("/")
    if app:
        return Series(app=app, feature=demand.series_id, demand=demand)
    if slash and rest:
        return Series(app=check_name(f"app of series {head!r}", head), feature=rest, demand=demand)
    return Series(app=DEFAULT_APP, feature=demand.series_id, demand=demand)


def file_fetched(
    warehouse: Warehouse, demands: Sequence[Demand], *, origin: str, app: str, now: datetime
) -> ImportReport:
    """Store demand that a server answered with; what it is known by is the answer itself.

    Raises
    ------
    InputError
        When a series is kept with another step or is counted from events.
    """
    running = blake2b()
    for demand in demands:
        running.update(f"{demand.series_id} {demand.start} {demand.step_s}".encode())
        running.update(demand.values.tobytes())
    size = sum(demand.values.nbytes for demand in demands)
    mark = Mark(byte_count=size, line_count=0, digest=running.digest())
    content = Content(head=running.digest(), whole=mark, complete=mark)
    return file_table(
        warehouse, demands, origin=origin, app=app, content=content, notes=(), now=now
    )
