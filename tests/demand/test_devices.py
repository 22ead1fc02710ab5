from __future__ import annotations

import pytest

from foretide.demand.devices import device_of_name, device_of_user_agent

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/120.0 Safari/537.36",
            "desktop",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) {WEBKIT} Chrome/32.0", "desktop"),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
            "desktop",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/120.0", "desktop"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) {WEBKIT} Mobile/15E148", "phone"),
        (f"Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) {WEBKIT} Mobile/15E148", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 13; Pixel 7) {WEBKIT} Chrome/120.0 Mobile Safari", "phone"),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X700) {WEBKIT} Chrome/120.0 Safari", "tablet"),
        (f"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {WEBKIT} Version/6.0 TV Safari", "tv"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("-", "other"),
        ("", "other"),
    ],
)
def test_a_user_agent_tells_the_device_class(user_agent: str, device: str) -> None:
    assert device_of_user_agent(user_agent) == device


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("phone", "phone"),
        ("Windows", "desktop"),
        (" mac ", "desktop"),
        ("iPad", "tablet"),
        ("unknown", "other"),
        (f"Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) {WEBKIT}", "tablet"),
    ],
)
def test_a_foreign_device_name_tells_the_device_class(name: str, device: str) -> None:
    assert device_of_name(name) == device
