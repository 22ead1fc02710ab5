"""This file knows `foretide plan`: one heartbeat in shadow, on the store's demand, with reasons."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.errors import ConfigError, InputError

if TYPE_CHECKING:
    from foretide.config.settings import Config, ServiceConfig
    from foretide.model.demand import Demand


def plan(
    service: Annotated[str, typer.Argument(help="A [service.NAME] of the configuration.")] = "",
    config: Annotated[Path, typer.Option(help="The configuration.")] = Path("foretide.toml"),
    at: Annotated[
        str, typer.Option(help="Plan for this instant (ISO 8601 with a zone). [end of the data]")
    ] = "",
    serving: Annotated[int, typer.Option(help="Instances that serve now.")] = 1,
    warm: Annotated[int, typer.Option(help="Instances that are held warm now.")] = 0,
    everyone: Annotated[
        bool, typer.Option("--all", help="Plan all services, within [budget].")
    ] = False,
    fleet: Annotated[
        list[str] | None,
        typer.Option(help="With --all: what runs now, such as web=4+2 for 4 serving, 2 warm."),
    ] = None,
) -> None:
    """Say what a service's fleet should be now, and why; nothing is changed.

    Plans from the demand in the store, as if the fleet were the one given, and appends the
    decision to the journal beside the store. With --all every service is planned, and what they
    share is divided among them.
    """
    _check_words(service, serving, warm, is_all=everyone, fleets=fleet or [])
    if everyone:
        _plan_all(config, at, fleet or [])
    else:
        _plan_one(service, config, at, serving, warm)


def _check_words(service: str, serving: int, warm: int, *, is_all: bool, fleets: list[str]) -> None:
    if is_all and service:
        raise InputError(f"plan {service} --all: name one service or give --all, not both")
    if is_all and (serving, warm) != (1, 0):
        raise InputError("--all: say what runs by --fleet, such as --fleet web=4+2")
    if not is_all and fleets:
        raise InputError(f"--fleet {fleets[0]}: goes with --all; give --serving and --warm")
    if not is_all and not service:
        raise InputError("Missing argument 'service': name a [service.NAME], or give --all")
    for flag, count in (("--serving", serving), ("--warm", warm)):
        if count < 0:
            raise InputError(f"{flag} {count}: must be 0 or more")


def _plan_all(config: Path, at: str, fleets: list[str]) -> None:
    from foretide.cli.plan_all import plan_all
    from foretide.config.load import read_config
    from foretide.demand.total import by_the_minute

    settings = read_config(config)
    if not settings.services:
        raise ConfigError(f"{config}: no [service.NAME]; add one, see `foretide init`")
    store = config.parent / settings.store.path
    demands = {name: by_the_minute(_demand(store, one)) for name, one in settings.services.items()}
    plan_all(config, at, fleets, demands)


def _plan_one(service: str, config: Path, at: str, serving: int, warm: int) -> None:
    from foretide.cli.words import describe
    from foretide.config.load import read_config
    from foretide.control.calendar import calendar_of
    from foretide.control.lookahead import Lookahead
    from foretide.control.service import policy_from
    from foretide.control.tick import Beat, tick
    from foretide.demand.total import by_the_minute
    from foretide.model.instant import parse_instant
    from foretide.simulate.world import SimulatedPlatform
    from foretide.store.journal import FileJournal

    settings = read_config(config)
    chosen = _service(settings, service, config)
    policy = policy_from(service, chosen, version="v1")
    store = config.parent / settings.store.path
    demand = by_the_minute(_demand(store, chosen))
    now = parse_instant("--at", at) if at else demand.end
    known = demand.until(now)
    if not len(known.values):
        raise InputError(f"--at {now.isoformat()}: no demand of {chosen.app} is known by then")
    platform = SimulatedPlatform(
        service, start=now, boot_s=policy.boot_s, serving_count=serving, warm_count=warm
    )
    calendar = calendar_of(settings, chosen.app, first=known.start, last=now + timedelta(days=2))
    outlook = Lookahead(policy, known, calendar=calendar)  # refused before anything is written
    with FileJournal(store.parent / "journal" / f"{service}.jsonl") as journal:
        beat = tick(
            now, policy=policy, platform=platform, outlook=outlook, journal=journal,
            before=Beat(), is_acting=False,
        )  # fmt: skip
    if beat.plan is not None:
        _print(now, beat.plan.serving_count, beat.plan.warm_count, describe(beat.plan.decision))
        for action in beat.plan.actions:
            target = getattr(action, "instance_id", "")
            typer.echo(f"  {type(action).__name__.lower()} {target}".rstrip())


def _print(now: datetime, serving: int, warm: int, sentence: str) -> None:
    typer.echo(f"{now.isoformat()}: {serving} serving, {warm} warm")
    typer.echo(sentence)


def _service(settings: Config, name: str, path: Path) -> ServiceConfig:
    try:
        return settings.services[name]
    except KeyError:
        known = ", ".join(settings.services) or "none"
        raise ConfigError(f"{path}: no [service.{name}]; there is {known}") from None


def _demand(store: Path, service: ServiceConfig) -> Demand:
    """Return the demand of all features of a service together."""
    from foretide.demand.total import summed
    from foretide.store.warehouse import Warehouse

    with Warehouse(store) as warehouse:
        if not service.features:
            found = warehouse.demand(app=service.app, is_total=True)
        else:
            found = [
                one
                for feature in service.features
                for one in warehouse.demand(app=service.app, feature=feature)
            ]
    if not found:
        raise InputError(f"{store}: no demand of app {service.app}; run `foretide import` first")
    return summed(service.app, found)
