"""What is checked is what is explained: the example file and the reference page."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import pytest

from foretide.config import load_config
from foretide.config.describe import SECTIONS, Setting, settings_of
from foretide.config.reference import config_reference
from foretide.config.template import example_config

EVERY = [(header, setting) for header in SECTIONS for setting in settings_of(SECTIONS[header])]


def test_the_example_loads_as_it_stands() -> None:
    config = load_config(example_config(), origin="example")
    assert set(config.apps) == {"shop"}
    assert config.services["web"].mode == "shadow"


ARRAYS = [header for header in SECTIONS if header.startswith("[[")]


def uncommented(header: str) -> str:
    # Only the settings below this header, down to the next one.
    before, after = example_config().split(f"# {header}\n")
    own, *rest = re.split(r"(?m)(?=^#? ?\[)", after, maxsplit=1)
    told = re.sub(r"(?m)^# (\w+ = )", r"\1", own)
    told = re.sub(r"(?m)^peak_rps = .*\n", "", told)
    return f"{before}{header}\n{told}{''.join(rest)}"


@pytest.mark.parametrize("header", ARRAYS)
def test_the_example_with_one_table_uncommented_loads(header: str) -> None:
    text = uncommented(header.replace("NAME", "shop")).replace('apps = ["shop", "search"]', "")
    text = text.replace('feature = "wishlist"', 'feature = "cart"')
    config = load_config(text, origin="example")
    holder = config.apps["shop"] if "NAME" in header else config
    assert len(getattr(holder, header.strip("[]").split(".")[-1])) == 1


def test_the_example_with_the_other_choices_loads() -> None:
    chosen = (
        "latency_objective_s", "service_time_s", "concurrency", "penalty_usd_per_request",
        "target_fraction", "arrival_variation_fraction", "service_variation_fraction",
    )  # fmt: skip
    text = re.sub(rf"(?m)^# ((?:{'|'.join(chosen)}|scale_down) = )", r"\1", example_config())
    text = re.sub(r"(?m)^(instance_rps|objective_fraction) = .*\n", "", text)
    service = load_config(text, origin="example").services["web"]
    assert (service.concurrency, service.penalty_usd_per_request) == (4, 0.0005)


def test_the_example_has_no_line_over_100() -> None:
    assert max(len(line) for line in example_config().splitlines()) <= 100


@pytest.mark.parametrize(("header", "setting"), EVERY, ids=[f"{h}{s.key}" for h, s in EVERY])
def test_every_setting_is_explained(header: str, setting: Setting) -> None:
    page = config_reference()
    section = page[page.index(f"## `{header}`") :].split("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{setting.key}` |")]
    assert len(setting.meaning.split()) >= 3
    assert setting.meaning in row
    assert setting.allowed in row
    is_table = setting.allowed in {"tables", "a table"}
    assert is_table or f"{setting.key} = {setting.example}" in example_config()


@pytest.mark.parametrize("header", SECTIONS)
def test_every_example_is_allowed_by_its_type(header: str) -> None:
    fields: dict[str, Any] = {
        f.encode_name: f.type for f in msgspec.structs.fields(SECTIONS[header])
    }
    for setting in settings_of(SECTIONS[header]):
        if setting.example:
            value = tomllib.loads(f"value = {setting.example}")["value"]
            msgspec.convert(value, fields[setting.key])


def test_every_number_says_its_unit_in_its_name() -> None:
    # Counts of instances, of processes and of requests at once, and a rank, have none.
    bare = {
        "min_instances",
        "max_instances",
        "instances",
        "concurrency",
        "workers",
        "priority",
        "max_disrupted_instances",
    }
    for _, setting in EVERY:
        is_number = " number" in setting.allowed
        assert bool(setting.unit) == (is_number and setting.key not in bare), setting.key
