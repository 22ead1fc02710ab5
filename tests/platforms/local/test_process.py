"""Processes are started, told apart and signalled; real ones, each ended by its own test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cases import packages
from cases.running import ended, pause, running, until
from foretide.errors import ActionFailedError
from foretide.platforms.local.census import marked
from foretide.platforms.local.identity import Identity, identity, is_running, pidfd, stat
from foretide.platforms.local.process import (
    Limits,
    Program,
    reap,
    signal_group,
    signal_leader,
    start,
)


def _shell(folder: Path, script: str, /, **more: object) -> Program:
    given = {"folder": folder, "log": folder / "log", "root_id": folder.name, "instance_id": "i-1"}
    return Program(command=("/bin/sh", "-c", script), **(given | more))  # type: ignore[arg-type]


def _said(folder: Path, script: str, /, **more: object) -> str:
    who = start(_shell(folder, script, **more))
    until(lambda: not is_running(who))
    assert reap(who) == 0
    return (folder / "log").read_text()


def test_a_program_leads_a_session_of_its_own_and_is_told_who_it_is(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        fields = stat(app.who.pid)
        assert (int(fields[2]), int(fields[3])) == (app.who.pid, app.who.pid)
        assert app.get("/") == "web-1"
        assert int(app.get("/pid")) == app.who.pid
    assert "ready" in app.log.read_text()


def test_its_environment_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "s3cret")
    told = _said(tmp_path, "env", port=81, env={"COLOUR": "blue", "PORT": "1"})
    assert "s3cret" not in told
    wanted = {"COLOUR=blue", "PORT=81", f"FORETIDE_ROOT={tmp_path.name}", "FORETIDE_INSTANCE=i-1"}
    assert wanted <= set(told.splitlines())


def test_nothing_of_ours_is_open_in_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        told = _said(tmp_path, "ls -l /proc/self/fd; wc -c")
    finally:
        os.close(reader)
        os.close(writer)
    assert "pipe:" not in told
    assert "/dev/null" in told  # and what it reads ends at once


def test_its_words_are_added_to_its_log_which_others_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    assert _said(tmp_path, "echo one; echo two >&2") == "before\none\ntwo\n"
    (tmp_path / "log").unlink()
    _said(tmp_path, "echo")
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("limits", [Limits(), Limits(memory_mib=512)])
def test_a_command_that_is_not_there_is_named(tmp_path: Path, limits: Limits) -> None:
    for command in ("no-such-program", "./server", "/no/such"):
        program = Program(
            command=(command,), folder=tmp_path, log=tmp_path / "log", root_id="r",
            instance_id="web-7", limits=limits,
        )  # fmt: skip
        with pytest.raises(ActionFailedError, match=rf"web-7 .*'{command}'") as refused:
            start(program)
        assert "\n" not in str(refused.value)


def test_a_command_is_found_in_its_package_and_must_be_executable(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\necho it ran\n")
    program = Program(
        command=("./server",), folder=tmp_path, log=tmp_path / "log", root_id="r", instance_id="i"
    )
    with pytest.raises(ActionFailedError, match="executable"):
        start(program)
    server.chmod(0o700)
    who = start(program)
    until(lambda: not is_running(who))
    assert reap(who) == 0
    assert (tmp_path / "log").read_text() == "it ran\n"
    server.write_bytes(b"\x7fELF is not enough")
    with pytest.raises(ActionFailedError, match="i was not started: Exec format error"):
        start(program)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionFailedError, match=r"i-1 was not started.*gone"):
        start(_shell(tmp_path, "true", folder=tmp_path / "gone"))
    with pytest.raises(ActionFailedError, match=r"i-1 was not started.*gone"):
        start(_shell(tmp_path, "true", log=tmp_path / "gone" / "log"))


def test_a_bound_to_private_memory_holds_and_can_be_moved_up_again(tmp_path: Path) -> None:
    told = _said(tmp_path, "ulimit -d; ulimit -H -d", limits=Limits(memory_mib=300))
    assert told.split() == [str(300 * 1024), "unlimited"]
    with running(tmp_path, is_awaited=False, memory_mib=500, limits=Limits(memory_mib=300)) as app:
        until(lambda: not is_running(app.who))
        assert "MemoryError" in app.log.read_text()


def test_a_group_that_cannot_be_joined_does_not_keep_a_program_from_starting(
    tmp_path: Path,
) -> None:
    told = _said(tmp_path, "echo started", limits=Limits(groups=(tmp_path / "no 'group'",)))
    assert told.endswith("started\n")


def test_an_ended_process_is_not_running_before_and_after_it_is_reaped(tmp_path: Path) -> None:
    who = start(_shell(tmp_path, "exit 9"))
    until(lambda: stat(who.pid)[0] == b"Z")
    assert not is_running(who)
    assert reap(who) == 9
    assert reap(who) is None
    assert not is_running(who)
    with pytest.raises(ProcessLookupError):
        pidfd(who)
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_leader(who, number)
        signal_group(who, number)


def test_the_same_number_with_another_start_is_another_process() -> None:
    own = identity(os.getpid())
    other = Identity(pid=own.pid, start_ticks=own.start_ticks - 1)
    assert is_running(own)
    assert not is_running(other)
    with pytest.raises(ProcessLookupError):
        pidfd(other)
    signal_leader(other, signal.SIGKILL)  # or this test would not go on
    signal_group(other, signal.SIGKILL)


def test_the_end_of_a_process_is_seen_on_its_descriptor(tmp_path: Path) -> None:
    import select

    with running(tmp_path) as app:
        handle = pidfd(app.who)
        try:
            assert select.select([handle], [], [], 0)[0] == []
            signal_leader(app.who, signal.SIGTERM)
            assert select.select([handle], [], [], 5)[0] == [handle]
        finally:
            os.close(handle)
        assert reap(app.who) == 0


def test_a_program_tells_a_signal_to_itself_from_one_to_its_group(tmp_path: Path) -> None:
    who = start(_shell(tmp_path, "sleep 30 & wait", root_id="a-root"))
    try:
        until(lambda: len(marked("a-root")) == 2)
        signal_leader(who, signal.SIGKILL)
        until(lambda: not is_running(who))
        assert len(marked("a-root")) == 1
        # the leader is reaped, its child has another parent: it is reached all the same
        assert reap(who) == -9
        signal_group(who, signal.SIGKILL)
        until(lambda: marked("a-root") == ())
    finally:
        signal_group(who, signal.SIGKILL)


def test_what_is_left_of_a_group_but_is_not_ours_is_let_be() -> None:
    # as if the group's number had gone to a stranger's after all of ours ended
    script = "unset FORETIDE_INSTANCE; sleep 30 & echo $!; exit 0"
    stranger = subprocess.Popen(
        ["/bin/sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE
    )
    assert stranger.stdout is not None
    left = int(stranger.stdout.readline())
    try:
        stranger.wait()
        signal_group(Identity(pid=stranger.pid, start_ticks=1), signal.SIGKILL)
        pause(0.05)
        assert is_running(identity(left))
    finally:
        os.kill(left, signal.SIGKILL)
        stranger.stdout.close()


_STARTER = """
import sys
from pathlib import Path
from foretide.platforms.local.process import Program, start
folder = Path(sys.argv[1])
who = start(Program(command=("sleep", "30"), folder=folder, log=folder / "log", root_id=folder.name,
                    instance_id="i-1", is_bound=sys.argv[2] == "bound"))
print(who.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_bound", [True, False])
def test_only_a_bound_process_ends_with_who_started_it(tmp_path: Path, *, is_bound: bool) -> None:
    words = [sys.executable, "-c", _STARTER, str(tmp_path), "bound" if is_bound else "free"]
    starter = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert starter.stdout is not None
        who = identity(int(starter.stdout.readline()))
        assert is_running(who)
        ended(starter)  # by SIGKILL
        if is_bound:
            until(lambda: not is_running(who))
        else:
            pause(0.1)
            assert is_running(who)
    finally:
        if starter.poll() is None:
            ended(starter)
        for seen in marked(tmp_path.name):
            signal_leader(seen.identity, signal.SIGKILL)


def test_a_bound_process_does_not_start_when_who_started_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it looks whether its parent is still the one that asked for it, which here it never was
    monkeypatch.setattr(os, "getpid", lambda: 1)
    who = start(_shell(tmp_path, "echo started", is_bound=True))
    monkeypatch.undo()
    until(lambda: not is_running(who))
    assert reap(who) == 1
    assert (tmp_path / "log").read_text() == ""


def test_a_thread_can_start_many_at_once(tmp_path: Path) -> None:
    found: list[Identity] = []

    def start_ten() -> None:
        found.extend(start(_shell(tmp_path, "exit 0")) for _ in range(10))

    threads = [threading.Thread(target=start_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 40
    until(lambda: not any(is_running(who) for who in found))
    assert [reap(who) for who in found] == [0] * 40


def test_the_package_of_the_tests_is_as_packages_must_be(tmp_path: Path) -> None:
    from foretide.platforms.local.manifest import filled_in, read_manifest

    own = read_manifest(packages.PROGRAM)
    made = read_manifest(packages.package(tmp_path / "made", start_s=0.5, workers=3))
    assert (own.ready, own.needs, own.minimal) == (made.ready, made.needs, made.minimal)
    words = filled_in(made, folder=Path("/f"), port=80, instance_id="x-1")
    assert words[3:] == ("/f/serve.py", "--port=80", "--name=x-1", "--start-s=0.5", "--workers=3")
