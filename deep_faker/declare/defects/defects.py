"""`Defects`: all that goes wrong with the events of a simulation on their way, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from deep_faker.declare.defects.rules import (
    ClockSkew,
    Drop,
    Duplicate,
    Exactly,
    Late,
    Null,
    Rule,
    Typo,
    Unit,
    is_expression,
    refused,
)
from deep_faker.declare.defects.schema_changes import Evolve
from deep_faker.declare.schema import EventSpec
from deep_faker.draws.distributions.declared import is_number
from deep_faker.errors import Diagnostic, SettingsError, near, shown, wrong_setting

_KINDS: Mapping[str, type[Rule]] = {
    "drop": Drop,
    "unit": Unit,
    "typo": Typo,
    "null": Null,
    "clock_skew": ClockSkew,
    "late": Late,
    "duplicate": Duplicate,
}
_BARE = ("drop", "duplicate")  # those that a chance says all of
_FIELDS = {"typo": ("str",), "unit": ("int", "float"), "clock_skew": ("datetime",)}


@dataclass(frozen=True, eq=False)
class Defects:
    """What goes wrong with events on their way: each argument is a rule of its kind, or a list of them.

    The clean stream is what it was; of each defect there is a row in ``truth/defects``. ``drop`` and
    ``duplicate`` may be a chance alone.

    Raises `DeclarationError` for what is no such rule.

    >>> Defects(duplicate=0.01, null=[Null(0.02, "email"), Null(Exactly(5), "city")]).rules()
    [Null(0.02, 'email'), Null(Exactly(5), 'city'), Duplicate(0.01)]
    """

    late: Any = ()
    duplicate: Any = ()
    drop: Any = ()
    null: Any = ()
    typo: Any = ()
    unit: Any = ()
    clock_skew: Any = ()
    schema: Any = ()

    def __post_init__(self) -> None:
        for kind in fields(self):
            given = getattr(self, kind.name)
            listed = list(given) if isinstance(given, (list, tuple)) else [given]
            rules = tuple(self._rule(kind.name, item) for item in listed if item is not None)
            object.__setattr__(self, kind.name, rules)

    def _rule(self, kind: str, item: object) -> Rule | Evolve:
        if kind == "schema":
            if isinstance(item, Evolve):
                return item
            mend = 'give Evolve("2024-02-01", Order, …)'
            raise refused("Defects", f"schema={shown(item)}", mend)
        make = _KINDS[kind]
        if isinstance(item, make):
            return item
        if kind in _BARE and (is_number(item) or isinstance(item, Exactly) or is_expression(item)):
            return make(item)
        raise refused("Defects", f"{kind}={shown(item)}", f"give {make.__name__}(…), or a list of them")

    def rules(self) -> list[Rule]:
        """All rules but those of schemas, in the order in which they are applied."""
        return [rule for kind in _KINDS for rule in getattr(self, kind)]

    @property
    def changes(self) -> tuple[Evolve, ...]:
        """The changes of schemas, by time."""
        return tuple(sorted(self.schema, key=lambda change: change.at))

    @property
    def are_exact(self) -> bool:
        """Whether a rule is of so many events exactly."""
        return any(rule.is_exact for rule in self.rules())

    def __repr__(self) -> str:
        parts = []
        for kind in fields(self):
            rules = getattr(self, kind.name)
            if rules:
                parts.append(f"{kind.name}={rules[0] if len(rules) == 1 else list(rules)!r}")
        return f"Defects({', '.join(parts)})"


def checked_defects(defects: object) -> Defects | None:
    """What a simulation was given; None where it has no rule. Raises `SettingsError` for anything else."""
    if defects is None:
        return None
    if not isinstance(defects, Defects):
        raise wrong_setting("defects", defects, "give Defects(late=…, null=…) of deep_faker.defects")
    return defects if defects.rules() or defects.changes else None


def _check_arrival(events: Mapping[str, EventSpec]) -> None:
    """Refuse a field of the name that arrival has in data sets."""
    for event in events.values():
        if "available_time" in event.column_names:
            label = f"{event.name} has a field 'available_time', and in data sets that is when events arrive"
            field = event.column_names["available_time"]
            raise SettingsError(Diagnostic("a name that is taken", field.span, label, "rename the field"))


def applies(rule: Rule, event: EventSpec) -> bool:
    """Whether events of a type can have the defect: those that are named, or all that have its fields."""
    return event.name in rule.events if rule.events else not list(_lacking(rule, event))


def check_defects(defects: Defects | None, events: Mapping[str, EventSpec], *, arrives: bool) -> None:
    """Hold all rules to the events of the simulation, which may have times of arrival of their own.

    Raises `SettingsError`.
    """
    if defects is not None or arrives:
        _check_arrival(events)
    if defects is None:
        return
    for rule in defects.rules():
        for name in rule.events:
            if name not in events:
                raise _wrong(rule, f"no event {name!r}", near(name, events))
            for what in _lacking(rule, events[name]):
                raise _wrong(rule, *what)
        if not any(applies(rule, event) for event in events.values()):
            named = ", ".join(map(repr, _needed(rule)))
            raise _wrong(rule, f"no event has {named} as it needs", "name fields of one event type")
    for change in defects.changes:
        if change.event not in events:
            raise _wrong(change, f"no event {change.event!r}", near(change.event, events))
        known = events[change.event].column_names
        for name in change.old_names:
            if name not in known:
                raise _wrong(change, f"{change.event} has no field {name!r}", near(name, known))
        for name in change.new_names:
            if name in known:
                raise _wrong(change, f"{change.event} has a field {name!r} already", "give another name")
    names = [(c.event, name) for c in defects.changes for name in (*c.old_names, *c.new_names)]
    if len(set(names)) != len(names):
        raise _wrong(defects.changes[-1], "a field changes twice", "let each field change once")


def _needed(rule: Rule) -> list[str]:
    roots = [
        name
        for value in (rule.chance, rule.where)
        if is_expression(value)
        for name in value.meta.root_names()
    ]
    return [*rule.field_names, *([rule.per] if rule.per else []), *roots]


def _lacking(rule: Rule, event: EventSpec) -> Iterator[tuple[str, str]]:
    """What an event type lacks to have the defect, and what to do."""
    known = event.column_names
    for name in _needed(rule):
        if name not in known and not name.startswith("sys__"):
            yield f"{event.name} has no field {name!r}", near(name, known)
    kinds = _FIELDS.get(rule.kind)
    for name in rule.field_names:
        kind = known[name].kind if name in known else None
        if kinds and kind is not None and kind not in kinds:
            yield f"{event.name}.{name} is of {kind}", f"name a field of {' or '.join(kinds)}"


def _wrong(rule: Rule | Evolve, label: str, mend: str) -> SettingsError:
    error = refused("defects", f"{rule!r}: {label}", mend)
    return SettingsError(*error.diagnostics)
