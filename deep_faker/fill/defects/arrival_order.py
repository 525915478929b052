"""The order of arrival: events wait until nothing that could arrive before them can still happen.

In memory are the events on their way: as many as happen in the time that one is on its way on average.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from deep_faker.fill.arrival import instants
from deep_faker.fill.defects.dirt import Arrivals
from deep_faker.plan import Array, arrow
from deep_faker.write import EventChunk

_END = np.int64(2**63 - 1)
_HIDDEN = pa.schema([("_available", pa.int64()), ("_order", pa.int64()), ("_copy", pa.int64())])


class ArrivalOrder:
    """Takes events as they happen, gives them as they arrive. Those of one instant: as they happened."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.waiting: dict[str, pa.Table] = {}  # with the columns of `_HIDDEN`

    def add(self, arrivals: Mapping[str, Arrivals]) -> None:
        """Take events, in whichever order."""
        for name, rows in arrivals.items():
            if not rows.table.num_rows:
                continue
            table = rows.table
            for column, values in zip(_HIDDEN, (rows.available, rows.order, rows.copy)):
                table = table.append_column(column, arrow.numbers(np.ascontiguousarray(values, np.int64)))
            known = self.waiting.get(name)
            self.waiting[name] = table if known is None else pa.concat_tables([known, table])

    def until(self, instant: int) -> EventChunk:
        """Those that arrive before an instant (µs): nothing that is added later may arrive before it."""
        tables: dict[str, pa.Table] = {}
        stamps: dict[str, pa.Table] = {}
        keys: list[tuple[Array, Array, Array]] = []
        codes: list[Array] = []
        for code, name in enumerate(self.names):
            if name not in self.waiting:
                continue
            due, rest = _parted(self.waiting[name], instant)
            self.waiting[name] = rest
            if not rest.num_rows:
                del self.waiting[name]
            if not due.num_rows:
                continue
            available, order, copy = (_numbers(due, column) for column in _HIDDEN.names)
            place = _in_order(available, order, copy)
            if place is not None:
                due, available, order, copy = (
                    due.take(arrow.numbers(place)),
                    available[place],
                    order[place],
                    copy[place],
                )
            tables[name] = due.drop_columns(_HIDDEN.names)
            stamps[name] = pa.table({"available_time": instants(available)})
            keys.append((available, order, copy))
            codes.append(np.full(len(available), code, np.uint16))
        if not keys:
            return EventChunk({}, np.empty(0, np.uint16), self.names)
        which = np.concatenate(codes)
        if len(keys) > 1:
            available, order, copy = (np.concatenate(column) for column in zip(*keys))
            place = _in_order(available, order, copy)
            which = which if place is None else which[place]
        return EventChunk(tables, which, self.names, stamps=stamps)

    def rest(self) -> EventChunk:
        """All that are still on their way."""
        return self.until(int(_END))

    # ------------------------------------------------ checkpoints

    def save(self) -> dict[str, Array]:
        """Those on their way, as arrays."""
        out = {}
        for name, table in self.waiting.items():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            out[name] = np.frombuffer(sink.getvalue(), np.uint8)
        return out

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on with those that `save` gave."""
        for name, data in arrays.items():
            self.waiting[name] = pa.ipc.open_stream(pa.py_buffer(data.tobytes())).read_all()


def _parted(table: pa.Table, instant: int) -> tuple[pa.Table, pa.Table]:
    """The rows that arrive before an instant, and the others."""
    due = _numbers(table, "_available") < instant
    if due.all():
        return table, table.slice(0, 0)
    if not due.any():
        return table.slice(0, 0), table
    # the rest is copied: a view of it would hold all that has gone
    return table.filter(arrow.numbers(due)), table.filter(arrow.numbers(~due)).combine_chunks()


def _in_order(available: Array, order: Array, copy: Array) -> Array | None:
    """Positions in the order of arrival; None where they are in it."""
    later = np.diff(available)
    if ((later > 0) | ((later == 0) & (np.diff(order) > 0))).all():
        return None
    place: Array = np.lexsort((copy, order, available))
    return place


def _numbers(table: pa.Table, column: str) -> Array:
    values: Array = table[column].to_numpy()
    return values
