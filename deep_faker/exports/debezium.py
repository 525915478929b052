"""Changes of entities as Debezium's records: to JSON lines, or to Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.exports.json_columns import text_of
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import ROWS, VERSION, Tables
from deep_faker.tables.source import ORDER, TIME

_HEAD = "kafka://"
# The types of Kafka Connect by the head of our type's name: its type, and Debezium's name of what it means.
_CONNECT = {
    "bool": ("boolean", None),
    "int": ("int64", None),
    "uint": ("int64", None),
    "double": ("double", None),
    "float": ("double", None),
    "timestamp": ("int64", "io.debezium.time.MicroTimestamp"),
    "date": ("int32", "io.debezium.time.Date"),
    "duration": ("int64", "io.debezium.time.MicroDuration"),
    "list": ("string", "io.debezium.data.Json"),
    "struct": ("string", "io.debezium.data.Json"),
    "map": ("string", "io.debezium.data.Json"),
}


def debezium(
    tables: Tables,
    path: object,
    *,
    entities: Sequence[object] = (),
    prefix: str = "deep_faker",
    schemas: bool = False,
    config: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> None:
    """Every change of the entities, as Debezium's connectors write them.

    ``path`` is a folder, in which ``PREFIX.ENTITY.jsonl`` has a record a line, or ``kafka://HOST:9092``,
    where each goes to the topic ``PREFIX.ENTITY`` with the entity's key as JSON, so that those of one
    entity stay in order; ``config`` holds settings of librdkafka. ``entities``: some types; by default all
    with a history.

    A record has ``before`` and ``after`` (whole rows; null at birth, at the end), ``op`` (``r`` there at
    the start, ``c`` born, ``u`` changed, ``d`` gone, which in Kafka a tombstone follows), ``ts_ms``,
    ``source`` (``ts_us``: the instant, ``change_id``: its place in the exact order, ``event_id``) and
    ``transaction``, the session. Instants are µs since the epoch, days days, nested values JSON texts. With
    ``schemas=True`` each record is ``{"schema": …, "payload": …}`` as Kafka Connect's JSON converter has
    it. The changes of one type are held.
    """
    names = [tables.entity(each) for each in entities]
    names = names or [name for name in tables.keys if tables.has_history(name)]
    for name in names or list(tables.keys)[:1]:
        if not tables.has_history(name):
            mend = "run with history=True (--history) to keep every version"
            tables.fail(f"no history of {name}", "its changes are not known", mend)
    if str(path).startswith(_HEAD):
        from deep_faker.write.kafka.records import send_records

        records = (record for name in names for record in _records(tables, name, prefix, schemas))
        send_records(records, str(path).removeprefix(_HEAD), config=config)
        return
    if config is not None:
        label = f"config={dict(config)!r}"
        raise SettingsError(Diagnostic("config of no client", None, label, "it goes with kafka://HOST:PORT"))
    first = f"{prefix}.{names[0]}.jsonl" if names else ""
    with staged(path, overwrite=overwrite, folder=True, marker=first) as place:
        for name in names:
            with (place / f"{prefix}.{name}.jsonl").open("w", encoding="utf-8") as file:
                for frame in _frames(tables, name, prefix, schemas):
                    file.writelines(f"{value}\n" for value in frame["value"])


def _records(
    tables: Tables, entity: str, prefix: str, schemas: bool
) -> Iterator[tuple[str, bytes, bytes | None]]:
    topic = f"{prefix}.{entity}"
    for frame in _frames(tables, entity, prefix, schemas):
        for key, value, op in frame.iter_rows():  # one call of the client each anyway
            yield topic, key.encode(), value.encode()
            if op == "d":
                yield topic, key.encode(), None


def _frames(tables: Tables, entity: str, prefix: str, schemas: bool) -> Iterator[pl.DataFrame]:
    """Key, value and op of each change as JSON, in pieces."""
    key, key_kind = tables.keys[entity]
    columns = {key: key_kind, **tables.fields(entity)}
    changes = tables.ds.changes(entity)
    sessions = tables.collected(
        pl.concat(
            [tables.source.scan(f"events/{name}").select("sys__eid", "sys__sid") for name in tables.events]
        ),
        "events",
    )
    changes = changes.join(sessions, on="sys__eid", how="left", maintain_order="left")
    micros = pl.col(TIME).dt.epoch("us")
    payload = pl.struct(
        before=_row("before", columns),
        after=_row("after", columns),
        source=pl.struct(
            version=pl.lit(tables.manifest["versions"]["deep-faker"]),
            connector=pl.lit("deep_faker"),
            name=pl.lit(prefix),
            ts_ms=micros // 1000,
            snapshot=pl.when(pl.col("op") == "r").then(pl.lit("true")).otherwise(pl.lit("false")),
            db=pl.lit(prefix),
            ts_us=micros,
            table=pl.lit(entity),
            change_id=pl.col(ORDER),
            version_number=pl.col(VERSION),
            event_id=pl.col("sys__eid"),
        ),
        transaction=pl.when(pl.col("sys__sid").is_not_null()).then(
            pl.struct(id=pl.col("sys__sid"), total_order=pl.col(ORDER), data_collection_order=pl.col(VERSION))
        ),
        op=pl.col("op"),
        ts_ms=micros // 1000,
    )
    id_ = pl.struct(_plain(pl.col(key), key_kind).alias(key))
    value, named = payload.struct.json_encode(), id_.struct.json_encode()
    if schemas:
        topic = f"{prefix}.{entity}"
        value = _with_schema(value, _envelope(topic, columns))
        named = _with_schema(named, _struct(f"{topic}.Key", {key: key_kind}, optional=False))
    for at in range(0, changes.height, ROWS):
        yield changes[at : at + ROWS].select(key=named, value=value, op="op")


def _row(side: str, columns: Mapping[str, str]) -> pl.Expr:
    """The whole row before or after a change; null where there is none."""
    fields = [_plain(pl.col(side).struct.field(name), kind).alias(name) for name, kind in columns.items()]
    return pl.when(pl.col(side).is_not_null()).then(pl.struct(fields))


def _plain(value: pl.Expr, kind: str) -> pl.Expr:
    """A value as Debezium has it in JSON."""
    if kind.startswith("timestamp"):
        return value.dt.epoch("us")
    if kind.startswith("date"):
        return value.dt.epoch("d")
    if kind.startswith("duration"):
        return value.dt.total_microseconds()
    if kind.startswith(("list", "struct", "map")):
        return pl.when(value.is_not_null()).then(text_of(value))
    if kind == "binary":
        return value.bin.encode("base64")
    if kind.startswith(("int", "uint", "double", "float", "bool", "string")):
        return value
    return value.cast(pl.String)


# ---------------------------------------------------------------- schemas of Kafka Connect


def _with_schema(payload: pl.Expr, schema: Mapping[str, object]) -> pl.Expr:
    head = f'{{"schema":{json.dumps(schema, ensure_ascii=False)},"payload":'
    return pl.concat_str(pl.lit(head), payload, pl.lit("}"))


def _field(name: str, kind: str, *, optional: bool) -> dict[str, object]:
    found = next((each for head, each in _CONNECT.items() if kind.startswith(head)), ("string", None))
    named = {} if found[1] is None else {"name": found[1], "version": 1}
    return {"type": found[0], "optional": optional, **named, "field": name}


def _struct(name: str, columns: Mapping[str, str], *, optional: bool, field: str = "") -> dict[str, object]:
    fields = [_field(column, kind, optional=optional) for column, kind in columns.items()]
    at = {"field": field} if field else {}
    return {"type": "struct", "fields": fields, "optional": optional, "name": name, **at}


def _envelope(topic: str, columns: Mapping[str, str]) -> dict[str, object]:
    row = f"{topic}.Value"
    texts = ("version", "connector", "name", "snapshot", "db", "table", "event_id")
    numbers = ("ts_ms", "ts_us", "change_id", "version_number")
    source = dict.fromkeys(texts, "string") | dict.fromkeys(numbers, "int64")
    block = {"id": "string", "total_order": "int64", "data_collection_order": "int64"}
    return {
        "type": "struct",
        "fields": [
            _struct(row, columns, optional=True, field="before"),
            _struct(row, columns, optional=True, field="after"),
            {**_struct("io.deep_faker.Source", source, optional=True, field="source"), "optional": False},
            _struct("event.block", block, optional=True, field="transaction"),
            {"type": "string", "optional": False, "field": "op"},
            {"type": "int64", "optional": True, "field": "ts_ms"},
        ],
        "optional": False,
        "name": f"{topic}.Envelope",
        "version": 2,
    }
