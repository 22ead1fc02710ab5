"""This file knows what a beat of learning tells of what it did."""

from __future__ import annotations

from datetime import datetime

import msgspec

from foretide.forecast.evidence import Evidence
from foretide.forecast.retrain import Decision


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided on one unit in a beat, and what came of it.

    Parameters
    ----------
    at : datetime
        When.
    unit : str
        A series, or an app whose series share a model.
    decision : Keep, Retrain, Challenge, Judge or Reconform
    evidence : Evidence, optional
        The numbers it rests on; none at the first training.
    interval_s : float
        T from now on.
    has_won : bool, optional
        Whether the challenger serves from now on, where one was judged.
    loss_ratio : float, optional
        Its loss over the champion's on trial.
    """

    at: datetime
    unit: str
    decision: Decision
    interval_s: float
    evidence: Evidence | None = None
    has_won: bool | None = None
    loss_ratio: float | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What one beat did.

    Parameters
    ----------
    outcomes : tuple of Outcome
        One per unit, in the order of their first series.
    notes : tuple of str
        What was found damaged, and what serves instead.
    """

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
