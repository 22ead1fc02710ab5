"""This file knows what is told about an import when it is done."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from foretide.control.intake import Ticket
from foretide.control.refine import Refined
from foretide.model.batch import Content, RawBatch, Reject
from foretide.store.filing import Filed

SHOWN_REJECTS = 10


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file.

    Parameters
    ----------
    path : str
        The file.
    kind : str
        How it was read.
    line_count, stored_count, rejected_count : int
        Lines looked at, events or buckets stored, lines refused.
    rejects : tuple of Reject
        The first ten of those.
    notes : tuple of str
        One line each for what was mended, dropped, folded or known already.
    apps : tuple of str
        Where it went.
    """

    path: str
    kind: str
    line_count: int
    stored_count: int
    rejected_count: int
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


class Tally:
    """Counts what has been seen of one file so far."""

    def __init__(self) -> None:
        self.line_count = 0
        self.stored_count = 0
        self.rejected_count = 0
        self.country_count = 0
        self.last_rejected_line = -1
        self.is_featureless = True
        self._first: list[Reject] = []
        self._mended: dict[str, int] = {}

    def add(self, raw: RawBatch, refined: Refined) -> None:
        """Take note of one batch and of what became of it."""
        self.line_count += raw.lines
        self.stored_count += len(refined.batch.frame)
        self.rejected_count += len(refined.rejects)
        self.country_count += refined.country_count
        self._first.extend(refined.rejects[: SHOWN_REJECTS - len(self._first)])
        self.is_featureless &= raw.frame["feature"].null_count() == len(raw.frame)
        if refined.rejects:
            self.last_rejected_line = refined.rejects[-1].line
        for what, count in refined.batch.mended.items():
            self._mended[what] = self._mended.get(what, 0) + count

    def report(self, ticket: Ticket, filed: Filed, *, grown_from: Content | None) -> ImportReport:
        """Return what is told of the file when it is stored."""
        return ImportReport(
            path=str(ticket.path),
            kind=ticket.kind.value,
            line_count=self.line_count,
            stored_count=self.stored_count,
            rejected_count=self.rejected_count,
            rejects=tuple(self._first),
            notes=tuple(self._notes(filed, grown_from)),
            apps=filed.apps,
        )

    def _notes(self, filed: Filed, grown_from: Content | None) -> Iterator[str]:
        if grown_from is not None:
            lines = grown_from.complete.line_count + grown_from.is_tail_stored
            yield f"the file has grown: its first {lines:,} lines were imported before"
        for what, count in self._mended.items():
            yield f"{count:,} {what}"
        if filed.folded_feature_count:
            yield (
                f"{filed.folded_call_count:,} calls of {filed.folded_feature_count:,} features "
                "beyond the cap are counted under 'other' (--max-features)"
            )
        if self.is_featureless and self.stored_count:
            yield "no row names a feature: all calls are filed under 'all' (--columns feature=...)"
        # a grown log may overlap itself by a few lines; another server's log overlaps wholly
        if grown_from is None and filed.overlapping_count >= self.stored_count / 2 > 0:
            yield (
                f"{filed.overlapping_count:,} events of the same app and time span were there "
                "before, from other contents: make sure that they are not the same calls"
            )
