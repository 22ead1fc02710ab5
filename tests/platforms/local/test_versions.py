"""A version of a service is one content for good."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from foretide.errors import InputError, InvalidValueError, PlatformError
from foretide.platforms.local.package import installed
from foretide.platforms.local.versions import Versions


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "package.toml").write_text('command = ["sh", "-c", "true"]\n')
    return folder


def test_a_version_is_its_content_after_a_restart_too(tmp_path: Path, package: Path) -> None:
    first = installed(tmp_path, package)
    versions = Versions(tmp_path)
    versions.add("shop", "v1", first.digest)
    versions.add("shop", "v1", first.digest)
    (package / "more").write_bytes(b"x" * 2**20)
    second = installed(tmp_path, package)
    versions.add("shop", "v2", second.digest)
    for known in (versions, Versions(tmp_path)):
        assert known.content("shop", "v1") == first
        assert known.content("shop", "v2") == second
        assert known.known("shop") == ("v1", "v2")
        assert known.known("other") == ()
    assert second.size_mib > 1


def test_a_version_never_becomes_other_bytes(tmp_path: Path, package: Path) -> None:
    versions = Versions(tmp_path)
    versions.add("shop", "v1", installed(tmp_path, package).digest)
    (package / "more").write_bytes(b"x")
    with pytest.raises(InputError, match="give what has changed another version"):
        versions.add("shop", "v1", installed(tmp_path, package).digest)


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path, package: Path) -> None:
    versions = Versions(tmp_path)
    with pytest.raises(InputError, match="shop: version v1 is not installed; there is none"):
        versions.content("shop", "v1")
    with pytest.raises(InputError, match="is not installed; install it first"):
        versions.add("shop", "v1", "0" * 64)
    with pytest.raises(InvalidValueError, match="version must be 1-128 letters"):
        versions.add("shop", "../v1", "0" * 64)
    content = installed(tmp_path, package)
    versions.add("shop", "v1", content.digest)
    with pytest.raises(InputError, match="version v2 is not installed; there is v1"):
        versions.content("shop", "v2")
    shutil.rmtree(content.folder)
    with pytest.raises(InputError, match="is gone; install the package again"):
        Versions(tmp_path).content("shop", "v1")


def test_a_damaged_list_is_said(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text("{")
    with pytest.raises(PlatformError, match=r"versions\.json: cannot be read"):
        Versions(tmp_path)
