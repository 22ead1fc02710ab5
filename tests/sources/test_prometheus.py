from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cases.prometheus import free_port, serving
from foretide.cli import app
from foretide.errors import InputError, SourceError
from foretide.model.demand import Demand
from foretide.sources.demand_table import read_demand
from foretide.sources.prometheus import fetch_demand

# Blocks are two hours long on a grid of their own; the series are longer than a query may be.
START = datetime(2026, 1, 31, 22, tzinfo=UTC)
MINUTES = 12_345
END = START + timedelta(minutes=MINUTES)
SEEN = {"cart": np.arange(MINUTES) % 7 != 3, "search": np.arange(MINUTES) > 200}


def calls_per_s(feature: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    minute = np.arange(MINUTES)
    daily = np.sin(2 * np.pi * minute / 1440 + len(feature))
    return np.round(50 * (1.2 + daily), 3)


def openmetrics() -> list[str]:
    # The rate that a window of one minute had is told at its end.
    end_s = [int((START + timedelta(minutes=i + 1)).timestamp()) for i in range(MINUTES)]
    lines = ["# HELP calls_rate Requests/s.", "# TYPE calls_rate gauge"]
    for feature, seen in SEEN.items():
        rate = calls_per_s(feature)
        lines += [
            f'calls_rate{{app="shop",feature="{feature}"}} {rate[i]} {end_s[i]}'
            for i in np.flatnonzero(seen)
        ]
    lines += ["# HELP calls Requests.", "# TYPE calls counter"]
    # 2 requests/s for an hour, scraped every 15 s; the process restarts in between.
    scrapes = range(0, 3601, 15)
    began = int(START.timestamp())
    lines += [f"calls_total {2 * (s if s < 1800 else s - 1800)} {began + s}" for s in scrapes]
    lines += ["# HELP odd Not fit for demand.", "# TYPE odd gauge"]
    lines += [f"odd {value} {end_s[i]}" for i, value in enumerate(["1", "NaN", "-2", "+Inf"])]
    return lines


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("prometheus"), openmetrics()) as url:
        yield url


def fetch(url: str, query: str, **changed: Any) -> list[Demand]:
    asked: dict[str, Any] = {"start": START, "end": END, "step_s": 60, "now": END, **changed}
    return fetch_demand(url, query, **asked)


def test_fetches_exactly_what_was_written_over_several_queries(prometheus: str) -> None:
    answered: list[tuple[int, int]] = []

    def note(done: int, count: int) -> None:
        answered.append((done, count))

    demands = fetch(
        prometheus,
        "last_over_time(calls_rate[59s])",
        on_progress=note,
    )
    assert answered == [(1, 2), (2, 2)]
    assert [d.series_id for d in demands] == [
        "calls_rate{app=shop,feature=cart}",
        "calls_rate{app=shop,feature=search}",
    ]
    for demand, (feature, seen) in zip(demands, SEEN.items(), strict=True):
        assert (demand.start, demand.end, demand.step_s) == (START, END, 60)
        expected = np.where(seen, calls_per_s(feature) * 60, np.nan)
        np.testing.assert_array_equal(demand.values, expected)


def test_an_amount_is_taken_as_it_is(prometheus: str) -> None:
    query = 'sum(last_over_time(calls_rate{feature="cart"}[59s]))'
    (demand,) = fetch(prometheus, query, unit="amount")
    assert demand.series_id == "total"
    expected = np.where(SEEN["cart"], calls_per_s("cart"), np.nan)
    np.testing.assert_array_equal(demand.values, expected)


def test_a_single_label_names_the_series(prometheus: str) -> None:
    demands = fetch(prometheus, "sum by (feature) (calls_rate)")
    assert [d.series_id for d in demands] == ["cart", "search"]


def test_labels_of_like_value_are_told_apart(prometheus: str) -> None:
    query = (
        'label_replace(sum(calls_rate), "a", "x", "", "") or '
        'label_replace(sum(calls_rate), "b", "x", "", "")'
    )
    assert [d.series_id for d in fetch(prometheus, query)] == ["a=x", "b=x"]


def test_the_rate_of_a_counter_outlives_its_restart(prometheus: str) -> None:
    end = START + timedelta(hours=1)
    (demand,) = fetch(prometheus, "rate(calls_total[1m])", end=end)
    assert demand.start == START
    restart = 30  # the minute in which the counter fell: what was counted before is not known
    values = np.delete(demand.values, restart - 1)
    np.testing.assert_allclose(values, 120.0)


def test_only_whole_buckets_that_have_ended_are_fetched(prometheus: str) -> None:
    now = START + timedelta(minutes=10, seconds=59)
    (demand,) = fetch(
        prometheus,
        'calls_rate{feature="cart"}',
        start=START + timedelta(seconds=1),
        now=now,
    )
    assert (demand.start, demand.end) == (
        START + timedelta(minutes=1),
        START + timedelta(minutes=10),
    )


def test_a_sample_that_is_no_number_is_missing(prometheus: str) -> None:
    (demand,) = fetch(prometheus, "odd", end=START + timedelta(minutes=2))
    np.testing.assert_array_equal(demand.values, [60, np.nan])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("rate(", "--query rate(: 1:6: parse error: unclosed left parenthesis; correct the"),
        ("absent_metric", "--query absent_metric: no series from 2026-01-31T22:00:00+00:00 to"),
        ("calls_rate[5m]", "correct the expression"),
        ("odd < 0", "--query odd < 0: its value at 2026-01-31T22:03:00+00:00 is -2, demand is"),
        ("odd > 1e9", "is inf, demand is finite and >= 0; take rate() of a counter"),
        (f'label_replace(odd, "a", "{"x" * 300}", "", "")', "aggregate by fewer labels"),
    ],
)
def test_refuses_an_expression_in_one_line(prometheus: str, query: str, text: str) -> None:
    end = START + timedelta(minutes=2 if query.startswith("label") else 9)
    with pytest.raises(InputError) as refusal:
        fetch(prometheus, query, end=end)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_backfill_by_the_command_line_is_what_was_written(
    prometheus: str, tmp_path: Path
) -> None:
    store, out = tmp_path / "store.duckdb", tmp_path / "out.parquet"
    query = "sum by (feature) (last_over_time(calls_rate[59s]))"
    end = START + timedelta(days=2)
    span = ["--since", START.isoformat(), "--until", end.isoformat()]
    command = ["import", "prometheus", prometheus, "--query", query, *span, "--app", "shop"]
    for _ in range(2):  # the second time changes nothing
        run_command(*command, "--store", str(store))
    run_command("demand", "--store", str(store), "--step", "60s", "--out", str(out))
    demands = {demand.series_id: demand for demand in read_demand(out).demands}
    assert set(demands) == {"shop/cart", "shop/search"}
    for feature, seen in SEEN.items():
        demand = demands[f"shop/{feature}"]
        expected = np.where(seen, calls_per_s(feature) * 60, np.nan)[: 2 * 1440]
        skipped = int((demand.start - START).total_seconds() // 60)
        assert np.isnan(expected[:skipped]).all()
        np.testing.assert_allclose(demand.values, expected[skipped:], rtol=1e-12)


def run_command(*arguments: str) -> None:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "url", ["localhost:9090", "ftp://host", "http://", "http://a:b", "nonsense"]
)
def test_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match=r"give it as http://HOST:9090$"):
        fetch(url, "up")


def test_refuses_a_time_without_a_whole_bucket() -> None:
    with pytest.raises(InputError, match="no bucket of 60 s begins after it and ends by"):
        fetch("http://localhost:1", "up", end=START + timedelta(seconds=59))


@pytest.mark.parametrize("step_s", [0, -60, 86_401])
def test_refuses_a_step_that_is_no_bucket(step_s: int) -> None:
    with pytest.raises(InputError, match=rf"--step must lie in \[1, 86400\] seconds, was {step_s}"):
        fetch("http://localhost:1", "up", step_s=step_s)


def test_says_when_nothing_listens_and_hides_the_password() -> None:
    with pytest.raises(SourceError, match="is Prometheus running there") as refusal:
        fetch(f"http://me:secret@127.0.0.1:{free_port()}", "up")
    assert "secret" not in str(refusal.value)


class _Answering(http.server.BaseHTTPRequestHandler):
    status = 200
    content_type = "application/json"
    body = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Type", self.content_type)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


MATRIX = b'{"status":"success","data":{"resultType":"matrix","result":[%s]}}'
WRONG_ANSWERS: dict[str, tuple[int, str, bytes, str]] = {
    "a web page": (200, "text/html", b"<html>", r"\(HTTP 200, text/html\); give its address"),
    "a proxy": (502, "text/plain", b"bad gateway", r"\(HTTP 502, text/plain\)"),
    "other JSON": (200, "application/json", b'{"a": 1}', "does not answer as Prometheus does"),
    "overload": (
        503,
        "application/json",
        b'{"status":"error","errorType":"timeout","error":"query timed\\nout"}',
        "query timed out; try again later",
    ),
    "a vector": (
        200,
        "application/json",
        b'{"status":"success","data":{"resultType":"vector","result":[{"value":[0,"1"]}]}}',
        r"answered with no matrix of samples \(vector\)",
    ),
    "a broken matrix": (
        200,
        "application/json",
        MATRIX % b'{"metric":3}',
        r"answered with no matrix of samples \(matrix\)",
    ),
    "other times": (
        200,
        "application/json",
        MATRIX % b'{"metric":{},"values":[[0,"1"]]}',
        "gave samples outside the time asked for",
    ),
}


@pytest.mark.parametrize(
    ("status", "content_type", "body", "text"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys()
)
def test_says_when_something_else_answers(
    status: int, content_type: str, body: bytes, text: str
) -> None:
    made = {"status": status, "content_type": content_type, "body": body}
    handler = type("Answer", (_Answering,), made)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            with pytest.raises(SourceError, match=text) as refusal:
                fetch(f"http://127.0.0.1:{server.server_port}", "up")
        finally:
            server.shutdown()
            thread.join()
    assert "\n" not in str(refusal.value)


def test_says_when_histograms_answer() -> None:
    handler = type("Answer", (_Answering,), {"body": MATRIX % b'{"metric":{}}'})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(InputError, match=r"gives histograms, demand is a number; use hist"):
            fetch(f"http://127.0.0.1:{server.server_port}", "up")
        thread.join()
