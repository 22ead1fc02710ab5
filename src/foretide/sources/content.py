"""This file knows how a file becomes numbered lines, and how its content is known again.

A content is its uncompressed bytes: a renamed or compressed copy has the same. A log that has
grown begins with the content imported before, up to the end of that one's last finished line;
reading goes on behind it, so no line counts twice.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from foretide.errors import InputError
from foretide.model.batch import Content, Mark

CHUNK_BYTES = 8 << 20
HEAD_BYTES = 4096
LINE_MAX_BYTES = 64 << 20  # a file with no line end in so much is no file of lines
_GZIP_MAGIC = b"\x1f\x8b"


class LineChunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some whole lines of a content.

    Parameters
    ----------
    data : bytes
        The lines with their ends; the last line of a content may lack its own.
    first_line : int
        Number of the first, from 1.
    position : int
        Bytes of the file on disk read so far.
    """

    data: bytes
    first_line: int
    position: int


@contextmanager
def opened(path: Path) -> Generator[tuple[BinaryIO, BinaryIO]]:
    """Yield the uncompressed stream of a file and the file itself, whose place tells progress.

    Raises
    ------
    InputError
        When it cannot be opened or read to its end.
    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if is_gzip else raw
            yield cast("BinaryIO", stream), raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the gzip stream is broken ({error}); fetch the file again"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give a readable file") from None


def head_of(path: Path, count: int = HEAD_BYTES) -> bytes:
    """Return the first `count` uncompressed bytes of a file."""
    with opened(path) as (stream, _):
        return _read_fully(stream, count)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A content imported before with which a file begins, and whether that is all of it."""

    content: Content
    is_all: bool


def known_content(path: Path, contents: Sequence[Content]) -> Known | None:
    """Return the longest of `contents` that this file begins with, if any.

    Parameters
    ----------
    path : Path
        The file.
    contents : sequence of Content
        What was imported before.
    """
    head = head_of(path)
    digest = blake2b(head).digest()
    # a head shorter than 4096 bytes belongs to a content that may have grown since
    may_match = [c for c in contents if c.head == digest or c.whole.byte_count < HEAD_BYTES]
    marks = {mark for c in may_match for mark in (c.whole, c.complete) if mark.byte_count}
    if not marks:
        return None
    reached, is_end = _reached(path, marks)
    found = [
        Known(content=c, is_all=is_end and c.whole == reached[-1])
        for c in may_match
        if reached and (c.whole in reached or c.complete in reached)
    ]
    return max(found, key=_rank, default=None)


def _rank(known: Known) -> tuple[bool, int]:
    return known.is_all, known.content.complete.byte_count


def _reached(path: Path, marks: set[Mark]) -> tuple[list[Mark], bool]:
    # the marks that this file passes through, and whether it ends with the last of them
    running = blake2b()
    at = 0
    reached: list[Mark] = []
    with opened(path) as (stream, _):
        for mark in sorted(marks, key=lambda m: m.byte_count):
            while at < mark.byte_count:
                data = stream.read(min(CHUNK_BYTES, mark.byte_count - at))
                if not data:
                    return reached, bool(reached) and reached[-1].byte_count == at
                running.update(data)
                at += len(data)
            if running.copy().digest() == mark.digest:
                reached.append(mark)
        is_end = not stream.read(1)
    return reached, is_end and bool(reached) and reached[-1].byte_count == at


class LineReader:
    """Reads a file as chunks of numbered lines and keeps account of its content.

    Parameters
    ----------
    path : Path
        The file, plain or gzip.
    known : Content, optional
        What of it was imported before: only what follows is given.
    chunk_bytes : int
        About how much to give at once.

    Attributes
    ----------
    is_grown : bool
        Whether reading begins behind a known content.
    """

    def __init__(
        self, path: Path, *, known: Content | None = None, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._path = path
        self._known = known
        self._chunk_bytes = chunk_bytes
        self._running = blake2b()
        self._head = b""
        self._bytes = 0
        self._lines = 0
        self._complete: Mark | None = None
        self._tail = b""
        self._is_tail_known = False
        self._before_tail = self._running.copy()
        self.is_grown = known is not None

    def __iter__(self) -> Iterator[LineChunk]:
        """Give the lines in order, those of a known content left out."""
        with opened(self._path) as (stream, raw):
            self._skip_known(stream)
            rest = b""
            while True:
                data = stream.read(self._chunk_bytes)
                self._account(data)
                is_end = not data
                data = rest + data
                cut = len(data) if is_end else data.rfind(b"\n") + 1
                rest = data[cut:]
                if len(rest) > LINE_MAX_BYTES:
                    raise InputError(f"{self._path}: no line ends in 64 MiB; is it a text file?")
                if cut:
                    yield self._chunk(data[:cut], raw.tell())
                if is_end:
                    return

    def raw(self) -> None:
        """Go through the bytes for the sake of the account alone."""
        with opened(self._path) as (stream, _):
            while data := stream.read(self._chunk_bytes):
                self._account(data)
                self._lines += data.count(b"\n")

    def content(self, *, is_tail_stored: bool) -> Content:
        """Return what the content is known by, once all of it was read."""
        whole = Mark(
            byte_count=self._bytes, line_count=self._lines, digest=self._running.copy().digest()
        )
        return Content(
            head=blake2b(self._head).digest(),
            whole=whole,
            complete=self._complete or whole,
            is_tail_stored=self.has_tail and (is_tail_stored or self._is_tail_known),
        )

    @property
    def has_tail(self) -> bool:
        """Whether the last line lacks its end."""
        return bool(self._tail)

    @property
    def line_count(self) -> int:
        """Lines of the content read so far, an unfinished last one among them."""
        return self._lines + self.has_tail

    def _chunk(self, data: bytes, position: int) -> LineChunk:
        chunk = LineChunk(data=data, first_line=self._lines + 1, position=position)
        self._lines += data.count(b"\n")
        if not data.endswith(b"\n"):
            self._tail = data[data.rfind(b"\n") + 1 :]
            self._close_complete()
        return chunk

    def _close_complete(self) -> None:
        self._complete = Mark(
            byte_count=self._bytes - len(self._tail),
            line_count=self._lines,
            digest=self._before_tail.copy().digest(),
        )

    def _account(self, data: bytes) -> None:
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        cut = data.rfind(b"\n") + 1
        if cut:
            self._running.update(data[:cut])
            self._before_tail = self._running.copy()
        self._running.update(data[cut:])
        self._bytes += len(data)

    def _skip_known(self, stream: BinaryIO) -> None:
        if self._known is None:
            return
        mark = self._known.complete
        while self._bytes < mark.byte_count:
            self._account(stream.read(min(self._chunk_bytes, mark.byte_count - self._bytes)))
        self._lines = mark.line_count
        if self._known.is_tail_stored:
            line = cast("BufferedIOBase", stream).readline()
            self._account(line)
            self._lines += line.endswith(b"\n")
            if not line.endswith(b"\n"):
                self._tail, self._is_tail_known = line, True
                self._close_complete()


def _read_fully(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            break
        data += more
    return data
