"""This file knows checks that settings of several tables share, and how a refusal is put."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from foretide.errors import InvalidValueError

AboveZero = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Text = Annotated[str, Meta(min_length=1, max_length=256)]


def check_span(start: datetime, end: datetime) -> None:
    """Refuse a time that ends before it begins.

    Raises
    ------
    InvalidValueError
        When `end` is not later than `start`.
    """
    if end <= start:
        raise InvalidValueError(
            f"end must be later than start, was {end.isoformat()}; exchange the two"
        )


def check_once(field: str, names: Sequence[str]) -> None:
    """Refuse a list that names something twice.

    Raises
    ------
    InvalidValueError
        At the first name that stood before.
    """
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InvalidValueError(f'{field} must name each once, had "{name}" twice; delete one')


def either(one: str, other: str, value: object) -> str:
    """Return the refusal of two settings of which exactly one must be given.

    Parameters
    ----------
    one, other : str
        Their names.
    value : object
        What `other` was; None when both are missing.
    """
    if value is None:
        return f"{one} and {other} are both missing; give one of the two"
    return f"{other} and {one} exclude each other, was {value}; delete one of the two"
