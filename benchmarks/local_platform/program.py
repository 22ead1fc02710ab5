"""The packages and platforms that are measured, made in a folder of temporary files."""

from __future__ import annotations

import shutil
import sys
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from select import select
from tempfile import mkdtemp
from time import perf_counter
from typing import Literal

import msgspec

from foretide.control.clock import WallClock
from foretide.model.fleet import InstanceState
from foretide.model.plan import Launch, Park, Promote
from foretide.platforms.local.census import found
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.record import Record
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.versions import Versions

PROGRAM = Path(__file__).parents[2] / "tests" / "cases" / "program" / "serve.py"
SERVICE, VERSION = "web", "v1"
_SAYS = """command = [{words}]

[ready]
path = "/ready"

[live]
path = "/live"

[needs]
cpu_cores = 0.001
memory_mib = {memory_mib}

[minimal]
shrink_signal = "USR1"
grow_signal = "USR2"
path = "/full"
"""


class Measured:
    """A platform that runs one program, and what the measures ask of it."""

    def __init__(self, platform: LocalPlatform) -> None:
        self.platform = platform
        self._asked_count = 0

    def launch(self, name: str, *, is_warm: bool = False) -> None:
        """Begin an instance."""
        ask = self._id()
        self._apply(
            Launch(
                action_id=ask, service=SERVICE, instance_id=name, version=VERSION, is_warm=is_warm
            )
        )

    def promote(self, name: str) -> float:
        """Promote an instance, and return how long that took in seconds."""
        return self._apply(Promote(action_id=self._id(), service=SERVICE, instance_id=name))

    def park(self, name: str) -> None:
        """Park an instance, and wait until it is warm."""
        self._apply(Park(action_id=self._id(), service=SERVICE, instance_id=name))
        self.until(InstanceState.WARM)

    def until(self, state: InstanceState, *, count: int = 1) -> None:
        """Wait until so many instances are in a state."""
        until(lambda: self.platform.observe(SERVICE).count(state) >= count)

    def identity(self, name: str) -> Identity:
        """Return the process of an instance."""
        return found((self.platform.root / "id").read_text().strip())[name]

    def ask(self, name: str, path: str = "/") -> None:
        """Send an instance one request and wait for the answer."""
        told = (self.platform.root / "instances" / f"{name}.json").read_bytes()
        port = msgspec.json.decode(told, type=Record).port
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()

    def _id(self) -> str:
        self._asked_count += 1
        return f"bench#{self._asked_count}"

    def _apply(self, action: Launch | Promote | Park) -> float:
        begun_s = perf_counter()
        receipt = self.platform.apply(action)
        took_s = perf_counter() - begun_s
        if receipt.outcome != "accepted":
            raise AssertionError(receipt.detail)
        return took_s


def command(port: int | str, **options: float) -> list[str]:
    """Return the words that start the program."""
    flags = [f"--{key.replace('_', '-')}={value:g}" for key, value in options.items()]
    program = [str(Path(sys.executable).resolve()), "-S", "-E", "{folder}/serve.py"]
    return [*program, f"--port={port}", *flags]


@contextmanager
def measured(
    *, warm: Literal["frozen", "minimal"] = "frozen", needs_mib: float = 64, **options: float
) -> Generator[Measured]:
    """Yield a platform that runs the program with these options; nothing of it is left."""
    folder = Path(mkdtemp(prefix="foretide-bench-"))
    package, root = folder / "package", folder / "root"
    package.mkdir()
    root.mkdir()
    shutil.copy(PROGRAM, package)
    words = ", ".join(f'"{word}"' for word in command("{port}", **options))
    (package / "package.toml").write_text(_SAYS.format(words=words, memory_mib=needs_mib))
    Versions(root).add(SERVICE, VERSION, installed(root, package).digest)
    services = {SERVICE: LocalService(service=SERVICE, warm=warm)}
    try:
        with LocalPlatform(root, services=services, clock=WallClock(), is_bound=True) as platform:
            yield Measured(platform)
    finally:
        shutil.rmtree(folder)


def until(is_so: Callable[[], bool], *, within_s: float = 120, every_s: float = 0.002) -> None:
    """Wait until something is so.

    Raises
    ------
    AssertionError
        When it does not come.
    """
    limit_s = perf_counter() + within_s
    while not is_so():
        if perf_counter() > limit_s:
            raise AssertionError(f"not so within {within_s:g} s")
        select([], [], [], every_s)
