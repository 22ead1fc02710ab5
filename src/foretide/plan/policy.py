"""This file knows what the planner must know of one service, whoever configured it."""

from __future__ import annotations

import math

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.capacity import CapacityCurve
from foretide.plan.knob import Knob

MINUTE_S = 60


class ServicePolicy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One service as the planner sees it.

    Parameters
    ----------
    service, version : str
        Its name, and the version that new instances run.
    curve : CapacityCurve
        What its instances serve.
    knob : Knob
        How dearly capacity is held.
    boot_s : float
        Lead time of a cold launch in seconds, > 0.
    has_warm_pool : bool
        Whether instances may be parked and promoted.
    min_count, max_count : int
        Never fewer serving instances than the one, never more in all than the other.
    objective_fraction : float, optional
        Requests that may come over capacity, in (0, 1); None where a penalty says what each costs.
    guard_knob : Knob, optional
        How dearly capacity is held after more than that came over capacity.
    is_soft : bool
        Whether instances may be removed slowly while the forecast is wide.
    """

    service: str
    version: str
    curve: CapacityCurve
    knob: Knob
    boot_s: float
    has_warm_pool: bool
    min_count: int = 1
    max_count: int = 100_000
    objective_fraction: float | None = None
    guard_knob: Knob | None = None
    is_soft: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.min_count <= self.max_count:
            raise InvalidValueError(
                f"min_count must lie in [1, max_count = {self.max_count}], was {self.min_count}"
            )
        if not self.boot_s > 0:
            raise InvalidValueError(f"boot_s must be > 0, was {self.boot_s}")

    @property
    def boot_minutes(self) -> int:
        """Whole minutes from a cold launch to serving."""
        return math.ceil(self.boot_s / MINUTE_S)

    @property
    def horizon_minutes(self) -> int:
        """Minutes the planner looks ahead: three boots, at least half an hour."""
        return max(30, 3 * self.boot_minutes) + 1
