"""This file knows the journal: what was seen and decided, written down before anything is done.

An entry holds all that went into a plan, the fleet as what changed since the entry before, so that
replaying the entries in order gives every plan again. One line of JSON each, appended only.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

import msgspec

from foretide.errors import JournalError
from foretide.model.fleet import Fleet, Instance
from foretide.model.placement import Rooms
from foretide.model.plan import Plan
from foretide.model.thresholds import ThresholdMove
from foretide.plan.memory import Circumstances, RecentDemand
from foretide.plan.need import Need


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tick of one service.

    Parameters
    ----------
    at : datetime
        The instant of the tick, aware UTC.
    observed_at : datetime, optional
        When the platform looked, where that was not at the tick.
    changed : tuple of Instance
        Instances that are new or changed since the entry before, in the order reported.
    gone : tuple of str
        Instances that were there at the entry before and are no more.
    demand : RecentDemand
        What was last seen of demand.
    need : Need, optional
        What the forecast asked for.
    plan : Plan
        What was decided.
    around : Circumstances
        What else was heeded.
    moves : tuple of ThresholdMove
        Thresholds that moved since the entry before, and why.
    is_start : bool
        Whether the one who decided had just begun: `changed` is the whole fleet, and the planner
        remembered nothing of the entries before.
    rooms : Rooms, optional
        Where the launches could go; only where there are any and the nodes are known.
    """

    at: datetime
    changed: tuple[Instance, ...]
    gone: tuple[str, ...]
    demand: RecentDemand
    need: Need | None
    plan: Plan
    around: Circumstances = Circumstances()
    moves: tuple[ThresholdMove, ...] = ()
    observed_at: datetime | None = None
    is_start: bool = False
    rooms: Rooms | None = None


class Journal(Protocol):
    """Where entries are written before they are acted upon."""

    def append(self, entry: Entry) -> None:
        """Write an entry; when this returns, the entry is as safe as the journal promises.

        Raises
        ------
        JournalError
            When it could not be written: nothing of the plan may be done.
        """
        ...


class FileJournal:
    """A journal in a file of JSON lines; one process appends.

    Parameters
    ----------
    path : Path
        Made with its folder when absent. A last line that a crash cut off is cleared away before
        anything is appended. A name that ends in `.gz` is compressed and begun anew: what a crash
        left of a compressed file could not be continued.
    is_durable : bool
        Whether each entry is forced to the disk before `append` returns. A simulation, which acts
        on nothing real, does without; only such a journal may be compressed.

    Raises
    ------
    JournalError
        When the file cannot be opened.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self._encoder = msgspec.json.Encoder()
        self._is_durable = is_durable
        self._path = path
        if is_durable and path.suffix == ".gz":
            raise JournalError(f"the journal {path} cannot be durable and compressed; drop the .gz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _written(path, is_durable=is_durable)
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be opened: {error.strerror}") from error

    def append(self, entry: Entry) -> None:
        """Write an entry, and force it to the disk when the journal is durable."""
        line = self._encoder.encode(entry) + b"\n"
        try:
            if self._is_durable:
                self._force(line)
            else:
                self._file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def _force(self, line: bytes) -> None:
        # whole and on the disk, or not in the file at all
        number = self._file.fileno()
        end = os.fstat(number).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(number)
        except OSError:
            with suppress(OSError):
                os.ftruncate(number, end)
            raise

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        JournalError
            When what was kept back so far cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(f"the journal {self._path} cannot be written: {error.strerror}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _written(path: Path, *, is_durable: bool) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.GzipFile(path, "wb", compresslevel=1, mtime=0))
    _clear_cut_off_line(path)
    # a buffer would keep an entry that could not be written, and write it with the next
    return path.open("ab", buffering=0 if is_durable else -1)  # type: ignore[return-value]


def _clear_cut_off_line(path: Path) -> None:
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        end = _end_of_last_line(file)
        if end < file.seek(0, os.SEEK_END):
            file.truncate(end)


def _end_of_last_line(file: io.BufferedRandom) -> int:
    """Return the size of what ends with a line end, reading backwards."""
    begin = file.seek(0, os.SEEK_END)
    while begin > 0:
        size = min(begin, 1 << 16)
        begin = file.seek(begin - size)
        at = file.read(size).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
    return 0


class MemoryJournal:
    """A journal in memory, for tests and for worlds nobody keeps."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, entry: Entry) -> None:
        """Keep an entry."""
        self.entries.append(entry)


def read_journal(path: Path) -> Iterator[Entry]:
    """Yield the entries of a journal file in order.

    A last line that was cut off by a crash was never acted upon, and is left out.

    Raises
    ------
    JournalError
        When the file cannot be read or a line before the last is no entry.
    """
    decoder = msgspec.json.Decoder(Entry)
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in _whole_lines(file):
                number += 1
                yield decoder.decode(line)
    except (OSError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise JournalError(f"the journal {path} cannot be read: {why}") from error
    except msgspec.DecodeError as error:
        raise JournalError(f"{path}:{number} is no journal entry: {error}") from error


def _whole_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for line in file:
            if line.endswith(b"\n"):
                yield line
    except EOFError:  # a compressed journal that was not closed ends in the middle
        return


def fleet_change(
    before: Fleet | None, fleet: Fleet
) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """Return which instances changed or came, and which went, between two reports.

    Parameters
    ----------
    before : Fleet, optional
        The earlier report; None for the first.
    fleet : Fleet
        The later one.
    """
    if before is None:
        return fleet.instances, ()
    if before.instances == fleet.instances:
        return (), ()
    known = {i.instance_id: i for i in before.instances}
    changed = tuple(i for i in fleet.instances if known.get(i.instance_id) != i)
    left = {i.instance_id for i in fleet.instances}
    gone = tuple(name for name in known if name not in left)
    came = [i.instance_id for i in changed if i.instance_id not in known]
    told = [*(name for name in known if name in left), *came]
    if told != [i.instance_id for i in fleet.instances]:
        # reported in another order, as after a report from the past: told anew from the first on
        return fleet.instances, tuple(known)
    return changed, gone


def fleets(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Fleet]]:
    """Yield each entry with the fleet that was observed at it."""
    known: dict[str, Instance] = {}
    for entry in entries:
        if entry.is_start:
            known = {}
        for name in entry.gone:
            del known[name]
        known.update({i.instance_id: i for i in entry.changed})
        yield (
            entry,
            Fleet(
                service=entry.plan.service,
                observed_at=entry.observed_at or entry.at,
                instances=tuple(known.values()),
            ),
        )
