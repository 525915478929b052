"""A walk through everything, as a user guide takes it: a club with rooms, members and bookings."""

from datetime import datetime, timedelta

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    EntityManager,
    Field,
    FileOutput,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    StdOutOutput,
)


class MemberEntered(BaseEvent):
    member_id: str = Field(primary_key=True, faker="uuid4")
    email: str = Field(faker="email")
    entered_on: datetime = Field(faker="now")
    plan: str = Field(faker="random_element", elements=["guest", "full", "honorary"])


class MemberSignedIn(BaseEvent):
    member_id: str
    visit_id: str = Field(faker="uuid4")
    at: datetime = Field(faker="now")


class RoomBooked(BaseEvent):
    member_id: str
    room_id: str
    booking: str
    hours: int = Field(faker="random_int", min=1, max=4)


class BookingPaid(BaseEvent):
    member_id: str
    booking: str
    amount: float


class Member(Entity):
    source_event = MemberEntered
    primary_key = "member_id"

    is_in: bool = StateField(default=False, type_=bool)
    booking: str = StateField(default=None, type_=str)
    plan: str = StateField(from_field="plan", type_=str)
    sign_ins: int = StateField(default=0, type_=int)
    paid: float = StateField(default=0.0, type_=float)
    last_seen: datetime = StateField(default=None, type_=datetime)


class Room(Entity):
    source_event = None
    primary_key = "room_id"

    name: str = StateField(type_=str)
    price: float = StateField(type_=float)
    free_hours: int = StateField(default=90, type_=int)


sim = Simulation(
    duration="2m",
    start_time="now",
    time_step="1s",
    n_flows=3,
    random_seed=42,
    initial_entities={Member: 10, Room: 5},
)


def managed(manager: EntityManager) -> int:
    """What looks at all entities."""
    return len(manager.get_available_entities(Room))


@sim.flow(initiation_weight=3.0)
def entering(ctx: FlowContext):
    yield NewEvent(ctx, MemberEntered, save_entity=Member)
    yield AddDecay(ctx, rate=0.2, seconds=15)
    yield NewEvent(
        ctx,
        MemberSignedIn,
        mutate=SetState(
            Member,
            [("is_in", "is", True), ("sign_ins", "add", 1), ("last_seen", "is", ctx.current_time)],
        ),
    )


@sim.flow(initiation_weight=4.0, filter=Select(Member, where=[("is_in", "is", False)]))
def signing_in(ctx: FlowContext):
    yield NewEvent(ctx, MemberSignedIn, mutate=SetState(Member, [("is_in", "is", True)]))


@sim.flow(initiation_weight=5.0, filter=Select(Member, where=[("is_in", "is", True)]))
def booking(ctx: FlowContext):
    name = f"booking_{ctx.session_id[:8]}"
    room = ctx.global_context.select_entities(Select(Room, where=[("free_hours", "greater_than", 4)]))[0]
    ctx.add_entity(Room, room)
    yield NewEvent(
        ctx,
        RoomBooked,
        booking=name,
        mutate=[
            SetState(Member, [("booking", "is", name)]),
            SetState(Room, [("free_hours", "subtract", ctx.current_event_data.get("hours", 0))]),
        ],
    )
    yield AddDecay(ctx, rate=0.4, seconds=30)
    yield NewEvent(
        ctx,
        BookingPaid,
        booking=name,
        amount=24.5,
        mutate=SetState(Member, [("paid", "add", 24.5), ("booking", "is", None)]),
    )


@sim.flow(initiation_weight=1.0)
def counting(ctx: FlowContext):
    """Somebody who has paid signs in again, where a room is to be had."""
    yield Select(ctx, Member, where=[("paid", "greater_than", 0.0)])
    member = ctx.get_selected_entity(Member)
    if not member or not managed(ctx.global_context):
        return
    yield AddDecay(ctx, rate=0.0, **{"seconds": timedelta(minutes=1).seconds})
    yield NewEvent(ctx, MemberSignedIn, member_id=ctx.get_selected_entity_id(Member))


sim.add_output(StdOutOutput())
sim.add_output(FileOutput("guide_events.jsonl"))

if __name__ == "__main__":
    sim.run()
