"""Rules of attributes, and what the context's attributes and methods give (F7, F9)."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.ir import Attr
from deep_faker.compile.lower.actions import plan_condition
from deep_faker.compile.lower.choose import choose
from deep_faker.compile.lower.draws import draw_of_distribution
from deep_faker.compile.lower.entities import all_selected, handle_of, into, pick, primary
from deep_faker.compile.lower.event_fields import event_field, event_has, field_local
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.names import attribute_of
from deep_faker.compile.lower.seasons import season_now
from deep_faker.compile.read.values import (
    Code,
    Const,
    Context,
    EventData,
    Method,
    Selected,
    Selecting,
    Selection,
    Value,
    World,
    local,
)
from deep_faker.declare.operators import present
from deep_faker.declare.schema import EntitySpec, is_entity
from deep_faker.errors import near
from deep_faker.plan import Clock, Hold, Session

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
    "draw",
    "season",
    "choose",
)
_WORLD = ("select_entities", "get_available_entities", "get_random_available_entity", "get_entities")
_LISTS = ("get_available_entities", "get_entities")


def attribute(low: Lowering, node: ast.Attribute) -> Value:
    owner = low.visit(node.value)
    if isinstance(owner, Const):
        return attribute_of(low, owner, node)
    if isinstance(owner, (Context, World, EventData, Selected)):
        return context_attribute(low, owner, node)
    target = low.fresh()
    low.emit(Attr(target, low.as_local(owner, node.value), node.attr, False, low.span(node)))
    return Code(local(target))


def context_attribute(low: Lowering, owner: Value, node: ast.Attribute) -> Value:
    name = node.attr
    if isinstance(owner, EventData):
        if name == "get":
            return Method(owner, name)
        raise low.limit(node, f"ctx.current_event_data.{name}")
    if isinstance(owner, Selected):
        if name == "get":
            return Method(owner, name)
        raise low.limit(node, f"ctx.selected_entities.{name}")
    if isinstance(owner, World):
        if name in _WORLD:
            return Method(owner, name)
        label = f"ctx.global_context has no {name!r}"
        raise low.wrong(node, "unknown attribute", label, near(name, _WORLD, "ctx.global_context"))
    if name in _METHODS:
        return Method(owner, name)
    if name == "session_id":
        return into(low, Session(low.fresh()))
    if name == "flow_name":
        return Const(low.name)
    if name in ("flow_clock", "current_time"):
        return into(low, Clock(low.fresh()))
    if name == "global_context":
        return World()
    if name == "current_event_data":
        return EventData(emitted=low.emission is not None)
    if name == "selected_entities":
        return all_selected(low, node)
    known = [*_PROPERTIES, "selected_entities", *_METHODS]
    label = f"ctx has no {name!r}"
    raise low.wrong(node, "unknown attribute", label, near(name, known, "ctx"))


def context_call(low: Lowering, method: Method, node: ast.Call) -> Value:
    """A call of a method of the context, its world or event data."""
    if isinstance(method.owner, EventData):
        return _data_get(low, method.owner, node)
    if isinstance(method.owner, Selected):
        (key,) = _arguments(low, node, ("key",))
        handle = method.owner.handles.get(_entity(low, _required(low, key, node), node).name)
        return Const(None) if handle is None else handle
    if isinstance(method.owner, Context):
        return _of_context(low, method.name, node)
    return _of_world(low, method.name, node)


def _of_context(low: Lowering, name: str, node: ast.Call) -> Value:
    if name == "choose":
        return choose(low, node)
    if name == "add_entity":
        entity, handle = _arguments(low, node, ("entity", "view"))
        spec = _entity(low, _required(low, entity, node), node)
        local_name = low.as_local(_required(low, handle, node), node)
        low.emit(Hold(spec.name, local_name, low.span(node)))
        return Const(None)
    if name == "draw":
        return draw_of_distribution(low, node)
    if name == "season":
        return season_now(low, node)
    (argument,) = _arguments(low, node, ("entity",)) if name != "get_primary_selected_entity" else (None,)
    value = argument if argument is not None else Const(None)
    handle_code = primary(low, node) if _is_none(value) else handle_of(low, _entity(low, value, node))
    if name != "get_selected_entity_id":
        return handle_code
    target = low.fresh()
    low.emit(Attr(target, low.as_local(handle_code, node), "get_primary_key", True, low.span(node)))
    return Code(local(target))


def _of_world(low: Lowering, name: str, node: ast.Call) -> Value:
    if name in _LISTS:
        raise low.limit(node, f"looks at the list of {name}()")
    if name == "get_random_available_entity":
        (entity,) = _arguments(low, node, ("entity",))
        spec = _entity(low, _required(low, entity, node), node)
        static = tuple(map(plan_condition, present(spec)))
        return pick(low, Selecting(spec, static, (), shared=False, weight=None, node=node), node)
    if len(node.args) != 1 or node.keywords:
        raise low.wrong(
            node, "select_entities takes one Select", ast.unparse(node), "select_entities(Select(User))"
        )
    value = low.visit(node.args[0])
    if not isinstance(value, Selecting):
        raise low.wrong(
            node, "select_entities takes a Select", ast.unparse(node), "select_entities(Select(User))"
        )
    return Selection(value)


def _data_get(low: Lowering, data: EventData, node: ast.Call) -> Value:
    name, default = _arguments(low, node, ("key", "default"))
    if not isinstance(name, Const):
        raise low.limit(node, "a field's name that is not constant")
    other = low.settled(default, node) if default is not None else Const(None)
    has = event_has(low, data, str(name.value))
    if isinstance(has, Const):
        return event_field(low, data, str(name.value), node) if has.value else other
    field_value = local(field_local(str(name.value)))
    low.want(str(name.value))
    return Code(ast.IfExp(low.code(has, node), field_value, low.code(other, node)))


def _arguments(low: Lowering, node: ast.Call, names: tuple[str, ...]) -> list[Value | None]:
    """Values of positional or keyword arguments, in the order of ``names``."""
    arguments: dict[str, Value] = {}
    if len(node.args) > len(names):
        raise low.wrong(node, "too many arguments", ast.unparse(node), f"it takes {', '.join(names)}")
    for name, part in zip(names, node.args, strict=False):
        arguments[name] = low.visit(part)
    for keyword in node.keywords:
        if keyword.arg not in names:
            raise low.limit(node, f"the argument {keyword.arg!r}")
        arguments[str(keyword.arg)] = low.visit(keyword.value)
    return [arguments.get(name) for name in names]


def _required(low: Lowering, value: Value | None, node: ast.Call) -> Value:
    if value is None:
        raise low.wrong(node, "too few arguments", ast.unparse(node))
    return value


def _entity(low: Lowering, value: Value, node: ast.Call) -> EntitySpec:
    if isinstance(value, Const) and is_entity(value.value):
        return low.registry.entity(value.value, low.span(node))
    if isinstance(value, Const) and isinstance(value.value, str) and value.value in low.registry.entities:
        return low.registry.entities[value.value]
    if isinstance(value, Const):
        label = f"got {value.value!r}"
        mend = near(str(value.value), low.registry.entities).replace("known:", "entities:")
        raise low.wrong(
            node, "not an Entity class", label, mend if low.registry.entities else "give an Entity"
        )
    raise low.limit(node, "an entity type that is not constant")


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None
