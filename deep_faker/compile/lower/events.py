"""Lowering of yields: waits, selections, changes, and where an event's fields come from (F5, F7, F8)."""

from __future__ import annotations

import ast
import functools
from dataclasses import replace
from datetime import timedelta
from types import FunctionType, MethodType

from deep_faker.compile.graph.inference import field_type
from deep_faker.compile.graph.ir import Block, Emit, Ends, Saves, Test
from deep_faker.compile.lower.builder import describe
from deep_faker.compile.lower.context import ANY, OwnEvent, field_local, has_local
from deep_faker.compile.lower.derive import Derived, derived, needs
from deep_faker.compile.lower.keys import Keys
from deep_faker.compile.read.source import line_span
from deep_faker.compile.read.values import (
    Code,
    Const,
    Emitting,
    Items,
    Local,
    Selecting,
    Setting,
    Value,
    Waiting,
    constant,
    local,
    same_code,
)
from deep_faker.declare.schema import EntitySpec, EventSpec, FieldSpec, Rejection, is_event, validate_value
from deep_faker.errors import Diagnostic, InvalidValueError
from deep_faker.expressions import Conversion
from deep_faker.plan import Apply, Change, Clock, Count, Early, Held, Session
from deep_faker.plan.storage import EPOCH
from deep_faker.spans import Span

_ARRIVES = "what it is made to is known as it arrives only"


class Events(Keys):
    """Performs what a flow yields."""

    def on_Yield(self, node: ast.Yield) -> Value:
        if isinstance(node.value, ast.IfExp):
            return self._either(node.value)
        if node.value is None:
            raise self._not_an_action(node, "nothing is yielded")
        if isinstance(node.value, ast.Call) and is_event(self.scope.constant(node.value.func)):
            event = ast.unparse(node.value.func)
            raise self.wrong(
                node.value,
                "a flow yields actions",
                f"{event}(…) is an event, which only NewEvent can emit",
                f"yield NewEvent(ctx, {event}, …)",
            )
        value = self.lower(node.value)
        outer, self.yielded = self.yielded, node
        done = self.perform(value, node.value)
        self.yielded = outer
        return done

    def _either(self, node: ast.IfExp) -> Value:
        """``yield a if x else b``."""
        then, other, done = self.block(), self.block(), self.block()
        self.test(node.test, then, other)
        for block, part in ((then, node.body), (other, node.orelse)):
            self.start(block)
            self.on_Yield(ast.copy_location(ast.Yield(part), part))
            self.go(done)
        self.start(done)
        return Const(None)

    def on_YieldFrom(self, node: ast.YieldFrom) -> Value:
        if isinstance(node.value, ast.Call):
            callee = self.lower(node.value.func) if not isinstance(node.value.func, ast.Attribute) else None
            found = callee.value if isinstance(callee, Const) else self.scope.constant(node.value.func)
            if isinstance(callee, Local):
                return self.inline(callee, self.arguments(node.value), node.value, flow=True)
            args: list[Value] = []
            if isinstance(found, MethodType):
                args, found = [Const(found.__self__)], found.__func__
            if isinstance(found, FunctionType):
                more, kwargs = self.arguments(node.value)
                return self.inline(found, ([*args, *more], kwargs), node.value, flow=True)
        value = self.lower(node.value)
        if isinstance(value, Const) and isinstance(value.value, (list, tuple)):
            value = Items(tuple(map(Const, value.value)), list)
        if isinstance(value, Items):
            for item in value.items:
                self.perform(item, node.value)
            return Const(None)
        raise self.limit(node, f"yield from {ast.unparse(node.value)}")

    def perform(self, value: Value, node: ast.expr) -> Value:
        """One yield."""
        if isinstance(value, Const):
            found = self.value_of_object(value.value, node)
            if found is None:
                raise self._not_an_action(node, f"it is {value.value!r}")
            value = found
        if isinstance(value, Code):
            raise self.limit(node, "yields something that is not known when compiling")
        self.emit(Count(self.span(node)))
        if isinstance(value, Waiting):
            self._wait(value)
        elif isinstance(value, Selecting):
            self.pick(value, node)
        elif isinstance(value, Setting):
            changes = self._changes([value])
            if changes:
                self.emit(Apply(tuple(changes), self.span(node)))
        elif isinstance(value, Emitting):
            self._emit(value)
        else:
            raise self._not_an_action(node, f"it is {describe(value)}")
        return Const(None)

    def _not_an_action(self, node: ast.expr, label: str) -> Exception:
        mend = "yield NewEvent(…), AddDecay(…), Select(…) or SetState(…)"
        return self.wrong(node, "a flow yields actions", label, mend)

    # ------------------------------------------------ SetState

    def _changes(self, settings: list[Setting], own: Emitting | None = None) -> list[Change]:
        out: list[Change] = []
        for setting in settings:
            entity = setting.entity
            creates = own is not None and own.save is not None and own.save.name == entity.name
            if not creates and self.ask(setting.node).is_never(entity.name):
                self._warn_not_held(setting)
                for _, _, value, at in setting.changes:
                    self.code(value, at)
                continue
            for field, op, value, at in setting.changes:
                name = self.as_local(value, at)
                out.append(Change(entity.name, field, op, name, self.span(at)))
        return out

    def _warn_not_held(self, setting: Setting) -> None:
        entity = setting.entity.name
        if self.facts is not None:
            label = f"this flow holds no {entity} here: the change has no effect"
            mend = f"yield Select(ctx, {entity}) before it, or ctx.add_entity(…), or filter=Select({entity})"
            self.warnings[self.span(setting.node)] = Diagnostic(
                "a change of nothing", self.span(setting.node), label, mend
            )

    # ------------------------------------------------ NewEvent

    def _emit(self, value: Emitting) -> None:
        event, node = value.event, value.node
        given: dict[str, str] = {}
        seen: dict[str, str] = {}  # what state and flow see; the event's own validators run when it is made
        looked_at = value.mutate is not None or value.save is not None or bool(self.wanted)
        for name, part in value.fields.items():
            if isinstance(part, Const):
                self._check_constant(event, event.by_name[name], part.value, value)
            given[name] = self.as_local(part, node)
        # when all is made that Python makes for the call
        keys, asked = self._keys(value)
        for name, part in value.fields.items():
            field = event.by_name[name]
            if looked_at:
                seen[name] = self._converted(field, part, given[name], node)
                copied = value.save is not None and _copies(value.save, name)
                if copied and field.runs_code:  # once, when the event is made
                    raise self.limit(node, f"state is copied from {name}, which has {field.row_validated}")
                if copied or (field.row_validated is None and field.kind == "float"):
                    given[name] = seen[name]
        self._emit_as(value, given, {**given, **seen}, keys, asked)

    def _converted(self, field: FieldSpec, part: Value, name: str, node: ast.AST) -> str:
        """The value as the event will hold it (V1), where state or the flow may look at it."""
        if isinstance(part, Const) and field.row_validated is None:
            made = None if part.value is None else validate_value(field, part.value)
            same = isinstance(made, Rejection) or type(made) is type(part.value)
            return name if same else self.let(constant(made), node)
        reason = f"{field.name} has {field.row_validated}" if field.row_validated else _ARRIVES
        made = functools.partial(_validated, field, self.span(node))
        convert = Conversion(made, field_type(field), reason)
        return self.let(ast.Call(constant(convert), [local(name)], []), node)

    def _check_constant(self, event: EventSpec, field: FieldSpec, given: object, value: Emitting) -> None:
        """A constant that the field can never take is a mistake in the flow."""
        if event.whole_row or (given is None and field.optional):
            return
        got = validate_value(field, given)
        if isinstance(got, Rejection):
            keywords = value.node.keywords if isinstance(value.node, ast.Call) else []
            at = next((k.value for k in keywords if k.arg == field.name), value.node)  # or within **values
            label = f"{event.name}.{field.name}: {got.reason}, got {given!r}"
            raise self.wrong(
                at, "wrong value for a field", label, "give a value that the event's model takes"
            )

    def _emit_as(
        self,
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
            done = self.block()
            for entity in entities:
                handle, test = self.fresh(), self.fresh()
                self.emit(Held(handle, entity))
                self.let(ast.Call(constant(bool), [local(handle)], []), value.node, test)
                then, other = self.block(), self.block()
                self.end(Test(test, then, other, self.span(value.node)))
                self.start(then)
                self._emit_as(value, given, seen, {**keys, field: entity}, rest)
                self.go(done)
                self.start(other)
            spec = value.event.by_name[field]
            if spec.generator is None and not spec.has_default:
                keys = {**keys, field: entities[-1]}
            self._emit_as(value, given, seen, keys, rest)
            self.go(done)
            self.start(done)
            return
        place = len(self.current.ops) if self.current is not None else 0
        own = OwnEvent(value.event, dict(seen), value.save, self.current, place)
        self._own_keys, self._own_given = keys, frozenset(given)
        outer, scope = self.own, self.scope
        self.own, self.scope = own, value.scope
        settings = self._mutations(value) if value.mutate is not None else []
        changes = self._changes(settings, value)
        self._need_keys(own, keys, value.node)
        last = self._last_values(own, value.node)
        self.own, self.scope = outer, scope
        weak = {
            name: held for name, held in own.fields.items() if name not in given and name in own.event.by_name
        }
        weak = {name: held for name, held in weak.items() if name not in keys}
        emit = Emit(value.event, given, weak, keys, tuple(changes), value.save, self.place(value.node))
        if value.save is not None:
            self._save_states(value.save, own, value.node)
            weak = {n: v for n, v in own.fields.items() if n not in given and n not in keys}
            emit = replace(emit, weak={n: v for n, v in weak.items() if n in own.event.by_name})
            following = self.block()
            self.end(Saves(emit, following))
            self.start(following)
            self._last_key(value, given)
        else:
            self.emit(emit)
        for name, code in last.items():
            self.let(code, value.node, name)

    def _mutations(self, value: Emitting) -> list[Setting]:
        assert value.mutate is not None
        given = self.lower(value.mutate)
        parts = list(given.items) if isinstance(given, Items) else [given]
        if isinstance(given, Const):
            found = list(given.value) if isinstance(given.value, (list, tuple)) else [given.value]
            parts = [Const(item) for item in found if item is not None]
        out: list[Setting] = []
        for part in parts:
            made = self.value_of_object(part.value, value.mutate) if isinstance(part, Const) else part
            if isinstance(made, Code):
                raise self.limit(value.mutate, "mutate= that is not written out")
            if not isinstance(made, Setting):
                label = f"got {ast.unparse(value.mutate)}"
                mend = "write mutate=SetState(User, […]) or a list of them"
                raise self.wrong(value.mutate, "mutate takes SetState", label, mend)
            out.append(made)
        return out

    # ------------------------------------------------ values of the event's fields

    def own_field(self, own: OwnEvent, name: str, node: ast.AST) -> str | None:
        """The local with a field of the event being emitted, made now if need be; None: no such field."""
        if name in own.fields:
            return own.fields[name]
        before, self.current = self.current, Block()
        made = self.current.ops
        found = self._system_field(own, name, node)
        field = own.event.by_name.get(name)
        if found is None and field is not None:
            found = self._made_field(own, field, node)
        self.current = before
        if own.home is not None:
            own.home.ops[own.place : own.place] = made
            own.place += len(made)
        if found is not None:
            own.fields[name] = found
        return found

    def _system_field(self, own: OwnEvent, name: str, node: ast.AST) -> str | None:
        target = self.fresh()
        if name == "event_type":
            return self.let(constant(own.event.name), node, target)
        if name == "sys__sid":
            self.emit(Session(target))
            return target
        if name == "sys__ets":
            self.emit(Clock(target))
            passed = ast.BinOp(local(target), ast.Sub(), constant(EPOCH))
            code = ast.BinOp(passed, ast.FloorDiv(), constant(timedelta(milliseconds=1)))
            return self.let(code, node)
        if name == "sys__eid":
            raise self.limit(node, "reads sys__eid")
        return None

    def _made_field(self, own: OwnEvent, field: FieldSpec, node: ast.AST) -> str:
        entity = self._own_keys.get(field.name)
        if entity is not None:
            return self.needed(self.registry.entities[entity], None, node)
        if own.save is not None and own.save.primary_key == field.name and field.generator is not None:
            raise self.limit(node, "reads the key of the entity that the event creates")
        if own.event.whole_row or (field.generator is not None and field.runs_code):
            raise self.limit(node, f"reads an event with {own.event.row_validated}")
        if (
            field.generator is not None
            and field.generator.is_dependent
            and not self._stands_alone(own, field)
        ):
            return self._from_others(own, field, node)
        target = self.fresh()
        if field.generator is not None:
            self.emit(Early(target, own.event.name, field.name, self.span(node)))
            return target
        return self.let(_default(field), node, target)

    def _stands_alone(self, own: OwnEvent, field: FieldSpec) -> bool:
        """Whether no field that this one hangs on is given or a key: then it is drawn as others are."""
        for name in needs(own.event, field):
            other = own.event.by_name[name]
            if name in self._own_given or name in self._own_keys:
                return False
            if (own.save is not None and own.save.primary_key == name) or not self._stands_alone(own, other):
                return False
        return True

    def _from_others(self, own: OwnEvent, field: FieldSpec, node: ast.AST) -> str:
        """A derived field that the flow or state looks at, as code over the fields that it is made of."""
        found = derived(own.event, field) if field.generator and field.generator.source == "derive" else None
        if found is None or found.expr is None or found.code is None or not _fits(found):
            raise self.limit(node, f"reads {field.name}, which hangs on values that the flow gives")
        locals_: dict[str, str] = {}
        for name in found.reads:
            held = self.own_field(own, name, node)
            assert held is not None, "a field of the event"
            locals_[name] = held
        target = self.let(same_code(found.code, found.renamed(locals_)), node)
        return self._converted(field, Code(local(target)), target, node)

    def _save_states(self, entity: EntitySpec, own: OwnEvent, node: ast.AST) -> None:
        """Values of the fields that state is copied from."""
        for state in entity.states:
            field = own.event.by_name.get(state.from_field or "")
            if field is not None and field.takes_data and field.name not in own.fields:
                raise self.limit(
                    node, f"state is copied from {field.name}, which is made of the other fields"
                )
            if field is None or field.generator is None or field.name == entity.primary_key:
                continue  # keys and defaults the run can copy by itself
            if field.name not in self._own_keys:
                self.own_field(own, field.name, node)

    def _last_values(self, own: OwnEvent, node: ast.AST) -> dict[str, ast.expr]:
        """What `current_event_data` will say after this event, for the fields that the flow asks for."""
        out: dict[str, ast.expr] = {}
        for name in self.wanted:
            if name == ANY:
                out[has_local(ANY)] = constant(True)
                continue
            if own.save is not None and own.save.primary_key == name and name not in own.fields:
                continue  # known when the entity is there, see _last_key
            found = self.own_field(own, name, node)
            out[has_local(name)] = constant(found is not None)
            out[field_local(name)] = local(found) if found is not None else constant(None)
        return out

    def _last_key(self, value: Emitting, given: dict[str, str]) -> None:
        assert value.save is not None
        name = value.save.primary_key
        if name in self.wanted and name not in given and name in value.event.by_name:
            key = self.needed(value.save, None, value.node)
            self.let(local(key), value.node, field_local(name))
            self.let(constant(True), value.node, has_local(name))

    wanted: tuple[str, ...] = ()
    _own_keys: dict[str, str]
    _own_given: frozenset[str]
    warnings: dict[object, Diagnostic]

    def context_ends(self) -> None:
        """Close a flow's last block at the end of its function."""
        last = self.scope.node.body[-1]
        self.end(Ends(line_span(self.scope.source.file, last.end_lineno or last.lineno)))


def _copies(entity: EntitySpec, name: str) -> bool:
    """Whether a new entity takes its key or state from an event's field."""
    return name == entity.primary_key or any(state.from_field == name for state in entity.states)


def _fits(found: Derived) -> bool:
    """Whether an expression's values are of the field's kind as they are, or as floats."""
    assert found.expr is not None
    kind, wanted = found.expr.type.kind, found.field.kind
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
