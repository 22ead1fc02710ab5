"""`foretide try`, as a stranger would run it: on a file, and on a real Prometheus."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from cases.command import Done, Run, runner
from cases.prometheus import ends, free_port, gauge, serving
from foretide.model.demand import Demand
from foretide.sources.demand_table import read_demand, write_demand

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP_S = 300
DAYS = 12
PER_INSTANCE_RPS = 4.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs `foretide try` in this process, in an empty folder."""
    return runner(monkeypatch, capsys, tmp_path, "try")


def shop(days: int = DAYS, mean_rps: float = 60.0) -> Demand:
    """Return the calls of a shop by day and night."""
    hours = np.arange(days * 86_400 // STEP_S) * STEP_S / 3600
    rate = mean_rps * STEP_S * (1 - 0.8 * np.cos(hours * np.pi / 12))
    calls = np.random.default_rng(3).poisson(rate).astype(np.float64)
    return Demand(series_id="shop", start=START, step_s=STEP_S, values=calls)


def fleet(demand: Demand, spare: float) -> Demand:
    """Return a fleet that was always as large as the peak takes, and a spare share more."""
    peak = demand.values.max() / STEP_S / PER_INSTANCE_RPS
    return msgspec.structs.replace(
        demand, series_id="instances", values=np.full(len(demand.values), np.ceil(peak * spare))
    )


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a shop's demand, and what ran."""
    folder = tmp_path_factory.mktemp("given")
    demand = shop()
    write_demand(folder / "shop.parquet", [demand])
    write_demand(folder / "fleet.parquet", [fleet(demand, 1.3)])
    write_demand(folder / "short.parquet", [shop(4)])
    write_demand(folder / "small.parquet", [shop(DAYS, 0.2)])
    stamps = [demand.start, demand.end]
    pl.DataFrame({"ts": stamps, "capacity": [70, 70]}).write_csv(folder / "cloud.csv")
    return folder


def told(folder: str = "foretide-try") -> dict[str, dict[str, float]]:
    summary = json.loads(Path(folder, "summary.json").read_text(encoding="utf-8"))
    return {one["policy"]: one for one in summary["series"][0]["policies"]}


def test_a_fleet_far_too_large_is_worth_replacing(run: Run, given: Path) -> None:
    done = run(
        given / "shop.parquet", "--instances", given / "fleet.parquet",
        "--capacity", PER_INSTANCE_RPS, "--price", 0.25,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "report: foretide-try/report.html"
    assert lines[-2].startswith("Worth it: $")
    assert "less than what ran" in lines[-2]
    found = told()
    assert list(found) == ["as-run", "foretide", "hpa@0.7", "oracle"]
    ran = found["as-run"]
    size = fleet(shop(), 1.3).values[0]
    assert ran["mean_billed_count"] == size
    assert ran["cost_usd_per_month"] == pytest.approx(size * 0.25 * 730)
    assert ran["violation_fraction"] == 0
    assert found["oracle"]["cost_usd"] < found["foretide"]["cost_usd"] < ran["cost_usd"]
    summary = json.loads(Path("foretide-try/summary.json").read_text(encoding="utf-8"))
    assert summary["verdict"]["is_worth_it"] is True
    [against_ran, _] = summary["savings"]
    assert 0 < against_ran["low_fraction"] <= against_ran["saved_fraction"]
    page = Path("foretide-try/report.html").read_text(encoding="utf-8")
    assert "<strong>Worth it.</strong>" in page


def test_what_an_instance_serves_is_read_off_the_busiest_minutes(run: Run, given: Path) -> None:
    done = run(given / "shop.parquet", "--instances", given / "fleet.parquet")
    assert done.returncode == 0
    assert "An instance serves" in done.stdout
    assert "as if it was just full then" in done.stdout
    summary = json.loads(Path("foretide-try/summary.json").read_text(encoding="utf-8"))
    busiest = shop().values.max() / STEP_S / fleet(shop(), 1.3).values[0]
    assert summary["series"][0]["capacity_rps"] == pytest.approx(busiest, rel=0.02)


def test_without_instances_it_is_compared_with_the_hpa_at_the_target(run: Run, given: Path) -> None:
    done = run(
        given / "shop.parquet", "--target", 0.5, "--cloud-forecast", given / "cloud.csv",
        "--out", "o",
    )  # fmt: skip
    assert done.returncode == 0
    assert "nobody said" in done.stdout
    cloud = f"csv:{given / 'cloud.csv'}"
    assert list(told("o")) == ["foretide", "hpa@0.5", cloud, "oracle"]
    assert told("o")[cloud]["mean_billed_count"] == 70
    assert "The cloud's forecast" in done.stdout


@pytest.mark.parametrize(
    ("file", "lead", "why"),
    [
        ("short.parquet", "Too early to say", "it takes 7 to tell a saving from luck"),
        ("small.parquet", "Not worth it here", "the load is spiky"),
    ],
)
def test_it_says_so_when_it_is_not_worth_it(
    run: Run, given: Path, file: str, lead: str, why: str
) -> None:
    done = run(given / file, "--capacity", PER_INSTANCE_RPS / 20)
    assert done.returncode == 0
    verdict = done.stdout.splitlines()[-2]
    assert verdict.startswith(lead)
    assert why in verdict


def test_only_minutes_in_which_the_fleet_is_known_are_scored(
    run: Run, given: Path, tmp_path: Path
) -> None:
    known = read_demand(given / "fleet.parquet").demands[0]
    values = known.values.copy()
    values[-288:] = np.nan  # the last day; an hour of it is held
    write_demand(tmp_path / "part.parquet", [msgspec.structs.replace(known, values=values)])
    assert run(given / "shop.parquet", "--instances", tmp_path / "part.parquet").returncode == 0
    counts = pl.read_parquet("foretide-try/counts.parquet")
    per_policy = counts.group_by("policy").agg(pl.col("ts").max(), pl.len())
    assert per_policy["len"].n_unique() == 1
    assert per_policy["ts"].n_unique() == 1
    held = (per_policy["ts"][0] - START).total_seconds() / 60
    assert (DAYS - 1) * 1440 <= held < (DAYS - 1) * 1440 + 60


def refused(done: Done, *named: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("foretide: ")
    assert done.stderr.count("\n") == 1
    for word in named:
        assert word in done.stderr
    assert not Path("foretide-try").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("prometheus",), "give one URL"),
        (("prometheus", "http://h:1"), "--query: missing"),
        (("prometheus", "http://h:1", "--query", "up", "--series", "a"), "only for a file"),
        (("prometheus", "http://h:1", "--query", "up", "--header", "x"), "Name: value"),
        (("prometheus", "http://h:1", "--query", "up", "--step", "90s"), "multiple of 60s"),
        (("prometheus", "ftp://h", "--query", "up"), "is no address of a server"),
        (("shop.parquet", "--query", "up"), "--query: only for"),
        (("shop.parquet", "more.parquet"), "give one file"),
        (("absent.parquet",), "absent.parquet"),
        (("shop.parquet", "--series", "shp"), "holds no series 'shp'"),
        (("shop.parquet", "--instances", "absent.parquet"), "absent.parquet"),
        (("shop.parquet", "--price", "0"), "--price 0"),
        (("shop.parquet", "--price", "free"), "--price"),
        (("shop.parquet", "--objective", "1"), "--objective 1"),
        (("shop.parquet", "--target", "-1"), "--target -1"),
        (("shop.parquet", "--warm-price", "2"), "--warm-price 2"),
        (("shop.parquet", "--boot", "3h"), "--boot 3h"),
        (("shop.parquet", "--boot", "soon"), "--boot 'soon'"),
        (("shop.parquet", "--capacity", "-3"), "--capacity -3"),
        (("shop.parquet", "--capacity", "0.0001"), "give more by --capacity"),
        (("shop.parquet", "--cloud-forecast", "absent.csv"), "--cloud-forecast absent.csv"),
        (("shop.parquet", "--since", "2026"), "--since must be"),
        (("shop.parquet", "--since", "2030-01-01T00:00:00Z"), "no demand of shop in that span"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_and_nothing_is_written(
    run: Run, given: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], named: str
) -> None:
    monkeypatch.chdir(given)
    refused(run(*words), named)


def test_a_fleet_of_another_time_is_refused(run: Run, given: Path, tmp_path: Path) -> None:
    known = read_demand(given / "fleet.parquet").demands[0]
    late = msgspec.structs.replace(known, start=datetime(2027, 1, 1, tzinfo=UTC))
    write_demand(tmp_path / "late.parquet", [late])
    refused(
        run(given / "shop.parquet", "--instances", tmp_path / "late.parquet"),
        "--instances: tells how many ran in only 0 %",
    )


@pytest.fixture(scope="module")
def prometheus(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Demand]]:
    """Lend a Prometheus that holds a real trace, and the fleet that served it."""
    path = shared_data / "demand" / "crane_cloud_1min.parquet"
    demand = read_demand(path, series=["crane-00"]).demands[0]
    peak = np.nanmax(demand.values)
    instances = msgspec.structs.replace(
        demand, values=np.maximum(np.ceil(40 * demand.values / peak), 4)
    )
    lines = [
        *gauge("calls_rate", ends(demand, is_rate=True), '{app="shop"}'),
        *gauge("replicas", ends(instances, is_rate=False), '{app="shop"}'),
    ]
    with serving(tmp_path_factory.mktemp("prometheus"), lines) as url:
        yield url, demand


def test_from_an_address_to_a_report(run: Run, prometheus: tuple[str, Demand]) -> None:
    url, demand = prometheus
    done = run(
        "prometheus", url, "--query", "sum(calls_rate)", "--instances", "sum(replicas)",
        "--price", 0.2, "--since", demand.start.isoformat(), "--until", demand.end.isoformat(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert list(told()) == ["as-run", "foretide", "hpa@0.7", "oracle"]
    summary = json.loads(Path("foretide-try/summary.json").read_text(encoding="utf-8"))
    assert summary["series"][0]["kind"] == "forecastable"
    assert Path("foretide-try/report.html").stat().st_size > 1000


def test_what_prometheus_cannot_answer_is_one_line(
    run: Run, prometheus: tuple[str, Demand]
) -> None:
    url, demand = prometheus
    span = ("--since", demand.start.isoformat(), "--until", demand.end.isoformat())
    refused(run("prometheus", url, "--query", "sum(", *span), "--query sum(:")
    refused(run("prometheus", url, "--query", "absent_metric", *span), "no series from")
    refused(run("prometheus", url, "--query", "calls_rate"), "no series from")  # long ago
    refused(run("prometheus", url, "--query", '{app="shop"}', *span), "gives 2 series", "sum(")
    refused(
        run("prometheus", url, "--query", "calls_rate", "--instances", "absent", *span),
        "--instances absent",
    )
    refused(run("prometheus", f"http://127.0.0.1:{free_port()}", "--query", "up"), "running there")


class _Doorkeeper(http.server.BaseHTTPRequestHandler):
    """Lets nobody in, and remembers who came."""

    came: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append(str(self.headers["X-Scope-OrgID"]))
        self.send_response(401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_header_is_sent_and_a_closed_door_is_said(run: Run) -> None:
    came: list[str] = []
    handler = type("Doorkeeper", (_Doorkeeper,), {"came": came})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://me:secret@127.0.0.1:{server.server_port}"
        done = run("prometheus", url, "--query", "up", "--header", "X-Scope-OrgID: tenant 7")
        thread.join()
    refused(done, "does not let us in (HTTP 401)")
    assert came == ["tenant 7"]
    assert "secret" not in done.stderr
