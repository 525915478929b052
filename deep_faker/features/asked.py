"""What a training frame is asked for: features, labels, and the rows of a grid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.spans import caller_span
from deep_faker.times import format_duration, parse_duration, parse_instant

if TYPE_CHECKING:
    import polars as pl

    Window = str | float | dt.timedelta | None


def refused(title: str, label: str, mend: str = "") -> SettingsError:
    """The error for a wrong argument, at the user's line."""
    return SettingsError(Diagnostic(title, caller_span(), label, mend))


def name_of(event: object) -> str:
    """The name of an event or entity type. Raises `SettingsError` for anything that is neither."""
    if isinstance(event, type):
        return event.__name__
    if isinstance(event, str):
        return event
    raise refused("no event type", repr(event), "give an event class, or its name")


@dataclass(frozen=True)
class Every:
    """Rows at regular instants: every ``step`` from ``start`` to ``end``, ``end`` included if it is met.

    Without ``start`` or ``end`` the run's own; the run's start is left out, for nothing is known then.

    >>> Every("7d", "2024-01-08", "2024-01-22").instants(0, 0)[:2]
    [1704672000000000, 1705276800000000]
    """

    step: str | float | dt.timedelta
    start: str | dt.datetime | None = None
    end: str | dt.datetime | None = None

    def __str__(self) -> str:
        ends = [
            f"{name} {value}" for name, value in (("from", self.start), ("to", self.end)) if value is not None
        ]
        return " ".join(["every", str(self.step), *ends])

    def instants(self, start: int, end: int) -> list[int]:
        """The instants in µs, for a run from ``start`` to ``end``."""
        step = parse_duration(self.step, "Every")
        first = start + step if self.start is None else parse_instant(self.start, "Every(start)")
        last = end if self.end is None else parse_instant(self.end, "Every(end)")
        return list(range(first, last + 1, step))


@dataclass(frozen=True)
class State:
    """A state field as it was: of the version that was valid at the row's instant.

    >>> State("plan")
    State(field='plan')
    """

    field: str


@dataclass(frozen=True)
class Age:
    """The time since the entity was born, a ``Duration``."""


@dataclass(frozen=True)
class OfEvents:
    """What features and labels of events have in common.

    ``within`` is a window, or several, each of which makes a column (named ``NAME_7d``); None is all time.
    ``where`` is a condition on the events, a Polars expression over their columns.
    """

    event: type | str
    column: str | None = None
    within: Any = None
    where: pl.Expr | None = field(default=None, kw_only=True, compare=False)
    takes_column: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise `SettingsError` for what cannot be meant."""
        name_of(self.event)
        self.windows  # noqa: B018 - parses
        if self.takes_column and not isinstance(self.column, str):
            kind = type(self).__name__
            raise refused(
                f"{kind} of what?", f"column={self.column!r}", f'name a field: {kind}(Order, "total", "30d")'
            )

    @property
    def windows(self) -> list[tuple[str, int | None]]:
        """Each window's suffix of the name (empty where there is one only) and length in µs."""
        many = isinstance(self.within, (list, tuple))
        all_ = list(self.within) if many else [self.within]
        if not all_:
            raise refused("no window", "within=[]", 'give one, such as "30d", or leave it out')
        lengths = [None if each is None else parse_duration(each, "within") for each in all_]
        if not many:
            return [("", lengths[0])]
        names = [f"_{_short(each, length)}" for each, length in zip(all_, lengths)]
        return list(zip(names, lengths, strict=True))

    def shown(self) -> str:
        """How cards write it.

        >>> Sum("Order", "total", "30d").shown()
        "Sum(Order, 'total', '30d')"
        """
        parts = [name_of(self.event)]
        parts += [repr(self.column)] if self.takes_column else []
        parts += [repr(self.within)] if self.within is not None else []
        parts += [f"where={self.where}"] if self.where is not None else []
        return f"{type(self).__name__}({', '.join(parts)})"


def _short(window: object, length: int | None) -> str:
    if length is None:
        return "ever"
    return window.strip() if isinstance(window, str) else format_duration(length).replace(" ", "")


@dataclass(frozen=True, init=False)
class Windowed(OfEvents):
    """Of events themselves, not of a field of theirs."""

    def __init__(self, event: type | str, within: Any = None, *, where: pl.Expr | None = None) -> None:
        for name, value in {"event": event, "column": None, "within": within, "where": where}.items():
            object.__setattr__(self, name, value)
        self.__post_init__()


class Count(Windowed):
    """How many events there were in the window; 0 where none.

    >>> Count("Login", ["7d", "30d"]).windows
    [('_7d', 604800000000), ('_30d', 2592000000000)]
    """


class TimeSince(Windowed):
    """The time since the last event of the window, a ``Duration``; null where there is none."""


class Happens(Windowed):
    """Whether any such event is in the window."""


class TimeTo(Windowed):
    """A label: the time to the next event, with censoring.

    Two columns: ``NAME``, a ``Duration`` to the event or to where the view ends (the window's end, or what is
    known), and ``NAME_observed``, whether the event was seen.
    """


class Sum(OfEvents):
    """The sum of a field over the window's events, without those that are None; 0 where there are none."""

    takes_column = True


class Mean(Sum):
    """The mean of a field over the window's events, a float; null where there are none."""


class Min(Sum):
    """The least value of a field over the window's events; null where there are none."""


class Max(Sum):
    """The greatest value of a field over the window's events; null where there are none."""


class Last(Sum):
    """The last value of a field that is not None; null where there is none in the window."""


class Distinct(Sum):
    """How many different values a field has over the window's events; 0 where there are none."""


Amount = Count | Sum | Distinct
"""Labels that are numbers, also of no events."""


@dataclass(frozen=True)
class NextEvent:
    """A label: the name of the type of the entity's next event, of ``events`` or of all that name its key.

    Null where there is none within the window, or as far as is known.
    """

    events: tuple[type | str, ...] = ()
    within: Any = None

    def __init__(self, *events: type | str, within: Any = None) -> None:
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "within", None if within is None else parse_duration(within, "within"))


@dataclass(frozen=True)
class Outcome:
    """A label of rows that are events: how their session ended; null where it had not, or was cut."""


@dataclass(frozen=True)
class Verdict:
    """A label of rows that are events: whether somebody had found the event to be an anomaly.

    From the data set's labels (``Labels`` of `deep_faker.defects`), as far as they were known by then: False
    where nothing was said, null where that is too early to tell: within ``label_delay`` of the event.
    """


LABELS = (Happens, Count, Sum, TimeTo, NextEvent, Outcome, Verdict)


def as_shown(asked: object) -> str:
    """How cards write a feature or label."""
    if isinstance(asked, State):
        return f"State({asked.field!r})"
    if isinstance(asked, NextEvent):
        within = [] if asked.within is None else [f"within={format_duration(asked.within)!r}"]
        return f"NextEvent({', '.join([*map(name_of, asked.events), *within])})"
    return asked.shown() if isinstance(asked, OfEvents) else str(asked)


def named_labels(label: object) -> dict[str, Any]:
    """Labels by their column: one alone is ``label``. Raises `SettingsError` for what is none."""
    labels = dict(label) if isinstance(label, Mapping) else {} if label is None else {"label": label}
    for name, each in labels.items():
        if not isinstance(each, LABELS):
            mend = f"labels are {', '.join(kind.__name__ for kind in LABELS)}, Mean, Min, Max, Last, Distinct"
            raise refused("no label", f"{name}={each!r}", mend)
        if isinstance(each, OfEvents):
            if any(length is None for _, length in each.windows) and not isinstance(each, TimeTo):
                raise refused(f"the label {name!r} has no end", each.shown(), 'say until when: within="30d"')
            if len(each.windows) > 1:
                raise refused(
                    f"the label {name!r} has several windows", each.shown(), "name a label for each"
                )
    return labels
