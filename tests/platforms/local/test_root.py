"""A platform's folder has one owner, and one clear line says why it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foretide.errors import InputError
from foretide.platforms.local.root import Root, replaced, written


def test_it_keeps_its_id(tmp_path: Path) -> None:
    with Root(tmp_path / "root") as root:
        first = root.id
    with Root(tmp_path / "root") as root:
        assert root.id == first
    with Root(tmp_path / "other") as other:
        assert other.id != first


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    words = "import sys; from pathlib import Path; from foretide.platforms.local.root import Root"
    held = f"{words}; root = Root(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"in use by process {owner.pid}; end that one first"):
            Root(tmp_path)
        owner.kill()
        owner.wait()
    Root(tmp_path).close()  # the system takes the lock from whoever is killed


def test_a_process_that_a_dead_owner_was_starting_holds_nobody_up(tmp_path: Path) -> None:
    words = (
        "import os, sys, time; from pathlib import Path; "
        "from foretide.platforms.local.root import Root; root = Root(Path(sys.argv[1])); "
        "(os.fork() and os._exit(0)) or time.sleep(0.5)"
    )
    subprocess.run([sys.executable, "-c", words, str(tmp_path)], check=True)
    begun_s = time.monotonic()
    Root(tmp_path).close()
    assert time.monotonic() - begun_s < 3


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with pytest.raises(InputError, match=r"root cannot be the platform's folder: File exists; "):
        Root(tmp_path / "root")


def test_a_folder_that_cannot_be_written_is_told() -> None:
    # also for the owner of the machine, whom modes do not hold back
    with pytest.raises(InputError, match=r"/proc/root-of-foretide cannot be .*make it writable"):
        Root(Path("/proc/root-of-foretide"))


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    with Root(tmp_path / "root") as root:
        replaced(root.path / "x", b"1")
        modes = [path.stat().st_mode & 0o077 for path in (root.path, root.path / "x")]
    assert modes == [0, 0]


def test_a_full_disk_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left"):
            written(full, b"x")
    finally:
        os.close(full)
    at = tmp_path / "x"
    replaced(at, b"before")
    (tmp_path / ".x.aside").mkdir()
    with pytest.raises(IsADirectoryError):
        replaced(at, b"after")
    assert at.read_bytes() == b"before"
