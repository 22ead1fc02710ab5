"""This file knows `foretide plan --all`: one heartbeat of all services, which share a budget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from foretide.errors import ConfigError, InputError

if TYPE_CHECKING:
    from foretide.config.budget import BudgetConfig
    from foretide.config.settings import Config
    from foretide.control.heartbeat import Pulse
    from foretide.model.demand import Demand

_FLEET = re.compile(r"(?P<name>[^=]+)=(?P<serving>\d+)(\+(?P<warm>\d+))?")


def plan_all(path: Path, at: str, fleets: Sequence[str], demands: Mapping[str, Demand]) -> None:
    """Say what every service's fleet should be now under the budget, and why.

    Parameters
    ----------
    path : Path
        The configuration.
    at : str
        The instant; empty: where the first demand ends.
    fleets : sequence of str
        `NAME=SERVING` or `NAME=SERVING+WARM`: what runs now; a service that is not named has its
        least.
    demands : mapping of str to Demand
        What the store knows, by service.
    """
    from foretide.config.load import read_config
    from foretide.control.calendar import calendar_of
    from foretide.control.heartbeat import Charge, Pulse, heartbeat
    from foretide.control.lookahead import Lookahead
    from foretide.control.service import policy_from
    from foretide.model.instant import parse_instant
    from foretide.plan.budget import Budget
    from foretide.simulate.world import SimulatedPlatform
    from foretide.store.journal import FileJournal

    settings = read_config(path)
    running = _running(settings, fleets)
    now = parse_instant("--at", at) if at else min(one.end for one in demands.values())
    folder = path.parent / settings.store.path
    with ExitStack() as open_journals:
        made = list[tuple[str, SimulatedPlatform, Lookahead]]()
        for name, service in settings.services.items():
            policy = policy_from(name, service, version="v1")
            known = demands[name].until(now)
            if not len(known.values):
                raise InputError(f"--at {now.isoformat()}: no demand of {name} is known by then")
            last = now + timedelta(days=2)
            calendar = calendar_of(settings, service.app, first=known.start, last=last)
            serving, warm = running[name]
            platform = SimulatedPlatform(
                name, start=now, boot_s=policy.boot_s, serving_count=serving, warm_count=warm
            )
            made.append((name, platform, Lookahead(policy, known, calendar=calendar)))
        # all that may be refused has been: from here on it is written down
        charges = [
            Charge(
                policy=policy_from(name, settings.services[name], version="v1"),
                platform=platform,
                outlook=outlook,
                journal=open_journals.enter_context(
                    FileJournal(folder.parent / "journal" / f"{name}.jsonl")
                ),
                priority=settings.services[name].priority,
            )
            for name, platform, outlook in made
        ]
        budget = Budget(
            instance_count=settings.budget.instances, usd_per_hour=settings.budget.usd_per_hour
        )
        pulse = heartbeat(now, charges, budget=budget, before=Pulse())
    typer.echo(now.isoformat())
    for line in (*_lines(pulse), *_budget_lines(pulse, settings.budget)):
        typer.echo(line)


def _running(settings: Config, fleets: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many of each service serve and are warm."""
    running = {name: (one.min_instances, 0) for name, one in settings.services.items()}
    for text in fleets:
        found = _FLEET.fullmatch(text)
        if found is None:
            raise InputError(f"--fleet {text}: write NAME=SERVING+WARM, such as web=4+2")
        if found["name"] not in running:
            known = ", ".join(running)
            raise ConfigError(f"--fleet {text}: no [service.{found['name']}]; there is {known}")
        running[found["name"]] = int(found["serving"]), int(found["warm"] or 0)
    return running


def _lines(pulse: Pulse) -> Iterator[str]:
    from foretide.cli.words import describe

    for name, beat in pulse.beats.items():
        if beat.plan is not None:
            counts = f"{beat.plan.serving_count} serving, {beat.plan.warm_count} warm"
            yield f"{name}: {counts}. {describe(beat.plan.decision)}"


def _budget_lines(pulse: Pulse, budget: BudgetConfig) -> Iterator[str]:
    division = pulse.division
    if division is None or (budget.instances is None and budget.usd_per_hour is None):
        return
    shares = [
        *([] if budget.instances is None else [f"of {budget.instances} instances"]),
        *([] if budget.usd_per_hour is None else [f"of {budget.usd_per_hour:g} USD/h"]),
    ]
    yield (
        f"Budget {' and '.join(shares)}: at most {division.instance_count} instances for "
        f"{division.usd_per_hour:.2f} USD/h are allowed now."
    )
    if division.is_over:
        yield "What runs already, or must, takes more than the budget: nothing grows."
    for share in division.shares:
        if share.cut_count:
            yield (
                f"{share.service} would have liked {share.cut_count} more; the first of them "
                f"would be worth {share.cut_worth:.3g} times its price."
            )
