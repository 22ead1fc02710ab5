"""`foretide doctor` says what is here, what is worked around, and how to mend the rest."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cases.command import Run, runner
from foretide.platforms.local.findings import Finding, Verdict, of_address, of_folder, of_machine

_LOCAL = """
[app.shop]
[service.web]
app = "shop"
platform = "local"
max_instances = 8
instance_rps = 40
price_usd_per_hour = 0.1
objective_fraction = 0.001

[service.web.local]
package = "web"
version = "v1"
listen = "127.0.0.1:{port}"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return what runs `foretide doctor` in a folder of its own."""
    monkeypatch.setenv("COLUMNS", "80")
    return runner(monkeypatch, capsys, tmp_path, "doctor")


def _by_name(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_each_thing_is_told_once_in_eighty_columns(run: Run) -> None:
    done = run()
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout  # no colours where nobody sees them
    names = [line[15:30].strip() for line in lines if line[:1].strip()][:-1]
    assert len(set(names)) == len(names) == 14
    assert lines[-1].startswith("all that")


def test_the_same_as_data(run: Run) -> None:
    told = json.loads(run("--json").stdout)
    assert told["is_usable"] is True
    found = told["findings"]
    assert {one["verdict"] for one in found} <= {"ok", "worked around"}
    # what is worked around says what would help
    assert all(bool(one["fix"]) is (one["verdict"] != "ok") for one in found)


def test_a_configuration_with_a_fault_is_missing_and_named(run: Run) -> None:
    Path("foretide.toml").write_text("[store]\npat = 1\n")
    done = run("--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["is_usable"] is False
    (fault,) = [one for one in told["findings"] if one["verdict"] == "missing"]
    assert fault["name"] == "configuration"
    assert "foretide.toml:2" in fault["told"]
    shown = run()
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[-1] == "1 missing: mend that first"


def test_the_addresses_of_services_are_tried(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        Path("foretide.toml").write_text(_LOCAL.format(port=port))
        found = {one["name"]: one for one in json.loads(run("--json").stdout)["findings"]}
        assert found["listen web"]["verdict"] == "worked around"
        assert str(port) in found["listen web"]["told"]
        assert found["platform folder"]["verdict"] == "ok"
    found = {one["name"]: one for one in json.loads(run("--json").stdout)["findings"]}
    assert found["listen web"]["told"] == f"127.0.0.1:{port} is free"
    assert not Path(".foretide").exists()  # it looks, and makes nothing


def test_a_machine_without_control_groups_is_good_enough() -> None:
    found = _by_name(of_machine(trees={}))
    for name in ("freezing", "cpu groups", "memory groups"):
        assert found[name].verdict is Verdict.WORKED_AROUND
        assert "cgroup v2 is not mounted" in found[name].told
    assert all(finding.verdict is not Verdict.MISSING for finding in found.values())


def test_a_group_that_may_not_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = _by_name(of_machine(trees={"unified": tmp_path / "file"}))
    assert "Not a directory" in found["freezing"].told


def test_what_is_not_installed_is_worked_around(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from foretide.platforms.local.traffic import choose

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(choose, "_ALSO_IN", ())
    found = _by_name(of_machine(trees={}))
    assert found["haproxy"].verdict is Verdict.WORKED_AROUND
    assert "HAProxy is not installed" in found["haproxy"].told
    assert found["binding"].verdict is Verdict.WORKED_AROUND


def test_a_folder_is_looked_at_where_it_will_be(tmp_path: Path) -> None:
    assert of_folder("store", tmp_path).verdict is Verdict.OK
    assert "made when it is needed" in of_folder("store", tmp_path / "a" / "b").told
    (tmp_path / "file").write_text("")
    below = of_folder("store", tmp_path / "file" / "b")
    assert below.verdict is Verdict.MISSING
    assert "cannot be written" in below.told
    assert below.fix


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    finding = of_address("listen web", "192.0.2.1:8080")
    assert finding.verdict is Verdict.WORKED_AROUND
    assert "Cannot assign requested address" in finding.told
    if socket.has_dualstack_ipv6():
        assert of_address("listen web", "[::1]:0").verdict is Verdict.OK
