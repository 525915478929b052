"""Delivery: what a run made goes to its outputs, each with its filter and its own place in the stream.

All outputs are served on one thread, one after the other, so a slow one holds the others back and
nothing is lost or reordered. An output that was resumed is not given again what it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema import is_event
from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.run.overlay import Overlay
from deep_faker.spans import caller_span
from deep_faker.write import (
    EventChunk,
    FileReceipt,
    Output,
    RunInfo,
    as_output,
    is_resumable,
    is_settling,
    keeps_progress,
    takes_coded_keys,
    takes_counts,
    takes_entities,
    takes_history,
    takes_sessions,
    takes_tables,
)


class Entry(TypedDict):
    """What a checkpoint says of an output: its own state, and the rows of each stream."""

    state: Mapping[str, object]
    places: dict[str, int]
    given: dict[str, int]


class Filtered:
    """An output with the event types that it is given; the run's own wrapper, made by `add_output`."""

    def __init__(self, output: object, events: object) -> None:
        self.output = output
        self.events = _event_names(events)

    def __repr__(self) -> str:
        return f"{self.output!r}, events={sorted(self.events)}"


@dataclass
class Route:
    """The way to one output. ``places``: rows of each stream ("", events; "sessions", "history/X") that
    have passed; ``has``: rows that a resumed output has, which are not given again."""

    output: Output
    only: frozenset[str] | None = None
    places: dict[str, int] = field(default_factory=dict)
    has: dict[str, int] = field(default_factory=dict)

    def events(self, chunk: EventChunk) -> None:
        if self.only is not None:
            chunk = chunk.only(self.only)
        chunk = replace(chunk, first=self.places.get("", 0))
        self.places[""] = chunk.end
        rest = chunk.since(self.has.get("", 0))
        if len(rest):
            self.output.write(rest)

    def rows(self, stream: str, table: pa.Table) -> pa.Table:
        """What the output lacks of the next rows of ``stream``."""
        first = self.places.get(stream, 0)
        self.places[stream] = first + table.num_rows
        return table.slice(min(table.num_rows, max(0, self.has.get(stream, 0) - first)))

    def takes(self, table: str) -> bool:
        """Whether the output is given a table such as ``dirty/Order`` or ``truth/events/Order``."""
        group, _, event = table.rpartition("/")
        return self.only is None or group not in ("dirty", "truth/events") or event in self.only

    def narrowed(self, table: pa.Table) -> pa.Table:
        """A table's rows of the event types that the output is given."""
        if self.only is None or "event_type" not in table.column_names:
            return table
        return table.filter(pc.is_in(table["event_type"], pa.array(sorted(self.only))))

    @property
    def given(self) -> dict[str, int]:
        """Rows that the output has been given, of each stream."""
        names = {*self.places, *self.has}
        return {name: max(self.places.get(name, 0), self.has.get(name, 0)) for name in names}


class Delivery:
    """The outputs of one run, from ``open`` to ``finish`` or its opposite."""

    def __init__(self, outputs: Sequence[object]) -> None:
        self.overlay: Overlay | None = None  # then data sets are given the clean stream, others the dirty one
        self.routes = [
            Route(as_output(o.output), o.events) if isinstance(o, Filtered) else Route(as_output(o))
            for o in outputs
        ]
        self._open: list[Route] = []

    def require_resumable(self) -> None:
        """Raise `SettingsError` for outputs that a run with checkpoints cannot have."""
        names = [_name(route.output) for route in self.routes if not is_resumable(route.output)]
        if names:
            raise SettingsError(
                Diagnostic(
                    f"{', '.join(names)} keeps no checkpoints",
                    caller_span(),
                    "what was given to it cannot be taken back or known again after a crash",
                    "leave that output out, or run without checkpoints",
                )
            )

    @property
    def shown(self) -> list[str]:
        """Each output in a line, for the fingerprint; without secrets."""
        # what may be replaced is asked at the beginning only
        return [
            repr(r.output).replace(", overwrite=True", "")
            + ("" if r.only is None else f", events={sorted(r.only)}")
            for r in self.routes
        ]

    @property
    def where(self) -> tuple[str, ...]:
        places = (str(getattr(route.output, "place", "") or "") for route in self.routes)
        return tuple(place for place in places if place)

    @property
    def takes_coded_keys(self) -> bool:
        """Whether all outputs do: see `protocol.takes_coded_keys`."""
        return bool(self.routes) and all(takes_coded_keys(route.output) for route in self.routes)

    # ------------------------------------------------ beginning

    def open(self, infos: Sequence[RunInfo], *, asks: bool = False) -> None:
        """Begin. With ``asks``, outputs that keep their own progress are asked how far the run is."""
        for route, info in zip(self.routes, infos, strict=True):
            self._open.append(route)
            if asks and keeps_progress(route.output):
                known = route.output.resume(self._told(info, route), None)
                route.has[""] = known or 0
            else:
                route.output.open(self._told(info, route))

    def resume(self, infos: Sequence[RunInfo], entries: Sequence[Entry | None]) -> None:
        """Take outputs up again: ``entries`` are those of `checkpoint`, or None before the first."""
        for route, info, entry in zip(self.routes, infos, entries, strict=True):
            assert is_resumable(route.output)
            self._open.append(route)
            known = route.output.resume(self._told(info, route), None if entry is None else entry["state"])
            if entry is not None:
                route.places, route.has = dict(entry["places"]), dict(entry["given"])
            if known is not None:
                route.has[""] = known

    def _told(self, info: RunInfo, route: Route) -> RunInfo:
        """What an output is told of the stream that it is given."""
        if self.overlay is not None and not takes_tables(route.output):
            info = replace(info, schemas=self.overlay.schemas, repeating=self.overlay.repeats)
        return _narrowed(info, route.only)

    # ------------------------------------------------ on the way

    def events(self, chunk: EventChunk) -> None:
        """The next events of the stream: in order of time, or where there is an overlay, of arrival."""
        for route in self.routes:
            if self.overlay is None or not takes_tables(route.output):
                route.events(chunk)

    def clean(self, chunk: EventChunk) -> None:
        """The next clean events, in order of time, for the outputs that keep them."""
        for route in self.routes:
            if takes_tables(route.output):
                route.events(chunk)

    def kept(self, tables: Mapping[str, pa.Table]) -> None:
        """The next rows of further tables, for the outputs that keep them beside the clean stream."""
        for route in self.routes:
            if takes_tables(route.output):
                for name, table in tables.items():
                    if route.takes(name):
                        route.output.write_table(name, route.rows(name, route.narrowed(table)))

    def truth(self, sessions: pa.Table, history: Mapping[str, pa.Table]) -> None:
        for route in self.routes:
            if takes_sessions(route.output):
                route.output.write_sessions(route.rows("sessions", sessions))
            if takes_history(route.output):
                for name, table in history.items():
                    route.output.write_history(name, route.rows(f"history/{name}", table))

    def hidden(self, tables: Mapping[str, pa.Table]) -> None:
        """What only the truth tells, by the name of the table beside it."""
        self.kept({f"truth/{name}": table for name, table in tables.items()})

    def entities(self, name: str, table: pa.Table) -> None:
        for route in self.routes:
            if takes_entities(route.output):
                route.output.write_entities(name, table)

    @property
    def places(self) -> list[dict[str, int]]:
        """How far each output's streams are, at this point of the run."""
        return [dict(route.places) for route in self.routes]

    def checkpoint(self, places: Sequence[Mapping[str, int]]) -> list[Entry]:
        """Make all durable. ``places``: those at the point that the engine will go on from."""
        entries: list[Entry] = []
        for route, passed in zip(self.routes, places, strict=True):
            assert is_resumable(route.output)
            entries.append({"state": route.output.checkpoint(), "places": dict(passed), "given": route.given})
        return entries

    # ------------------------------------------------ the end

    def counted(self, counts: Mapping[str, Any]) -> None:
        """Tell the outputs that keep it what the run counted."""
        for route in self.routes:
            if takes_counts(route.output):
                route.output.note_counts(counts)

    def finish(self) -> list[FileReceipt]:
        """Make all whole: the files get their names last, when all else has gone well."""
        for route in self._open:
            if is_settling(route.output):
                route.output.settle()
        receipts: dict[int, list[FileReceipt]] = {}
        for route in sorted(self._open, key=lambda route: is_settling(route.output)):
            receipts[id(route)] = route.output.finish()
            self._open.remove(route)
        return [receipt for route in self.routes for receipt in receipts.get(id(route), [])]

    def abort(self) -> None:
        for route in self._open:
            with suppress(Exception):  # the first error is the one to show
                route.output.abort()

    def suspend(self) -> None:
        for route in self._open:
            with suppress(Exception):
                if is_resumable(route.output):
                    route.output.suspend()


def _narrowed(info: RunInfo, only: frozenset[str] | None) -> RunInfo:
    """What a filtered output is told: the types that it is given."""
    if only is None:
        return info
    unknown = sorted(only - set(info.schemas))
    if unknown:
        raise SettingsError(
            Diagnostic(
                f"unknown event {unknown[0]} in events=[…]",
                None,
                f"the flows emit {', '.join(info.schemas)}",
                near(unknown[0], list(info.schemas)),
            )
        )
    return replace(
        info,
        schemas={name: schema for name, schema in info.schemas.items() if name in only},
        events={name: spec for name, spec in info.events.items() if name in only},
        filtered=not only >= info.schemas.keys(),
    )


def _event_names(events: object) -> frozenset[str]:
    listed = list(events) if isinstance(events, (list, tuple, set, frozenset)) else [events]
    names = [name for name in map(_event_name, listed) if name is not None]
    if len(names) != len(listed) or not names:
        raise SettingsError(
            Diagnostic(
                "wrong events",
                caller_span(),
                f"events={events!r}",
                "give a list of event classes or their names, such as events=[UserLogin]",
            )
        )
    return frozenset(names)


def _event_name(event: object) -> str | None:
    if isinstance(event, str):
        return event
    return event.__name__ if isinstance(event, type) and is_event(event) else None


def _name(output: Output) -> str:
    target = getattr(output, "_target", output)
    return type(target).__name__
