"""This file knows what a package's content is: its files by name, mode and bytes, and their hash.

The same files have the same hash, whatever they came in. What tools leave beside them is no part
of it. Nothing in a content leads out of its folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from foretide.errors import InputError
from foretide.platforms.local.manifest import Manifest

LEFT_OUT = frozenset({".git", "__pycache__"})
FILES_MAX = 100_000
SIZE_MAX_BYTES = 8 << 30
MIB = 1 << 20
_CHUNK_BYTES = 1 << 20


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A package as it lies on disk, never changed once it is there.

    Parameters
    ----------
    digest : str
        SHA-256 of its files, 64 hexadecimal digits.
    folder : Path
        Where they are.
    size_mib : float
        What a node that has none of it must fetch, MiB, >= 0.
    manifest : Manifest
        What it says of itself.
    """

    digest: str
    folder: Path
    size_mib: float
    manifest: Manifest


def files_in(folder: Path, *, origin: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file and link below `folder` with its path in it, in the order of the paths.

    Parameters
    ----------
    folder : Path
    origin : str
        What refusals begin with.

    Raises
    ------
    InputError
        At a device, a socket or a pipe, a link that leads out, or far too many files.
    """
    found = sorted(_walk(folder, ""))
    if len(found) > FILES_MAX:
        raise InputError(f"{origin}: holds over {FILES_MAX} files; pack them into fewer")
    total = 0
    base = folder.resolve()
    for name in found:
        path = folder / name
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            target = str(path.readlink())
            if not is_inside(name, target) or not path.resolve().is_relative_to(base):
                raise leads_out(origin, name, target)
        elif not stat.S_ISREG(status.st_mode):
            raise InputError(f"{origin}: {name!r} is a device, socket or pipe; leave it out")
        total += status.st_size
        if total > SIZE_MAX_BYTES:
            raise InputError(f"{origin}: holds over {SIZE_MAX_BYTES >> 30} GiB; make it smaller")
        yield name, status


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in LEFT_OUT:
                continue
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/")
            else:
                yield name


def is_inside(name: str, target: str) -> bool:
    """Return whether a link stays in its package by its words alone.

    Parameters
    ----------
    name : str
        The link's own path in the package.
    target : str
        What it leads to, as written in it.
    """
    if target.startswith("/"):
        return False
    joined = os.path.normpath(str(PurePosixPath(name).parent / target))
    return joined != ".." and not joined.startswith("../")


def leads_out(origin: str, name: str, target: str) -> InputError:
    """Return the refusal of a link that leads out of its package."""
    return InputError(
        f"{origin}: {name!r} is a link to {target!r}, out of it; leave it out or copy it"
    )


def is_executable(status: os.stat_result) -> bool:
    """Return whether a file may be run; all else of its mode is no part of a content."""
    return bool(status.st_mode & 0o111)


def digest_and_size(folder: Path, *, origin: str) -> tuple[str, float]:
    """Return the SHA-256 of a folder's files and how large they are in MiB.

    Raises
    ------
    InputError
        As `files_in`.
    """
    running = hashlib.sha256()
    total = 0
    for name, status in files_in(folder, origin=origin):
        path = folder / name
        is_link = stat.S_ISLNK(status.st_mode)
        mode = b"link" if is_link else b"run" if is_executable(status) else b"file"
        body = os.fsencode(path.readlink()) if is_link else _sha256(path)
        for part in (os.fsencode(name), mode, body):
            running.update(len(part).to_bytes(8, "big") + part)
        total += status.st_size
    return running.hexdigest(), total / MIB


def _sha256(path: Path) -> bytes:
    running = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            running.update(data)
    return running.digest()
