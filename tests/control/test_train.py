"""A beat teaches what is due, judges what was on trial, and leaves a registry to go on from."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from cases.trainable import WeekProfile
from foretide.control.champions import Champions, served
from foretide.control.lessons import decoded, encoded, trainable
from foretide.control.outcome import Beat
from foretide.control.parts import forecast_map, here
from foretide.control.pools import part_map
from foretide.control.train import beat
from foretide.errors import InputError, InvalidValueError, StoreError
from foretide.forecast.fleet import Fleet
from foretide.forecast.retrain import Challenge, Judge, Keep, Reason, Reconform, Retrain
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast
from foretide.store.models import Registry, Training
from foretide.store.versions import Damaged

START = datetime(2026, 1, 5, tzinfo=UTC)
BEGIN = START + timedelta(days=28)
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
LEVELS = (0.1, 0.5, 0.9)


def rhythm(days: int) -> FloatArray:
    hours = np.arange(days * 24)
    return 0.6 * np.sin(2 * np.pi * hours / 24) * np.where(hours // 24 % 7 < 5, 1, 0.5)


def made(names: Sequence[str], days: int = 56, *, turned_at: int = 99) -> list[Demand]:
    shape = rhythm(days)
    shape[turned_at * 24 :] *= -1
    rng = np.random.default_rng(1)
    return [
        Demand(
            series_id=name,
            start=START,
            step_s=3600,
            values=rng.poisson((200 + 50 * at) * (1 + shape)).astype(float),
        )
        for at, name in enumerate(names)
    ]


class Shared(WeekProfile):
    """The same, saying of itself that it learns from all series together."""

    is_global = True


def step(
    folder: Path,
    demands: list[Demand],
    day: float,
    model: WeekProfile | Fleet | None = None,
    **asked: object,
) -> Beat:
    """Beat once, as a process of its own would."""
    model = model or WeekProfile()
    registry = Registry(folder)
    champions = Champions(registry, model, is_shared=isinstance(model, Shared))
    return beat(
        champions, registry, demands, now=BEGIN + day * DAY, timezone=BERLIN,
        **asked,  # type: ignore[arg-type]
    )  # fmt: skip


def kinds(done: Beat) -> list[type]:
    return [type(one.decision) for one in done.outcomes]


def told(found: list[Forecast]) -> list[tuple[str, bytes]]:
    return [(one.series_id, one.values.tobytes()) for one in found]


def issued(forecaster: object, demands: list[Demand], day: float) -> list[Forecast]:
    (part,) = forecast_map(
        forecaster,  # type: ignore[arg-type]
        demands,
        instants=[BEGIN + day * DAY],
        horizon_s=48 * 3600,
        levels=LEVELS,
        timezone=BERLIN,
    )
    return part


def test_the_first_beat_teaches_and_the_calendar_the_next(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y"])
    done = step(tmp_path, demands, 0)
    assert [one.decision for one in done.outcomes] == [Retrain(reason=Reason.FIRST)] * 2
    assert kinds(step(tmp_path, demands, 0)) == [Keep, Keep]
    assert kinds(step(tmp_path, demands, 6.9)) == [Keep, Keep]
    assert kinds(step(tmp_path, demands, 7)) == [Retrain, Retrain]
    on_trial = step(tmp_path, demands, 7.9)
    assert {one.decision for one in on_trial.outcomes} == {Keep(reason=Reason.ON_TRIAL)}
    judged = step(tmp_path, demands, 8)
    assert kinds(judged) == [Judge, Judge]
    standings = Champions(Registry(tmp_path), WeekProfile()).standings
    for one in judged.outcomes:
        assert one.loss_ratio is not None
        assert one.has_won == (one.loss_ratio < 1)
        assert standings[one.unit].champion == (2 if one.has_won else 1)
        assert standings[one.unit].challenger == 0


def test_a_turned_day_is_challenged_at_once_and_the_champion_beaten(tmp_path: Path) -> None:
    demands = made(["a/turned"], turned_at=48) + made(["a/steady"])
    decided: list[tuple[float, str, type]] = []
    for hour in range(0, 27 * 24, 6):
        done = step(tmp_path, demands, hour / 24)
        decided += [(hour / 24, one.unit, type(one.decision)) for one in done.outcomes]
    forced = [(day, unit) for day, unit, kind in decided if kind is Challenge]
    assert 1 <= len(forced) <= 3
    assert {unit for _, unit in forced} == {"a/turned"}
    assert 20 < forced[0][0] <= 21
    standings = Champions(Registry(tmp_path), WeekProfile()).standings
    assert standings["a/turned"].cadence.interval_s <= 3.5 * 86_400
    assert standings["a/steady"].cadence.interval_s == 10.5 * 86_400
    assert standings["a/turned"].adopted_at > BEGIN + 20 * DAY


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y"], turned_at=40)
    registry = Registry(tmp_path / "one")
    champions = Champions(registry, WeekProfile())
    for day in np.arange(0, 16, 0.5):
        kept = beat(champions, registry, demands, now=BEGIN + day * DAY, timezone=BERLIN)
        other = step(tmp_path / "other", demands, float(day))
        # as text: what is not known is NaN, and differs from itself
        assert msgspec.json.encode(other) == msgspec.json.encode(kept)
    standings = [Registry(tmp_path / name).standing("week-profile") for name in ("one", "other")]
    assert standings[0] == standings[1]


def test_what_happens_later_is_not_looked_at(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y"])
    for day in (0, 7, 8):
        closed = len(demands[0].until(BEGIN + day * DAY).values)
        corrupt = [
            msgspec.structs.replace(
                one, values=np.where(np.arange(len(one.values)) < closed, one.values, 1e9)
            )
            for one in demands
        ]
        assert step(tmp_path / "a", demands, day) == step(tmp_path / "b", corrupt, day)
    for version in (1, 2):
        one, other = (Registry(tmp_path / at).training("week-profile", version) for at in "ab")
        assert isinstance(one, Training)
        assert isinstance(other, Training)
        assert one.learned == other.learned


def test_asking_teaches_now_and_puts_to_use(tmp_path: Path) -> None:
    demands = made(["a/x"])
    step(tmp_path, demands, 0)
    step(tmp_path, demands, 7)
    done = step(tmp_path, demands, 7.5, is_asked=True)
    assert [one.decision for one in done.outcomes] == [Retrain(reason=Reason.ASKED)]
    standing = Champions(Registry(tmp_path), WeekProfile()).standings["a/x"]
    assert (standing.champion, standing.challenger) == (3, 0)
    assert kinds(step(tmp_path, demands, 9)) == [Keep]


def test_champions_forecast_as_they_learned_and_strangers_as_if_untaught(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y", "a/new"])
    step(tmp_path, demands[:2], 0)
    model = WeekProfile()
    champions = served(tmp_path, model, is_global=False)
    learned = model.train(demands[:2], issued_at=BEGIN, timezone=BERLIN)
    at = BEGIN + 5 * DAY
    expected = model.forecast_trained(
        learned, demands[:2], issued_at=at, horizon_s=48 * 3600, levels=LEVELS, timezone=BERLIN
    )
    expected += model.forecast(
        demands[2:], issued_at=at, horizon_s=48 * 3600, levels=LEVELS, timezone=BERLIN
    )
    found = issued(champions, demands, 5)
    assert told(found) == told(expected)
    assert {one.levels for one in found} == {LEVELS}
    assert served(tmp_path / "none", model, is_global=False) is model
    naive = SeasonalNaive()
    assert served(tmp_path, naive, is_global=False) is naive


@pytest.mark.parametrize("model", [WeekProfile(), Shared()])
def test_champions_travel_without_their_registry(tmp_path: Path, model: WeekProfile) -> None:
    demands = made(["a/x", "a/y", "b/x", "a/new"])
    step(tmp_path / "kept", demands[:3], 0, model)
    champions = served(tmp_path / "kept", model, is_global=isinstance(model, Shared))
    sent = pickle.dumps(champions)
    before = told(issued(champions, demands, 3))
    (tmp_path / "kept").rename(tmp_path / "elsewhere")
    assert told(issued(pickle.loads(sent), demands, 3)) == before  # noqa: S301


def test_a_damaged_champion_gives_way_to_the_one_before_and_that_is_said(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y"])
    step(tmp_path, demands, 0)
    step(tmp_path, demands, 1, is_asked=True)
    (path,) = (tmp_path / "trained").rglob("00000002.kept")
    before = issued(served(tmp_path, WeekProfile(), is_global=False), demands, 2)
    path.write_bytes(path.read_bytes()[:-9])
    done = step(tmp_path, demands, 2)
    (note,) = done.notes
    assert "00000002.kept: damaged" in note
    assert kinds(done) == [Keep, Keep]
    after = issued(served(tmp_path, WeekProfile(), is_global=False), demands, 2)
    assert told(after) != told(before)
    (path.parent / "00000001.kept").unlink()
    # nothing is left: it is taught anew, and served untaught until then
    untaught = issued(served(tmp_path, WeekProfile(), is_global=False), demands, 2)
    assert told(untaught) == told(issued(WeekProfile(), demands, 2))
    done = step(tmp_path, demands, 2.5)
    assert {one.decision for one in done.outcomes} == {Retrain(reason=Reason.FIRST)}


def test_a_crash_before_the_standing_was_written_loses_nothing(tmp_path: Path) -> None:
    demands = made(["a/x"])
    step(tmp_path, demands, 0)

    class Torn(Registry):
        def save_standing(self, model: str, standing: bytes, **_: object) -> None:
            raise StoreError(f"{model}: the disk is full ({len(standing)} bytes)")

    registry = Torn(tmp_path)
    with pytest.raises(StoreError, match="the disk is full"):
        beat(
            Champions(registry, WeekProfile()), registry, demands,
            now=BEGIN + 7 * DAY, timezone=BERLIN,
        )  # fmt: skip
    assert kinds(step(tmp_path, demands, 7)) == [Retrain]
    assert kinds(step(tmp_path, demands, 8)) == [Judge]


def test_series_that_share_a_model_are_one_unit(tmp_path: Path) -> None:
    demands = [*made(["a/x", "a/y"]), *made(["b/x"])]
    done = step(tmp_path, demands, 0, Shared())
    assert [one.unit for one in done.outcomes] == ["a", "b"]
    versions = [Registry(tmp_path).training("week-profile", at) for at in (1, 2)]
    assert [one.manifest.series for one in versions if isinstance(one, Training)] == [
        ("a/x", "a/y"),
        ("b/x",),
    ]
    assert kinds(step(tmp_path, demands, 7, Shared())) == [Retrain, Retrain]
    assert kinds(step(tmp_path, demands, 8, Shared())) == [Judge, Judge]


def test_a_new_series_of_a_shared_model_is_served_by_it(tmp_path: Path) -> None:
    demands = made(["a/x", "a/y", "a/new"])
    step(tmp_path, demands[:2], 0, Shared())
    learned = Shared().train(demands[:2], issued_at=BEGIN, timezone=BERLIN)
    found = issued(served(tmp_path, Shared(), is_global=True), demands, 3)
    expected = Shared().forecast_trained(
        learned, demands, issued_at=BEGIN + 3 * DAY,
        horizon_s=48 * 3600, levels=LEVELS, timezone=BERLIN,
    )  # fmt: skip
    assert told(found) == told(expected)
    assert kinds(step(tmp_path, demands, 3, Shared())) == [Keep]
    assert kinds(step(tmp_path, demands, 7, Shared())) == [Retrain]
    assert kinds(step(tmp_path, demands, 8, Shared())) == [Judge]


def test_what_another_release_left_is_taught_anew_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demands = made(["a/x", "a/y"])
    step(tmp_path, demands, 0)
    for module in ("train", "champions"):
        monkeypatch.setattr(f"foretide.control.{module}.__version__", "9.9.9")
    done = step(tmp_path, demands, 1)
    assert done.notes == ("week-profile was trained by foretide 0.1.0: it is trained anew",)
    assert {one.decision for one in done.outcomes} == {Retrain(reason=Reason.FIRST)}
    assert step(tmp_path, demands, 2).notes == ()
    registry = Registry(tmp_path)
    registry.save_standing("week-profile", b'{"a/x": 1}', needed=())
    done = step(tmp_path, demands, 3)
    assert "written by another version" in done.notes[0]
    assert len(done.outcomes) == 2


def test_intervals_that_hold_too_much_are_narrowed_without_training(tmp_path: Path) -> None:
    (demand,) = made(["a/x"])
    # no chance is left once it was taught: its intervals hold everything
    calm = 200 * (1 + rhythm(56))
    calm[: 28 * 24] = demand.values[: 28 * 24]
    demands = [msgspec.structs.replace(demand, values=calm)]
    seen = [(day, one) for day in range(24) for one in step(tmp_path, demands, day).outcomes]
    narrowed = [day for day, one in seen if isinstance(one.decision, Reconform)]
    assert narrowed
    assert not [day for day, one in seen if isinstance(one.decision, Challenge)]
    at = narrowed[0]
    step(tmp_path / "then", demands, 0)
    for day in range(1, at):
        step(tmp_path / "then", demands, day)
    wide = issued(served(tmp_path / "then", WeekProfile(), is_global=False), demands, at)
    step(tmp_path / "then", demands, at)
    tight = issued(served(tmp_path / "then", WeekProfile(), is_global=False), demands, at)
    assert told(wide)[0][0] == told(tight)[0][0]
    widths = [float((one.values[:, 2] - one.values[:, 0]).mean()) for one in (wide[0], tight[0])]
    assert widths[1] < 0.9 * widths[0]
    assert np.allclose(wide[0].values[:, 1], tight[0].values[:, 1])


@pytest.mark.slow
def test_two_processes_teach_what_one_does(tmp_path: Path) -> None:
    model = Fleet()
    demands = made([f"a/{at}" for at in range(130)], days=36)
    with part_map(workers=2) as mapped:
        for day in (0, 7, 8):
            done = [
                step(tmp_path / name, demands, day, model, mapped=one)
                for name, one in (("here", here), ("two", mapped))
            ]
            assert done[0] == done[1]
        found = [
            one
            for name, at in (("here", here), ("two", mapped))
            for part in forecast_map(
                served(tmp_path / name, model, is_global=False),
                demands,
                instants=[BEGIN + 8 * DAY],
                horizon_s=86_400,
                levels=LEVELS,
                timezone=BERLIN,
                mapped=at,
            )
            for one in part
        ]
    assert told(found[:130]) == told(found[130:])
    for version in (1, 2, 3, 4):
        one, other = (
            Registry(tmp_path / name).training(model.name, version) for name in ("here", "two")
        )
        assert not isinstance(one, Damaged)
        assert one.learned == other.learned  # type: ignore[union-attr]
        assert one.manifest == other.manifest  # type: ignore[union-attr]


@pytest.mark.parametrize("days", [0, 1, 5, 9])
def test_little_history_is_taught_too(tmp_path: Path, days: int) -> None:
    demands = made(["a/young"])
    young = [
        msgspec.structs.replace(one, start=BEGIN - days * DAY, values=one.values[: 14 * 24].copy())
        for one in demands
    ]
    for day in (0, 1, 7, 8):
        done = step(tmp_path, young, day, Fleet())
        assert done.notes == ()
    assert kinds(done) == [Judge]


def test_odd_series_do_no_harm(tmp_path: Path) -> None:
    demands = made(["a/x", "a/zero", "a/gone", "a/flat", "a/huge"])
    count = len(demands[0].values)
    odd = [np.zeros(count), np.full(count, np.nan), np.full(count, 7.0), np.full(count, 1e15)]
    mixed = [
        demands[0],
        *(
            msgspec.structs.replace(one, values=values)
            for one, values in zip(demands[1:], odd, strict=True)
        ),
    ]
    for day in (0, 7, 8, 12):
        alone, all_ = (
            step(tmp_path / "1", demands[:1], day, Fleet()),
            step(tmp_path / "5", mixed, day, Fleet()),
        )
        assert len(all_.outcomes) == 5
        assert alone.outcomes[0] == all_.outcomes[0]
        assert all_.notes == ()


def test_a_lesson_is_read_as_it_was_written() -> None:
    with pytest.raises(InvalidValueError, match="a lesson must have been written"):
        decoded(b"nonsense")
    from foretide.control.lessons import Task, taught

    task = Task(forecaster=WeekProfile(), demands=made(["a/x"]), issued_at=BEGIN, timezone=BERLIN)
    lesson = taught(task)
    assert encoded(decoded(encoded(lesson))) == encoded(lesson) == encoded(taught(task))


def test_what_keeps_nothing_cannot_be_taught() -> None:
    with pytest.raises(InputError, match="--model seasonal-naive: keeps nothing"):
        trainable(SeasonalNaive())
