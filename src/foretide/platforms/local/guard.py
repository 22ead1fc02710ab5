"""This file knows how nothing outlives a control plane that its instances are bound to.

The system can end a process together with the one that started it, but not what the process has
started itself. So a shell, in a session of its own and holding nothing but one end of a pipe,
waits for our end: however it comes, the pipe is closed by it. Then everything with the root's mark
is killed, and the root's control groups are removed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from foretide.platforms.local.identity import ROOT_VARIABLE

# $1 is the mark, the rest are control groups. A word on the pipe before its end is a tidy end:
# nothing is left to kill. Looked for until none is found, as a program may start others meanwhile.
_WAIT_AND_KILL = """
mark=$1; shift
read -r word && exit 0
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=$(grep -lsxzF -e "$mark" /proc/[0-9]*/environ | cut -d/ -f3)
  [ -n "$found" ] || break
  kill -KILL $found 2>/dev/null
  sleep 0.05
done
for group in "$@"; do
  rmdir "$group"/instance-* "$group" 2>/dev/null
done
exit 0
"""


class Guard:
    """Kills all processes of a root when this process ends without having said that it will.

    Parameters
    ----------
    root_id : str
        The root's own token.
    folders : iterable of Path
        The control groups of the root as a whole.
    """

    def __init__(self, root_id: str, folders: Iterable[Path] = ()) -> None:
        self._shell = subprocess.Popen(  # noqa: S603 - our own words and folders
            ["/bin/sh", "-c", _WAIT_AND_KILL, "foretide-guard", f"{ROOT_VARIABLE}={root_id}",
             *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The shell's number."""
        return self._shell.pid

    def close(self) -> None:
        """Let the guard go: what is bound has been ended."""
        if self._shell.poll() is None:
            self._shell.communicate(b"done\n")
