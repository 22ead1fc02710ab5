"""This file knows what would be different if one thing of a scenario were.

A price alone changes no decision, only what it costs, so nothing is played again for it; every
other change is played. `spot` buys the same fleet at a third of the price and loses instances.
"""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec

from foretide.errors import InputError, InvalidValueError
from foretide.simulate.faults import NO_FAULTS, Faults, InstanceLosses
from foretide.simulate.outcome import Front, Played, PolicyRun, SeriesOutcome, Sweep
from foretide.simulate.scenario import Scenario

BASE = "as it is"
SPOT = "spot"
SPOT_PRICE_FRACTION = 0.35  # of on-demand, what bids at its price came to on real markets
_OWN_PRICE = frozenset({"foretide", "oracle"})
SPOT_LOSSES = Faults(instance_losses=InstanceLosses())
KEYS = ("objective", "boot_s", "wake_s", "warm_price_fraction", "price_usd_per_hour")
_WRITTEN = re.compile(r"\s*([a-z_]+)\s*([=*/])\s*([0-9.eE+-]+)\s*")
_NAMES = {
    ("boot_s", "/", 2.0): "start-up halved",
    ("boot_s", "*", 2.0): "start-up doubled",
    ("price_usd_per_hour", "*", 2.0): "price doubled",
    ("objective", "/", 10.0): "objective ten times tighter",
    ("objective", "*", 10.0): "objective ten times looser",
    ("warm_price_fraction", "/", 2.0): "warm instances at half their price",
    ("warm_price_fraction", "=", 1.0): "no warm pool",
    ("warm_price_fraction", "=", 0.2): "a warm pool at a fifth of the price",
}


_PricedT = TypeVar("_PricedT", Front, Sweep)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that would be different.

    Parameters
    ----------
    name : str
        For a person, such as `price doubled`.
    scenario : Scenario
        The rules with it.
    faults : Faults
        What goes wrong with it.
    """

    name: str
    scenario: Scenario
    faults: Faults = NO_FAULTS

    def is_price_only(self, base: Scenario) -> bool:
        """Whether it leaves every decision as it was."""
        price = self.scenario.price_usd_per_hour
        same = msgspec.structs.replace(base, price_usd_per_hour=price)
        return self.scenario == same and self.faults == NO_FAULTS


def usual_changes(base: Scenario) -> list[Change]:
    """Return the changes to look at when nobody says which, those that are possible at all."""
    pool = (
        ["warm_price_fraction/2", "warm_price_fraction=1"]
        if base.has_warm_pool
        else ["warm_price_fraction=0.2"]
    )
    texts = ["boot_s/2", "boot_s*2", "price_usd_per_hour*2", "objective/10", "objective*10"]
    found: list[Change] = []
    for text in [*texts, *pool, SPOT]:
        try:
            found.append(change_of(text, base))
        except InputError:
            continue  # a tenfold objective may be more than everything
    return found


def change_of(text: str, base: Scenario) -> Change:
    """Return the change written as `boot_s=60`, `boot_s/2`, `price_usd_per_hour*2` or `spot`.

    Parameters
    ----------
    text : str
        A key of the scenario, what is done with it, and a number.
    base : Scenario
        What is changed.

    Raises
    ------
    InputError
        When it is no such text, or the scenario would be impossible.
    """
    if text == SPOT:
        price = base.price_usd_per_hour * SPOT_PRICE_FRACTION
        return Change(
            name=SPOT,
            scenario=msgspec.structs.replace(base, price_usd_per_hour=price),
            faults=SPOT_LOSSES,
        )
    written = _WRITTEN.fullmatch(text)
    if written is None or written[1] not in KEYS:
        raise InputError(
            f"--change {text}: write KEY=VALUE, KEY*FACTOR or KEY/FACTOR with one of "
            f"{', '.join(KEYS)}; or {SPOT}"
        )
    key, sign, number = written[1], written[2], _number(text, written[3])
    before = float(getattr(base, key))
    value = {"=": number, "*": before * number, "/": before / number if number else math.inf}[sign]
    try:
        changed = msgspec.convert(
            msgspec.to_builtins(base) | {key: float(f"{value:.12g}")}, Scenario
        )
    except (msgspec.ValidationError, InvalidValueError) as error:
        reason = str(error).partition(" - at ")[0]
        raise InputError(f"--change {text}: {key} would be {value:g} ({reason})") from None
    if changed == base:
        raise InputError(f"--change {text}: changes nothing; {key} is {before:g} already")
    return Change(name=_NAMES.get((key, sign, number), text.strip()), scenario=changed)


def _number(text: str, written: str) -> float:
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"--change {text}: {written} is no number; write one such as 0.5")
    return number


def repriced(base: Played, change: Change) -> Played:
    """Return what was played with another price: the same fleets, all money times a factor.

    Parameters
    ----------
    base : Played
        By the scenario as it is.
    change : Change
        One that changes the price only.
    """
    factor = change.scenario.price_usd_per_hour / base.scenario.price_usd_per_hour
    return Played(
        name=change.name,
        scenario=change.scenario,
        outcomes=tuple(_repriced(one, factor) for one in base.outcomes),
    )


def with_rivals_at(played: Played, price_usd_per_hour: float) -> Played:
    """Return what was played with everybody but Foretide paying another price.

    Parameters
    ----------
    played : Played
        By a scenario whose price Foretide alone gets, as on a spot market.
    price_usd_per_hour : float
        What the others pay.
    """
    factor = price_usd_per_hour / played.scenario.price_usd_per_hour

    def changed(outcome: SeriesOutcome) -> SeriesOutcome:
        runs = (run if run.policy in _OWN_PRICE else _run(run, factor) for run in outcome.runs)
        return msgspec.structs.replace(outcome, runs=tuple(runs))

    return msgspec.structs.replace(played, outcomes=tuple(map(changed, played.outcomes)))


def _repriced(outcome: SeriesOutcome, factor: float) -> SeriesOutcome:
    front = outcome.front
    return msgspec.structs.replace(
        outcome,
        runs=tuple(_run(run, factor) for run in outcome.runs),
        front=None if front is None else _times(front, factor),
        sweeps=tuple(_times(sweep, factor) for sweep in outcome.sweeps),
    )


def _run(run: PolicyRun, factor: float) -> PolicyRun:
    score = msgspec.structs.replace(run.score, cost_usd=run.score.cost_usd * factor)
    return msgspec.structs.replace(run, score=score)


def _times(one: _PricedT, factor: float) -> _PricedT:
    return msgspec.structs.replace(one, cost_usd=one.cost_usd * factor)
