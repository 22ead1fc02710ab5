"""Measure the embedded platform: promotes, cold launches, supervision, and the minimal warm state.

Run by `make bench`, or `python benchmarks/local.py`: about three minutes. `--page` writes the page
of the documentation instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local_platform.measures import Figure, cold, promotes, shrunk, supervision
from local_platform.page import page_of, table_of

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "local-platform.md"


def run() -> list[Figure]:
    """Return everything that is measured, telling on stderr what is under way."""
    found = list[Figure]()
    for name, measure in (
        ("promotes of a frozen process", lambda: promotes("frozen")),
        ("promotes of a shrunk program", lambda: promotes("minimal")),
        ("cold launches", cold),
        ("supervision", supervision),
        ("the minimal state", shrunk),
    ):
        print(name, file=sys.stderr, flush=True)
        found += measure()
    return found


def main() -> None:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    chosen = parser.parse_args()
    found = run()
    if chosen.page:
        PAGE.write_text(page_of(found), encoding="utf-8")
    else:
        print(table_of(found))


if __name__ == "__main__":
    main()
