"""This file knows where the secret lies under which identities are hashed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from foretide.demand.sessions import KEY_BYTES
from foretide.errors import StoreError


def key_path(store: Path) -> Path:
    """Return where the key of a store lies: beside it, never in it."""
    return store.with_name(store.name + ".key")


def session_key(store: Path) -> bytes:
    """Return the key of a store, made on first use and readable by its owner only.

    Raises
    ------
    StoreError
        When it cannot be made or read, or is no key.
    """
    path = key_path(store)
    try:
        _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; the session key must be readable") from None
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path}: not a key of {KEY_BYTES} bytes; restore it or move it away")
    return key


def _make(path: Path) -> None:
    if path.exists():
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
