"""`foretide whatif`, as a person would run it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cases.command import Done, Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

SCENARIO = """
objective = 0.01
boot_s = 300
warm_price_fraction = 0.2
warmup_days = 0.5
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs `foretide whatif` in this process, in a folder with demand."""
    hours = np.arange(12 * 36) / 12
    calls = np.random.default_rng(2).poisson(500 * (1 - 0.9 * np.cos(hours * np.pi / 12)))
    start = datetime(2026, 3, 2, tzinfo=UTC)
    demand = Demand(series_id="shop", start=start, step_s=300, values=calls.astype(np.float64))
    write_demand(tmp_path / "d.parquet", [demand])
    (tmp_path / "s.toml").write_text(SCENARIO, encoding="utf-8")
    return runner(monkeypatch, capsys, tmp_path, "whatif")


def test_every_change_has_a_line_and_is_compared_with_how_it_is(run: Run) -> None:
    done = run(
        "d.parquet", "--scenario", "s.toml", "--change", "price_usd_per_hour*2",
        "--change", "boot_s=900", "--jobs", 1,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    _, base, price, boot, *said = done.stdout.splitlines()
    assert base.startswith("as it is")
    assert price.startswith("price doubled")
    assert "+100 %" in price
    assert boot.startswith("boot_s=900")
    assert any("Dearest would be" in line for line in said)
    assert sorted(path.name for path in Path().iterdir()) == ["d.parquet", "s.toml"]


def test_the_usual_questions_are_asked_and_a_report_is_written(run: Run) -> None:
    done = run("d.parquet", "--scenario", "s.toml", "--out", "o", "--rival", "hpa@0.5", "--jobs", 1)
    assert done.returncode == 0
    summary = json.loads(Path("o/summary.json").read_text(encoding="utf-8"))
    names = [one["name"] for one in summary["scenarios"]]
    assert names[:3] == ["as it is", "start-up halved", "start-up doubled"]
    assert names[-1] == "spot"
    costs = {
        one["name"]: {total["policy"]: total["cost_usd"] for total in one["totals"]}
        for one in summary["scenarios"]
    }
    base, spot = costs["as it is"], costs["spot"]
    assert costs["price doubled"]["foretide"] == pytest.approx(2 * base["foretide"])
    assert spot["hpa@0.5"] == pytest.approx(base["hpa@0.5"])
    assert spot["foretide"] < 0.6 * base["foretide"]
    assert Path("o/report.html").stat().st_size > 1000


def refused(done: Done, named: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("foretide: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not Path("o").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--change", "boots_s=3"), "--change boots_s=3: write KEY=VALUE"),
        (("--change", "objective*1000"), "objective would be 10"),
        (("--change", "boot_s=300"), "changes nothing"),
        (("--change", "boot_s=60", "--change", "boot_s=60"), "each change once"),
        (("--rival", "oracle"), "--rival oracle"),
        (("--rival", "hap"), "hap: not known"),
        (("--jobs", "-1"), "--jobs -1"),
        (("--series", "shp"), "holds no series 'shp'"),
        (("--since", "yesterday"), "--since must be"),
        (("--store", "x.duckdb"), "--store"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(run: Run, words: tuple[str, ...], named: str) -> None:
    refused(run("d.parquet", "--scenario", "s.toml", "--out", "o", *words), named)


def test_what_is_not_there_is_refused(run: Run) -> None:
    refused(run("absent.parquet", "--scenario", "s.toml", "--out", "o"), "absent.parquet")
    refused(run("d.parquet", "--scenario", "absent.toml", "--out", "o"), "absent.toml")
    refused(run("d.parquet", "--out", "o"), "--scenario")
