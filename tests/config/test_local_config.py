"""The settings of the embedded platform: what they become, and what each mistake is told."""

from __future__ import annotations

import pytest

from foretide.config import LocalConfig, NodeConfig, load_config
from foretide.config.local import address
from foretide.errors import ConfigError

BEGIN = """\
[app.shop]
[service.web]
app = "shop"
platform = "local"
max_instances = 8
instance_rps = 40
price_usd_per_hour = 0.1
objective_fraction = 0.001
"""
LOCAL = """\
[service.web.local]
package = "shop-server"
version = "v1"
"""
SECOND = f"{BEGIN}{LOCAL}".replace("[app.shop]\n", "").replace("service.web", "service.api")


def test_a_local_service_is_loaded_with_its_package() -> None:
    config = load_config(BEGIN + LOCAL, origin="foretide.toml")
    local = config.services["web"].local
    assert local is not None
    assert (local.package, local.version, local.warm) == ("shop-server", "v1", "frozen")
    assert (local.listen, local.demand) == (None, "store")
    assert config.local == LocalConfig(root=".foretide/local")
    assert config.nodes == {}


def test_nodes_are_loaded_by_name() -> None:
    text = "[node.left]\ncpu_cores = 1.5\nmemory_mib = 512\nlink_mbps = 100\n"
    assert load_config(text, origin="foretide.toml").nodes == {
        "left": NodeConfig(cpu_cores=1.5, memory_mib=512, link_mbps=100)
    }


REFUSALS = {
    "no package": (BEGIN, '4: service.web.platform needs to be told what an instance is, was "loc'),
    "no version": (
        BEGIN + '[service.web.local]\npackage = "p"\n',
        '9: service.web.local.version is missing; add version = "v1"',
    ),
    "version no name": (
        BEGIN + LOCAL.replace("v1", "v 1"),
        "11: service.web.local.version must be 1-128 letters, digits,",
    ),
    "warm unknown": (
        BEGIN + LOCAL + 'warm = "asleep"\n',
        '12: service.web.local.warm must be one of "frozen", "minimal", was "asleep"; write',
    ),
    "listen without port": (
        BEGIN + LOCAL + 'listen = "localhost"\n',
        '12: service.web.local.listen must be ADDRESS:PORT with a port from 1 to 65535, was "loc',
    ),
    "listen port out of range": (
        BEGIN + LOCAL + 'listen = "127.0.0.1:70000"\n',
        "12: service.web.local.listen must be ADDRESS:PORT with a port from 1 to 65535, was",
    ),
    "traffic nobody counts": (
        BEGIN + LOCAL + 'demand = "traffic"\n',
        '12: service.web.local.demand can be "traffic" only with listen, was "traffic" without; ',
    ),
    "one port twice": (
        f'{BEGIN}{LOCAL}listen = "127.0.0.1:8080"\n{SECOND}listen = "127.0.0.1:8080"\n',
        '23: service.api.local.listen must be another port than that of service "web", was',
    ),
    "unknown setting": (
        BEGIN + LOCAL + 'packages = "x"\n',
        '12: service.web.local.packages is no setting, was "x"; did you mean package?',
    ),
    "not a table": (
        BEGIN + "local = 3\n",
        "9: service.web.local must be a table, was 3; write [service.web.local]",
    ),
    "node without its link": (
        "[node.a]\ncpu_cores = 1\nmemory_mib = 10\n",
        "1: node.a.link_mbps is missing; add link_mbps = 1000.0",
    ),
    "node of nothing": (
        "[node.a]\ncpu_cores = 0\nmemory_mib = 10\nlink_mbps = 1\n",
        "2: node.a.cpu_cores must be a number > 0 (CPU cores), was 0; write for example",
    ),
    "node as a number": (
        "[node]\na = 1\n",
        "2: node.a must be a table, was 1; put it under [node.",
    ),
    "root empty": ('[local]\nroot = ""\n', "2: local.root must be a text of 1-256 characters, was"),
}


@pytest.mark.parametrize(("text", "line"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refuses_in_one_line_with_place_value_and_fix(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(text, origin="foretide.toml")
    assert str(refusal.value).startswith(f"foretide.toml:{line}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("10.1.2.3:1", ("10.1.2.3", 1)),
    ],
)
def test_an_address_is_host_and_port(text: str, meant: tuple[str, int]) -> None:
    assert address("listen", text) == meant
