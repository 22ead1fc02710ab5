"""This file knows how services share a budget: the layers worth most come first.

Every service says what each further instance would be worth to it: `rho` times the share of it that
demand is expected to fill one boot ahead, an amount per USD of its price. That falls from instance
to instance, so whoever takes the best ones of all services in turn takes those of each service in
order, and no other choice is worth more. Best is what is worth most per USD where USD are scarce,
and what is worth most where instances are.

What runs already is never taken away: a budget stops growth. What a service needs at least comes
before any budget. Where layers are worth the same, which is so where all of them will be filled
for sure, the service of higher priority comes first, then the one whose name does.

References
----------
Greedy choice for separable concave gains: Fox, "Discrete optimization via marginal analysis",
Management Science 13 (1966). Ours: layers as the unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.knapsack import best_counts
from foretide.plan.layers import IntArray

# Sums of prices carry rounding: a layer that fits to the last cent must fit.
_ROUNDING = 1e-9


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What several services may have together.

    Parameters
    ----------
    instance_count : int, optional
        Instances in all, >= 0; None: as many as they like.
    usd_per_hour : float, optional
        What all instances together may cost, each at its full price, so that no promote has to
        wait for money; >= 0. None: no ceiling.
    """

    instance_count: int | None = None
    usd_per_hour: float | None = None

    def __post_init__(self) -> None:
        for field in ("instance_count", "usd_per_hour"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidValueError(f"{field} of a budget must be >= 0, was {value}")


class Ask(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one service asks of a budget.

    Parameters
    ----------
    service : str
        Its name.
    min_count : int
        Instances it has whatever the budget says, >= 0.
    held_count : int
        Instances it has already, on their way or ready, >= 0.
    worth : ndarray, shape (layers,)
        What the next instance is worth per USD, and the one after it ...; counted from the larger
        of `min_count` and `held_count`. Finite, >= 0; where it rises, as it may where capacity is
        convex, an instance counts no more than those before it.
    price_usd_per_hour : float
        Of one instance, > 0.
    priority : int
        Between layers of equal worth the higher one wins.
    """

    service: str
    min_count: int
    held_count: int
    worth: FloatArray
    price_usd_per_hour: float
    priority: int = 0

    def __post_init__(self) -> None:
        if min(self.min_count, self.held_count) < 0:
            raise InvalidValueError(f"counts of {self.service} must be >= 0")
        if not 0 < self.price_usd_per_hour < math.inf:
            raise InvalidValueError(
                f"price_usd_per_hour of {self.service} must be > 0, was {self.price_usd_per_hour}"
            )
        # not a number compares as false
        if len(self.worth) and not (self.worth.min() >= 0 and self.worth.max() < math.inf):
            raise InvalidValueError(f"worth of {self.service} must be finite and >= 0")

    @property
    def floor_count(self) -> int:
        """Instances that no budget takes away."""
        return max(self.min_count, self.held_count)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one service may have.

    Parameters
    ----------
    service : str
        Its name.
    ceiling_count : int
        Instances it may have in all; at least what it has and what it needs at least.
    cut_count : int
        Instances it asked for and may not have.
    cut_worth : float
        What the first of those would have been worth per USD; 0 when it has all it asked for.
    """

    service: str
    ceiling_count: int
    cut_count: int = 0
    cut_worth: float = 0.0


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """A budget, divided.

    Parameters
    ----------
    shares : tuple of Share
        In the order of the asks.
    instance_count : int
        Sum of the ceilings.
    usd_per_hour : float
        What they cost, each instance at its full price.
    margin_worth : float
        Worth per USD of the best layer that nobody got; 0 when all got what they asked for.
    is_over : bool
        Whether what runs already, or must, takes more than the budget: nothing grows.
    """

    shares: tuple[Share, ...]
    instance_count: int
    usd_per_hour: float
    margin_worth: float
    is_over: bool


def divided(asks: Sequence[Ask], budget: Budget) -> Division:
    """Divide a budget among services by what each further instance is worth.

    Where all prices are equal, or instances alone are counted, no other division is worth more.
    Where prices differ under a ceiling in USD the best layers per USD are taken, leaving out those
    that do not fit: that loses at most what the first layer left out is worth, and where few
    services ask it is improved to the very best.

    Parameters
    ----------
    asks : sequence of Ask
        Each service once.
    budget : Budget
        What there is.

    Returns
    -------
    Division
        The same for the same asks in any order but for the order of its shares.

    Raises
    ------
    InvalidValueError
        When a service asks twice.
    """
    if len({ask.service for ask in asks}) != len(asks):
        raise InvalidValueError("asks must name each service once")
    floor_count = sum(ask.floor_count for ask in asks)
    floor_usd = math.fsum(ask.floor_count * ask.price_usd_per_hour for ask in asks)
    count_left = math.inf if budget.instance_count is None else budget.instance_count - floor_count
    usd_left = math.inf if budget.usd_per_hour is None else budget.usd_per_hour - floor_usd
    is_over = count_left < 0 or usd_left < -_ROUNDING * max(floor_usd, 1.0)
    granted = np.zeros(len(asks), np.int64)
    if not is_over:
        usd_left += _ROUNDING * max(floor_usd, 1.0)
        granted = _granted(asks, count_left, max(usd_left, 0.0))
    shares = tuple(_share(ask, int(count)) for ask, count in zip(asks, granted, strict=True))
    prices = [ask.price_usd_per_hour for ask in asks]
    return Division(
        shares=shares,
        instance_count=sum(share.ceiling_count for share in shares),
        usd_per_hour=math.fsum(s.ceiling_count * p for s, p in zip(shares, prices, strict=True)),
        margin_worth=max((share.cut_worth for share in shares), default=0.0),
        is_over=is_over,
    )


def _share(ask: Ask, granted_count: int) -> Share:
    cut = len(ask.worth) - granted_count
    return Share(
        service=ask.service,
        ceiling_count=ask.floor_count + granted_count,
        cut_count=cut,
        cut_worth=float(ask.worth[: granted_count + 1].min()) if cut else 0.0,
    )


def _granted(asks: Sequence[Ask], count_left: float, usd_left: float) -> IntArray:
    """Return how many of its layers each service gets."""
    wanted = np.array([len(ask.worth) for ask in asks], np.int64)
    prices = np.array([ask.price_usd_per_hour for ask in asks])
    if wanted.sum() <= count_left and wanted @ prices <= usd_left:
        return wanted
    asked = np.unique(prices[wanted > 0])
    if len(asked) > 1 and math.isfinite(usd_left):
        owner, worth = _best_first(asks, wanted, np.ones(len(asks)))
        return best_counts(owner, worth, prices, count_left=count_left, usd_left=usd_left)
    # one thing is scarce: what an instance is worth, where instances are what is counted
    owner, _ = _best_first(asks, wanted, prices)
    room = min(count_left, usd_left // asked[0] if math.isfinite(usd_left) else math.inf)
    return np.bincount(owner[: int(min(room, len(owner)))], minlength=len(asks))


def _best_first(
    asks: Sequence[Ask], wanted: IntArray, weights: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return whose each layer is and its weighted worth, best first, each service's in order."""
    rank = np.empty(len(asks), np.int64)
    order = sorted(range(len(asks)), key=lambda at: (-asks[at].priority, asks[at].service))
    rank[order] = np.arange(len(asks))
    owner = np.repeat(np.arange(len(asks)), wanted)
    worth = np.concatenate([*(np.minimum.accumulate(ask.worth) for ask in asks), np.empty(0)])
    worth *= weights[owner]
    # stable: a service's own layers of equal worth stay in order
    best = np.lexsort((rank[owner], -worth))
    return owner[best], worth[best]
