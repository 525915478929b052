"""The fields of an event that is being emitted, made early where the flow or state looks at them (F7)."""

from __future__ import annotations

import ast
import functools
from datetime import timedelta

from deep_faker.compile.graph.inference import field_type
from deep_faker.compile.lower.derive import Derived, derived, needs
from deep_faker.compile.lower.emission import Emission
from deep_faker.compile.lower.entities import needed, raised
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import (
    Code,
    Const,
    EventData,
    Value,
    constant,
    local,
    same_code,
)
from deep_faker.declare.schema import (
    EntitySpec,
    FieldSpec,
    Rejection,
    validate_value,
)
from deep_faker.errors import Diagnostic, InvalidValueError
from deep_faker.expressions import Conversion
from deep_faker.plan import Clock, Early, Session
from deep_faker.plan.storage import EPOCH
from deep_faker.spans import Span

_ARRIVES = "what it is made to is known as it arrives only"
_SYS = ("sys__eid", "sys__ets", "sys__sid", "event_type")
ANY = ""  # the pretended field that says whether there was an event at all


def event_has(low: Lowering, data: EventData, name: str | None) -> Value:
    if data.emitted and low.emission is not None:
        return Const(name is None or name in low.emission.event.by_name or name in _SYS)
    low.want(name or ANY)
    return Code(local(has_local(name or ANY)))


def event_field(low: Lowering, data: EventData, name: str, node: ast.expr) -> Value:
    if data.emitted and low.emission is not None:
        held = own_field(low, low.emission, name, node)
        return Code(local(held)) if held is not None else _no_field(name)
    low.want(name)
    there, missing = low.block(), low.block()
    low.branch(has_local(name), there, missing, low.span(node))
    low.start(missing)
    raised(low, ast.Call(constant(KeyError), [constant(name)], []), node)
    low.start(there)
    return Code(local(low.let(local(field_local(name)), node)))


def _no_field(name: str) -> Value:
    return Code(ast.Subscript(ast.Dict([], []), constant(name), ast.Load()))


def own_field(low: Lowering, emission: Emission, name: str, node: ast.AST) -> str | None:
    """The local with a field of the event being emitted, made now if need be; None: no such field."""
    if name in emission.made.fields:
        return emission.made.fields[name]
    with low.aside() as ops:
        system = _system_field(low, emission, name, node)
        field = emission.event.by_name.get(name)
        if system is None and field is not None:
            system = _made_field(low, emission, field, node)
    emission.made.insert(ops)
    if system is not None:
        emission.made.make(name, system)
    return system


def _system_field(low: Lowering, emission: Emission, name: str, node: ast.AST) -> str | None:
    target = low.fresh()
    if name == "event_type":
        return low.let(constant(emission.event.name), node, target)
    if name == "sys__sid":
        low.emit(Session(target))
        return target
    if name == "sys__ets":
        low.emit(Clock(target))
        passed = ast.BinOp(local(target), ast.Sub(), constant(EPOCH))
        code = ast.BinOp(passed, ast.FloorDiv(), constant(timedelta(milliseconds=1)))
        return low.let(code, node)
    if name == "sys__eid":
        raise low.limit(node, "reads sys__eid")
    return None


def _made_field(low: Lowering, emission: Emission, field: FieldSpec, node: ast.AST) -> str:
    entity = emission.keys.get(field.name)
    if entity is not None:
        return needed(low, low.registry.entities[entity], None, node)
    if emission.save is not None and emission.save.primary_key == field.name and field.generator is not None:
        raise low.limit(node, "reads the key of the entity that the event creates")
    if emission.event.whole_row or (field.generator is not None and field.runs_code):
        raise low.limit(node, f"reads an event with {emission.event.row_validated}")
    if field.generator is not None and field.generator.is_dependent and not _stands_alone(emission, field):
        return _from_others(low, emission, field, node)
    target = low.fresh()
    if field.generator is not None:
        low.emit(Early(target, emission.event.name, field.name, low.span(node)))
        return target
    return low.let(_default(field), node, target)


def _stands_alone(emission: Emission, field: FieldSpec) -> bool:
    """Whether no field that this one hangs on is given or a key: then it is drawn as others are."""
    for name in needs(emission.event, field):
        other = emission.event.by_name[name]
        if name in emission.given or name in emission.keys:
            return False
        if (emission.save is not None and emission.save.primary_key == name) or not _stands_alone(
            emission, other
        ):
            return False
    return True


def _from_others(low: Lowering, emission: Emission, field: FieldSpec, node: ast.AST) -> str:
    """A derived field that the flow or state looks at, as code over the fields that it is made of."""
    how = derived(emission.event, field) if field.generator and field.generator.source == "derive" else None
    if how is None or how.expr is None or how.code is None or not _fits(how):
        raise low.limit(node, f"reads {field.name}, which hangs on values that the flow gives")
    locals_: dict[str, str] = {}
    for name in how.reads:
        held = own_field(low, emission, name, node)
        assert held is not None, "a field of the event"
        locals_[name] = held
    target = low.let(same_code(how.code, how.renamed(locals_)), node)
    return converted(low, field, Code(local(target)), target, node)


def converted(low: Lowering, field: FieldSpec, part: Value, name: str, node: ast.AST) -> str:
    """The value as the event will hold it (V1), where state or the flow may look at it."""
    if isinstance(part, Const) and field.row_validated is None:
        typed = None if part.value is None else validate_value(field, part.value)
        same = isinstance(typed, Rejection) or type(typed) is type(part.value)
        return name if same else low.let(constant(typed), node)
    reason = f"{field.name} has {field.row_validated}" if field.row_validated else _ARRIVES
    conversion = functools.partial(_validated, field, low.span(node))
    convert = Conversion(conversion, field_type(field), reason)
    return low.let(ast.Call(constant(convert), [local(name)], []), node)


def save_states(low: Lowering, entity: EntitySpec, emission: Emission, node: ast.AST) -> None:
    """Values of the fields that state is copied from."""
    for state in entity.states:
        field = emission.event.by_name.get(state.from_field or "")
        if field is not None and field.takes_data and field.name not in emission.made.fields:
            raise low.limit(node, f"state is copied from {field.name}, which is made of the other fields")
        if field is None or field.generator is None or field.name == entity.primary_key:
            continue  # keys and defaults the run can copy by itself
        if field.name not in emission.keys:
            own_field(low, emission, field.name, node)


def field_local(name: str) -> str:
    """The local with a field of the flow's last event."""
    return f"e_{name}"


def has_local(name: str) -> str:
    """The local that says whether the last event has the field."""
    return f"e_{name}__given"


def _fits(how: Derived) -> bool:
    """Whether an expression's values are of the field's kind as they are, or as floats."""
    assert how.expr is not None
    kind, wanted = how.expr.type.kind, how.field.kind
    return (kind, wanted) in (("code", "str"), ("int", "float")) or kind == wanted


def _validated(field: FieldSpec, span: Span, value: object) -> object:
    """What the event's model makes of a value that a flow gives; `InvalidValueError` if it refuses it."""
    got = validate_value(field, value)
    if isinstance(got, Rejection):
        owner = field.owner.__name__ if field.owner is not None else ""
        title = f"invalid value for {owner}.{field.name}"
        label = f"{value!r}: {got.reason}"
        raise InvalidValueError(Diagnostic(title, span, label, "mend the value or the model"))
    return got


def _default(field: FieldSpec) -> ast.expr:
    if field.default_factory is not None:
        return ast.Call(constant(field.make_default), [], [])
    return constant(field.default)
