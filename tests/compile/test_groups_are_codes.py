"""Which group somebody is in is a code, as what a `Choice` draws: the kernel compares it without Python."""

from __future__ import annotations

import pytest

from deep_faker import BaseEvent, Choice, Entity, Field, NewEvent, Select, Simulation, StateField
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.people import Segments


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    city: str = Field(faker="city")


class Told(BaseEvent):
    user_id: str
    often: bool


@pytest.mark.parametrize(
    ("drawn", "kind"), [(Segments({"a": 1, "b": 3}), "code"), (Choice(["a", "b"]), "code"), (None, "str")]
)
def test_a_trait_of_known_texts_is_a_code(drawn: Distribution | None, kind: str):
    """A city of any name is none."""

    class User(Entity):
        source_event = Joined
        primary_key = "user_id"

        group: str = StateField(from_field="city") if drawn is None else StateField(draw=drawn)

    sim = Simulation("1h", "2024-01-01", random_seed=1, initial_entities={User: 20})

    @sim.flow(rate="60/h", filter=Select(User))
    def tell(ctx):
        yield NewEvent(ctx, Told, often=ctx.get_entity(User).group == "b")

    [column] = sim.compile().entities["User"].columns
    assert column.type.kind == kind
    native, plain = (sim.collect(engine=engine) for engine in ("native", "reference"))
    assert native[Told].equals(plain[Told])
    groups = native[Told].join(native.entities[User], on="user_id")
    assert (groups["often"] == (groups["group"] == "b")).all()
