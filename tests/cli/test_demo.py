"""`foretide demo`, as a person would run it: on the shop, a log, demand; and on what is none."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cases.command import Done, Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Return a function that runs the command in this process, in an empty folder."""
    return runner(monkeypatch, capsys, tmp_path, "demo")


@pytest.fixture(scope="module")
def demand_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demand") / "demand.parquet"
    hours = np.arange(12 * 60) / 12
    demands = [
        Demand(
            series_id=name,
            start=START,
            step_s=300,
            values=np.random.default_rng(at).poisson(level * (1 - 0.9 * np.cos(hours / 3.82)))
            .astype(np.float64),
        )
        for at, (name, level) in enumerate((("shop/cart", 200), ("shop/search", 900)))
    ]  # fmt: skip
    write_demand(path, demands)
    return path


def compared(done: Done) -> None:
    assert done.returncode == 0, done.stderr
    *_, verdict, report = done.stdout.splitlines()
    assert "Foretide cost" in verdict
    assert "than the HPA" in verdict
    path = Path(report.removeprefix("report: "))
    assert path.stat().st_size > 1000
    assert {one.name for one in path.parent.iterdir()} >= {
        "counts.parquet",
        "summary.json",
        "journal",
    }


def refused(done: Done, *named: str) -> None:
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("foretide: ")
    for word in named:
        assert word in told[0]


@pytest.mark.slow
def test_the_shop_is_played_to_the_comparison_and_again_from_its_files(tmp_path: Path) -> None:
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-m", "foretide", "demo", "--fast", "--out", "shop"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "clairvoyant limit" in ran.stdout
        assert ran.stdout.splitlines()[-1] == "report: shop/report.html"
        # without a terminal the view is plain lines
        assert "100% played" in ran.stderr or "% played" in ran.stderr
        assert "\x1b" not in ran.stdout + ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    replay = [sys.executable, "-m", "foretide", "replay", "shop"]
    again = subprocess.run(replay, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.stdout == "20,160 decisions of 1 series replayed: all equal\n"


def test_a_web_log_is_played(demo: Run, shared_data: Path) -> None:
    log = shared_data / "events" / "elastic_apache_logs.combined.log.gz"
    compared(demo(log, "--out", "out"))


def test_demand_is_played_and_a_series_can_be_picked(demo: Run, demand_file: Path) -> None:
    busiest = demo(demand_file, "--out", "out")
    compared(busiest)
    assert "playing shop/search" in busiest.stdout
    picked = demo(demand_file, "--out", "out", "--series", "shop/cart", "--objective", "0.01")
    compared(picked)
    assert "1 % of requests were allowed" in picked.stdout
    assert len(list(Path("out").glob("*.duckdb"))) == 1


def test_two_files_of_one_name_are_two_stores(
    demo: Run, demand_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / demand_file.name
    values = np.full(600, 300.0)
    write_demand(other, [Demand(series_id="api/get", start=START, step_s=300, values=values)])
    compared(demo(demand_file, "--out", "out"))
    second = demo(other, "--out", "out")
    compared(second)
    assert "shop/search" not in second.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("absent.log",), "absent.log: no such file"),
        ((".",), "no such file"),
        (("--objective", "0"), "--objective 0"),
        (("--objective", "1"), "--objective 1"),
        (("--objective", "nan"), "--objective nan"),
        (("--objective", "few"), "--objective"),
        (("--timezone", "Mars/Olympus"), "--timezone 'Mars/Olympus'"),
        (("--columns", "ts"), "--columns"),
        (("--frob",), "--frob"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_written(
    demo: Run, words: tuple[str, ...], named: str
) -> None:
    done = demo(*words)
    refused(done, named)
    assert done.stdout == ""
    assert list(Path().iterdir()) == []


def test_a_series_that_is_not_there_leaves_nothing(demo: Run, demand_file: Path) -> None:
    refused(demo(demand_file, "--series", "shop/crt"), "--series shop/crt", "shop/cart")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02 nothing\n" * 9, b"hello\nworld\n"])
def test_a_file_that_is_no_trace_leaves_nothing(demo: Run, content: bytes) -> None:
    Path("trace.log").write_bytes(content)
    refused(demo("trace.log", "--out", "out"), "trace.log")
    assert [path.name for path in Path().iterdir()] == ["trace.log"]
    Path("out").mkdir()
    Path("out/mine").touch()
    refused(demo("trace.log", "--out", "out"), "trace.log")
    assert [path.name for path in Path("out").iterdir()] == ["mine"]


def test_a_folder_that_is_a_file_is_refused(demo: Run, demand_file: Path) -> None:
    Path("out").write_text("mine", encoding="utf-8")
    refused(demo(demand_file, "--out", "out"), "--out out")
    assert Path("out").read_text(encoding="utf-8") == "mine"
