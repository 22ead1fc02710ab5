"""Which models stand side by side, and whether they can be asked here.

Rivals answer as their libraries do, with their own intervals; only our forecasters get ours.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from forecasting import models
from forecasting.cases import STEPS, Case
from forecasting.kept import Asked, Kept

from foretide.forecast.fleet import Fleet
from foretide.model.demand import FloatArray

_ASIDE = Path(__file__).with_name("statsforecast_rival.py")


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the tables.

    Parameters
    ----------
    name, label : str
        On the command line, and on the page.
    ours : callable or None
        Answers cases at a horizon, in steps; asked again in every run.
    of : str
        Module and function that answers cases at the longest horizon; its answers are kept.
    part : str
        The distribution that it needs.
    revision : str
        Of how it is asked: a new one asks again.
    is_pooled : bool
        Whether it learns from all cases of one half and number of origin.
    """

    name: str
    label: str
    ours: Callable[[Sequence[Case], int], list[FloatArray]] | None = None
    of: str = ""
    part: str = ""
    revision: str = "r1"
    is_pooled: bool = False

    def answers(self, cases: Sequence[Case], steps: int, kept: Kept) -> list[FloatArray]:
        """Answer every case, shape (steps or more, levels) each."""
        if self.ours is not None:
            return self.ours(cases, steps)
        name = f"{self.name} {self.version()} {self.revision}"
        if self.is_pooled:
            return kept.together(cases, name, self._asked())
        return kept.each(cases, name, self._asked())

    def version(self) -> str:
        """Return the version of the part it needs, empty where it needs none or it is absent."""
        if self.part == "statsforecast":
            return _version_aside()
        try:
            return version(self.part) if self.part else ""
        except PackageNotFoundError:
            return ""

    def why_not(self) -> str:
        """Return why it cannot be asked here, empty when it can."""
        return f"{self.part} is not installed" if self.part and not self.version() else ""

    def _asked(self) -> Asked:
        module, _, function = self.of.partition(":")
        return getattr(import_module(f"forecasting.{module}"), function)


def mstl(cases: Sequence[Case]) -> list[FloatArray]:
    """Answer every case in the environment that holds statsforecast."""
    parts = [
        pl.DataFrame({"key": case.key(), "value": case.past.values.astype(np.float64)})
        for case in cases
    ]
    with tempfile.TemporaryDirectory() as folder:
        questions, answers = f"{folder}/questions.parquet", f"{folder}/answers.parquet"
        pl.concat(parts).write_parquet(questions)
        subprocess.run([_aside(), str(_ASIDE), questions, answers], check=True)
        table = pl.read_parquet(answers)
    by_key = dict(zip(table["key"].to_list(), table["values"].to_list(), strict=True))
    return [np.array(by_key[case.key()]).reshape(STEPS, -1) for case in cases]


def _aside() -> str:
    return os.environ.get("FORETIDE_BENCH_STATSFORECAST", "")


def _version_aside() -> str:
    if not _aside():
        return ""
    told = "from importlib.metadata import version; print(version('statsforecast'))"
    asked = subprocess.run([_aside(), "-c", told], check=False, capture_output=True, text=True)
    return asked.stdout.strip()


FLEET = Rival(name="fleet", label="fleet", ours=partial(models.asked, Fleet()))
HOLIDAYS = Rival(
    name="fleet-holidays",
    label="fleet told holidays",
    ours=partial(models.asked_with_holidays, Fleet()),
)
PROPHET = Rival(name="prophet", label="Prophet", of="prophet_rival:default", part="prophet")
TUNED = Rival(
    name="prophet-tuned", label="Prophet, tuned", of="prophet_rival:tuned", part="prophet"
)
LIGHTGBM = Rival(
    name="lightgbm",
    label="LightGBM",
    of="lightgbm_rival:learned_and_asked",
    part="lightgbm",
    revision="r2",
    is_pooled=True,
)
LSTM = Rival(
    name="lstm", label="LSTM", of="lstm_rival:learned_and_asked", part="torch", is_pooled=True
)
MSTL = Rival(name="mstl", label="MSTL + AutoETS", of="rivals:mstl", part="statsforecast")
NAIVE = Rival(name="seasonal-naive", label="seasonal-naive", ours=models.seasonal_naive)
MEDIAN = Rival(name="weekly-median", label="weekly median", ours=models.weekly_median)
RIVALS = (FLEET, HOLIDAYS, PROPHET, TUNED, LIGHTGBM, LSTM, MSTL, NAIVE, MEDIAN)
