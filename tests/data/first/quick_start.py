"""The shortest program of the first deep_faker's kind: visitors of a museum, on standard output."""

from deep_faker import BaseEvent, Entity, Field, FlowContext, NewEvent, Simulation, StateField, StdOutOutput


class TicketScanned(BaseEvent):
    visitor_id: str = Field(faker="shortuuid", length=8)
    scanned_at: str = Field(faker="date_time")
    gate: str = Field(faker="random_element", elements=["north", "south", "garden"])


class Visitor(Entity):
    source_event = TicketScanned
    primary_key = "visitor_id"

    visits: int = StateField(default=0, type_=int)
    last_gate: str = StateField(type_=str)


sim = Simulation(duration="1m", n_flows=2, initial_entities={Visitor: 4})


@sim.flow(initiation_weight=1.0)
def entering(ctx: FlowContext):
    yield NewEvent(ctx, TicketScanned, save_entity=Visitor)


sim.add_output(StdOutOutput())

if __name__ == "__main__":
    sim.run()
