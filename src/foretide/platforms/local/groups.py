"""This file knows the control groups in which instances of one root are held apart.

Groups are made only below the group we are in ourselves, so that what bounds us bounds them too.
Of the unified tree (cgroup v2) freezing, processor weights and memory bounds are used, each where
it is handed down to us; of the older trees (v1) only processor shares. Their freezer is not used,
as a process frozen by it cannot be killed before it is thawed, nor their memory bounds, which have
no soft one that holds.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

UNIFIED, SHARES = "unified", "cpu"
_NAME = "foretide-"
_ASIDE = "foretide-control"
_USED = frozenset({"cpu", "memory"})
_SHARES_PER_CORE, _WEIGHT_PER_CORE = 1024, 100  # what the kernel gives to what nobody weighed
_LEAST_SHARES, _LEAST_WEIGHT, _MOST_WEIGHT = 2, 1, 10_000
_MIB = 2**20


def own_trees(
    *, groups: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mountinfo")
) -> dict[str, Path]:
    """Return the group this process is in, in each tree that could be used.

    Parameters
    ----------
    groups, mounts : Path
        The system's own lists.

    Returns
    -------
    dict of Path
        The folder of our group by tree: `unified`, and `cpu` for the older tree of shares; empty
        where there are no groups.
    """
    try:
        inside = _paths(groups.read_text(encoding="utf-8"))
        at = _mounts(mounts.read_text(encoding="utf-8"))
    except OSError:
        return {}
    folders: dict[str, Path] = {}
    for tree, path in inside.items():
        if tree in at and path.is_relative_to(at[tree][0]):
            folders[tree] = at[tree][1] / path.relative_to(at[tree][0])
    return folders


class Groups:
    """The control groups of one root: one for all its instances, in it one for each.

    Parameters
    ----------
    root_id : str
        The root's own token.
    trees : mapping of Path
        The groups below which ours may be made, by tree.
    core_count : int
        What all instances together weigh against the rest of the machine, in programs.
    """

    def __init__(self, root_id: str, trees: Mapping[str, Path], *, core_count: int) -> None:
        self.refusals: dict[str, str] = {}
        self._bases: dict[str, Path] = {}
        if UNIFIED in trees:
            _stand_aside(trees[UNIFIED])
        for tree, folder in trees.items():
            base = folder / f"{_NAME}{root_id}"
            try:
                base.mkdir(exist_ok=True)
            except OSError as error:
                self.refusals[tree] = f"{folder}: {error.strerror}"
            else:
                self._bases[tree] = base
        self._handed_down = (
            _handed_on(self._bases[UNIFIED]) if UNIFIED in self._bases else frozenset[str]()
        )
        self._weigh(self._bases, core_count)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The groups of the root as a whole."""
        return tuple(self._bases.values())

    @property
    def may_freeze(self) -> bool:
        """Whether a group can be stopped as one."""
        return UNIFIED in self._bases

    @property
    def may_weigh(self) -> bool:
        """Whether an instance can be given more of the processors than another."""
        return SHARES in self._bases or "cpu" in self._handed_down

    @property
    def may_bound_memory(self) -> bool:
        """Whether an instance's memory can be bounded as a whole."""
        return "memory" in self._handed_down

    def make(self, instance_id: str) -> tuple[Path, ...]:
        """Make the groups of an instance and return their folders, those that can be made."""
        return tuple(
            folder
            for folder in self._of(instance_id).values()
            if _succeeds(lambda folder=folder: folder.mkdir(exist_ok=True))
        )

    def freeze(self, instance_id: str, *, is_frozen: bool) -> bool:
        """Stop or continue all processes of an instance; return whether that was possible."""
        return self._write(UNIFIED, instance_id, "cgroup.freeze", "1" if is_frozen else "0")

    def weigh(self, instance_id: str, cpu_cores: float) -> bool:
        """Give an instance its part of busy processors; return whether that was possible."""
        return self.may_weigh and self._weigh(self._of(instance_id), cpu_cores)

    def bound_memory(self, instance_id: str, memory_mib: float) -> bool:
        """Bound an instance's memory as a whole; return whether that was possible."""
        told = str(int(memory_mib * _MIB))
        return self.may_bound_memory and self._write(UNIFIED, instance_id, "memory.max", told)

    def squeeze(self, instance_id: str, memory_mib: float) -> bool:
        """Take back what an instance holds above `memory_mib` as far as it can do without."""
        told = str(int(memory_mib * _MIB))
        return self.may_bound_memory and self._write(UNIFIED, instance_id, "memory.high", told)

    def loosen(self, instance_id: str) -> bool:
        """End a squeeze; return whether that was possible."""
        return self.may_bound_memory and self._write(UNIFIED, instance_id, "memory.high", "max")

    def forget(self, instance_id: str) -> None:
        """Remove an instance's groups; those that still hold a process go with the whole."""
        for folder in self._of(instance_id).values():
            _succeeds(folder.rmdir)

    def clean(self, *, within_s: float = 2.0) -> tuple[Path, ...]:
        """Remove all groups of the root; return those of the root that cannot be removed.

        Parameters
        ----------
        within_s : float
            How long it may take: a process that was killed leaves its group a moment later.
        """
        end_s = time.monotonic() + within_s
        pause = threading.Event()
        while left := tuple(base for base in self._bases.values() if not _is_removed(base)):
            if time.monotonic() >= end_s:
                break
            pause.wait(0.01)
        return left

    def _of(self, instance_id: str) -> dict[str, Path]:
        return {tree: base / f"instance-{instance_id}" for tree, base in self._bases.items()}

    def _write(self, tree: str, instance_id: str, name: str, value: str) -> bool:
        if tree not in self._bases:
            return False
        path = self._of(instance_id)[tree] / name
        return _succeeds(lambda: _put(path, value))

    def _weigh(self, folders: Mapping[str, Path], cpu_cores: float) -> bool:
        is_done = False
        if SHARES in folders:
            shares = max(_LEAST_SHARES, round(_SHARES_PER_CORE * cpu_cores))
            is_done = _succeeds(lambda: _put(folders[SHARES] / "cpu.shares", str(shares)))
        if "cpu" in self._handed_down and UNIFIED in folders:
            weight = min(max(_LEAST_WEIGHT, round(_WEIGHT_PER_CORE * cpu_cores)), _MOST_WEIGHT)
            is_done |= _succeeds(lambda: _put(folders[UNIFIED] / "cpu.weight", str(weight)))
        return is_done


def _stand_aside(own: Path) -> None:
    # A group of the unified tree holds processes or hands down, not both. In one that was given to
    # us alone, as systemd's Delegate=yes does, we go to one side; in any other we change nothing.
    try:
        members = (own / "cgroup.procs").read_text(encoding="ascii").split()
        is_tree_root = not (own / "cgroup.type").exists()
        if is_tree_root or members != [str(os.getpid())] or not _words(own, "controllers") & _USED:
            return
        (own / _ASIDE).mkdir(exist_ok=True)
        _put(own / _ASIDE / "cgroup.procs", str(os.getpid()))
    except OSError:
        return
    _handed_on(own)


def _handed_on(folder: Path) -> frozenset[str]:
    # what a group was given it may give on to those inside of it, one by one
    try:
        given = _words(folder, "controllers") & _USED
    except OSError:
        return frozenset()
    control = folder / "cgroup.subtree_control"
    return frozenset(
        name for name in given if _succeeds(lambda name=name: _put(control, f"+{name}"))
    )


def _words(folder: Path, of: str) -> frozenset[str]:
    return frozenset((folder / f"cgroup.{of}").read_text(encoding="ascii").split())


def _is_removed(base: Path) -> bool:
    for folder in base.glob("instance-*"):
        _succeeds(folder.rmdir)
    return _succeeds(base.rmdir) or not base.exists()


def _put(path: Path, value: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)  # made by the kernel, not by us
    try:
        os.write(handle, value.encode("ascii"))
    finally:
        os.close(handle)


def _succeeds(act: Callable[[], object]) -> bool:
    # a group is a help where it can be had: what is done without one is said by `Isolation`
    try:
        act()
    except OSError:
        return False
    return True


def _paths(told: str) -> dict[str, PurePosixPath]:
    # "0::/path" is the unified tree, "4:cpu,cpuacct:/path" an older one
    paths: dict[str, PurePosixPath] = {}
    for line in told.splitlines():
        number, names, path = line.split(":", 2)
        if number == "0":
            paths[UNIFIED] = PurePosixPath(path)
        elif SHARES in names.split(","):
            paths[SHARES] = PurePosixPath(path)
    return paths


def _mounts(told: str) -> dict[str, tuple[PurePosixPath, Path]]:
    # "30 23 0:26 /root /mount/point rw shared:1 - cgroup cgroup rw,cpu": what of the tree is
    # seen where; the first that shows it counts
    seen: dict[str, tuple[PurePosixPath, Path]] = {}
    for line in told.splitlines():
        where, _, what = line.partition(" - ")
        kind, _, options = what.split(" ", 2)
        place = PurePosixPath(where.split()[3]), Path(where.split()[4])
        if kind == "cgroup2":
            seen.setdefault(UNIFIED, place)
        elif kind == "cgroup" and SHARES in options.split(","):
            seen.setdefault(SHARES, place)
    return seen
