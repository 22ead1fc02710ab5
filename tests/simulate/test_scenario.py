"""A scenario is read whole, or refused in one line that names key, value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretide.errors import InputError, InvalidValueError
from foretide.simulate.scenario import Scenario, read_scenario


def read(folder: Path, text: str) -> Scenario:
    path = folder / "s.toml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
        objective = 0.01
        boot_s = 90
        wake_s = 0
        warm_price_fraction = 0.2
        price_usd_per_hour = 1.5
        warmup_days = 3
        [capacity_rps]
        "shop/search" = 12.5
        api = 2
    """
    assert read(tmp_path, text) == Scenario(
        objective=0.01,
        boot_s=90.0,
        wake_s=0.0,
        warm_price_fraction=0.2,
        price_usd_per_hour=1.5,
        warmup_days=3.0,
        capacity_rps={"shop/search": 12.5, "api": 2.0},
    )


@pytest.mark.parametrize("text", ["", "\ufeff# nothing", "boot_s = 300"])
def test_what_is_left_out_has_a_default(tmp_path: Path, text: str) -> None:
    made = read(tmp_path, text)
    assert made == Scenario()
    assert not made.has_warm_pool


@pytest.mark.parametrize(("boot_s", "minutes"), [(1, 1), (60, 1), (61, 2), (300, 5), (7200, 120)])
def test_a_boot_takes_whole_minutes(tmp_path: Path, boot_s: int, minutes: int) -> None:
    assert read(tmp_path, f"boot_s = {boot_s}").boot_minutes == minutes


@pytest.mark.parametrize(("fraction", "has_pool"), [(0.2, True), (0.999, True), (1, False)])
def test_a_warm_pool_has_to_be_cheaper(tmp_path: Path, fraction: float, has_pool: bool) -> None:
    assert read(tmp_path, f"warm_price_fraction = {fraction}").has_warm_pool is has_pool


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("objective = 0", "objective must be a number > 0 and < 1, was 0"),
        ("objective = 1", "objective must be a number > 0 and < 1, was 1"),
        ("objective = nan", "objective .* was nan"),
        ("boot_s = 0", "boot_s must be a number > 0 and <= 7200, was 0"),
        ("boot_s = 7201", "boot_s .* was 7201"),
        ("boot_s = inf", "boot_s .* was inf"),
        ('boot_s = "5m"', 'boot_s .* was "5m"'),
        ("boot_s = true", "boot_s .* was true"),
        ("wake_s = 61", "wake_s must be a number >= 0 and <= 60, was 61"),
        ("wake_s = -1", "wake_s .* was -1"),
        ("warm_price_fraction = 0", "warm_price_fraction must be a number > 0 and <= 1, was 0"),
        ("warm_price_fraction = 1.5", "warm_price_fraction .* was 1.5"),
        ("price_usd_per_hour = -0.1", "price_usd_per_hour must be a number > 0, was -0.1"),
        ("price_usd_per_hour = inf", "price_usd_per_hour .* was inf"),
        ("warmup_days = -1", "warmup_days must be a number >= 0, was -1"),
        ("warmup_days = inf", "warmup_days .* was inf"),
        ("capacity_rps = 3", "capacity_rps must be a table of requests/s by series, was 3"),
        ("[capacity_rps]\nweb = 0", "capacity_rps of series 'web' must be a number > 0, was 0"),
        ("[capacity_rps]\nweb = inf", "capacity_rps of series 'web' .* was inf"),
        ("[capacity_rps]\nweb = 'x'", "capacity_rps of series 'web' .* was \"x\""),
        ("boots_s = 3", "boots_s is no key of a scenario; write boot_s"),
        ("[web]\nx = 1", "web is no key of a scenario; write objective, boot_s"),
        ("objective = ", "is not TOML"),
        ("boot_s = 1\nboot_s = 2", "is not TOML"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        read(tmp_path, text)
    told = str(refused.value)
    assert told.startswith(f"--scenario {tmp_path / 's.toml'}: ")
    assert "\n" not in told
    assert "; " in told  # the fix


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InputError, match="give an existing file"):
            read_scenario(path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not TOML"):
        read_scenario(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    "wrong", [{"objective": 0.0}, {"wake_s": 61.0}, {"boot_s": 0.0}, {"boot_s": 1e9}]
)
def test_a_scenario_made_in_code_keeps_the_same_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        Scenario(**wrong)  # pyright: ignore[reportArgumentType]
