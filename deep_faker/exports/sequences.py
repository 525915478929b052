"""Sequences of events by entity, as EasyTPP, HoTPP and MEDS read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from deep_faker.draws.mix import derive, mix_unit
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import Tables
from deep_faker.features.asked import name_of
from deep_faker.features.search import I64
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import parse_duration

_ENTITIES = 1 << 13
"""Entities of one piece."""
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sequences:
    """All events of an entity type's members, each one's together and in order.

    ``code``: the entity of each event, by its place in the order of birth; ``kind``: the number of its type
    in ``names``; ``time``: µs; ``values``: the fields that were asked for, as float64. Of entity i are the
    rows ``offsets[i]`` to ``offsets[i + 1]``.
    """

    keys: pl.Series
    names: list[str]
    rows: pl.DataFrame
    offsets: I64
    part: I64

    def pieces(self, part: int) -> Iterator[tuple[I64, pl.DataFrame]]:
        """The entities of a part that have events, and their rows, some thousand entities at a time."""
        some = np.flatnonzero((self.part == part) & (np.diff(self.offsets) > 0))
        for at in range(0, len(some), _ENTITIES):
            codes = some[at : at + _ENTITIES]
            length = self.offsets[codes + 1] - self.offsets[codes]
            first = np.repeat(self.offsets[codes] - (np.cumsum(length) - length), length)
            yield codes, self.rows[first + np.arange(length.sum())]


def _sequences(
    tables: Tables,
    entity: object,
    events: Sequence[object],
    values: Mapping[str, str | None],
    shares: Sequence[float],
    seed: int,
) -> Sequences:
    """Read what is needed, 24 bytes an event, and sort it once."""
    name = tables.entity(entity)
    key = tables.keys[name][0]
    known = [event for event in tables.events if tables.names_of(event).get(key) == name]
    names = [name_of(each) for each in events] or known
    for each in names:
        if each not in known:
            tables.fail(f"{each} does not name a {name}", "", f"these do: {', '.join(known)}")
    if len(shares) != len(PARTS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        label, mend = f"shares={tuple(shares)!r}", "give three that make 1: (0.8, 0.1, 0.1)"
        raise SettingsError(Diagnostic("wrong shares", None, label, mend))
    frames = []
    for number, each in enumerate(names):
        column = values.get(each)
        if column is not None and column not in tables.own(each):
            tables.fail(f"{each} has no field {column!r}", f"values={{{each!r}: {column!r}}}")
        value = pl.lit(None, pl.Float64) if column is None else pl.col(column).cast(pl.Float64)
        frame = tables.scan_event(each).drop_nulls(key)
        frames.append(
            frame.select(pl.col(key).alias("_key"), TIME, ORDER, kind=pl.lit(number, pl.Int32), value=value)
        )
    keys = tables.collected(tables.scan_entities(name).select(key), f"entities/{name}").to_series()
    codes = pl.LazyFrame({"_key": keys, "code": np.arange(len(keys), dtype=np.int32)})
    whole = (
        pl.concat(frames)
        .join(codes, on="_key", how="inner")
        .drop("_key")
        .sort("code", TIME, ORDER)
        .drop(ORDER)
    )
    rows = tables.collected(whole, "events")
    offsets = np.searchsorted(rows["code"].to_numpy(), np.arange(len(keys) + 1))
    draw = mix_unit(derive(seed, "split", name), np.arange(len(keys), dtype=np.uint64))  # that of ds.split
    part = np.searchsorted(np.cumsum(shares)[:-1], draw, side="right")
    return Sequences(keys, names, rows.rename({TIME: "time"}), offsets.astype(np.int64), part)


def _unit(unit: object) -> float:
    return float(parse_duration(unit, "unit"))


def easytpp(
    tables: Tables,
    path: object,
    *,
    entity: object,
    events: Sequence[object] = (),
    unit: str = "1h",
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """A folder with ``train.json``, ``validation.json`` and ``test.json`` as EasyTPP loads them.

    One line an entity of the type ``entity`` that has events: ``dim_process``, ``seq_idx``, ``seq_len``,
    ``time_since_start`` and ``time_since_last_event`` (in ``unit``, 0 at its first event) and
    ``type_event`` (from 0). ``event_types.json`` names the numbers. ``events`` keeps some types. Parts are
    by entity, the same as ``ds.split(by="entity")`` draws. All events' times and types are held, some 24
    bytes each.
    """
    found = _sequences(tables, entity, events, {}, shares, seed)
    scale = _unit(unit)
    with staged(path, overwrite=overwrite, folder=True, marker="event_types.json") as place:
        (place / "event_types.json").write_text(json.dumps(found.names) + "\n")
        for number, part in enumerate(PARTS):
            index = 0
            with (place / f"{part}.json").open("wb") as file:
                for codes, rows in found.pieces(number):
                    time = pl.col("time").dt.epoch("us")
                    since = pl.when(pl.col("code").ne_missing(pl.col("code").shift())).then(0)
                    grouped = rows.with_columns(
                        start=(time - time.first().over("code")) / scale,
                        last=since.otherwise(time.diff()) / scale,
                    )
                    lines = grouped.group_by("code", maintain_order=True).agg("start", "last", "kind").select(
                        dim_process=pl.lit(len(found.names)),
                        seq_idx=pl.row_index() + index,
                        seq_len=pl.col("kind").list.len(),
                        time_since_start="start",
                        time_since_last_event="last",
                        type_event="kind",
                    )  # fmt: skip
                    lines.write_ndjson(file)
                    index += len(codes)


def hotpp(
    tables: Tables,
    path: object,
    *,
    entity: object,
    events: Sequence[object] = (),
    unit: str = "1d",
    values: Mapping[str, str] | None = None,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """A folder with ``train.parquet``, ``val.parquet`` and ``test.parquet``, one row an entity.

    ``id``, ``timestamps`` (a list, in ``unit`` since the run's start), ``labels`` (numbers of event types,
    which ``event_types.json`` names), and with ``values``, event type → numeric field, ``values``, 0 where
    a type has none. This is what HoTPP and pytorch-lifestream read. Else as `easytpp`.
    """
    found = _sequences(tables, entity, events, dict(values or {}), shares, seed)
    scale = _unit(unit)
    start = pl.lit(tables.manifest["start_time"]).str.to_datetime(time_unit="us")
    kind = found.keys.to_arrow().type
    schema = pa.schema(
        [
            ("id", pa.string() if pa.types.is_large_string(kind) or pa.types.is_string(kind) else kind),
            ("timestamps", pa.list_(pa.float64())),
            ("labels", pa.list_(pa.int64())),
            *([("values", pa.list_(pa.float64()))] if values else []),
        ]
    )
    import pyarrow.parquet as pq

    with staged(path, overwrite=overwrite, folder=True, marker="event_types.json") as place:
        (place / "event_types.json").write_text(json.dumps(found.names) + "\n")
        for number, part in enumerate(("train", "val", "test")):
            with pq.ParquetWriter(place / f"{part}.parquet", schema) as writer:
                for codes, rows in found.pieces(number):
                    time = (pl.col("time") - start).dt.total_microseconds() / scale
                    lists = rows.group_by("code", maintain_order=True).agg(
                        timestamps=time, labels=pl.col("kind"), values=pl.col("value").fill_null(0.0)
                    )
                    frame = lists.with_columns(id=found.keys.gather(codes)).select(schema.names)
                    writer.write_table(frame.to_arrow().cast(schema))


def meds(
    tables: Tables,
    path: object,
    *,
    entity: object,
    events: Sequence[object] = (),
    values: Mapping[str, str] | None = None,
    labels: Mapping[str, pl.LazyFrame | pl.DataFrame] | None = None,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """A MEDS data set: one row an event, sorted by subject and time.

    ``data/train``, ``data/tuning`` and ``data/held_out`` have ``subject_id`` (the entity's number in order
    of birth), ``time``, ``code`` (the event type) and ``numeric_value``, the field that ``values`` names
    for a type; ``metadata/`` says what the codes, the parts and the subjects are. ``labels``: training
    frames by name, of this entity type and with a column ``label``, as ``labels/NAME.parquet``. Else as
    `easytpp`.
    """
    import pyarrow.parquet as pq

    found = _sequences(tables, entity, events, dict(values or {}), shares, seed)
    data = pa.schema(
        [
            pa.field("subject_id", pa.int64(), nullable=False),
            pa.field("time", pa.timestamp("us")),
            pa.field("code", pa.string(), nullable=False),
            pa.field("numeric_value", pa.float32()),
        ]
    )
    splits = ("train", "tuning", "held_out")
    with staged(path, overwrite=overwrite, folder=True, marker="metadata/dataset.json") as place:
        _meds_metadata(tables, found, place / "metadata", splits, tables.keys[tables.entity(entity)][0])
        for number, split in enumerate(splits):
            (place / "data" / split).mkdir(parents=True)
            with pq.ParquetWriter(place / "data" / split / "0.parquet", data) as writer:
                for _, rows in found.pieces(number):
                    code = pl.Series(found.names).gather(rows["kind"].to_numpy())
                    frame = rows.select(
                        subject_id=pl.col("code").cast(pl.Int64),
                        time="time",
                        code=code,
                        numeric_value=pl.col("value").cast(pl.Float32),
                    )
                    writer.write_table(frame.to_arrow().cast(data))
        for name, labelled in (labels or {}).items():
            (place / "labels").mkdir(exist_ok=True)
            pq.write_table(
                _meds_labels(tables, found, labelled, name, entity), place / "labels" / f"{name}.parquet"
            )


def _meds_metadata(tables: Tables, found: Sequences, place: Path, splits: Sequence[str], key: str) -> None:
    import pyarrow.parquet as pq

    place.mkdir()
    said = {
        "dataset_name": "deep_faker",
        "etl_name": "deep_faker",
        "etl_version": tables.manifest["versions"]["deep-faker"],
        "meds_version": "0.4.0",
        "raw_source_id_columns": [],
    }
    (place / "dataset.json").write_text(json.dumps(said) + "\n")
    codes = pa.schema(
        [
            pa.field("code", pa.string(), nullable=False),
            pa.field("description", pa.string()),
            pa.field("parent_codes", pa.list_(pa.string())),
        ]
    )
    described = [f"an event of type {name}" for name in found.names]
    nothing: list[None] = [None] * len(found.names)
    pq.write_table(pa.table([found.names, described, nothing], schema=codes), place / "codes.parquet")
    numbers = np.arange(len(found.keys), dtype=np.int64)
    parts = pa.schema(
        [pa.field("subject_id", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)]
    )
    named = pa.array(splits).take(pa.array(found.part))
    pq.write_table(pa.table([numbers, named], schema=parts), place / "subject_splits.parquet")
    pl.DataFrame({"subject_id": numbers, key: found.keys}).write_parquet(place / "subjects.parquet")


def _meds_labels(
    tables: Tables, found: Sequences, frame: pl.LazyFrame | pl.DataFrame, name: str, entity: object
) -> pa.Table:
    """A training frame's rows with a known label, as MEDS has labels."""
    key = tables.keys[tables.entity(entity)][0]
    rows = frame.lazy().collect()
    if key not in rows.columns or "at" not in rows.columns or "label" not in rows.columns:
        label = f"labels[{name!r}] has {', '.join(rows.columns)}"
        raise SettingsError(
            Diagnostic("no labels", None, label, f"give a training frame with {key}, at and label")
        )
    kinds = {
        "boolean_value": (pl.Boolean, pa.bool_(), rows["label"].dtype == pl.Boolean),
        "integer_value": (pl.Int64, pa.int64(), rows["label"].dtype.is_integer()),
        "float_value": (pl.Float32, pa.float32(), rows["label"].dtype.is_float()),
        "categorical_value": (pl.String, pa.string(), True),
    }
    column = next(column for column, (*_, fits) in kinds.items() if fits)
    schema = pa.schema(
        [
            pa.field("subject_id", pa.int64(), nullable=False),
            pa.field("prediction_time", pa.timestamp("us"), nullable=False),
            pa.field(column, kinds[column][1], nullable=False),
        ]
    )
    codes = pl.DataFrame({key: found.keys, "subject_id": np.arange(len(found.keys), dtype=np.int64)})
    made = rows.drop_nulls("label").join(codes, on=key).sort("subject_id", "at")
    shown = made.select(
        "subject_id",
        pl.col("at").alias("prediction_time"),
        pl.col("label").cast(kinds[column][0]).alias(column),
    )
    return shown.to_arrow().cast(schema)
