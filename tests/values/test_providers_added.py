"""Provider classes that users bring: by column like Faker's own, in every engine, and refused where they are none."""

from __future__ import annotations

import datetime as dt
import random
from random import choice

import numpy as np
import pytest
from faker import Faker
from faker.providers import BaseProvider, DynamicProvider

from deep_faker import BaseEvent, Entity, Field, FlowContext, NewEvent, Simulation, StateField
from deep_faker.declare.schema import event_spec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, OutputError
from deep_faker.run.checkpoints.fingerprint import digest
from deep_faker.values import Place, make
from tests.support.two_samples import MOST_VIEWS, compare
from tests.support.worlds.provider_world import START, rows

CARS = [{"make": "Audi", "year": 2001}, {"make": "Ford", "year": 1998}, {"make": "Ford", "year": 2003}]


class Garage(BaseProvider):
    """What community providers do: data of their own, Faker's methods, and chance of several sources."""

    def car(self):
        return choice(CARS)

    def car_make(self):
        return self.car()["make"]

    def plate(self, prefix="X"):
        return f"{prefix}-{self.random_int(100, 999)}-{self.generator.country_code()}"

    def label(self):
        kind = self.random_element(["A", "B"])
        count = self.random_int(1, 3) if kind == "A" else 9
        return f"{kind}{count:02d}-{self.generator.country_code()}"

    def bay(self):
        return random.randint(1, 40)

    def checked(self):
        return dt.date.today() - dt.timedelta(days=self.random_int(0, 3))

    def jumbled(self):
        """Not to be followed: a pool."""
        return "".join(sorted(str(hash(self.generator.random.random()))))


COLOURS = DynamicProvider("paint", ["red", "red", "blue"])
METHODS = {
    "car_make": Garage,
    "plate": Garage,
    "bay": Garage,
    "label": Garage,
    "checked": Garage,
    "paint": COLOURS,
}
VALUES, FALSE_ALARMS = 5_000, 1e-3
LEAST = FALSE_ALARMS / (len(METHODS) * MOST_VIEWS)


def made(name, added=Garage, **arguments):
    class Event(BaseEvent):
        value: object = Field(faker=name, provider=added, **arguments)

    generator = event_spec(Event).by_name["value"].generator
    assert generator is not None
    return make(generator, Place(Draws(1), ("field", "E", name), START))


@pytest.mark.parametrize("name", METHODS)
def test_v3_an_added_method_is_by_column_and_distributed_as_in_faker(name):
    """False alarms: one in a thousand sets of seeds, over all methods and views."""
    ours = made(name, METHODS[name])
    assert ours.how == "column"
    fake = Faker()
    fake.add_provider(METHODS[name])
    fake.seed_instance(7)
    random.seed(7)
    method = getattr(fake, name)
    theirs = [method() for _ in range(VALUES)]
    if name == "checked":  # today is the start
        shift = (dt.date.today() - dt.date(2025, 8, 10)).days
        theirs = [value - dt.timedelta(days=shift) for value in theirs]
    assert min(compare(ours.column_objects(rows(0, VALUES)), theirs).values()) > LEAST


def test_v3_what_cannot_be_followed_is_a_pool_with_the_same_values_every_time():
    first, second = made("jumbled"), made("jumbled")
    assert first.how == "pool"
    assert first.column(rows(0, 50)).to_pylist() == second.column(rows(0, 50)).to_pylist()


def test_arguments_reach_an_added_method():
    assert all(value.startswith("Z-") for value in made("plate", prefix="Z").column(rows(0, 50)).to_pylist())
    with pytest.raises(DeclarationError, match=r"plate has no argument 'prefx'"):
        made("plate", prefx="Z")


def test_an_added_method_does_not_reach_other_fields():
    """Faker's generators are shared by all simulations: a class is there for the fields that name it."""
    made("plate")
    with pytest.raises(DeclarationError, match="no provider 'plate'"):
        made("plate", None)


def test_an_added_method_wins_over_fakers():
    class Names(BaseProvider):
        def name(self):
            return self.random_element(["Ann", "Bob"])

        def boolean(self):
            return self.random_element(["yes", "no"])

    assert set(made("name", Names).column(rows(0, 60)).to_pylist()) == {"Ann", "Bob"}
    assert set(made("boolean", Names).column(rows(0, 60)).to_pylist()) == {"yes", "no"}
    assert set(made("boolean", None).column(rows(0, 60)).to_pylist()) == {True, False}


def test_e2_both_engines_give_the_same_values_and_state():
    class Arrived(BaseEvent):
        plate: str = Field(faker="plate", provider=Garage)
        car: dict = Field(faker="car", provider=Garage)
        tags: list[str] = Field(faker="words")
        rgb: tuple[int, int, int] = Field(faker="color_hsl")
        seen: set[str] = Field(faker="words")
        counts: dict[str, int] = Field(faker="pydict", value_types=[int], nb_elements=2)

    class Left(BaseEvent):
        plate: str
        make: str
        tag: str
        tags: list[str]

    class Car(Entity):
        source_event = Arrived
        primary_key = "plate"
        car: dict = StateField(from_field="car", type_=dict)
        tags: list = StateField(from_field="tags", type_=list)

    sim = Simulation("60s", "2024-01-01", n_flows=3, random_seed=4)

    @sim.flow()
    def stay(ctx: FlowContext):
        yield NewEvent(ctx, Arrived, save_entity=Car)
        car = ctx.get_entity(Car)
        yield NewEvent(ctx, Left, make=car.car["make"], tag=car.tags[0], tags=car.tags)

    first, second = sim.collect(), sim.collect(engine="reference")
    for name in ("Arrived", "Left"):
        assert first[name].height > 20
        assert first[name].equals(second[name])
    assert first.entities["Car"].equals(second.entities["Car"])
    left, arrived = first["Left"], first["Arrived"]
    together = left.join(arrived, on="plate", suffix="_then")
    assert together.height == left.height
    assert together["tags"].equals(together["tags_then"].alias("tags"))
    assert (together["tags"].list.first() == together["tag"]).all()
    assert {make in car for make, car in zip(together["make"], together["car"], strict=True)} == {True}
    assert all(len(tags) == 3 and max(map(len, tags)) > 1 for tags in arrived["tags"].to_list())


@pytest.mark.parametrize(
    ("annotation", "options", "start"),
    [
        (list, {"faker": "words"}, '["'),
        (list[str], {"faker": "sentences"}, '["'),
        (list[int], {"faker": "pylist", "value_types": [int]}, "["),
        (list[float], {"faker": "latlng"}, "["),
        (list[int] | None, {"faker": "random_choices", "elements": [1, 2], "length": 3}, "["),
        (dict, {"faker": "simple_profile"}, '{"username"'),
        (dict | None, {"faker": "simple_profile"}, '{"username"'),
        (dict[str, int], {"faker": "pydict", "value_types": [int]}, '{"'),
        (tuple, {"faker": "color_hsl"}, "["),
        (tuple[int, int, int], {"faker": "color_hsl"}, "["),
        (set[str], {"faker": "words"}, '["'),
        (object, {"faker": "simple_profile"}, '{"username"'),
        (str, {"faker": "color_hsl"}, '"['),
        (str, {"faker": "random_digit_or_empty"}, '"'),
    ],
)
def test_v1_nested_values_are_of_the_annotated_type(annotation, options, start):
    """In JSON they are nested, not texts of JSON; in Python they satisfy the event's model again."""
    import json

    event = type(
        "Nested",
        (BaseEvent,),
        {"__annotations__": {"x": annotation}, "x": Field(**options), "__module__": __name__},
    )
    sim = Simulation("20s", "2024-01-01", n_flows=2, random_seed=4)

    @sim.flow()
    def make(ctx: FlowContext):
        yield NewEvent(ctx, event)

    for line in sim.preview(10):
        shown = line[line.index('"x":') + 4 :]
        assert shown.startswith(start), shown
        value = json.loads(line)["x"]
        event.model_validate({"x": value})
        if annotation is str:
            assert '"' not in value


def test_v1_bytes_are_bytes_in_columns_and_text_in_json():
    """JSON lines have the text that they are in UTF-8, and no other bytes."""

    class Sealed(BaseEvent):
        x: bytes = Field(faker="binary", length=4)

    sim = Simulation("20s", "2024-01-01", n_flows=2, random_seed=4)

    @sim.flow()
    def make(ctx: FlowContext):
        yield NewEvent(ctx, Sealed)

    assert {len(value) for value in sim.collect()[Sealed]["x"]} == {4}
    with pytest.raises(OutputError, match=r"is no UTF-8, and text is all that is written here"):
        sim.preview(10)


def test_v1_a_value_of_another_shape_is_refused():
    class Wrong(BaseEvent):
        x: dict = Field(faker="name")

    sim = Simulation("20s", "2024-01-01", n_flows=2, random_seed=4)

    @sim.flow()
    def make(ctx: FlowContext):
        yield NewEvent(ctx, Wrong)

    with pytest.raises(Exception, match="x: Input should be a valid dictionary"):
        sim.collect()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"faker": "plate", "provider": "Garage"}, "got 'Garage'"),
        ({"mimesis": "person.name", "provider": Garage}, "mimesis= knows no such classes"),
        ({"faker": "email", "of": "name", "provider": Garage}, "of= has methods of its own"),
        ({"provider": Garage}, "'provider' belongs to a provider"),
    ],
)
def test_wrong_provider_arguments_are_refused_where_they_stand(options, said):
    with pytest.raises(DeclarationError) as raised:
        Field(**options)
    assert said in str(raised.value)
    assert "test_providers_added.py" in str(raised.value)


def test_a_class_that_is_no_provider_is_refused():
    with pytest.raises(DeclarationError, match=r"no subclass of faker\.providers\.BaseProvider"):
        made("plate", dict)


def test_a_resumed_run_notices_other_elements():
    """The fingerprint of a run sees what a DynamicProvider chooses from."""
    same = DynamicProvider("paint", ["red", "red", "blue"])
    assert digest(COLOURS) == digest(same) != digest(DynamicProvider("paint", ["red", "blue"]))


def test_r1_values_do_not_depend_on_the_batch():
    whole = made("plate").column(rows(0, 90)).to_pylist()
    pieces = [made("plate").column(rows(at, 30)).to_pylist() for at in (0, 30, 60)]
    assert np.concatenate(pieces).tolist() == whole
