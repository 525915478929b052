"""Lowering of what the context offers: entities at hand, selections, clocks, the event data (F7, F9)."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deep_faker.compile.graph.ir import Attr, Block, Ends, Picks
from deep_faker.compile.lower.comprehensions import Displays
from deep_faker.compile.read.values import (
    Code,
    Const,
    Context,
    EventData,
    Method,
    Raise,
    Selected,
    Selecting,
    Selection,
    Value,
    World,
    constant,
    local,
)
from deep_faker.declare.schema import EntitySpec, EventSpec, is_entity
from deep_faker.errors import near
from deep_faker.plan import Clock, Held, Hold, Need, Read, Session

_PROPERTIES = (
    "session_id",
    "flow_name",
    "flow_clock",
    "current_time",
    "current_event_data",
    "global_context",
)
_METHODS = (
    "get_entity",
    "get_selected_entity",
    "get_selected_entity_id",
    "get_primary_selected_entity",
    "add_entity",
)
_WORLD = ("select_entities", "get_available_entities", "get_random_available_entity", "get_entities")
_LISTS = ("get_available_entities", "get_entities")
ANY = ""  # the pretended field that says whether there was an event at all


@dataclass
class OwnEvent:
    """The event being emitted, while its ``mutate`` is lowered."""

    event: EventSpec
    fields: dict[str, str]  # field → local that holds it
    save: EntitySpec | None
    home: Block | None = None  # where its fields are made: a part of mutate may be skipped, the event not
    place: int = 0


class ContextApi(Displays):
    """The context's attributes and methods."""

    own: OwnEvent | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.last_fields: dict[str, None] = {}  # read as current_event_data outside of mutate

    def _taken_back(self) -> Callable[[], None]:
        own = self.own
        if own is None or own.home is None:
            return super()._taken_back()
        home, fields, place, ops = own.home, dict(own.fields), own.place, list(own.home.ops)
        rest = super()._taken_back()

        def taken_back() -> None:
            home.ops[:] = ops
            own.fields, own.place = fields, place
            rest()

        return taken_back

    @abstractmethod
    def selecting(self, node: ast.Call) -> Selecting: ...
    @abstractmethod
    def own_field(self, own: OwnEvent, name: str, node: ast.AST) -> str | None: ...

    # ------------------------------------------------ attributes

    def context_attribute(self, owner: Value, node: ast.Attribute) -> Value:
        name = node.attr
        if isinstance(owner, EventData):
            if name == "get":
                return Method(owner, name)
            raise self.limit(node, f"ctx.current_event_data.{name}")
        if isinstance(owner, Selected):
            if name == "get":
                return Method(owner, name)
            raise self.limit(node, f"ctx.selected_entities.{name}")
        if isinstance(owner, World):
            if name in _WORLD:
                return Method(owner, name)
            label = f"ctx.global_context has no {name!r}"
            raise self.wrong(node, "unknown attribute", label, near(name, _WORLD, "ctx.global_context"))
        if name in _METHODS:
            return Method(owner, name)
        if name == "session_id":
            return self._into(Session(self.fresh()))
        if name == "flow_name":
            return Const(self.name)
        if name in ("flow_clock", "current_time"):
            return self._into(Clock(self.fresh()))
        if name == "global_context":
            return World()
        if name == "current_event_data":
            return EventData(own=self.own is not None)
        if name == "selected_entities":
            return self._selected(node)
        known = [*_PROPERTIES, "selected_entities", *_METHODS]
        label = f"ctx has no {name!r}"
        raise self.wrong(node, "unknown attribute", label, near(name, known, "ctx"))

    def _into(self, op: Session | Clock | Held) -> Code:
        self.emit(op)
        return Code(local(op.target))

    def clock(self) -> Code:
        """The flow's clock as code."""
        return self._into(Clock(self.fresh()))

    # ------------------------------------------------ methods

    def context_call(self, method: Method, node: ast.Call) -> Value:
        """A call of a method of the context, its world or event data."""
        if isinstance(method.owner, EventData):
            return self._data_get(method.owner, node)
        if isinstance(method.owner, Selected):
            (given,) = self._arguments(node, ("key",))
            found = method.owner.handles.get(self._entity(self._required(given, node), node).name)
            return Const(None) if found is None else found
        if isinstance(method.owner, Context):
            return self._of_context(method.name, node)
        return self._of_world(method.name, node)

    def _of_context(self, name: str, node: ast.Call) -> Value:
        if name == "add_entity":
            entity, handle = self._arguments(node, ("entity", "view"))
            spec = self._entity(self._required(entity, node), node)
            local_name = self.as_local(self._required(handle, node), node)
            self.emit(Hold(spec.name, local_name, self.span(node)))
            return Const(None)
        (given,) = self._arguments(node, ("entity",)) if name != "get_primary_selected_entity" else (None,)
        value = given if given is not None else Const(None)
        handle_code = self._primary(node) if _is_none(value) else self._handle(self._entity(value, node))
        if name != "get_selected_entity_id":
            return handle_code
        target = self.fresh()
        self.emit(Attr(target, self.as_local(handle_code, node), "get_primary_key", True, self.span(node)))
        return Code(local(target))

    def _handle(self, spec: EntitySpec) -> Code:
        if self.own is not None and self.own.save is not None and self.own.save.name == spec.name:
            raise self.limit(self.scope.node, "mutate looks at the entity that its event creates")
        return self._into(Held(self.fresh(), spec.name))

    def _primary(self, node: ast.Call) -> Code:
        """Without a type: the first entity that the flow holds, where that is known."""
        holding = self.ask(node)
        if not holding.known:
            entity = next(iter(self.registry.entities), None)
            return Code(constant(None)) if entity is None else self._into(Held(self.fresh(), entity))
        maybe = holding.maybe()
        if not maybe:
            return Code(constant(None))
        first = holding.order[0] if holding.order else None
        if len(maybe) == 1:
            first = maybe[0]
        elif first is None or not holding.is_held(first):
            raise self.limit(node, "get_entity() without a type, where the flow may hold several")
        return self._into(Held(self.fresh(), first))

    def _selected(self, node: ast.AST) -> Selected:
        holding = self.ask(node)
        names = holding.maybe() if holding.known else list(self.registry.entities)
        handles = {name: self._handle(self.registry.entities[name]) for name in names}
        certain = filter(holding.is_held, names) if holding.known else names
        return Selected(handles, frozenset(certain))

    def selected(self, selected: Selected, index: Value, node: ast.expr) -> Value:
        name = self._type_in(index, node)
        if name not in selected.certain:
            raise self.limit(node, "an entity of ctx.selected_entities that the flow may not hold")
        return selected.handles[name]

    def is_selected(self, selected: Selected, value: Value | None, node: ast.expr) -> Value:
        names = selected.handles if value is None else [self._type_in(value, node)]
        found = [selected.handles[name].node for name in names if name in selected.handles]
        if not found:
            return Const(False)
        tests: list[ast.expr] = [ast.Compare(handle, [ast.IsNot()], [constant(None)]) for handle in found]
        return Code(tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests))

    def _type_in(self, value: Value, node: ast.expr) -> str:
        if isinstance(value, Const) and is_entity(value.value):
            return self.registry.entity(value.value, self.span(node)).name
        raise self.limit(node, "what is no entity type in ctx.selected_entities")

    def _of_world(self, name: str, node: ast.Call) -> Value:
        if name in _LISTS:
            raise self.limit(node, f"looks at the list of {name}()")
        if name == "get_random_available_entity":
            (given,) = self._arguments(node, ("entity",))
            spec = self._entity(self._required(given, node), node)
            return self.pick(Selecting(spec, (), (), shared=False, weight=None, node=node), node)
        if len(node.args) != 1 or node.keywords:
            raise self.wrong(
                node, "select_entities takes one Select", ast.unparse(node), "select_entities(Select(User))"
            )
        value = self.lower(node.args[0])
        if not isinstance(value, Selecting):
            raise self.wrong(
                node, "select_entities takes a Select", ast.unparse(node), "select_entities(Select(User))"
            )
        return Selection(value)

    def pick(self, select: Selecting, node: ast.AST) -> Code:
        """A selection here and now; gives the handle (none: -1)."""
        following = self.block()
        self.end(
            Picks(
                select.entity,
                select.static,
                select.shared,
                select.weight,
                select.dynamic,
                following,
                self.span(node),
            )
        )
        self.start(following)
        return self._into(Held(self.fresh(), select.entity.name))

    def first_of(self, selection: Selection, node: ast.expr) -> Value:
        """``select_entities(…)[0]``."""
        handle = self.pick(selection.select, selection.select.node)
        self.emit(Need(self.as_local(handle, node), self.span(node)))
        return handle

    def _arguments(self, node: ast.Call, names: tuple[str, ...]) -> list[Value | None]:
        """Values of positional or keyword arguments, in the order of ``names``."""
        given: dict[str, Value] = {}
        if len(node.args) > len(names):
            raise self.wrong(node, "too many arguments", ast.unparse(node), f"it takes {', '.join(names)}")
        for name, part in zip(names, node.args, strict=False):
            given[name] = self.lower(part)
        for keyword in node.keywords:
            if keyword.arg not in names:
                raise self.limit(node, f"the argument {keyword.arg!r}")
            given[str(keyword.arg)] = self.lower(keyword.value)
        return [given.get(name) for name in names]

    def _required(self, value: Value | None, node: ast.Call) -> Value:
        if value is None:
            raise self.wrong(node, "too few arguments", ast.unparse(node))
        return value

    def _entity(self, value: Value, node: ast.Call) -> EntitySpec:
        if isinstance(value, Const) and is_entity(value.value):
            return self.registry.entity(value.value, self.span(node))
        if (
            isinstance(value, Const)
            and isinstance(value.value, str)
            and value.value in self.registry.entities
        ):
            return self.registry.entities[value.value]
        if isinstance(value, Const):
            label = f"got {value.value!r}"
            mend = near(str(value.value), self.registry.entities).replace("known:", "entities:")
            raise self.wrong(
                node, "not an Entity class", label, mend if self.registry.entities else "give an Entity"
            )
        raise self.limit(node, "an entity type that is not constant")

    # ------------------------------------------------ event data

    def _data_get(self, data: EventData, node: ast.Call) -> Value:
        name, default = self._arguments(node, ("key", "default"))
        if not isinstance(name, Const):
            raise self.limit(node, "a field's name that is not constant")
        other = self.settled(default, node) if default is not None else Const(None)
        has = self.event_has(data, str(name.value), node)
        if isinstance(has, Const):
            return self.event_field(data, str(name.value), node) if has.value else other
        found = local(field_local(str(name.value)))
        self.last_fields.setdefault(str(name.value))
        return Code(ast.IfExp(self.code(has, node), found, self.code(other, node)))

    def event_has(self, data: EventData, name: str | None, node: ast.expr) -> Value:
        if data.own and self.own is not None:
            return Const(name is None or name in self.own.event.by_name or name in _SYS)
        self.last_fields.setdefault(name or ANY)
        return Code(local(has_local(name or ANY)))

    def event_field(self, data: EventData, name: str, node: ast.expr) -> Value:
        if data.own and self.own is not None:
            found = self.own_field(self.own, name, node)
            return Code(local(found)) if found is not None else self._no_field(name)
        self.last_fields.setdefault(name)
        there, missing = self.block(), self.block()
        self.branch(has_local(name), there, missing, self.span(node))
        self.start(missing)
        self.raised(ast.Call(constant(KeyError), [constant(name)], []), node)
        self.start(there)
        return Code(local(self.let(local(field_local(name)), node)))

    def _no_field(self, name: str) -> Value:
        return Code(ast.Subscript(ast.Dict([], []), constant(name), ast.Load()))

    def raised(self, error: ast.expr, node: ast.AST) -> None:
        """End the block with an exception."""
        self.let(ast.Call(constant(Raise()), [error], []), node)
        self.end(Ends(self.span(node)))

    def needed(self, entity: EntitySpec, field: str | None, node: ast.AST) -> str:
        """A local with a state field (None: the key) of the entity held."""
        handle, target = self.fresh(), self.fresh()
        self.emit(Held(handle, entity.name))
        self.emit(Read(target, entity.name, handle, field, current=False, span=self.span(node)))
        return target


_SYS = ("sys__eid", "sys__ets", "sys__sid", "event_type")


def field_local(name: str) -> str:
    """The local with a field of the flow's last event."""
    return f"e_{name}"


def has_local(name: str) -> str:
    """The local that says whether the last event has the field."""
    return f"e_{name}__given"


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None
