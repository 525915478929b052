"""Trace → frames: fills the free fields and puts every event type into the order of T9.

All draws are pure functions of (flow number, action number), so a chunk is sorted first and
filled afterwards, straight in its final order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from deep_faker.declare.schema import MISSING, EventSpec, FieldSpec, Rejection, dumped, validate_row
from deep_faker.fill.arrival import Arrival, instants
from deep_faker.fill.binding import Binding, invalid_value
from deep_faker.fill.constraints import first_invalid
from deep_faker.fill.sources import Generated, KeyOf, Source, Sources, Values
from deep_faker.fill.time_order import Arranged, Part, arranged, concatenated
from deep_faker.plan import Site, Trace, arrow
from deep_faker.plan.conversion import (
    UnstorableError,
    arrow_type,
    parsed_values,
    to_arrow_list,
    validated_values,
)
from deep_faker.plan.replicated import replicated_events
from deep_faker.values import Rows
from deep_faker.write import ARRIVING, STAMPS, EventChunk

_IDS = ("sys__eid", "sys__ets", "sys__sid")
_TIME, _PLACE = STAMPS.names
# What models refused: the place of the event in T9 order, and the error.
_Refused: TypeAlias = list[tuple[tuple[int, int, int], Exception]]


class Columns:
    """Fills traces of one plan.

    ``schemas``: event type → Arrow schema of its table, the same for every chunk. With ``code_keys``, keys of
    entities come as dictionary columns of their numbers, where nothing else looks at them; the schema says
    text in any case.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.plan = binding.plan
        self._sources = Sources(binding)
        self.code_keys = False
        self._coded: set[tuple[str, str]] = set()  # columns of which it is decided that they are
        self._open = live = any(flow.live for flow in self.plan.flows)
        # of worlds with other parameters, some emit what others never do: all have the same tables
        is_open = live or bool(self.plan.settings.params)
        emitted = set(self.plan.events) if is_open else {site.event for site in self.plan.sites}
        self.names: tuple[str, ...] = tuple(sorted(emitted))
        self._sites: dict[str, list[int]] = {n: [] for n in self.names}
        for site in self.plan.sites:
            self._sites[site.event].append(site.number)
        self.schemas: dict[str, pa.Schema] = {
            name: self._schema(self.plan.events[name]) for name in self.names
        }
        self.drawn: dict[str, frozenset[str]] | None = None
        # all event types, where the place of each event among them is to be told
        self._placed: tuple[str, ...] | None = self.names
        # what all parts have is the first one's to tell
        others = binding.draws.partition > 0
        self._untold = replicated_events(binding.plan) if others else frozenset()
        self.arrival = Arrival(binding.draws) if binding.plan.arrives else None

    def narrow(self, asked: Mapping[str, Sequence[str]]) -> None:
        """Fill these event types only, and of each only these columns and what they hang on.

        ``drawn`` says then what is made of each type: all of it where validators of the user's own look at
        whole events, since they may refuse them or change other fields.
        """
        if not any(_PLACE in columns for columns in asked.values()):
            self._placed = None
        self.names = tuple(sorted(asked))
        known = {name: pa.schema([*self.schemas[name], *STAMPS]) for name in self.names}
        self.schemas = {
            name: pa.schema([known[name].field(column) for column in asked[name]]) for name in self.names
        }
        self.drawn = {name: self._drawn(self.plan.events[name], asked[name]) for name in self.names}

    def _drawn(self, spec: EventSpec, asked: Sequence[str]) -> frozenset[str]:
        """The columns that must be there, so that those that are asked for can be."""
        if spec.row_validated is not None:
            return frozenset((*_IDS, *(field.name for field in spec.fields), *asked))
        drawn, left = set[str](), list(asked)
        while left:
            name = left.pop()
            if name not in drawn:
                drawn.add(name)
                left += self.binding.needs(spec.name, name)
        return frozenset(drawn)

    def use_sites(self, sites: Sequence[Site]) -> None:
        """Look sites up in ``sites``, which begins with the plan's and may grow during the run."""
        self._sources.use_sites(sites)

    @property
    def sites(self) -> Sequence[Site]:
        """All sites of the run so far."""
        return self._sources.sites

    def fill(self, trace: Trace, before: Mapping[str, int]) -> EventChunk:
        """The events of a trace as one table per event type, in T9 order.

        ``before``: how many events of each type the earlier traces had. The keys that the trace brings are
        known to the binding from here on, for its other tables too. Raises `InvalidValueError` for the
        first value (in T9 order) that its model refuses.
        """
        return self.stamped(self.arranged(trace, before, sum(before.values())))

    def stamped(self, events: Arranged) -> EventChunk:
        """The columns of these events and what data sets keep beside them; raises as `fill` does."""
        stamps = {}
        for name, part in events.parts.items():
            columns = [_times(part), _places(part)]
            if self.arrival is not None:
                columns.append(instants(self.arrival.times(part, self._sources.sites)))
            stamps[name] = pa.table(columns, schema=ARRIVING if self.arrival is not None else STAMPS)
        chunk = self.filled(events)
        hidden = {
            name: table.add_column(1, STAMPS.field(_PLACE), stamps[name][_PLACE])
            for name, table in chunk.hidden.items()
        }
        return replace(chunk, stamps=stamps, hidden=hidden)

    def arranged(self, trace: Trace, before: Mapping[str, int], earlier: int) -> Arranged:
        """The events of a trace, of which nothing is drawn yet.

        ``before`` as in `fill`; ``earlier``: how many events of all types came before.
        """
        self.binding.note_keys(trace.keys)
        if self._placed is None:
            events = arranged(trace, self._sources.sites, self.names)
        else:
            events = arranged(trace, self._sources.sites, self._placed)
            events.place(earlier, self.binding.draws, self._untold)
            events = events.only(self.names)
        if self._untold:
            events = events.only(tuple(name for name in events.names if name not in self._untold))
        for name, part in events.parts.items():
            part.before = before.get(name, 0)
        return events

    def counted(self, trace: Trace) -> int:
        """How many events of a trace have a place in the run."""
        if not self._untold:
            return trace.events
        sites = self._sources.sites
        return sum(len(rows.flow) for rows in trace.rows if sites[rows.site].event not in self._untold)

    def filled(self, events: Arranged) -> EventChunk:
        """The columns of these events; raises as `fill` does."""
        if events.parts and (
            self.drawn is None or any("sys__sid" in self.drawn[name] for name in events.parts)
        ):
            self.binding.sessions.expect([part.flow for part in events.parts.values()])
        tables: dict[str, pa.Table] = {}
        hidden: dict[str, pa.Table] = {}
        refused: _Refused = []
        for name, part in events.parts.items():
            tables[name] = self._table(self.plan.events[name], part, refused, hidden)
        if refused:
            raise min(refused, key=lambda item: item[0])[1]
        return EventChunk(tables=tables, order=events.order, names=events.names, hidden=hidden)

    # ------------------------------------------------ tables

    def _schema(self, spec: EventSpec) -> pa.Schema:
        fields = [
            pa.field("sys__eid", pa.string(), nullable=False, metadata={"hint": "id"}),
            pa.field("sys__ets", pa.int64(), nullable=False, metadata={"hint": "time"}),
            pa.field("sys__sid", pa.string(), nullable=False, metadata={"hint": "text"}),
        ]
        for field in spec.columns:
            type_, hint = self._field_type(spec, field)
            metadata = {"hint": hint, **({"zone": "UTC"} if field.aware else {})}
            fields.append(pa.field(field.name, type_, nullable=field.nullable, metadata=metadata))
        return pa.schema(fields)

    def _field_type(self, spec: EventSpec, field: FieldSpec) -> tuple[pa.DataType, str]:
        """The column's type in files: a dictionary only where every site hands one over."""
        plain = arrow_type(field)
        sites = [self.plan.sites[number] for number in self._sites[spec.name]]
        if any(self._sources.is_key(site, field) for site in sites):
            return plain, "id" if any(site.save for site in sites) else "key"
        hints = {
            "str": "text",
            "datetime": "time",
            "date": "low",
            "bool": "low",
            "int": "number",
            "float": "number",
        }
        closed = spec.row_validated is None and not self._open
        if closed and field.kind == "str" and all(self._sources.planned(site, field).coded for site in sites):
            return pa.dictionary(pa.int32(), pa.string()), "low"
        generator = field.generator
        if generator is not None and (generator.unique or generator.name in ("shortuuid", "uuid4")):
            return plain, "id"
        return plain, hints.get(field.kind, "text")

    def _table(self, spec: EventSpec, part: Part, refused: _Refused, hidden: dict[str, pa.Table]) -> pa.Table:
        rows = part.sorted_rows()
        schema = self.schemas[spec.name]
        drawn = None if self.drawn is None else self.drawn[spec.name]
        arrays: dict[str, Values] = {}
        if drawn is None or "sys__eid" in drawn:
            arrays["sys__eid"] = self.binding.event_ids(rows.flow, rows.action)
        if drawn is None or "sys__ets" in drawn:
            arrays["sys__ets"] = arrow.numbers(np.floor_divide(rows.clock, 1000))
        if drawn is None or "sys__sid" in drawn:
            arrays["sys__sid"] = self.binding.session_ids(rows.flow)
        for field in self.binding.order[spec.name]:
            if drawn is None or field.name in drawn:
                arrays[field.name] = self._field(spec, field, part, rows, arrays)
        if spec.row_validated is not None:
            self._validated_rows(spec, arrays, part, rows, refused)
        if refused and spec.row_validated is not None:
            return pa.Table.from_batches([], schema)  # it is raised when all event types have been looked at
        for field in spec.fields if spec.row_validated is None else ():
            wrong = first_invalid(arrays[field.name], field) if field.name in arrays else None
            if wrong is not None:
                self._refuse(spec, field, wrong[1], wrong[2], wrong[0], part, rows, refused)
        if drawn is None and (unseen := [field for field in spec.fields if field.hidden]):
            hidden[spec.name] = _hidden(arrays, unseen)
        if drawn is not None and _TIME in drawn:
            arrays[_TIME] = _times(part)
        if drawn is not None and _PLACE in drawn:
            arrays[_PLACE] = _places(part)
        for place, column in enumerate(schema):
            array = arrays[column.name]
            if isinstance(array, pa.DictionaryArray) and (spec.name, column.name) in self._coded:
                schema = schema.set(place, column.with_type(array.type))
            else:
                arrays[column.name] = _as_type(array, column.type)
        return pa.table([arrays[name] for name in schema.names], schema=schema)

    def _refuse(
        self,
        spec: EventSpec,
        field: FieldSpec | None,
        value: object,
        reason: str,
        row: int,
        part: Part,
        rows: Rows,
        refused: _Refused,
        mend: str | None = None,
    ) -> None:
        place = row if part.order is None else int(part.order[row])
        for site_rows in part.rows:
            if place < len(site_rows.flow):
                break
            place -= len(site_rows.flow)
        site = self._sources.sites[site_rows.site]
        when = (int(rows.clock[row]), int(rows.flow[row]), int(rows.action[row]))
        refused.append((when, invalid_value(spec.name, field, value, reason, site.span, mend)))

    def _field(
        self, spec: EventSpec, field: FieldSpec, part: Part, rows: Rows, columns: Mapping[str, Values]
    ) -> Values:
        """One field's values in T9 order, of the field's kind, maybe dictionary encoded.

        ``columns``: the fields that it depends on, in that order too.
        """
        others = {name: self._seen(spec, name, columns) for name in self.binding.needs(spec.name, field.name)}
        sources = [self._sources.of(site_rows, field) for site_rows in part.rows]
        ranked = field.name in self.binding.ranked[spec.name]
        if all(isinstance(source, Generated) for source in sources):
            if ranked:
                rank = np.arange(part.before, part.before + len(rows.flow), dtype=np.uint64)
                rows = replace(rows, rank=rank)
            return self.binding.makers[spec.name, field.name].column(rows, others=others)
        keys = [source for source in sources if isinstance(source, KeyOf)]
        if len(keys) == len(sources) and len({source.entity for source in keys}) == 1:
            numbers = concatenated(
                [source.numbers(each) for source, each in zip(keys, part.rows, strict=True)]
            )
            if self._is_coded(spec, field, keys[0].entity):
                return self.binding.entity_keys[keys[0].entity].coded(part.sorted(numbers))
            return self.binding.key_column(keys[0].entity, part.sorted(numbers))
        ends = np.cumsum([len(site_rows.flow) for site_rows in part.rows])[:-1]
        ranks = np.split(part.back() + part.before, ends) if ranked else [None] * len(part.rows)
        pieces = [
            source.values(each, rank) for source, each, rank in zip(sources, part.rows, ranks, strict=True)
        ]
        if others:
            self._put_dependents(part, sources, pieces, others)
        return _joined(pieces, field, part)

    def _is_coded(self, spec: EventSpec, field: FieldSpec, entity: str) -> bool:
        """Whether a field whose sites all have keys of one entity type may hold them as numbers."""
        if not self.code_keys or entity not in self.binding.entity_keys:
            return False
        column = (spec.name, field.name)
        if column not in self._coded:
            looked_at = field.checks or field.literal is not None or field.row_validated or spec.row_validated
            needed = any(field.name in self.binding.needs(spec.name, other.name) for other in spec.fields)
            hint = self.schemas[spec.name].field(field.name).metadata[b"hint"]
            if (
                self._open
                or looked_at
                or needed
                or hint != b"key"
                or not pa.types.is_string(self.binding.key_type(entity))
            ):
                return False
            self._coded.add(column)
        return True

    def _seen(self, spec: EventSpec, name: str, columns: Mapping[str, Values]) -> pa.Array:
        """Another field's values as one that depends on it sees them: before its validators have."""
        values = columns[name]
        if not isinstance(values, list):
            return values
        field = spec.by_name[name]
        return to_arrow_list(validated_values(values, field), field)

    def _put_dependents(
        self, part: Part, sources: list[Source], pieces: list[Values], others: Mapping[str, pa.Array]
    ) -> None:
        """Put the values that depend on other fields in the place of those made without them."""
        back = pa.array(part.back())
        in_pieces = {name: column.take(back) for name, column in others.items()}
        first = 0
        for number, (source, rows) in enumerate(zip(sources, part.rows, strict=True)):
            n = len(rows.flow)
            if isinstance(source, Generated):
                needed = {name: column.slice(first, n) for name, column in in_pieces.items()}
                pieces[number] = source.maker.column(source.rows(rows), others=needed)
            first += n

    def _validated_rows(
        self,
        spec: EventSpec,
        arrays: dict[str, Values],
        part: Part,
        rows: Rows,
        refused: _Refused,
    ) -> None:
        """Custom validators see whole events; what pydantic returns is what is written."""
        columns = {
            # nested values are JSON text by now; what they are made of, the event's own validation says
            name: array
            if isinstance(array, list)
            else parsed_values(array, spec.by_name[name])
            if name in spec.by_name
            else array.to_pylist()
            for name, array in arrays.items()
        }
        names = list(columns)
        hidden = [field for field in spec.fields if field.hidden]
        fields = {field.name: field for field in (*spec.columns, *hidden)}
        dumping = {name: field for name, field in fields.items() if name in spec.serialized}
        out: dict[str, list[object]] = {name: [] for name in fields}
        # row by row because the user's own Python code must see each event; `explain` says so
        for row, values in enumerate(zip(*columns.values(), strict=True)):
            present = {n: value for n, value in zip(names, values, strict=True) if value is not MISSING}
            event = validate_row(spec, present)
            if isinstance(event, Rejection):
                field = spec.by_name.get(event.field)
                self._refuse(spec, field, event.value, event.reason, row, part, rows, refused)
                return
            try:
                written = dumped(event, dumping) if dumping else {}
            except Exception as error:  # noqa: BLE001 - whatever a serializer of the user's raises
                reason = f"it cannot be written: {type(error).__name__}: {error}"
                self._refuse(spec, None, spec.name, reason, row, part, rows, refused)
                return
            for name, column in out.items():
                column.append(written[name] if name in written else getattr(event, name))
        for name, field in fields.items():
            try:
                arrays[name] = to_arrow_list(out[name], field)
            except UnstorableError as error:
                row = next(i for i, value in enumerate(out[name]) if value is error.value)
                self._refuse(spec, field, error.value, error.reason, row, part, rows, refused, error.mend)
                return


def _hidden(arrays: Mapping[str, Values], fields: Sequence[FieldSpec]) -> pa.Table:
    """What only the truth tells of events, with their ids."""
    columns = {"sys__eid": arrays["sys__eid"]}
    for field in fields:
        values = arrays[field.name]
        made = to_arrow_list(values, field) if isinstance(values, list) else values
        columns[field.name] = _as_type(made, arrow_type(field))
    return pa.table(columns)


def _times(part: Part) -> pa.Array:
    """The instants of events, in T9 order."""
    clock = part.sorted(part.clock)
    # a view would keep the words of all columns in memory until its file is written
    return arrow.numbers(clock if clock.base is None else clock.copy()).cast(STAMPS.field(_TIME).type)


def _places(part: Part) -> pa.Array:
    """Where events are among all of the run."""
    assert part.places is not None
    return arrow.numbers(part.places)


def _joined(pieces: list[Values], field: FieldSpec, part: Part) -> Values:
    """The sites' values of one field, in T9 order."""
    if any(isinstance(piece, list) for piece in pieces):
        values = [v for p in pieces for v in (p if isinstance(p, list) else parsed_values(p, field))]
        return values if part.order is None else [values[row] for row in part.order.tolist()]
    arrays: list[pa.Array] = pieces
    if len({array.type for array in arrays}) > 1:
        plain = arrow_type(field)
        arrays = [_as_type(array, plain) for array in arrays]
    first = arrays[0]
    # Codes can stand side by side only where they are of one dictionary.
    if isinstance(first, pa.DictionaryArray) and not all(
        array.dictionary.equals(first.dictionary) for array in arrays
    ):
        arrays = [_as_type(array, pa.string()) for array in arrays]
    return part.joined(arrays)


def _as_type(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.type == type_:
        return array
    if isinstance(array, pa.DictionaryArray) and not pa.types.is_dictionary(type_):
        return array.dictionary_decode().cast(type_)
    if pa.types.is_dictionary(type_):
        return array.dictionary_encode()
    return array.cast(type_)
