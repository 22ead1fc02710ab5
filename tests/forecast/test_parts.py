"""What the parts of the engine promise one another."""

from __future__ import annotations

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.forecast.choose import combine, weights_of
from foretide.forecast.conformal import moved, spread_of, wander_of, widened
from foretide.forecast.correct import Carry, carry_of, corrected
from foretide.forecast.days import Days, Floats, calmed, masked
from foretide.forecast.experts import guesses
from foretide.forecast.fitted import Fitted, decoded, encoded, row_of, stacked
from foretide.forecast.levels import LEVELS, at_levels, normal_quantiles
from foretide.forecast.shift import relevelled, threshold_of

SERIES, ORIGINS, AHEAD, BINS = 4, 14, 3, 24
SHAPE = (SERIES, ORIGINS, AHEAD, BINS)
ONES = np.ones(SERIES, dtype=np.float32)


def days_of(rows: int, seed: int = 0) -> Days:
    rng = np.random.default_rng(seed)
    shape = 1 + 0.8 * np.sin(np.arange(BINS) * 2 * np.pi / BINS)
    return masked(shape * rng.gamma(20, 0.05, (SERIES, rows, BINS)))


@pytest.mark.parametrize(("has_weeks", "has_days"), [(False, True), (True, True), (True, False)])
def test_no_expert_knows_what_came_after_its_origin(*, has_weeks: bool, has_days: bool) -> None:
    days = days_of(30)
    weekend = np.zeros((33, BINS), dtype=np.bool_)
    values = days.values.copy()
    # Not above what was seen before: experts are bounded by the highest value of the whole past.
    values[:, 22:] = values[:, 22:] * 0.1
    changed = Days(values=values, seen=days.seen)
    found, later = (
        guesses(past, weekend, first=16, days_ahead=AHEAD, has_weeks=has_weeks, has_days=has_days)
        for past in (days, changed)
    )
    for name, guess in found.items():
        assert guess.shape == (SERIES, 30 + 1 - 16, AHEAD, BINS), name
        assert np.isfinite(guess).all(), name
        assert (guess >= 0).all(), name
        np.testing.assert_array_equal(guess[:, : 22 - 16 + 1], later[name][:, : 22 - 16 + 1])
        assert (guess[:, -1] != later[name][:, -1]).any(), name


def test_the_better_expert_weighs_more_and_the_mean_stays_between() -> None:
    actual = np.random.default_rng(0).gamma(20, 0.05, SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    ahead = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    guesses_of = {"good": ahead, "bad": np.float32(1.3) * ahead}
    weights = weights_of(guesses_of, actual, seen)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    mean = combine(guesses_of, weights)
    assert (mean > 1).all()
    assert (mean < 1.1).all()


def test_errors_that_persist_are_carried_forward() -> None:
    rng = np.random.default_rng(0)
    combined = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    # Each day is off by its own amount, nearly the same as the day before.
    by_day = np.repeat(rng.normal(0, 0.3, ORIGINS // 4 + 6), 5)[: ORIGINS + AHEAD]
    rows = np.arange(ORIGINS)[:, None] + np.arange(AHEAD)
    actual = np.broadcast_to(1 + by_day[rows][None, :, :, None], SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    before = np.abs(actual - combined[:, :-1])[:, 1:, 0].mean()
    carry = carry_of(combined, actual, seen)
    after = np.abs(actual - corrected(combined, actual, seen, carry)[:, :-1])[:, 1:, 0].mean()
    assert after < 0.7 * before


def _followed(expected: Floats, actual: Floats, seen: Floats) -> tuple[Floats, Floats]:
    threshold = threshold_of([expected, expected], actual, seen)
    fullest = seen[:, :, 0].sum(axis=2).max(axis=1)
    return relevelled(
        expected, [expected, expected], actual, seen, threshold=threshold, fullest=fullest
    )


def test_a_shift_is_followed_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    combined = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    actual = rng.gamma(100, 0.01, SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    calm, ratio = _followed(combined, actual, seen)
    assert np.abs(calm - 1).max() < 0.1
    np.testing.assert_allclose(ratio, 1, atol=0.1)
    actual[:, -1, 0, -BINS // 2 :] *= 2
    shifted, ratio = _followed(combined, actual, seen)
    np.testing.assert_allclose(ratio, 2, rtol=0.15)
    np.testing.assert_array_equal(shifted[:, :-1], calm[:, :-1])
    assert (shifted[:, -1, 0] > 1.6).all()


@pytest.mark.parametrize("is_observed_at_night", [True, False])
def test_a_shift_is_followed_when_the_night_is_empty_or_not_observed(
    *,
    is_observed_at_night: bool,
) -> None:
    # The present is midnight: demand fell to nothing six hours ago.
    by_day = np.where(np.arange(BINS) // (BINS // 4) % 3 == 0, 0, 1).astype(np.float32)
    combined = np.broadcast_to(by_day, (SERIES, ORIGINS + 1, AHEAD, BINS)).copy()
    actual = np.random.default_rng(0).gamma(100, 0.01, SHAPE).astype(np.float32) * by_day
    seen = np.ones_like(actual)
    if not is_observed_at_night:
        seen *= by_day
    actual[:, -1, 0, -BINS // 2 :] *= 2
    shifted, ratio = _followed(combined, actual, seen)
    np.testing.assert_allclose(ratio, 2, rtol=0.2)
    assert (shifted[:, -1, 0, BINS // 4 : 3 * BINS // 4] > 1.6).all()


@pytest.mark.parametrize("missing_fraction", [0.0, 0.7, 1.0])
def test_spread_rises_and_further_days_are_no_surer(missing_fraction: float) -> None:
    rng = np.random.default_rng(0)
    strays = rng.normal(0, 0.2, SHAPE).astype(np.float32)
    seen = (rng.random(SHAPE) >= missing_fraction).astype(np.float32)
    spread = spread_of(strays * seen, seen, ONES, 0.2 * ONES)
    assert (np.diff(spread.quantiles, axis=2) >= 0).all()
    assert (spread.scale > 0).all()
    assert (np.diff(spread.scale, axis=1) >= 0).all()
    values = moved(np.ones((SERIES, AHEAD, BINS), dtype=np.float32), spread, (0.1, 0.5, 0.77))
    assert (np.diff(values, axis=3) >= 0).all()


def test_a_series_that_hardly_errs_is_surer_than_one_that_never_did() -> None:
    rng = np.random.default_rng(0)
    strays = rng.normal(0, 0.004, SHAPE).astype(np.float32)
    seen = np.ones_like(strays)
    hardly, never = (spread_of(part, seen, ONES, 0 * ONES) for part in (strays, 0 * strays))
    assert (hardly.scale < 0.006).all()
    assert (never.scale > 0.01).all()


def test_the_spread_of_normal_strays_is_normal() -> None:
    strays = np.random.default_rng(0).normal(0, 0.2, (SERIES, 200, AHEAD, BINS))
    spread = spread_of(strays.astype(np.float32), np.ones(strays.shape), ONES, 0.2 * ONES)
    levels = (0.01, 0.1, 0.5, 0.9, 0.99)
    found = spread.scale.mean(axis=(1, 2))[:, None] * at_levels(spread.quantiles[:, 0], levels)
    expected = 0.2 * normal_quantiles(levels)
    np.testing.assert_allclose(found, np.tile(expected, (SERIES, 1)), atol=0.06)


def test_levels_between_two_known_ones_lie_between_them() -> None:
    rng = np.random.default_rng(0)
    known = np.sort(rng.normal(0, 1, (5, len(LEVELS))).astype(np.float32), axis=1)
    np.testing.assert_array_equal(at_levels(known, LEVELS), known)
    asked = (0.0001, 0.001, 0.03, 0.5, 0.85, 0.999, 0.9999)
    found = at_levels(known, asked)
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_array_equal(found[:, 3], known[:, LEVELS.index(0.5)])
    # A normal stays one.
    np.testing.assert_allclose(
        at_levels(normal_quantiles(LEVELS), asked), normal_quantiles(asked), atol=1e-5
    )


def test_gaps_are_masked_the_same_for_one_and_for_all() -> None:
    whole = days_of(30)
    assert len(whole.seen) == 1
    full = Days(values=whole.values, seen=np.ones_like(whole.values))
    weekend = np.zeros((30 + AHEAD, BINS), dtype=np.bool_)
    one, other = (
        guesses(days, weekend, first=16, days_ahead=AHEAD, has_weeks=True, has_days=True)
        for days in (whole, full)
    )
    for name, guess in one.items():
        np.testing.assert_array_equal(guess, other[name], err_msg=name)


def test_what_is_learned_survives_as_bytes() -> None:
    rng = np.random.default_rng(0)
    spread = spread_of(
        rng.normal(0, 0.2, SHAPE).astype(np.float32), np.ones(SHAPE), ONES, 0.2 * ONES
    )
    fitted = Fitted(
        weights=rng.random((SERIES, 5, AHEAD)).astype(np.float32),
        carry=Carry(
            slope=rng.random((SERIES, 6)).astype(np.float32),
            usual=np.ones(SERIES, dtype=np.float32),
        ),
        threshold=np.full(SERIES, np.inf, dtype=np.float32),
        spread=spread,
        loss=ONES,
        origin_count=ORIGINS,
    )
    kept = {f"s{row}": {"weekly": row_of(fitted, row)} for row in range(SERIES)}
    opened = decoded(encoded(kept))
    again = stacked([opened[f"s{row}"]["weekly"] for row in range(SERIES)])
    for part, same in zip(fitted.parts(), again.parts(), strict=True):
        np.testing.assert_array_equal(part, same)


def test_one_flipped_bit_is_noticed() -> None:
    kept = bytearray(encoded({}))
    for at in (0, len(kept) - 1):
        spoilt = kept.copy()
        spoilt[at] ^= 1
        with pytest.raises(InvalidValueError, match="train again"):
            decoded(bytes(spoilt))


@pytest.mark.parametrize("foreign", [b"", b"{}", b"\x00" * 40, b"not ours"])
def test_foreign_bytes_are_refused_in_one_line(foreign: bytes) -> None:
    with pytest.raises(InvalidValueError, match="train again") as refused:
        decoded(foreign)
    assert "\n" not in str(refused.value)


def test_an_outage_is_not_learned_and_a_new_low_is() -> None:
    days = days_of(28)
    values = days.values.copy()
    values[0, 20, 5:9] = 0.0  # once: an outage
    values[1, 12:, 5:9] *= 0.01  # ever since: how it is now
    values[2, :, 3] = 0.0  # always: a night
    calm = calmed(Days(values=values, seen=days.seen))
    assert (calm.values[0, 20, 5:9] > 0.2 * days.values[0, 20, 5:9]).all()
    np.testing.assert_array_equal(calm.values[1, 12:, 5:9], values[1, 12:, 5:9])
    np.testing.assert_array_equal(calm.values[2, :, 3], 0.0)


def test_widening_is_that_of_a_student_t() -> None:
    # The 95 % quantile of a t with 10 degrees of freedom is 1.812.
    z = normal_quantiles((0.95,))
    assert float((z * widened(z, np.array([10.0]))[0])[0]) == pytest.approx(1.812, abs=0.02)


def test_days_of_which_nothing_is_known_lean_on_how_far_the_series_wanders() -> None:
    rng = np.random.default_rng(0)
    strays = rng.normal(0, 0.1, (SERIES, 2, 7, BINS)).astype(np.float32)
    seen = np.ones_like(strays)
    seen[:, :, 2:] = 0
    still, restless = (
        spread_of(strays * seen, seen, ONES, np.float32(wander) * ONES).scale.mean(axis=2)
        for wander in (0.1, 0.5)
    )
    np.testing.assert_allclose(still[:, 6], still[:, 0], rtol=0.25)
    assert (restless[:, 6] > 3 * restless[:, 0]).all()


def test_what_repeats_does_not_wander() -> None:
    shape = (1 + np.sin(np.arange(BINS))).astype(np.float32)
    same = masked(np.tile(shape, (SERIES, 20, 1)))
    np.testing.assert_allclose(wander_of(same), 0, atol=1e-4)
    drifting = masked(np.tile(shape, (SERIES, 20, 1)) * np.linspace(1, 4, 20)[:, None])
    assert (wander_of(drifting) > 0.2).all()
