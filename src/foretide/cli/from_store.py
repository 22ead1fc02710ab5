"""This file knows what of the store is to be forecast: apps, features, instants and clocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import typer

from foretide.cli.work import Work
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.config.settings import Config
    from foretide.forecast.base import Forecaster
    from foretide.model.calendar import Calendar
    from foretide.model.demand import Demand
    from foretide.store.reading import AppView
    from foretide.store.warehouse import Warehouse

_SHOWN_NAMES = 5


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a command, looked up in the store: an app, or one of its features."""

    app: str
    feature: str | None = None


def named_in(warehouse: Warehouse, words: Sequence[str]) -> list[Named]:
    """Return the apps and features that words such as `shop` and `shop/cart` name.

    Parameters
    ----------
    warehouse : Warehouse
        The store.
    words : sequence of str
        As typed; none names every app.

    Raises
    ------
    InputError
        When the store holds no demand, or none of that name.
    """
    apps = [view.name for view in warehouse.apps()]
    if not apps:
        raise InputError(f"--store {warehouse.path}: holds no demand; run `foretide import` first")
    if not words:
        return [Named(app=app) for app in apps]
    found: dict[Named, None] = {}
    for word in words:
        app, slash, feature = word.partition("/")
        if app not in apps:
            raise InputError(f"{word}: no file, and no app of the store ({_listed(apps)})")
        known = [view.name for view in warehouse.features(app)] if slash else []
        if slash and feature not in known:
            raise InputError(f"{word}: app {app} has no such feature; it has {_listed(known)}")
        found[Named(app=app, feature=feature if slash else None)] = None
    return [one for one in found if one.feature is None or Named(app=one.app) not in found]


def works_in(
    warehouse: Warehouse,
    names: Sequence[Named],
    forecaster: Forecaster,
    settings: Config,
    *,
    instants: tuple[datetime, ...],
    zone: ZoneInfo | None,
    step_s: int | None,
    horizon_s: int,
    is_serving: bool = False,
) -> list[Work]:
    """Return what is to be forecast of the store, one piece of work for each app.

    Parameters
    ----------
    warehouse : Warehouse
        The store.
    names : sequence of Named
        Which apps and features.
    forecaster : Forecaster
        Who is to forecast.
    settings : Config
        Tells the apps' time zones and calendars.
    instants : tuple of datetime
        When to issue; the end of each app's demand when empty.
    zone : ZoneInfo, optional
        By whose clock the users of all apps live; as configured when absent.
    step_s : int, optional
        Length of a bucket; each series' own when absent.
    horizon_s : int
        How far ahead.
    is_serving : bool
        Whether these are forecasts to go by: then young features are helped by the others, what
        was declared but never called is there too, and what was trained is used for the present
        (of the past it would know too much).
    """
    from foretide.control.newcomers import expected_only
    from foretide.control.recollection import recalling
    from foretide.forecast.special import calendared

    works: list[Work] = []
    for view in warehouse.apps():
        wanted = [one.feature for one in names if one.app == view.name]
        every = warehouse.demand(app=view.name, step_s=step_s) if wanted else []
        ids = {f"{view.name}/{feature}" for feature in wanted}
        demands = [one for one in every if None in wanted or one.series_id in ids]
        if not demands:
            continue
        calendar = _calendar(settings, view.name, zone, every, horizon_s)
        chosen = calendared(forecaster, calendar)
        at = instants or (end_of(view),)
        if is_serving:
            if not instants:
                chosen = _trained(chosen, forecaster, warehouse.path.parent / "models")
            ids_asked = [one.series_id for one in demands]
            chosen = recalling(warehouse, chosen, ids_asked, now=at[0])
            chosen = _helped(warehouse, settings, view.name, chosen, every)
            if None in wanted:
                demands += expected_only(settings, view.name, every, at[-1])
        works.append(
            Work(
                demands=tuple(demands),
                forecaster=chosen,
                instants=at,
                zone=ZoneInfo(calendar.timezone),
                calendar=calendar,
            )
        )
    return works


def _trained(calendared: Forecaster, plain: Forecaster, folder: Path) -> Forecaster:
    if not folder.is_dir():
        return calendared
    from foretide.control.champions import Champions, is_shared, served

    found = served(folder, calendared, is_global=is_shared(plain))
    for note in found.notes if isinstance(found, Champions) else ():
        typer.echo(f"foretide: {note}", err=True)
    return found


def _helped(
    warehouse: Warehouse,
    settings: Config,
    app: str,
    forecaster: Forecaster,
    demands: Sequence[Demand],
) -> Forecaster:
    from foretide.control.newcomers import helped, previous_of

    before = previous_of(settings, app)
    previous = warehouse.demand(app=before) if before else ()
    return helped(forecaster, config=settings, app=app, demands=demands, previous=previous)


def _calendar(
    settings: Config,
    app: str,
    zone: ZoneInfo | None,
    demands: Sequence[Demand],
    horizon_s: int,
) -> Calendar:
    from foretide.control.calendar import calendar_of, span_of

    first, last = span_of(demands, horizon_s)
    calendar = calendar_of(settings, app, first=first, last=last)
    return calendar if zone is None else msgspec.structs.replace(calendar, timezone=zone.key)


def end_of(view: AppView) -> datetime:
    """Return the end of the last bucket, of an app's own resolution, that holds something.

    Raises
    ------
    InputError
        When nothing of it is kept.
    """
    from foretide.model.instant import bucket_floor

    if view.last is None:
        raise InputError(f"{view.name}: holds no demand; run `foretide import` first")
    step = timedelta(seconds=view.resolution_s)
    return bucket_floor(view.last + step - timedelta(microseconds=1), view.resolution_s)


def store_of(store: Path | None, settings: Config, folder: Path) -> Path:
    """Return the store a person named, else that of the configuration."""
    return store if store is not None else folder / settings.store.path


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown}, ..." if len(names) > _SHOWN_NAMES else shown
