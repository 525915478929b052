"""The ground truth beside the events: sessions, entities and their history, as Arrow tables.

Rows leave in an order that does not depend on how the run was cut into chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.fill.binding import Binding
from deep_faker.fill.time_order import order_in_run, places_among_events
from deep_faker.plan import OUTCOMES, Array, EndedFlows, EntityPlan, StateColumn, Trace, Versions, arrow
from deep_faker.plan.conversion import arrow_type, convert, to_arrow_list
from deep_faker.plan.replicated import rules_of
from deep_faker.plan.storage import to_arrow
from deep_faker.simulate.engine import Engine
from deep_faker.values import Rows

_BATCH = 65_536
_PLACES = ("valid_from", "valid_to", "sys__order", "sys__version")  # of a version, beside its key


def state_type(column: StateColumn, entity: EntityPlan) -> pa.DataType:
    """The Arrow type of a state field in files."""
    spec = next(s for s in entity.spec.states if s.name == column.name)
    if column.type.kind == "code":
        return pa.dictionary(pa.int32(), pa.string())
    return arrow_type(spec)


class Tables:
    """Makes the session, entity and history tables of one run."""

    def __init__(self, binding: Binding, *, deltas: bool = False) -> None:
        self.binding = binding
        self.plan = binding.plan
        # of replicated entities a part says what it added, where all parts' are to be summed
        self._summed = {} if not deltas else rules_of(self.plan)
        self._waiting: list[pa.Table] = []
        self._flow_names = arrow.texts([flow.name for flow in self.plan.flows] or [""])
        self.sessions_schema = self._sessions_schema()
        self._open: dict[str, _OpenVersions] = {
            name: _OpenVersions(self._history_schema(entity)) for name, entity in self.plan.entities.items()
        }

    # ------------------------------------------------ checkpoints

    def save(self) -> dict[str, Array]:
        """The rows that wait for their turn, each table as the bytes of an Arrow stream."""
        out = {}
        if self._waiting:
            out["sessions"] = _stream(pa.concat_tables(self._waiting))
        for name, opened in self._open.items():
            if opened.open is not None:
                out[f"history/{name}"] = _stream(opened.open)
        return out

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up what `save` gave."""
        self._waiting = [_unstreamed(arrays["sessions"])] if "sessions" in arrays else []
        for name, opened in self._open.items():
            saved = arrays.get(f"history/{name}")
            opened.open = None if saved is None else _unstreamed(saved)

    # ------------------------------------------------ sessions

    def _sessions_schema(self) -> pa.Schema:
        text = pa.dictionary(pa.int32(), pa.string())
        fields = [
            pa.field("sys__sid", pa.string(), nullable=False, metadata={"hint": "id"}),
            pa.field("flow", text, nullable=False, metadata={"hint": "low"}),
            pa.field("started", pa.timestamp("us"), nullable=False, metadata={"hint": "time"}),
            pa.field("ended", pa.timestamp("us"), nullable=False, metadata={"hint": "time"}),
            pa.field("outcome", text, nullable=False, metadata={"hint": "low"}),
            pa.field("line", pa.int64(), metadata={"hint": "number"}),
            pa.field("events", pa.int64(), nullable=False, metadata={"hint": "number"}),
        ]
        if self.plan.queues:
            fields.append(pa.field("waited", pa.float64(), nullable=False, metadata={"hint": "number"}))
        fields += [
            pa.field(name, pa.list_(self.binding.key_type(name)), metadata={"hint": "key"})
            for name in self.plan.entities
        ]
        return pa.schema(fields)

    def sessions(self, trace: Trace) -> pa.Table:
        """The flows that ended before the trace's end, in the order (ended, flow number).

        Flows that were cut end at the end of the simulation, which may be later than the trace:
        they wait for their turn.
        """
        tables = [*self._waiting, *(self._session_rows(ended) for ended in trace.ended if len(ended.flow))]
        if not tables:
            return pa.Table.from_batches([], self.sessions_schema)
        table = pa.concat_tables(tables)
        ended, flow = _numbers(table["ended"].cast(pa.int64())), _numbers(table["_flow"])
        later = (ended[1:] > ended[:-1]) | ((ended[1:] == ended[:-1]) & (flow[1:] > flow[:-1]))
        if not later.all():
            order = np.lexsort((flow, ended))
            table, ended = table.take(arrow.numbers(order)), ended[order]
        due = int(np.count_nonzero(ended < trace.until))
        self._waiting = [table.slice(due)] if due < len(ended) else []
        return table.slice(0, due).drop_columns(["_flow"]).cast(self.sessions_schema)

    def last_sessions(self) -> pa.Table:
        """What still waits when the run is over."""
        if not self._waiting:
            return pa.Table.from_batches([], self.sessions_schema)
        table = pa.concat_tables(self._waiting).drop_columns(["_flow"]).cast(self.sessions_schema)
        self._waiting = []
        return table

    def _session_rows(self, ended: EndedFlows) -> pa.Table:
        def coded(codes: Array, names: pa.Array) -> pa.Array:
            return pa.DictionaryArray.from_arrays(arrow.numbers(codes.astype(np.int32)), names)

        columns = {
            "sys__sid": self.binding.session_ids(ended.flow.astype(np.uint64)),
            "flow": coded(ended.table, self._flow_names),
            "started": _instants(ended.started),
            "ended": _instants(ended.ended),
            "outcome": coded(ended.outcome, arrow.texts(OUTCOMES)),
            "line": arrow.numbers(ended.line.astype(np.int64)),
            "events": arrow.numbers(ended.events.astype(np.int64)),
        }
        if ended.waited is not None:
            columns["waited"] = pa.array(ended.waited.astype(np.int64) / 1e6)
        for name in self.plan.entities:
            type_ = self.sessions_schema.field(name).type
            if name in ended.held:
                offsets, number = ended.held[name]
                keys = self.binding.key_column(name, number)
                column = pa.ListArray.from_arrays(arrow.numbers(offsets.astype(np.int32)), keys).cast(type_)
            else:
                column = pa.ListArray.from_arrays(
                    arrow.numbers(np.zeros(len(ended.flow) + 1, np.int32)), pa.nulls(0, type_.value_type)
                )
            columns[name] = column
        columns["_flow"] = arrow.numbers(ended.flow.astype(np.uint64))
        return pa.table(columns)

    # ------------------------------------------------ entities

    def entity_schema(self, name: str) -> pa.Schema:
        """Key, state fields, born."""
        return self._state_schema(self.plan.entities[name], [("born", pa.timestamp("us"), "time")])

    def _history_schema(self, entity: EntityPlan) -> pa.Schema:
        ends = [("valid_from", pa.timestamp("us"), "time"), ("valid_to", pa.timestamp("us"), "time")]
        schema = self._state_schema(entity, [])
        fields = [schema.field(0), *(pa.field(n, t, metadata={"hint": h}) for n, t, h in ends)]
        fields += [schema.field(i) for i in range(1, len(schema))]
        fields.append(pa.field("sys__eid", pa.string(), metadata={"hint": "id"}))
        fields.append(pa.field("sys__order", pa.int64(), nullable=False, metadata={"hint": "number"}))
        fields.append(pa.field("sys__version", pa.int64(), nullable=False, metadata={"hint": "number"}))
        return pa.schema(fields)

    def _state_schema(self, entity: EntityPlan, more: list[tuple[str, pa.DataType, str]]) -> pa.Schema:
        fields = [
            pa.field(entity.spec.primary_key, self.binding.key_type(entity.name), metadata={"hint": "id"})
        ]
        for column in entity.columns:
            type_ = state_type(column, entity)
            hint = (
                "low" if pa.types.is_dictionary(type_) else "time" if pa.types.is_timestamp(type_) else "text"
            )
            hint = "number" if type_ in (pa.int64(), pa.float64()) else hint
            fields.append(pa.field(column.name, type_, metadata={"hint": hint}))
        fields += [pa.field(name, type_, metadata={"hint": hint}) for name, type_, hint in more]
        return pa.schema(fields)

    def entities(self, name: str, engine: Engine) -> Iterator[pa.Table]:
        """The final state of an entity type, in entity order, in batches."""
        entity = self.plan.entities[name]
        schema = self.entity_schema(name)
        born = engine.entities(name)
        for first in range(0, len(born.number), _BATCH):
            cut = slice(first, first + _BATCH)
            number, clock = born.number[cut], born.clock[cut]
            arrays = [self.binding.key_column(name, number)]
            birth = Rows(born.flow[cut], born.action[cut].astype(np.uint64), clock)
            for column in entity.columns:
                if column.lazy:
                    array = self._lazy(entity, column, birth)
                else:
                    array = self._state(column, entity, *engine.column(name, column.name, number))
                if self._summed.get(name, {}).get(column.name) == "sum":
                    array = pc.subtract(array, self._initial(entity, column, birth))
                arrays.append(_as(array, schema.field(column.name).type))
            arrays.append(_instants(clock))
            yield pa.table(arrays, schema=schema)

    def _lazy(self, entity: EntityPlan, column: StateColumn, birth: Rows) -> pa.Array:
        """A copy of an event field that nothing in the run looked at: made from the birth's numbers."""
        source = entity.spec.source_event
        assert source is not None
        assert column.from_field is not None
        maker = self.binding.makers[source.name, column.from_field]
        return self._converted(maker.column(birth), maker.spec.kind, column, entity)

    def _initial(self, entity: EntityPlan, column: StateColumn, birth: Rows) -> pa.Array:
        """What a state field began with."""
        if column.from_field is not None:
            return self._lazy(entity, column, birth)
        spec = next(s for s in entity.spec.states if s.name == column.name)
        return pa.array([column.default] * len(birth.flow), arrow_type(spec))

    def _converted(self, array: pa.Array, kind: str, column: StateColumn, entity: EntityPlan) -> pa.Array:
        spec = next(s for s in entity.spec.states if s.name == column.name)
        if kind == spec.kind:
            return array
        return convert(array, kind, spec.as_field())

    def _state(self, column: StateColumn, entity: EntityPlan, values: Array, nulls: Array | None) -> pa.Array:
        if column.type.kind == "object":
            spec = next(s for s in entity.spec.states if s.name == column.name)
            return to_arrow_list(values.tolist(), spec.as_field())
        return to_arrow(values, nulls, column.type, self.plan.texts)

    # ------------------------------------------------ what is latent

    def observed(self, name: str, table: pa.Table) -> pa.Table:
        """Rows of an entity type, or of its history, without its latent state."""
        latent = self.plan.entities[name].spec.latent
        return table.drop_columns(list(latent)) if latent else table

    def latent(self, tables: Mapping[str, pa.Table], group: str) -> dict[str, pa.Table]:
        """The latent state of rows of the ``group`` (``entities``, ``history``) by entity type, with keys."""
        out = {}
        for name, table in tables.items():
            spec = self.plan.entities[name].spec
            if spec.latent:
                places = [spec.primary_key, *(column for column in _PLACES if column in table.column_names)]
                out[f"{group}/{name}"] = table.select([*places, *spec.latent])
        return out

    # ------------------------------------------------ history

    def history(self, trace: Trace, before: int) -> dict[str, pa.Table]:
        """Versions that are over, by entity type, in the order in which they ended.

        ``before``: how many events the earlier traces had.
        """
        all_versions = [v for v in trace.versions if len(v.number)]
        rows: dict[str, list[pa.Table]] = {}
        for versions, place in zip(all_versions, places_among_events(trace, all_versions)):
            rows.setdefault(versions.entity, []).append(
                self._version_rows(versions, order_in_run(place + before, self.binding.draws))
            )
        return {
            name: opened.add(pa.concat_tables(rows[name]))
            for name, opened in self._open.items()
            if name in rows
        }

    def last_history(self) -> dict[str, pa.Table]:
        """The versions that are still valid at the end, in entity order."""
        return {name: opened.rest() for name, opened in self._open.items()}

    def _version_rows(self, versions: Versions, place: Array) -> pa.Table:
        entity = self.plan.entities[versions.entity]
        schema = self._open[versions.entity].schema
        time = _instants(versions.clock)
        flow, action = versions.flow.astype(np.uint64), versions.action.astype(np.uint64)
        ids = self.binding.event_ids(flow, action)
        columns: dict[str, pa.Array] = {
            entity.spec.primary_key: self.binding.key_column(versions.entity, versions.number),
            "valid_from": time,
            "valid_to": pa.nulls(len(time), pa.timestamp("us")),
            "sys__eid": pc.if_else(
                arrow.numbers(versions.is_event.astype(bool)), ids, pa.nulls(len(ids), pa.string())
            ),
            "sys__order": arrow.numbers(place),
            "sys__version": arrow.numbers(np.ones(len(time), np.int64)),  # counted when they are put in order
        }
        for column in entity.columns:
            array = self._state(column, entity, versions.values[column.name], versions.nulls.get(column.name))
            columns[column.name] = _as(array, schema.field(column.name).type)
        table = pa.table([columns[name] for name in schema.names], schema=schema)
        more = {"_number": versions.number, "_clock": versions.clock, "_flow": flow, "_action": action}
        for name, values in more.items():
            table = table.append_column(name, arrow.numbers(values))
        return table


class _OpenVersions:
    """The last version of every entity, which waits for the next one to close it."""

    _KEYS = ("_number", "_clock", "_flow", "_action")

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.open: pa.Table | None = None

    def add(self, versions: pa.Table) -> pa.Table:
        table = versions if self.open is None else pa.concat_tables([self.open, versions])
        number, clock, flow, action = (_numbers(table[name]) for name in self._KEYS)
        order = np.lexsort((np.arange(len(number)), action, flow, clock, number))
        following = np.empty(len(order), bool)
        following[-1:] = False
        following[:-1] = number[order[1:]] == number[order[:-1]]
        table = _counted(table, order, following)
        closed, closer = order[:-1][following[:-1]], order[1:][following[:-1]]
        self.open = table.take(arrow.numbers(np.sort(order[~following])))
        by_end = np.lexsort((number[closed], action[closer], flow[closer], clock[closer]))
        closed, closer = closed[by_end], closer[by_end]
        ends = _instants(clock[closer])
        out = table.take(arrow.numbers(closed)).drop_columns(list(self._KEYS))
        return out.set_column(out.schema.get_field_index("valid_to"), self.schema.field("valid_to"), ends)

    def rest(self) -> pa.Table:
        if self.open is None:
            return pa.Table.from_batches([], self.schema)
        order = np.argsort(_numbers(self.open["_number"]), kind="stable")
        return self.open.take(arrow.numbers(order)).drop_columns(list(self._KEYS)).cast(self.schema)


def _counted(table: pa.Table, order: Array, following: Array) -> pa.Table:
    """The table with each entity's versions counted, from the number that the first of its rows has."""
    column = table.schema.get_field_index("sys__version")
    version = _numbers(table["sys__version"])
    first = np.ones(len(order), bool)
    first[1:] = ~following[:-1]
    row = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(first, row, 0))
    counted = np.empty(len(order), np.int64)
    counted[order] = version[order[begin]] + row - begin
    return table.set_column(column, table.schema.field(column), arrow.numbers(counted))


def _instants(micros: Array) -> pa.Array:
    return arrow.numbers(micros.astype(np.int64)).cast(pa.timestamp("us"))


def _numbers(column: pa.ChunkedArray) -> Array:
    """The numbers of a column, which has no nulls."""
    chunks = [arrow.values(chunk) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _stream(table: pa.Table) -> Array:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.unify_dictionaries())
    return np.frombuffer(sink.getvalue(), np.uint8)


def _unstreamed(data: Array) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def _as(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.type == type_:
        return array
    if isinstance(array, pa.DictionaryArray) and not pa.types.is_dictionary(type_):
        array = array.dictionary_decode()
    return array.cast(type_)
