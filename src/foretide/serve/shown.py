"""This file knows what the live page is told, once a second: everything it shows, as one value."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Values evenly spaced in time.

    Parameters
    ----------
    start : datetime
        Of the first, aware UTC.
    step_s : int
        Seconds between two of them.
    values : tuple of (float or None)
        None where there is none.
    """

    start: datetime
    step_s: int
    values: tuple[float | None, ...]


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """What is or was expected: nine times in ten between low and high.

    Parameters
    ----------
    low, median, high : Line
        5, 50 and 95 % quantiles, in requests/s.
    """

    low: Line
    median: Line
    high: Line


class FleetLines(msgspec.Struct, frozen=True, kw_only=True):
    """Instances by what they did, minute by minute.

    Parameters
    ----------
    serving, leaving, warm, booting : Line
        Foretide's; what is leaving finishes its requests, to be parked or to end.
    needed : Line
        What demand would have filled.
    rival : Line
        What the HPA would have had serving.
    """

    serving: Line
    leaving: Line
    warm: Line
    booting: Line
    needed: Line
    rival: Line


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One instance.

    Parameters
    ----------
    name : str
        Its id.
    state : str
        As `InstanceState` names it.
    """

    name: str
    state: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy has come to so far.

    Parameters
    ----------
    name : str
        As it is shown.
    cost_usd : float
        By the scenario's prices.
    failed_fraction : float
        Failed requests / all requests.
    is_calculated : bool
        Whether it did not run, and its figures are computed from the same requests.
    """

    name: str
    cost_usd: float
    failed_fraction: float
    is_calculated: bool


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that changed something.

    Parameters
    ----------
    at : datetime
        When, aware UTC.
    done : str
        What was asked for, such as "2 launched, 1 promoted".
    why : str
        The reason with its numbers.
    """

    at: datetime
    done: str
    why: str


class LeadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A measured lead time.

    Parameters
    ----------
    name : str
        Of what, such as "launch to ready".
    p50_s, p90_s : float, optional
        In seconds of the machine; None where unmeasured.
    count : int
        How many were measured.
    """

    name: str
    p50_s: float | None
    p90_s: float | None
    count: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All that the live page shows.

    Parameters
    ----------
    title, about : str
        What is played, and by what scale.
    at, start, end : datetime
        Now, the beginning and the end of what is played, aware UTC.
    is_over : bool
        Whether nothing will change any more.
    demand : Line
        Requests/s, up to now.
    said : Range
        What was expected of each minute, one boot before it.
    next : Range
        What is expected of the next minutes.
    outline : Line
        What was expected of the whole at the beginning.
    fleet : FleetLines
        Instances, minute by minute.
    served, failed : Line
        Real requests in each minute.
    cells : tuple of Cell
        The instances of now, oldest first.
    sent_count, served_count, refused_count, broken_count : int
        Requests so far; refused by a full instance, and broken without an answer.
    demand_rps : float, optional
        Of the last minute.
    planned_serving_count, planned_warm_count : int
        What the fleet becomes once all that was decided is done.
    standings : tuple of Figures
        Foretide's first.
    deeds : tuple of Deed
        Newest first.
    leads : tuple of LeadRow
        Measured lead times.
    reason : str
        The latest decision in words.
    notes : tuple of str
        What a person has to know besides.
    """

    title: str
    about: str
    at: datetime
    start: datetime
    end: datetime
    is_over: bool
    demand: Line
    said: Range
    next: Range
    outline: Line
    fleet: FleetLines
    served: Line
    failed: Line
    cells: tuple[Cell, ...]
    sent_count: int
    served_count: int
    refused_count: int
    broken_count: int
    demand_rps: float | None
    planned_serving_count: int
    planned_warm_count: int
    standings: tuple[Figures, ...]
    deeds: tuple[Deed, ...]
    leads: tuple[LeadRow, ...]
    reason: str
    notes: tuple[str, ...]
