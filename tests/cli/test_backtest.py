"""`foretide backtest` and `foretide replay`, as a person would run them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Done, Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 3, 2, tzinfo=UTC)
SCENARIO = """
objective = 0.01
boot_s = 300
wake_s = 20
warm_price_fraction = 0.2
warmup_days = 0.5
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs a command in this process, in an empty folder."""
    return runner(monkeypatch, capsys, tmp_path)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two series of demand and a scenario."""
    folder = tmp_path_factory.mktemp("given")
    hours = np.arange(12 * 36) / 12
    demands = [
        Demand(
            series_id=name,
            start=START,
            step_s=300,
            values=np.random.default_rng(at).poisson(500 * (1 - 0.9 * np.cos(hours * np.pi / 12)))
            .astype(np.float64),
        )
        for at, name in enumerate(("shop/cart", "shop/search"))
    ]  # fmt: skip
    write_demand(folder / "demand.parquet", demands)
    (folder / "s.toml").write_text(SCENARIO, encoding="utf-8")
    return folder


def backtest(run: Run, given: Path, *words: object) -> Done:
    """Play one series with what is given, in a folder `out`."""
    return run(
        "backtest", given / "demand.parquet", "--scenario", given / "s.toml", "--out", "out",
        "--series", "shop/cart", *words,
    )  # fmt: skip


def test_the_table_is_printed_and_the_results_are_written(run: Run, given: Path) -> None:
    done = run(
        "backtest", given / "demand.parquet", "--scenario", given / "s.toml", "--out", "out",
        "--jobs", 1,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines, report = done.stdout.splitlines()
    assert head.split()[:2] == ["series", "policy"]
    told = [line.split()[:2] for line in lines]
    policies = ["foretide", "hpa", "oracle"]
    assert told == [[one, policy] for one in ("shop/cart", "shop/search") for policy in policies]
    assert report == "report: out/report.html"
    assert (Path("out") / "report.html").stat().st_size > 1000
    counts = pl.read_parquet("out/counts.parquet")
    assert counts.columns == ["series_id", "policy", "ts", "serving", "warm", "billed"]
    told_json = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    assert told_json["scenario"]["objective"] == 0.01
    again = run("replay", "out")
    assert again.returncode == 0
    assert again.stdout == "4,320 decisions of 2 series replayed: all equal\n"


def test_a_policy_and_a_target_can_be_chosen(run: Run, given: Path) -> None:
    done = backtest(run, given, "--policy", "hpa@0.5", "--policy", "oracle")
    assert done.returncode == 0
    told = [line.split()[1] for line in done.stdout.splitlines()[1:-1]]
    assert told == ["hpa@0.5", "oracle"]
    assert run("replay", "out").stderr.startswith("foretide: out: no journal")


def test_a_tampered_journal_is_found(run: Run, given: Path) -> None:
    assert backtest(run, given, "--policy", "foretide").returncode == 0
    (path,) = Path("out/journal").iterdir()
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[1000] = lines[1000].replace(b'"serving_count":', b'"serving_count":1')
    path.write_bytes(gzip.compress(b"".join(lines)))
    done = run("replay", "out")
    assert done.returncode == 1
    assert "shop/cart at 2026-03-02T16:40:00+00:00" in done.stdout
    path.write_bytes(gzip.compress(b"".join(lines[:999]) + lines[999][:-30]))
    assert run("replay", "out").stdout == "999 decisions of 1 series replayed: all equal\n"
    path.write_bytes(gzip.compress(b"".join(lines[:500]) + b"{}\n" + lines[501]))
    broken = run("replay", "out")
    assert broken.returncode == 2
    assert ":501 is no journal entry" in broken.stderr


def refused(done: Done, *named: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("foretide: ")
    assert done.stderr.count("\n") == 1
    for word in named:
        assert word in done.stderr


def nothing_written() -> bool:
    return not list(Path().iterdir())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("objectve = 0.01", "objectve is no key of a scenario; write objective"),
        ("objective = 0", "objective must be"),
        ("objective = 1", "objective must be"),
        ('boot_s = "5m"', "boot_s must be"),
        ("wake_s = 61", "wake_s must be"),
        ("price_usd_per_hour = -1", "price_usd_per_hour must be"),
        ("boot_s = [", "is not TOML"),
    ],
)
def test_a_scenario_that_is_wrong_is_refused(
    run: Run, given: Path, tmp_path_factory: pytest.TempPathFactory, text: str, named: str
) -> None:
    path = tmp_path_factory.mktemp("wrong") / "s.toml"
    path.write_text(text, encoding="utf-8")
    refused(run("backtest", given / "demand.parquet", "--scenario", path, "--out", "o"), named)
    assert nothing_written()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--policy", "hpa2"), "--policy hpa2: not known; give one of foretide, oracle, hpa,"),
        (("--policy", "hpa@x"), "--policy hpa@x"),
        (("--policy", "hpa", "--policy", "hpa"), "each policy once"),
        (("--series", "shop/crt"), "holds no series 'shop/crt'"),
        (("--jobs", "-1"), "--jobs -1"),
        (("--jobs", "two"), "--jobs"),
        (("--frob",), "--frob"),
    ],
)
def test_a_flag_that_is_wrong_is_refused(
    run: Run, given: Path, words: tuple[str, ...], named: str
) -> None:
    refused(backtest(run, given, *words), named)
    assert nothing_written()


def frame(**changed: object) -> pl.DataFrame:
    stamps = pl.datetime_range(
        START, datetime(2026, 3, 3, tzinfo=UTC), "5m", time_zone="UTC", eager=True
    )
    columns: dict[str, object] = {"series_id": "web", "ts": stamps, "value": 5.0}
    return pl.DataFrame({key: one for key, one in (columns | changed).items() if one is not None})


NAIVE = frame()["ts"].dt.replace_time_zone(None)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (frame().clear(), "holds no rows"),
        (frame(value=None), "no column value"),
        (frame(ts=NAIVE), "ts has no time zone"),
        (frame(value="x"), "row 1: value 'x' is no number"),
        (frame(value=-1.0), "must lie in [0, 1e+15]"),
        (frame(value=0.0), "no demand in the warm-up"),
        (frame(ts=frame()["ts"].dt.offset_by("30s")).gather_every(24), "d.parquet: web: buckets"),
    ],
    ids=["empty", "columns", "naive", "text", "negative", "zero", "two-hourly"],
)
def test_demand_that_cannot_be_played_is_refused(
    run: Run, given: Path, tmp_path_factory: pytest.TempPathFactory, table: pl.DataFrame, named: str
) -> None:
    path = tmp_path_factory.mktemp("wrong") / "d.parquet"
    table.write_parquet(path)
    refused(run("backtest", path, "--scenario", given / "s.toml", "--out", "o"), named)
    assert nothing_written()


def test_what_is_not_there_is_refused(run: Run, given: Path) -> None:
    demand, scenario = given / "demand.parquet", given / "s.toml"
    refused(run("backtest", "absent.parquet", "--scenario", scenario, "--out", "o"), "absent")
    refused(run("backtest", demand, "--scenario", "absent.toml", "--out", "o"), "absent.toml")
    refused(run("backtest", demand, "--out", "o"), "--scenario")
    refused(run("replay", "absent"), "absent/summary.json")
    assert nothing_written()


def test_a_folder_that_is_a_file_is_refused_before_anything_is_played(
    run: Run, given: Path
) -> None:
    Path("out").write_text("mine", encoding="utf-8")
    refused(backtest(run, given), "--out out", "name a folder")
    assert Path("out").read_text(encoding="utf-8") == "mine"


def test_a_summary_that_is_none_is_refused(run: Run) -> None:
    Path("out").mkdir()
    for content in (b"{}", b"[", b"\xff"):
        Path("out/summary.json").write_bytes(content)
        refused(run("replay", "out"), "out/summary.json: is no summary of a backtest")


def test_what_had_to_be_mended_is_said_and_played(run: Run, given: Path) -> None:
    table = frame().with_columns(
        value=pl.when(pl.int_range(pl.len()) == 7).then(float("nan")).otherwise(pl.col("value"))
    )
    pl.concat([table, table.head(3)]).sample(fraction=1, shuffle=True, seed=1).write_parquet("d.pq")
    done = run("backtest", "d.pq", "--scenario", given / "s.toml", "--out", "o", "--policy", "hpa")
    assert done.returncode == 0
    notes = done.stderr.splitlines()
    assert len(notes) >= 2
    assert all(note.startswith("foretide: d.pq: ") and note.count("d.pq") == 1 for note in notes)
