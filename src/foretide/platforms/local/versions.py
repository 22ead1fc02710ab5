"""This file knows which content each version of a service is, and that it never becomes another.

`root/versions.json` holds it; every change replaces the file wholly.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from foretide.errors import InputError, PlatformError
from foretide.model.ids import check_name
from foretide.platforms.local.content import MIB, Content, files_in
from foretide.platforms.local.manifest import read_manifest

_Known = dict[str, dict[str, str]]  # service, version, digest


class Versions:
    """The versions of a platform's services.

    Parameters
    ----------
    root : Path
        The platform's folder.

    Raises
    ------
    PlatformError
        When what is there cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "versions.json"
        self._contents: dict[str, Content] = {}  # by digest: what lies there never changes
        self._digests = self._read()

    def add(self, service: str, version: str, digest: str) -> None:
        """Say which content a version is; said again it is the same.

        Raises
        ------
        InputError
            When the version is known by other bytes, or the content is not installed.
        InvalidValueError
            When a name is none.
        PlatformError
            When it cannot be written.
        """
        check_name("service", service)
        check_name("version", version)
        known = self._digests.get(service, {}).get(version)
        if known == digest:
            return
        if known is not None:
            raise InputError(
                f"{service}: version {version} is sha256:{known}, and these bytes are "
                f"sha256:{digest}; give what has changed another version"
            )
        if not self._folder(digest).is_dir():
            raise InputError(f"{service}: sha256:{digest} is not installed; install it first")
        versions = {**self._digests.get(service, {}), version: digest}
        self._write({**self._digests, service: versions})

    def content(self, service: str, version: str) -> Content:
        """Return the content of a version.

        Raises
        ------
        InputError
            When there is no such version, naming those there are, or its content is gone.
        """
        digest = self._digests.get(service, {}).get(version)
        if digest is None:
            known = ", ".join(self.known(service)) or "none"
            raise InputError(f"{service}: version {version} is not installed; there is {known}")
        if digest not in self._contents:
            self._contents[digest] = self._found(digest, f"{service} {version}")
        return self._contents[digest]

    def known(self, service: str) -> tuple[str, ...]:
        """Return the versions of a service in the order in which they came."""
        return tuple(self._digests.get(service, {}))

    def _folder(self, digest: str) -> Path:
        return self._root / "content" / digest

    def _found(self, digest: str, whose: str) -> Content:
        folder = self._folder(digest)
        if not folder.is_dir():
            raise InputError(f"{whose}: {folder} is gone; install the package again")
        files = files_in(folder, origin=str(folder))
        size_mib = sum(status.st_size for _, status in files) / MIB
        return Content(
            digest=digest, folder=folder, size_mib=size_mib, manifest=read_manifest(folder)
        )

    def _read(self) -> _Known:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Known)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise PlatformError(
                f"{self._path}: cannot be read ({error}); restore it, or remove it and "
                f"install the versions again"
            ) from None

    def _write(self, digests: _Known) -> None:
        aside = self._path.with_suffix(".aside")
        try:
            with aside.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(digests)))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._path)
        except OSError as error:
            raise PlatformError(f"{self._path}: {error.strerror}; make it writable") from None
        self._digests = digests
