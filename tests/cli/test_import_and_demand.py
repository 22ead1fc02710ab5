from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from foretide.cli import main
from foretide.sources.demand_table import read_demand

LOG = "".join(
    f'203.0.113.{n % 5} - - [10/Oct/2000:13:{n:02d}:36 +0000] "GET /p{n % 3} HTTP/1.0" 200 2326\n'
    for n in range(30)
)


class Said:
    """What a command answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def answer(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["foretide", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return answer


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_text(LOG, encoding="utf-8")
    return path


def test_a_log_goes_in_and_its_demand_comes_out(run: Run, log: Path, tmp_path: Path) -> None:
    said = run("import", log, tmp_path / "*.log")
    assert said.code == 0
    assert "30 lines (log), 30 events stored" in said.out
    assert "imported before: nothing changed" in said.out
    assert "now holds 30 events" in said.out
    shown = run("demand")
    assert shown.code == 0
    assert "default: 2000-10-10 13:00 to 2000-10-10 13:30 UTC, one value per 1 min" in shown.out
    assert "\x1b" not in shown.out
    (line,) = [line for line in shown.out.splitlines() if "/p1" in line]
    assert line.split()[1] == "10"
    assert set("▁█") <= set(line)


def test_buckets_are_listed_one_a_line(run: Run, log: Path) -> None:
    run("import", log, "--app", "shop")
    said = run("demand", "--app", "shop", "--feature", "/p1", "--buckets", "--step", "60s")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["shop//p1", "2000-10-10T13:00:00+00:00", "0"]
    assert [row[2] for row in rows] == ["0", "1", "0"] * 10


def test_demand_is_written_as_a_table_that_import_takes_back(
    run: Run, log: Path, tmp_path: Path
) -> None:
    run("import", log)
    out = tmp_path / "d.parquet"
    span = ("--since", "2000-10-10T13:05:00Z", "--until", "2000-10-10T13:15:00Z")
    assert "3 series written" in run("demand", "--out", out, *span).out
    table = read_demand(out)
    assert [one.series_id for one in table.demands] == ["default//p0", "default//p1", "default//p2"]
    assert sum(one.values.sum() for one in table.demands) == 10
    assert table.demands[0].start == datetime(2000, 10, 10, 13, 5, tzinfo=UTC)
    again = run("import", out, "--store", tmp_path / "other")
    assert "(demand), 30 buckets stored" in again.out


def test_refused_lines_are_shown_with_file_line_and_reason(run: Run, log: Path) -> None:
    log.write_text(LOG + "nonsense\n", encoding="utf-8")
    said = run("import", log)
    assert "1 refused" in said.out
    assert f"{log}:31: not a line of an access log" in said.out


def test_patience_with_a_quiet_app_can_be_set_afterwards(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("ts\n1714557600\n1714564800\n", encoding="utf-8")
    run("import", path)
    assert "98% of the buckets were not observed" in run("demand", "--step", "60s").out
    assert "nothing changed" in run("import", path, "--heartbeat", "3h").out
    assert "not observed" not in run("demand", "--step", "60s").out


def write_bad_files(folder: Path) -> None:
    (folder / "empty.log").touch()
    (folder / "naive.csv").write_text("ts\n2024-01-01 10:00:00\n", encoding="utf-8")
    (folder / "foreign.csv").write_text("t,uid\n1714557600,a\n", encoding="utf-8")
    (folder / "header.csv").write_text("ts,feature\n", encoding="utf-8")
    (folder / "posted.ndjson").write_text('{"t": 1714557600}\n', encoding="utf-8")
    (folder / "negative.csv").write_text("ts,value\n2024-01-01T00:00:00Z,-1\n", encoding="utf-8")
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    pl.DataFrame({"ts": [naive]}).write_parquet(folder / "naive.parquet")
    pl.DataFrame({"price": [1.0]}).write_parquet(folder / "other.parquet")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["absent.log"], "absent.log: no such file"),
        (["*.absent"], "*.absent: no file matches"),
        (["."], ".: a folder"),
        (["empty.log"], "empty.log: the file is empty"),
        (["header.csv"], "header.csv: holds no row"),
        (["naive.csv"], "naive.csv: line 2: ts has no time zone; say which one with --timezone"),
        (["naive.parquet"], "naive.parquet: line 1: ts has no time zone"),
        (["other.parquet"], "other.parquet: no column 'ts'"),
        (["foreign.csv"], "its first line names t, uid"),
        (["foreign.csv", "--columns", "ts=when"], "no column 'when'"),
        (["posted.ndjson"], "none of the first 1 lines can be read as ndjson"),
        (["negative.csv"], "negative.csv"),
        (["a.log", "--columns", "time=t"], "--columns 'time=t'"),
        (["a.log", "--format", "xml"], "--format 'xml': give one of log"),
        (["a.log", "--format", "ndjson"], "none of the first 30 lines can be read as ndjson"),
        (["a.log", "--timezone", "Mars/Base"], "--timezone 'Mars/Base': no such zone"),
        (["a.log", "--location-consent", "yes"], "--location-consent 'yes': give 'granted'"),
        (["a.log", "--max-features", "0"], "--max-features 0"),
        (["a.log", "--heartbeat", "soon"], "--heartbeat 'soon'"),
        (["a.log", "--app", "a/b"], "--app must be"),
        (["a.log", "--query", "up"], "--query 'up': only for"),
        (["a.log", "absent.log"], "absent.log: no such file"),
        (["a.log", "--colums", "ts=t"], "No such option: --colums"),
        (["a.log", "--max-features", "many"], "'--max-features'"),
        ([], "Missing argument 'PATH...'; see `foretide import --help`"),
        (["prometheus"], "give one URL"),
        (["prometheus", "http://127.0.0.1:9"], "--query: missing"),
        (["prometheus", "http://127.0.0.1:9", "--query", "up", "--since", "x"], "--since"),
        (["prometheus", "http://127.0.0.1:9", "--query", "up", "--step", "x"], "--step"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    run: Run, log: Path, tmp_path: Path, words: list[str], named: str
) -> None:
    write_bad_files(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert log in before
    said = run("import", *words)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("foretide: ")
    assert said.err.count("\n") == 1
    assert named in said.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--store", "absent"], "--store absent: no store there; import something first"),
        (["--app", "nix"], "--app 'nix': not in the store; it holds default"),
        (["--feature", "nix"], "--feature 'nix'"),
        (["--since", "yesterday"], "--since must be an ISO 8601 instant"),
        (["--since", "2024-01-01T00:00:00"], "--since must carry a time zone"),
        (["--since", "2024-01-02T00:00:00Z", "--until", "2024-01-01T00:00:00Z"], "must lie before"),
        (["--step", "90s"], "--step 90 s"),
        (["--step", "x"], "--step 'x'"),
        (["--out", "nowhere/d.parquet"], "no folder nowhere"),
    ],
)
def test_bad_questions_get_one_line(run: Run, log: Path, words: list[str], named: str) -> None:
    run("import", log)
    said = run("demand", *words)
    assert said.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert named in said.err
