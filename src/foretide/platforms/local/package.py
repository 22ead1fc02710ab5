"""This file knows how a package is installed: wholly, once for all its copies, or not at all.

It is put together aside, hashed there, and then given its name, the hash: a crash leaves nothing
half, and what is there already is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from foretide.errors import InputError, PlatformError
from foretide.platforms.local.archive import ENDINGS, unpack
from foretide.platforms.local.content import Content, digest_and_size, files_in, is_executable
from foretide.platforms.local.durable import forced, names_forced
from foretide.platforms.local.manifest import MANIFEST_NAME, Manifest, read_manifest

_WANTED = re.compile(r"sha256:([0-9a-f]{64})")
_ASIDE = re.compile(r"\.[0-9a-f]{16}\.aside")
_CHUNK_BYTES = 1 << 20


def installed(root: Path, package: Path, *, wanted: str | None = None) -> Content:
    """Install a package, or find it installed.

    Parameters
    ----------
    root : Path
        The platform's folder.
    package : Path
        A folder with a `package.toml`, or an archive of one.
    wanted : str, optional
        "sha256:" and 64 digits: of the content, or of the archive's own bytes. Other bytes are
        refused.

    Returns
    -------
    Content
        Under `root/content`, forced to the disk.

    Raises
    ------
    InputError
        When the package is not there, is not one, or is not the one wanted: nothing is left.
    PlatformError
        When the platform's folder cannot be written.
    """
    if wanted is not None and not _WANTED.fullmatch(wanted):
        raise InputError(f'{package}: a hash is "sha256:" and 64 digits 0-9a-f, was "{wanted}"')
    is_folder = _checked(package)
    try:
        with _aside(root / "content") as aside:
            if is_folder:
                _copy(package, aside)
            else:
                unpack(package, aside)
                _lift(aside)
            return _named(aside, package, wanted)
    except OSError as error:
        at = error.filename or root
        raise PlatformError(f"{at}: {error.strerror or error}; make it usable and retry") from None


def _checked(package: Path) -> bool:
    if package.is_dir():
        return True
    if not package.exists():
        raise InputError(f"{package}: there is no such package; give a folder or an archive")
    if not package.is_file() or not package.name.endswith(ENDINGS):
        endings = ", ".join(ENDINGS)
        raise InputError(f"{package}: is no package; give a folder, or an archive ({endings})")
    if not os.access(package, os.R_OK):
        raise InputError(f"{package}: may not be read; make it readable")
    return False


@contextmanager
def _aside(contents: Path) -> Generator[Path]:
    # one installer at a time; the lock ends with its holder, however that ends
    contents.mkdir(parents=True, exist_ok=True)
    with (contents / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in contents.iterdir():
            if _ASIDE.fullmatch(left.name):
                shutil.rmtree(left)
        aside = contents / f".{secrets.token_hex(8)}.aside"
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _copy(package: Path, aside: Path) -> None:
    for name, status in files_in(package, origin=str(package)):
        source, target = package / name, aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(status.st_mode):
            target.symlink_to(source.readlink())
            continue
        try:
            shutil.copyfile(source, target)
        except PermissionError:
            raise InputError(f"{source}: may not be read; make it readable") from None
        target.chmod(0o755 if is_executable(status) else 0o644)


def _lift(aside: Path) -> None:
    # an archive of a folder holds the folder: its files are what is meant
    inside = list(aside.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        whole = aside / f".{secrets.token_hex(8)}"
        inside[0].rename(whole)
        for path in whole.iterdir():
            path.rename(aside / path.name)
        whole.rmdir()


def _named(aside: Path, package: Path, wanted: str | None) -> Content:
    manifest = _manifest(aside, package)
    digest, size_mib = digest_and_size(aside, origin=str(package))
    if wanted is not None:
        _check_wanted(package, wanted, digest)
    folder = aside.parent / digest
    if not folder.is_dir():
        forced(aside)
        aside.rename(folder)
        names_forced(folder.parent)
    return Content(digest=digest, folder=folder, size_mib=size_mib, manifest=manifest)


def _manifest(aside: Path, package: Path) -> Manifest:
    try:
        manifest = read_manifest(aside)
    except InputError as error:
        # told by where the person has it, not by where it was put aside
        said = str(error).replace(str(aside), str(package), 1)
        raise InputError(said) from None
    _check_program(manifest, aside, package)
    return manifest


def _check_program(manifest: Manifest, folder: Path, package: Path) -> None:
    program = manifest.command[0]
    where = f"{package / MANIFEST_NAME}: command"
    at = Path(program.replace("{folder}", str(folder)))
    if "/" not in program:
        if shutil.which(program, path=manifest.env.get("PATH", os.environ.get("PATH"))) is None:
            beside = f'; write "./{program}"' if (folder / program).is_file() else ""
            fix = beside or "; install it or give its path"
            raise InputError(f'{where} starts "{program}", which is not on PATH{fix}')
    elif not (folder / at).is_file():
        raise InputError(f'{where} starts "{program}", which is not there; add it or correct it')
    elif not os.access(folder / at, os.X_OK):
        raise InputError(f'{where} starts "{program}", which may not be run; chmod +x it')


def _check_wanted(package: Path, wanted: str, digest: str) -> None:
    known = [digest] if package.is_dir() else [digest, _sha256(package)]
    if wanted.removeprefix("sha256:") not in known:
        have = " or ".join(f"sha256:{one}" for one in known)
        raise InputError(f"{package}: is {have}, wanted {wanted}; fetch it again or correct one")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
