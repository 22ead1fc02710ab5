"""This file knows the journal: what was seen and decided, written down before anything is done.

An entry holds all that went into a plan, the fleet as what changed since the entry before, so that
replaying the entries in order gives every plan again. One line of JSON each, appended only.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

import msgspec

from foretide.errors import JournalError
from foretide.model.fleet import Fleet, Instance
from foretide.model.plan import Plan
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One tick of one service.

    Parameters
    ----------
    at : datetime
        The instant of the tick, aware UTC.
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
    """

    at: datetime
    changed: tuple[Instance, ...]
    gone: tuple[str, ...]
    demand: RecentDemand
    need: Need | None
    plan: Plan


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
        Made with its folder when absent. A name that ends in `.gz` is compressed.
    is_durable : bool
        Whether each entry is forced to the disk before `append` returns. A simulation, which acts
        on nothing real, does without.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self._encoder = msgspec.json.Encoder()
        self._is_durable = is_durable
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(path, "ab")
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be opened: {error.strerror}") from error

    def append(self, entry: Entry) -> None:
        """Write an entry, and force it to the disk when the journal is durable."""
        try:
            self._file.write(self._encoder.encode(entry) + b"\n")
            if self._is_durable:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(
                f"the journal {self._path} cannot be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opened(path: Path, mode: str) -> io.BufferedIOBase | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.GzipFile(path, mode, compresslevel=1, mtime=0)
    return path.open(mode)  # type: ignore[return-value]


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
    try:
        with _opened(path, "rb") as file:
            lines = iter(file)
            line = next(lines, b"")
            number = 1
            while line:
                following = next(lines, b"")
                if following or line.endswith(b"\n"):
                    yield decoder.decode(line)
                line, number = following, number + 1
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise JournalError(f"{path}:{number} is no journal entry: {error}") from error


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
    return changed, tuple(name for name in known if name not in left)


def fleets(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Fleet]]:
    """Yield each entry with the fleet that was observed at it."""
    known: dict[str, Instance] = {}
    for entry in entries:
        for name in entry.gone:
            del known[name]
        known.update({i.instance_id: i for i in entry.changed})
        yield (
            entry,
            Fleet(
                service=entry.plan.service, observed_at=entry.at, instances=tuple(known.values())
            ),
        )
