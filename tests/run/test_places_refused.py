"""Settings that cannot be meant are refused where they are written: the setting, its value, its line, the mend."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pydantic
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Exponential,
    Field,
    Gamma,
    LogNormal,
    NewEvent,
    Normal,
    Now,
    Pareto,
    Select,
    Simulation,
    StateField,
    Uniform,
)
from deep_faker.errors import DeclarationError, InvalidValueError, RunError, SettingsError
from tests.support.engines import every_engine


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    n: int = 1


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    visits: int = StateField(default=0)
    seen: dt.datetime | None = StateField(default=None)
    mood: str = StateField(default="calm")


class Ctx:
    """Stands for a flow's context."""


def simulation(**settings: Any) -> Simulation:
    sim = Simulation(
        **{"duration": "5s", "start_time": "2024-01-01", "n_flows": 2, "random_seed": 1, **settings}
    )

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Joined)

    return sim


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_flows": 10**12}, "n_flows=1000000000000 | give at most 100,000,000"),
        ({"initial_entities": {User: 10**13}}, "initial_entities[User]=10000000000000 | at most"),
        ({"initial_entities": {"User": 10**30}}, "initial_entities[User]= | at most"),
        ({"start_time": "9999-12-31T23:59:58"}, "5s go beyond the year 9999 | shorter duration"),
        ({"time_step": "10m"}, "time_step='10m' | give at most the duration, 5s"),
        ({"emit_initial_entities": 1}, "emit_initial_entities=1 | True or False"),
        ({"on_end": None}, "on_end=None | 'finish' or 'cut'"),
    ],
)
def test_a_wrong_setting_of_a_simulation(settings, words):
    """Also where it is changed later, and then nothing has changed."""
    for make in (simulation, simulation().change):
        with pytest.raises(SettingsError) as raised:
            make(**settings)
        for word in words.split(" | "):
            assert word in str(raised.value)
    sim = simulation()
    before = repr(sim), sim.duration, sim.time_step
    with pytest.raises(SettingsError):
        sim.change(**{"random_seed": 9, "n_flows": 7, **settings})
    assert (repr(sim), sim.duration, sim.time_step) == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda sim: sim.preview("x"), "wrong n | n='x'"),
        (lambda sim: sim.preview(-1), "wrong n | n=-1"),
        (lambda sim: sim.preview(True), "wrong n | n=True"),
        (lambda sim: sim.run("out", history="yes"), "wrong history | history='yes' | True or False"),
        (lambda sim: sim.collect(history=1), "wrong history | history=1"),
        (lambda sim: sim.compile(history="no"), "wrong history | history='no'"),
        (lambda sim: sim.run("out", progress="x"), "wrong progress | progress='x' | a bar"),
        (lambda sim: sim.run("out", overwrite="no"), "wrong overwrite | overwrite='no'"),
        (lambda sim: sim.run("out", resume=0), "wrong resume | resume=0"),
        (lambda sim: sim.run("x.csv"), "x.csv is the name of one file | --format csv"),
        (lambda sim: sim.run("x.parquet"), "x.parquet is the name of one file | --output x"),
        (lambda sim: sim.run("x.csv.gz"), "x.csv.gz is the name of one file"),
        (lambda sim: sim.run("x.json"), "x.json is the name of one file | x.jsonl"),
        (lambda sim: sim.run("x.jsonl", format="csv"), "format (--format csv) is for folders"),
        (lambda sim: sim.run("-", format="arrow"), "is for folders | JSON lines on standard output"),
        (lambda sim: sim.change(seed=3), "no such setting | seed=3 | did you mean 'random_seed'"),
        (lambda sim: sim.change(n_flow=3), "no such setting | n_flow=3 | did you mean 'n_flows'"),
        (lambda sim: setattr(sim, "time_step", "10m"), "read only | sim.change(time_step='10m')"),
        (lambda sim: setattr(sim, "n_flow", 5), "read only | no attribute 'n_flow' | did you mean 'n_flows'"),
        (lambda sim: setattr(sim, "outputs", []), "read only | sim.add_output"),
    ],
)
def test_a_wrong_argument_of_a_run(call, words, tmp_path, monkeypatch):
    """It is refused before anything is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as raised:
        call(simulation())
    for word in words.split(" | "):
        assert word in str(raised.value)
    assert "test_places_refused.py" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*a key of no entity")
def test_changes_are_checked_together():
    """Settings that fit each other only when both are changed; entities, too."""
    sim = simulation()
    sim.change(duration="1h", time_step="10m")
    sim.change(time_step="1s", duration="10s", initial_entities={User: 3}, emit_initial_entities=False)
    data = sim.collect()
    assert (data.entities[User].height, data[Joined].height) == (3, 20)


@pytest.mark.parametrize(
    "wait",
    [
        {"seconds": 1e300},
        {"weeks": 10**9},
        {"seconds": LogNormal(500, 1)},
        {"days": LogNormal(1000, 1)},
        {"seconds": Exponential(1e15)},
        {"hours": Normal(1e12, 1)},
        {"seconds": Uniform(0, 1e300)},
        {"seconds": Gamma(1e200, 1e200)},
        {"seconds": Pareto(2, minimum=1e20)},
        {"seconds": Choice([1e300, 1e301])},
    ],
    ids=str,
)
def test_waits_that_are_longer_than_the_calendar(wait):
    """Refused at declaration, as what no run can come to."""
    with pytest.raises(DeclarationError, match="longer than the calendar"):
        AddDecay(Ctx(), **wait)


def test_long_waits_are_fine():
    """A life is no mistake, and a distribution may have a long tail."""
    for wait in ({"days": 36500}, {"seconds": LogNormal(15, 3)}, {"weeks": Exponential(5000)}):
        AddDecay(Ctx(), **wait)


@pytest.mark.parametrize(
    ("field", "bounds"),
    [
        ("visits", (3, 1)),
        ("visits", [1.5, 1]),
        ("mood", ("b", "a")),
        ("seen", (dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 1))),
        ("seen", (Now(), Now() - dt.timedelta(days=1))),
    ],
)
def test_an_empty_range(field, bounds):
    """`between` takes the smaller one first."""
    with pytest.raises(DeclarationError, match="an empty range"):
        Select(User, where=[(field, "between", bounds)])
    Select(User, where=[(field, "between", tuple(reversed(bounds)))])
    Select(User, where=[(field, "between", (bounds[0], bounds[0]))])


@pytest.mark.parametrize("more", [{"default": 1}, {"default_factory": int}])
def test_two_first_values_of_a_state_field(more):
    """One would be dropped in silence."""
    with pytest.raises(DeclarationError, match=r"from_field='n' or with default\w*, not both"):
        StateField(from_field="n", **more)


class Checked(BaseEvent):
    n: int = 1

    @pydantic.field_validator("n")
    @classmethod
    def check(cls, value):
        return 6 // (value - 1) + len(None if value == 3 else "x")


@every_engine
@pytest.mark.parametrize("n_flows", [2, 200])
@pytest.mark.parametrize(
    ("n", "words"), [(1, "ZeroDivisionError: integer"), (3, "TypeError: object of type")]
)
def test_a_validator_that_raises_any_error(n, words, n_flows, engine):
    """Pydantic lets all but ValueError through: the event, the value and the flow's line are said."""
    sim = simulation(n_flows=n_flows)

    @sim.flow(initiation_weight=1e9)
    def broken(ctx):
        value = random.randint(n, n)
        yield NewEvent(ctx, Checked, n=value)

    with pytest.raises(InvalidValueError) as raised:
        sim.collect(engine=engine)
    assert f"its validator raised {words}" in str(raised.value)
    assert "yield NewEvent(ctx, Checked, n=value)" in str(raised.value)


def test_too_little_memory(monkeypatch):
    """It is said with what takes it."""

    def none_left(*_, **__):
        raise MemoryError("Unable to allocate 7 TiB")

    for module in ("runner", "pulling"):
        monkeypatch.setattr(f"deep_faker.run.{module}.engine_for", none_left)
    for run in (Simulation.collect, Simulation.preview, lambda sim: sim.run("out")):
        with pytest.raises(RunError, match=r"n_flows=2.*, 0 initial entities: Unable to allocate 7 TiB"):
            run(simulation())


def test_one_file_of_lines_and_standard_output_by_name(tmp_path, monkeypatch, capfdbinary):
    """`events.jsonl` and `-` mean what they say, in Python as on the command line."""
    monkeypatch.chdir(tmp_path)
    simulation().run("events.jsonl", progress=False)
    simulation().run("-", progress=False)
    assert (tmp_path / "events.jsonl").read_bytes() == capfdbinary.readouterr().out
    (tmp_path / "old.parquet").mkdir()  # a folder of such a name is a folder
    simulation().run("old.parquet", progress=False)
    assert (tmp_path / "old.parquet" / "manifest.json").is_file()
