"""This file knows where the files of a service's HAProxy are.

Its socket's name has a length that the system limits; where a platform's folder lies too deep the
socket is in a folder of its own under the system's folder for short-lived files.
"""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

import msgspec

from foretide.errors import PlatformUnavailableError
from foretide.platforms.local.log import earlier

# 107 bytes are the system's; HAProxy binds under a longer name first and refuses more than this
_SOCKET_NAME_MAX = 97


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one HAProxy.

    Parameters
    ----------
    configuration, log, socket : Path
        What it is started with, what it prints, and where it is told things.
    """

    configuration: Path
    log: Path
    socket: Path

    @property
    def folder(self) -> Path:
        """Where all but the socket are."""
        return self.configuration.parent


def place_of(root: Path, service: str) -> Place:
    """Return where the files of a service's HAProxy are; nothing is made."""
    folder = root.absolute() / "traffic" / service
    return Place(
        configuration=folder / "haproxy.cfg",
        log=folder / "haproxy.log",
        socket=_socket(folder),
    )


def services_in(root: Path) -> list[str]:
    """Return the services that ever had a HAProxy in a platform's folder."""
    return sorted(path.parent.name for path in (root / "traffic").glob("*/haproxy.cfg"))


def made(place: Place) -> None:
    """Make the folders of a place, for its owner alone.

    Raises
    ------
    PlatformUnavailableError
        When one cannot be made, or somebody else has made it.
    """
    for folder in (place.folder, place.socket.parent):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = folder.lstat()
        except OSError as error:
            raise PlatformUnavailableError(f"{folder} cannot be made: {error.strerror}") from error
        is_ours = found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o022
        if not stat.S_ISDIR(found.st_mode) or not is_ours:
            raise PlatformUnavailableError(
                f"{folder} is not a folder that only this user may write; remove it"
            )


def removed(place: Place) -> None:
    """Remove the files of a place."""
    for path in (place.socket, place.configuration, place.log, earlier(place.log)):
        path.unlink(missing_ok=True)
    for folder in (place.socket.parent, place.folder):
        try:
            folder.rmdir()
        except OSError:
            continue  # gone, or it holds another service's


def _socket(folder: Path) -> Path:
    near = folder / "admin"
    if len(os.fsencode(near)) <= _SOCKET_NAME_MAX and "'" not in str(near):
        return near
    name = sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"foretide-{os.geteuid()}-{name}" / "admin"
