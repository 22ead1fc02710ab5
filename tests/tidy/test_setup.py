"""Set-up refuses in one line what it cannot build upon, and leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FILES = (
    "Makefile",
    "pyproject.toml",
    "requirements-build.lock",
    "requirements.lock",
    "requirements-dev.lock",
    "tools/venv.sh",
)


@pytest.fixture
def checkout(repository_root: Path, tmp_path: Path) -> Path:
    """Return a copy of what set-up reads, in a folder with a space in its name."""
    folder = tmp_path / "a fresh checkout"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository_root / name, folder / name)
    return folder


@pytest.fixture
def command_folder(tmp_path: Path) -> Path:
    """Return the only folder of commands, for a person who may not become root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("awk", "cat", "dirname", "env", "make", "mkdir", "rm", "sh", "touch"):
        found = shutil.which(name)
        assert found, f"{name} is not on this machine"
        (folder / name).symlink_to(found)
    _command(folder / "id", "echo 1000")
    _command(folder / "apt-get", "echo apt-get ran; exit 1")
    return folder


def _command(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def _python_without_ensurepip(path: Path) -> None:
    _command(path, f'case "$2" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"')


def _make_setup(
    checkout: Path, command_folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(command_folder), "HOME": str(checkout)}
    make = command_folder / "make"
    return subprocess.run(
        [make, "setup", *arguments],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _said(run: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in run.stderr.splitlines() if not line.startswith("make: ***")]


def test_no_ensurepip_and_no_root_prints_the_line_to_type(
    checkout: Path, command_folder: Path
) -> None:
    _python_without_ensurepip(command_folder / "python3")
    run = _make_setup(checkout, command_folder)
    assert run.returncode == 2
    line = "sudo sh -c 'apt-get update && apt-get install -y python3-venv'"
    said = f"foretide: python3 has no ensurepip; type this, then make again:  {line}"
    assert _said(run) == [said]
    assert not (checkout / ".venv").exists()


def test_sudo_without_a_password_is_used(checkout: Path, command_folder: Path) -> None:
    _python_without_ensurepip(command_folder / "python3")
    _command(command_folder / "sudo", 'if [ "$1" = -n ]; then shift; fi\nexec "$@"')
    _command(command_folder / "true", "exit 0")
    run = _make_setup(checkout, command_folder)
    assert run.returncode == 2
    assert "apt-get ran" in run.stderr
    assert "that failed; type it by hand" in _said(run)[-1]
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("arguments", [(), ("PYTHON=python3",)])
def test_an_old_python_is_refused(
    checkout: Path, command_folder: Path, arguments: tuple[str, ...]
) -> None:
    old = 'case "$*" in *-V*) echo Python 3.10.13;; *version_info*) exit 1;; esac'
    _command(command_folder / "python3", old)
    run = _make_setup(checkout, command_folder, *arguments)
    assert run.returncode == 2
    assert len(_said(run)) == 1
    assert "Python 3.11 or newer is needed" in _said(run)[0]
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_not_there_is_named(checkout: Path, command_folder: Path) -> None:
    run = _make_setup(checkout, command_folder, "PYTHON=python9")
    assert run.returncode == 2
    assert _said(run) == ["foretide: PYTHON=python9 does not run; name a Python 3.11 or newer"]


def test_an_environment_from_another_place_is_not_ready(
    checkout: Path, command_folder: Path
) -> None:
    (checkout / ".venv").mkdir()
    stamp = checkout / ".venv" / ".ready-runtime"
    stamp.write_text("another/place\n", encoding="utf-8")
    assert _make_setup(checkout, command_folder, "PYTHON=python9").returncode == 2
    assert not stamp.exists()


@pytest.mark.parametrize("script", [".ci/run", "tools/venv.sh"])
def test_every_script_parses(repository_root: Path, script: str) -> None:
    run = subprocess.run(
        ["bash", "-n", repository_root / script], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
