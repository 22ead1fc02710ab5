"""This file knows what is said of behaviour: what it gains, and what stands behind a forecast."""

from __future__ import annotations

from datetime import datetime

import msgspec

SESSIONS_MIN = 20  # of fewer sessions nothing is shown


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """What knowing sessions was worth for one feature at one lead.

    Parameters
    ----------
    feature : str
        The feature.
    lead_min : int
        Minutes ahead.
    calls_per_min : float
        How often it was called in the minutes judged.
    with_wql, without_wql : float
        Loss of the forecast with and without sessions, chosen by the same selector.
    baseline_wql : float
        The better of the last value and what is usual at the present level.
    trusted : str
        The candidate most trusted at the end.
    trusted_fraction : float
        What part of the forecast it then made, 0 ... 1.
    """

    feature: str
    lead_min: int
    calls_per_min: float
    with_wql: float
    without_wql: float
    baseline_wql: float
    trusted: str
    trusted_fraction: float

    @property
    def gain_fraction(self) -> float:
        """How much of the loss sessions take away; below 0 they add to it."""
        return 1.0 - self.with_wql / self.without_wql if self.without_wql else 0.0


class BehaviourGain(msgspec.Struct, frozen=True, kw_only=True):
    """What behaviour was worth for one app.

    Parameters
    ----------
    app : str
        The app.
    has_sessions : bool
        Whether its calls name their sessions; else other features' last calls took their place.
    minutes : int
        Minutes judged: the later half of those known.
    gains : tuple of Gain
        By feature, most called first, then by lead; empty with too little history.
    note : str
        Why there is nothing, or what was left out; empty where nothing needs saying.
    """

    app: str
    has_sessions: bool
    minutes: int
    gains: tuple[Gain, ...]
    note: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions from which calls are expected.

    Parameters
    ----------
    feature : str
        What they called last.
    from_min, to_min : int
        How long ago, in minutes.
    sessions : int
        How many there are, at least 20.
    calls : float
        Expected calls of them.
    """

    feature: str
    from_min: int
    to_min: int
    sessions: int
    calls: float


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the forecast of one feature at one lead.

    Parameters
    ----------
    feature : str
        The feature.
    lead_min : int
        Minutes ahead.
    calls : float
        Calls expected in that minute from sessions here and from those yet to begin.
    arriving_calls : float
        Of these, from sessions yet to begin.
    sources : tuple of Source
        The rest, by what sessions did, the largest first; groups under 20 sessions are left out.
    trusted_fraction : float
        What part of the forecast is made with sessions, 0 ... 1.
    """

    feature: str
    lead_min: int
    calls: float
    arriving_calls: float
    sources: tuple[Source, ...]
    trusted_fraction: float


class BehaviourBehind(msgspec.Struct, frozen=True, kw_only=True):
    """What behaviour moves the next hour of an app.

    Parameters
    ----------
    app : str
        The app.
    at : datetime
        End of the last minute known.
    behinds : tuple of Behind
        By feature and lead.
    note : str
        Why there is nothing; empty where nothing needs saying.
    """

    app: str
    at: datetime
    behinds: tuple[Behind, ...]
    note: str = ""
