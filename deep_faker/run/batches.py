"""What `Simulation.batches` gives: Polars frames of a run's events, one batch after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from weakref import WeakSet

import pyarrow as pa

from deep_faker.declare.checks import whole
from deep_faker.draws.mix import Draws
from deep_faker.errors import Diagnostic, RunError, SettingsError, near
from deep_faker.fill.binding import Binding
from deep_faker.fill.events import Columns
from deep_faker.plan import Plan
from deep_faker.plan.parts import WHOLE, WorldPart, plan_of
from deep_faker.run.chunks import Asked, chunks
from deep_faker.run.utc import in_utc
from deep_faker.spans import caller_span
from deep_faker.write import EventChunk
from deep_faker.write.frames import plain_schema
from deep_faker.write.protocol import with_stamps

if TYPE_CHECKING:
    import polars as pl

Item = TypeVar("Item")

_COMMON = ("sys__eid", "sys__ets", "sys__sid", "sys__time", "sys__order")


class Batch(Mapping[Any, "pl.DataFrame"]):
    """A stretch of the events of several types: ``batch[UserLogin]`` (or its name) is the frame of one.

    Types that do not occur in it have an empty frame. Iterating gives the names of the types. ``height`` is
    the number of events of all of them, ``events`` their common columns in order of time.
    """

    def __init__(self, chunk: EventChunk) -> None:
        self._chunk = chunk

    def __getitem__(self, event: type | str) -> pl.DataFrame:
        name = event.__name__ if isinstance(event, type) else event
        return frame_of(self._chunk.tables[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._chunk.tables)

    def __len__(self) -> int:
        return len(self._chunk.tables)

    def __repr__(self) -> str:
        counts = (f"{name}: {table.num_rows:,}" for name, table in self._chunk.tables.items())
        return f"Batch({self.height:,} events; {', '.join(counts)})"

    @property
    def height(self) -> int:
        """The number of events."""
        return len(self._chunk)

    @property
    def events(self) -> pl.DataFrame:
        """The columns ``sys__…`` that all types have, and ``event_type``.

        In order of time (T9), over all types.
        """
        import polars as pl

        names = [name for name in self._chunk.names if name in self]
        common = [c for c in _COMMON if all(c in self._chunk.tables[name].column_names for name in names)]
        # a literal alone would be one row, where the types have no column in common
        frames = [
            self[name].with_columns(event_type=pl.lit(name)).select(*common, "event_type") for name in names
        ]
        return pl.concat(frames)[self._chunk.positions()]


def frame_of(table: pa.Table) -> pl.DataFrame:
    """A table as the frame that `Dataset` gives of it."""
    import polars as pl

    return pl.DataFrame(pl.from_arrow(table))


class Pass(Iterator[EventChunk]):
    """One way through the batches. It ends with the last one, an error or `close`, or when it is let go."""

    def __init__(self, asked: Asked) -> None:
        self._chunks = chunks(asked)
        self._process = os.getpid()
        self.over = False

    def __next__(self) -> EventChunk:
        if self._process != os.getpid():
            label = "its engine stayed in the process that forked this one"
            mend = "begin it here: give the other process the batches, not an iterator that has begun"
            raise RunError(Diagnostic("batches were begun in another process", None, label, mend))
        try:
            with in_utc():  # what comes between two batches is the caller's, in the caller's time zone
                return next(self._chunks)
        except BaseException:
            self.over = True
            raise

    def close(self) -> None:
        """End it: the engine, its thread, and what flows in flight have to do at their end."""
        self.over = True
        if self._process == os.getpid():
            with in_utc():
                self._chunks.close()

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be at its end
            self.close()


class Batches(Iterator[Item], Generic[Item]):
    """Frames of ``rows`` rows in order of time, the last one of what is left; see `Simulation.batches`.

    Each ``for`` loop over it begins at the beginning, and gives the same frames: an epoch. `next` goes on
    with a way of its own, which a loop then takes up. Nothing works between two frames, no engine, no thread.
    A loop that is left early ends its run at once; `close`, or leaving ``with``, ends all.

    `shard` and `skip` give batches of which some are left out, `schema` tells what a frame is like. Of one
    event type it is an Arrow stream, too (``__arrow_c_stream__``), for pyarrow, DuckDB and their like. It can
    be pickled.
    """

    def __init__(self, asked: Asked, item: Callable[[EventChunk], Item]) -> None:
        self._asked, self._item = asked, item
        self._own: Pass | None = None  # the way of `next`
        self._begun: WeakSet[Pass] = WeakSet()

    def __getstate__(self) -> dict[str, object]:
        """For pickle: what is asked for; ways that were begun stay here."""
        return {**self.__dict__, "_own": None, "_begun": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begun = WeakSet()

    def __repr__(self) -> str:
        asked = self._asked
        some = "" if (asked.first, asked.step) == (0, 1) else f", from {asked.first}, every {asked.step}"
        return f"Batches({', '.join(asked.schemas)}, rows={asked.rows:,}{some})"

    # ------------------------------------------------ going through

    def __iter__(self) -> Iterator[Item]:  # noqa: PYI034 - mostly a new way, not this object
        return self if self._own is not None and not self._own.over else self._from_the_beginning()

    def _from_the_beginning(self) -> Generator[Item]:
        begun = self.chunks()
        try:
            for chunk in begun:
                yield self._item(chunk)
        finally:
            begun.close()

    def __next__(self) -> Item:
        if self._own is None:
            self._own = self.chunks()
        return self._item(next(self._own))

    def chunks(self) -> Pass:
        """A new way through the batches, as Arrow tables by event type."""
        begun = Pass(self._asked)
        self._begun.add(begun)
        return begun

    def close(self) -> None:
        """End every way through them that was begun; a later loop begins anew."""
        for begun in list(self._begun):
            begun.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------ some of them

    def shard(self, index: int, of: int) -> Batches[Item]:
        """The batches ``index``, ``index + of`` …: all shards together have each batch once.

        Each shard simulates the whole world, and draws the columns of its own batches only.
        """
        whole(of, "of", least=1)
        whole(index, "index", least=0, most=of - 1)
        asked = self._asked
        return self._with(first=asked.first + index * asked.step, step=asked.step * of)

    def skip(self, batches: int) -> Batches[Item]:
        """Those after the first so many, which are simulated and not drawn."""
        whole(batches, "batches", least=0)
        return self._with(first=self._asked.first + batches * self._asked.step)

    def select(self, columns: list[str]) -> Batches[Item]:
        """The same rows with some of the columns, in this order; of one event type only."""
        name, schema = self._only("columns of one type")
        return self._with(schemas={name: pa.schema([schema.field(column) for column in columns])})

    def none(self) -> Batches[Item]:
        """None of them, and nothing is simulated."""
        return self._with(nothing=True)

    def _with(self, **changes: Any) -> Batches[Item]:
        return Batches(replace(self._asked, **changes), self._item)

    # ------------------------------------------------ what they are like

    @property
    def rows(self) -> int:
        """Rows of a batch, of all types together."""
        return self._asked.rows

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Column → Polars type, of one event type."""
        return frame_of(self._only("a schema")[1].empty_table()).schema

    @property
    def arrow_schema(self) -> pa.Schema:
        """The same in Arrow's types."""
        return self._only("a schema")[1]

    def tables(self) -> Generator[pa.Table]:
        """The batches of one event type as Arrow tables, from the beginning."""
        name, _ = self._only("a stream of tables")
        begun = self.chunks()
        try:
            for chunk in begun:
                yield chunk.tables[name]
        finally:
            begun.close()

    def __arrow_c_schema__(self) -> object:
        return self.arrow_schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new way through the batches as an Arrow stream; it ends when the stream is let go."""
        schema = self.arrow_schema
        pieces = (batch for table in self.tables() for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(schema, pieces).__arrow_c_stream__(requested_schema)

    def _only(self, what: str) -> tuple[str, pa.Schema]:
        schemas = self._asked.schemas
        if self._item is not _frame:
            names = ", ".join(schemas)
            mend = f"ask for one type: sim.batches({next(iter(schemas), 'UserLogin')})"
            raise SettingsError(
                Diagnostic(f"{what} of several event types", caller_span(), f"these are {names}", mend)
            )
        [(name, schema)] = schemas.items()
        return name, schema


# ------------------------------------------------ what is asked for


@in_utc()
def batches_of(
    plan: Plan, *, seed: int, engine: str, events: object, columns: object, rows: int, part: WorldPart = WHOLE
) -> Batches[Any]:
    """The batches of a plan; arguments as those of `Simulation.batches`.

    Raises `SettingsError` for an event type or a column that is not there.
    """
    known = Columns(Binding(plan_of(plan, part), Draws(seed, part.number, part.of))).schemas
    schemas, single = schemas_asked(known, events, columns)
    return Batches(Asked(plan, seed, engine, schemas, rows, part), _frame if single else Batch)


def schemas_asked(
    known: Mapping[str, pa.Schema], events: object, columns: object
) -> tuple[dict[str, pa.Schema], bool]:
    """The plain schemas of the types and columns that are asked for, and whether it is one type alone.

    ``known``: those of all events. Raises as `batches_of` does.
    """
    names, single = _types(events, known)
    wanted = _columns(columns, names, single=single)
    schemas = {}
    for name in names:
        schema = plain_schema(with_stamps(known[name]))
        asked = wanted.get(name, schema.names)
        for column in asked:
            if column not in schema.names:
                label = f"{name} has {', '.join(schema.names)}"
                mend = near(column, schema.names, name)
                raise SettingsError(Diagnostic(f"unknown column {column!r}", caller_span(), label, mend))
        schemas[name] = pa.schema([schema.field(column) for column in asked])
    return schemas, single


def _frame(chunk: EventChunk) -> pl.DataFrame:
    """The one table of a chunk."""
    [table] = chunk.tables.values()
    return frame_of(table)


def _types(events: object, known: Mapping[str, object]) -> tuple[list[str], bool]:
    """The names of the event types that are asked for, and whether it is one alone."""
    if events is None or events == "all":
        return list(known), False
    several = isinstance(events, (list, tuple))
    listed: Sequence[object] = events if isinstance(events, (list, tuple)) else [events]
    names = [event.__name__ if isinstance(event, type) else event for event in listed]
    for name in names:
        if not isinstance(name, str) or name not in known:
            mend = near(name, list(known)) if isinstance(name, str) else "give an event class, or a list"
            label = f"the flows emit {', '.join(known) or 'none'}"
            raise SettingsError(Diagnostic(f"unknown event {name!r}", caller_span(), label, mend))
    if not names:
        mend = 'give an event class, a list of them, or "all"'
        raise SettingsError(Diagnostic("no event types", caller_span(), f"{events!r}", mend))
    return [str(name) for name in dict.fromkeys(names)], not several


def _columns(columns: object, names: list[str], *, single: bool) -> dict[str, list[str]]:
    """Event type → the columns that are asked for; a type that is not in it has all."""
    if columns is None:
        return {}
    if single:
        return {names[0]: _listed(columns)}
    if not isinstance(columns, Mapping):
        mend = f"give a dict of lists, such as columns={{{names[0]}: ['sys__ets']}}"
        raise SettingsError(Diagnostic("columns of which type?", caller_span(), f"{columns!r}", mend))
    wanted = {
        key.__name__ if isinstance(key, type) else str(key): _listed(some) for key, some in columns.items()
    }
    for name in wanted:
        if name not in names:
            label = f"columns={{{name}: …}}, but asked for are {', '.join(names)}"
            raise SettingsError(Diagnostic(f"columns of {name!r}", caller_span(), label, near(name, names)))
    return wanted


def _listed(columns: object) -> list[str]:
    """Names of columns, each once."""
    listed = list(columns) if isinstance(columns, (list, tuple)) else []
    if not listed or not all(isinstance(c, str) for c in listed) or len(set(listed)) < len(listed):
        mend = "give a list of different names, such as columns=['sys__ets', 'user_id']"
        raise SettingsError(Diagnostic("wrong columns", caller_span(), f"columns={columns!r}", mend))
    return listed
