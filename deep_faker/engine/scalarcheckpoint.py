"""The whole state of a scalar engine between two steps, as named arrays.

Python values are kept in the storage of their types, so a checkpoint of this engine looks like one of
the column engine; the lists' order and the calendar are part of it, because draws index them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.plan import Array, Type
from deep_faker.storage import from_python, to_python

if TYPE_CHECKING:
    from deep_faker.engine.scalar import ScalarEngine
    from deep_faker.engine.scalarstore import ScalarList, ScalarTable

_PLAIN = ("number", "table", "state", "clock", "started", "action", "k", "stall", "events", "line")
_FLAGS = ("available", "published")
_NUMBERS = ("taken", "holder")


def save(engine: ScalarEngine) -> dict[str, Array]:
    """Names and arrays: ``flows.…`` and ``local.…`` one row a flow in flight, in order of their numbers;
    ``entity.…`` one row an entity; ``filter.…`` the members of each list; ``counters.…`` one number each.
    """
    flows = engine.waiting_flows()
    out = {f"flows.{name}": _integers(getattr(f, name) for f in flows) for name in _PLAIN}
    out["flows.rate"] = np.array([f.rate for f in flows], np.float64)
    for place, name in enumerate(engine.names):
        out[f"flows.held.{name}"] = _integers(getattr(f, f"h{place}") for f in flows)
        out[f"flows.exclusive.{name}"] = np.array([getattr(f, f"x{place}") for f in flows], np.bool_)
    out |= _pairs("flows.taken", [f.kept for f in flows])
    out |= _pairs("flows.born", [[(engine.names.index(name), n) for name, n in f.born] for f in flows])
    out |= _locals(engine, flows)
    for table in engine.tables.values():
        out |= _table(table)
    for members in engine.lists:
        name = f"filter.{members.filter.number}"
        out[f"{name}.members"] = _integers(members.members)
        out |= _pairs(f"{name}.calendar", [members.calendar()])
    out |= engine.tally.save(engine.lists)
    return out | {f"counters.{name}": np.array([value]) for name, value in engine.counters().items()}


def load(engine: ScalarEngine, arrays: Mapping[str, Array]) -> None:
    """Take up what `save` gave, in an engine that has not run."""
    prefix = "counters."
    counters = {n.removeprefix(prefix): int(a[0]) for n, a in arrays.items() if n.startswith(prefix)}
    for table in engine.tables.values():
        _load_table(table, arrays)
    for members in engine.lists:
        _load_list(members, arrays)
    engine.tally.load(arrays, engine.lists)
    flows = [engine.new_flow() for _ in arrays["flows.number"]]
    for name in _PLAIN:
        _assign(flows, name, arrays[f"flows.{name}"].tolist())
    _assign(flows, "rate", arrays["flows.rate"].tolist())
    for place, name in enumerate(engine.names):
        _assign(flows, f"h{place}", arrays[f"flows.held.{name}"].tolist())
        _assign(flows, f"x{place}", arrays[f"flows.exclusive.{name}"].tolist())
    _assign(flows, "kept", _unpaired("flows.taken", arrays))
    born = _unpaired("flows.born", arrays)
    _assign(flows, "born", [[(engine.names[place], n) for place, n in pairs] for pairs in born])
    for flow in engine.plan.flows:
        mine = [f for f in flows if f.table == flow.number]
        for name in flow.types:
            _load_local(engine, mine, f"local.{flow.number}.{name}", name, flow.types[name], arrays)
    engine.resume(flows, counters)


# ---------------------------------------------------------------- entities


def _table(table: ScalarTable) -> dict[str, Array]:
    name = f"entity.{table.name}"
    out = {f"{name}.{column}": np.array(getattr(table, column), np.bool_) for column in _FLAGS}
    out |= {f"{name}.{column}": _integers(getattr(table, column)) for column in _NUMBERS}
    out |= _pairs(f"{name}.births", [table.births], width=4)
    if table.stored is not None:
        out[f"{name}.keys"] = np.fromiter(table.stored, object, len(table.stored))
    for field, column in table.live.items():
        values, nulls = from_python(column, table.types[field], table.texts)
        out[f"{name}.state.{field}"] = values
        if nulls is not None:
            out[f"{name}.state.{field}.null"] = nulls
    return out


def _load_table(table: ScalarTable, arrays: Mapping[str, Array]) -> None:
    name = f"entity.{table.name}"
    for column in (*_FLAGS, *_NUMBERS):
        getattr(table, column)[:] = arrays[f"{name}.{column}"].tolist()
    table.births[:] = _unpaired(f"{name}.births", arrays)[0]
    if table.stored is not None:
        table.stored[:] = arrays[f"{name}.keys"].tolist()
        table.numbers = {key: number for number, key in enumerate(table.stored)}
    for field in table.live:
        state = f"{name}.state.{field}"
        values = to_python(arrays[state], arrays.get(f"{state}.null"), table.types[field], table.texts)
        # generated code holds on to the lists themselves; between two steps both views are the same
        table.live[field][:] = values
        table.start[field][:] = values


def _load_list(members: ScalarList, arrays: Mapping[str, Array]) -> None:
    name = f"filter.{members.filter.number}"
    calendar = _unpaired(f"{name}.calendar", arrays)[0]
    members.restore(arrays[f"{name}.members"].tolist(), calendar)


# ---------------------------------------------------------------- locals


def _locals(engine: ScalarEngine, flows: Sequence[Any]) -> dict[str, Array]:
    """Each local of each flow table: values, nulls, and which flows have set it."""
    out: dict[str, Array] = {}
    for flow in engine.plan.flows:
        mine = [f for f in flows if f.table == flow.number]
        for local, type_ in flow.types.items():
            known = np.array([hasattr(f, local) for f in mine], np.bool_)
            if not known.any():
                continue
            name = f"local.{flow.number}.{local}"
            given = [getattr(f, local) for f in mine if hasattr(f, local)]
            out[f"{name}.set"] = known
            # entities are numbers here
            known_type = Type("int") if type_.kind == "entity" else type_
            out[name], nulls = from_python(given, known_type, engine.plan.texts)
            if nulls is not None:
                out[f"{name}.null"] = nulls
    return out


def _load_local(
    engine: ScalarEngine,
    flows: Sequence[Any],
    name: str,
    local: str,
    type_: Type,
    arrays: Mapping[str, Array],
) -> None:
    if name in arrays:
        known_type = Type("int") if type_.kind == "entity" else type_
        values = to_python(arrays[name], arrays.get(f"{name}.null"), known_type, engine.plan.texts)
        _assign(list(itertools.compress(flows, arrays[f"{name}.set"].tolist())), local, values)


# ---------------------------------------------------------------- arrays


def _integers(values: Iterable[int]) -> Array:
    return np.array(list(values), np.int64)


def _pairs(name: str, rows: Sequence[Sequence[tuple[int, ...]]], width: int = 2) -> dict[str, Array]:
    """A list of tuples of whole numbers for each row."""
    items = [item for row in rows for item in row]
    return {
        f"{name}.offsets": np.cumsum([0, *map(len, rows)], dtype=np.int64),
        f"{name}.items": np.array(items, np.int64).reshape(len(items), width),
    }


def _unpaired(name: str, arrays: Mapping[str, Array]) -> list[list[Any]]:
    items = [tuple(item) for item in arrays[f"{name}.items"].tolist()]
    return [items[a:b] for a, b in itertools.pairwise(arrays[f"{name}.offsets"].tolist())]


def _assign(flows: Sequence[Any], name: str, values: Sequence[Any]) -> None:
    for flow, value in zip(flows, values, strict=True):
        setattr(flow, name, value)
