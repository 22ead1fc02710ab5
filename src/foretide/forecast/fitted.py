"""This file knows what the engine has learned of each series, and how it is kept as bytes.

What is learned is small: how much each expert is to be believed, how much of the last day's error
stays, when a level has shifted, and how far reality strays. It is all relative to the series' own
recent level, so that it serves later instants too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.conformal import Spread
from foretide.forecast.correct import Carry
from foretide.forecast.days import Floats

_FORMAT = "foretide-fleet-2"
_DIGEST_LENGTH = 32


class Fitted(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was learned of some series from one way of looking at them.

    Parameters
    ----------
    weights : ndarray, shape (series, experts, days)
        How much each expert is believed.
    carry : Carry
        How much of the last day's error stays.
    threshold : ndarray, shape (series, 2)
        How far half days usually stray, in square roots, from each of two ways to foresee them.
    spread : Spread
        How far reality strays.
    loss : ndarray, shape (series,)
        Mean error of the day ahead on the last past days, > 0.
    origin_count : int
        Past days the engine was tried on.
    """

    weights: Floats
    carry: Carry
    threshold: Floats
    spread: Spread
    loss: Floats
    origin_count: int

    def parts(self) -> tuple[Floats, ...]:
        """Return every array, in a fixed order; each begins with the series."""
        return (
            self.weights,
            self.carry.slope,
            self.carry.usual,
            self.threshold,
            self.spread.scale,
            self.spread.quantiles,
            self.loss,
        )


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    # One series' arrays from one way of looking, as shapes and float32 bytes.
    origin_count: int
    shapes: list[list[int]]
    parts: list[bytes]


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    # by series, then by the way of looking
    series: dict[str, dict[str, _Kept]]


def of_parts(parts: Sequence[Floats], origin_count: int) -> Fitted:
    """Return what `Fitted.parts` took apart."""
    weights, slope, usual, threshold, scale, quantiles, loss = parts
    return Fitted(
        weights=weights,
        carry=Carry(slope=slope, usual=usual),
        threshold=threshold,
        spread=Spread(scale=scale, quantiles=quantiles),
        loss=loss,
        origin_count=origin_count,
    )


def encoded(learned: dict[str, dict[str, Fitted]]) -> bytes:
    """Return as bytes what was learned of each series (one to a `Fitted`) by way of looking."""
    series = {
        series_id: {
            way: _Kept(
                origin_count=fitted.origin_count,
                shapes=[list(part.shape[1:]) for part in fitted.parts()],
                parts=[np.asarray(part[0], dtype="<f4").tobytes() for part in fitted.parts()],
            )
            for way, fitted in ways.items()
        }
        for series_id, ways in learned.items()
    }
    packed = msgspec.msgpack.encode(_File(format=_FORMAT, series=series))
    return hashlib.sha256(packed).digest() + packed


def decoded(trained: bytes) -> dict[str, dict[str, Fitted]]:
    """Return what `encoded` made bytes of.

    Raises
    ------
    InvalidValueError
        When the bytes were not made by this version of the engine.
    """
    try:
        packed = trained[_DIGEST_LENGTH:]
        if hashlib.sha256(packed).digest() != trained[:_DIGEST_LENGTH]:
            raise InvalidValueError(
                "trained must be whole and have been made by the fleet forecaster; train again"
            )
        kept = msgspec.msgpack.decode(packed, type=_File)
        if kept.format != _FORMAT:
            raise InvalidValueError(f"trained must be {_FORMAT}, was {kept.format}; train again")
        return {
            series_id: {way: _opened(one) for way, one in ways.items()}
            for series_id, ways in kept.series.items()
        }
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise InvalidValueError(
            f"trained must have been made by the fleet forecaster ({error}); train again"
        ) from error


def _opened(kept: _Kept) -> Fitted:
    parts = [
        np.frombuffer(part, dtype="<f4").reshape(1, *shape)
        for shape, part in zip(kept.shapes, kept.parts, strict=True)
    ]
    return of_parts(parts, kept.origin_count)


def stacked(fits: Sequence[Fitted]) -> Fitted:
    """Return several series' fits as one.

    Raises
    ------
    InvalidValueError
        When they differ in shape.
    """
    try:
        parts = [np.concatenate(these) for these in zip(*(f.parts() for f in fits), strict=True)]
    except ValueError as error:
        raise InvalidValueError(f"fits must have equal shapes: {error}") from error
    return of_parts(parts, fits[0].origin_count)


def row_of(fitted: Fitted, row: int) -> Fitted:
    """Return what was learned of one series."""
    return of_parts([part[row : row + 1] for part in fitted.parts()], fitted.origin_count)
