"""This file knows how a content comes to a node: over a link that carries so much and no more.

The link is a token bucket: whoever sends takes its turn, a piece at a time, so that all who send at
once have equal shares. A transfer is put together aside and then named: one that was broken off
leaves nothing that counts.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
import time
from pathlib import Path

from foretide.platforms.local.content import Content, files_in, is_executable
from foretide.platforms.local.durable import forced, names_forced

_PIECE_S = 0.01  # what a piece takes on a free link: short turns, and few of them
_PIECE_MIN_BYTES, _PIECE_MAX_BYTES = 1 << 12, 1 << 18
_LATE_MAX_S = 0.05  # what a sender that was woken late may catch up with


class Link:
    """A node's link, shared by all that is sent over it; for one event loop.

    Parameters
    ----------
    mbps : float
        Mbit/s it carries, > 0.

    Attributes
    ----------
    sent_mbit : float
        All it has carried so far.
    """

    def __init__(self, mbps: float) -> None:
        self._bytes_per_s = mbps * 1e6 / 8
        self._free_at_s = 0.0
        self.sent_mbit = 0.0
        self.piece_bytes = int(
            min(max(self._bytes_per_s * _PIECE_S, _PIECE_MIN_BYTES), _PIECE_MAX_BYTES)
        )

    async def send(self, byte_count: int) -> None:
        """Wait for a turn, and as long as a piece takes."""
        now_s = time.monotonic()
        begin_s = max(self._free_at_s, now_s - _LATE_MAX_S)
        self._free_at_s = begin_s + byte_count / self._bytes_per_s
        await asyncio.sleep(max(0.0, self._free_at_s - now_s))
        self.sent_mbit += byte_count * 8 / 1e6


async def transferred(content: Content, into: Path, *, link: Link) -> float:
    """Bring a content into a folder of a node, and return how many seconds that took.

    Parameters
    ----------
    content : Content
        As it is installed.
    into : Path
        Where contents lie on the node, each under its digest. What lies there already takes no
        time; two of one content must not be brought at once.
    link : Link
        The node's.
    """
    target = into / content.digest
    if target.is_dir():
        return 0.0
    begun_s = time.monotonic()
    into.mkdir(parents=True, exist_ok=True)
    aside = into / f".{secrets.token_hex(8)}.aside"
    try:
        aside.mkdir()
        for name, status in files_in(content.folder, origin=str(content.folder)):
            await _sent(content.folder / name, aside / name, status, link)
        await asyncio.to_thread(forced, aside)
        aside.rename(target)
    except BaseException:
        # broken off, or the disk is full: what came so far is worth nothing
        shutil.rmtree(aside, ignore_errors=True)
        raise
    names_forced(into)
    return time.monotonic() - begun_s


async def _sent(source: Path, target: Path, status: os.stat_result, link: Link) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(status.st_mode):
        target.symlink_to(source.readlink())
        return
    with source.open("rb") as taken, target.open("xb") as given:
        while data := taken.read(link.piece_bytes):
            await link.send(len(data))
            given.write(data)
    target.chmod(0o755 if is_executable(status) else 0o644)


def clear_broken(into: Path) -> None:
    """Clear away the transfers that a crash broke off."""
    for left in into.glob(".*.aside"):
        shutil.rmtree(left, ignore_errors=True)
