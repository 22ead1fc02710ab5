from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from cases.forecasters import HEAVY, LIGHT
from foretide.errors import InputError
from foretide.forecasters import extras, registry
from foretide.forecasters.registry import DEFAULT, built_in_names, forecaster, names

EXTRAS = {
    "prophet": ("prophet", "prophet"),
    "prophet-tuned": ("prophet", "prophet"),
    "gbm": ("lightgbm", "gbm"),
    "lstm": ("torch", "lstm"),
}


def without(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == library else find_spec(name)

    monkeypatch.setattr("foretide.forecasters.extras.find_spec", find)


def test_every_name_makes_a_forecaster_of_that_name() -> None:
    assert names()[0] == DEFAULT == "fleet"
    assert [forecaster(name).name for name in names()] == list(names())
    assert set(built_in_names()) == {*LIGHT, *HEAVY}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    library, extra = EXTRAS[name]
    without(monkeypatch, library)
    with pytest.raises(InputError) as refused:
        forecaster(name)
    assert str(refused.value) == f"--model {name}: needs an extra; install foretide[{extra}]"
    assert name not in names()
    assert forecaster("auto").name == "auto"  # competes with what is there


def test_a_missing_library_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_(_: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("importlib.import_module", break_)
    with pytest.raises(InputError, match=r"^--model gbm: .*libgomp1$"):
        extras.imported("json", model="gbm", extra="gbm")


def test_a_broken_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_(_: str) -> None:
        raise ImportError("undefined symbol\nand more")

    monkeypatch.setattr("importlib.import_module", break_)
    with pytest.raises(InputError, match=r"^--model lstm: json is installed but broken \(undef"):
        extras.imported("json", model="lstm", extra="lstm")


def test_unknown_names_list_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    with pytest.raises(InputError, match="unknown; use one of fleet, seasonal-naive") as refused:
        forecaster("fleeet")
    assert all(name in str(refused.value) for name in registry.built_in_names())


def test_names_are_known_without_importing_what_is_heavy() -> None:
    program = (
        "import sys; from foretide.forecasters.registry import names; names();"
        "print([one for one in ('pandas', 'polars', 'prophet', 'lightgbm', 'torch')"
        " if one in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_help_names_the_models(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "foretide", "forecast", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"COLUMNS": "200"},
    )
    assert all(name in run.stdout for name in built_in_names())
