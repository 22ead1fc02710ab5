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
    price_usd_per_hour : float
        Price of a serving instance, > 0.
    warm_price_fraction : float
        Price of a warm instance / that of a serving one, in (0, 1].
    disrupted_max_count : int, optional
        At most so many serving instances may be leaving at once, >= 1.
    is_cost_weighed : bool
        Whether another plan may take the place of the forecast's when its cost factor is lower.
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
    price_usd_per_hour: float = 1.0
    warm_price_fraction: float = 1.0
    disrupted_max_count: int | None = None
    is_cost_weighed: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.min_count <= self.max_count:
            raise InvalidValueError(
                f"min_count must lie in [1, max_count = {self.max_count}], was {self.min_count}"
            )
        if not self.boot_s > 0:
            raise InvalidValueError(f"boot_s must be > 0, was {self.boot_s}")
        if not 0 < self.price_usd_per_hour < math.inf:
            raise InvalidValueError(
                f"price_usd_per_hour must be > 0, was {self.price_usd_per_hour}"
            )
        if not 0 < self.warm_price_fraction <= 1:
            raise InvalidValueError(
                f"warm_price_fraction must lie in (0, 1], was {self.warm_price_fraction}"
            )
        if self.disrupted_max_count is not None and self.disrupted_max_count < 1:
            raise InvalidValueError(
                f"disrupted_max_count must be >= 1, was {self.disrupted_max_count}"
            )

    @property
    def boot_minutes(self) -> int:
        """Whole minutes from a cold launch to serving."""
        return math.ceil(self.boot_s / MINUTE_S)

    @property
    def horizon_minutes(self) -> int:
        """Minutes the planner looks ahead: three boots, at least half an hour."""
        return max(30, 3 * self.boot_minutes) + 1
