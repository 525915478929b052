"""`Labels`: what somebody says of events, later than they happen and not always rightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deep_faker.declare.defects.rules import event_names, refused
from deep_faker.declare.rates import lag
from deep_faker.declare.schema import EventSpec
from deep_faker.draws.distributions.declared import Choice, is_number
from deep_faker.errors import SettingsError, near, shown, wrong_setting


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """Which flows are anomalies, and what is found out about their events, and when.

    ``anomalies``: names of flows → what kind of anomaly their sessions are; each of their events has a row in
    ``truth/anomalies``. ``events``: event types of which somebody looks at some; all, where none is named. Of
    these are reported, ``delay`` (a time, or a distribution of seconds) after they are known: anomalies, but
    for a share ``missed``, and a share ``false_alarms`` of all others. Reports are looked at in their order,
    ``capacity`` a day (UTC) at most, None: at once; of the verdicts a share ``wrong`` is the opposite of the
    truth. Each has a row in ``labels``.

    Raises `DeclarationError` for what cannot be meant.

    >>> from deep_faker import LogNormal
    >>> Labels({"ring": "fraud"}, delay=LogNormal(days=3), capacity=50, missed=0.1)
    Labels({'ring': 'fraud'}, delay=LogNormal(mu=12.465355243460257, sigma=1.0), capacity=50, missed=0.1)
    """

    anomalies: Mapping[str, str]
    events: Any = ()
    delay: Any = 0
    capacity: int | None = None
    missed: float = 0.0
    false_alarms: float = 0.0
    wrong: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        given: Any = self.anomalies
        if (
            not isinstance(given, Mapping)
            or not given
            or not all(isinstance(text, str) for pair in given.items() for text in pair)
        ):
            mend = 'give names of flows and kinds: {"card_testing": "fraud"}'
            raise refused("Labels", f"anomalies={shown(given)}", mend)
        put(self, "anomalies", dict(given))
        put(self, "events", event_names("Labels", self.events))
        at_once = is_number(self.delay) and self.delay == 0
        put(self, "delay", Choice([0.0]) if at_once else lag(self.delay, "delay"))
        capacity: Any = self.capacity
        if capacity is not None and (type(capacity) is not int or capacity < 1):
            raise refused("Labels", f"capacity={shown(capacity)}", "give cases a day, 1 or more")
        for name in ("missed", "false_alarms", "wrong"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= 1:
                raise refused("Labels", f"{name}={shown(value)}", "give a share from 0 to 1")

    def __repr__(self) -> str:
        names = ("events", "delay", "capacity", "missed", "false_alarms", "wrong")
        given = [(name, getattr(self, name)) for name in names]
        parts = [f"{name}={value!r}" for name, value in given if value not in ((), None, 0, Choice([0.0]))]
        return f"Labels({', '.join([repr(self.anomalies), *parts])})"


def checked_labels(labels: object) -> Labels | None:
    """What a simulation was given. Raises `SettingsError` for what is no `Labels`."""
    if labels is None or isinstance(labels, Labels):
        return labels
    raise wrong_setting("labels", labels, "give Labels(…) of deep_faker.defects")


def check_labels(labels: Labels | None, flows: list[str], events: Mapping[str, EventSpec]) -> None:
    """Hold labels to the flows and events of a simulation. Raises `SettingsError`."""
    for given, known, what in (
        ()
        if labels is None
        else (
            (labels.anomalies, flows, "flow"),
            (labels.events, list(events), "event"),
        )
    ):
        for name in given:
            if name not in known:
                error = refused("Labels", f"{labels!r}: no {what} {name!r}", near(name, known))
                raise SettingsError(*error.diagnostics)
