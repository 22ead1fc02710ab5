"""This file knows what this machine allows to keep instances apart, and does without the rest.

What an instance needs is its part of busy processors and a bound to its memory. Where a control
group can be made the kernel holds the instance to both as a whole; elsewhere priorities stand in
for the one, and a generous bound on each process's private memory for the other, which ends a
program that runs away. What was worked around is said once.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from foretide.platforms.local.groups import Groups, own_trees
from foretide.platforms.local.identity import Identity, in_group, is_running
from foretide.platforms.local.manifest import Needs
from foretide.platforms.local.process import Limits

# Private memory is counted as it is asked for, not as it is used: stacks and pools ask for far more
# than they use, so the bound is one that only a program that runs away meets.
_ASKED_PER_USED, _ASKED_ANYWAY_MIB = 4.0, 256.0
_HELD_PER_USED = 2.0  # a group's bound counts what is used, cached files too
_LOW_PRIORITY = 15
_MIB = 2**20
_CAP_SYS_NICE = 1 << 23


class Isolation:
    """What keeps the instances of one root apart.

    Parameters
    ----------
    root_id : str
        The root's own token.
    trees : mapping of Path, optional
        Where control groups may be made; found out where it is not given.
    """

    def __init__(self, root_id: str, *, trees: Mapping[str, Path] | None = None) -> None:
        self._groups = Groups(
            root_id,
            own_trees() if trees is None else trees,
            core_count=len(os.sched_getaffinity(0)),
        )
        self._cores: dict[str, float] = {}
        self._may_renice = may_renice()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The control groups of the root as a whole."""
        return self._groups.folders

    def limits(self, instance_id: str, needs: Needs) -> Limits:
        """Make ready what an instance is held in, and return what it may take.

        Parameters
        ----------
        instance_id : str
            Which instance is to be started.
        needs : Needs
            What it needs under full load.
        """
        groups = self._groups.make(instance_id)
        # one of its name may have ended while it was warm, and what held it may still be there
        self._groups.freeze(instance_id, is_frozen=False)
        self._groups.loosen(instance_id)
        self._cores[instance_id] = needs.cpu_cores
        self._groups.weigh(instance_id, needs.cpu_cores)
        self._groups.bound_memory(instance_id, needs.memory_mib * _HELD_PER_USED)
        return Limits(memory_mib=_private_mib(needs.memory_mib), groups=groups)

    def resized(
        self, instance_id: str, who: Identity, *, cpu_cores: float, memory_mib: float
    ) -> str:
        """Give or take resources of a running instance.

        Parameters
        ----------
        instance_id : str
            Which instance.
        who : Identity
            Its process.
        cpu_cores, memory_mib : float
            What it is to have, > 0.

        Returns
        -------
        str
            Why not, in one line, and then nothing was changed; empty when it is done.
        """
        if not (cpu_cores > 0 and memory_mib > 0):
            return f"an instance needs more than {cpu_cores:g} cores and {memory_mib:g} MiB"
        if not is_running(who):
            return f"{instance_id} is gone"
        if not self._groups.may_weigh:
            return (
                "processors cannot be given or taken in place: no control group can be made here "
                "(foretide doctor says why); launch instances of another size"
            )
        if not self._bound_memory(instance_id, who, memory_mib):
            return (
                f"{instance_id} cannot be given {memory_mib:g} MiB: the system refused to move "
                "the bound of its memory; launch instances of another size"
            )
        if not self._groups.weigh(instance_id, cpu_cores):
            return f"{instance_id} is in no control group of ours; launch it anew"
        self._cores[instance_id] = cpu_cores
        return ""

    def freeze(self, instance_id: str, *, is_frozen: bool) -> bool:
        """Stop or continue an instance as a whole; return whether a group could do so."""
        return self._groups.freeze(instance_id, is_frozen=is_frozen)

    def lower(
        self, instance_id: str, who: Identity, *, cpu_cores: float, memory_mib: float
    ) -> None:
        """Leave a warm instance little: a low weight or priority, and little memory."""
        if not self._groups.weigh(instance_id, cpu_cores) and self._may_renice:
            _renice(who, _LOW_PRIORITY)
        self._groups.squeeze(instance_id, memory_mib)

    def restore(self, instance_id: str, who: Identity, *, cpu_cores: float) -> None:
        """Undo `lower`.

        Parameters
        ----------
        instance_id : str
            Which instance.
        who : Identity
            Its process.
        cpu_cores : float
            What it gets where another control plane started it, >= 0.
        """
        self._groups.loosen(instance_id)
        self._groups.weigh(instance_id, self._cores.get(instance_id, cpu_cores))
        if self._may_renice:
            _renice(who, 0)

    def forget(self, instance_id: str) -> None:
        """Remove what an ended instance was held in."""
        self._cores.pop(instance_id, None)
        self._groups.forget(instance_id)

    def clean(self) -> None:
        """Remove all that instances of this root were held in, once they have ended."""
        self._groups.clean()

    def notes(self) -> tuple[str, ...]:
        """Return what was worked around, a line each, empty where nothing was."""
        notes: list[str] = []
        if not self._groups.may_freeze:
            notes.append("no control group can be frozen: warm instances are stopped by signals")
        if not self._groups.may_weigh:
            notes.append(
                "no control group for processors: instances share them evenly, and cannot be "
                "resized in place"
            )
        if not self._groups.may_bound_memory:
            notes.append(
                "no control group for memory: each process is held to "
                f"{_ASKED_PER_USED:g} times what its instance needs and {_ASKED_ANYWAY_MIB:g} MiB"
            )
        return tuple(notes)

    def _bound_memory(self, instance_id: str, who: Identity, memory_mib: float) -> bool:
        private_most = int(_private_mib(memory_mib) * _MIB)
        try:
            for pid in in_group(who.pid):
                with suppress(ProcessLookupError):
                    _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
                    resource.prlimit(pid, resource.RLIMIT_DATA, (private_most, hard))
        except (PermissionError, ValueError):
            return False
        return not self._groups.may_bound_memory or self._groups.bound_memory(
            instance_id, memory_mib * _HELD_PER_USED
        )


def may_renice() -> bool:
    """Return whether a priority that we lower can be raised again."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    held = next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1]
    ceiling, _ = resource.getrlimit(resource.RLIMIT_NICE)  # 20 - the best nice value
    return bool(int(held, 16) & _CAP_SYS_NICE) or ceiling >= 20 or ceiling == resource.RLIM_INFINITY


def _private_mib(memory_mib: float) -> float:
    asked_mib = memory_mib * _ASKED_PER_USED + _ASKED_ANYWAY_MIB
    _, ours = resource.getrlimit(resource.RLIMIT_DATA)
    return asked_mib if ours == resource.RLIM_INFINITY else min(asked_mib, ours / _MIB)


def _renice(who: Identity, nice: int) -> None:
    if not is_running(who):
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, who.pid, nice)
    # where sessions are scheduled as groups, priorities count only inside of one
    with suppress(OSError):
        Path(f"/proc/{who.pid}/autogroup").write_text(str(nice), encoding="ascii")
