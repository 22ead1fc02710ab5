"""This file knows how the things Foretide speaks of are named."""

from __future__ import annotations

import re
from datetime import datetime

from foretide.errors import InvalidValueError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


def check_name(field: str, value: str) -> str:
    """Return `value` if it may name an app, service, node or instance.

    Raises
    ------
    InvalidValueError
        When `value` is not 1-128 letters, digits, `_ . : -`, starting with a letter or digit.
    """
    if not _NAME.fullmatch(value):
        raise InvalidValueError(
            f"{field} must be 1-128 letters, digits, '_', '.', ':' or '-' "
            f"and start with a letter or digit, was {value!r}"
        )
    return value


def series_id(app: str, feature: str) -> str:
    """Return the name under which the demand of one feature of one app is kept."""
    return f"{app}/{feature}"


def action_id(service: str, at: datetime, ordinal: int) -> str:
    """Return the id that makes an action idempotent: the same tick asks under the same id."""
    return f"{service}@{int(at.timestamp())}#{ordinal}"
