"""This file knows what went wrong with instances, and how long a version that fails must wait."""

from __future__ import annotations

from datetime import datetime

import msgspec

_KEPT_COUNT = 100  # of each service
LOG_LINES = 20  # of what an instance printed last
_FIRST_S, _LONGEST_S = 1.0, 300.0


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that went without having been asked to.

    Parameters
    ----------
    instance_id, service, version : str
        Which, of what.
    at : datetime
        When, by the platform's clock.
    text : str
        What happened, in one line.
    log : tuple of str
        The last lines it printed.
    """

    instance_id: str
    service: str
    version: str
    at: datetime
    text: str
    log: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What happened, and what the instance said last, in one line."""
        said = next((line.strip() for line in reversed(self.log) if line.strip()), "")
        return f"{self.text}; it said last: {said[:200]}" if said else self.text


class _Row(msgspec.Struct):
    count: int = 0
    until_s: float = 0.0
    last: str = ""


class Failures:
    """What failed lately, and which versions may not be launched for a while.

    A version waits 1 s after the first failure in a row, twice as long after each further one, at
    most 5 minutes; a good start ends the row.
    """

    def __init__(self) -> None:
        self._by_service: dict[str, list[Failure]] = {}
        self._rows: dict[tuple[str, str], _Row] = {}

    def add(self, failure: Failure, *, is_launch: bool, now_s: float) -> None:
        """Remember a failure; one of a launch makes its version wait.

        Parameters
        ----------
        failure : Failure
        is_launch : bool
            Whether it never came to serve.
        now_s : float
            By a clock that never goes back.
        """
        kept = self._by_service.setdefault(failure.service, [])
        kept.append(failure)
        del kept[:-_KEPT_COUNT]
        if not is_launch:
            return
        row = self._rows.setdefault((failure.service, failure.version), _Row())
        if now_s < row.until_s:
            # launched together with the one before: no further try, so no longer wait
            row.last = failure.words
            return
        row.count += 1
        row.until_s = now_s + min(_FIRST_S * 2 ** min(row.count - 1, 30), _LONGEST_S)
        row.last = failure.words

    def started(self, service: str, version: str) -> None:
        """Say that a version started well: it need not wait."""
        self._rows.pop((service, version), None)

    def why_not(self, service: str, version: str, now_s: float) -> str:
        """Return why a version may not be launched now, in one line; empty when it may."""
        row = self._rows.get((service, version))
        if row is None or now_s >= row.until_s:
            return ""
        times = "once" if row.count == 1 else f"{row.count} times in a row"
        return (
            f"version {version} failed to start {times} and waits "
            f"{row.until_s - now_s:.0f} s: {row.last}"
        )

    def of(self, service: str) -> tuple[Failure, ...]:
        """Return what failed lately, newest last."""
        return tuple(self._by_service.get(service, ()))
