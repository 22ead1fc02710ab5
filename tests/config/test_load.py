from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.config import AppConfig, Config, ServiceConfig, load_config, read_config
from foretide.config.template import example_config
from foretide.errors import ConfigError, InvalidValueError

APP = """\
[app.shop]
timezone = "Europe/Berlin"
features = ["search", "cart"]
"""
SERVICE = """\
[service.web]
app = "shop"
max_instances = 50
instance_rps = 40
price_usd_per_hour = 0.1
objective_fraction = 0.001
"""


def with_line(line: str, *, without: str = "") -> str:
    # APP is lines 1-3; SERVICE without one line, then `line`, so that `line` stands last.
    kept = [row for row in SERVICE.splitlines() if not without or not row.startswith(without)]
    return APP + "\n".join([*kept, line]) + "\n"


def test_loads_what_a_service_needs_and_fills_the_rest() -> None:
    config = load_config(APP + SERVICE, origin="foretide.toml")
    service = config.services["web"]
    assert config.apps["shop"] == AppConfig(timezone="Europe/Berlin", features=("search", "cart"))
    assert service.mode == "shadow"
    assert service.instance_rps == 40.0
    assert (config.store.path, config.forecast.horizon_h) == (".foretide/foretide.duckdb", 168)


def test_loads_an_empty_file_as_all_defaults() -> None:
    assert load_config("", origin="foretide.toml") == Config()


def test_loads_declared_events_with_their_zone() -> None:
    text = APP + (
        '[[app.shop.events]]\nname = "sale"\nstart = 2026-07-01T08:00:00+02:00\n'
        "end = 2026-07-01T20:00:00+02:00\nuplift_factor = 3\n"
    )
    (event,) = load_config(text, origin="foretide.toml").apps["shop"].events
    assert event.start == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert event.uplift_factor == 3


def test_loads_capacity_from_a_latency_objective() -> None:
    text = with_line("latency_objective_s = 0.25\nservice_time_s = 0.08", without="instance_rps")
    service = load_config(text, origin="foretide.toml").services["web"]
    assert (service.latency_objective_s, service.service_time_s) == (0.25, 0.08)


EVENT = '[[app.shop.events]]\nname = "sale"\n'
REFUSALS: dict[str, tuple[str, str]] = {
    "unit in the name": (
        with_line("boot_minutes = 5"),
        "10: service.web.boot_minutes is no setting, was 5; did you mean boot_s, in seconds?",
    ),
    "another currency": (
        with_line("price_eur_per_hour = 1"),
        (
            "10: service.web.price_eur_per_hour is no setting, was 1; "
            "did you mean price_usd_per_hour, in USD per hour?"
        ),
    ),
    "percent": (
        with_line("objective_percent = 1"),
        (
            "10: service.web.objective_percent is no setting, was 1; "
            "did you mean objective_fraction, a fraction: 1 % is 0.01?"
        ),
    ),
    "misspelt": (
        with_line("max_instance = 5"),
        "10: service.web.max_instance is no setting, was 5; did you mean max_instances?",
    ),
    "unknown": (
        with_line("zeal = 5"),
        "10: service.web.zeal is no setting, was 5; known here: app, features, platform,",
    ),
    "in the wrong table": (
        with_line("horizon_h = 48"),
        "10: service.web.horizon_h is no setting, was 48; it belongs in [forecast]",
    ),
    "in no table": (
        "horizon_h = 48\n",
        "1: horizon_h is no setting, was 48; it belongs in [forecast]",
    ),
    "unknown table": (
        "\n[services.web]\n",
        "2: services is no setting, was {web = {}}; did you mean service?",
    ),
    "table without name": (
        '[app]\ntimezone = "UTC"\n',
        '2: app.timezone must be a table, was "UTC"; put it under [app.NAME]',
    ),
    "value for tables": ("app = 3\n", "1: app must be a table, was 3; write [app.NAME]"),
    "value for a table": ("store = 3\n", "1: store must be a table, was 3; write [store]"),
    "name": (
        '[app."my shop"]\n',
        '1: the name of [app."my shop"] must be 1-128 letters, digits',
    ),
    "a text for a number": (
        with_line('boot_s = "5m"'),
        (
            '10: service.web.boot_s must be a number > 0 and <= 7200 (seconds), was "5m"; '
            "write for example boot_s = 300.0"
        ),
    ),
    "a truth for a number": (
        with_line("wake_s = true"),
        "10: service.web.wake_s must be a number >= 0 and <= 3600 (seconds), was true",
    ),
    "a fraction of an instance": (
        with_line("min_instances = 1.5"),
        ("10: service.web.min_instances must be a whole number >= 1 and <= 100000, was 1.5"),
    ),
    "no capacity": (
        with_line("instance_rps = 0", without="instance_rps"),
        "9: service.web.instance_rps must be a number > 0 (requests/s), was 0",
    ),
    "endless capacity": (
        with_line("instance_rps = inf", without="instance_rps"),
        "9: service.web.instance_rps must be a number > 0 (requests/s), was inf",
    ),
    "not a number": (
        with_line("instance_rps = nan", without="instance_rps"),
        "9: service.web.instance_rps must be a number > 0 (requests/s), was nan",
    ),
    "negative price": (
        with_line("price_usd_per_hour = -0.1", without="price"),
        "9: service.web.price_usd_per_hour must be a number > 0 (USD per hour), was -0.1",
    ),
    "objective of all": (
        with_line("objective_fraction = 1", without="objective"),
        (
            "9: service.web.objective_fraction must be a number > 0 and < 1 "
            "(a fraction: 1 % is 0.01), was 1"
        ),
    ),
    "objective in percent": (
        with_line("objective_fraction = 5", without="objective"),
        "9: service.web.objective_fraction must be a number > 0 and < 1",
    ),
    "horizon": (
        "[forecast]\nhorizon_h = 12\n",
        "2: forecast.horizon_h must be a whole number >= 24 and <= 168 (hours), was 12",
    ),
    "mode": (
        with_line('mode = "dry-run"'),
        (
            '10: service.web.mode must be one of "live", "shadow", was "dry-run"; '
            'write for example mode = "shadow"'
        ),
    ),
    "platform not ready": (
        with_line('platform = "kubernetes"'),
        (
            '10: service.web.platform must be "simulated" or "local" in this version, was '
            '"kubernetes", which it cannot drive yet; write platform = "local"'
        ),
    ),
    "platform unknown": (
        with_line('platform = "gcp"'),
        '10: service.web.platform must be one of "aws", "kubernetes", "local", "simulated"',
    ),
    "min over max": (
        with_line("min_instances = 60"),
        "10: service.web.min_instances must not exceed max_instances, was 60 > 50; lower it",
    ),
    "missing": (
        with_line("", without="max_instances"),
        "4: service.web.max_instances is missing; add max_instances = 50",
    ),
    "both penalty and objective": (
        with_line("penalty_usd_per_request = 1"),
        (
            "9: service.web.objective_fraction and penalty_usd_per_request exclude each other, "
            "was 0.001; delete one"
        ),
    ),
    "neither penalty nor objective": (
        with_line("", without="objective"),
        "4: service.web.penalty_usd_per_request and objective_fraction are both missing; give one",
    ),
    "both capacity and latency": (
        with_line("latency_objective_s = 1"),
        "10: service.web.latency_objective_s and instance_rps exclude each other, was 1.0; delete",
    ),
    "neither capacity nor latency": (
        with_line("", without="instance_rps"),
        "4: service.web.instance_rps and latency_objective_s are both missing; give one",
    ),
    "latency without service time": (
        with_line("latency_objective_s = 1", without="instance_rps"),
        "9: service.web.latency_objective_s needs service_time_s beside it, was 1.0 alone; add",
    ),
    "latency below service time": (
        with_line("latency_objective_s = 1\nservice_time_s = 2", without="instance_rps"),
        "9: service.web.latency_objective_s must exceed 3 x service_time_s, was 1.0 against 2.0",
    ),
    "service time without latency": (
        with_line("service_time_s = 2"),
        "10: service.web.service_time_s means something only with latency_objective_s, was 2.0;",
    ),
    "concurrency without latency": (
        with_line("concurrency = 2"),
        "10: service.web.concurrency means something only with latency_objective_s, was 2; delete",
    ),
    "unknown app": (
        with_line('app = "shp"', without="app"),
        '9: service.web.app must name an app of this file (shop), was "shp"; add [app.shp] or',
    ),
    "unknown feature": (
        with_line('features = [\n  "cart",\n  "serch",\n]'),
        '10: service.web.features must be features of app "shop" (search, cart), had "serch"; add',
    ),
    "feature twice": (
        with_line('features = ["cart", "cart"]'),
        '10: service.web.features must name each once, had "cart" twice; delete one',
    ),
    "features no list": (
        with_line('features = "cart"'),
        '10: service.web.features must be a list, each a text of 1-256 characters, was "cart"',
    ),
    "unknown time zone": (
        '[app.shop]\ntimezone = "Berlin"\n',
        (
            '2: app.shop.timezone must be the name of a time zone such as "Europe/Berlin" or '
            '"UTC", was "Berlin"; did you mean Europe/Berlin?'
        ),
    ),
    "time zone outside the data base": (
        '[app.shop]\ntimezone = "../passwd"\n',
        "2: app.shop.timezone must be the name of a time zone",
    ),
    "time zone is a folder": (
        '[app.shop]\ntimezone = "Europe"\n',
        "2: app.shop.timezone must be the name of a time zone",
    ),
    "event without zone": (
        APP + EVENT + "start = 2026-07-01T08:00:00\nend = 2026-07-01T09:00:00Z\n",
        "6: app.shop.events[0].start must be a date-time with a zone, was 2026-07-01T08:00:00",
    ),
    "event ends first": (
        APP + EVENT + "start = 2026-07-01T08:00:00Z\nend = 2026-07-01T07:00:00Z\n",
        "7: app.shop.events[0].end must be later than start, was 2026-07-01T07:00:00+00:00; exch",
    ),
    "event without uplift": (
        APP + EVENT + "start = 2026-07-01T08:00:00Z\nend = 2026-07-01T09:00:00Z\n"
        "uplift_factor = -1\n",
        "8: app.shop.events[0].uplift_factor must be a number > 0 (a factor), was -1",
    ),
    "event with percent": (
        APP + EVENT + "uplift_percent = 20\n",
        "6: app.shop.events[0].uplift_percent is no setting, was 20; did you mean uplift_factor",
    ),
    "event no table": (
        '[app.shop]\nevents = "sale"\n',
        '2: app.shop.events must be tables, was "sale"; head each with [[app.shop.events]]',
    ),
    "no TOML": ("[store]\npath = file\n", "2: is not TOML here: Invalid value; texts need quotes"),
    "no end": ('[store]\npath = "a\n', "2: is not TOML here: "),
    "key twice": ('[store]\npath = "a"\npath = "b"\n', "3: is not TOML here: Cannot overwrite"),
    "nested for ever": (f"x = {'[' * 9999}", "1: is nested too deeply"),
    "long value": (
        with_line(f'zeal = "{"x" * 500}"'),
        f'10: service.web.zeal is no setting, was "{"x" * 56}...; known here: ',
    ),
    "value over lines": (
        with_line('mode = """a\nb"""'),
        '10: service.web.mode must be one of "live", "shadow", was "a\\nb"; write',
    ),
}


@pytest.mark.parametrize(("text", "line"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refuses_in_one_line_with_place_value_and_fix(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(text, origin="foretide.toml")
    assert str(refusal.value).startswith(f"foretide.toml:{line}")
    assert "\n" not in str(refusal.value)


def test_lines_count_the_same_with_carriage_returns() -> None:
    text = with_line("boot_minutes = 5").replace("\n", "\r\n")
    with pytest.raises(ConfigError, match=r"^x\.toml:10: "):
        load_config(text, origin="x.toml")


def test_structs_made_in_code_hold_the_same_relations() -> None:
    with pytest.raises(InvalidValueError, match="min_instances must not exceed max_instances"):
        ServiceConfig(
            app="shop",
            min_instances=3,
            max_instances=2,
            instance_rps=1.0,
            price_usd_per_hour=1.0,
            objective_fraction=0.1,
        )
    service = load_config(APP + SERVICE, origin="x").services["web"]
    with pytest.raises(InvalidValueError, match=r"service\.web\.app must name an app"):
        Config(services={"web": service})


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "foretide.toml"
    path.write_text(APP + SERVICE)
    assert read_config(path) == load_config(APP + SERVICE, origin="any")


def test_refuses_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory; `foretide init` writes one"):
        read_config(tmp_path / "absent.toml")


def test_refuses_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "foretide.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text; save it as UTF-8"):
        read_config(path)


def test_reads_a_file_that_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "foretide.toml"
    path.write_text(APP + SERVICE, encoding="utf-8-sig")
    assert set(read_config(path).services) == {"web"}


FRAGMENTS = st.sampled_from(
    [
        "[",
        "]",
        "[[",
        '"',
        "'",
        '"""',
        "{",
        "}",
        "=",
        ".",
        ",",
        "#",
        "\\",
        "\n",
        "x",
        "0",
        "\x00",
        "é",
    ]
)


@given(at=st.integers(0, 10_000), cut=st.integers(0, 30), put=st.lists(FRAGMENTS, max_size=3))
@settings(deadline=None, max_examples=300)
def test_whatever_is_broken_is_refused_in_one_line_or_loads(
    at: int, cut: int, put: list[str]
) -> None:
    text = example_config()
    at %= len(text)
    broken = text[:at] + "".join(put) + text[at + cut :]
    try:
        load_config(broken, origin="foretide.toml")
    except ConfigError as refusal:
        line = int(str(refusal).split(":")[1])
        assert 1 <= line <= broken.count("\n") + 1
        assert len(str(refusal).splitlines()) == 1  # noqa: PT017
