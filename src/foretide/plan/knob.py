"""This file knows how dearly capacity is held for a given objective.

Running, running head-room, warm band and standing warm pool are separate axes: one number for all
of them ties together what pays for different things. A notch of the ladder is one setting of all
axes; the objective picks the notch to begin with, and `plan/tuning` moves it by what came of it.

References
----------
Ours; measured by `benchmarks/planner.py`.
"""

from __future__ import annotations

import bisect

import msgspec

from foretide.errors import InvalidValueError


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    """How dearly capacity is held.

    Parameters
    ----------
    run_rho : float
        An hour of one unmet layer / its price, for layers that serve, > 0.
    run_head_fraction : float
        Serving instances added on top, as a fraction of the trailing peak, >= 0.
    warm_rho : float
        The same price for layers held warm; 0 = no warm band.
    warm_floor_fraction : float
        Warm instances always held, as a fraction of the trailing peak, >= 0.
    """

    run_rho: float
    run_head_fraction: float = 0.0
    warm_rho: float = 0.0
    warm_floor_fraction: float = 0.0


# (run_rho, run_head_fraction, warm_rho, warm_floor_fraction), from careless to careful: the
# cheapest of three thousand at what each leaves unmet, over calm and bursting series alike
_WARM_LADDER = tuple(
    Knob(run_rho=r, run_head_fraction=h, warm_rho=w, warm_floor_fraction=f)
    for r, h, w, f in (
        (1.5, 0.0, 2, 0.0),
        (1.5, 0.0, 3, 0.0),
        (4, 0.0, 5, 0.0),
        (4, 0.0, 8, 0.0),
        (5, 0.0, 12, 0.0),
        (8, 0.0, 25, 0.0),
        (12, 0.0, 40, 0.0),
        (25, 0.0, 70, 0.04),
        (25, 0.0, 140, 0.08),
        (50, 0.0, 140, 0.12),
        (50, 0.0, 140, 0.16),
        (100, 0.0, 140, 0.20),
        (200, 0.0, 400, 0.28),
        (400, 0.0, 400, 0.36),
        (400, 0.02, 400, 0.48),
        (1000, 0.04, 400, 0.64),
        (1000, 0.06, 1500, 0.96),
        (1000, 0.10, 1500, 1.50),
    )
)
_COLD_LADDER = tuple(
    Knob(run_rho=r, run_head_fraction=h)
    for r, h in (
        (2, 0.0), (4, 0.0), (8, 0.0), (12, 0.0), (25, 0.0), (40, 0.02), (80, 0.02), (150, 0.04),
        (400, 0.04), (700, 0.06), (1000, 0.08), (1000, 0.16), (1000, 0.32), (1000, 0.64),
    )
)  # fmt: skip
# the strictest objective for which each notch is right to begin with
_WARM_OBJECTIVES = (
    0.03, 0.02, 0.008, 0.006, 0.004, 0.0025, 0.0017, 0.0013, 0.00105, 0.0008, 0.0005, 0.0003,
    0.0002, 0.0001, 0.00005, 0.00002, 0.00001,
)  # fmt: skip
_COLD_OBJECTIVES = (
    0.05, 0.03, 0.01, 0.006, 0.003, 0.002, 0.001, 0.0006, 0.0004, 0.0003, 0.0002, 0.0001, 0.00005,
)  # fmt: skip
# how many notches more careful the spend guard is
_GUARD_NOTCHES = 4
# what is lost before a promote helps / the length of an episode: how a penalty splits
_RUN_SHARE = 0.3


def ladder(*, has_warm_pool: bool) -> tuple[Knob, ...]:
    """Return the settings there are, from careless to careful."""
    return _WARM_LADDER if has_warm_pool else _COLD_LADDER


def prior_notch(objective_fraction: float, *, has_warm_pool: bool) -> int:
    """Return the notch of the ladder to begin with, before anything is known of a service.

    Parameters
    ----------
    objective_fraction : float
        Requests that may find no capacity, in (0, 1).
    has_warm_pool : bool
        Whether a warm instance costs less than a serving one.

    Raises
    ------
    InvalidValueError
        When the objective does not lie in (0, 1).
    """
    if not 0 < objective_fraction < 1:
        raise InvalidValueError(f"objective_fraction must lie in (0, 1), was {objective_fraction}")
    objectives = _WARM_OBJECTIVES if has_warm_pool else _COLD_OBJECTIVES
    # the first notch that is right for this objective or a stricter one
    return bisect.bisect_left([-o for o in objectives], -objective_fraction * (1 + 1e-9))


def guard_notch(notch: int, *, has_warm_pool: bool) -> int:
    """Return the notch for the hours after more was lost than the objective allows."""
    return min(notch + _GUARD_NOTCHES, len(ladder(has_warm_pool=has_warm_pool)) - 1)


def knob_for_objective(
    objective_fraction: float, *, has_warm_pool: bool, is_guard: bool = False
) -> Knob:
    """Return the knob to begin with for a fraction of requests that may find no capacity.

    Parameters
    ----------
    objective_fraction : float
        In (0, 1).
    has_warm_pool : bool
        Whether a warm instance costs less than a serving one.
    is_guard : bool
        Whether it is for the hours after more was lost than the objective allows.

    Raises
    ------
    InvalidValueError
        When the objective does not lie in (0, 1).
    """
    notch = prior_notch(objective_fraction, has_warm_pool=has_warm_pool)
    if is_guard:
        notch = guard_notch(notch, has_warm_pool=has_warm_pool)
    return ladder(has_warm_pool=has_warm_pool)[notch]


def knob_for_penalty(rho: float, *, warm_price_fraction: float) -> Knob:
    """Return the knob for a penalty on every request over capacity.

    Parameters
    ----------
    rho : float
        3600 x penalty x requests/s of a layer / price of an instance-hour, > 0.
    warm_price_fraction : float
        Price of a warm instance / price of a serving one, in (0, 1]; 1 = no warm pool.

    Raises
    ------
    InvalidValueError
        When `rho` is not above 0: the penalty or the price is missing.
    """
    if not rho > 0:
        raise InvalidValueError(f"rho must be > 0, was {rho}; set a penalty and a price above 0")
    if warm_price_fraction >= 1:
        return Knob(run_rho=rho)
    saved = 1 - warm_price_fraction
    return Knob(
        run_rho=max(_RUN_SHARE * rho / saved, min(rho, 1.2 / saved)),
        warm_rho=max(1.2, (1 - _RUN_SHARE) * rho / warm_price_fraction),
    )
