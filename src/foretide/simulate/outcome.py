"""This file knows what a backtest leaves behind for one series: the runs, and the limit."""

from __future__ import annotations

from datetime import datetime

import msgspec

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts, Score
from foretide.simulate.scenario import Scenario


class Band(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was expected of each minute one boot time before it.

    Parameters
    ----------
    low_rps, median_rps, high_rps : ndarray, shape (minutes,)
        5 %, 50 % and 95 % quantiles; NaN where no forecast could be made.
    """

    low_rps: FloatArray
    median_rps: FloatArray
    high_rps: FloatArray


class PolicyRun(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One policy's counts over the scored minutes, and its score.

    Parameters
    ----------
    policy : str
        Name as given on the command line.
    counts : Counts
        One entry per scored minute.
    score : Score
        What they came to.
    band : Band, optional
        The forecast the policy used, where it uses one.
    """

    policy: str
    counts: Counts
    score: Score
    band: Band | None = None


class Front(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The clairvoyant's trade-off between requests over capacity and cost.

    Parameters
    ----------
    violation_fraction, cost_usd : ndarray, shape (points,)
        Violation strictly rising, cost falling, convex; a policy can lie on or above it only.
    """

    violation_fraction: FloatArray
    cost_usd: FloatArray


class Sweep(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One rival played with every setting of its knob: what it could have come to.

    Parameters
    ----------
    name : str
        Name of the rival without a setting, such as `hpa`.
    settings : tuple of str
        The policies played, such as `hpa@0.5`.
    violation_fraction, cost_usd : ndarray, shape (settings,)
        What each came to over the scored minutes.
    """

    name: str
    settings: tuple[str, ...]
    violation_fraction: FloatArray
    cost_usd: FloatArray


class SeriesOutcome(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All that was played on one series.

    Parameters
    ----------
    series_id : str
        The series.
    start : datetime
        First scored minute, aware UTC; minutes follow each other without gaps.
    demand_rps : ndarray, shape (minutes,)
        Demand of the scored minutes, NaN where it was not observed.
    capacity_rps : float
        Requests/s of one instance.
    runs : tuple of PolicyRun
        In the order of the command line.
    front : Front, optional
        Where the oracle was asked for.
    sweeps : tuple of Sweep
        Rivals played with other settings besides, drawn and never scored.
    """

    series_id: str
    start: datetime
    demand_rps: FloatArray
    capacity_rps: float
    runs: tuple[PolicyRun, ...]
    front: Front | None = None
    sweeps: tuple[Sweep, ...] = ()


class Played(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All series, played by the rules of one scenario.

    Parameters
    ----------
    name : str
        What tells the scenario from the others of a comparison; empty where there is one.
    scenario : Scenario
        The rules.
    outcomes : tuple of SeriesOutcome
        One per series.
    """

    name: str
    scenario: Scenario
    outcomes: tuple[SeriesOutcome, ...]
