"""This file knows `foretide demand`: what is stored, by app, feature and bucket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.durations import step_s
from foretide.cli.where import STORE_HELP, store_path
from foretide.errors import InputError
from foretide.model.instant import parse_instant

if TYPE_CHECKING:
    from foretide.model.demand import Demand
    from foretide.store.reading import AppView
    from foretide.store.warehouse import Warehouse

_SHOWN_FEATURES = 20
_SPARK_WIDTH = 60
_STEPS_S = (60, 3600, 86_400)
_BUCKETS_MOST = 2000


def demand(
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    app: Annotated[str, typer.Option(help="Only this app.")] = "",
    feature: Annotated[str, typer.Option(help="Only this feature.")] = "",
    since: Annotated[str, typer.Option(help="Only buckets from here (ISO 8601 with zone).")] = "",
    until: Annotated[str, typer.Option(help="Only buckets before here.")] = "",
    step: Annotated[
        str, typer.Option(help="Length of a bucket: 60s, 5m, 1h, 1d. [what fits the span]")
    ] = "",
    buckets: Annotated[bool, typer.Option("--buckets", help="Print each bucket.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write series_id, ts, value here (Parquet).")
    ] = None,
) -> None:
    """Show calls per app, feature and bucket, with a sparkline.

    A blank in a sparkline (an empty value with `--buckets`) was not observed; the lowest block
    is zero.
    """
    start = parse_instant("--since", since) if since else None
    end = parse_instant("--until", until) if until else None
    if start and end and start >= end:
        raise InputError(f"--since {since}: must lie before --until {until}")
    bucket_s = step_s("--step", step) if step else None
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out {out}: no folder {out.parent}; make it first")
    from foretide.store.warehouse import Warehouse

    with Warehouse(store_path(store)) as warehouse:
        apps = _chosen_apps(warehouse, app, feature)
        if out is not None:
            _write(warehouse, apps, feature, (start, end), bucket_s, out)
            return
        for view in apps:
            length_s = bucket_s or _fitting_s(warehouse, view, start, end)
            found = _read(warehouse, view, feature, (start, end), length_s)
            if buckets:
                _print_buckets(found)
            else:
                _print_app(warehouse, view, feature, (start, end), found, length_s)


def _chosen_apps(warehouse: Warehouse, app: str, feature: str) -> list[AppView]:
    apps = warehouse.apps()
    names = [view.name for view in apps]
    if app and app not in names:
        raise InputError(f"--app {app!r}: not in the store; it holds {', '.join(names) or 'none'}")
    chosen = [view for view in apps if not app or view.name == app]
    if feature:
        chosen = [v for v in chosen if feature in {f.name for f in warehouse.features(v.name)}]
        if not chosen:
            raise InputError(f"--feature {feature!r}: no app has it; see `foretide demand`")
    return chosen


def _read(
    warehouse: Warehouse,
    view: AppView,
    feature: str,
    span: tuple[datetime | None, datetime | None],
    length_s: int | None,
) -> list[Demand]:
    return warehouse.demand(
        app=view.name, feature=feature or None, start=span[0], end=span[1], step_s=length_s
    )


def _fitting_s(
    warehouse: Warehouse, view: AppView, start: datetime | None, end: datetime | None
) -> int | None:
    # the finest of 1 minute, 1 hour, 1 day that every series knows and that stays readable
    own = {f.step_s or view.resolution_s for f in warehouse.features(view.name)}
    first, last = max(filter(None, (start, view.first))), min(filter(None, (end, view.last)))
    span_s = (last - first).total_seconds()
    for length_s in _STEPS_S:
        if all(length_s % step == 0 for step in own) and span_s / length_s <= _BUCKETS_MOST:
            return length_s
    return None


def _write(
    warehouse: Warehouse,
    apps: Sequence[AppView],
    feature: str,
    span: tuple[datetime | None, datetime | None],
    length_s: int | None,
    out: Path,
) -> None:
    from foretide.sources.demand_table import write_demand

    found = [one for view in apps for one in _read(warehouse, view, feature, span, length_s)]
    if not found:
        raise InputError(f"--out {out}: nothing to write; no bucket in that span")
    write_demand(out, found)
    typer.echo(f"{len(found):,} series written to {out}")


def _print_buckets(found: Sequence[Demand]) -> None:
    for one in found:
        for at, value in enumerate(one.values):
            ts = datetime.fromtimestamp(
                one.start.timestamp() + at * one.step_s, tz=one.start.tzinfo
            )
            said = "" if value != value else f"{value:g}"  # noqa: PLR0124 (NaN differs from itself)
            typer.echo(f"{one.series_id}\t{ts.isoformat()}\t{said}")


def _print_app(
    warehouse: Warehouse,
    view: AppView,
    feature: str,
    span: tuple[datetime | None, datetime | None],
    found: Sequence[Demand],
    length_s: int | None,
) -> None:
    import numpy as np

    if not found:
        typer.echo(f"{view.name}: nothing in that span")
        return
    first, last = min(one.start for one in found), max(one.end for one in found)
    every = f"one value per {_spoken(length_s or found[0].step_s)}"
    typer.echo(f"{view.name}: {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, {every}")
    ranked = sorted(found, key=lambda one: (-np.nansum(one.values), one.series_id))
    if not feature and len(ranked) > 1 and len({one.step_s for one in ranked}) == 1:
        _print_series(
            "(all features)",
            warehouse.demand(
                app=view.name, start=span[0], end=span[1], step_s=length_s, is_total=True
            )[0],
            (first, last),
        )
    for one in ranked[:_SHOWN_FEATURES]:
        _print_series(one.series_id.partition("/")[2], one, (first, last))
    if len(ranked) > _SHOWN_FEATURES:
        typer.echo(f"  ... and {len(ranked) - _SHOWN_FEATURES:,} features more; see --feature")
    missing = max(float(np.isnan(one.values).mean()) for one in found)
    if missing > 0.1:
        typer.echo(
            f"  up to {missing:.0%} of the buckets were not observed; if the app was only quiet, "
            "import with --heartbeat, such as 6h"
        )


def _print_series(name: str, one: Demand, span: tuple[datetime, datetime]) -> None:
    import numpy as np

    from foretide.cli.sparkline import laid, sparkline

    total = float(np.nansum(one.values))
    shown = name if len(name) <= 36 else name[:35] + "…"
    line = sparkline(laid(one, span), width=_SPARK_WIDTH)
    typer.echo(f"  {shown:<36} {total:>14,.0f}  {line}")


def _spoken(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
