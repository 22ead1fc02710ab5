"""The live page: served to this machine alone, from nothing but itself, whatever is looked at."""

from __future__ import annotations

import re
import socket
from collections.abc import Generator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from cases.mornings import pass_by
from foretide.cli.demo_shown import shown
from foretide.errors import InputError
from foretide.serve.live import HEADERS, HOST, asset, live_server
from foretide.serve.shown import Shown
from foretide.serve.snapshot import write_snapshot
from foretide.simulate.morning import morning

_CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def told() -> Shown:
    passed = pass_by(morning(minutes=45, skipped=225))
    return shown(
        passed.record,
        passed.state,
        outline_rps=np.full((200, 3), 5.0),
        title="a shop",
        notes=["</script> is no end"],
        is_over=True,
    )


@pytest.fixture(scope="module")
def address(told: Shown) -> Generator[str]:
    with live_server(lambda: told, port=0) as where:
        yield where


@pytest.mark.parametrize(
    "path", ["", "live.css", "plotly.css", "live.js", "state.json", "absent", "../x"]
)
def test_every_answer_is_hardened(address: str, path: str) -> None:
    answer = httpx.get(address + path)
    assert answer.status_code == (404 if path in {"absent", "../x"} else 200)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_the_page_brings_all_it_needs(address: str) -> None:
    page = httpx.get(address).text
    asked = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert len(asked) >= 4
    for one in asked:
        assert one.startswith(("/", "data:"))
        if one.startswith("/"):
            assert httpx.get(address + one[1:]).status_code == 200
    assert "http" not in asset("live.js").replace("https://", "") or "//" not in asset("live.css")
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_plotly_is_packed_and_may_be_kept(address: str) -> None:
    script = re.findall(r'src="/(plotly-[^"]+)"', httpx.get(address).text)[0]
    packed = httpx.get(address + script, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "immutable" in packed.headers["cache-control"]
    plain = httpx.get(address + script, headers={"accept-encoding": "identity"})
    assert plain.text == packed.text
    assert int(packed.headers["content-length"]) < len(plain.text) / 2


def test_the_state_is_what_was_told(address: str, told: Shown) -> None:
    answer = httpx.get(address + "state.json")
    assert answer.headers["cache-control"] == "no-store"
    assert msgspec.json.decode(answer.content, type=Shown) == told


def test_another_name_for_this_machine_is_refused(address: str) -> None:
    # so that no page of the net can reach it by a name of its own
    answer = httpx.get(address, headers={"host": "shop.example"})
    assert answer.status_code == 400


def test_before_there_is_anything_nothing_is_told() -> None:
    with live_server(lambda: None, port=0) as address:
        assert httpx.get(address + "state.json").status_code == 204


def test_a_port_that_is_taken_is_left_to_its_owner() -> None:
    with socket.socket() as owner:
        owner.bind((HOST, 0))
        owner.listen()
        taken = owner.getsockname()[1]
        with live_server(lambda: None, port=taken) as address:
            assert f":{taken}/" not in address
            assert httpx.get(address).status_code == 200


def test_the_server_is_gone_when_the_context_is_left() -> None:
    with live_server(lambda: None, port=0) as address:
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_snapshot_needs_no_server(told: Shown, tmp_path: Path) -> None:
    path = tmp_path / "live.html"
    write_snapshot(path, told)
    page = path.read_text(encoding="utf-8")
    kept = re.findall(r'id="kept">(.*?)</script>', page, re.DOTALL)[0]
    assert msgspec.json.decode(kept, type=Shown) == told
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page.split("<script>")[0])
    assert [one.name for one in tmp_path.iterdir()] == ["live.html"]
    with pytest.raises(InputError, match="absent"):
        write_snapshot(tmp_path / "absent" / "live.html", told)


@pytest.fixture(scope="module")
def browser_page() -> Generator[Page]:
    if not _CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_can_be_used_by_everyone(
    browser_page: Page, address: str, told: Shown, width: int, scheme: str
) -> None:
    complaints: list[str] = []
    browser_page.on("console", lambda message: complaints.append(message.text))
    browser_page.on("pageerror", lambda error: complaints.append(str(error)))
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    browser_page.goto(address)
    for plot in ("demand", "fleet", "answers"):
        browser_page.locator(f"#{plot}-plot .main-svg").first.wait_for()
    assert browser_page.text_content("#served") == f"{told.served_count:,}"
    assert browser_page.text_content("#state") == "played to its end"
    assert browser_page.locator("#cells li").count() == len(told.cells)
    assert browser_page.locator("#deeds tr").count() == len(told.deeds) > 0
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    assert _violations(browser_page) == []


def _violations(page: Page) -> list[object]:
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found: list[object] = page.evaluate("axe.run().then(found => found.violations)")
    return found
