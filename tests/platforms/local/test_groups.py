"""Control groups are made below our own, where we may, and nothing is left of them."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from cases.running import running, until
from foretide.platforms.local.groups import Groups, own_trees
from foretide.platforms.local.process import Limits

# three machines as their own lists tell of them
_UNIFIED_ONLY = (
    "0::/user.slice/user-1000.slice/app.service\n",
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
)
_BOTH_GROUPS = "9:cpu,cpuacct:/box\n8:memory:/box/inner\n1:name=systemd:/\n0::/box\n"
_BOTH_MOUNTS = (
    "30 24 0:26 /box /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "33 24 0:28 / /elsewhere rw - cgroup2 cgroup2 rw\n"
)
_OUTSIDE = (
    "0::/../sibling\n",
    "35 24 0:30 /inner /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n36 24 0:31 / /tmp rw - tmpfs t rw\n",
)


@pytest.mark.parametrize(
    ("told", "folders"),
    [
        (_UNIFIED_ONLY, {"unified": "/sys/fs/cgroup/user.slice/user-1000.slice/app.service"}),
        (
            (_BOTH_GROUPS, _BOTH_MOUNTS),
            {"cpu": "/sys/fs/cgroup/cpu,cpuacct", "unified": "/sys/fs/cgroup/unified/box"},
        ),
        (_OUTSIDE, {}),
        (("", ""), {}),
    ],
)
def test_our_own_group_is_found(
    tmp_path: Path, told: tuple[str, str], folders: dict[str, str]
) -> None:
    groups, mounts = tmp_path / "cgroup", tmp_path / "mountinfo"
    groups.write_text(told[0])
    mounts.write_text(told[1])
    found = own_trees(groups=groups, mounts=mounts)
    assert {tree: str(folder) for tree, folder in found.items()} == folders


def test_a_machine_without_groups_has_none(tmp_path: Path) -> None:
    assert own_trees(groups=tmp_path / "no", mounts=tmp_path / "no") == {}
    groups = Groups("r", {}, core_count=2)
    assert groups.folders == groups.make("i-1") == groups.clean() == ()
    assert [groups.may_freeze, groups.may_weigh, groups.may_bound_memory] == [False] * 3
    assert not groups.freeze("i-1", is_frozen=True)
    assert not groups.weigh("i-1", 1)
    assert not groups.bound_memory("i-1", 64)
    groups.forget("i-1")


def test_a_tree_that_may_not_be_written_is_told_and_done_without(tmp_path: Path) -> None:
    taken = tmp_path / "a-file"
    taken.write_text("")
    groups = Groups("r", {"unified": taken, "cpu": tmp_path / "gone"}, core_count=2)
    assert groups.folders == ()
    assert groups.refusals == {
        "unified": f"{taken}: Not a directory",
        "cpu": f"{tmp_path}/gone: No such file or directory",
    }


def _made_up(folder: Path) -> dict[str, Path]:
    # folders that look as the kernel's would, for what this machine's kernel does not hand down
    base = folder / "foretide-r"
    (base / "instance-i-1").mkdir(parents=True)
    (base / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (base / "cgroup.subtree_control").write_text("")
    for name in ("cgroup.freeze", "cpu.weight", "memory.max", "memory.high"):
        (base / "instance-i-1" / name).write_text("untouched")
    (base / "cpu.weight").write_text("100")
    return {"unified": folder}


def test_what_the_unified_tree_hands_down_is_used(tmp_path: Path) -> None:
    groups = Groups("r", _made_up(tmp_path), core_count=2)
    folder = tmp_path / "foretide-r" / "instance-i-1"
    assert groups.may_weigh
    assert groups.may_bound_memory
    assert (tmp_path / "foretide-r" / "cpu.weight").read_text() == "200"
    assert groups.make("i-1") == (folder,)
    for cores, weight in ((0.25, "25"), (0.0001, "1"), (4096, "10000")):
        assert groups.weigh("i-1", cores)
        assert (folder / "cpu.weight").read_text() == weight
    assert groups.bound_memory("i-1", 64)
    assert (folder / "memory.max").read_text() == str(64 * 2**20)
    assert groups.squeeze("i-1", 20)
    assert (folder / "memory.high").read_text() == str(20 * 2**20)
    assert groups.loosen("i-1")
    assert (folder / "memory.high").read_text() == "max"
    # one whose group was never made is no error
    assert not groups.weigh("i-2", 1)


@pytest.mark.parametrize("is_alone", [True, False])
def test_in_a_group_that_is_ours_alone_we_go_to_one_side(tmp_path: Path, *, is_alone: bool) -> None:
    own = tmp_path / "unit.service"
    own.mkdir()
    members = [os.getpid()] if is_alone else [os.getpid(), 4711]
    (own / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in members))
    (own / "cgroup.type").write_text("domain\n")
    (own / "cgroup.controllers").write_text("cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("")
    (own / "foretide-control").mkdir()
    (own / "foretide-control" / "cgroup.procs").write_text("")
    Groups("r", {"unified": own}, core_count=2)
    moved = (own / "foretide-control" / "cgroup.procs").read_text()
    assert moved == (str(os.getpid()) if is_alone else "")
    assert bool((own / "cgroup.subtree_control").read_text()) is is_alone


@pytest.fixture
def groups() -> Groups:
    """Return real groups, or skip where none can be made."""
    made = Groups(f"test-{uuid4().hex[:12]}", own_trees(), core_count=2)
    if not made.folders:
        pytest.skip(f"no control groups can be made here: {made.refusals or 'there are none'}")
    return made


def _members(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "cgroup.procs").read_text().split()]


def test_a_real_group_holds_all_a_program_starts_until_it_ends(
    tmp_path: Path, groups: Groups
) -> None:
    try:
        made = groups.make("web-1")
        assert groups.make("web-1") == made
        with running(tmp_path, workers=3, limits=Limits(groups=made)) as app:
            for folder in made:
                members = _members(folder)
                assert len(members) == 4
                assert app.who.pid in members
                assert os.getpid() not in members
            groups.forget("web-1")  # not yet: there are processes in it
            assert all(folder.is_dir() for folder in made)
            assert groups.clean(within_s=0) == groups.folders
        until(lambda: not any(_members(folder) for folder in made))
        groups.forget("web-1")
        assert not any(folder.exists() for folder in made)
    finally:
        assert groups.clean() == ()
    assert not any(folder.exists() for folder in groups.folders)


def test_real_shares_follow_the_cores(groups: Groups) -> None:
    try:
        if not groups.may_weigh:
            pytest.skip("no tree of processors can be written here")
        made = groups.make("web-1")
        folder = next((one for one in made if (one / "cpu.shares").exists()), None)
        if folder is None:
            pytest.skip("shares are of the older tree, which this machine does not have")
        assert groups.weigh("web-1", 0.5)
        assert (folder / "cpu.shares").read_text() == "512\n"
        assert (folder.parent / "cpu.shares").read_text() == "2048\n"
    finally:
        groups.clean()
