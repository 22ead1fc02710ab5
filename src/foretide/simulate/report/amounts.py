"""This file knows how shares and sums of money are written for people."""

from __future__ import annotations

import math


def percent(fraction: float) -> str:
    """Return a fraction as a percentage with three figures that count, such as `0.103 %`."""
    value = 100 * fraction
    if value == 0:
        return "0 %"
    if value < 0.0001:
        return "< 0.0001 %"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def usd(amount: float, decimals: int = 2) -> str:
    """Return an amount of USD, with cents below ten and in whole dollars from there on.

    Parameters
    ----------
    amount : float
        USD, >= 0.
    decimals : int
        How many at most are shown below ten, >= 2; prices per hour need four.

    Returns
    -------
    str
        Such as `$0.0042`, `$3.40` or `$1,234`.
    """
    if amount >= 10:
        return f"${amount:,.0f}"
    text = f"{amount:.{decimals}f}"
    whole, cents = text.split(".")
    return f"${whole}.{cents[:2]}{cents[2:].rstrip('0')}"


def one_in(fraction: float) -> str:
    """Return a share of requests as people say it, such as `1 in 1,000`.

    Parameters
    ----------
    fraction : float
        In [0, 1].

    Returns
    -------
    str
        With two figures that count; `none` for 0, `nearly all` from nine tenths on.
    """
    if fraction <= 0:
        return "none"
    if fraction >= 0.9:
        return "nearly all"
    count = 1 / fraction
    if count < 10:
        return f"{round(10 * fraction)} in 10" if fraction >= 0.15 else "1 in 10"
    size = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return f"1 in {round(count / size) * size:,.0f}"
