"""``truth/incidents`` as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deep_faker.fill.arrival import instants
from deep_faker.plan import arrow
from deep_faker.plan.incidents import Touched

_TIMES = ("start", "full_from", "full_until", "end")
_TEXTS = ("incident", "cause", "kind", "target")


def incident_table(rows: Sequence[Touched]) -> pa.Table:
    """A row for each flow or rule that an incident touches.

    >>> row = Touched("outage", "", 0, 1, 2, 3, 0.5, "flow", "pay", 10.0, 5.0)
    >>> incident_table([row])["expected"].to_pylist()
    [5.0]
    """
    columns: dict[str, pa.Array] = {}
    for name in Touched.__slots__:
        values = [getattr(row, name) for row in rows]
        if name in _TIMES:
            columns["sys__time" if name == "start" else name] = instants(np.array(values, np.int64))
        elif name in _TEXTS:
            columns[name] = arrow.texts(values)
        else:
            missing = np.array([value is None for value in values], bool)
            columns[name] = arrow.numbers(np.array([value or 0.0 for value in values], np.float64), missing)
    fields = [pa.field(name, array.type, metadata={"hint": "low"}) for name, array in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))
