"""This file knows what each version is that was asked for, read once."""

from __future__ import annotations

from pathlib import Path

from foretide.errors import InputError
from foretide.platforms.local.content import Content
from foretide.platforms.local.manifest import Manifest
from foretide.platforms.local.record import Record
from foretide.platforms.local.versions import Versions

_GONE = Manifest(command=("gone",))


class Contents:
    """The contents of a root's versions: what was found once never changes.

    Parameters
    ----------
    root : Path
        The platform's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[tuple[str, str], Content] = {}

    def of(self, service: str, version: str) -> Content:
        """Return what a version is, also one that was installed since the platform began.

        Raises
        ------
        InputError
            When there is none, naming those there are.
        """
        found = self._found.get((service, version))
        if found is None:
            found = Versions(self._root).content(service, version)
            self._found[service, version] = found
        return found

    def manifest(self, record: Record) -> Manifest:
        """Return what the package of an instance says of itself, defaults where it is gone."""
        try:
            return self.of(record.service, record.version).manifest
        except InputError:
            return _GONE
