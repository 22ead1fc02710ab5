"""This file knows what many events at once are: as read, and as they may be kept."""

from __future__ import annotations

from datetime import datetime

import msgspec
import polars as pl

INSTANT = pl.Datetime("us", "UTC")

RAW_SCHEMA = pl.Schema(
    {
        "line": pl.Int64,
        "ts": INSTANT,
        "app": pl.String,
        "feature": pl.String,
        "session": pl.String,
        "address": pl.String,
        "user_agent": pl.String,
        "device": pl.String,
        "country": pl.String,
        "duration_s": pl.Float64,
        "status": pl.Int64,
    }
)

EVENT_SCHEMA = pl.Schema(
    {
        "ts": INSTANT,
        "app": pl.String,
        "feature": pl.String,
        "session": pl.UInt64,
        "visitor": pl.UInt64,
        "device": pl.String,
        "country": pl.String,
        "duration_s": pl.Float32,
        "status": pl.UInt16,
    }
)


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """One line that could not be read.

    Parameters
    ----------
    line : int
        Its number in the file, from 1; of a Parquet file the number of the row.
    reason : str
        Why, in words fit for a person; holds no raw identity.
    text : str
        What of the line may be kept and shown: no address, no quoted user agent.
    """

    line: int
    reason: str
    text: str = ""


class RawBatch(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Events as a source gave them: identities still raw, so never stored.

    Parameters
    ----------
    frame : DataFrame
        Columns as RAW_SCHEMA; null where nothing was said.
    rejects : tuple of Reject
        Lines that gave no event.
    lines : int
        Lines looked at, blank ones and a header left out: `len(frame) + len(rejects)`.
    position : int
        Bytes of the file on disk read so far.
    """

    frame: pl.DataFrame
    rejects: tuple[Reject, ...]
    lines: int
    position: int = 0


class EventBatch(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Events as they may be kept: consent asked, identities hashed, features folded.

    Parameters
    ----------
    frame : DataFrame
        Columns as EVENT_SCHEMA. `visitor` is set instead of `session` where the store has to cut
        sessions by silence.
    mended : dict of str to int
        How many values were dropped or folded, by what was done, in words fit for a person.
    """

    frame: pl.DataFrame
    mended: dict[str, int]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a content and the digest of everything before it: how a content is known again.

    Parameters
    ----------
    byte_count : int
        Bytes of uncompressed content before the mark.
    line_count : int
        Line ends among them.
    digest : bytes
        BLAKE2b of them.
    """

    byte_count: int
    line_count: int
    digest: bytes


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one imported content from another.

    Parameters
    ----------
    head : bytes
        Digest of its first 4096 bytes (of all of it when shorter).
    whole : Mark
        Its end.
    complete : Mark
        The end of its last finished line.
    is_tail_stored : bool
        Whether an unfinished last line gave an event: then its rest must not give another.
    """

    head: bytes
    whole: Mark
    complete: Mark
    is_tail_stored: bool = False


class ImportRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the store remembers of one import.

    Parameters
    ----------
    at : datetime
        When, aware UTC.
    path : str
        The file as it was named, or the address it came from.
    kind : str
        How it was read.
    app : str
        The app the person named; empty when it came from the rows.
    content : Content
        How it is known again.
    line_count, stored_count, rejected_count : int
        Lines looked at, events or values kept, lines refused.
    """

    at: datetime
    path: str
    kind: str
    app: str
    content: Content
    line_count: int
    stored_count: int
    rejected_count: int
