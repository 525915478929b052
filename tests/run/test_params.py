"""R12: parameters that flows read, and that a run may set anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.cli_options import loaded
from deep_faker.errors import DeclarationError, SettingsError
from deep_faker.parts import shipment_of
from deep_faker.run.checkpoints.fingerprint import differences, fingerprint
from deep_faker.run.parted.job import PartsJob
from deep_faker.write.files.folder import ParquetOutput
from tests.support.engines import every_engine

DEFAULTS = {"discount": 0.1, "visits": 60, "word": "plain", "sells": True}


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Bought(BaseEvent):
    user_id: str
    price: float
    note: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    spent: float = StateField(default=0.0, type_=float)


def price(ctx):
    return 10 * (1 - ctx.params["discount"])


def shop(**settings) -> Simulation:
    usual = {"start_time": "2024-01-01", "time_step": "1m", "random_seed": 3, "params": DEFAULTS}
    sim = Simulation(**({"duration": "2h", "initial_entities": {User: 20}, **usual} | settings))

    @sim.flow(rate="{visits}/h", filter=Select(User))
    def visit(ctx):
        if ctx.params.sells and random.random() < 0.5 + ctx.params.discount:
            paid = price(ctx)
            change = SetState(User, [("spent", "add", paid)])
            yield NewEvent(ctx, Bought, price=paid, note=ctx.params.word, mutate=change)
        yield AddDecay(ctx, minutes=3 * (1 + ctx.params.discount))

    return sim


sim = shop()  # under a name, for workers that load this module


@every_engine
@pytest.mark.parametrize("params", [{"discount": 0}, {"word": "b", "visits": 9}, {"sells": False}], ids=str)
def test_r12_a_run_has_the_parameters_that_it_is_given(engine, params):
    """They are what the same program would do that declares them; the simulation's own stay."""
    shop_ = shop()
    given = shop_.collect(engine=engine, params=params)
    assert shop_.params == DEFAULTS
    declared = shop(params=DEFAULTS | params).collect(engine="reference")
    assert given[Bought].equals(declared[Bought])
    assert given.sessions.equals(declared.sessions)
    assert given.entities[User].equals(declared.entities[User])
    assert not given[Bought].equals(shop_.collect(engine=engine)[Bought])


def test_r12_they_are_constants_of_the_table():
    """A flow that reads them is compiled as one that has the numbers in its place, and `explain` tells them."""
    text = str(shop().explain())
    assert "params       discount=0.1, visits=60, word='plain', sells=True" in text
    assert "wait 3m18s" in text
    assert "rate 60/h" in text
    assert "1 of 1 compiled" in text


def test_r12_names_and_types_are_checked():
    """What is unknown is answered with the nearest name, by the run and where a flow says it."""
    world = shop()
    for params, words in (
        ({"discuont": 1}, "did you mean 'discount'"),
        ({"sells": 3}, "True or False"),
        ({"visits": 1.5}, "a whole number"),
        ({"discount": float("nan")}, "finite"),
        (7, "names and values"),
    ):
        with pytest.raises(SettingsError, match=words):
            world.collect(params=params)
    with pytest.raises(SettingsError, match="declares none"):
        shop(params=None).collect(params={"discount": 1})
    for params in ({"a b": 1}, {"items": 1}, {"_x": 1}, {"x": None}, {"class": 1}, [1]):
        with pytest.raises(SettingsError, match="wrong params"):
            Simulation(params=params)
    with pytest.raises(DeclarationError, match="rate='-1/h'"):
        world.collect(params={"visits": -1})

    @world.flow(rate="1/h")
    def other(ctx):
        yield NewEvent(ctx, Bought, user_id="x", price=ctx.params.discuont, note="")

    with pytest.raises(DeclarationError, match="did you mean 'discount'"):
        world.collect()

    world.remove_flow("other")

    @world.flow(rate="{visit}/h")
    def another(ctx):
        yield NewEvent(ctx, Bought, user_id="x", price=1.0, note="")

    with pytest.raises(DeclarationError, match="did you mean 'visits'"):
        world.collect()


def test_r12_live_flows_read_them():
    """A flow that runs as a generator has the same context."""
    world = shop()

    @world.flow(rate="30/h")
    def live(ctx):
        words = iter([ctx.params.word])
        for word in words:
            yield NewEvent(ctx, Bought, user_id="x", price=price(ctx), note=word)

    assert [flow.live is None for flow in world.compile().flows] == [True, False]
    rows = [world.collect(engine=engine, params={"word": "w"})[Bought] for engine in ("numpy", "reference")]
    assert rows[0].equals(rows[1])
    assert rows[0]["note"].unique().to_list() == ["w"]


def test_r4_other_parameters_are_another_run():
    """A run is resumed with the parameters that it began with: a refusal names what differs."""
    world = shop()
    plans = [
        world.plan_at(0, history=False, params=params) for params in (None, {"visits": 60}, {"visits": 9})
    ]
    parts = [fingerprint(plan, seed=1, versions={}) for plan in plans]
    assert not differences(parts[0], parts[1])
    (line,) = (line for line in differences(parts[0], parts[2]) if "params" in line)
    assert "('visits', 60)" in line.partition(" and is ")[0]
    assert "('visits', 9)" in line.partition(" and is ")[2]


def test_r12_a_run_goes_on_with_them(tmp_path: Path):
    """The manifest keeps them, and a run that keeps checkpoints has the same rows."""
    world = shop(duration="20h")
    kept = {"checkpoint_every": 200, "checkpoint": tmp_path / "kept", "progress": False}
    world.run(tmp_path / "out", params={"word": "w"}, **kept)
    ds = Dataset.open(tmp_path / "out")
    assert ds.manifest["settings"]["params"] == DEFAULTS | {"word": "w"}
    assert ds[Bought].equals(world.collect(params={"word": "w"})[Bought])


def test_r12_parts_have_them(tmp_path: Path):
    """Each part is a part of that world, and a worker in another process is told of them."""
    sim.run(tmp_path / "out", partitions=2, workers=2, params={"word": "w"}, progress=False)
    ds = Dataset.open(tmp_path / "out")
    assert ds.manifest["settings"]["params"]["word"] == "w"
    assert ds[Bought]["note"].unique().to_list() == ["w"]
    plan = sim.plan_at(0, history=False, params={"word": "w"})
    job = PartsJob(plan, 3, "numpy", 2, ParquetOutput(tmp_path / "other"))
    shipment = shipment_of(sim, job, history=False)
    assert shipment is not None
    assert shipment.settings["params"] == DEFAULTS | {"word": "w"}


def test_p5_the_command_line_sets_them(tmp_path: Path):
    """``--param name=value``, read as the default's type."""
    file = tmp_path / "world.py"
    file.write_text(f"from deep_faker import Simulation\nsim = Simulation(params={DEFAULTS!r})\n")
    world = loaded(str(file), param=["discount=1", "sells=no", "word=a=b"])
    assert world.params == {"discount": 1.0, "visits": 60, "word": "a=b", "sells": False}
    for wrong, words in (
        ("discount", "a name and a value"),
        ("visits=many", "a whole number"),
        ("vists=1", "did you mean 'visits'"),
        ("sells=3", "True or False"),
    ):
        with pytest.raises(SettingsError, match=words):
            loaded(str(file), param=[wrong])
