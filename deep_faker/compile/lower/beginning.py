"""What a flow knows when it starts: of the event that has started it, if one has."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from deep_faker.compile.declare_flow import FlowDeclaration
from deep_faker.compile.graph.inference import field_type
from deep_faker.compile.graph.ir import Let
from deep_faker.compile.lower.event_fields import ANY, field_local, has_local
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import constant
from deep_faker.declare.schema import EventSpec, event_spec
from deep_faker.errors import CompileError, Diagnostic
from deep_faker.plan import Given
from deep_faker.spans import Span

_PLAIN = ("int", "float", "bool", "datetime", "date", "timedelta")
_TYPE = "event_type"


def begin(low: Lowering, declaration: FlowDeclaration) -> None:
    """Write what `current_event_data` says before the flow's first event."""
    event = None if declaration.on is None else event_spec(declaration.on)
    span = low.scope.source.span()
    for name in low.wanted:
        there = event is not None and name in (ANY, _TYPE, *event.by_name)
        low.emit(Let(has_local(name), constant(there), span))
        if there and event is not None and name in event.by_name:
            low.emit(Given(field_local(name), event.name, name, span))
        else:
            value = event.name if there and event is not None and name == _TYPE else None
            low.emit(Let(field_local(name), constant(value), span))


def handable(event: EventSpec, keys: Collection[str]) -> list[str]:
    """The fields of an event that a flow can look at which it starts: numbers, times and truth.

    ``keys`` are those of the entities: what the key of an entity fills is known after the flows have run.
    """
    fields = event.by_name.items()
    return [name for name, field in fields if field_type(field).kind in _PLAIN and name not in keys]


def asked(names: Iterable[str], event: EventSpec, keys: Collection[str], span: Span) -> list[str]:
    """The fields of an event that a flow looks at which it starts.

    Raises `CompileError` for one that is not handed on.
    """
    mine = [name for name in names if name in event.by_name]
    for name in mine:
        if name in keys:
            label = f"the flow looks at {event.name}.{name}, the key of an entity"
            mend = "start with that entity, filter=Select(…), and read its key"
            raise CompileError(Diagnostic("a field that is not handed on", span, label, mend))
        if name not in handable(event, keys):
            label = f"the flow looks at {event.name}.{name}, and only numbers, times and bools are handed on"
            mend = "keep it in the state of an entity that the flow starts with: filter=Select(…)"
            raise CompileError(Diagnostic("a field that is not handed on", span, label, mend))
    return mine
