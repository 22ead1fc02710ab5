"""This file knows how a process of an instance is started, signalled and reaped.

A process outlives whoever started it, so nothing here but `reap` rests on being its parent.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from foretide.errors import ActionFailedError
from foretide.platforms.local.identity import (
    INSTANCE_VARIABLE,
    ROOT_VARIABLE,
    Identity,
    identity,
    in_group,
    pidfd,
    variables,
)

# what a program gets of our own environment: keys and passwords stay with us
_HANDED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a process may take from its first instruction on.

    Parameters
    ----------
    memory_mib : float, optional
        Most private memory of each of its processes; more is refused to the program.
    groups : tuple of Path
        Folders of the control groups it joins before it becomes the program.
    """

    memory_mib: float | None = None
    groups: tuple[Path, ...] = ()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is started.

    Parameters
    ----------
    command : tuple of str
        The program and its words, nothing left to fill in.
    folder : Path
        Where it runs.
    log : Path
        Where all it prints is added.
    root_id, instance_id : str
        Written into its environment, by which a process without a record is found.
    env : mapping of str
        Added to the few variables that are handed on.
    port : int, optional
        Told to it as PORT.
    is_bound : bool
        Whether it is killed when the thread that starts it ends.
    limits : Limits
        What it may take.
    """

    command: tuple[str, ...]
    folder: Path
    log: Path
    root_id: str
    instance_id: str
    env: Mapping[str, str] = {}
    port: int | None = None
    is_bound: bool = False
    limits: Limits = Limits()


class _Outliving(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        # that it still runs when nobody here thinks of it any more is meant
        pass


def start(program: Program) -> Identity:
    """Start a program as the leader of a session of its own.

    Its words go to its log and to nobody's pipe, so that it does not notice when we end.

    Parameters
    ----------
    program : Program
        What is started.

    Returns
    -------
    Identity
        Who it is, also when it has ended already.

    Raises
    ------
    ActionFailedError
        When there is no such command, or it cannot be started here.
    """
    env = _environment(program)
    command = _runnable(program, env)
    try:
        log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            started = _Outliving(
                [*_wrapped(program), *command],
                cwd=program.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        told = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        raise ActionFailedError(f"{program.instance_id} was not started: {told}") from error
    # nobody but us may reap it, so the number is still its own
    return identity(started.pid)


def reap(who: Identity) -> int | None:
    """Return the exit code if it was started by us and has ended, and let the system forget it.

    Returns
    -------
    int or None
        Its exit code, negative for the signal that ended it; None while it runs or when it is
        another's child, whose code nobody but that other learns.
    """
    try:
        pid, status = os.waitpid(who.pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if pid else None


def signal_leader(who: Identity, number: signal.Signals) -> None:
    """Send a signal to the program itself; that it is gone is no error."""
    try:
        handle = pidfd(who)
    except ProcessLookupError:
        return
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, number)
    os.close(handle)


def signal_group(who: Identity, number: signal.Signals) -> None:
    """Send a signal to the program and all it started in its group, also when it ended first."""
    try:
        is_there = identity(who.pid) == who
    except ProcessLookupError:
        _signal_left(who, number)
    else:
        if is_there:  # else its number went to another, after all of the group had ended
            with suppress(ProcessLookupError):
                os.killpg(who.pid, number)


def _signal_left(who: Identity, number: signal.Signals) -> None:
    for pid in in_group(who.pid):
        # a group's number goes to another too, once it is empty: what is ours carries our mark
        if f"\0{INSTANCE_VARIABLE}=".encode() in variables(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _environment(program: Program) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    port = {} if program.port is None else {"PORT": str(program.port)}
    own = {ROOT_VARIABLE: program.root_id, INSTANCE_VARIABLE: program.instance_id}
    return kept | dict(program.env) | port | own


def _runnable(program: Program, env: Mapping[str, str]) -> Sequence[str]:
    name, *words = program.command
    # asked before a wrapper stands between us and the answer
    found = shutil.which(program.folder / name if "/" in name else name, path=env.get("PATH"))
    if found is None:
        raise ActionFailedError(
            f"{program.instance_id} was not started: its package's command {name!r} is not a "
            "program of this machine or an executable file of the package"
        )
    return [str(found), *words]


def _wrapped(program: Program) -> list[str]:
    # each wrapper becomes the next by exec: the pid, and so the identity, stays the same
    steps = [
        f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} || :"
        for group in program.limits.groups
    ]
    if program.limits.memory_mib is not None:
        # the soft bound: one that could not be moved up again would make resizing a one-way street
        steps.append(f"ulimit -S -d {int(program.limits.memory_mib * 1024)}")
    if program.is_bound:
        # we may have ended before it was bound to us
        steps.append(f'[ "$PPID" = {os.getpid()} ] || exit 1')
    if not steps:
        return []
    is_told = program.is_bound and shutil.which("setpriv") is not None  # else its guard is alone
    bound = ["setpriv", "--pdeathsig", "KILL", "--"] if is_told else []
    return [*bound, "/bin/sh", "-c", "; ".join([*steps, 'exec "$@"']), "foretide"]
