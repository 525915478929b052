"""The answer key: a row for each defect, with what there was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from deep_faker.declare.defects import Evolve
from deep_faker.fill.arrival import instants
from deep_faker.fill.defects.batch import Batch
from deep_faker.plan import Array, arrow

TABLE = "truth/defects"
_TIME = pa.timestamp("us")
KEY = pa.schema(
    [
        pa.field("sys__eid", pa.string(), metadata={"hint": "id"}),
        pa.field("event_type", pa.string(), nullable=False, metadata={"hint": "low"}),
        pa.field("kind", pa.string(), nullable=False, metadata={"hint": "low"}),
        pa.field("field", pa.string(), metadata={"hint": "low"}),
        pa.field("original", pa.string(), metadata={"hint": "text"}),
        pa.field("sys__time", _TIME, nullable=False, metadata={"hint": "time"}),
        pa.field("sys__order", pa.int64(), metadata={"hint": "time"}),
        pa.field("available_time", _TIME, metadata={"hint": "time"}),
    ]
)
"""``original``: the clean value as JSON. ``available_time``: when what has the defect arrives, if ever."""


@dataclass
class AnswerKey:
    """The rows of one chunk, on their way into a table."""

    _pieces: list[pa.Table] = field(default_factory=list)
    _places: list[tuple[Array, int]] = field(default_factory=list)  # sys__order, and the rule's number

    def add(
        self,
        batch: Batch,
        rule: int,
        kind: str,
        rows: Array,
        *,
        named: str | None = None,
        originals: Sequence[str] | None = None,
        available: Array | None = None,
        arrives: bool = True,
    ) -> None:
        """Note defects of these rows of a batch; ``available`` where that is not when the event arrives."""
        n = len(rows)
        if not n:
            return
        at = arrow.numbers(np.ascontiguousarray(rows, np.int64))
        known = batch.available[rows] if available is None else available
        columns = [
            batch.table["sys__eid"].combine_chunks().take(at),
            _repeated(batch.event, n),
            _repeated(kind, n),
            _repeated(named, n),
            _repeated(None, n) if originals is None else arrow.texts(originals),
            instants(batch.time[rows]),
            arrow.numbers(batch.order[rows]),
            instants(known) if arrives else pa.nulls(n, _TIME),
        ]
        self._pieces.append(pa.table(columns, schema=KEY))
        self._places.append((batch.order[rows], rule))

    def table(self) -> pa.Table:
        """All rows, by event and rule: however the run was cut into chunks."""
        if not self._pieces:
            return KEY.empty_table()
        order = np.concatenate([places for places, _ in self._places])
        rule = np.repeat([number for _, number in self._places], [len(places) for places, _ in self._places])
        place = np.lexsort((rule, order))  # stable: fields of one rule stay in the order of the rule
        return pa.concat_tables(self._pieces).take(arrow.numbers(place)).combine_chunks()


def schema_rows(changes: Sequence[Evolve]) -> pa.Table:
    """The rows of changes of schemas that are no event's own: one for each field that is renamed or added."""
    rows = [
        (change.event, new, None if old is None else f'"{old}"', change.at)
        for change in changes
        for new, old in [*((n, o) for o, n in change.rename.items()), *((n, None) for n in change.add)]
    ]
    n = len(rows)
    if not n:
        return KEY.empty_table()
    columns = [
        _repeated(None, n),
        arrow.texts([row[0] for row in rows]),
        _repeated("schema", n),
        arrow.texts([row[1] for row in rows]),
        arrow.texts([row[2] for row in rows]),
        instants(np.array([row[3] for row in rows], np.int64)),
        pa.nulls(n, pa.int64()),
        pa.nulls(n, _TIME),
    ]
    return pa.table(columns, schema=KEY)


def _repeated(text: str | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.string()) if text is None else arrow.texts([text] * n)
