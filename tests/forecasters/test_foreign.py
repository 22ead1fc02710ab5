"""Other people's forecasters, as real distributions on the path of a real command."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 3, 2, tzinfo=UTC)
MODULE = """
import numpy as np
from foretide.forecast.base import first_step, step_count
from foretide.model.forecast import Forecast


class Mean:
    name = "mean"

    def forecast(self, demands, *, issued_at, horizon_s, levels, timezone):
        return [self._one(one, issued_at, horizon_s, levels) for one in demands]

    def _one(self, demand, issued_at, horizon_s, levels):
        mean = np.nanmean(demand.until(issued_at).values)
        steps = step_count(demand.step_s, horizon_s)
        return Forecast(
            series_id=demand.series_id,
            model=self.name,
            issued_at=issued_at,
            start=first_step(demand, issued_at),
            step_s=demand.step_s,
            levels=levels,
            values=np.tile(mean * np.asarray(levels) * 2, (steps, 1)),
        )


class Raising(Mean):
    def forecast(self, demands, **_):
        raise RuntimeError("out of tea\\nand biscuits")


class Short(Mean):
    def forecast(self, demands, **asked):
        return super().forecast(demands, **asked)[:-1]


class Nonsense(Mean):
    def _one(self, demand, issued_at, horizon_s, levels):
        found = super()._one(demand, issued_at, horizon_s, levels)
        values = np.full(found.values.shape, np.nan)
        return Forecast(**{key: getattr(found, key) for key in found.__struct_fields__
                           if key != "values"}, values=values)


def unmade():
    raise KeyError("a part")


def not_one():
    return 42
"""


def installed(folder: Path, distribution: str, *entries: str) -> None:
    """Make a distribution of one module, as an installer would leave it."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(MODULE)
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    )
    lines = "\n".join(entry.replace("MODULE", module) for entry in entries)
    (information / "entry_points.txt").write_text(f"[foretide.forecasters]\n{lines}\n")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "demand.parquet"
    values = np.tile(np.arange(24.0), 30)
    write_demand(path, [Demand(series_id="a", start=START, step_s=3600, values=values)])
    return path


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "foretide", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )


def test_another_peoples_forecaster_is_used_by_its_name(tmp_path: Path, table: Path) -> None:
    installed(tmp_path, "tea-leaves", "tea = MODULE:Mean")
    done = run(tmp_path, "forecast", table, "--model", "tea", "--out", "out.parquet")
    assert done.returncode == 0, done.stderr
    assert "written to out.parquet" in done.stdout
    unknown = run(tmp_path, "forecast", table, "--model", "coffee")
    assert unknown.returncode == 2
    assert "tea" in unknown.stderr


@pytest.mark.parametrize(
    ("maker", "text"),
    [
        ("MODULE:Raising", "RuntimeError: out of tea"),
        ("MODULE:Short", "did not answer what was asked"),
        ("MODULE:Nonsense", "must be finite"),
        ("MODULE:unmade", "KeyError: 'a part'"),
        ("MODULE:not_one", "registers a int, which is no forecaster"),
        ("MODULE:Absent", "AttributeError"),
        ("no_such_module:Mean", "ModuleNotFoundError"),
    ],
)
def test_a_broken_one_is_one_line_with_its_distribution(
    tmp_path: Path, table: Path, maker: str, text: str
) -> None:
    installed(tmp_path, "tea-leaves", f"tea = {maker}")
    done = run(tmp_path, "forecast", table, "--model", "tea", "--out", "out.parquet")
    assert done.returncode == 2
    assert done.stderr.startswith("foretide: --model tea: tea-leaves ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.parquet").exists()


def test_a_name_of_ours_or_of_another_is_refused(tmp_path: Path, table: Path) -> None:
    installed(tmp_path, "tea-leaves", "fleet = MODULE:Mean", "tea = MODULE:Mean")
    installed(tmp_path, "palm-lines", "tea = MODULE:Mean")
    taken = run(tmp_path, "forecast", table, "--model", "fleet")
    assert taken.returncode == 2
    assert "tea-leaves registers a forecaster under a name of ours" in taken.stderr
    twice = run(tmp_path, "forecast", table, "--model", "tea")
    assert twice.returncode == 2
    assert "registered by palm-lines, tea-leaves" in twice.stderr
