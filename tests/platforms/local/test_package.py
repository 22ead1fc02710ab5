"""A package is installed wholly and once, whatever it comes in; what is unsafe is refused."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from foretide.errors import InputError, PlatformError
from foretide.platforms.local.content import Content
from foretide.platforms.local.package import installed

Change = Callable[[Path], object]
MANIFEST = 'command = ["./server", "{port}"]\n'


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "data").mkdir(parents=True)
    (folder / "package.toml").write_text(MANIFEST)
    (folder / "server").write_text("#!/bin/sh\n")
    (folder / "server").chmod(0o700)
    (folder / "data" / "prices").write_bytes(bytes(range(256)) * 40)
    (folder / "data" / "now").symlink_to("prices")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def packed(package: Path, archive: Path, *, prefix: str = "") -> Path:
    if archive.suffix == ".tar":
        with tarfile.open(archive, "w") as tar:
            tar.add(package, arcname=prefix or ".")
    elif archive.suffix in {".gz", ".tgz"}:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(package, arcname=prefix or ".")
    elif archive.suffix == ".zst":
        plain = packed(package, archive.with_suffix(""), prefix=prefix)
        archive.write_bytes(cast("bytes", pa.compress(plain.read_bytes(), "zstd", asbytes=True)))
    else:
        _zip(package, archive, prefix)
    return archive


def _zip(package: Path, archive: Path, prefix: str) -> None:
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(package.rglob("*")):
            name = os.path.join(prefix, path.relative_to(package))  # noqa: PTH118
            if path.is_symlink():
                link = zipfile.ZipInfo(name)
                link.external_attr = 0o120777 << 16
                target.writestr(link, str(path.readlink()))
            else:
                target.write(path, name)


def test_a_folder_is_installed_as_it_is(root: Path, package: Path) -> None:
    content = installed(root, package)
    assert content.folder == root / "content" / content.digest
    assert names(content.folder) == names(package)
    assert (content.folder / "data" / "now").read_bytes() == bytes(range(256)) * 40
    assert os.access(content.folder / "server", os.X_OK)
    assert content.size_mib == pytest.approx((10_240 + 10 + len(MANIFEST) + 6) / 2**20)
    assert content.manifest.command == ("./server", "{port}")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip"])
@pytest.mark.parametrize("prefix", ["", "shop-1.0"])
def test_whatever_it_comes_in_it_is_the_same(
    root: Path, package: Path, tmp_path: Path, ending: str, prefix: str
) -> None:
    archive = packed(package, tmp_path / f"shop{ending}", prefix=prefix)
    content = installed(root, archive)
    assert content == installed(root, package)
    assert names(content.folder) == names(package)
    assert [path.name for path in (root / "content").iterdir() if path.name != ".lock"] == [
        content.digest
    ]


def test_what_tools_leave_beside_it_is_no_part_of_it(root: Path, package: Path) -> None:
    first = installed(root, package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"x")
    package.joinpath("server").chmod(0o755)
    os.utime(package / "server", (1, 1))
    assert installed(root, package) == first


CHANGES: dict[str, Change] = {
    "bytes": lambda folder: (folder / "data" / "prices").write_bytes(b""),
    "mode": lambda folder: (folder / "data" / "prices").chmod(0o755),
    "name": lambda folder: (folder / "data" / "prices").rename(folder / "data" / "price"),
    "file": lambda folder: (folder / "more").write_bytes(b""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_another_content(root: Path, package: Path, change: str) -> None:
    (package / "data" / "now").unlink()
    first = installed(root, package).digest
    CHANGES[change](package)
    assert installed(root, package).digest != first


def _member(
    name: str, kind: bytes, *, target: str = "", data: bytes = b""
) -> Callable[[Path], None]:
    def write(archive: Path) -> None:
        with tarfile.open(archive, "w") as tar:
            manifest = tarfile.TarInfo("package.toml")
            manifest.size = len(MANIFEST)
            tar.addfile(manifest, io.BytesIO(MANIFEST.encode()))
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, len(data)
            tar.addfile(member, io.BytesIO(data))

    return write


def _chained(archive: Path) -> None:
    # each link stays inside by its words, and together they lead out
    with tarfile.open(archive, "w") as tar:
        for name, target in (("x/y/l", "../.."), ("m", "x/y/l/../../z")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        _add(tar, "package.toml", MANIFEST.encode())
        _add(tar, "server", b"#!/bin/sh\n", mode=0o755)


def _through(archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("out")
        member.type, member.linkname = tarfile.SYMTYPE, "."
        tar.addfile(member)
        _add(tar, "out/package.toml", MANIFEST.encode())


def _twice(archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        _add(tar, "package.toml", MANIFEST.encode())
        _add(tar, "package.toml", MANIFEST.encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))


UNSAFE: list[tuple[Change, str]] = [
    (_member("/etc/cron.d/x", tarfile.REGTYPE, data=b"x"), "leads out of it"),
    (_member("a/../../x", tarfile.REGTYPE, data=b"x"), "leads out of it"),
    (_member("x", tarfile.SYMTYPE, target="/etc/passwd"), "is a link to '/etc/passwd'"),
    (_member("a/x", tarfile.SYMTYPE, target="../../x"), "is a link to '../../x'"),
    (_member("x", tarfile.LNKTYPE, target="../x"), "leads out of it"),
    (_member("x", tarfile.LNKTYPE, target="nothing"), "is a link to 'nothing'"),
    (_member("x", tarfile.CHRTYPE), "is a device, socket or pipe"),
    (_member("x", tarfile.FIFOTYPE), "is a device, socket or pipe"),
    (_chained, "out of it; leave it out or copy it"),
    (_through, "is both a file and a folder"),
    (_twice, "stands in it twice"),
    (lambda archive: archive.write_bytes(b"no archive at all"), "is a broken archive"),
    (lambda archive: archive.write_bytes(b""), "is a broken archive"),
]


@pytest.mark.parametrize(("write", "said"), UNSAFE)
def test_an_unsafe_or_broken_archive_is_refused_and_leaves_nothing(
    root: Path, tmp_path: Path, write: Change, said: str
) -> None:
    archive = tmp_path / "bad.tar"
    write(archive)
    with pytest.raises(InputError) as told:
        installed(root, archive)
    assert said in str(told.value)
    assert str(archive) in str(told.value)
    assert "\n" not in str(told.value)
    assert names(root) == {"content/.lock"}
    assert {p.name for p in tmp_path.iterdir()} == {"bad.tar", "root"}


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.zst", ".zip"])
def test_an_archive_cut_short_is_refused(
    root: Path, package: Path, tmp_path: Path, ending: str
) -> None:
    (package / "data" / "noise").write_bytes(os.urandom(1 << 16))
    archive = packed(package, tmp_path / f"shop{ending}")
    os.truncate(archive, archive.stat().st_size * 3 // 4)
    with pytest.raises(InputError, match="is a broken archive"):
        installed(root, archive)
    assert names(root) == {"content/.lock"}


NO_PACKAGES: list[tuple[Change, str]] = [
    (shutil.rmtree, "there is no such package"),
    (lambda p: (p / "package.toml").unlink(), "shop/package.toml: is missing"),
    (lambda p: (p / "package.toml").write_text("x = 1"), "shop/package.toml:1: x is no field"),
    (lambda p: (p / "server").unlink(), "which is not there; add it"),
    (lambda p: (p / "server").chmod(0o644), "which may not be run; chmod +x it"),
    (
        lambda p: (p / "package.toml").write_text('command = ["server"]'),
        'not on PATH; write "./server"',
    ),
    (
        lambda p: (p / "package.toml").write_text('command = ["no-such-program"]'),
        "not on PATH; install it",
    ),
    (lambda p: os.mkfifo(p / "pipe"), "'pipe' is a device, socket or pipe"),
    (lambda p: (p / "up").symlink_to("../.."), "is a link to '../..', out of it"),
    (lambda p: (p / "abs").symlink_to(p / "server"), "out of it"),
]


@pytest.mark.parametrize(("spoil", "said"), NO_PACKAGES)
def test_a_package_that_is_none_is_told_and_leaves_nothing(
    root: Path, package: Path, spoil: Change, said: str
) -> None:
    spoil(package)
    with pytest.raises(InputError) as told:
        installed(root, package)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert "aside" not in str(told.value)
    assert not root.exists() or names(root) == {"content/.lock"}


def test_a_file_that_is_no_archive_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.rar").write_bytes(b"x")
    with pytest.raises(InputError, match=r"is no package; give a folder, or an archive \(\.tar,"):
        installed(root, tmp_path / "shop.rar")


def test_only_the_bytes_that_were_wanted_are_installed(
    root: Path, package: Path, tmp_path: Path
) -> None:
    archive = packed(package, tmp_path / "shop.tar.gz")
    with pytest.raises(InputError, match=r"wanted sha256:0{64}; fetch it again"):
        installed(root, archive, wanted="sha256:" + "0" * 64)
    assert names(root) == {"content/.lock"}
    with pytest.raises(InputError, match=r'a hash is "sha256:" and 64 digits'):
        installed(root, archive, wanted="md5:1")
    content = installed(root, package)
    assert installed(root, archive, wanted=f"sha256:{content.digest}") == content
    (of_file,) = (
        subprocess.run(["sha256sum", archive], capture_output=True, text=True, check=True)
        .stdout.split()[:1]
    )  # fmt: skip
    assert installed(root, archive, wanted=f"sha256:{of_file}") == content


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, package: Path) -> None:
    (tmp_path / "root").write_bytes(b"a file")
    with pytest.raises(PlatformError, match="make it usable and retry"):
        installed(tmp_path / "root", package)


_KILLED = """
import os, signal, sys
from pathlib import Path
from typing import cast
from foretide.platforms.local import package
package.forced = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
package.installed(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_crash_in_the_middle_leaves_nothing_that_is_used(root: Path, package: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, root, package], check=False)
    assert killed.returncode == -9
    assert names(root) > {"content/.lock"}
    content = installed(root, package)
    left = {path.name for path in (root / "content").iterdir()}
    assert left == {".lock", content.digest}


def test_two_who_install_at_once_install_one(root: Path, package: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from foretide.platforms.local.package import installed\n"
        "print(installed(Path(sys.argv[1]), Path(sys.argv[2])).digest)"
    )
    command = [sys.executable, "-c", script, str(root), str(package)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0].strip() for process in both}
    assert all(process.returncode == 0 for process in both)
    content: Content = installed(root, package)
    assert told == {content.digest}
