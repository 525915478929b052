"""The rules by which a training frame looks at the world: what is known when, and which ends are closed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from deep_faker.errors import Diagnostic, near, warn
from deep_faker.features.asked import name_of, refused
from deep_faker.features.search import LAST, Moments
from deep_faker.tables.source import ARRIVAL
from deep_faker.times import parse_duration, parse_instant, to_datetime

CLOSED = ("right", "left", "both", "none")


@dataclass(frozen=True)
class Rules:
    """See `Dataset.training_frame`, whose arguments these are; times in µs.

    ``known``: labels are known that had matured by then. ``available``: event type → its delay in µs, or the
    field that says when an event became known; ``by_event``: none of it counts.
    """

    closed: str
    embargo: int
    max_age: int | None
    label_delay: int
    known: int
    seen_until: int | None
    available: Mapping[str, int | str]
    by_event: bool = False

    def arriving(self, names: Iterable[str]) -> Rules:
        """The rules, where the run itself tells when events of these types were known."""
        told = {} if self.by_event else dict.fromkeys(names, ARRIVAL)
        return replace(self, available={**told, **self.available}) if told else self

    @property
    def sees_the_instant(self) -> bool:
        """Whether features see what happens at the row's instant itself; labels then begin after it."""
        return self.closed in ("right", "both")

    def seen(self, rows: Moments) -> Moments:
        """Before what features lie."""
        if rows.exact and not self.embargo:
            return rows
        return Moments(rows.time - self.embargo, LAST if self.sees_the_instant else -1)

    def window_begin(self, rows: Moments, length: int) -> Moments:
        """Before what events are too old for a window."""
        return Moments(rows.time - self.embargo - length, -1 if self.closed in ("left", "both") else LAST)

    def label_begin(self, rows: Moments) -> Moments:
        """Before what events are no label's: where features end, without the embargo."""
        if isinstance(rows.order, int):
            return Moments(rows.time, LAST if self.sees_the_instant else -1)
        return Moments(rows.time, rows.order + 1)  # not the event itself

    def label_end(self, rows: Moments, length: int) -> Moments:
        """Before what a label's events lie."""
        left = not rows.exact and not self.sees_the_instant
        return Moments(rows.time + length, -1 if left else LAST)

    def as_json(self) -> dict[str, object]:
        """The rules as metadata have them.

        >>> Rules("right", 0, None, 0, 0, None, {}).as_json()["closed"]
        'right'
        """
        seen = None if self.seen_until is None else to_datetime(self.seen_until).isoformat()
        return {
            "closed": self.closed,
            "embargo_us": self.embargo,
            "max_age_us": self.max_age,
            "label_delay_us": self.label_delay,
            "labels_known_until": to_datetime(self.known).isoformat(),
            "as_known_at": seen,
            "available": json.loads(json.dumps(dict(self.available))),
        }


class RuleArguments(TypedDict, total=False):
    """The rules that `Dataset.training_frame` takes by name."""

    closed: str
    embargo: str | float | dt.timedelta | None
    max_age: str | float | dt.timedelta | None
    label_delay: str | float | dt.timedelta | None
    as_known_at: str | dt.datetime | None
    available: Mapping[type | str, object] | None
    knowledge: str


def checked_rules(
    end: int,
    *,
    closed: object = "right",
    embargo: object = None,
    max_age: object = None,
    label_delay: object = None,
    as_known_at: object = None,
    available: Mapping[type | str, object] | None = None,
    knowledge: object = "available",
) -> Rules:
    """The rules that are meant. Raises `SettingsError`; warns of ``knowledge="event"``."""
    if closed not in CLOSED:
        raise refused("wrong closed", f"closed={closed!r}", near(str(closed), CLOSED, "closed"))
    if knowledge not in ("available", "event"):
        mend = near(str(knowledge), ("available", "event"), "knowledge")
        raise refused("wrong knowledge", f"knowledge={knowledge!r}", mend)
    delays: dict[str, int | str] = {}
    for event, when in (available or {}).items():
        is_field = isinstance(when, str) and when.isidentifier()
        delays[name_of(event)] = when if is_field else parse_duration(when, "available")  # type: ignore[assignment]
    if knowledge == "event":
        label = "features see events before anybody could have known them: scores will be too good"
        warn(Diagnostic('knowledge="event"', None, label, 'leave it out for knowledge="available"'))
        delays = {}
    seen = None if as_known_at is None else parse_instant(as_known_at, "as_known_at")
    return Rules(
        str(closed),
        _span(embargo, "embargo"),
        None if max_age is None else parse_duration(max_age, "max_age"),
        _span(label_delay, "label_delay"),
        end if seen is None else min(end, seen),
        seen,
        delays,
        knowledge == "event",
    )


def _span(value: object, name: str) -> int:
    return 0 if value is None or value == 0 else parse_duration(value, name)
