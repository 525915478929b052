"""The actions as values: what `Select`, `SetState`, `NewEvent`, `AddDecay` say, checked."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from deep_faker.compile.lower.lowering import Lowering, declaring, describe
from deep_faker.compile.lower.operands import evaluated, operands
from deep_faker.compile.read.scopes import Emitting
from deep_faker.compile.read.values import (
    Code,
    Const,
    Context,
    Items,
    Releasing,
    Retiring,
    Selecting,
    Setting,
    Value,
    Waiting,
    constant,
)
from deep_faker.declare.actions import (
    UNKNOWN,
    AddDecay,
    NewEvent,
    Release,
    Retire,
    Select,
    SetState,
    check_change,
    check_condition,
    check_count,
    check_fields,
    check_rate,
    check_retirement,
    check_save,
    check_wait,
    check_weight,
    patience,
)
from deep_faker.declare.actions import Condition as Checked
from deep_faker.declare.actions import Now as NowAction
from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.declare.operators import check_asked, check_set, check_shared, nobody, present
from deep_faker.declare.rates import lag
from deep_faker.declare.schema import EntitySpec, event_spec, is_entity, is_event
from deep_faker.plan import Condition, Now


def action_of(low: Lowering, action: type, node: ast.Call) -> Value:
    if any(isinstance(a, ast.Starred) for a in node.args):
        raise low.limit(node, f"a star in {action.__name__}(…)")
    if action is NewEvent:
        return _new_event(low, node)
    if action is AddDecay:
        return _add_decay(low, node)
    if action is Select:
        return selecting(low, node)
    if action is Retire:
        return _retire(low, node)
    if action is Release:
        return _releasing(low, node)
    return _set_state(low, node)


def selecting(low: Lowering, node: ast.Call) -> Selecting:
    args, keywords = _parts(low, node)
    target, rest = _target(low, args, node, "Select")
    where_node = keywords.pop("where", rest[0] if rest else None)
    shared = _keyword(low, keywords, "shared", False)
    weight = _keyword(low, keywords, "weight", None)
    given = _keyword(low, keywords, "wait", None)
    wait = None if given is None else patience(given, low.span(node))
    count = _keyword(low, keywords, "n", None)
    if keywords or len(rest) > 1:
        raise _unknown_argument(low, node, "Select", keywords, ("where", "shared", "weight", "wait", "n"))
    if not isinstance(shared, bool):
        raise low.wrong(node, "shared is True or False", f"got {shared!r}", "write shared=True")
    n = check_count(count, shared=shared, waits=wait is not None, span=low.span(node))
    if weight is not None:
        check_weight(target, weight, low.span(node))
    check_shared(target, shared, low.span(node))
    static: list[Condition] = []
    dynamic: list[tuple[str, str, str]] = []
    if where_node is not None:
        for item, at in _listed(low, where_node, "Select", '("status", "is", "active")'):
            _condition(low, target, item, at, static, dynamic)
    static += [each for each in map(plan_condition, present(target)) if each not in static]
    return Selecting(target, tuple(static), tuple(dynamic), shared, weight, node, wait, n)


def _releasing(low: Lowering, node: ast.Call) -> Releasing:
    args, keywords = _parts(low, node)
    target, rest = _target(low, args, node, "Release")
    if keywords or rest:
        raise _unknown_argument(low, node, "Release", keywords, ("an entity type",))
    return Releasing(target, node)


def _condition(
    low: Lowering,
    entity: EntitySpec,
    item: Value,
    node: ast.expr,
    static: list[Condition],
    dynamic: list[tuple[str, str, str]],
) -> None:
    if isinstance(item, Const):
        with declaring(low.span(node)):
            checked = Select(entity.cls, where=[item.value]).where
        static += map(plan_condition, checked[:1])  # what all selections ask for comes at the end
        return
    parts = _triple(low, item, node, "a condition has three parts", '("status", "is", "active")')
    field, op = (_word(low, part, node) for part in parts[:2])
    value = parts[2] if len(parts) == 3 else Const(None)
    check_asked(entity, field, low.span(node))
    if isinstance(value, Const):
        static.append(plan_condition(check_condition(entity, field, op, value.value, low.span(node))))
        return
    checked_one = check_condition(entity, field, op, UNKNOWN, low.span(node))
    rule = CONDITION_OPERATORS[checked_one.op]
    if rule.takes == "range" and isinstance(value, Items) and len(value.items) == 2:
        for end, bound in rule.parts(value.items):
            triple = Items((Const(field), Const(end.name), bound), tuple)
            _condition(low, entity, triple, node, static, dynamic)
        return
    if rule.takes in ("list", "range"):
        raise low.limit(node, f'"{checked_one.op}" with values that only the flow knows')
    dynamic.append((checked_one.field, checked_one.op, low.as_local(low.settled(value, node), node)))


def _retire(low: Lowering, node: ast.Call) -> Retiring:
    args, keywords = _parts(low, node)
    target, rest = _target(low, args, node, "Retire")
    if keywords or rest:
        raise low.wrong(node, "Retire takes an Entity", ast.unparse(node), "write Retire(ctx, User)")
    check_retirement(target, low.span(node))
    return Retiring(target, node)


def leaving(entity: EntitySpec, node: ast.expr) -> Selecting:
    """A selection that finds nobody, by which a flow lets go of what it holds."""
    return Selecting(entity, tuple(map(plan_condition, nobody(entity))), (), False, None, node)


def _set_state(low: Lowering, node: ast.Call) -> Setting:
    args, keywords = _parts(low, node)
    target, rest = _target(low, args, node, "SetState")
    given = keywords.pop("changes", rest[0] if rest else None)
    if keywords or len(rest) > 1 or given is None:
        raise _unknown_argument(low, node, "SetState", keywords, ("changes",))
    changes = []
    for item, at in _listed(low, given, "SetState", '("visits", "add", 1)'):
        parts = _triple(low, item, at, "a change has three parts", '("visits", "add", 1)', length=(3,))
        field, op = (_word(low, part, at) for part in parts[:2])
        value = parts[2]
        check_set(target, field, low.span(at))
        if isinstance(value, Const):
            checked = check_change(target, field, op, value.value, low.span(at))
            value = Const(checked.value)
        else:
            checked = check_change(target, field, op, UNKNOWN, low.span(at))
        changes.append((checked.field, checked.op, value, at))
    if not changes:
        mend = 'give changes, such as ("visits", "add", 1)'
        raise low.wrong(node, "nothing to change", "SetState got an empty list", mend)
    return Setting(target, tuple(changes), node)


def _after_context(
    low: Lowering, positional: list[ast.expr], keywords: dict[str, ast.expr], node: ast.Call, what: str
) -> list[ast.expr]:
    """The positional arguments behind the flow's context, which is taken out of either."""
    if positional:  # else an event may have a field of that name
        _check_context(low, low.visit(positional[0]), node, what)
        return positional[1:]
    if "ctx" in keywords:
        _check_context(low, low.visit(keywords.pop("ctx")), node, what)
        return positional
    raise low.wrong(
        node, f"{what} needs the flow's context first", "nothing is given", f"write {what}(ctx, …)"
    )


def _new_event(low: Lowering, node: ast.Call) -> Emitting:
    positional, keywords = _parts(low, node)
    positional = _after_context(low, positional, keywords, node, "NewEvent")
    event_node = positional[0] if positional else keywords.pop("event_type", None)
    if event_node is None or len(positional) > 1:
        label = "no event is given" if event_node is None else "too many arguments"
        raise low.wrong(node, "NewEvent takes one event", label, "write NewEvent(ctx, Signup, field=…)")
    event_value = low.visit(event_node)
    if not isinstance(event_value, Const):
        raise low.limit(event_node, "an event type that is not constant")
    if not is_event(event_value.value):
        raise low.wrong(
            event_node,
            "not an event",
            f"got {event_value.value!r}",
            "give a class of BaseEvent: NewEvent(ctx, Signup)",
        )
    event = low.registry.event(event_value.value, low.span(event_node))
    save = _save(low, keywords.pop("save_entity", None), event_value.value, node)
    mutate = keywords.pop("mutate", None)
    arrives = None
    if "arrives" not in event.by_name:  # else it is a field of the event
        delay = _keyword(low, keywords, "arrives", None)
        arrives = None if delay is None else lag(delay, "arrives", low.span(node))
    check_fields(event, keywords, low.span(node))
    values = operands(low, list(keywords.values()))
    fields = dict(zip(keywords, values, strict=True))
    for name, value in fields.items():
        if not isinstance(value, (Const, Code, Items)):
            raise low.wrong(
                keywords[name], "no value for a field", f"{name} is {describe(value)}", "give a value"
            )
    return Emitting(event, fields, save, mutate, low.scope, node, arrives)


def _save(low: Lowering, node: ast.expr | None, event: Any, call: ast.Call) -> EntitySpec | None:
    if node is None:
        return None
    value = low.visit(node)
    if not isinstance(value, Const):
        raise low.limit(node, "an entity type that is not constant")
    if value.value is None:
        return None
    check_save(event_spec(event), value.value, low.span(call))
    return low.registry.entity(value.value, low.span(node))


def _add_decay(low: Lowering, node: ast.Call) -> Waiting:
    positional, keywords = _parts(low, node)
    positional = _after_context(low, positional, keywords, node, "AddDecay")
    if len(positional) > 1 or (positional and "rate" in keywords):
        raise low.wrong(
            node, "AddDecay takes one rate", ast.unparse(node), "write AddDecay(ctx, rate=0.1, seconds=5)"
        )
    named = {**({"rate": positional[0]} if positional else {}), **keywords}
    made = zip(named, operands(low, list(named.values())), strict=True)
    values = {name: evaluated(low, value, node) for name, value in made}  # in the order of the call
    rate = values.pop("rate", Const(0.0))
    check_rate(_known(rate), low.span(node))
    for unit, value in values.items():
        check_wait(unit, _known(value), low.span(node))
    return Waiting(rate, tuple(values.items()), node)


def _known(value: Value) -> Any:
    return value.value if isinstance(value, Const) else UNKNOWN


def _parts(low: Lowering, node: ast.Call) -> tuple[list[ast.expr], dict[str, ast.expr]]:
    """Positional and keyword arguments as nodes; ``**`` of a constant dict is spread."""
    keywords: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        if keyword.arg is not None:
            keywords[keyword.arg] = keyword.value
            continue
        value = low.visit(keyword.value)
        if not isinstance(value, Const) or not isinstance(value.value, dict):
            raise low.limit(node, "** of something that is not constant")
        keywords |= {
            name: ast.copy_location(constant(item), keyword.value) for name, item in value.value.items()
        }
    return list(node.args), keywords


def _target(
    low: Lowering, args: Sequence[ast.expr], node: ast.Call, action: str
) -> tuple[EntitySpec, Sequence[ast.expr]]:
    """Split ``([ctx,] entity, …)``."""
    for index, part in enumerate(args[:2]):
        value = low.visit(part)
        if isinstance(value, Const) and is_entity(value.value):
            return low.registry.entity(value.value, low.span(part)), args[index + 1 :]
        if isinstance(value, Code):
            raise low.limit(part, "an entity type that is not constant")
        if not isinstance(value, Context):
            break
    got = f"got {ast.unparse(args[0])}" if args else "got nothing"
    raise low.wrong(node, f"{action} needs an Entity", got, f"write {action}(ctx, User, …)")


def _check_context(low: Lowering, value: Value, node: ast.Call, action: str) -> None:
    if not isinstance(value, Context):
        got = f"got {ast.unparse(node.args[0])}" if node.args else "nothing is given"
        raise low.wrong(node, f"{action} needs the flow's context first", got, f"write {action}(ctx, …)")


def _keyword(low: Lowering, keywords: dict[str, ast.expr], name: str, default: Any) -> Any:
    node = keywords.pop(name, None)
    if node is None:
        return default
    value = low.visit(node)
    if not isinstance(value, Const):
        raise low.limit(node, f"{name}= that is not constant")
    return value.value


def _listed(low: Lowering, node: ast.expr, action: str, example: str) -> list[tuple[Value, ast.expr]]:
    value = low.visit(node)
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple)) else None
    if isinstance(value, Const):
        given = value.value
        if given is None:
            return []
        if not isinstance(given, (list, tuple)) or (given and isinstance(given[0], str)):
            label = "one condition stands alone" if isinstance(given, tuple) else f"got {given!r}"
            raise low.wrong(node, f"{action} takes a list", label, f"put it in a list: [{example}]")
        items: Sequence[Value] = [Const(item) for item in given]
    elif isinstance(value, Items):
        items = value.items
        if items and isinstance(items[0], Const) and isinstance(items[0].value, str):
            raise low.wrong(
                node,
                f"{action} takes a list",
                "one condition stands alone",
                f"put it in a list: [{example}]",
            )
    else:
        raise low.limit(node, "a list that is not known when compiling")
    if parts is None or len(parts) != len(items) or any(isinstance(p, ast.Starred) for p in parts):
        parts = [node] * len(items)
    return list(zip(items, parts, strict=True))


def _triple(
    low: Lowering, item: Value, node: ast.expr, title: str, example: str, length: tuple[int, ...] = (2, 3)
) -> Sequence[Value]:
    if isinstance(item, Const) and isinstance(item.value, (list, tuple)):
        item = Items(tuple(map(Const, item.value)), tuple)
    if isinstance(item, Code):
        raise low.limit(node, "a condition that is not written out")
    if not isinstance(item, Items) or len(item.items) not in length:
        raise low.wrong(node, title, f"got {ast.unparse(node)}", f"write {example}")
    return item.items


def _word(low: Lowering, value: Value, node: ast.expr) -> Any:
    if not isinstance(value, Const):
        raise low.limit(node, "a field or operator that is not constant")
    return value.value


def _unknown_argument(
    low: Lowering, node: ast.Call, action: str, given: Mapping[str, Any], known: tuple[str, ...]
) -> Exception:
    label = f"{action} has no {next(iter(given))!r}" if given else f"{action} got {ast.unparse(node)}"
    return low.wrong(node, f"wrong arguments of {action}", label, f"{action} takes {', '.join(known)}")


def value_of_object(low: Lowering, given: Any, node: ast.expr) -> Value | None:
    """An action object that is a constant of the module, as the value that its call would be."""
    if isinstance(given, Select):
        static = tuple(plan_condition(c) for c in given.where)
        spec = low.registry.entity(given.entity, low.span(node))
        return Selecting(spec, static, (), given.shared, given.weight, node, given.wait, given.n)
    if isinstance(given, Release):
        return Releasing(low.registry.entity(given.entity, low.span(node)), node)
    if isinstance(given, Retire):
        return Retiring(low.registry.entity(given.entity, low.span(node)), node)
    if isinstance(given, SetState):
        spec = low.registry.entity(given.entity, low.span(node))
        return Setting(spec, tuple((c.field, c.op, Const(c.value), node) for c in given.changes), node)
    return None


def plan_condition(condition: Checked) -> Condition:
    """A checked condition as the plan writes it."""
    return Condition(condition.field, condition.op, _plain(condition.value))


def _plain(value: Any) -> Any:
    if isinstance(value, NowAction):
        return Now(value.offset_micros)
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value
