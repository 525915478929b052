"""Rules of defects: which events have one, by chance or exactly so many, and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from deep_faker.declare.rates import lag
from deep_faker.declare.schema import is_event
from deep_faker.draws.distributions.declared import Distribution, is_number
from deep_faker.errors import DeclarationError, Diagnostic, shown
from deep_faker.spans import caller_span
from deep_faker.times import format_instant, parse_instant


@dataclass(frozen=True)
class Exactly:
    """So many events of a run, drawn evenly from all that can have the defect: neither more nor less.

    The run is made twice for it, once to count. Of P parts, each has its share.

    >>> Exactly(100)
    Exactly(100)
    """

    count: int

    def __post_init__(self) -> None:
        if type(self.count) is not int or not 0 <= self.count <= 10_000_000:
            raise refused("Exactly", f"count={shown(self.count)}", "give a whole number up to 10 million")

    def __repr__(self) -> str:
        return f"Exactly({self.count})"


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """What all defects take.

    ``chance``: a number from 0 to 1, a Polars expression over the event's fields (a chance of its own for
    each), or `Exactly`. ``events``: event types; all that have the field, where none is named. ``where``: a
    Polars condition on the event, row by row: on other fields, or on the value itself. ``since``, ``until``:
    instants between which it goes on; ``during`` is both, from something with ``start`` and ``end``. ``per``
    names a field, such as a device's key: then the chance is that of a device, whose events all have it.

    Raises `DeclarationError` for what cannot be meant.
    """

    chance: Any
    events: Any = field(default=(), kw_only=True)
    where: Any = field(default=None, kw_only=True)
    since: Any = field(default=None, kw_only=True)
    until: Any = field(default=None, kw_only=True)
    during: Any = field(default=None, kw_only=True)
    per: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self._check_chance()
        put = object.__setattr__
        put(self, "events", event_names(type(self).__name__, self.events))
        if self.where is not None and not is_expression(self.where):
            mend = 'give a Polars condition: where=pl.col("amount") > 100'
            raise refused(type(self).__name__, f"where={shown(self.where)}", mend)
        if self.per is not None and not isinstance(self.per, str):
            raise refused(type(self).__name__, f"per={shown(self.per)}", 'name a field: per="device_id"')
        self._set_times()

    def _check_chance(self) -> None:
        chance, name = self.chance, type(self).__name__
        right = isinstance(chance, Exactly) or is_expression(chance)
        if not right and not (is_number(chance) and 0 <= chance <= 1):
            mend = "give a number from 0 to 1, Exactly(100), or a Polars expression"
            raise refused(name, f"chance={shown(chance)}", mend)
        if self.per is not None and right:
            raise refused(name, f"per={self.per!r} with {chance!r}", "with per=, give a number from 0 to 1")

    def _set_times(self) -> None:
        name, put = type(self).__name__, object.__setattr__
        if self.during is not None:
            if self.since is not None or self.until is not None:
                raise refused(name, "during= and since= or until=", "give one of them")
            start, end = getattr(self.during, "start", None), getattr(self.during, "end", None)
            if type(start) is not int or type(end) is not int:
                mend = "give a Window or an Incident of deep_faker.seasons"
                raise refused(name, f"during={shown(self.during)}", mend)
            put(self, "since", start)
            put(self, "until", end)
            return
        for each in ("since", "until"):
            value = getattr(self, each)
            if value is not None:
                put(self, each, parse_instant(value, each))
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise refused(name, "since= is not before until=", "give the earlier instant first")

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that an event must have to have the defect."""
        named = getattr(self, "field", ())
        return (named,) if isinstance(named, str) else tuple(named)

    @property
    def is_exact(self) -> bool:
        """Whether it is of so many events exactly."""
        return isinstance(self.chance, Exactly)

    def __repr__(self) -> str:
        parts = []
        for each in sorted(fields(self), key=lambda each: bool(each.kw_only)):
            value = getattr(self, each.name)
            if is_expression(value):
                text = str(value)
            elif each.name == "during" or value == each.default:
                continue
            else:
                text = repr(format_instant(value) if each.name in ("since", "until") else value)
            parts.append(text if each.default is MISSING else f"{each.name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, eq=False, repr=False)
class Late(Rule):
    """The event arrives later than it would have: by a time, or a distribution of seconds.

    >>> from deep_faker import Exponential
    >>> Late(0.05, Exponential(minutes=20))
    Late(0.05, Exponential(mean=1200))
    """

    by: Any
    kind: ClassVar[str] = "late"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "by", lag(self.by, "by"))


@dataclass(frozen=True, eq=False, repr=False)
class Duplicate(Rule):
    """The event comes once more, with the same ``sys__eid``, so long ``after`` its first arrival.

    >>> Duplicate(0.01, after="30s")
    Duplicate(0.01, after=Choice(values=(30.0,), weights=None))
    """

    after: Any = 0.0
    kind: ClassVar[str] = "duplicate"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.after) and self.after == 0):
            object.__setattr__(self, "after", lag(self.after, "after"))


@dataclass(frozen=True, eq=False, repr=False)
class Drop(Rule):
    """The event never arrives.

    >>> Drop(Exactly(100))
    Drop(Exactly(100))
    """

    kind: ClassVar[str] = "drop"


@dataclass(frozen=True, eq=False, repr=False)
class Null(Rule):
    """The field's value is missing. An event whose value is missing anyway cannot have it.

    >>> Null(0.02, "email")
    Null(0.02, 'email')
    """

    field: str
    kind: ClassVar[str] = "null"


@dataclass(frozen=True, eq=False, repr=False)
class Typo(Rule):
    """A letter of a text is another one, is missing, or has changed places with the next.

    >>> Typo(0.01, "city")
    Typo(0.01, 'city')
    """

    field: str
    kind: ClassVar[str] = "typo"


@dataclass(frozen=True, eq=False, repr=False)
class Unit(Rule):
    """A number is in another unit: ``factor`` times the right one.

    >>> Unit(0.001, "amount", 100)
    Unit(0.001, 'amount', 100)
    """

    field: str
    factor: float
    kind: ClassVar[str] = "unit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.factor) or self.factor in (0, 1):
            raise refused("Unit", f"factor={shown(self.factor)}", "give a number that is neither 0 nor 1")


@dataclass(frozen=True, eq=False, repr=False)
class ClockSkew(Rule):
    """The clock that stamped the event is wrong ``by`` so much, to either side: ``sys__ets`` is.

    ``by`` is a distribution of seconds, ``Normal(0, 30)``, or a number of them. With ``per`` a device's clock
    is wrong by the same all the time. ``field`` names fields of instants that go by that clock, too.

    >>> from deep_faker import Normal
    >>> ClockSkew(0.1, Normal(0, 30), per="device_id")
    ClockSkew(0.1, Normal(mean=0, sd=30), per='device_id')
    """

    by: Any
    field: tuple[str, ...] = ()
    kind: ClassVar[str] = "clock_skew"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.by, Distribution) and not is_number(self.by):
            mend = "give a distribution of seconds, Normal(0, 30), or a number of them"
            raise refused("ClockSkew", f"by={shown(self.by)}", mend)
        given: Any = self.field
        object.__setattr__(self, "field", (given,) if isinstance(given, str) else tuple(given))


def is_expression(value: object) -> bool:
    """Whether it is a Polars expression; Polars need not be loaded to tell."""
    return type(value).__module__.startswith("polars.") and type(value).__name__ == "Expr"


def event_names(owner: str, events: object) -> tuple[str, ...]:
    """The names of event types that were given as classes or names, one or several."""
    listed: Sequence[object] = list(events) if isinstance(events, (list, tuple, set)) else [events]
    names = []
    for event in listed:
        if isinstance(event, str):
            names.append(event)
        elif isinstance(event, type) and is_event(event):
            names.append(event.__name__)
        else:
            raise refused(owner, f"events={shown(events)}", "give event classes: events=[Order]")
    return tuple(names)


def refused(owner: str, label: str, mend: str) -> DeclarationError:
    """A wrong defect, at the user's line."""
    return DeclarationError(Diagnostic(f"wrong {owner}", caller_span(), label, mend))
