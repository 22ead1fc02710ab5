"""What a forecaster could know of the shop's checkouts at best: the true funnel, applied.

It is told, as no real forecaster is, the chances and the lags by which the shop was made, and sees
every session under way. What is left to it is chance: whether each of those at the cart buys.
"""

from __future__ import annotations

import math

import numpy as np

from foretide.forecast.behaviour import SCORED_LEVELS
from foretide.forecast.count_spread import DISPERSIONS, quantiles
from foretide.forecast.score import wql
from foretide.model.demand import FloatArray
from foretide.simulate.shop import FEATURES, FUNNEL_LAG_S, ShopEvents

_BUYS, _BROWSES, _LEAVES = 0.5, 0.2, 0.3  # what follows a cart, in `foretide.simulate.shop`
_LAG_SIGMA, _BROWSE_S, _BROWSE_SIGMA = 0.2, 25.0, 0.8
_LOOK_BACK_MIN = 20
_GRID_S = np.arange(0, 1801)


def ceiling_wql(events: ShopEvents, lead_min: int) -> float:
    """Return the loss of the forecaster told all, on checkouts of the later half.

    Parameters
    ----------
    events : ShopEvents
        Without crowds.
    lead_min : int
        Minutes ahead, 1 ... 10.
    """
    start_us = int(events.start.timestamp()) * 1_000_000
    minutes = int((events.end - events.start).total_seconds()) // 60
    is_checkout = events.feature == FEATURES.index("checkout")
    actual = np.bincount((events.ts_us[is_checkout] - start_us) // 60_000_000, minlength=minutes)
    mean, square = _expected(events, start_us, minutes, lead_min)
    # Of those known by name each buys or not: that spreads less than strangers do.
    spread = -square / np.maximum(mean, 1e-9)
    nearest = np.abs(np.array(DISPERSIONS) - spread[:, None]).argmin(axis=1)
    index = np.broadcast_to(nearest[:, None], (minutes, len(SCORED_LEVELS)))
    later = slice(minutes // 2, minutes)
    said = quantiles(mean, index, SCORED_LEVELS)
    return wql(said[later], SCORED_LEVELS, actual[later].astype(np.float64))


def _expected(
    events: ShopEvents, start_us: int, minutes: int, lead_min: int
) -> tuple[FloatArray, FloatArray]:
    # By minute: the sum of the chances of all at the cart `lead_min` before its end, and that of
    # their squares.
    order = np.lexsort((events.ts_us, events.session))
    ts_s = (events.ts_us[order] - start_us) / 1e6
    follows = np.append(events.session[order][1:] == events.session[order][:-1], False)
    next_s = np.where(follows, np.append(ts_s[1:], np.inf), np.inf)
    is_cart = events.feature[order] == FEATURES.index("cart")
    cart_s, gone_s = ts_s[is_cart], next_s[is_cart]
    table = _chance_table(lead_min)
    mean, square = np.zeros(minutes), np.zeros(minutes)
    carts = np.bincount((cart_s // 60).astype(np.int64), minlength=minutes).astype(np.float64)
    for back in range(_LOOK_BACK_MIN):
        said_min = (cart_s // 60).astype(np.int64) + 1 + back
        target = said_min + lead_min - 1
        here = (gone_s > said_min * 60) & (target < minutes)
        chance = table[np.rint(said_min * 60 - cart_s).astype(np.int64)[here]]
        mean += np.bincount(target[here], chance, minlength=minutes)
        square += np.bincount(target[here], chance * chance, minlength=minutes)
    # Those who will come to the cart, and buy at once: as many as lately.
    lately = np.convolve(carts, np.ones(_LOOK_BACK_MIN) / _LOOK_BACK_MIN)[:minutes]
    soon = _BUYS * _after(_GRID_S, FUNNEL_LAG_S, _LAG_SIGMA)
    share = float(soon[(lead_min - 1) * 60 : lead_min * 60].mean())
    mean[lead_min:] += share * lately[:-lead_min]
    return mean, square


def _chance_table(lead_min: int) -> FloatArray:
    # That one still at the cart after so many seconds buys in the minute `lead_min` ahead.
    bought = _after(np.arange(3700), FUNNEL_LAG_S, _LAG_SIGMA)
    left = _after(_GRID_S, _BROWSE_S, _BROWSE_SIGMA)
    age = _GRID_S
    buys = _BUYS * (bought[age + lead_min * 60] - bought[age + lead_min * 60 - 60])
    still = _BUYS * (1 - bought[age]) + _BROWSES * (1 - left) + _LEAVES
    return buys / still


def _after(seconds: FloatArray | np.ndarray, median_s: float, sigma: float) -> FloatArray:
    # Chance that a lognormal time is over.
    with np.errstate(divide="ignore"):
        score = np.log(seconds / median_s) / (sigma * math.sqrt(2))
    return np.array([0.5 * (1 + math.erf(one)) for one in score.tolist()])
