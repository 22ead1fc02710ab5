"""This file knows how a process is held in a minimal state, and how it grows again.

*Frozen* is stopped wholly: it keeps its memory, takes no processor time, and goes on within a
fraction of a millisecond. *Minimal* goes on in one worker, at the lowest priority: it keeps what
must be kept alive (connections, leases), gives memory back, and serves at once, though not at full
strength before its workers have started again. Both are told in milliseconds, done when told
twice, and content when the process is gone.
"""

from __future__ import annotations

import signal
from typing import Literal, Protocol

from foretide.errors import ActionFailedError
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.manifest import Minimal, Needs
from foretide.platforms.local.process import signal_group, signal_leader

_MINIMAL_CORES = 0.01
_MINIMAL_FRACTION = 0.3  # of the memory it may have while it serves


class WarmState(Protocol):
    """A way to hold an instance that serves nobody."""

    def hold(self, instance_id: str, who: Identity) -> None:
        """Take from an instance what it does not need while it serves nobody."""
        ...

    def grow(self, instance_id: str, who: Identity) -> None:
        """Give all back; when this returns the instance can serve."""
        ...


def warm_state(
    kind: Literal["frozen", "minimal"],
    minimal: Minimal | None,
    isolation: Isolation,
    *,
    needs: Needs | None = None,
) -> WarmState:
    """Return the way in which the warm instances of a package are held.

    Parameters
    ----------
    kind : {"frozen", "minimal"}
        What is asked for.
    minimal : Minimal, optional
        The signals a package's program understands.
    isolation : Isolation
        By which resources are taken and given.
    needs : Needs, optional
        What an instance is given back where nobody remembers what it had.

    Raises
    ------
    ActionFailedError
        When a program is to shrink that does not say how.
    """
    if kind == "frozen":
        return Frozen(isolation)
    if minimal is None:
        raise ActionFailedError(
            'warm = "minimal" needs a program that can shrink: add [minimal] to its package.toml, '
            'or hold it "frozen"'
        )
    return Shrunk(minimal, isolation, needs or Needs())


class Frozen:
    """Stopped as a whole."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    def hold(self, instance_id: str, who: Identity) -> None:
        """Stop every process of the instance."""
        if not self._isolation.freeze(instance_id, is_frozen=True):
            signal_group(who, signal.SIGSTOP)

    def grow(self, instance_id: str, who: Identity) -> None:
        """Let every process of the instance go on."""
        self._isolation.freeze(instance_id, is_frozen=False)
        # always: who stopped it may have had no groups
        signal_group(who, signal.SIGCONT)


class Shrunk:
    """Told to go on in one worker, and given little."""

    def __init__(self, minimal: Minimal, isolation: Isolation, needs: Needs) -> None:
        self._shrink = signal.Signals[f"SIG{minimal.shrink_signal}"]
        self._grow = signal.Signals[f"SIG{minimal.grow_signal}"]
        self._isolation, self._needs = isolation, needs

    def hold(self, instance_id: str, who: Identity) -> None:
        """Tell the program to shrink, and take processors and memory from it."""
        signal_leader(who, self._shrink)
        self._isolation.lower(
            instance_id, who, cpu_cores=_MINIMAL_CORES,
            memory_mib=self._needs.memory_mib * _MINIMAL_FRACTION,
        )  # fmt: skip

    def grow(self, instance_id: str, who: Identity) -> None:
        """Give processors and memory back, and tell the program to grow."""
        self._isolation.restore(instance_id, who, cpu_cores=self._needs.cpu_cores)
        signal_leader(who, self._grow)
