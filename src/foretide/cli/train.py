"""This file knows `foretide train`: teach what is due, judge what is on trial, say why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli import asked
from foretide.cli.durations import step_s as bucket_s
from foretide.cli.hands import hands_at_work
from foretide.cli.where import STORE_HELP
from foretide.cli.work import Hands, Work
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.config.settings import Config
    from foretide.control.outcome import Outcome
    from foretide.control.parts import PartMap
    from foretide.forecast.base import Forecaster

_SHOWN_MAX = 20
_WEEK_S = 7 * 86_400


def train(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|APP|APP/FEATURE]...",
            help="What of the store; or a table of demand, to rehearse on. [all of the store]",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Forecaster: fleet, prophet, prophet-tuned, gbm or lstm.")
    ] = "fleet",
    at: Annotated[
        str,
        typer.Option(help="Train as of this instant (ISO 8601 with a zone). [end of the data]"),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Train everything now and put it to use at once.")
    ] = False,
    since: Annotated[
        str, typer.Option(help="Of a file: first instant to rehearse. [4 weeks after its begin]")
    ] = "",
    timezone: Annotated[
        str,
        typer.Option(
            help="Time zone whose clock the users follow, such as Europe/Paris. [of a file UTC, "
            "of the store as configured]"
        ),
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="The configuration. [./foretide.toml if there is one]")
    ] = None,
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    step: Annotated[
        str, typer.Option(help="Of the store: length of a bucket, such as 1h. [each series' own]")
    ] = "",
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the work. [1, or as configured]")
    ] = None,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Address of a dask scheduler that shares the work, such as tcp://10.0.0.5:8786; "
            "needs foretide[dask]."
        ),
    ] = "",
) -> None:
    """Train the forecaster on what is due, judge challengers, and say what was done and why.

    What was trained is kept beside the store, version by version. Run it every hour, or once a
    day. With a table of demand it rehearses instead: it plays the weeks of that table hour by
    hour, says when it would have trained, and keeps nothing.
    """
    file = asked.table_among(what or [])
    instants = asked.instants([at] if at else [])
    zone = asked.zone(timezone) if timezone else None
    from foretide.control.lessons import trainable
    from foretide.forecasters.registry import forecaster

    chosen = trainable(forecaster(model))
    if file is not None:
        asked.refuse_beside(file, {"--store": store, "--step": step, "--force": force or None})
        from foretide.cli.rehearse import rehearse

        rehearse(
            file, chosen, since=since, until=instants, zone=zone,
            hands=Hands(workers=1 if workers is None else workers, scheduler=scheduler),
        )  # fmt: skip
        return
    if since:
        raise InputError(f"--since {since}: goes with a table of demand to rehearse on; drop it")
    settings, folder = asked.settings_of(config)
    from foretide.cli.from_store import named_in, store_of, works_in
    from foretide.store.warehouse import Warehouse

    path = store_of(store, settings, folder)
    with Warehouse(path) as warehouse:
        works = works_in(
            warehouse, named_in(warehouse, what or []), chosen, settings,
            instants=instants, zone=zone, horizon_s=_WEEK_S,
            step_s=bucket_s("--step", step) if step else None,
        )  # fmt: skip
    with hands_at_work(_hands(workers, scheduler, settings), "training") as mapped:
        done = [
            one
            for work in works
            for one in _beat(work, chosen, path.parent / "models", mapped, is_asked=force)
        ]
    _print(done, model)


def _hands(workers: int | None, scheduler: str, settings: Config) -> Hands:
    return Hands(
        workers=settings.forecast.workers if workers is None else workers,
        scheduler=scheduler or settings.forecast.scheduler or "",
    )


def _beat(
    work: Work, chosen: Forecaster, folder: Path, mapped: PartMap, *, is_asked: bool
) -> list[Outcome]:
    from foretide.control.champions import Champions, is_shared
    from foretide.control.lessons import trainable
    from foretide.control.train import beat
    from foretide.store.models import Registry

    registry = Registry(folder)
    champions = Champions(registry, trainable(work.forecaster), is_shared=is_shared(chosen))
    now = work.instants[0]
    first = min(one.start + timedelta(seconds=one.step_s) for one in work.demands)
    if now < first:
        raise InputError(
            f"--at {now.isoformat()}: no bucket had ended by then; "
            f"the first ended at {first.isoformat()}"
        )
    done = beat(
        champions, registry, work.demands, now=now, timezone=work.zone, mapped=mapped,
        is_asked=is_asked,
    )  # fmt: skip
    for note in done.notes:
        typer.echo(f"foretide: {note}", err=True)
    return list(done.outcomes)


def _print(outcomes: Sequence[Outcome], model: str) -> None:
    from collections import Counter

    from foretide.cli.train_words import said, verb

    # what was done first, what was left alone last
    ranked = sorted(outcomes, key=lambda one: verb(one) == "kept")
    for one in ranked[:_SHOWN_MAX]:
        typer.echo(f"{one.unit}: {said(one)}")
    if len(ranked) > _SHOWN_MAX:
        typer.echo(f"... and {len(ranked) - _SHOWN_MAX:,} more")
    counts = Counter(map(verb, ranked))
    typer.echo(f"{model}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
