"""A part of a world is a pure function of (program, seed, P, p), on every engine; what cannot be divided is refused."""

from __future__ import annotations

import pytest

from deep_faker import BaseEvent, Entity, Field, NewEvent, Simulation
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, DeepFakerError, SettingsError
from deep_faker.outputs import MemoryOutput
from deep_faker.plan.parts import WorldPart, plan_of
from deep_faker.run.runner import run_plan
from tests.support.engine_agreement import compiled, differences, load_text
from tests.support.engines import engines_for, every_engine
from tests.support.programs.source_behaviour import behaviour_text
from tests.support.programs.source_flows import module_text
from tests.support.worlds.part_world import PartUser, part_shop, with_live_flow

UNIQUE = {"events/PartJoined": ("mail", "number"), "events/PartBought": ("order",)}


def tables(plan, seed, engine, part):
    """Every table of one part, or the error that ended it."""
    memory = MemoryOutput()
    try:
        run_plan(plan, seed=seed, outputs=[memory], engine=engine, owner=None, part=part)
    except DeepFakerError as error:
        return error
    return {name: memory.table(name) for name in memory.names()}


def repeated(parts, names=UNIQUE):
    """The columns that must be different over all parts, and are not."""
    wanted = {**{name: () for part in parts for name in part if name.startswith("events/")}, **names}
    columns = {(name, column) for name, more in wanted.items() for column in ("sys__eid", *more)}
    columns |= {(name, part[name].column_names[0]) for part in parts for name in part if "entities/" in name}
    columns.add(("sessions", "sys__sid"))
    wrong = []
    for name, column in sorted(columns):
        values = [value for part in parts for value in part[name][column].to_pylist()]
        if len(set(values)) != len(values):
            wrong.append(f"{name}.{column}")
    return wrong


@pytest.mark.filterwarnings("ignore::deep_faker.errors.EmptyWorldWarning")
@pytest.mark.parametrize("first", [0, 15, 30])
def test_parts_of_random_programs_agree_on_all_engines(first, tmp_path):
    """All engines make the same parts, and no id or key of one is in another."""
    whole = [agree_in_parts(module_text(seed), seed, tmp_path) for seed in range(first, first + 15)]
    assert sum(whole) >= 2


@pytest.mark.filterwarnings("ignore::deep_faker.errors.EmptyWorldWarning")
@pytest.mark.parametrize("seed", [2, 15, 20])
def test_parts_of_programs_that_behave_agree_on_all_engines(seed, tmp_path):
    """The same with arrivals, clocks of entities, queues, lists and who retires."""
    assert agree_in_parts(behaviour_text(seed), seed, tmp_path)


def agree_in_parts(text, seed, folder):
    """Whether no part of the program stops; raises where engines differ, or parts share an id."""
    sim = load_text(text, folder)
    plan = compiled(sim, history=seed % 3 != 0)
    made = []
    for part in (WorldPart(1, 2), WorldPart(0, 2)):
        by = {name: tables(plan, sim.random_seed, name, part) for name in engines_for(plan)}
        for name, result in by.items():
            found = differences(result, by["reference"])
            assert not found, f"case {seed}, part {part.number}, {name}\n" + "\n".join(found)
        made.append(by["reference"])
    if any(isinstance(part, Exception) for part in made):
        return False
    assert not repeated(made, {}), seed
    return True


@every_engine
def test_ids_keys_sequences_and_unique_fields_are_right_over_all_parts(engine):
    """No value twice; entities, and the ceiling of flows, are divided with remainders to the first parts."""
    sim = part_shop(on_end="cut")
    plan = sim.compile()
    parts = [tables(plan, 4, engine, WorldPart(number, 4)) for number in range(4)]
    assert repeated(parts) == []
    joined = [part["events/PartJoined"]["number"].to_pylist() for part in parts]
    assert all({number % 4 for number in numbers} == {place} for place, numbers in enumerate(joined))
    settings = [plan_of(plan, WorldPart(number, 4)).settings for number in range(4)]
    assert [s.n_flows for s in settings] == [8, 8, 7, 7]
    assert [dict(s.initial)["PartUser"] for s in settings] == [6, 6, 5, 5]
    counts = [part["events/PartBought"].num_rows for part in parts]
    assert min(counts) > 50
    assert len({str(part["events/PartBought"]["price"].to_pylist()) for part in parts}) == 4


def test_what_the_test_above_would_find():
    """Parts that forget their number repeat ids and values: the check says so."""
    plan = part_shop().compile()
    one = tables(plan, 4, "numpy", WorldPart(1, 4))
    wrong = repeated([one, one])
    assert {"events/PartBought.order", "events/PartJoined.mail", "entities/PartUser.user_id"} <= set(wrong)


@every_engine
def test_the_only_part_of_one_is_the_world_as_ever(engine):
    """P = 1: the bytes of a run without parts."""
    plan, memory = part_shop().compile(), MemoryOutput()
    run_plan(plan, seed=4, outputs=[memory], engine=engine, owner=None)
    whole = tables(plan, 4, engine, WorldPart(0, 1))
    assert {name: memory.table(name) for name in memory.names()} == whole
    assert Draws(4).key("x") == Draws(4, 0, 1).key("x")


def test_starts_in_each_step_are_divided():
    """`starts_per_step` has no ceiling beside it: each part starts its share."""
    plan = part_shop(n_flows=None, starts_per_step=3).compile()
    assert [plan_of(plan, WorldPart(number, 2)).settings.starts_per_step for number in (0, 1)] == [2, 1]
    assert plan_of(plan, WorldPart(0, 2)).settings.n_flows is None


@pytest.mark.parametrize(
    ("settings", "most"),
    [({"n_flows": 3}, "n_flows=3"), ({"initial_entities": {PartUser: 2}}, r"initial_entities\[PartUser\]=2"),
     ({"n_flows": None, "starts_per_step": 2}, "starts_per_step=2")],
)  # fmt: skip
def test_what_is_too_little_to_be_divided_is_refused(settings, most, tmp_path):
    """With the name and the largest number of parts; nothing is written."""
    with pytest.raises(SettingsError, match=rf"partitions=4(.|\n)*take at most \d: {most}"):
        part_shop(**settings).run(tmp_path / "out", partitions=4)
    assert list(tmp_path.iterdir()) == []


class GivenKey(BaseEvent):
    user: str = ""


class Given(Entity):
    source_event = GivenKey
    primary_key = "user"


class Colliding(BaseEvent):
    user: str = Field(faker="first_name")


class Collided(Entity):
    source_event = Colliding
    primary_key = "user"


@pytest.mark.parametrize("entity", [Given, Collided])
def test_keys_that_no_part_can_know_are_refused_by_name(entity, tmp_path):
    """A key that a flow gives, and a generator that may give one twice."""
    sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=4, random_seed=1)

    @sim.flow()
    def make(ctx):
        if entity is Given:
            yield NewEvent(ctx, GivenKey, user=f"{ctx.current_time}", save_entity=Given)
        else:
            yield NewEvent(ctx, Colliding, save_entity=Collided)

    with pytest.raises(DeclarationError, match=rf"{entity.__name__}\.user(.|\n)*unique=True"):
        sim.run(tmp_path / "out", partitions=2)
    assert list(tmp_path.iterdir()) == []


def test_flows_that_run_as_generators_have_parts():
    """What cannot be compiled has draws of its part, too."""
    plan = with_live_flow(part_shop(duration="2m")).compile()
    assert any(flow.live for flow in plan.flows)
    parts = [tables(plan, 4, "vectorized", WorldPart(number, 2)) for number in (0, 1)]
    assert "twice" in parts[1]["sessions"]["flow"].to_pylist()
    assert repeated(parts) == []
    assert parts[1] == tables(plan, 4, "reference", WorldPart(1, 2))
