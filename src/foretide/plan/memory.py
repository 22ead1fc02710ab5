"""This file knows what a plan is made from beside fleet and forecast, and what it leaves."""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.plan import Choice
from foretide.plan.reconcile import Ledger
from foretide.plan.refresh import Refresh
from foretide.plan.track import Track


class RecentDemand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last closed buckets of a service's demand.

    Parameters
    ----------
    last_rps, previous_rps : float, optional
        The last bucket and the one before it; None where it was not observed.
    age_s : float, optional
        Seconds since the end of the last observed bucket; None when there never was one.
    step_s : int
        Length of a bucket in seconds.
    delay_s : float
        99 % quantile of the time the source takes to tell of a bucket, >= 0.
    """

    last_rps: float | None
    previous_rps: float | None
    age_s: float | None
    step_s: int
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        for field in ("last_rps", "previous_rps"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidValueError(f"{field} must be finite and >= 0 or None, was {value}")


class Circumstances(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What else a plan must heed, as the one who asks for it knows.

    Parameters
    ----------
    ceiling_count : int, optional
        Instances a shared budget leaves this service: stops growth, never removes.
    is_update_in_flight : bool
        Whether a batch of instances is being updated: nothing is removed meanwhile.
    is_acting : bool
        Whether the plan's actions will be done; False in shadow.
    aggressiveness : float
        How much of what the forecast runs above its own median is run, in [0, 1]; less when its
        skill has fallen. What there is in all is not touched by it.
    refused : tuple of str
        Instances whose launch the platform refused after the plan before.
    boot_s : float, optional
        Lead time of a cold launch as measured, > 0, which takes the policy's place.
    may_refresh : bool
        Whether warm instances of another version than the policy's are to be replaced.
    """

    ceiling_count: int | None = None
    is_update_in_flight: bool = False
    is_acting: bool = True
    aggressiveness: float = 1.0
    refused: tuple[str, ...] = ()
    boot_s: float | None = None
    may_refresh: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.aggressiveness <= 1:
            raise InvalidValueError(f"aggressiveness must lie in [0, 1], was {self.aggressiveness}")
        if self.ceiling_count is not None and self.ceiling_count < 0:
            raise InvalidValueError(f"ceiling_count must be >= 0, was {self.ceiling_count}")
        if self.boot_s is not None and not 0 < self.boot_s < math.inf:
            raise InvalidValueError(f"boot_s must be > 0, was {self.boot_s}")


class Stance(msgspec.Struct, frozen=True, kw_only=True):
    """How plans are being made just now; changed by a minute, it acts from the next one on.

    Parameters
    ----------
    confidence : float
        In [0, 1].
    choice : Choice
        The plan that acts.
    challenger : Choice
        The plan whose cost factor has been the lowest lately.
    challenged_at : datetime, optional
        Since when the challenger has been that.
    fallback_until : datetime, optional
        Until when the HPA formula stands in for the forecast.
    floor_serving, floor_total : int
        What the last plan from a forecast had: the formula goes no lower.
    fresh_count : int
        Instances for the 90 % quantile when demand was last fresh.
    """

    confidence: float = 0.0
    choice: Choice = Choice.PRE_SCALED_WARM
    challenger: Choice = Choice.PRE_SCALED_WARM
    challenged_at: datetime | None = None
    fallback_until: datetime | None = None
    floor_serving: int = 0
    floor_total: int = 0
    fresh_count: int = 0


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What one plan hands to the next.

    Parameters
    ----------
    counted_at : datetime, optional
        When the plan before was made.
    surge_until : datetime, optional
        Until when `surge_count` instances keep serving after a surge.
    surge_count : int
        Serving instances a surge asked for.
    surprise_until : datetime, optional
        Until when `surprise_count` instances are kept in all after a surprise.
    surprise_count : int
        Instances a surprise asked for.
    wishes : tuple of (datetime, int)
        Recent wishes of the reactive formula, for its stabilisation.
    softened_at : datetime, optional
        When an instance was last removed in spite of a wide interval.
    over_rps, asked_rps : float
        Demand over capacity and all demand, minute by minute, half of it forgotten in 4 hours.
    stance : Stance
        How plans are being made just now.
    track : Track
        What came of what was said.
    ledger : Ledger
        What was reported and asked for.
    refresh : Refresh
        A warm instance that is giving way to one of the new version.
    """

    counted_at: datetime | None = None
    surge_until: datetime | None = None
    surge_count: int = 0
    surprise_until: datetime | None = None
    surprise_count: int = 0
    wishes: tuple[tuple[datetime, int], ...] = ()
    softened_at: datetime | None = None
    over_rps: float = 0.0
    asked_rps: float = 0.0
    stance: Stance = Stance()
    track: Track = Track()
    ledger: Ledger = Ledger()
    refresh: Refresh = Refresh()
