"""Values that engines once made differently, with what they have to be."""

from __future__ import annotations

import pytest

from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

HEAD = """
from typing import Optional
from pydantic import field_validator
from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, SetState, Simulation, StateField

class Made(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="random_element", elements=["ann"])

    @field_validator("name")
    @classmethod
    def marked(cls, value):
        return value + "!"

class User(Entity):
    source_event = Made
    primary_key = "user_id"
    name: str = StateField(from_field="name", type_=str)
    seen: str = StateField(default="", type_=str)
    happy: Optional[bool] = StateField(default=True, type_=Optional[bool])

class Said(BaseEvent):
    user_id: str
    word: str = Field(faker="random_element", elements=["oh"])

    @field_validator("word")
    @classmethod
    def marked(cls, value):
        return value + "?"

class Count(BaseEvent):
    number: Optional[int] = None

sim = Simulation(duration="5s", start_time="2024-01-01", n_flows=2, random_seed=1, initial_entities={User: 3})
"""


@pytest.fixture
def run(tmp_path):
    """Runs the flows on every engine that can; the tables that all of them make."""

    def run(flows: str):
        plan = compiled(load_text(HEAD + flows, tmp_path))
        made = {name: tables(plan, 1, name) for name in engines_for(plan)}
        for name, result in made.items():
            assert not (found := differences(result, made["reference"])), (name, found)
        return made["reference"]

    return run


def _column(tables, table, name):
    return set(tables[table][name].to_pylist())


@pytest.mark.parametrize("given", ["", ', word="hm"'])
def test_v1_validators_run_once_and_state_sees_their_result(run, given):
    """For generated and for given values, of initial events and of later ones."""
    made = run(f"""
@sim.flow(filter=Select(User))
def talk(ctx):
    yield NewEvent(ctx, Said{given}, mutate=SetState(User, [("seen", "is", ctx.current_event_data["word"])]))
    yield AddDecay(ctx, seconds=2)
""")
    word = "hm?" if given else "oh?"
    assert _column(made, "events/Made", "name") == {"ann!"}
    assert _column(made, "entities/User", "name") == {"ann!"}
    assert _column(made, "events/Said", "word") == {word}
    assert word in _column(made, "entities/User", "seen")


def test_v1_a_birth_copies_what_the_validator_returns(run):
    """Also where the flow gives the value."""
    made = run("""
@sim.flow()
def register(ctx):
    yield NewEvent(ctx, Made, name="bob", save_entity=User)
    yield NewEvent(ctx, Made, save_entity=User)
""")
    assert _column(made, "events/Made", "name") == {"ann!", "bob!"}
    assert _column(made, "entities/User", "name") == {"ann!", "bob!"}


def test_s2_none_in_a_truth_value_stays_none(run):
    """Not False."""
    made = run("""
@sim.flow(filter=Select(User))
def forget(ctx):
    yield SetState(User, [("happy", "is", None)])
    yield AddDecay(ctx, seconds=9)
""")
    assert None in _column(made, "entities/User", "happy")
    assert False not in _column(made, "entities/User", "happy")


def test_f2_a_bare_return_gives_none(run):
    """Beside a return of a value, in a part that a flow yields from."""
    made = run("""
def part(ctx, number):
    yield AddDecay(ctx, seconds=1)
    if number > 1:
        return
    return number

@sim.flow()
def count(ctx):
    for number in range(3):
        found = yield from part(ctx, number)
        yield NewEvent(ctx, Count, number=found)
""")
    assert _column(made, "events/Count", "number") == {0, 1, None}
