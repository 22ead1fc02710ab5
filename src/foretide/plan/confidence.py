"""This file knows how far a forecast is trusted: by its width, and by what came of it.

`C = exp(-width / 0.5) * clip(1 - max(0, |coverage - .9| - 2 sqrt(.09 / n)) / .1, 0, 1)`, where
coverage is that of the 90 % interval one boot ahead over the last days and `n` the number of
boots they hold. It falls at once, rises by a tenth an hour, and is 0 while demand is stale.
"""

from __future__ import annotations

import math

from foretide.model.thresholds import ThresholdMove

_WIDTH_SCALE = 0.5
_NOMINAL = 0.9
_COVERAGE_SLACK = 0.1
_RISE_PER_S = 0.1 / 3600
_LEAST_SKILL = 0.05
_TRIGGER_UNSURE, _TRIGGER_GAIN = 0.95, 0.20


def confidence_fraction(
    *, width_fraction: float, coverage_fraction: float, independent_count: float
) -> float:
    """Return how far a forecast deserves trust by what is known of it.

    Parameters
    ----------
    width_fraction : float
        Relative width of its 90 % interval at lead = boot, >= 0.
    coverage_fraction : float
        Share of demand that lay inside such intervals lately, in [0, 1].
    independent_count : float
        Independent intervals behind that share, >= 0; with none of them nothing speaks against it.

    Returns
    -------
    float
        In [0, 1]; never rises with the width.
    """
    sureness = math.exp(-width_fraction / _WIDTH_SCALE)
    if not independent_count > 0:
        return sureness
    by_chance = 2 * math.sqrt(_NOMINAL * (1 - _NOMINAL) / independent_count)
    excess = max(0.0, abs(coverage_fraction - _NOMINAL) - by_chance)
    return sureness * max(0.0, 1 - excess / _COVERAGE_SLACK)


def confidence_after(before: float, deserved: float, passed_s: float) -> float:
    """Return confidence some time later: lost at once, won back by a tenth an hour.

    Parameters
    ----------
    before : float
        In [0, 1].
    deserved : float
        From `confidence_fraction`, or 0 while demand is stale.
    passed_s : float
        Seconds since `before`, >= 0.
    """
    return min(deserved, before + _RISE_PER_S * passed_s)


def trigger_fraction(confidence: float) -> float:
    """Return the utilisation above which warm instances are woken at once.

    Parameters
    ----------
    confidence : float
        In [0, 1]: the higher, the lower the threshold, so that capacity moves earlier.

    Returns
    -------
    float
        0.95 without confidence, 0.75 with all of it.
    """
    return _TRIGGER_UNSURE - _TRIGGER_GAIN * confidence


def trigger_moves(before: float, after: float) -> tuple[ThresholdMove, ...]:
    """Return how the reactive trigger moved, in whole percents, with the confidence that moved it.

    Parameters
    ----------
    before, after : float
        Confidence of one tick and of the next, in [0, 1].
    """
    was, now = round(trigger_fraction(before), 2), round(trigger_fraction(after), 2)
    if was == now:
        return ()
    why = f"confidence {before:.2f} to {after:.2f}"
    return (ThresholdMove(name="trigger", was=was, now=now, why=why),)


def aggressiveness(skill: float, expected_skill: float) -> float:
    """Return how much of what a forecast runs above its own median is still worth running.

    Parameters
    ----------
    skill : float
        Of its last seven days, at most 1; below 0 where it was worse than the plainest.
    expected_skill : float
        In the backtest of its last training.

    Returns
    -------
    float
        In [0, 1], for `Circumstances`; 1 while it is as good as it was expected to be.
    """
    return min(1.0, max(0.0, skill / max(_LEAST_SKILL, expected_skill)))
