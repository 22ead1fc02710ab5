r"""This file knows how access logs, common and combined, become events.

One line is `ADDRESS IDENT USER [DAY/MON/YEAR:H:M:S ZONE] "METHOD PATH PROTOCOL" STATUS BYTES`,
in the combined format followed by `"REFERRER" "USER AGENT"` and whatever else a server adds.
The whole rule is `_LINE`. Capturing by it is slow; a line of the usual shape is split at its
quotes and sliced at known places instead, and every line of another shape is tried by the whole
rule before it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import polars as pl

from foretide.demand.instants import OUT_OF_RANGE, is_in_range
from foretide.model.batch import INSTANT, RAW_SCHEMA, RawBatch, Reject
from foretide.sources.content import LineChunk

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TAIL = rf'(?: {_QUOTED} "(?<user_agent>(?:[^"\\]|\\.)*)"(?: .*)?)?$'
_LINE = (
    r"^(?<address>\S+) \S+ .*?\[(?<ts>[^\]]+)\] "
    r'"(?<request>(?:[^"\\]|\\.)*)" (?<status>[0-9]{3}) (?:[0-9]+|-)' + _TAIL
)
_BEFORE = r"^\S+ \S+ [^\[]*\[[0-9]{2}/[A-Za-z]{3}/[0-9]{4}(?::[0-9]{2}){3} [+-][0-9]{4}\] $"
_AFTER = r"^ [0-9]{3} (?:[0-9]+|-) ?$"
_REQUESTED = r"^[A-Z]+ \S"
_STAMP = "%d/%b/%Y:%H:%M:%S %z"

_IS_LINE = re.compile(_LINE.replace("(?<", "(?P<"))
_STAMPED = re.compile(r"\[\d{2}/[A-Za-z]{3}/\d{4}(?::\d{2}){3} [+-]\d{4}\] ?")
_REQUEST = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_TEXT_MAX_CHARS = 160


def is_log_line(text: str) -> bool:
    """Return whether `text` is a line of an access log."""
    return _IS_LINE.match(text) is not None


def read_log(chunks: Iterable[LineChunk]) -> Iterator[RawBatch]:
    """Give the events of an access log.

    Parameters
    ----------
    chunks : iterable of LineChunk
        Its lines.
    """
    return map(parse_log, chunks)


def parse_log(chunk: LineChunk) -> RawBatch:
    """Return the events of some lines of an access log; the others with the reason."""
    text = chunk.data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    table = pl.DataFrame({"text": text}).with_row_index("line", offset=chunk.first_line)
    if "\r" in text[0]:
        table = table.with_columns(pl.col("text").str.strip_chars_end("\r"))
    table = table.filter(pl.col("text").str.len_bytes() > 0)
    parts = _with_slow_lines(table, _fast(table))
    ts = parts["ts"].str.to_datetime(_STAMP, time_unit="us", strict=False).cast(INSTANT)
    parts = parts.with_columns(ts.alias("at"), _path().alias("path"))
    is_event = is_in_range(pl.col("at")).fill_null(value=False) & pl.col("path").is_not_null()
    events = parts.filter(is_event).select(
        pl.col("line").cast(pl.Int64),
        ts="at",
        feature="path",
        address="address",
        user_agent="user_agent",
        status=pl.col("status").cast(pl.Int64),
    )
    rejects = tuple(_reject(row) for row in parts.filter(~is_event).iter_rows(named=True))
    return RawBatch(
        frame=pl.concat([RAW_SCHEMA.to_frame(), events], how="diagonal"),
        rejects=rejects,
        lines=len(table),
        position=chunk.position,
    )


def _path() -> pl.Expr:
    request = pl.col("request")
    path = request.str.splitn(" ", 3).struct.field("field_1")
    return pl.when(request.str.contains(_REQUESTED)).then(path)


def _fast(table: pl.DataFrame) -> pl.DataFrame:
    # before" request "after" referrer "blank" user agent "more
    pieces = table["text"].str.splitn('"', 7).struct.unnest()
    before, after, more = pl.col("field_0"), pl.col("field_2"), pl.col("field_6")
    is_combined = (
        after.str.ends_with(" ")
        & (pl.col("field_4") == " ")
        & ((more == "") | more.str.starts_with(" "))
    )
    is_common = ~after.str.ends_with(" ") & pl.col("field_3").is_null()
    is_usual = (
        before.str.contains(_BEFORE)
        & after.str.contains(_AFTER)
        & (is_combined | is_common)
        & ~pl.col("text").str.contains("\\", literal=True)
    )
    found = {
        "address": before.str.splitn(" ", 2).struct.field("field_0"),
        "ts": before.str.slice(-28, 26),  # what stands in the brackets
        "status": after.str.slice(1, 3),
        "request": pl.col("field_1"),
    }
    return pl.concat([table, pieces], how="horizontal").select(
        "line",
        "text",
        *(pl.when(is_usual).then(part).alias(name) for name, part in found.items()),
        user_agent=pl.when(is_usual & is_combined).then(pl.col("field_5")),
    )


def _with_slow_lines(table: pl.DataFrame, fast: pl.DataFrame) -> pl.DataFrame:
    is_slow = fast["request"].is_null()
    if not is_slow.any():
        return fast
    rest = table.filter(is_slow)
    groups = rest["text"].str.extract_groups(_LINE).struct.unnest()
    slow = pl.concat([rest, groups], how="horizontal").select(fast.columns)
    return pl.concat([fast.filter(~is_slow), slow]).sort("line")


def _reject(row: dict[str, object]) -> Reject:
    text = str(row["text"])
    return Reject(line=int(str(row["line"])), reason=_reason(row, text), text=redacted(text))


def _reason(row: dict[str, object], text: str) -> str:
    if row["request"] is not None and row["at"] is None:
        return "time is not [day/Mon/year:h:m:s +zone]"
    if row["request"] is not None and row["path"] is not None:
        return OUT_OF_RANGE
    if row["request"] is not None:
        return "request is not METHOD PATH"
    if text.count('"') % 2:
        return "a quote is not closed"
    return "not a line of an access log"


def redacted(text: str) -> str:
    """Return what may be kept of a log line: its time and request, without query or address.

    Parameters
    ----------
    text : str
        The line; of one that has no time in brackets nothing is sure to be harmless.
    """
    stamp = _STAMPED.search(text)
    if stamp is None:
        return f"({len(text)} characters withheld)"
    request = _REQUEST.match(text, stamp.end())
    said = (
        re.sub(r"[?;][^\s\"]*", "", _ADDRESS.sub("(address)", request.group())) if request else ""
    )
    said = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in said)
    return f"(address) {stamp.group()}{said[:_TEXT_MAX_CHARS]} (rest withheld)"
