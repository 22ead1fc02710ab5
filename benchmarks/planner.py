"""Measure what Foretide's plans cost against the limit, against tuned HPAs, and in time.

Run by `make bench`, or `python benchmarks/planner.py --demand FOLDER_OR_FILE --series NAME ...`.
Everything is played by the product's own tick; what was measured by the same code before is kept
in the folder of temporary files. `--page` writes the page of the documentation instead.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec
from planning.cases import DEMAND, OBJECTIVES, demands_of
from planning.faults import USUAL
from planning.measured import Job, Result, code_digest, measured
from planning.page import page_of, tables_of
from planning.speed import speeds

from foretide.simulate.classes import LoadClass

KINDS = ("own", "rivals", "hindsight")
CALM_KINDS = ("spike", "bias-0.8", "bias-1.2")
FAULT_KINDS = ("flash-crowd-0", "flash-crowd-1", "metric-gaps-0", "metric-gaps-1")
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "plan-accuracy.md"


def jobs_of(where: Path, names: list[str]) -> list[Job]:
    """Return what is to be measured of every series."""
    found, code = list[Job](), code_digest()
    for path, demand in demands_of(where, names):
        found += [
            Job(path=str(path), series=demand.series_id, objective=objective, kind=kind, code=code)
            for objective in OBJECTIVES
            for kind in KINDS
        ]
    return found


def calm_jobs_of(results: list[Result]) -> list[Job]:
    """Return what is to be measured of forecastable series alone, at the strict objective."""
    calm = [
        r.job
        for r in results
        if r.load_class == LoadClass.FORECASTABLE and r.job.objective == OBJECTIVES[0]
    ]
    kinds = {job.series: CALM_KINDS + (FAULT_KINDS if job.series in USUAL else ()) for job in calm}
    return [msgspec.structs.replace(job, kind=kind) for job in calm for kind in kinds[job.series]]


def run(jobs: list[Job], processes: int) -> list[Result]:
    """Return the results, two at a time, telling on stderr how far it is."""
    found = list[Result]()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measured, job) for job in jobs]):
            found.append(future.result())
            print(f"\r{len(found)} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def main() -> None:
    """Print the tables, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demand", type=Path, default=DEMAND)
    parser.add_argument("--series", nargs="*", default=[], help="none: every one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-speed", action="store_true", help="leave the times out")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    chosen = parser.parse_args()
    if not chosen.demand.exists():
        print(f"{chosen.demand} is not on this machine: nothing measured")
        return
    results = run(jobs_of(chosen.demand, chosen.series), chosen.processes)
    results += run(calm_jobs_of(results), chosen.processes)
    took = {} if chosen.no_speed else speeds()
    if chosen.page:
        PAGE.write_text(page_of(results, took))
    else:
        print(tables_of(results, took))


if __name__ == "__main__":
    main()
