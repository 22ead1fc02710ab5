"""This file knows how a running HAProxy is asked and told things: its runtime API.

The commands and the fields of their answers are those of its management guide, sections 9.1 and
9.3. A command's own words differ between versions, so what was told is checked by what is then so.
"""

from __future__ import annotations

import csv
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

import msgspec

from foretide.platforms.local.traffic.base import Counted

ANSWER_S = 1.0
FRONTEND = "entry"
BACKEND = "fleet"
_MAINTENANCE_BITS = 0x01 | 0x04  # forced, or by the configuration
_DRAIN_BIT = 0x08

Address = tuple[str, int]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A server that stands in HAProxy's configuration and may be an instance's.

    Parameters
    ----------
    number : int
        Which, from 1 on.
    address : tuple of str and int
        Where it points.
    is_taken : bool
        Whether it is an instance's: free ones are in maintenance.
    is_admitted : bool
        Whether new requests go there.
    """

    number: int
    address: Address
    is_taken: bool
    is_admitted: bool


class Runtime:
    """A HAProxy's administration socket; every question is a connection of its own.

    Parameters
    ----------
    path : Path
        Where its socket is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, *commands: str) -> str:
        """Return the answers to `commands`, one after the other.

        Raises
        ------
        OSError
            When nobody listens, or the answer does not come within a second.
        """
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(ANSWER_S)
            asked.connect(str(self.path))
            asked.sendall((";".join(commands) + "\n").encode())
            answer = bytearray()
            while part := asked.recv(65_536):
                answer += part
        return answer.decode(errors="replace")

    def pid(self) -> int:
        """Return which process it is, also when it does not answer.

        Raises
        ------
        OSError
            When nobody listens.
        """
        try:
            return int(self._information()["Pid"])
        except (TimeoutError, KeyError, ValueError):
            pass
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(ANSWER_S)
            asked.connect(str(self.path))
            credentials = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", credentials)[0]

    def description(self) -> str:
        """Return what its configuration says of itself.

        Raises
        ------
        OSError
            When it does not answer.
        """
        return self._information().get("description", "")

    def slots(self) -> tuple[Slot, ...]:
        """Return all slots and whose they are.

        Raises
        ------
        OSError
            When it does not answer.
        """
        lines = self.ask(f"show servers state {BACKEND}").splitlines()
        names = next((line for line in lines if line.startswith("# ")), "").lstrip("# ").split()
        rows = (line.split() for line in lines[2:] if line.strip())
        return tuple(_slot(dict(zip(names, row, strict=False))) for row in rows)

    def statistics(self, *commands: str) -> list[dict[str, str]]:
        """Return the rows that `commands`, of which some say `show stat`, are answered with.

        Raises
        ------
        OSError
            When it does not answer.
        """
        lines = self.ask(*commands).splitlines()
        begins = [at for at, line in enumerate(lines) if line.startswith("# pxname,")]
        return [
            row
            for at in begins
            for row in csv.DictReader([lines[at][2:], *_block(lines[at + 1 :])])
        ]

    def counted(self, counter_id: str) -> Counted:
        """Return what was counted of all requests.

        Raises
        ------
        OSError
            When it does not answer.
        """
        front, back = self.statistics(f"show stat {FRONTEND} 1 -1", f"show stat {BACKEND} 2 -1")
        return Counted(
            counter_id=counter_id,
            request_count=int(front["req_tot"]),
            # an answer that an instance cut short has its first line counted as it was
            failed_count=int(front["hrsp_5xx"]) + int(back["srv_abrt"]),
            aborted_count=int(back["cli_abrt"]),
            in_flight_count=int(back["scur"]),
        )

    def _information(self) -> dict[str, str]:
        lines = (line.partition(": ") for line in self.ask("show info").splitlines())
        return {name: value for name, _, value in lines}


def show_slot(number: int) -> str:
    """Return the command that asks how it stands with one slot."""
    return f"show stat {BACKEND} 4 {number}"


def address_of(row: Mapping[str, str]) -> Address:
    """Return where a server's row of statistics says it points."""
    host, _, port = row["addr"].rpartition(":")
    return host.strip("[]"), int(port)


def _slot(row: Mapping[str, str]) -> Slot:
    mask = int(row["srv_admin_state"])
    is_taken = not mask & _MAINTENANCE_BITS
    return Slot(
        number=int(row["srv_id"]),
        address=(row["srv_addr"], int(row["srv_port"])),
        is_taken=is_taken,
        is_admitted=is_taken and not mask & _DRAIN_BIT,
    )


def _block(lines: list[str]) -> list[str]:
    # up to the empty line that ends an answer
    end = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
    return lines[:end]
