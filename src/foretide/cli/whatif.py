"""This file knows `foretide whatif`: what money and drops would be if one thing were different."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import STORE_HELP
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.cli.past import Past
    from foretide.simulate.outcome import Played
    from foretide.simulate.scenario import Scenario
    from foretide.simulate.whatif import Change


def whatif(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|APP|APP/FEATURE...",
            help="Parquet or CSV with series_id, ts, value; or what of the store.",
        ),
    ],
    scenario: Annotated[
        Path, typer.Option(help="TOML with objective, boot_s, prices, [capacity_rps].")
    ],
    change: Annotated[
        list[str] | None,
        typer.Option(
            help="What would be different: boot_s=60, boot_s/2, objective*10, spot; repeats. "
            "[a handful of usual ones]"
        ),
    ] = None,
    rival: Annotated[str, typer.Option(help="Who else is asked, such as hpa@0.5.")] = "hpa",
    series: Annotated[list[str] | None, typer.Option(help="Only these series; repeats.")] = None,
    since: Annotated[str, typer.Option(help="Only demand from here on (ISO 8601, zone).")] = "",
    until: Annotated[str, typer.Option(help="Only demand up to here.")] = "",
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a report and counts. [none are written]")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Series played at once. [cores]")] = 0,
) -> None:
    """Say what Foretide would cost and drop if one thing of the scenario were different.

    Each change is compared with the scenario as it is, and with a rival under the same change.
    """
    from foretide.cli.past import past_of
    from foretide.cli.whatif_words import print_answers
    from foretide.simulate.backtest import check_policies, trace_for
    from foretide.simulate.record import make_folder, write_comparison
    from foretide.simulate.scenario import read_scenario
    from foretide.simulate.whatif import change_of, usual_changes

    if rival in {"foretide", "oracle"}:
        raise InputError(f"--rival {rival}: give another policy, such as hpa")
    check_policies([rival])
    if jobs < 0:
        raise InputError(f"--jobs {jobs}: must be at least 1, or 0 for one per core")
    base = read_scenario(scenario)
    changes = [change_of(text, base) for text in change or []] or usual_changes(base)
    if len({one.name for one in changes}) != len(changes):
        raise InputError("--change: give each change once")
    past = past_of(what, series=series, span=(since, until), store=store)
    try:
        for one in past.demands:  # refused before anything is played or written
            for rules in (base, *(each.scenario for each in changes)):
                trace_for(one, rules)
    except InputError as error:
        raise InputError(f"{past.origin}: {error}") from None
    check_policies([rival], past.demands)
    if out is not None:
        make_folder(out)
    with _folder(out) as folder:
        played = _played(past, base, changes, rival=rival, folder=folder, jobs=jobs)
        for note in past.notes:
            typer.echo(f"foretide: {note}", err=True)
        print_answers(played, rival)
        if out is not None:
            write_comparison(out, title=f"What if, on {past.title}", played=played)
            typer.echo(f"report: {out / 'report.html'}")


@contextmanager
def _folder(out: Path | None) -> Generator[Path]:
    """Lend the folder journals go to: where results are to be kept, else one that is taken away."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _played(
    past: Past,
    base: Scenario,
    changes: Sequence[Change],
    *,
    rival: str,
    folder: Path,
    jobs: int,
) -> list[Played]:
    """Play the scenario as it is and with each change, or work out what needs no play."""
    from foretide.cli.past import bar
    from foretide.simulate.rounds import Rules, play_scenarios
    from foretide.simulate.whatif import BASE, SPOT, repriced, with_rivals_at

    anew = [one for one in changes if not one.is_price_only(base)]
    rules = {BASE: Rules(scenario=base)} | {
        one.name: Rules(scenario=one.scenario, faults=one.faults) for one in anew
    }
    with bar("playing", len(rules) * len(past.demands)) as moved:
        found = {
            one.name: one
            for one in play_scenarios(
                past.demands, rules, policies=("foretide", rival, "oracle"), folder=folder,
                jobs=jobs, progress=moved,
            )
        }  # fmt: skip
    known = found[BASE]
    if SPOT in found:
        found[SPOT] = with_rivals_at(found[SPOT], base.price_usd_per_hour)
    return [
        known,
        *(found[one.name] if one.name in found else repriced(known, one) for one in changes),
    ]
