"""What tests of the embedded platform are made of: one with a small program, and how to wait."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from cases import packages
from foretide.control.clock import WallClock
from foretide.model.fleet import InstanceState
from foretide.model.plan import Drain, Launch, Park, Promote, Terminate
from foretide.platforms.local.census import found, marked
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.base import Traffic
from foretide.platforms.local.versions import Versions

S = InstanceState
ON_THE_WAY = frozenset({S.REQUESTED, S.BOOTING, S.WAKING, S.PARKING, S.DRAINING})


def local_platform(
    folder: Path,
    *,
    service: str = "web",
    versions: Mapping[str, Mapping[str, packages.Option]] | None = None,
    manifest: str = "",
    warm: Literal["frozen", "minimal"] = "frozen",
    traffic: Traffic | None = None,
    is_bound: bool = False,
) -> LocalPlatform:
    """Return a platform in `folder / "root"` that knows versions of the program, v1 by default."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    for version, options in (versions or {"v1": {}}).items():
        package = packages.package(folder / f"package-{version}", manifest=manifest, **options)
        Versions(root).add(service, version, installed(root, package).digest)
    return LocalPlatform(
        root,
        services={service: LocalService(service=service, warm=warm)},
        traffic=traffic,
        clock=WallClock(),
        is_bound=is_bound,
    )


def until(is_so: Callable[[], object], *, within_s: float = 15.0, what: str = "it") -> None:
    """Wait until something is so, looking every few milliseconds."""
    limit_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < limit_s, f"{what} did not come within {within_s:g} s"
        select.select([], [], [], 0.005)


def settled(platform: LocalPlatform, service: str = "web", within_s: float = 15.0) -> None:
    """Wait until nothing is on its way any more."""
    until(
        lambda: not platform.observe(service).count(*ON_THE_WAY),
        within_s=within_s,
        what=f"rest ({platform.failures(service)}, {platform.notes()})",
    )


def states(platform: LocalPlatform, service: str = "web") -> dict[str, InstanceState]:
    """Return the state of each instance, each once."""
    fleet = platform.observe(service)
    assert len({i.instance_id for i in fleet.instances}) == len(fleet.instances)
    return {i.instance_id: i.state for i in fleet.instances}


def running(platform: LocalPlatform) -> tuple[str, ...]:
    """Return the instance of every process with the mark of a platform's root."""
    root_id = (platform.root / "id").read_text().strip()
    return tuple(one.instance_id for one in marked(root_id))


def launch(
    name: str, *, is_warm: bool = False, version: str = "v1", ask: str = "", service: str = "web"
) -> Launch:
    return Launch(
        action_id=f"launch-{name}{ask}", service=service, instance_id=name, version=version,
        is_warm=is_warm,
    )  # fmt: skip


def act(
    verb: type[Promote | Park | Drain | Terminate], name: str, ask: str = ""
) -> Promote | Park | Drain | Terminate:
    return verb(action_id=f"{verb.__name__}-{name}{ask}", service="web", instance_id=name)


def process_of(platform: LocalPlatform, name: str) -> int:
    """Return the process of an instance."""
    root_id = (platform.root / "id").read_text().strip()
    return found(root_id)[name].pid


def reopened(root: Path, *, service: str = "web") -> LocalPlatform:
    """Return a new platform on the folder of another, which is closed or was killed."""
    services = {service: LocalService(service=service)}
    return LocalPlatform(root, services=services, clock=WallClock())
