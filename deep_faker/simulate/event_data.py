"""The event at hand as a mapping: each of its fields is made when it is asked for."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn

from deep_faker.declare.schema import (
    MISSING,
    SYS_FIELDS,
    EntitySpec,
    EventSpec,
    FieldSpec,
    Rejection,
    StateSpec,
    check_state_value,
    prepared,
    start_value,
    validate_row,
    validate_value,
)
from deep_faker.declare.schema.kinds import adapter
from deep_faker.draws.ids import action_counter1, flow_counter1, scramble1
from deep_faker.draws.mix import Draws
from deep_faker.plan import FieldDraws, Plan
from deep_faker.plan.storage import kind_of
from deep_faker.simulate.failures import ATTEMPTS, invalid, taken
from deep_faker.spans import Span


class EventData(Mapping[str, object]):
    """A read-only view of one event, its ``sys__*`` fields included (F7).

    ``arguments`` are the values of keywords, ``keys`` makes those that are an entity's key; generated fields
    are drawn as the columns draw them.
    """

    def __init__(
        self,
        spec: EventSpec,
        fields: FieldDraws,
        draws: Draws,
        who: tuple[int, int, int],
        arguments: dict[str, object],
        keys: Mapping[str, Callable[[], object]],
        where: tuple[str, Span | None] = ("", None),
    ) -> None:
        self.spec, self.fields, self.draws = spec, fields, draws
        self.flow, self.action, self.clock = who
        self.arguments, self.owned = arguments, keys
        self.flow_name, self.span = where
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._known:
            self._known[name] = self._made(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        yield from SYS_FIELDS
        yield from (field.name for field in self.spec.fields)

    def __len__(self) -> int:
        return len(SYS_FIELDS) + len(self.spec.fields)

    def __contains__(self, name: object) -> bool:
        return name in SYS_FIELDS or name in self.spec.by_name

    def __repr__(self) -> str:
        return repr(dict(self))

    # ------------------------------------------------ values

    def _made(self, name: str) -> object:
        if name in SYS_FIELDS:
            return self._system(name)
        if name not in self.spec.by_name:
            raise KeyError(name)
        if not self.spec.whole_row:
            return self.value(name)
        names = [field.name for field in self.spec.fields]
        if name not in names:  # a trait: no model has it
            return self.value(name)
        raw = {n: self._system(n) for n in SYS_FIELDS} | {n: self._raw(n) for n in names}
        event = validate_row(self.spec, {n: value for n, value in raw.items() if value is not MISSING})
        if isinstance(event, Rejection):
            self._refuse(event, self.span)
        self._known.update((n, naive(getattr(event, n))) for n in names)
        return self._known[name]

    def value(self, name: str) -> object:
        """A field of its own: not what the model makes of the whole event."""
        field = self.spec.by_name[name]
        if name in self.arguments:
            return self._converted(field, self.arguments[name])
        if name in self.owned:
            return self.owned[name]()
        if field.generator is None:
            return field.make_default()
        return self._drawn(field, 0)

    def _drawn(self, field: FieldSpec, attempt: int) -> object:
        value = self._generated(field, attempt)
        refusable = field.constrained or (value is None and not field.nullable)
        return self._validated(field, value, drawn=True) if refusable else value

    def _generated(self, field: FieldSpec, attempt: int = 0) -> object:
        who = (self.flow, self.action, self.clock)
        needs = self.fields.needs(self.spec.name, field.name)
        if not needs:
            return self.fields.early_one(self.spec.name, field.name, *who, attempt)
        others = {name: self._before(self.spec.by_name[name]) for name in needs}
        return self.fields.dependent_one(self.spec.name, field.name, *who, others)

    def _before(self, field: FieldSpec) -> object:
        """A field's value before its own validators have seen it: what other fields hang on."""
        if field.name in self.arguments:
            value = self.arguments[field.name]
            kind = "str" if type(value) is str else kind_of(value)
            return value if value is None or kind == field.kind else self._validated(field, value)
        if field.name in self.owned:
            return self.owned[field.name]()
        return field.make_default() if field.generator is None else self._generated(field)

    def _converted(self, field: FieldSpec, value: object) -> object:
        kind = "str" if type(value) is str else kind_of(value)
        if value is None or (kind == field.kind and not field.constrained):
            return value
        return self._validated(field, value)

    def _raw(self, name: str) -> object:
        """A field before its own validators have seen it, as pydantic shall see it."""
        field = self.spec.by_name[name]
        if name in self.arguments and field.row_validated is not None:
            return prepared(field, self.arguments[name])
        return prepared(field, self._before(field))

    def _validated(self, field: FieldSpec, value: object, *, drawn: bool = False) -> object:
        checked = validate_value(field, value)
        if isinstance(checked, Rejection) and drawn:  # no line of a flow is to blame
            self._refuse(checked, field.span, "mend the generator or the model")
        if isinstance(checked, Rejection):
            self._refuse(checked, self.span)
        return naive(checked)

    def _refuse(
        self, refused: Rejection, span: Span | None, mend: str = "mend the value or the model"
    ) -> NoReturn:
        name = f"{self.spec.name}.{refused.field}" if refused.field else self.spec.name
        raise invalid(name, refused.value, refused.reason, span, mend)

    def _system(self, name: str) -> object:
        draws = self.draws
        if name == "sys__ets":
            return self.clock // 1000
        if name == "sys__sid":
            counter = flow_counter1(draws.partition, draws.partitions, self.flow)
            return scramble1(draws.id_key("sid"), counter, 8)
        counter = action_counter1(draws.partition, draws.partitions, self.flow, self.action)
        return scramble1(draws.id_key("eid"), counter, 12)

    # ------------------------------------------------ births

    def draw_key(self, entity: EntitySpec, is_taken: Callable[[object], bool]) -> object:
        """The new entity's key where it is no permutation: given, or drawn until it is new (N7)."""
        name = entity.primary_key
        if name in self.arguments:
            key = self[name]
            if is_taken(key):
                raise taken(entity.name, name, key, self.span, drawn=False)
            return key
        for attempt in range(ATTEMPTS):
            key = self._drawn(self.spec.by_name[name], attempt)
            if not is_taken(key):
                return key
        raise taken(entity.name, name, key, self.span, drawn=True)


def naive(value: object) -> object:
    """An instant as flows have it: UTC, without a zone (T1)."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def validated(
    source: EventSpec,
    fields: FieldDraws,
    draws: Draws,
    births: Sequence[tuple[int, int, int]],
    names: Iterable[str],
    keys: Mapping[str, Callable[[int], object]],
    span: Span | None,
) -> dict[str, list[object]]:
    """What the validators of initial events make of their generated fields: that is what state sees (V1).

    ``births``: flow, action and clock of each event; ``keys``: its key by the event's place.
    """
    rows = []
    for place, one in enumerate(births):
        key = {name: partial(make, place) for name, make in keys.items()}
        rows.append(EventData(source, fields, draws, one, {}, key, ("initial entities", span)))
    return {name: [row[name] for row in rows] for name in names}


def initial_state(plan: Plan, entity: EntitySpec, data: EventData | None) -> dict[str, object]:
    """The state that a new entity starts with: defaults, and copies from its event (N11).

    Lazy columns are left out.
    """
    state = {}
    for column in plan.entities[entity.name].columns:
        spec = entity.by_name[column.name]
        if column.lazy:
            continue
        if spec.from_field is None or data is None:
            state[spec.name] = start_value(entity, spec)
        else:
            state[spec.name] = copied(
                data[spec.from_field],
                data.spec.by_name[spec.from_field],
                spec,
                entity=entity.name,
                span=data.span,
                flow=data.flow_name or "initial entities",
            )
    return state


def copied(
    value: object, field: FieldSpec, spec: StateSpec, *, entity: str, span: Span | None, flow: str
) -> object:
    """An event's value as the state field that is copied from it keeps it.

    Raises `InvalidValueError` where the state field's type does not take it (N11).
    """
    return check_state_value(spec, state_of_field(value, field, spec), entity=entity, span=span, flow=flow)


def state_of_field(value: object, field: FieldSpec, spec: StateSpec) -> object:
    """An event's value as a state field of another type takes it (V1); what none takes stays as it is."""
    if value is None or (spec.enum is not None and isinstance(value, spec.enum)):
        return value
    if isinstance(value, enum.Enum) and spec.kind != "json":
        value = value.value  # as it is written
    if spec.enum is None:
        if field.kind == spec.kind:
            return value
        if spec.kind == "str":
            if isinstance(value, dt.datetime):
                return value.replace(microsecond=0).isoformat(" ")
            return str(value)
        simple = _CONVERSIONS.get((field.kind, spec.kind))
        if simple is not None:
            return simple(value)
    try:
        return adapter(spec.type_).validate_python(value)
    except ValueError:
        return value


_CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("int", "float"): float,
    ("bool", "int"): int,
    ("bool", "float"): float,
    ("float", "int"): round,
    ("datetime", "date"): lambda value: value.date(),
    ("date", "datetime"): lambda value: dt.datetime(value.year, value.month, value.day),  # noqa: DTZ001 - naive UTC (T1)
    ("int", "decimal"): Decimal,
}


def kept(value: object) -> object:
    """A value that later changes of a list, dict or set do not reach."""
    if type(value) is list:
        return [kept(item) for item in value]
    if type(value) is dict:
        return {key: kept(item) for key, item in value.items()}
    return set(value) if type(value) is set else value
