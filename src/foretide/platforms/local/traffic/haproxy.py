"""This file knows traffic through HAProxy: one process for each service, each its own port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from foretide.platforms.local.traffic.base import Counted, Endpoint, Listen
from foretide.platforms.local.traffic.configuration import slot_count
from foretide.platforms.local.traffic.ended import ended, ended_of
from foretide.platforms.local.traffic.endpoint_list import EndpointList
from foretide.platforms.local.traffic.launch import Launcher
from foretide.platforms.local.traffic.places import place_of, services_in
from foretide.platforms.local.traffic.proxy import Proxy


class HaproxyTraffic:
    """Traffic through HAProxy, and by a published list for services that listen nowhere.

    Nothing is started before the first call for a service.

    Parameters
    ----------
    root : Path
        The platform's folder.
    services : mapping of str to Listen
        Where each service's requests come in.
    program : Path
        HAProxy.
    is_bound : bool
        Whether they end with this process.
    lists : EndpointList
        For services that listen nowhere, and while a HAProxy cannot be started.
    """

    def __init__(
        self, root: Path, services: Mapping[str, Listen], *, program: Path, is_bound: bool,
        lists: EndpointList,
    ) -> None:  # fmt: skip
        self._root, self._lists = root.absolute(), lists
        self._is_swept = False
        self._proxies = {
            service: Proxy(
                Launcher(
                    service, listen, place=place_of(root, service), program=program, root=root,
                    is_bound=is_bound,
                ),
                slot_count=slot_count(listen),
                substitute=lists,
            )
            for service, listen in services.items()
        }  # fmt: skip

    def admit(self, service: str, endpoint: Endpoint) -> None:
        """Let new requests reach an instance."""
        if service in self._proxies:
            self._proxies[service].admit(endpoint)
        else:
            self._lists.admit(service, endpoint)

    def dismiss(self, service: str, endpoint: Endpoint) -> None:
        """Let no new request reach an instance."""
        if service in self._proxies:
            self._proxies[service].dismiss(endpoint)
        else:
            self._lists.dismiss(service, endpoint)

    def is_idle(self, service: str, endpoint: Endpoint) -> bool:
        """Return whether no request is in flight on an instance, nor can reach it."""
        if service in self._proxies:
            return self._proxies[service].is_idle(endpoint)
        return self._lists.is_idle(service, endpoint)

    def forget(self, service: str, endpoint: Endpoint) -> None:
        """Cut whatever still connects to an instance."""
        if service in self._proxies:
            self._proxies[service].forget(endpoint)
        else:
            self._lists.forget(service, endpoint)

    def reconcile(self, service: str, serving: Sequence[Endpoint]) -> None:
        """Admit exactly `serving`; the first call ends what services left that listen no more."""
        if not self._is_swept:
            self._is_swept = True
            for left in set(services_in(self._root)) - set(self._proxies):
                ended_of(self._root, left)
        if service in self._proxies:
            self._proxies[service].reconcile(serving)
        else:
            self._lists.reconcile(service, serving)

    def counted(self, service: str) -> Counted | None:
        """Return what was counted so far; None where nobody counts."""
        return self._proxies[service].counted() if service in self._proxies else None

    def notes(self) -> tuple[str, ...]:
        """Return what happened since the last call, one line each."""
        said = [proxy.notes() for proxy in self._proxies.values()]
        return (*self._lists.notes(), *(note for notes in said for note in notes))

    def close(self, *, is_final: bool) -> None:
        """Let go of all; a final close ends them, and those another process has left here."""
        for proxy in self._proxies.values():
            proxy.close(is_final=is_final)
        if is_final:
            ended(self._root)
        self._lists.close(is_final=is_final)
