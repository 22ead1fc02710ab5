"""This file knows how a length of time is written on the command line."""

from __future__ import annotations

import re

from foretide.errors import InputError

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_WRITTEN = re.compile(r"(\d+)\s*(s|m|min|h|d)")


def duration_s(flag: str, text: str) -> int:
    """Return the seconds of `60s`, `5m`, `1h` or `1d`, >= 1.

    Raises
    ------
    InputError
        When `text` is none of these.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if written is None or int(written.group(1)) == 0:
        raise InputError(f"{flag} {text!r}: write a length such as 60s, 5m, 1h or 1d")
    return int(written.group(1)) * _UNITS_S[written.group(2)]


def step_s(flag: str, text: str, *, multiple_of: int = 1) -> int:
    """Return the seconds of a bucket's length, at most a day.

    Raises
    ------
    InputError
        When it is longer, or no multiple of `multiple_of` seconds.
    """
    seconds = duration_s(flag, text)
    if seconds > 86_400 or seconds % multiple_of:
        raise InputError(
            f"{flag} {text!r}: a bucket is at most 1d and a multiple of {multiple_of}s, such as 1h"
        )
    return seconds
