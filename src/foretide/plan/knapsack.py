"""This file knows how a ceiling in USD is filled when instances differ in price.

The best layers per USD come first, and what does not fit is left out: that loses at most what the
first layer left out is worth. Where few states are to be compared, every combination that no other
beats is followed, and the best of them is exact.

References
----------
Nemhauser and Ullmann, "Discrete dynamic programming and capital allocation", Management Science 15
(1969).
"""

from __future__ import annotations

import math

import numpy as np

from foretide.model.demand import FloatArray
from foretide.plan.layers import IntArray

# Beyond as many combinations the greedy filling stands: its loss is one layer among thousands.
MAX_STATES = 4096
_ROUNDING = 1e-12


def best_counts(
    owner: IntArray,
    worth: FloatArray,
    prices: FloatArray,
    *,
    count_left: float,
    usd_left: float,
) -> IntArray:
    """Return how many layers each service gets of a ceiling in USD.

    Parameters
    ----------
    owner, worth : ndarray, shape (layers,)
        Index of the service whose each layer is, and its worth per USD, best first.
    prices : ndarray, shape (services,)
        USD per hour of one instance of each, > 0.
    count_left, usd_left : float
        Instances and USD per hour there are to give, >= 0; may be infinite.

    Returns
    -------
    ndarray of int, shape (services,)
        Of the greatest sum of worth x price where at most 4,096 combinations had to be compared,
        else of the greedy filling; the greedy one wherever it is as good.
    """
    greedy = _greedy(owner, prices, count_left=count_left, usd_left=usd_left)
    if count_left < len(owner):
        # instances are scarce too: perhaps what is worth most is better than what is per USD
        dearest = owner[np.argsort(-worth * prices[owner], kind="stable")]
        other = _greedy(dearest, prices, count_left=count_left, usd_left=usd_left)
        greedy = _better(greedy, other, owner, worth, prices)
    exact = _exact(owner, worth, prices, count_left=count_left, usd_left=usd_left)
    return greedy if exact is None else _better(greedy, exact, owner, worth, prices)


def _better(
    first: IntArray, second: IntArray, owner: IntArray, worth: FloatArray, prices: FloatArray
) -> IntArray:
    """Return the counts that gain more, the first where both gain the same."""
    gains = [_gain(counts, owner, worth, prices) for counts in (first, second)]
    return second if gains[1] > gains[0] * (1 + _ROUNDING) else first


def _greedy(owner: IntArray, prices: FloatArray, *, count_left: float, usd_left: float) -> IntArray:
    counts = np.zeros(len(prices), np.int64)
    is_closed = np.zeros(len(prices), np.bool_)
    cheapest = prices.min()
    for who in owner.tolist():
        price = float(prices[who])
        if count_left < 1 or usd_left < cheapest:
            break
        if is_closed[who]:
            continue
        if price > usd_left:
            is_closed[who] = True  # its later layers cost the same
            continue
        counts[who] += 1
        count_left -= 1
        usd_left -= price
    return counts


def _gain(counts: IntArray, owner: IntArray, worth: FloatArray, prices: FloatArray) -> float:
    by_owner = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[by_owner], owner[by_owner])
    taken = np.arange(len(owner)) - first < counts[owner[by_owner]]
    return math.fsum((worth[by_owner] * prices[owner[by_owner]])[taken].tolist())


def _exact(
    owner: IntArray, worth: FloatArray, prices: FloatArray, *, count_left: float, usd_left: float
) -> IntArray | None:
    """Return the very best, or None where too many combinations would have to be compared."""
    services = np.unique(owner)
    is_counted = count_left < len(owner)
    usd, count, gain = np.zeros(1), np.zeros(1, np.int64), np.zeros(1)
    steps = list[tuple[IntArray, IntArray]]()  # parent and layers taken, service by service
    for who in services:
        own = np.concatenate([[0.0], np.cumsum(worth[owner == who]) * prices[who]])
        taken = np.arange(len(own))
        if len(usd) * len(own) > 16 * MAX_STATES:
            return None
        all_usd = (usd[:, None] + taken * prices[who]).ravel()
        all_count = (count[:, None] + taken).ravel()
        all_gain = (gain[:, None] + own).ravel()
        kept = np.flatnonzero((all_usd <= usd_left) & (all_count <= count_left))
        kept = kept[_unbeaten(all_usd[kept], all_count[kept] * is_counted, all_gain[kept])]
        if len(kept) > MAX_STATES:
            return None
        usd, count, gain = all_usd[kept], all_count[kept], all_gain[kept]
        steps.append((kept // len(own), kept % len(own)))
    counts = np.zeros(len(prices), np.int64)
    at = int(np.argmax(gain))
    for who, (parent, taken) in zip(reversed(services), reversed(steps), strict=True):
        counts[who], at = taken[at], int(parent[at])
    return counts


def _unbeaten(usd: FloatArray, count: IntArray, gain: FloatArray) -> IntArray:
    """Return those for which no other of the same count costs no more and gains as much."""
    order = np.lexsort((-gain, usd, count))
    usd, count, gain = usd[order], count[order], gain[order]
    kept = np.ones(len(order), np.bool_)
    start = 0
    for end in (*(np.flatnonzero(np.diff(count)) + 1), len(order)):
        best = np.maximum.accumulate(gain[start:end])
        kept[start + 1 : end] = gain[start + 1 : end] > best[:-1]
        start = end
    return order[kept]
