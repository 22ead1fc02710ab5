"""This file knows `foretide demo`: the whole path, from events to a report, watched as it runs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.errors import ForetideError, InputError

if TYPE_CHECKING:
    from foretide.model.demand import Demand
    from foretide.simulate.outcome import SeriesOutcome
    from foretide.simulate.scenario import Scenario

_SHOP_DAYS, _SHOP_SEED, _SHOP_PEAK = 14, 7, 120.0  # sessions/minute
_WARMUP_DAYS = 7.0


def demo(
    trace: Annotated[
        Path | None,
        typer.Argument(help="A log, events or demand to play. [a synthetic shop]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the store and the report.")] = Path(
        "foretide-demo"
    ),
    series: Annotated[
        str, typer.Option(help="Which series to play, as app or app/feature. [the busiest app]")
    ] = "",
    columns: Annotated[str, typer.Option(help="Foreign column names, as for import.")] = "",
    timezone: Annotated[str, typer.Option(help="Zone of stamps without one, as for import.")] = "",
    objective: Annotated[
        float, typer.Option(help="Fraction of requests that may come over capacity.")
    ] = 0.001,
    fast: Annotated[
        bool, typer.Option("--fast", help="Two weeks of the shop, simulated, in a minute.")
    ] = False,
    no_page: Annotated[
        bool, typer.Option("--no-page", help="Do not serve the page beside the terminal.")
    ] = False,
    skipped: Annotated[int, typer.Option(min=0, max=1000, hidden=True)] = 0,
    minutes: Annotated[int, typer.Option(min=1, max=360, hidden=True)] = 360,
) -> None:
    """Watch Foretide run an application, and compare it with an HPA on the same demand.

    Without an argument, a morning of a synthetic web shop is played in three minutes: on real
    processes that are sent real requests, after six days that are simulated. With --fast, or a
    trace of your own, everything is simulated. Nothing but the folder of the demo is touched.
    """
    rules = _scenario(objective)
    if trace is None and not (fast or series or columns or timezone):
        from foretide.cli.demo_live import play_live

        play_live(out, objective=objective, skipped=skipped, minutes=minutes, has_page=not no_page)
        return
    from foretide.cli.demo_play import play
    from foretide.cli.ingest import import_files, order_from
    from foretide.simulate.backtest import trace_for
    from foretide.simulate.record import make_folder, write_results

    if trace is not None and not trace.is_file():
        raise InputError(f"{trace}: no such file; give a log, events or demand to play")
    order = order_from(
        app="", kind="", columns=columns, zone=timezone, consent="", features_max=200, heartbeat=""
    )
    with _taken_back(out):
        make_folder(out)
        store = out / f"{_label(trace)}.duckdb"
        import_files([trace or _shop(out)], store, order)
        demand = _chosen(store, series)
        laid_out = trace_for(demand, rules)
    outcome = play(laid_out, rules, folder=out, title=_title(trace, demand))
    write_results(
        out,
        title=_title(trace, demand),
        scenario=rules,
        outcomes=[outcome],
        notes=() if trace else ("The shop is synthetic: its customers were made up.",),
    )
    _tell(outcome, rules, out)


def _scenario(objective: float) -> Scenario:
    from foretide.simulate.scenario import Scenario

    if not 0 < objective < 1:
        raise InputError(f"--objective {objective}: must lie between 0 and 1, such as 0.001")
    return Scenario(
        objective=objective,
        boot_s=300,
        wake_s=20,
        warm_price_fraction=0.2,
        price_usd_per_hour=0.1,
        warmup_days=_WARMUP_DAYS,
    )


@contextmanager
def _taken_back(folder: Path) -> Generator[None]:
    """Leave nothing behind of a demo that is refused before it begins."""
    before = set(folder.iterdir()) if folder.is_dir() else None
    try:
        yield
    except ForetideError:
        if before is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            for made in set(folder.iterdir()) - before:
                made.unlink()
        raise


def _label(trace: Path | None) -> str:
    if trace is None:
        return "shop"
    # two logs of one name must not end up in one store
    place = hashlib.blake2b(str(trace.resolve()).encode(), digest_size=4).hexdigest()
    return f"{trace.name.split('.')[0]}-{place}"


def _title(trace: Path | None, demand: Demand) -> str:
    what = f"{demand.series_id} in {trace.name}" if trace else "a synthetic web shop"
    return f"Foretide on {what}"


def _shop(folder: Path) -> Path:
    """Return the shop's events as a file, made when it is not there yet."""
    path = folder / f"shop-{_SHOP_DAYS}d-{_SHOP_PEAK:.0f}-{_SHOP_SEED}.parquet"
    if path.exists():
        return path
    from datetime import UTC, datetime

    import polars as pl
    from rich.console import Console

    from foretide.simulate.shop import APP, shop_events, shop_frame

    with Console(stderr=True).status("making two weeks of a synthetic web shop"):
        events = shop_events(
            seed=_SHOP_SEED,
            start=datetime(2026, 3, 2, tzinfo=UTC),
            days=_SHOP_DAYS,
            peak_sessions_per_minute=_SHOP_PEAK,
        )
        frame = shop_frame(events)
        part = path.with_suffix(".part")
        frame.insert_column(0, pl.repeat(APP, len(frame), eager=True).alias("app"))
        frame.write_parquet(part, compression="zstd")
        part.replace(path)
    return path


def _chosen(store: Path, series: str) -> Demand:
    """Return the series to play: the one named, else the busiest app, else the busiest series."""
    import numpy as np

    from foretide.store.warehouse import Warehouse

    app, _, feature = series.partition("/")
    with Warehouse(store) as warehouse:
        counted = {view.name for view in warehouse.apps() if view.events}
        if feature:
            found = warehouse.demand(app=app, feature=feature)
        elif app:
            found = warehouse.demand(app=app, is_total=True)
        else:
            found = [
                one
                for view in warehouse.apps()
                for one in warehouse.demand(app=view.name, is_total=view.name in counted)
            ]
        known = ", ".join(one.series_id for one in warehouse.demand())
    if not found:
        raise InputError(f"--series {series}: not in the trace; there is {known}")
    busiest = max(found, key=lambda one: float(np.nansum(one.values)) / one.step_s)
    if len(found) > 1:
        typer.echo(f"playing {busiest.series_id}; --series picks another of {known}")
    return busiest


def _tell(outcome: SeriesOutcome, rules: Scenario, out: Path) -> None:
    """Print what it cost and what came over capacity, side by side."""
    from foretide.simulate.report.amounts import percent, usd

    scores = {run.policy: run.score for run in outcome.runs}
    names = {"foretide": "Foretide", "hpa": "HPA at 70 %", "oracle": "clairvoyant limit"}
    typer.echo(f"{'':18}{'cost':>10}{'over capacity':>16}{'instances':>12}")
    for policy, one in scores.items():
        typer.echo(
            f"{names[policy]:18}{usd(one.cost_usd):>10}{percent(one.violation_fraction):>16}"
            f"{one.mean_billed_count:>12.1f}"
        )
    saved = 1 - scores["foretide"].cost_usd / scores["hpa"].cost_usd
    verb = "less" if saved >= 0 else "more"
    typer.echo(
        f"Foretide cost {abs(saved):.0%} {verb} than the HPA; "
        f"{percent(rules.objective)} of requests were allowed over capacity."
    )
    typer.echo(f"report: {out / 'report.html'}")
