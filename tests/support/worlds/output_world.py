"""Events of three types, made without a simulation, to feed outputs with."""

import datetime as dt
import decimal
import enum
import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deep_faker.declare.schema import BaseEvent, Entity, Field, entity_spec, event_spec
from deep_faker.outputs import EventChunk, RunInfo


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Signup(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="name")
    at: dt.datetime = Field(faker="now")


class Click(BaseEvent):
    user_id: str = ""
    price: float = 0.0
    count: int = 0
    platform: str = ""
    ok: bool | None = None


class Odd(BaseEvent):
    day: dt.date
    time: dt.time
    took: dt.timedelta
    money: decimal.Decimal
    key: uuid.UUID
    colour: Colour
    tags: list[str]
    extra: dict[str, Any] | None
    text: str | None
    count: list[int]


class User(Entity):
    source_event = Signup
    primary_key = "user_id"


EVENTS = {cls.__name__: event_spec(cls) for cls in (Click, Odd, Signup)}
START = 1_704_067_200_000_000


def _field(name: str, kind: pa.DataType, hint: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"hint": hint})


_TEXT, _LOW, _TIME = pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us")
_SYS = [
    _field("sys__eid", _TEXT, "id"),
    _field("sys__ets", pa.int64(), "time"),
    _field("sys__sid", _TEXT, "id"),
]
SCHEMAS = {
    "Click": pa.schema(
        [
            *_SYS,
            _field("user_id", _TEXT, "key"),
            _field("price", pa.float64(), "number"),
            _field("count", pa.int64(), "number"),
            _field("platform", _LOW, "low"),
            _field("ok", pa.bool_(), "low", nullable=True),
        ]
    ),
    "Odd": pa.schema(
        [
            *_SYS,
            _field("day", pa.date32(), "low"),
            _field("time", pa.time64("us"), "time"),
            _field("took", pa.duration("us"), "number"),
            _field("money", pa.decimal128(38, 10), "number"),
            _field("key", _TEXT, "id"),
            _field("colour", _LOW, "low"),
            _field("tags", pa.list_(_TEXT), "text"),
            _field("extra", _TEXT, "text", nullable=True),
            _field("text", _TEXT, "text", nullable=True),
            _field("count", pa.list_(pa.int64()), "number"),
        ]
    ),
    "Signup": pa.schema(
        [*_SYS, _field("user_id", _TEXT, "id"), _field("name", _LOW, "low"), _field("at", _TIME, "time")]
    ),
}
NAMES = tuple(SCHEMAS)
_TEXTS = ["", "plain", 'q"uo\\te', "new\nline\r\t", "é\u2028\x01", "日本", None]


def info(**more: Any) -> RunInfo:
    return RunInfo(
        seed=7,
        start_micros=START,
        end_micros=START + 60_000_000,
        partitions=1,
        events=EVENTS,
        entities={"User": entity_spec(User)},
        schemas=SCHEMAS,
        **more,
    )


def ids(rng: np.random.Generator, n: int, length: int) -> pa.Array:
    letters = np.frombuffer(b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)
    text = letters[rng.integers(0, 57, n * length)]
    offsets = np.arange(n + 1, dtype=np.int32) * length
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


class World:
    """``n`` events in time order, and any way of cutting them into chunks."""

    def __init__(self, n: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.order = rng.choice(3, n, p=[0.6, 0.2, 0.2]).astype(np.uint16)
        self.clock = np.sort(rng.integers(START, START + 60_000_000, n))
        self.tables = {name: self._table(rng, code) for code, name in enumerate(NAMES)}

    def _table(self, rng: np.random.Generator, code: int) -> pa.Table:
        clock = self.clock[self.order == code]
        n = len(clock)
        columns = {
            "sys__eid": ids(rng, n, 12),
            "sys__ets": pa.array(clock // 1000),
            "sys__sid": ids(rng, n, 8),
        }
        schema = SCHEMAS[NAMES[code]]
        for field in list(schema)[3:]:
            columns[field.name] = self._column(rng, NAMES[code], field, clock)
        return pa.table(columns, schema=schema)

    def _column(self, rng: np.random.Generator, event: str, field: pa.Field, clock: Any) -> pa.Array:
        n = len(clock)
        pick = rng.integers(0, 1 << 30, n)
        if pa.types.is_dictionary(field.type):
            words = ["red", "blue"] if field.name == "colour" else ["web", "mobile", "api", "unused"][:3]
            return pa.DictionaryArray.from_arrays(
                pa.array((pick % len(words)).astype(np.int32)), pa.array(words)
            )
        if field.name == "user_id" and event == "Click":
            return pa.array([f"u{i:07d}" for i in range(50)]).take(pa.array(pick % 50))
        if field.name == "key":
            return pa.array([str(uuid.UUID(int=int(i))) for i in pick], _TEXT)
        if field.name == "text":
            return pa.array(_TEXTS).take(pa.array(pick % len(_TEXTS)))
        if field.name == "extra":
            return pa.array(['{"a": [1, {"b": null}]}', None, "{}"]).take(pa.array(pick % 3))
        if field.name == "money":
            return pa.array([decimal.Decimal(int(i % 10_000)) / 100 for i in pick], field.type)
        if field.name in ("tags", "count") and pa.types.is_list(field.type):
            values = [["a", "ü"], [], ["x"]] if field.name == "tags" else [[1, 2], [3], []]
            return pa.array(values, field.type).take(pa.array(pick % 3))
        if pa.types.is_boolean(field.type):
            return pa.array([True, False, None]).take(pa.array(pick % 3))
        if pa.types.is_floating(field.type):
            return pa.array(np.round(pick / 7.0, 2))
        if pa.types.is_string(field.type):
            return ids(rng, n, 8)
        if field.name == "at":
            return pa.array(clock).cast(field.type)
        if field.type == pa.date32():  # few, for they are partitions too
            return pa.array(pick % 25 * 800).cast(pa.int32()).cast(field.type)
        return pa.array(pick % 20_000).cast(field.type)

    def chunks(self, cuts: Any) -> Iterator[EventChunk]:
        """The events cut before each of the positions ``cuts``."""
        edges = sorted({0, *map(int, cuts), len(self.order)})
        used = [0, 0, 0]
        for first, last in itertools.pairwise(edges):
            order = self.order[first:last]
            tables = {}
            for code, name in enumerate(NAMES):
                rows = int(np.count_nonzero(order == code))
                if rows:
                    tables[name] = self.tables[name].slice(used[code], rows)
                    used[code] += rows
            yield EventChunk(tables, order, NAMES, first)

    def run(self, output: Any, cuts: Any = (), **more: Any) -> list[Any]:
        """The whole life of an output, aborted as the runner does where it fails."""
        try:
            output.open(info(**more))
            for chunk in self.chunks(cuts):
                output.write(chunk)
            if hasattr(output, "write_sessions"):
                output.write_sessions(SESSIONS)
                output.write_entities("User", USERS)
            return output.finish()
        except BaseException:
            output.abort()
            raise


SESSIONS = pa.table(
    {
        "sys__sid": ["aaaaaaaa", "bbbbbbbb"],
        "flow": pa.array(["f", "f"]).dictionary_encode(),
        "User": [["u1"], []],
    }
)
USERS = pa.table({"user_id": ["u1", "u2"], "logins": [1, None]})


def listed(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())
