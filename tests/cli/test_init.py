from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from foretide.cli import app
from foretide.config import read_config
from foretide.errors import InputError

runner = CliRunner()


def run(*arguments: str) -> str:
    result = runner.invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_writes_a_configuration_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init").startswith("wrote foretide.toml: ")
    assert set(read_config(Path("foretide.toml")).services) == {"web"}


def test_never_overwrites_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("# mine\n")
    with pytest.raises(InputError, match=r"mine\.toml: exists already; .* --force to replace it$"):
        run("init", "--path", str(path))
    assert path.read_text() == "# mine\n"
    run("init", "--path", str(path), "--force")
    assert "[service.web]" in path.read_text()


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory; name a file in a folder"):
        run("init", "--path", str(tmp_path / "absent" / "foretide.toml"))


def test_prints_the_reference_of_every_command_with_its_flags() -> None:
    page = run("reference", "commands")
    assert "## `foretide init`" in page
    assert "| `--force` |  |  | Replace the file when it exists. |" in page
    assert "foretide reference" not in page


def test_every_command_and_flag_of_the_reference_is_explained() -> None:
    rows = [line for line in run("reference", "commands").splitlines() if line.startswith("| `")]
    unexplained = [row for row in rows if not row.rstrip("| ").count(" ") or row.endswith("|  |")]
    assert rows
    assert unexplained == []


def test_prints_the_reference_of_every_setting() -> None:
    assert "## `[service.NAME]`" in run("reference", "config")
