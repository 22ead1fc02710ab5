"""What was learned comes back as it was, or the version before it does, and that is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from foretide.errors import InvalidValueError
from foretide.store.models import Manifest, Registry, Training
from foretide.store.versions import Damaged, VersionedFiles

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def manifest(*series: str, model: str = "fleet") -> Manifest:
    return Manifest(
        model=model,
        trained_at=NOW,
        data_start=NOW,
        data_end=NOW,
        series=series,
        series_digest="0" * 64,
        reason="due",
        program="0.1.0",
        cadence={series[0]: {"interval_s": 604_800.0}},
    )


def spoil(folder: Path, version: int) -> None:
    (path,) = (folder / "trained").rglob(f"{version:08d}.kept")
    path.write_bytes(path.read_bytes()[:-1])


def knows(series: str) -> Callable[[Manifest], bool]:
    return lambda found: not series or series in found.series


def latest(registry: Registry, series: str = "") -> Training:
    found, _ = registry.latest("fleet", suits=knows(series))
    assert found is not None
    return found


def test_a_training_comes_back_with_its_manifest(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.latest("fleet") == (None, ())
    learned = b'{"\n": 1}\n\x00\xff'
    assert registry.save(manifest("a/x", "a/y"), learned) == 1
    found = registry.training("fleet", 1)
    assert isinstance(found, Training)
    assert (found.manifest, found.learned) == (manifest("a/x", "a/y"), learned)
    assert registry.latest("prophet") == (None, ())


def test_a_manifest_can_be_read_without_the_program(tmp_path: Path) -> None:
    Registry(tmp_path).save(manifest("a/x"), b"\x00")
    (path,) = tmp_path.rglob("*.kept")
    told = msgspec.json.decode(path.read_bytes().split(b"\n")[1])
    assert told["series"] == ["a/x"]
    assert told["trained_at"] == "2026-03-02T00:00:00Z"
    assert told["cadence"]["a/x"]["interval_s"] == 604_800.0


def test_a_damaged_training_gives_way_to_the_one_before_that_knows_the_series(
    tmp_path: Path,
) -> None:
    registry = Registry(tmp_path)
    registry.save(manifest("a/x", "a/y"), b"1")
    registry.save(manifest("a/y"), b"2")
    registry.save(manifest("a/x"), b"3")
    spoil(tmp_path, 3)
    found, notes = registry.latest("fleet", suits=knows("a/x"))
    assert found is not None
    assert found.version == 1
    (note,) = notes
    assert "00000003.kept: damaged" in note
    assert "the version before it is used" in note
    assert latest(registry, "a/y").version == 2
    assert isinstance(registry.training("fleet", 3), Damaged)
    spoil(tmp_path, 1)
    assert registry.latest("fleet", suits=knows("a/x"))[0] is None
    assert registry.save(manifest("a/x"), b"4") == 4


def test_a_whole_file_that_is_no_training_is_damaged(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.save(manifest("a/x"), b"1")
    VersionedFiles(tmp_path / "trained").save("fleet", b"{}\nnothing")
    assert isinstance(registry.training("fleet", 2), Damaged)
    assert latest(registry).version == 1


def test_a_standing_keeps_the_trainings_it_needs(tmp_path: Path) -> None:
    registry = Registry(tmp_path, kept=2)
    for number in range(6):
        registry.save(manifest("a/x"), str(number).encode())
    registry.save_standing("fleet", b"one", needed={2, 5})
    kept = [v for v in range(1, 7) if isinstance(registry.training("fleet", v), Training)]
    assert kept == [2, 5, 6]
    for text in (b"two", b"three"):
        registry.save_standing("fleet", text, needed={2, 5})
    assert registry.standing("fleet") == (b"three", ())
    assert len(list((tmp_path / "standing").rglob("*.kept"))) == 2


def test_a_damaged_standing_gives_way_to_the_one_before(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.standing("fleet") == (None, ())
    registry.save_standing("fleet", b"one", needed=())
    registry.save_standing("fleet", b"two", needed=())
    newest = max((tmp_path / "standing").rglob("*.kept"))
    newest.write_bytes(b"")
    text, notes = registry.standing("fleet")
    assert text == b"one"
    assert len(notes) == 1


def test_decisions_are_written_one_a_line(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.record("fleet", [])
    assert not list(tmp_path.rglob("decisions.jsonl"))
    for reason in ("first", "due"):
        registry.record("fleet", [msgspec.structs.replace(manifest("a/x"), reason=reason)])
    (diary,) = tmp_path.rglob("decisions.jsonl")
    lines = diary.read_text().splitlines()
    assert [msgspec.json.decode(line)["reason"] for line in lines] == ["first", "due"]
    with diary.open("a") as torn:
        torn.write('{"rea')
    registry.record("fleet", [manifest("a/x")])
    assert msgspec.json.decode(diary.read_text().splitlines()[-1])["reason"] == "due"


def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="kept must be >= 1"):
        Registry(tmp_path, kept=0)
