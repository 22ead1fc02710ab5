"""This file knows which part of an application a call belongs to.

A path names a feature once its query is cut and every id in it is folded: `/product/123?a=b`
becomes `/product/{id}`. The rule is static, so that the same path means the same feature today
and in a year. What is no path is taken as the feature's own name.
"""

from __future__ import annotations

import re
from functools import lru_cache

from foretide.model.event import FEATURE_MAX_CHARS

ALL = "all"
OTHER = "other"
FEATURES_MAX = 200

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
_PATH = re.compile(r"^[^?#;]*")
_EXTENSION = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{0,4}$")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?=.*[0-9])[0-9a-f]{8,}", re.IGNORECASE)
_TOKEN = re.compile(r"(?=(?:.*[0-9]){3})(?=.*[A-Za-z])[A-Za-z0-9_=.~-]{20,}")
_WORDS = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+){2,}")


@lru_cache(maxsize=1 << 16)
def feature_of(value: str) -> str:
    """Return the feature that a path, an address or a plain name stands for.

    Parameters
    ----------
    value : str
        What was called; empty means the app as a whole.

    Returns
    -------
    str
        1-256 characters.
    """
    text = _SCHEME.sub("", value.strip()) if "://" in value else value.strip()
    if not text:
        return "/" if value.strip() else ALL
    if not text.startswith("/"):
        return text[:FEATURE_MAX_CHARS].rstrip()
    path = _PATH.match(text)
    segments = (path.group() if path else text).split("/")
    return ("/".join(map(_folded, segments)) or "/")[:FEATURE_MAX_CHARS]


def _folded(segment: str) -> str:
    if "@" in segment or "%40" in segment:  # a mail address names a person
        return "{id}"
    extension = _EXTENSION.search(segment)
    stem = segment[: extension.start()] if extension else segment
    if not _is_id(stem):
        return segment
    return "{id}" + (extension.group() if extension else "")


def _is_id(stem: str) -> bool:
    if stem.isdigit() or _UUID.fullmatch(stem) or _HEX.fullmatch(stem):
        return True
    # a title such as `report-of-2012-01-15-part-2` is words, not a token
    return bool(_TOKEN.fullmatch(stem)) and not _is_title(stem)


def _is_title(stem: str) -> bool:
    if not _WORDS.fullmatch(stem):
        return False
    return max(map(len, re.split(r"[-_.]", stem))) < 16
