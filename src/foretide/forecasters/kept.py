"""This file knows how what a model learned is sealed, so that nothing else is taken for it."""

from __future__ import annotations

import hashlib

from foretide.errors import InvalidValueError

_DIGEST_BYTES = 32


def sealed(model: str, version: int, learned: bytes) -> bytes:
    """Return `learned` behind a line that names its model, and a digest of it.

    Parameters
    ----------
    model : str
        The forecaster's name.
    version : int
        Raised whenever the meaning of `learned` changes.
    learned : bytes
        What the model needs to forecast again.
    """
    return _title(model, version) + hashlib.sha256(learned).digest() + learned


def opened(model: str, version: int, trained: bytes) -> bytes:
    """Return what `sealed` was given.

    Raises
    ------
    InvalidValueError
        When it was sealed for another model or version, or is not whole.
    """
    title = _title(model, version)
    body = trained[len(title) :]
    if not trained.startswith(title):
        raise InvalidValueError(
            f"trained must have been made by {model} (version {version}) and was not; train again"
        )
    digest, learned = body[:_DIGEST_BYTES], body[_DIGEST_BYTES:]
    if hashlib.sha256(learned).digest() != digest:
        raise InvalidValueError(f"trained must be whole and was not; train {model} again")
    return learned


def _title(model: str, version: int) -> bytes:
    return f"foretide {model} {version}\n".encode()
