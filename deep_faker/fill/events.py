"""Trace → frames: fills the free fields and puts every event type into the order of T9.

All draws are pure functions of (flow number, action number), so a chunk is sorted first and
filled afterwards, straight in its final order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from deep_faker.declare.schema import (
    MISSING,
    EventSpec,
    FieldSpec,
    Rejection,
    dumped,
    validate_row,
    validate_value,
)
from deep_faker.errors import InvalidValueError
from deep_faker.fill.binding import Binding, invalid_value
from deep_faker.fill.constraints import first_invalid
from deep_faker.fill.time_order import Part, arranged, concatenated
from deep_faker.plan import Array, Site, SiteRows, Trace, Type, arrow
from deep_faker.plan.conversion import (
    UnstorableError,
    arrow_type,
    convert,
    parsed_values,
    to_arrow_list,
    validated_values,
)
from deep_faker.plan.storage import to_arrow, to_python
from deep_faker.values import Rows
from deep_faker.write import EventChunk

_KINDS = {"code": "str", "object": "json", "entity": "json"}
_NO_ROWS = Rows(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))


class Columns:
    """Fills traces of one plan.

    ``schemas``: event type → Arrow schema of its table, the same for every chunk.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.plan = binding.plan
        # An engine that runs live flows adds the sites that it meets: it shares its list with `use_sites`.
        self._all_sites: Sequence[Site] = self.plan.sites
        self._open = live = any(flow.live for flow in self.plan.flows)
        emitted = set(self.plan.events) if live else {site.event for site in self.plan.sites}
        self.names: tuple[str, ...] = tuple(sorted(emitted))
        self._sites: dict[str, list[int]] = {n: [] for n in self.names}
        for site in self.plan.sites:
            self._sites[site.event].append(site.number)
        self.schemas: dict[str, pa.Schema] = {
            name: self._schema(self.plan.events[name]) for name in self.names
        }

    def use_sites(self, sites: Sequence[Site]) -> None:
        """Look sites up in ``sites``, which begins with the plan's and may grow during the run."""
        self._all_sites = sites

    def fill(self, trace: Trace, before: Mapping[str, int]) -> EventChunk:
        """The events of a trace as one table per event type, in T9 order.

        ``before``: how many events of each type the earlier traces had. The keys that the trace brings are
        known to the binding from here on, for its other tables too. Raises `InvalidValueError` for the
        first value (in T9 order) that its model refuses.
        """
        self.binding.note_keys(trace.keys)
        parts, order = arranged(trace, self._all_sites, self.names)
        tables: dict[str, pa.Table] = {}
        refused: list[tuple[tuple[int, int, int], Exception]] = []
        for name, part in parts.items():
            part.before = before.get(name, 0)
            tables[name] = self._table(self.plan.events[name], part, refused)
        if refused:
            raise min(refused, key=lambda item: item[0])[1]
        return EventChunk(tables=tables, order=order, names=self.names)

    # ------------------------------------------------ tables

    def _schema(self, spec: EventSpec) -> pa.Schema:
        fields = [
            pa.field("sys__eid", pa.string(), nullable=False, metadata={"hint": "id"}),
            pa.field("sys__ets", pa.int64(), nullable=False, metadata={"hint": "time"}),
            pa.field("sys__sid", pa.string(), nullable=False, metadata={"hint": "key"}),
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
        if any(field.name in site.keys or (site.save and self._is_key(site.save, field)) for site in sites):
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
        if closed and field.kind == "str" and all(self._is_coded(site, field) for site in sites):
            return pa.dictionary(pa.int32(), pa.string()), "low"
        generator = field.generator
        if generator is not None and (generator.unique or generator.name in ("shortuuid", "uuid4")):
            return plain, "id"
        return plain, hints.get(field.kind, "text")

    def _is_key(self, entity: str, field: FieldSpec) -> bool:
        return self.plan.entities[entity].spec.primary_key == field.name

    def _is_coded(self, site: Any, field: FieldSpec) -> bool:
        if field.name in site.bound:
            return bool(site.bound[field.name].kind == "code")
        maker = self.binding.makers.get((site.event, field.name))
        return field.name in site.defaults or (maker is not None and pa.types.is_dictionary(maker.type))

    def _table(
        self, spec: EventSpec, part: Part, refused: list[tuple[tuple[int, int, int], Exception]]
    ) -> pa.Table:
        rows = part.sorted_rows()
        schema = self.schemas[spec.name]
        arrays: dict[str, Any] = {  # Arrow arrays, and lists of values that their event is yet to be made of
            "sys__eid": self.binding.event_ids(rows.flow, rows.action),
            "sys__ets": arrow.numbers(np.floor_divide(rows.clock, 1000)),
            "sys__sid": self.binding.session_ids(rows.flow),
        }
        for field in self.binding.order[spec.name]:
            arrays[field.name] = self._field(spec, field, part, rows, arrays)
        if spec.row_validated is not None:
            self._validated_rows(spec, arrays, part, rows, refused)
        if refused and spec.row_validated is not None:
            return schema.empty_table()  # it is raised when all event types have been looked at
        for field in spec.fields if spec.row_validated is None else ():
            wrong = first_invalid(arrays[field.name], field)
            if wrong is not None:
                self._refuse(spec, field, wrong[1], wrong[2], wrong[0], part, rows, refused)
        for column in spec.columns:
            arrays[column.name] = _as_type(arrays[column.name], schema.field(column.name).type)
        return pa.table([arrays[name] for name in schema.names], schema=schema)

    def _refuse(
        self,
        spec: EventSpec,
        field: FieldSpec | None,
        value: Any,
        reason: str,
        row: int,
        part: Part,
        rows: Rows,
        refused: list[tuple[tuple[int, int, int], Exception]],
        mend: str | None = None,
    ) -> None:
        place = row if part.order is None else int(part.order[row])
        for site_rows in part.rows:
            if place < len(site_rows.flow):
                break
            place -= len(site_rows.flow)
        site = self._all_sites[site_rows.site]
        when = (int(rows.clock[row]), int(rows.flow[row]), int(rows.action[row]))
        refused.append((when, invalid_value(spec.name, field, value, reason, site.span, mend)))

    def _field(
        self, spec: EventSpec, field: FieldSpec, part: Part, rows: Rows, others: Mapping[str, Any]
    ) -> Any:
        """One field's values in T9 order, of the field's kind, maybe dictionary encoded.

        A list where its own validators have still to see what the flow gave, when the event is made.
        ``others``: the fields that it depends on, in that order too.
        """
        others = {name: self._seen(spec, name, others) for name in self.binding.needs(spec.name, field.name)}
        sources = {self._source(site_rows, field) for site_rows in part.rows}
        ranked = field.name in self.binding.ranked[spec.name]
        if sources == {"free"}:
            if ranked:
                rank = np.arange(part.before, part.before + len(rows.flow), dtype=np.uint64)
                rows = replace(rows, rank=rank)
            return self.binding.makers[spec.name, field.name].column(rows, given=others)
        if len(sources) == 1 and "key" in sources:
            entity = {self._key_entity(site_rows, field) for site_rows in part.rows}
            if len(entity) == 1:
                number = concatenated([self._numbers(site_rows, field) for site_rows in part.rows])
                return self.binding.key_column(entity.pop(), part.sorted(number))
        ends = np.cumsum([len(site_rows.flow) for site_rows in part.rows])[:-1]
        ranks = np.split(part.back() + part.before, ends) if ranked else [None] * len(part.rows)
        pieces = [self._piece(spec, field, each, rank) for each, rank in zip(part.rows, ranks, strict=True)]
        if "free" in sources and self.binding.needs(spec.name, field.name):
            self._put_dependents(spec, field, part, pieces, others)
        if any(isinstance(piece, list) for piece in pieces):
            values = [v for p in pieces for v in (p if isinstance(p, list) else parsed_values(p, field))]
            return values if part.order is None else [values[at] for at in part.order.tolist()]
        if len({piece.type for piece in pieces}) > 1:
            plain = arrow_type(field)
            pieces = [_as_type(piece, plain) for piece in pieces]
        if any(isinstance(piece, pa.DictionaryArray) for piece in pieces):
            kept = pieces
            pieces = [p if p.dictionary.equals(pieces[0].dictionary) else None for p in pieces]
            if None in pieces:
                return part.joined([_as_type(piece, pa.string()) for piece in kept])
        return part.joined(pieces)

    def _seen(self, spec: EventSpec, name: str, others: Mapping[str, Any]) -> pa.Array:
        """Another field's values as one that depends on it sees them: before its validators have."""
        values = others[name]
        if not isinstance(values, list):
            return values
        field = spec.by_name[name]
        return to_arrow_list(validated_values(values, field), field)

    def _put_dependents(
        self,
        spec: EventSpec,
        field: FieldSpec,
        part: Part,
        pieces: list[pa.Array],
        others: Mapping[str, pa.Array],
    ) -> None:
        """Put the values that depend on other fields in the place of those made without them."""
        back = part.back()
        given = {
            name: others[name].take(pa.array(back)) for name in self.binding.needs(spec.name, field.name)
        }
        first = 0
        for at, rows in enumerate(part.rows):
            n = len(rows.flow)
            if self._source(rows, field) == "free":
                own = Rows(rows.flow.astype(np.uint64), rows.action.astype(np.uint64), rows.clock)
                maker = self.binding.makers[spec.name, field.name]
                pieces[at] = maker.column(own, given={k: v.slice(first, n) for k, v in given.items()})
            first += n

    def _source(self, rows: SiteRows, field: FieldSpec) -> str:
        site = self._all_sites[rows.site]
        if field.name in rows.values:
            return "bound"
        if field.name in rows.keys or (site.save is not None and self._is_key(site.save, field)):
            return "key"
        if field.name in site.defaults or field.generator is None:
            return "default"
        return "free"

    def _key_entity(self, rows: SiteRows, field: FieldSpec) -> str:
        site = self._all_sites[rows.site]
        return (
            site.save if site.save is not None and self._is_key(site.save, field) else site.keys[field.name]
        )

    def _numbers(self, rows: SiteRows, field: FieldSpec) -> Array:
        return rows.keys[field.name]

    def _piece(self, spec: EventSpec, field: FieldSpec, rows: SiteRows, rank: Array | None) -> Any:
        """One site's values of a field, unsorted; ``rank``: the rows' places in the stream, where wanted."""
        source, n = self._source(rows, field), len(rows.flow)
        if source == "bound":
            type_ = self._all_sites[rows.site].bound[field.name]
            return self._bound(rows.site, field, rows.values[field.name], rows.nulls.get(field.name), type_)
        if source == "key":
            return self.binding.key_column(self._key_entity(rows, field), self._numbers(rows, field))
        if source == "free":
            own = Rows(rows.flow.astype(np.uint64), rows.action.astype(np.uint64), rows.clock)
            if rank is not None:
                own = replace(own, rank=rank.astype(np.uint64))
            if self.binding.needs(spec.name, field.name):
                return self.binding.makers[spec.name, field.name].column(_NO_ROWS)  # see _put_dependents
            return self.binding.makers[spec.name, field.name].column(own)
        site = rows.site
        if field.takes_data:
            return [MISSING] * n  # pydantic makes it with the event
        if field.default_factory is not None:
            return self._lax(site, field, [field.make_default() for _ in range(n)])
        if field.row_validated is not None:
            return self._lax(site, field, [field.default] * n)
        return self._stored(site, field, [field.default]).take(pa.array(np.zeros(n, np.int64)))

    def _bound(self, site: int, field: FieldSpec, values: Array, nulls: Array | None, type_: Type) -> Any:
        if type_.kind in ("object", "none"):
            # values of mixed types: what pydantic makes of each decides (V1)
            from_rows = [None] * len(values) if type_.kind == "none" else values.tolist()
            return self._lax(site, field, from_rows)
        try:
            array = to_arrow(values, nulls, type_, self.plan.texts)
        except UnicodeEncodeError:
            return self._stored(site, field, to_python(values, nulls, type_, self.plan.texts))
        kind = _KINDS.get(type_.kind, type_.kind)
        if kind == field.kind or (kind, field.kind) in (("int", "float"), ("date", "datetime")):
            return convert(array, kind, field)
        return self._lax(site, field, array.to_pylist())

    def _lax(self, site: int, field: FieldSpec, values: list[Any]) -> Any:
        """Values that the flow gave, of another kind than the field's: pydantic decides on each (V1)."""
        if field.row_validated is not None:
            return values  # a field's own validators run once, with the whole event
        out = []
        for value in values:
            got = value if value is None else validate_value(field, value)
            if isinstance(got, Rejection):
                raise self._invalid(site, field, value, got.reason)
            out.append(got)
        return self._stored(site, field, out)

    def _stored(self, site: int, field: FieldSpec, values: list[Any]) -> pa.Array:
        try:
            return to_arrow_list(values, field)
        except UnstorableError as error:
            raise self._invalid(site, field, error.value, error.reason, error.mend) from None

    def _invalid(
        self, site: int, field: FieldSpec, value: Any, reason: str, mend: str | None = None
    ) -> InvalidValueError:
        where = self._all_sites[site]
        return invalid_value(where.event, field, value, reason, where.span, mend)

    def _validated_rows(
        self,
        spec: EventSpec,
        arrays: dict[str, pa.Array],
        part: Part,
        rows: Rows,
        refused: list[tuple[tuple[int, int, int], Exception]],
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
        fields = {field.name: field for field in spec.columns}
        dumping = {name: field for name, field in fields.items() if name in spec.serialized}
        out: dict[str, list[Any]] = {name: [] for name in fields}
        # row by row because the user's own Python code must see each event; `explain` says so
        for row, values in enumerate(zip(*columns.values(), strict=True)):
            given = {n: value for n, value in zip(names, values, strict=True) if value is not MISSING}
            event = validate_row(spec, given)
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
                row = next(at for at, value in enumerate(out[name]) if value is error.value)
                self._refuse(spec, field, error.value, error.reason, row, part, rows, refused, error.mend)
                return


def _as_type(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.type == type_:
        return array
    if isinstance(array, pa.DictionaryArray) and not pa.types.is_dictionary(type_):
        return array.dictionary_decode().cast(type_)
    if pa.types.is_dictionary(type_):
        return array.dictionary_encode()
    return array.cast(type_)
