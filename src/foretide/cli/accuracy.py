"""This file knows `foretide accuracy`: what past forecasts were worth, once all had happened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from foretide.cli import asked
from foretide.cli.durations import duration_s
from foretide.cli.from_file import Place, demands_of_file
from foretide.cli.where import STORE_HELP
from foretide.cli.work import progress
from foretide.errors import InputError, InvalidValueError

if TYPE_CHECKING:
    from foretide.cli.from_store import Named
    from foretide.model.accuracy import Kept, Score, Scored
    from foretide.model.behaviour import BehaviourGain
    from foretide.store.scores import IssuedCount
    from foretide.store.warehouse import Warehouse

By = Literal["horizon", "class", "feature", "model"]
Class = Literal["young", "sparse", "drifting", "bursty", "weekly", "regular", "irregular"]
Counts = dict[tuple[str, str], int]  # forecasts issued, by key and forecaster
_ORIGINS = 7


def accuracy(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|APP|APP/FEATURE]...",
            help="What of the store, or Parquet or CSV with series_id, ts, value. [all of the "
            "store]",
        ),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="What to keep apart. [one feature: horizon; a file: model; else feature]"
        ),
    ] = None,
    series_class: Annotated[
        Class | None, typer.Option("--class", help="Only series that were of this class.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Only demand from here: 7d, or ISO 8601 with a zone. [all]")
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this forecaster; repeats. [of the store all, of a file fleet and "
            "seasonal-naive]"
        ),
    ] = None,
    behaviour: Annotated[
        bool,
        typer.Option("--behaviour", help="What knowing sessions is worth, by feature and lead."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="The configuration. [./foretide.toml if there is one]")
    ] = None,
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    origins: Annotated[
        int, typer.Option(help="Of a file: how often to forecast, a day apart.")
    ] = _ORIGINS,
    horizon: Annotated[str, typer.Option(help="Of a file: how far ahead, 24h to 168h.")] = "24h",
    timezone: Annotated[str, typer.Option(help="Of a file: its users' time zone.")] = "UTC",
    country: Annotated[
        str, typer.Option(help="Of a file: whose holidays its users keep, such as US.")
    ] = "",
    subdivision: Annotated[
        str, typer.Option(help="Of a file: which part of the country, such as NY.")
    ] = "",
) -> None:
    """Show what forecasts were worth: their error, their skill and whether their intervals held.

    Scores every kept forecast whose time has come and shows all scores. With a file, forecasts its
    past again and again instead, so that models can be judged side by side before they are trusted.
    With `--behaviour`, shows by how much knowing users' sessions lowers the error of the next hour.
    """  # fmt: skip
    file = asked.table_among(what or [])
    horizon_s = asked.horizon_s(horizon)
    if file is not None:
        asked.refuse_beside(
            file, {"--store": store, "--since": since, "--behaviour": behaviour or None}
        )
        place = Place(zone=asked.zone(timezone), country=country, subdivision=subdivision)
        if origins < 1:
            raise InputError(f"--origins {origins}: must be at least 1, such as {_ORIGINS}")
        wanted = _Wanted(
            by=by or "model", series_class=series_class, since=None,
            models=model or ["fleet", "seasonal-naive"],
        )  # fmt: skip
        _print(_of_file(file, wanted, origins, horizon_s, place), {}, wanted.by, is_json=as_json)
        return
    asked.refuse_without_file({"--country": country, "--subdivision": subdivision})
    from foretide.cli.from_store import named_in, store_of
    from foretide.control.clock import WallClock
    from foretide.control.scoring import score_matured
    from foretide.store.warehouse import Warehouse

    now = WallClock().now()
    begin = _since(since, now) if since else None
    settings, folder = asked.settings_of(config)
    with Warehouse(store_of(store, settings, folder)) as warehouse:
        names = named_in(warehouse, what or [])
        if behaviour:
            _print_behaviour(warehouse, names, is_json=as_json)
            return
        with progress("scoring what has come to be") as moved:
            score_matured(warehouse, now, progress=moved)
        one_feature = len(names) == 1 and names[0].feature is not None
        wanted = _Wanted(
            by=by or ("horizon" if one_feature else "feature"),
            series_class=series_class, since=begin, models=model or [],
        )  # fmt: skip
        scored, issued = _of_store(warehouse, names, wanted)
    _print(scored, issued, wanted.by, is_json=as_json)


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    by: By
    series_class: str | None
    since: datetime | None
    models: Sequence[str]

    def is_of(self, model: str) -> bool:
        """Return whether a forecaster is asked for."""
        return not self.models or model in self.models

    @property
    def said(self) -> str:
        """What narrows the question, in words."""
        by = f" by {' or '.join(self.models)}" if self.models else ""
        of = f" of class {self.series_class}" if self.series_class else ""
        begun = f" begun since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return by + of + begun


def _print_behaviour(warehouse: Warehouse, names: Sequence[Named], *, is_json: bool) -> None:
    from foretide.cli.behaviour import behaviour_gain, gain_lines

    apps = [view for view in warehouse.apps() if any(one.app == view.name for one in names)]
    told = [view.name for view in apps if view.events] or [view.name for view in apps]
    gains: list[BehaviourGain] = []
    for app in told:
        with progress(f"watching the sessions of {app}") as moved:
            gains.append(behaviour_gain(warehouse, app, on_progress=moved))
    if is_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(gains), indent=2).decode())
        return
    for gain in gains:
        for feature in [one.feature for one in names if one.app == gain.app]:
            for line in gain_lines(gain, feature=feature):
                typer.echo(line)
    silent = [view.name for view in apps if view.name not in told]
    if silent:
        typer.echo(f"no events, so nothing is known of sessions: {', '.join(silent)}")


def _since(text: str, now: datetime) -> datetime:
    if re.fullmatch(r"\s*\d+\s*[a-z]+\s*", text):
        return now - timedelta(seconds=duration_s("--since", text))
    return asked.instants([text], "--since")[0]


def _of_store(
    warehouse: Warehouse, names: Sequence[Named], wanted: _Wanted
) -> tuple[list[Scored], Counts]:
    from foretide.store.scores import ScoresAsked

    scored: list[Scored] = []
    issued: Counts = {}
    for name in names:
        sought = ScoresAsked(
            app=name.app, feature=name.feature, since=wanted.since, by=wanted.by,
            series_class=wanted.series_class,
        )  # fmt: skip
        scored += [one for one in warehouse.scores(sought) if wanted.is_of(one.model)]
        for one in warehouse.issued(sought):
            for key in _keys(one, wanted.by) if wanted.is_of(one.model) else ():
                issued[key, one.model] = issued.get((key, one.model), 0) + one.count
    if not issued:
        raise InputError(
            f"--store {warehouse.path}: keeps no such forecast{wanted.said}; "
            "run `foretide forecast` and come back when demand has come in"
        )
    return scored, issued


def _keys(one: IssuedCount, by: By) -> list[str]:
    if by == "horizon":
        return [str(day + 1) for day in range(one.days)]
    return [{"feature": one.series_id, "class": one.series_class}.get(by, one.model)]


def _of_file(file: Path, wanted: _Wanted, count: int, horizon_s: int, place: Place) -> list[Scored]:
    from foretide.control.rolling import judged, origins, summed
    from foretide.forecasters.registry import forecaster

    chosen = [forecaster(name) for name in dict.fromkeys(wanted.models)]
    demands, calendar = demands_of_file(file, place, horizon_s=horizon_s)
    try:
        instants = origins(demands, count=count, horizon_s=horizon_s)
    except InvalidValueError as error:
        raise InputError(f"{file}: --{error}") from None
    if not calendar.is_empty:
        from foretide.forecast.special import calendared

        chosen = [calendared(one, calendar) for one in chosen]
    with progress("forecasting the past") as moved:
        found = judged(
            demands, chosen,
            origins=instants, horizon_s=horizon_s, timezone=place.zone, progress=moved,
        )  # fmt: skip
        of_class = (
            one for one in found if wanted.series_class in {None, one.kept.series_class.value}
        )
        return summed(of_class, lambda kept, score: _key(kept, score, wanted.by))


def _key(kept: Kept, score: Score, by: By) -> str:
    match by:
        case "horizon":
            return str(score.day)
        case "class":
            return kept.series_class.value
        case "feature":
            return kept.forecast.series_id
        case "model":
            return kept.forecast.model


def _print(scored: Sequence[Scored], issued: Counts, by: By, *, is_json: bool) -> None:
    from foretide.cli.accuracy_table import as_json, ordered, table_lines
    from foretide.forecast.standing import standings, unscored

    rows = standings(scored)
    there = {(one.key, one.model) for one in rows}
    rows += [unscored(key, model) for key, model in issued if (key, model) not in there]
    rows = ordered(rows, by)
    if is_json:
        typer.echo(as_json(rows, issued, by))
        return
    for line in table_lines(rows, issued, by):
        typer.echo(line)
    if not scored:
        typer.echo("nothing is scored yet: no demand has come in since the first forecast began")
