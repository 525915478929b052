"""Events as they are emitted: where their fields come from, what they change and leave (F5, F7, F8)."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.ir import Emit, Saves, Test
from deep_faker.compile.lower.actions import value_of_object
from deep_faker.compile.lower.emission import Beforehand, Emission
from deep_faker.compile.lower.entities import needed
from deep_faker.compile.lower.event_fields import (
    ANY,
    converted,
    field_local,
    has_local,
    own_field,
    save_states,
)
from deep_faker.compile.lower.keys import keys_of, need_keys
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.scopes import Emitting
from deep_faker.compile.read.values import Code, Const, Items, Setting, constant, local
from deep_faker.declare.schema import EntitySpec, EventSpec, FieldSpec, Rejection, validate_value
from deep_faker.plan import Change, Held


def emit_event(low: Lowering, value: Emitting) -> None:
    event, node = value.event, value.node
    given: dict[str, str] = {}
    seen: dict[str, str] = {}  # what state and flow see; the event's own validators run when it is made
    told = low.writing.told.get(event.name, ())
    looked_at = value.mutate is not None or value.save is not None or bool(low.wanted) or bool(told)
    for name, part in value.fields.items():
        if isinstance(part, Const):
            _check_constant(low, event, event.by_name[name], part.value, value)
        given[name] = low.as_local(part, node)
    # when all is made that Python makes for the call
    keys, asked = keys_of(low, value)
    for name, part in value.fields.items():
        field = event.by_name[name]
        if looked_at:
            seen[name] = converted(low, field, part, given[name], node)
            copied = value.save is not None and _copies(value.save, name)
            if copied and field.runs_code:  # once, when the event is made
                raise low.limit(node, f"state is copied from {name}, which has {field.row_validated}")
            if copied or (field.row_validated is None and field.kind == "float"):
                given[name] = seen[name]
    _emit_as(low, value, given, {**given, **seen}, keys, asked)


def _check_constant(
    low: Lowering, event: EventSpec, field: FieldSpec, given_value: object, value: Emitting
) -> None:
    """A constant that the field can never take is a mistake in the flow."""
    if event.whole_row or (given_value is None and field.optional):
        return
    got = validate_value(field, given_value)
    if isinstance(got, Rejection):
        keywords = value.node.keywords if isinstance(value.node, ast.Call) else []
        where = next((k.value for k in keywords if k.arg == field.name), value.node)  # or within **values
        label = f"{event.name}.{field.name}: {got.reason}, got {given_value!r}"
        raise low.wrong(where, "wrong value for a field", label, "give a value that the event's model takes")


def _emit_as(
    low: Lowering,
    value: Emitting,
    given: dict[str, str],
    seen: dict[str, str],
    keys: dict[str, str],
    asked: dict[str, list[str]],
) -> None:
    """The event; where a field depends on what is held when it comes to that, one event for each case."""
    if asked:
        field, entities = next(iter(asked.items()))
        rest = {name: found for name, found in asked.items() if name != field}
        done = low.block()
        for entity in entities:
            handle, test = low.fresh(), low.fresh()
            low.emit(Held(handle, entity))
            low.let(ast.Call(constant(bool), [local(handle)], []), value.node, test)
            then, other = low.block(), low.block()
            low.end(Test(test, then, other, low.span(value.node)))
            low.start(then)
            _emit_as(low, value, given, seen, {**keys, field: entity}, rest)
            low.go(done)
            low.start(other)
        spec = value.event.by_name[field]
        if spec.generator is None and not spec.has_default:
            keys = {**keys, field: entities[-1]}
        _emit_as(low, value, given, seen, keys, rest)
        low.go(done)
        low.start(done)
        return
    emission = Emission(value.event, value.save, keys, frozenset(given), Beforehand(seen, low.current))
    inside = low.emitting(emission, value.scope)
    settings = _mutations(inside, value) if value.mutate is not None else []
    changes = changes_of(inside, settings, value)
    need_keys(inside, emission, value.node)
    last = _last_values(inside, emission, value.node)
    told = low.writing.told.get(value.event.name, ())
    for name in told:
        _hand_on(inside, emission, name, value.node)
    if value.save is not None:
        save_states(low, value.save, emission, value.node)
    weak = {name: held for name, held in emission.made.fields.items() if name in emission.event.by_name}
    weak = {name: held for name, held in weak.items() if name not in given and name not in keys}
    strong = tuple(name for name in told if name in weak)
    place = low.place(value.node)
    emit = Emit(
        value.event, given, weak, keys, tuple(changes), value.save, place, strong, told, value.arrives
    )
    if value.save is not None:
        following = low.block()
        low.end(Saves(emit, following))
        low.start(following)
        _last_key(low, value, given)
    else:
        low.emit(emit)
    for name, code in last.items():
        low.let(code, value.node, name)


def _hand_on(low: Lowering, emission: Emission, name: str, node: ast.AST) -> None:
    """A field at which flows look that the event starts is there when it is emitted; a default is known."""
    field = emission.event.by_name[name]
    if field.generator is not None:
        own_field(low, emission, name, node)
    elif field.default_factory is not None and name not in emission.given:
        raise low.limit(node, f"hands {name} on, whose default is made for each event")


def _mutations(low: Lowering, value: Emitting) -> list[Setting]:
    assert value.mutate is not None
    mutate = low.visit(value.mutate)
    parts = list(mutate.items) if isinstance(mutate, Items) else [mutate]
    if isinstance(mutate, Const):
        items = list(mutate.value) if isinstance(mutate.value, (list, tuple)) else [mutate.value]
        parts = [Const(item) for item in items if item is not None]
    out: list[Setting] = []
    for part in parts:
        setting = value_of_object(low, part.value, value.mutate) if isinstance(part, Const) else part
        if isinstance(setting, Code):
            raise low.limit(value.mutate, "mutate= that is not written out")
        if not isinstance(setting, Setting):
            label = f"got {ast.unparse(value.mutate)}"
            mend = "write mutate=SetState(User, […]) or a list of them"
            raise low.wrong(value.mutate, "mutate takes SetState", label, mend)
        out.append(setting)
    return out


def changes_of(low: Lowering, settings: list[Setting], emitting: Emitting | None = None) -> list[Change]:
    out: list[Change] = []
    for setting in settings:
        entity = setting.entity
        creates = emitting is not None and emitting.save is not None and emitting.save.name == entity.name
        if not creates and low.ask(setting.node).is_never(entity.name):
            _warn_not_held(low, setting)
            for _, _, value, where in setting.changes:
                low.code(value, where)
            continue
        for field, op, value, where in setting.changes:
            name = low.as_local(value, where)
            out.append(Change(entity.name, field, op, name, low.span(where)))
    return out


def _warn_not_held(low: Lowering, setting: Setting) -> None:
    entity = setting.entity.name
    if low.facts is not None:
        label = f"this flow holds no {entity} here: the change has no effect"
        mend = f"yield Select(ctx, {entity}) before it, or ctx.add_entity(…), or filter=Select({entity})"
        low.warn(setting.node, "a change of nothing", label, mend)


def _last_values(low: Lowering, emission: Emission, node: ast.AST) -> dict[str, ast.expr]:
    """What `current_event_data` will say after this event, for the fields that the flow asks for."""
    out: dict[str, ast.expr] = {}
    for name in low.wanted:
        if name == ANY:
            out[has_local(ANY)] = constant(True)
            continue
        if (
            emission.save is not None
            and emission.save.primary_key == name
            and name not in emission.made.fields
        ):
            continue  # known when the entity is there, see _last_key
        held = own_field(low, emission, name, node)
        out[has_local(name)] = constant(held is not None)
        out[field_local(name)] = local(held) if held is not None else constant(None)
    return out


def _last_key(low: Lowering, value: Emitting, given: dict[str, str]) -> None:
    assert value.save is not None
    name = value.save.primary_key
    if name in low.wanted and name not in given and name in value.event.by_name:
        key = needed(low, value.save, None, value.node)
        low.let(local(key), value.node, field_local(name))
        low.let(constant(True), value.node, has_local(name))


def _copies(entity: EntitySpec, name: str) -> bool:
    """Whether a new entity takes its key or state from an event's field."""
    return name == entity.primary_key or any(state.from_field == name for state in entity.states)
