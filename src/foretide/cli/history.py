"""This file knows where `foretide try` reads a history from: a file, or a Prometheus server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from foretide.cli.durations import step_s
from foretide.cli.past import instant, within
from foretide.cli.work import progress
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.model.demand import Demand

_PROMETHEUS, _STEP = "prometheus", "60s"
_PAST = timedelta(days=28)
_SHOWN_NAMES = 3
_EXAMPLE = "'sum(rate(http_requests_total[1m]))'"


class History(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is known of a service's past.

    Parameters
    ----------
    origin : str
        The file or server, fit for a screen.
    demand : Demand
        What was asked of the service.
    instances : Demand, optional
        How many instances ran; None when nobody told.
    notes : tuple of str
        What had to be mended.
    """

    origin: str
    demand: Demand
    instances: Demand | None = None
    notes: tuple[str, ...] = ()


def history_of(
    words: Sequence[str],
    *,
    query: str,
    instances: str,
    series: str,
    span: tuple[str, str],
    step: str,
    headers: Sequence[str],
) -> History:
    """Return the history that the words and flags of `foretide try` name.

    Parameters
    ----------
    words : sequence of str
        A file, or `prometheus` and an address.
    query, instances, series, span, step, headers
        As of `from_file` and `from_prometheus`, each of which refuses what is the other's.

    Raises
    ------
    InputError, SourceError
        When there is no such history.
    """
    if words[0] == _PROMETHEUS and not Path(_PROMETHEUS).exists():
        if series:
            raise InputError(f"--series {series}: only for a file; choose by --query")
        return from_prometheus(
            words[1:], query=query, instances=instances, span=span, step=step or _STEP,
            headers=headers,
        )  # fmt: skip
    for flag, value in (("--query", query), ("--header", headers), ("--step", step)):
        if value:
            raise InputError(f"{flag}: only for `foretide try prometheus URL`")
    return from_file(words, series=series, instances=instances, span=span)


def from_file(
    words: Sequence[str], *, series: str, instances: str, span: tuple[str, str]
) -> History:
    """Return the history in a table of demand, and in one of instances when there is one.

    Parameters
    ----------
    words : sequence of str
        One path.
    series : str
        The series to try; empty: the only one.
    instances : str
        A file of `ts` and `value`, the instances that ran; empty: none.
    span : (str, str)
        First and last instant, ISO 8601; empty: all.

    Raises
    ------
    InputError
        When a file cannot be read, holds no such series or several, or nothing in that span.
    """
    if len(words) != 1:
        raise InputError(f"try: give one file, or prometheus and its URL; was {' '.join(words)}")
    path = Path(words[0])
    demand, notes = _only_series(path, series)
    ran: Demand | None = None
    if instances:
        ran, more = _only_series(Path(instances), series)
        notes += more
    start, end = instant("--since", span[0]), instant("--until", span[1])
    return History(
        origin=path.name,
        demand=within(demand, start, end, str(path)),
        instances=ran,
        notes=notes,
    )


def from_prometheus(
    urls: Sequence[str],
    *,
    query: str,
    instances: str,
    span: tuple[str, str],
    step: str,
    headers: Sequence[str],
) -> History:
    """Return the history that a Prometheus server answers with; nothing is changed there.

    Parameters
    ----------
    urls : sequence of str
        One address.
    query, instances : str
        PromQL of demand (requests/s) and of the number of instances; the latter may be empty.
    span : (str, str)
        First and last instant; empty: 28 days ago, and now.
    step : str
        Length of a bucket.
    headers : sequence of str
        Each `Name: value`.

    Raises
    ------
    InputError
        When a flag or the answer cannot be used.
    SourceError
        When the server does not answer.
    """
    from foretide.control.clock import WallClock
    from foretide.sources.prometheus import fetch_demand

    if len(urls) != 1:
        raise InputError(
            f"try prometheus: give one URL, as in try prometheus http://HOST:9090 --query "
            f"{_EXAMPLE}; was {' '.join(urls) or 'none'}"
        )
    if not query:
        raise InputError(f"--query: missing; give PromQL of requests/s such as {_EXAMPLE}")
    now = WallClock().now()
    end = instant("--until", span[1]) or now
    start = instant("--since", span[0]) or end - _PAST
    bucket_s = step_s("--step", step, multiple_of=60)
    sent = dict(_header(text) for text in headers)

    def asked(flag: str, expression: str, unit: Literal["rate", "amount"]) -> Demand:
        try:
            with progress(f"reading {flag.removeprefix('--')}") as moved:
                found = fetch_demand(
                    urls[0], expression, start=start, end=end, step_s=bucket_s, now=now,
                    unit=unit, headers=sent, on_progress=moved,
                )  # fmt: skip
        except InputError as error:
            raise InputError(str(error).replace("--query", flag, 1)) from None
        if len(found) > 1:
            raise InputError(
                f"{flag} {expression}: gives {len(found)} series, one is tried; add them up as in "
                f"sum({expression})"
            )
        return found[0]

    return History(
        origin=query,
        demand=_observed(asked("--query", query, "rate"), f"--query {query}"),
        instances=asked("--instances", instances, "amount") if instances else None,
    )


def _only_series(path: Path, series: str) -> tuple[Demand, tuple[str, ...]]:
    from foretide.sources.demand_table import read_demand

    table = read_demand(path, series=[series] if series else None)
    first, *others = table.demands
    if others:
        names = [one.series_id for one in table.demands]
        shown = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
        raise InputError(f"{path}: holds {len(names)} series; choose one with --series: {shown}")
    return first, table.notes


def _observed(demand: Demand, where: str) -> Demand:
    """Return a series from its first to its last observed bucket."""
    import numpy as np

    seen = np.flatnonzero(np.isfinite(demand.values))
    if not len(seen):
        raise InputError(f"{where}: only NaN came back; check the expression in Prometheus itself")
    step = timedelta(seconds=demand.step_s)
    return msgspec.structs.replace(
        demand,
        start=demand.start + int(seen[0]) * step,
        values=demand.values[seen[0] : seen[-1] + 1],
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    is_name = name.isascii() and name.replace("-", "").isalnum()
    if not colon or not is_name or not value.strip().isprintable() or not value.isascii():
        # the value may be a password: it is not repeated
        raise InputError(f"--header {name[:40]!r}: write it as 'Name: value'")
    return name, value.strip()
