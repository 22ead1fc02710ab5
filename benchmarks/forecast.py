"""Score forecasters on real demand by rolling origins, side by side, and time our own.

    python benchmarks/forecast.py [--data FOLDER] [--split chosen] [--models fleet,prophet]
    python benchmarks/forecast.py --data FOLDER --full --page docs/explanation/forecast-accuracy.md

Without `--full`: losses by source of the models named, at a small effort. With it: every table,
every rival that can be asked here, and what is reached of each target. `--data` names the folder
that `benchmarks/forecasting/fetch.py` filled; without one only the project's own traces are used.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

from forecasting.cases import cases_of, with_history
from forecasting.kept import Kept
from forecasting.page import speed_table, written
from forecasting.rivals import RIVALS, Rival
from forecasting.sources import series_of, sources
from forecasting.speed import measured
from forecasting.tables import by_source, scored

_KNOWN = {one.name: one for one in RIVALS}
_QUICK = "fleet,seasonal-naive,weekly-median,prophet"


def main() -> None:
    """Print tables in Markdown, or write the page."""
    asked = _asked()
    rivals = _rivals(asked.models or (",".join(_KNOWN) if asked.full else _QUICK))
    if asked.full:
        text = written(asked.data, rivals, is_fresh=asked.fresh, effort=asked.effort)
        if asked.page is None:
            print(text)
        else:
            asked.page.write_text(text)
        return
    found = sources(asked.data, asked.split)
    if not found:
        print("no source of demand on this machine: nothing measured")
        return
    cases = [
        case for one in found for case in cases_of(one, series_of(one, asked.data), asked.effort)
    ]
    if asked.days:
        cases = with_history(cases, asked.days)
    usable = [one for one in rivals if not one.why_not()]
    print(f"{len(found)} sources, {len(cases)} forecasts by each model\n")
    for steps, label in ((24, "24 h"), (168, "7 d")):
        losses = scored(usable, cases, steps, Kept(folder=asked.data, is_fresh=asked.fresh))
        print(f"## {label}\n\n{by_source(usable[0], losses)}\n", flush=True)
    if asked.speed:
        print(f"## Speed\n\n{speed_table(measured(1))}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder filled by forecasting/fetch.py")
    parser.add_argument("--split", default="all", choices=("all", "chosen", "held-out"))
    parser.add_argument("--models", default="", help="by name, the first over each of the others")
    parser.add_argument("--effort", type=float, default=1.0, help="times as many origins")
    parser.add_argument("--days", type=int, default=0, help="cut the history to this many days")
    parser.add_argument("--fresh", action="store_true", help="ask rivals again, whatever is kept")
    parser.add_argument("--no-speed", dest="speed", action="store_false", help="time nothing")
    parser.add_argument("--full", action="store_true", help="every table, every rival")
    parser.add_argument("--page", type=Path, help="with --full: write the tables here")
    return parser.parse_args()


def _rivals(names: str) -> list[Rival]:
    chosen: list[Rival] = []
    for name in names.split(","):
        if name not in _KNOWN:
            sys.exit(f"--models {name}: unknown; use some of {', '.join(_KNOWN)}")
        chosen.append(_KNOWN[name])
        reason = _KNOWN[name].why_not()
        if reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
    return chosen


if __name__ == "__main__":
    main()
