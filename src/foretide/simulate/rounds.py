"""This file knows how every series is played by the rules of every scenario, several at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec

from foretide.model.demand import Demand
from foretide.simulate.backtest import backtest
from foretide.simulate.faults import NO_FAULTS, Faults
from foretide.simulate.outcome import Played, SeriesOutcome
from foretide.simulate.record import journal_path
from foretide.simulate.scenario import Scenario
from foretide.store.journal import FileJournal

Progress = Callable[[float], None]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a series is played by.

    Parameters
    ----------
    scenario : Scenario
        Prices, lead times and the objective.
    faults : Faults
        What goes wrong.
    """

    scenario: Scenario
    faults: Faults = NO_FAULTS


class _Round(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # One series by the rules of one scenario.
    demand: Demand
    rules: Rules
    policies: tuple[str, ...]
    journal: Path
    is_swept: bool


def play_scenarios(
    demands: Sequence[Demand],
    scenarios: dict[str, Rules],
    *,
    policies: Sequence[str],
    folder: Path,
    jobs: int = 0,
    is_swept: bool = False,
    progress: Progress = lambda _done: None,
) -> list[Played]:
    """Play policies on several series by several scenarios, as many at once as there are cores.

    Parameters
    ----------
    demands : sequence of Demand
        The series.
    scenarios : dict of str to Rules
        The rules, by what tells them apart.
    policies : sequence of str
        As of `backtest`.
    folder : Path
        Below it the journal of each series is written anew.
    jobs : int
        Played at once; 0 = one per core.
    is_swept : bool
        Whether rivals that have a target are played with every other one besides.
    progress : callable
        Told how many series are done, of all scenarios together; with fractions while one process
        plays alone.

    Returns
    -------
    list of Played
        In the order of `scenarios`, each in that of `demands`, whatever order they ended in.
    """
    rounds = [
        _Round(
            demand=demand,
            rules=rules,
            policies=tuple(policies),
            journal=journal_path(folder, demand.series_id, name if len(scenarios) > 1 else ""),
            is_swept=is_swept,
        )
        for name, rules in scenarios.items()
        for demand in demands
    ]
    outcomes = _played(rounds, min(jobs or os.cpu_count() or 1, len(rounds)), progress)
    return [
        Played(
            name=name,
            scenario=rules.scenario,
            outcomes=tuple(outcomes[at * len(demands) : (at + 1) * len(demands)]),
        )
        for at, (name, rules) in enumerate(scenarios.items())
    ]


def play_all(
    demands: Sequence[Demand],
    *,
    scenario: Scenario,
    policies: Sequence[str],
    folder: Path,
    jobs: int = 0,
    progress: Progress = lambda _done: None,
) -> list[SeriesOutcome]:
    """Play policies on several series by one scenario; see `play_scenarios`."""
    (played,) = play_scenarios(
        demands,
        {"": Rules(scenario=scenario)},
        policies=policies,
        folder=folder,
        jobs=jobs,
        progress=progress,
    )
    return list(played.outcomes)


def _played(rounds: Sequence[_Round], jobs: int, progress: Progress) -> list[SeriesOutcome]:
    if jobs <= 1:
        outcomes: list[SeriesOutcome] = []
        for done, one in enumerate(rounds):
            outcomes.append(_play(one, lambda fraction, done=done: progress(done + fraction)))
        progress(len(rounds))
        return outcomes
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        begun = [pool.submit(_play, one) for one in rounds]
        for done, _ in enumerate(as_completed(begun), 1):
            progress(done)
        return [future.result() for future in begun]


def _play(one: _Round, progress: Progress = lambda _fraction: None) -> SeriesOutcome:
    one.journal.unlink(missing_ok=True)
    with FileJournal(one.journal, is_durable=False) as journal:
        return backtest(
            one.demand, scenario=one.rules.scenario, policies=one.policies, journal=journal,
            faults=one.rules.faults, is_swept=one.is_swept, progress=progress,
        )  # fmt: skip
