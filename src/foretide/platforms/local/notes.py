"""This file knows what was worked around, each thing said once."""

from __future__ import annotations

_KEPT_COUNT = 100


class Notes:
    """What a person should know of the platform, though it goes on."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Say something, unless it was said before."""
        if len(self._said) < _KEPT_COUNT:
            self._said.setdefault(text)

    def all(self) -> tuple[str, ...]:
        """Return everything said, in its order."""
        return tuple(self._said)
