"""This file knows how a session is named: by a keyed hash, never by what identifies a person."""

from __future__ import annotations

from hashlib import blake2b

SESSION_GAP_S = 1800  # a visitor silent for longer begins a new session
KEY_BYTES = 32


def keyed_hash(key: bytes, app: str, identity: str) -> int:
    """Return the 64-bit keyed hash under which an identity of `app` is kept.

    Parameters
    ----------
    key : bytes
        The secret of the store, 32 bytes: without it the hash can be neither made nor tried.
    app : str
        Whose user it is: the same id in two apps gives two hashes.
    identity : str
        Session id, or address and user agent together.
    """
    text = f"{app}\0{identity}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, key=key, digest_size=8).digest(), "little")
