"""The page is whole, asks no network, and shows in a real browser on a phone and on a desk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from foretide.errors import InputError, InvalidValueError
from foretide.model.demand import FloatArray
from foretide.simulate.outcome import Played, SeriesOutcome
from foretide.simulate.report import write_report as write_page
from foretide.simulate.scenario import Scenario

Play = Callable[..., SeriesOutcome]
_HOSTILE = "</script><script>document.title='taken'</script>&\"'"


def write_report(
    path: Path,
    *,
    title: str,
    scenario: Scenario,
    outcomes: Sequence[SeriesOutcome],
    notes: Sequence[str] = (),
) -> None:
    """Write the page of one scenario."""
    played = Played(name="", scenario=scenario, outcomes=tuple(outcomes))
    write_page(path, title=title, played=[played], notes=notes)


class _Reader(HTMLParser):
    """Collects what the tests ask of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.data = ""
        self._is_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._is_data = tag == "script" and ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._is_data:
            self.data += data
        elif self.tags[-1:] != ["script"]:
            self.text += data


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


@pytest.mark.parametrize(
    "policies",
    [["foretide", "hpa", "oracle"], ["hpa"], ["oracle"], ["a", "b", "c", "d", "e", "hpa"]],
)
def test_any_policies_make_a_page(
    play: Play, daily: FloatArray, scenario: Scenario, policies: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    outcomes = [play(daily, policies), play(daily * 2, policies, series_id="other")]
    write_report(path, title="A title", scenario=scenario, outcomes=outcomes, notes=["A note."])
    page = _read(path)
    assert ("lang", "en") in page.attributes
    assert "A title" in page.text
    assert "A note." in page.text
    assert page.tags.count("option") == 2
    figures = json.loads(page.data)["series"]
    drawn = {"about", "trade_off", "whole_period", "worst_day", "typical_day"}
    assert [set(f) for f in figures] == [drawn] * 2
    assert len(figures[0]["whole_period"]["data"]) == 1 + len(policies)
    assert list(tmp_path.iterdir()) == [path]


def test_kinds_have_rows_of_their_own_only_where_there_are_several(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    spike = np.ones(1440)
    spike[700:710] = 500.0
    alike = [play(daily, series_id=name) for name in "ab"]
    for outcomes, is_divided in ((alike, False), ([*alike, play(spike)], True)):
        write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=outcomes)
        text = _read(tmp_path / "r.html").text
        assert ("only the 2 forecastable" in text) is is_divided
        assert ("only the 1 spiky" in text) is is_divided


def test_the_page_refers_to_nothing_outside_itself(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=[play(daily)])
    page = _read(tmp_path / "r.html")
    assert not [a for a in page.attributes if a[0] in {"src", "href", "srcset", "action"}]
    assert "@import" not in (tmp_path / "r.html").read_text("utf-8").split("</style>")[0]
    assert not {"link", "iframe", "img", "object"} & set(page.tags)


def test_names_and_titles_cannot_break_out_of_the_page(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    hostile = play(daily, ["foretide", "hpa"], series_id=_HOSTILE)
    write_report(
        tmp_path / "r.html", title=_HOSTILE, scenario=scenario, outcomes=[hostile], notes=[_HOSTILE]
    )
    page = _read(tmp_path / "r.html")
    assert page.tags.count("script") == 3
    assert _HOSTILE in json.loads(page.data)["series"][0]["about"]


def test_two_months_of_minutes_stay_small(play: Play, scenario: Scenario, tmp_path: Path) -> None:
    minutes = np.arange(62 * 1440)
    noise = np.random.default_rng(1).lognormal(0, 0.1, len(minutes))
    demand = (300 - 250 * np.cos(2 * np.pi * minutes / 1440)) * noise
    outcome = play(demand, ["foretide", "hpa", "other"])
    write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=[outcome])
    assert len(_read(tmp_path / "r.html").data) < 300_000


def test_gaps_are_gaps_not_zeros(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    whole = daily[:600]
    write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=[play(whole, ["hpa"])])
    figure = json.loads(_read(tmp_path / "r.html").data)["series"][0]["whole_period"]
    assert figure["data"][0]["y"][100:130] == [None] * 30
    assert None not in figure["data"][0]["y"][130:]


@pytest.mark.parametrize(
    "demand_rps",
    [
        np.full(3000, np.nan),
        np.zeros(90),
        np.array([5.0]),
        np.where(np.arange(3000) % 7, np.nan, 5),
    ],
    ids=["never observed", "never called", "one minute", "mostly gaps"],
)
def test_odd_demand_makes_a_page(
    play: Play, scenario: Scenario, demand_rps: FloatArray, tmp_path: Path
) -> None:
    outcome = play(demand_rps)
    write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=[outcome])
    page = _read(tmp_path / "r.html")
    assert "NaN" not in page.data
    assert re.search(r"\bnan\b", page.text, re.IGNORECASE) is None
    assert len(json.loads(page.data)["series"]) == 1


def test_nothing_to_report_is_refused_and_nothing_written(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    for outcomes in ([], [play(daily, [])]):
        with pytest.raises(InvalidValueError, match="at least one"):
            write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=outcomes)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_absent_is_named(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"absent.r\.html"):
        write_report(
            tmp_path / "absent" / "r.html", title="t", scenario=scenario, outcomes=[play(daily)]
        )


def test_a_report_that_cannot_take_its_name_leaves_nothing_behind(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    (tmp_path / "r.html").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(InputError):
        write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=[play(daily)])
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_draws_every_figure_within_its_width(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path, width: int
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    policies = ["foretide", "hpa", "a-policy-with-a-long-name", "oracle"]
    outcomes = [play(daily, policies, series_id=f"{name}/feature") for name in "abc"]
    write_report(tmp_path / "r.html", title="t", scenario=scenario, outcomes=outcomes)
    # Chromium's window is never narrower than 500 px; a frame inside it may be.
    (tmp_path / "frame.html").write_text(
        f"<iframe id=f src=r.html style='width:{width}px;height:900px'></iframe><script>"
        "window.onerror = e => { document.title = 'error ' + e };"
        "f.onload = () => setTimeout(() => { const d = f.contentDocument;"
        "document.title = [d.documentElement.scrollWidth, d.documentElement.clientWidth,"
        "d.querySelectorAll('.plot .main-svg').length, d.querySelector('#about').textContent]"
        ".join('|') }, 500)</script>"
    )
    drawn = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--allow-file-access-from-files", "--virtual-time-budget=10000"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width + 60},1000"),
            *("--dump-dom", (tmp_path / "frame.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    title = re.search(r"<title>(.*?)</title>", drawn)
    assert title is not None, drawn
    needed, available, drawings, about = title[1].split("|")
    assert int(needed) <= int(available) <= width
    assert int(drawings) >= 3
    assert about.startswith("a/feature: demand takes")
