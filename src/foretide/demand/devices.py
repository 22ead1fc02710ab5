"""This file knows what class of device a user agent, or a foreign device name, stands for."""

from __future__ import annotations

from functools import lru_cache

from crawlerdetect import CrawlerDetect
from ua_parser import parse

from foretide.model.event import Device

_CRAWLERS = CrawlerDetect()
_DESKTOP = ("windows", "mac", "linux", "ubuntu", "fedora", "debian", "chrome os", "bsd")
_TV = ("tizen", "web0s", "webos", "smart-tv", "smarttv", "appletv", "apple tv", "googletv")

# What other systems call their devices, in lower case.
_NAMES: dict[str, Device] = {
    **dict.fromkeys(("desktop", "windows", "mac", "macos", "os x", "linux", "chromeos"), "desktop"),
    **dict.fromkeys(("pc", "computer", "laptop", "darwin", "freebsd"), "desktop"),
    **dict.fromkeys(("phone", "mobile", "smartphone", "iphone", "ios", "android"), "phone"),
    **dict.fromkeys(("tablet", "ipad"), "tablet"),
    **dict.fromkeys(("tv", "smarttv", "smart-tv", "smart tv", "television"), "tv"),
    **dict.fromkeys(("bot", "crawler", "spider", "robot"), "bot"),
}


@lru_cache(maxsize=1 << 16)  # real streams repeat; an unseen string costs 0.2 ms
def device_of_user_agent(user_agent: str) -> Device:
    """Return the device class that a User-Agent header tells.

    Parameters
    ----------
    user_agent : str
        The header, unchanged; empty or `-` when none was sent.
    """
    if user_agent in {"", "-"}:
        return "other"
    if _CRAWLERS.isCrawler(user_agent):
        return "bot"
    parsed = parse(user_agent)
    system = parsed.os.family.lower() if parsed.os else ""
    return _device_of_system(system, user_agent)


def _device_of_system(system: str, user_agent: str) -> Device:
    text = user_agent.lower()
    if any(word in text or word in system for word in _TV):
        return "tv"
    if system == "ios":
        return "tablet" if "ipad" in text else "phone"
    if system == "android":
        return "phone" if "mobile" in text else "tablet"
    if system.startswith(("windows phone", "windows mobile", "windows ce")):
        return "phone"
    if system.startswith(_DESKTOP):
        return "desktop"
    return "other"


@lru_cache(maxsize=4096)
def device_of_name(name: str) -> Device:
    """Return the device class of a device as another system names it.

    Parameters
    ----------
    name : str
        A class (`phone`), an operating system (`windows`) or a whole user agent.
    """
    if "/" in name:
        return device_of_user_agent(name)
    return _NAMES.get(name.strip().lower(), "other")
