"""`Evolve`: the producer's schema changes in the middle of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deep_faker.declare.defects.rules import event_names, refused
from deep_faker.draws.distributions.declared import is_number
from deep_faker.errors import shown
from deep_faker.times import format_instant, parse_instant


@dataclass(frozen=True, eq=False, repr=False)
class Evolve:
    """From the instant ``at`` on, events of a type are written by another schema.

    ``rename`` maps fields to their new names, ``drop`` lists fields that are left out, ``add`` has new fields
    with their value: a text, a number or a bool. The dirty stream's tables have all columns of before and
    after, null where an event has none. Which schema an event has depends on when it happened.

    Raises `DeclarationError` where nothing changes, or a name is wrong.

    >>> Evolve("2024-02-01", "Order", rename={"amount": "total"}, add={"channel": "web"})
    Evolve('2024-02-01T00:00:00', 'Order', rename={'amount': 'total'}, add={'channel': 'web'})
    """

    at: Any  # µs since the epoch, once it is made
    event: Any
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Iterable[str] = ()
    add: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "at", parse_instant(self.at, "at"))
        names = event_names("Evolve", self.event)
        if len(names) != 1:
            raise refused("Evolve", f"event={shown(self.event)}", "give one event class")
        put(self, "event", names[0])
        put(self, "rename", dict(self.rename))
        put(self, "drop", (self.drop,) if isinstance(self.drop, str) else tuple(self.drop))
        put(self, "add", dict(self.add))
        if not (self.rename or self.drop or self.add):
            raise refused("Evolve", "nothing changes", "give rename=, drop= or add=")
        for name, value in self.add.items():
            if not isinstance(value, (str, bool)) and not is_number(value):
                mend = "give a text, a number or a bool"
                raise refused("Evolve", f"add={{{name!r}: {shown(value)}}}", mend)
        given: list[Any] = [*self.rename.values(), *self.add]
        for name in given:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("sys__"):
                raise refused("Evolve", f"a field named {shown(name)}", "give a name that a field may have")

    @property
    def old_names(self) -> tuple[str, ...]:
        """Fields of before that the new schema has not."""
        return (*self.rename, *self.drop)

    @property
    def new_names(self) -> tuple[str, ...]:
        """Fields that only the new schema has."""
        return (*self.rename.values(), *self.add)

    def __repr__(self) -> str:
        parts = [repr(format_instant(self.at)), repr(self.event)]
        parts += [f"{name}={value!r}" for name in ("rename", "drop", "add") if (value := getattr(self, name))]
        return f"Evolve({', '.join(parts)})"
