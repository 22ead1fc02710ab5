"""A version is whole or not there: under kill -9, a damaged disk, and two writers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretide.errors import StoreError
from foretide.store.versions import Damaged, Version, VersionedFiles


def newest(files: VersionedFiles, key: str) -> Version:
    for number in files.numbers(key):
        found = files.read(key, number)
        if isinstance(found, Version):
            return found
    pytest.fail(f"no whole version of {key}")


def test_versions_come_back_in_order(tmp_path: Path) -> None:
    files = VersionedFiles(tmp_path / "deep" / "down")
    assert files.numbers("a") == []
    assert [files.save("a", text) for text in (b"", b"one\ntwo", b"\x00" * 70_000)] == [1, 2, 3]
    assert files.numbers("a") == [3, 2, 1]
    assert files.read("a", 1) == Version(1, b"")
    assert files.read("a", 2) == Version(2, b"one\ntwo")
    assert files.numbers("b") == []


@pytest.mark.parametrize(
    "key", ["shop/cart", "..", ".", "", "a b\n", "ü" * 200, "x" * 300, "x" * 301, "%2E", "con:aux"]
)
def test_any_text_is_a_key_and_a_place_of_its_own(tmp_path: Path, key: str) -> None:
    files = VersionedFiles(tmp_path / "kept")
    files.save("another", b"other")
    files.save(key, key.encode())
    assert newest(files, key).content == key.encode()
    assert newest(files, "another").content == b"other"
    assert {path.parent for path in tmp_path.rglob("*.kept")} == {
        folder for folder in (tmp_path / "kept").iterdir() if folder.is_dir()
    }


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(content=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_damaged_file_is_noticed(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    files = VersionedFiles(tmp_path / os.urandom(4).hex())
    files.save("a", b"before")
    number = files.save("a", content)
    (path,) = files.folder.rglob(f"{number:08d}.kept")
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "zeros", "more"]))
    path.write_bytes(
        {
            "flip": whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :],
            "cut": whole[:at],
            # what a crash leaves when the size was written and the content was not
            "zeros": whole[:at] + bytes(len(whole) - at + 1),
            "more": whole + b"\n",
        }[kind]
    )
    assert isinstance(files.read("a", number), Damaged)
    assert newest(files, "a").content == b"before"
    assert files.save("a", b"after") == number + 1


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    files = VersionedFiles(tmp_path)
    files.save("a", b"one")
    (folder,) = {path.parent for path in tmp_path.rglob("*.kept")}
    foreign = [folder / name for name in ("notes.txt", "7.kept", "x.aside", "00000009.kept.bak")]
    for path in foreign:
        path.write_text("mine")
    (folder / "00000004.kept").mkdir()
    files.save("a", b"two")
    files.prune("a", newest=1)
    assert newest(files, "a").content == b"two"
    assert all(path.read_text() == "mine" for path in foreign)


def test_pruning_keeps_what_is_needed_and_what_is_newer(tmp_path: Path) -> None:
    files = VersionedFiles(tmp_path)
    for number in range(1, 11):
        files.save("a", str(number).encode())
    files.prune("a", newest=2, needed={3, 6})
    assert files.numbers("a") == [10, 9, 8, 7, 6, 3]
    files.prune("a", newest=2)
    assert files.numbers("a") == [10, 9]


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    files = VersionedFiles(tmp_path)
    contents = [str(at).encode() for at in range(64)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(partial(files.save, "a"), contents))
    assert sorted(numbers) == list(range(1, 65))
    assert [files.read("a", number) for number in numbers] == [
        Version(number, content) for number, content in zip(numbers, contents, strict=True)
    ]


def test_what_cannot_be_written_is_one_line_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"file/a: .*must be writable") as caught:
        VersionedFiles(tmp_path / "file").save("a", b"x")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "not a folder"


_WRITER = """
import sys
from pathlib import Path
from foretide.store.versions import VersionedFiles
files = VersionedFiles(Path(sys.argv[1]))
at = 0
while True:
    at += 1
    number = files.save("a", str(at).encode() * 40_000)
    files.append("a", "diary", f"{at}\\n".encode())
    files.prune("a", newest=3)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_whole_versions(tmp_path: Path) -> None:
    files = VersionedFiles(tmp_path)
    acknowledged = 0
    for round_ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, tmp_path], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        # the moment differs by round: after so many acknowledgements, and a bit
        for _ in range(1 + round_ % 5):
            acknowledged = int(writer.stdout.readline())
        for _ in range(round_ * 20_000):
            pass
        writer.send_signal(signal.SIGKILL)
        left, _ = writer.communicate()
        acknowledged = max([acknowledged, *map(int, left.split("\n")[:-1])])
        assert files.numbers("a")[0] >= acknowledged
        assert all(isinstance(files.read("a", n), Version) for n in files.numbers("a"))
        assert len(files.numbers("a")) <= 4
    # what the killed ones left half-written is gone with the next save
    files.save("a", b"done")
    assert list(tmp_path.rglob("*.aside")) == []
    (diary,) = tmp_path.rglob("diary")
    files.append("a", "diary", b"last\n")
    assert diary.read_text().splitlines()[-1] == "last"
