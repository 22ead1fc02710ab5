"""A package says how it is run, and what it says wrongly is told by file, line, field and fix."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.config.describe import settings_of
from foretide.errors import InputError
from foretide.platforms.local.manifest import (
    DrainRule,
    Live,
    Manifest,
    Minimal,
    Needs,
    Ready,
    filled_in,
    parse_manifest,
    read_manifest,
)

PROGRAM = 'command = ["./server", "--port", "{port}"]\n'


def test_a_program_alone_is_a_manifest() -> None:
    found = parse_manifest(PROGRAM, origin="package.toml")
    assert found == Manifest(command=("./server", "--port", "{port}"))
    assert (found.ready.timeout_s, found.live.failures, found.drain.signal) == (60, 3, "TERM")


def test_all_of_it_is_read() -> None:
    text = PROGRAM + (
        "[env]\nLANG = 'C'\n[ready]\npath = '/healthz'\ntimeout_s = 5\n[needs]\ncpu_cores = 1\n"
        "memory_mib = 256\nsteady_mbps = 2.5\n[minimal]\nshrink_signal = 'TTOU'\n"
        "grow_signal = 'TTIN'\n[drain]\ngrace_s = 1\n[live]\nevery_s = 3\n"
    )
    found = parse_manifest(text, origin="package.toml")
    assert found.env == {"LANG": "C"}
    assert (found.ready.path, found.ready.timeout_s) == ("/healthz", 5)
    assert found.needs == Needs(cpu_cores=1, memory_mib=256, steady_mbps=2.5)
    assert found.minimal == Minimal(shrink_signal="TTOU", grow_signal="TTIN")
    assert (found.drain.grace_s, found.live.every_s) == (1, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p:1: command is missing; add command = "),
        ("command = []", "p:1: command must begin with a program"),
        ('command = [""]', "p:1: command must begin with a program"),
        ("command = 'server'", 'p:1: command must be a list, each a text, was "server"'),
        ('command = ["a", 3]', "p:1: command must be a list"),
        ('command = ["a", "{prot}"]', "must not hold {prot}, which nothing fills in; write {port}"),
        (PROGRAM + "ports = 1", "p:2: ports is no field, was 1; known here: command"),
        (PROGRAM + "comand = 1", "did you mean command?"),
        (PROGRAM + "ready = 3", "p:2: ready must be a table, was 3; write [ready]"),
        (PROGRAM + "[ready]\ntimeout = 3", "p:3: ready.timeout is no field, was 3; did you mean t"),
        (PROGRAM + "[ready]\ntimeout_s = 0", "p:3: ready.timeout_s must be a number > 0"),
        (PROGRAM + "[ready]\ntimeout_s = inf", "p:3: ready.timeout_s must be a number > 0"),
        (PROGRAM + "[ready]\ntimeout_s = nan", "p:3: ready.timeout_s must be a number > 0"),
        (PROGRAM + "[ready]\npath = 'healthz'", "p:3: ready.path must be"),
        (PROGRAM + '[ready]\npath = "/a b\\r\\n"', "p:3: ready.path must be"),
        (PROGRAM + "[live]\nfailures = 1.5", "p:3: live.failures must be a whole number"),
        (PROGRAM + "[drain]\nsignal = 'KILL'", 'p:3: drain.signal must be one of "INT"'),
        (PROGRAM + "[needs]\nmemory_mib = -1", "p:3: needs.memory_mib must be a number > 0"),
        (PROGRAM + "[minimal]\nshrink_signal = 'USR1'", "p:2: minimal.grow_signal is missing"),
        (
            PROGRAM + "[minimal]\nshrink_signal = 'USR1'\ngrow_signal = 'USR1'",
            "p:4: minimal.grow_signal must differ",
        ),
        (PROGRAM + "[env]\nFORETIDE_ROOT = 'x'", "p:2: env must not set FORETIDE_ROOT"),
        (PROGRAM + "[env]\n'A=B' = 'x'", "env must name variables by letters"),
        (PROGRAM + "[env]\nA = 3", "p:2: env must be a table, was {A = 3}; write for"),
        (PROGRAM + "[env]\nA = \"a\\u0000b\"", "env must not hold a zero byte, A does"),
        ("command = ", "p: is not TOML"),
        (PROGRAM + '"a\\nb" = 1', 'p:2: "a\\nb" is no field'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as told:
        parse_manifest(text, origin="p")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(InputError):
        parse_manifest(text, origin="p")


def test_a_folder_without_one_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"package\.toml: is missing; write one that begins with"):
        read_manifest(tmp_path)
    (tmp_path / "package.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_manifest(tmp_path)


def test_an_instance_is_given_its_own_port_name_and_folder(tmp_path: Path) -> None:
    manifest = Manifest(command=("{folder}/run", "--at=127.0.0.1:{port}", "{instance}", '{"a": 1}'))
    words = filled_in(manifest, folder=tmp_path, port=8080, instance_id="web-{port}")
    assert words == (f"{tmp_path}/run", "--at=127.0.0.1:8080", "web-{port}", '{"a": 1}')


@pytest.mark.parametrize("table", [Ready, Live, DrainRule, Needs, Minimal])
def test_the_reference_tells_every_key_its_default_and_what_it_is_for(
    table: type[Ready | Live | DrainRule | Needs | Minimal],
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "packages.md").read_text()
    for setting in settings_of(table):
        assert f"| `{setting.key}` | {setting.default} | {setting.meaning} |" in page
