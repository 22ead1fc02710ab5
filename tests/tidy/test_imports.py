"""Starting is cheap, and the import rule guards every room that is there."""

from __future__ import annotations

import resource
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("duckdb", "httpx", "numpy", "pandas", "plotly", "polars", "pyarrow", "scipy")
PURE = ("demand", "forecast", "market", "model", "plan", "rollout")
START_MAX_CPU_S = 2.0  # about 0.3 on a quiet machine; the weight is caught by the names above

_SAY_HEAVY = f"""
import sys
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""
_HELP = """
import sys
from foretide.cli import main
sys.argv = ["foretide", "--help"]
try:
    main()
except SystemExit:
    pass
print()
"""


def _contracts(repository_root: Path) -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((repository_root / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


@pytest.mark.parametrize("start", ["import foretide", "import foretide.cli", _HELP])
def test_nothing_heavy_is_imported_before_a_command_runs(start: str) -> None:
    program = f"{start}\n{_SAY_HEAVY}"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == ""


def test_help_costs_little() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "foretide", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < START_MAX_CPU_S


def test_every_pure_room_is_held_to_the_pure_contract(repository_root: Path) -> None:
    rooms = {room for room in PURE if (repository_root / "src/foretide" / room).is_dir()}
    held = set(_contracts(repository_root)["pure"]["source_modules"])
    assert held == {f"foretide.{room}" for room in rooms}


def test_the_layers_let_no_room_out(repository_root: Path) -> None:
    layers = _contracts(repository_root)["layers"]
    assert layers["exhaustive"] is True
    assert layers["exhaustive_ignores"] == ["__main__"]


def test_imports_point_down() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([command, "--no-cache"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
