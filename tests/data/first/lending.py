"""A library that lends books: two entities in one flow, logged on the way."""

from datetime import datetime

from deep_faker import (
    AddDecay,
    BaseEvent,
    Context,
    Entity,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.logging import get_logger
from deep_faker.outputs import FileOutput


class ReaderEnrolled(BaseEvent):
    reader_id: str = Field(primary_key=True, faker="uuid4")
    name: str = Field(faker="name")
    enrolled_at: datetime = Field(faker="now")


class BookBought(BaseEvent):
    book_id: str = Field(primary_key=True, faker="lexify", text="BOOK-??????")
    title: str = Field(faker="catch_phrase")
    fee: float = Field(faker="pyfloat", min_value=0.5, max_value=3.0)
    copies: int = Field(faker="random_int", min=1, max=4)


class BookLent(BaseEvent):
    loan_id: str = Field(faker="uuid4")
    reader_id: str
    book_id: str
    fee: float
    copies: int


class Reader(Entity):
    source_event = ReaderEnrolled
    primary_key = "reader_id"

    is_welcome: bool = StateField(default=True, type_=bool)
    loans: int = StateField(default=0, type_=int)


class Book(Entity):
    source_event = BookBought
    primary_key = "book_id"

    title: str = StateField(from_field="title", type_=str)
    fee: float = StateField(from_field="fee", type_=float)
    copies: int = StateField(from_field="copies", type_=int)


sim = Simulation(duration="2m", start_time="now", n_flows=3, initial_entities={"Reader": 6, "Book": 9})


@sim.flow(initiation_weight=10.0, filter=Select(Reader, where=[("is_welcome", "is", True)]))
def lending(ctx: Context):
    reader = ctx.get_selected_entity(Reader)
    book = ctx.global_context.get_random_available_entity(Book)
    if not book:
        return

    copies = 1
    fee = book.fee * copies
    logger = get_logger(__name__)
    logger.info(f"'{reader.get_primary_key()}' takes '{book.get_primary_key()}' at {ctx.current_time}")

    yield AddDecay(ctx, rate=0.0, seconds=10)
    yield NewEvent(
        ctx,
        BookLent,
        reader_id=reader.get_primary_key(),
        book_id=book.get_primary_key(),
        copies=copies,
        fee=fee,
        mutate=[
            SetState(Reader, [("loans", "add", 1)]),
            SetState(Book, [("copies", "subtract", copies)]),
        ],
    )


sim.add_output(FileOutput("output/lending.jsonl"))

if __name__ == "__main__":
    sim.run()
