"""People who move house: a state that is copied, changed and given on. Written for Kafka, run into files."""

from datetime import datetime

from deep_faker import AddDecay, FileOutput, FlowContext, NewEvent, Select, SetState, Simulation
from deep_faker.base import BaseEvent, Entity, Field, StateField
from deep_faker.outputs import KafkaOutput


class PersonKnown(BaseEvent):
    person_id: str = Field(primary_key=True, faker="uuid4")
    city: str = Field(faker="city")
    at: datetime = Field(faker="now")


class PersonMoved(BaseEvent):
    person_id: str
    from_city: str
    city: str = Field(faker="city")
    at: datetime = Field(faker="now")


class Person(Entity):
    source_event = PersonKnown
    primary_key = "person_id"

    city: str = StateField(from_field="city", type_=str)
    known_since: datetime = StateField(from_field="at", type_=datetime)
    moves: int = StateField(default=0, type_=int)


sim = Simulation(duration="10m", start_time="now", n_flows=2, initial_entities={Person: 0})


@sim.flow(initiation_weight=3.0)
def becoming_known(ctx: FlowContext):
    yield NewEvent(ctx, PersonKnown, save_entity=Person)
    yield AddDecay(ctx, rate=0.7, seconds=30)
    person = ctx.get_selected_entity(Person)
    yield NewEvent(ctx, PersonMoved, from_city=person.city, mutate=SetState(Person, [("moves", "add", 1)]))


@sim.flow(initiation_weight=1.0, filter=Select(Person, where=[("moves", "less_than", 2)]))
def moving(ctx: FlowContext):
    person = ctx.get_selected_entity(Person)
    yield NewEvent(ctx, PersonMoved, from_city=person.city, mutate=SetState(Person, [("moves", "add", 1)]))


sim.add_output(FileOutput("output/addresses.jsonl"))

if __name__ == "__main__":
    sim.add_output(
        KafkaOutput(
            {PersonKnown: "person-known", PersonMoved: "person-moved"},
            bootstrap_servers="localhost:9092",
            client_id="addresses",
            compression_type="gzip",
            max_request_size=1_000_000,
        )
    )
    sim.run()
