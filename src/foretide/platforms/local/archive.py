"""This file knows how an archive is unpacked so that nothing of it lands outside its folder."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from foretide.errors import InputError
from foretide.platforms.local.content import FILES_MAX, SIZE_MAX_BYTES, is_inside, leads_out

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip")
_CHUNK_BYTES = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into an empty folder.

    Parameters
    ----------
    archive : Path
        Its name ends in one of `ENDINGS`.
    folder : Path
        Made when absent.

    Raises
    ------
    InputError
        When it is no such archive, is broken, or holds what a package must not: an absolute path,
        `..`, a link that leads out, a device.
    """
    folder.mkdir(parents=True, exist_ok=True)
    into = _Unpacked(archive, folder)
    try:
        if archive.name.endswith(".zip"):
            _unzip(archive, into)
        else:
            _untar(archive, into)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{archive}: is a broken archive ({error}); fetch it again") from None
    except NotImplementedError as error:
        raise InputError(f"{archive}: cannot be unpacked ({error}); pack it as .tar.gz") from None
    except RuntimeError as error:  # how `zipfile` asks for a password
        raise InputError(f"{archive}: {error}; pack it without a password") from None


class _Unpacked:
    # One folder being filled; every name is checked before anything is written under it.

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        self._file_count, self._room_bytes = 0, SIZE_MAX_BYTES

    def place(self, name: str) -> Path | None:
        """Return where a member goes, its folder made; None for the folder itself."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\x00" in name:
            raise InputError(f"{self._archive}: {name!r} leads out of it; pack it without / and ..")
        self._file_count += 1
        if self._file_count > FILES_MAX:
            raise InputError(f"{self._archive}: holds over {FILES_MAX} files; pack fewer")
        return self._real(self._folder, parts) if parts else None

    def _real(self, at: Path, parts: tuple[str, ...]) -> Path:
        # every folder on the way is a folder: a link would lead the next member elsewhere
        for part in parts[:-1]:
            at /= part
            if at.is_symlink() or (at.exists() and not at.is_dir()):
                raise InputError(
                    f"{self._archive}: {part!r} is both a file and a folder; pack again"
                )
            at.mkdir(exist_ok=True)
        return at / parts[-1]

    def folder(self, name: str) -> None:
        """Make a folder of the archive."""
        self.place(f"{name}/x")

    def file(self, name: str, source: IO[bytes], *, may_run: bool) -> None:
        """Write a file of the archive."""
        path = self._free(name)
        with path.open("xb") as file:
            while data := source.read(_CHUNK_BYTES):
                self._room_bytes -= len(data)
                if self._room_bytes < 0:
                    gib = SIZE_MAX_BYTES >> 30
                    raise InputError(f"{self._archive}: holds over {gib} GiB; make it smaller")
                file.write(data)
        path.chmod(0o755 if may_run else 0o644)

    def link(self, name: str, target: str) -> None:
        """Make a link of the archive."""
        if not target or not is_inside(name, target):
            raise leads_out(str(self._archive), name, target)
        self._free(name).symlink_to(target)

    def hard_link(self, name: str, target: str) -> None:
        """Copy a file that was unpacked before."""
        source = self.place(target)
        if source is None or source.is_symlink() or not source.is_file():
            raise leads_out(str(self._archive), name, target)
        with source.open("rb") as file:
            self.file(name, file, may_run=bool(source.stat().st_mode & 0o111))

    def refuse_special(self, name: str) -> None:
        """Refuse what is neither file, folder nor link."""
        raise InputError(f"{self._archive}: {name!r} is a device, socket or pipe; leave it out")

    def _free(self, name: str) -> Path:
        path = self.place(name)
        if path is None or os.path.lexists(path):
            raise InputError(f"{self._archive}: {name!r} stands in it twice; pack it again")
        return path


def _untar(archive: Path, into: _Unpacked) -> None:
    with _tar_stream(archive) as tar:
        for member in tar:
            if member.isdir():
                into.folder(member.name)
            elif member.issym():
                into.link(member.name, member.linkname)
            elif member.islnk():
                into.hard_link(member.name, member.linkname)
            elif member.isfile():
                source = cast("IO[bytes]", tar.extractfile(member))
                into.file(member.name, source, may_run=bool(member.mode & 0o111))
            else:
                into.refuse_special(member.name)


@contextmanager
def _tar_stream(archive: Path) -> Generator[tarfile.TarFile]:
    if not archive.name.endswith(".zst"):
        with tarfile.open(archive, "r|*") as tar:
            yield tar
        return
    import pyarrow as pa  # noqa: PLC0415  # takes long to import, and only this ending needs it

    stream = cast("IO[bytes]", pa.CompressedInputStream(pa.OSFile(str(archive)), "zstd"))
    try:
        with closing(stream), tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar
    except OSError as error:
        if error.errno is not None:
            raise
        # how pyarrow tells of bytes that are no zstd
        raise InputError(f"{archive}: is a broken archive ({error}); fetch it again") from None


def _unzip(archive: Path, into: _Unpacked) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            mode = member.external_attr >> 16
            if member.is_dir():
                into.folder(member.filename.rstrip("/"))
            elif stat.S_ISLNK(mode):
                into.link(member.filename, os.fsdecode(packed.read(member)))
            elif stat.S_IFMT(mode) in {0, stat.S_IFREG}:
                with packed.open(member) as source:
                    into.file(member.filename, source, may_run=bool(mode & 0o111))
            else:
                into.refuse_special(member.filename)
