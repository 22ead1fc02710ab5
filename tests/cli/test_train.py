"""`foretide train`, run as a person would run it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cases.command import Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demand") / "demand.parquet"
    hours = np.arange(45 * 24)
    day = 0.6 * np.sin(2 * np.pi * hours / 24)
    turned = np.where(hours >= 38 * 24, -day, day)
    rng = np.random.default_rng(5)
    demands = [
        Demand(
            series_id=name,
            start=START,
            step_s=3600,
            values=rng.poisson(300 * (1 + shape)).astype(float),
        )
        for name, shape in (("cart", turned), ("search", day))
    ]
    write_demand(path, demands)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs the command in this process, in a folder of its own."""
    return runner(monkeypatch, capsys, tmp_path)


@pytest.fixture
def filled(run: Run, table: Path) -> Run:
    """Return the same function, with demand in the store."""
    assert run("import", table, "--app", "shop").returncode == 0
    return run


def test_what_is_done_and_why_is_said(filled: Run, tmp_path: Path) -> None:
    first = filled("train", "--at", "2026-03-30T00:00:00Z")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "shop/cart: trained for the first time; due every 7 d",
        "shop/search: trained for the first time; due every 7 d",
        "fleet: 2 trained",
    ]
    again = filled("train", "--at", "2026-04-05T00:00:00Z").stdout
    assert "shop/cart: not due (loss of 48 h " in again
    assert "fleet: 2 kept" in again
    due = filled("train", "--at", "2026-04-06T00:00:00Z").stdout
    assert due.count("due, a challenger was trained") == 2
    assert "on trial until 2026-04-07 00:00 UTC" in due
    judged = filled("train", "--at", "2026-04-07T00:00:00Z").stdout
    assert judged.count("of the champion's") == 2
    turned = filled("train", "--at", "2026-04-10T00:00:00Z").stdout
    assert "shop/cart: loss of " in turned
    assert (
        "a challenger was trained; on trial until 2026-04-11 00:00 UTC; due every 3.5 d" in turned
    )
    assert "shop/search: not due" in turned
    assert (tmp_path / ".foretide/models/standing/fleet/decisions.jsonl").is_file()


def test_one_feature_and_now(filled: Run) -> None:
    done = filled("train", "shop/cart", "--force")
    assert done.stdout.splitlines() == [
        "shop/cart: trained because you asked, and in use; due every 7 d",
        "fleet: 1 trained",
    ]


def test_a_damaged_version_is_said_and_another_serves(filled: Run, tmp_path: Path) -> None:
    filled("train", "--at", "2026-03-30T00:00:00Z")
    filled("train", "--at", "2026-04-01T00:00:00Z", "--force")
    path = tmp_path / ".foretide/models/trained/fleet/00000002.kept"
    assert path.is_file()
    path.write_bytes(b"foretide-version 1 0\n")
    done = filled("train", "--at", "2026-04-02T00:00:00Z")
    assert done.returncode == 0
    assert done.stderr.count("damaged, its checksum differs; the version before it is used") == 1
    assert "fleet: 2 kept" in done.stdout


def test_a_table_is_rehearsed_and_nothing_kept(run: Run, table: Path, tmp_path: Path) -> None:
    done = run("train", table, "--since", "2026-04-05T00:00:00Z", "--timezone", "Europe/Berlin")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "2026-04-05 00:00 cart: trained for the first time; due every 7 d"
    forced = [line for line in lines if "alarm at" in line and ": loss of " in line]
    assert forced
    assert all(" cart: " in line for line in forced)
    assert lines[-1].startswith("fleet: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "seasonal-naive"], "--model seasonal-naive: keeps nothing between forecasts"),
        (["--model", "nix"], "--model nix: unknown"),
        (["--at", "2026-01-01T00:00:00Z"], "--at 2026-01-01T00:00:00+00:00: no bucket had ended"),
        (["--at", "yesterday"], "--at must be an ISO 8601 instant"),
        (["shop/nix"], "shop/nix: app shop has no such feature; it has "),
        (["--since", "2026-04-01T00:00:00Z"], "goes with a table of demand"),
        (["--workers", "0"], "--workers 0: must be 1 to 1024"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler tcp://127.0.0.1:1: no dask scheduler"),
    ],
)
def test_what_cannot_be_is_one_line_and_keeps_nothing(
    filled: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    done = filled("train", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / ".foretide/models").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--force"], "--force True: is for the store"),
        (["--since", "2026-09-01T00:00:00Z"], "the demand ends at 2026-04-16"),
    ],
)
def test_a_rehearsal_that_cannot_be_is_one_line(
    run: Run, table: Path, words: list[str], said: str
) -> None:
    done = run("train", table, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_store_there_is_one_line(run: Run) -> None:
    done = run("train")
    assert done.returncode == 2
    assert "no store there; import something first" in done.stderr
