"""The repository speaks of the product alone: no loose ends, no places of one machine."""

from __future__ import annotations

import re
from pathlib import Path

# Spelt in pieces, so that this file may be read by its own rules.
LOOSE_ENDS = re.compile(
    rf"\b(?:{'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'))})\b"
)
MACHINE_PLACES = re.compile("|".join(f"/{name}/" for name in ("work", "root", "home", "Users")))
HOSTS = re.compile(
    r"\b(?:"
    + "|".join(
        re.escape(f"{name}.{zone}")
        for name, zone in (
            ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"),
            ("debian", "org"), ("github", "com"), ("githubusercontent", "com"), ("gitlab", "com"),
            ("docker", "io"), ("docker", "com"), ("ghcr", "io"), ("quay", "io"),
            ("readthedocs", "io"), ("anaconda", "org"), ("conda", "io"), ("huggingface", "co"),
        )
    )
    + r")\b"
)  # fmt: skip


def _lines_with(pattern: re.Pattern[str], texts: dict[Path, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later(text_files: dict[Path, str]) -> None:
    assert _lines_with(LOOSE_ENDS, text_files) == []


def test_no_path_of_one_machine_is_written_down(text_files: dict[Path, str]) -> None:
    assert _lines_with(MACHINE_PLACES, text_files) == []


def test_no_registry_or_hosting_address_is_written_down(text_files: dict[Path, str]) -> None:
    assert _lines_with(HOSTS, text_files) == []


def test_the_rules_above_can_fail(tmp_path: Path) -> None:
    bad = {tmp_path: f"# {'TO' + 'DO'} see https://{'pyp' + 'i.org'} and /{'work'}/x"}
    assert all(_lines_with(rule, bad) for rule in (LOOSE_ENDS, MACHINE_PLACES, HOSTS))


def test_every_text_file_ends_its_last_line(text_files: dict[Path, str]) -> None:
    cut = [str(path) for path, text in text_files.items() if text and not text.endswith("\n")]
    assert cut == []
