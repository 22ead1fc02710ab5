"""The table of the embedded platform's numbers, and the page of the documentation that holds it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

import msgspec
from forecasting.tables import table
from local_platform.measures import Figure

import foretide


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    what: str
    unit: str
    floor: float | None = None
    target: float | None = None


_LINES = (
    _Line(key="promote/frozen/p50", what="Promote, frozen, 100 MiB, p50", unit="ms",
          floor=10, target=5),
    _Line(key="promote/frozen/p99", what="the same, p99", unit="ms", floor=100, target=50),
    _Line(key="answered/frozen/p50", what="the same until a request was answered, p50", unit="ms"),
    _Line(key="answered/frozen/p99", what="the same, p99", unit="ms"),
    _Line(key="promote/minimal/p50", what="Promote, minimal, 4 workers of 25 MiB, p50", unit="ms",
          floor=10, target=5),
    _Line(key="promote/minimal/p99", what="the same, p99", unit="ms", floor=100, target=50),
    _Line(key="answered/minimal/p50", what="the same until a request was answered, p50",
          unit="ms"),
    _Line(key="full/frozen", what="Full throughput after a promote, frozen", unit="ms"),
    _Line(key="full/minimal", what="Full throughput after a promote, minimal", unit="ms"),
    _Line(key="cold", what="Cold launch over the program's own start", unit="ms",
          floor=100, target=50),
    _Line(key="supervise", what="200 serving instances supervised, of a core", unit="%",
          floor=20, target=10),
    _Line(key="supervise/memory", what="Memory that supervising them takes", unit="MiB"),
    _Line(key="warm/memory", what="Minimal: memory, of a serving one's", unit="%",
          floor=30, target=30),
    _Line(key="warm/cpu", what="Minimal: processor time, of a core", unit="%",
          floor=0.1, target=0.1),
)  # fmt: skip

_OPENING = """# The embedded platform

This page is written by `python benchmarks/local.py --page`; its numbers are measured, not chosen.

Foretide brings a platform of its own: instances are processes of this machine. There is no daemon
between them and it. Each is started as the leader of a session of its own, prints into a file, and
goes on when the control plane ends, however that ends.

## What is written down

Everything lies in one folder, which one process owns at a time. A second owner is told the number
of the first. An *action* is written to `receipts.jsonl` before anything is done, and its answer
after; asked again under the same id it is not done again, also not after a restart. An *instance*
has a record in `instances/`, replaced wholly at every move. Nothing is forced to the disk: a record
need only outlive the process that wrote it, and when the machine stops its instances stop too.

## What a new control plane does

It *adopts*. A process is known by its number together with the tick in which it began, so that a
number that was given again is not mistaken. What was started in the instant before its record was
written is found by its environment, which names the folder and the instance. A boot goes on being
probed, a drain goes on draining, what was held warm stays so; an action that was begun and not
answered is finished; a process of which nothing is known is ended and told. A test kills the
control plane thirty times at random instants while it launches, promotes, parks and drains: every
time each instance is there once, no process is left over, and in the end the fleet is the planned
one.

## When something goes wrong

A launch that does not start, is not ready in time or crashes is told with the last lines it
printed, and the fleet stays as it was. Its version then waits: 1 s, doubled with each further
failure in a row, 5 minutes at most; a good start ends the row. A serving instance that crashes is
noticed by the system's own signal, gets no more requests, and the loop is woken at once: the
planner replaces it, nothing restarts it behind its back. One that does not answer its probe several
times in a row is ended. What an ended program has left behind in its group is ended with it.

## How it goes

A *drain* gives no new requests, waits until none is under way, tells the program to end, and kills
it when it does not. A *park* waits likewise and then holds the instance warm. A *promote* is done
within the call: the process goes on, and requests reach it. `foretide down` ends everything the
folder ever started, and looks again until nothing is left.

## Numbers

"""


def table_of(found: Sequence[Figure]) -> str:
    """Return one row for each line that was measured."""
    figures = {figure.key: figure for figure in found}
    rows = [
        [
            line.what,
            f"{figures[line.key].value:.3g} {line.unit}",
            figures[line.key].spread,
            "" if line.floor is None else f"{line.floor:g}",
            "" if line.target is None else f"{line.target:g}",
            _verdict(line, figures[line.key].value),
        ]
        for line in _LINES
        if line.key in figures
    ]
    return table(["what", "measured", "spread", "floor", "target", "reached"], rows)


def page_of(found: Sequence[Figure]) -> str:
    """Return the whole page."""
    system = f"{platform.system()} {platform.release().split('-', maxsplit=1)[0]}"
    told = (
        f"Foretide {foretide.__version__}, Python {platform.python_version()}, {system}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} in the last five minutes. The "
        "program is the one of the tests, a server of the standard library's sockets.\n"
    )
    return f"{_OPENING}{table_of(found)}\n\n{told}"


def _verdict(line: _Line, value: float) -> str:
    if line.floor is None or line.target is None:
        return ""
    if value <= line.target:
        return "target"
    return "floor" if value <= line.floor else "**missed**"
