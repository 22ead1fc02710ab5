"""This file knows how versions of something are kept in files so that none is ever half there.

A version is written aside, forced to the disk and then given its name, so a crash leaves the
versions before it as they were. Its first line holds a checksum of the rest: what a disk damaged
is noticed, said, and the version before it serves. Files that are not ours are left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from foretide.errors import StoreError

_MAGIC = b"foretide-version 1 "
_NAME = re.compile(r"(\d{8,})\.kept")
_ASIDE = re.compile(r"\.\d{8,}-[0-9a-f]{16}\.aside")
_LOCK = ".lock"
_NAME_MAX = 120


class Version(NamedTuple):
    """One version of something: its number, from 1 on, and its content."""

    number: int
    content: bytes


class Damaged(NamedTuple):
    """A version that is there and cannot be used: its number and the reason."""

    number: int
    reason: str


class VersionedFiles:
    """Versions of things by key, in a folder of their own each.

    Parameters
    ----------
    folder : Path
        Made when something is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, key: str, content: bytes) -> int:
        """Keep `content` as the newest version of `key`, and return its number.

        When this returns, the version survives a crash of the machine; until then the others do.

        Raises
        ------
        StoreError
            When it cannot be written: the versions there were are untouched.
        """
        try:
            with self._locked(key) as folder:
                number = max(self._numbers(folder), default=0) + 1
                _write(folder, number, content)
        except OSError as error:
            raise self._unusable(key, error) from None
        return number

    def numbers(self, key: str) -> list[int]:
        """Return the numbers of the versions of `key`, newest first, damaged ones too."""
        try:
            return sorted(self._numbers(self._folder(key)), reverse=True)
        except OSError as error:
            raise self._unusable(key, error) from None

    def read(self, key: str, number: int) -> Version | Damaged:
        """Return one version of `key`, or why it cannot be used."""
        path = self._folder(key) / f"{number:08d}.kept"
        try:
            text = path.read_bytes()
        except OSError as error:
            return Damaged(number, f"{path}: {error.strerror}")
        head, _, content = text.partition(b"\n")
        if head != _head(content):
            return Damaged(number, f"{path}: damaged, its checksum differs")
        return Version(number, content)

    def append(self, key: str, name: str, lines: bytes) -> None:
        """Append whole lines to the text `name` beside the versions of `key`, and force them down.

        What a crash left of a line is ended first, so that the next one begins on its own.

        Raises
        ------
        StoreError
            When they cannot be written.
        """
        try:
            with self._locked(key) as folder, (folder / name).open("a+b") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    lines = lines if file.read(1) == b"\n" else b"\n" + lines
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unusable(key, error) from None

    def prune(self, key: str, *, newest: int, needed: Collection[int] | None = None) -> None:
        """Remove the versions of `key` that are neither among the newest ones nor needed.

        Parameters
        ----------
        key : str
        newest : int
            How many of the newest are kept.
        needed : collection of int, optional
            Kept too, and so is whatever is newer than all of these: another writer may need it.

        Raises
        ------
        StoreError
            When one cannot be removed.
        """
        try:
            with self._locked(key) as folder:
                for number in sorted(self._numbers(folder), reverse=True)[newest:]:
                    path = folder / f"{number:08d}.kept"
                    is_needed = needed is not None and (
                        number in needed or number > max(needed, default=0)
                    )
                    if path.is_file() and not is_needed:
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(key, error) from None

    def _folder(self, key: str) -> Path:
        # any text is a key: what a file system could not take as a name is spelt out
        name = quote(key, safe="").replace(".", "%2E") or "%"
        if len(name) > _NAME_MAX:
            name = f"{name[: _NAME_MAX - 33]}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        return self.folder / name

    @contextmanager
    def _locked(self, key: str) -> Generator[Path]:
        # one writer of a key at a time; the lock ends with its holder, however that ends
        folder = self._folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.iterdir():
                if _ASIDE.fullmatch(left.name):
                    left.unlink(missing_ok=True)
            yield folder

    def _numbers(self, folder: Path) -> list[int]:
        if not folder.is_dir():
            return []
        matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
        return [int(match[1]) for match in matches if match]

    def _unusable(self, key: str, error: OSError) -> StoreError:
        return StoreError(
            f"{self._folder(key)}: {error.strerror or error}; what is kept there must be writable"
        )


def _head(content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(content).hexdigest().encode()


def _write(folder: Path, number: int, content: bytes) -> None:
    aside = folder / f".{number:08d}-{secrets.token_hex(8)}.aside"
    try:
        with aside.open("xb") as file:
            file.write(_head(content) + b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(folder / f"{number:08d}.kept")
    finally:
        aside.unlink(missing_ok=True)
    _force_names(folder)
    _force_names(folder.parent)


def _force_names(folder: Path) -> None:
    # a name is on the disk once its folder is
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
