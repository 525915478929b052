"""The columns of dirty events: those of the clean ones, where values may be missing, and of later schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.defects import Defects, Evolve, Rule
from deep_faker.fill.defects.answer_key import AnswerKey
from deep_faker.fill.defects.batch import Batch, Mask
from deep_faker.fill.defects.values import as_json
from deep_faker.plan import arrow
from deep_faker.write.frames import plain_type

_TYPES = {bool: (pa.bool_(), "low"), int: (pa.int64(), "number"), float: (pa.float64(), "number")}


def dirty_schemas(
    schemas: Mapping[str, pa.Schema],
    defects: Defects,
    rules_of: Mapping[str, Sequence[int]],
    rules: Sequence[Rule],
) -> dict[str, pa.Schema]:
    """Event type → the schema of what arrives of it."""
    return {
        name: _schema(
            schema,
            {field for n in rules_of[name] if rules[n].kind == "null" for field in rules[n].field_names},
            [change for change in defects.changes if change.event == name],
        )
        for name, schema in schemas.items()
    }


def _schema(schema: pa.Schema, emptied: set[str], changes: Sequence[Evolve]) -> pa.Schema:
    old = emptied | {name for change in changes for name in change.old_names}
    out = [
        pa.field(f.name, plain_type(f.type), nullable=f.nullable or f.name in old, metadata=f.metadata)
        for f in schema
    ]
    for change in changes:
        for before, after in change.rename.items():
            field = schema.field(before)
            out.append(pa.field(after, plain_type(field.type), nullable=True, metadata=field.metadata))
        for name, value in change.add.items():
            kind, hint = _TYPES.get(type(value), (pa.string(), "low"))
            out.append(pa.field(name, kind, nullable=True, metadata={"hint": hint}))
    return pa.schema(out)


def evolved(
    batch: Batch, changes: Sequence[Evolve], schema: pa.Schema, left: Mask, key: AnswerKey, rule: int
) -> pa.Table:
    """The columns of a batch as they have become, each event by the schema of its time.

    Of fields that are left out, the values of the events that arrive (``left``) go into the answer key.
    """
    made: dict[str, pa.Array] = {}
    for change in changes:
        if change.event != batch.event:
            continue
        after = batch.time >= change.at
        mask = arrow.numbers(after)
        for name in change.drop:
            clean = batch.clean(name)
            rows = np.flatnonzero(after & left & clean.is_valid().to_numpy(zero_copy_only=False))
            originals = as_json(clean.take(arrow.numbers(rows)).to_pylist())
            key.add(batch, rule, "schema", rows, named=name, originals=originals)
        for before, new in change.rename.items():
            column = batch.column(before)
            made[new] = pc.if_else(mask, column, pa.scalar(None, column.type))
        for name in change.old_names:
            column = batch.column(name)
            batch.columns[name] = pc.if_else(mask, pa.scalar(None, column.type), column)
        for name, value in change.add.items():
            kind = schema.field(name).type
            made[name] = pc.if_else(mask, pa.scalar(value, kind), pa.scalar(None, kind))
    columns = [made[f.name] if f.name in made else batch.column(f.name) for f in schema]
    return pa.table(columns, schema=schema)
