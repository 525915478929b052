"""Types of locals and state columns, to a fixpoint over all flows of a plan."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from deep_faker.compile.graph.in_place import changed_in_place
from deep_faker.compile.graph.ir import (
    Attr,
    Draw,
    Emit,
    Let,
    Op,
    Saves,
    Test,
    TypedFlow,
    Unset,
    reads_of,
    target_of,
)
from deep_faker.compile.graph.widths import wide_locals
from deep_faker.compile.read.source import NotCompiled
from deep_faker.compile.read.values import holds, names_in, object_in, shown_name, text_of
from deep_faker.declare.schema import MISSING, EntitySpec, EventSpec, FieldSpec, StateSpec, shape_of
from deep_faker.errors import CompileError, Diagnostic, near
from deep_faker.expressions import infer
from deep_faker.plan import Apply, Clock, Early, Given, Held, Kind, Read, Session, Type
from deep_faker.plan.storage import Texts, join, kind_of
from deep_faker.spans import Span

_KINDS: Mapping[str, Kind] = {
    kind: kind for kind in ("bool", "int", "float", "str", "datetime", "date", "timedelta")
}
_DRAWN: Mapping[str, Kind] = {
    **dict.fromkeys(("randint", "randrange", "index", "word", "count", "place", "count_of"), "int"),
    **dict.fromkeys(("choice", "choices", "sample", "randbytes", "uuid4"), "object"),
    **dict.fromkeys(("shortuuid.uuid", "shortuuid.random"), "str"),
}


DIRECT = frozenset(_KINDS)
"""The kinds of a schema that have a storage of their own; values of the others are kept as Python objects."""


def value_type(kind: str, *, optional: bool = False) -> Type:
    """How values of a schema kind are kept."""
    kept = _KINDS.get(kind, "object")
    return Type(kept, optional and kept != "object")


def field_type(spec: FieldSpec) -> Type:
    """How the values of an event's field are kept, as its model has them.

    Members of an Enum, and what the user's validators return, are objects; every field that may be None
    can be drawn as null.
    """
    if spec.enum is not None or spec.row_validated is not None:
        return Type("object")
    return value_type(spec.kind, optional=spec.nullable)


def key_type(spec: EntitySpec) -> Type:
    """The type of an entity's key."""
    return value_type(spec.key_kind)


def generated_type(spec: FieldSpec, texts: Texts) -> Type:
    """The type of a generated field's values; texts of a closed set are registered."""
    elements = closed_set(spec)
    if elements is None:
        return field_type(spec)
    for element in elements:
        if element is not None:
            texts.code(element)
    return Type("code", optional=None in elements)


def closed_set(spec: FieldSpec) -> tuple[str | None, ...] | None:
    """The texts that a generated field can have, if they are known."""
    generator = spec.generator
    if field_type(spec).kind != "str" or generator is None:
        return None
    match generator.source, generator.name:
        case "faker", "random_element":
            elements = generator.arguments.get("elements")
        case "dist", "Choice" | "Segments":
            elements = generator.arguments["dist"].values
        case _:
            return None
    if not isinstance(elements, (list, tuple, dict)) or not elements:
        return None
    listed = tuple(elements)
    return listed if all(type(text) is str or text is None for text in listed) else None


class Inference:
    """Types to a fixpoint. ``columns``: (entity, state field) → type."""

    def __init__(
        self,
        entities: Iterable[EntitySpec],
        events: Mapping[str, EventSpec],
        flows: list[TypedFlow],
        texts: Texts,
        *,
        open_world: bool,
    ) -> None:
        self.entities = {spec.name: spec for spec in entities}
        self.events, self.flows, self.texts = events, flows, texts
        self.columns: dict[tuple[str, str], Type] = {
            (spec.name, state.name): self._column(state, open_world=open_world)
            for spec in self.entities.values()
            for state in spec.states
        }
        self._texts_of: dict[int, tuple[ast.expr, str, dict[str, object]]] = {}
        self._known: dict[tuple[object, ...], Type] = {}
        self._changed = True
        self.looked_at: TypedFlow | None = None  # for whoever catches `NotCompiled`

    def run(self) -> None:
        """Raises `CompileError` for what cannot be, `NotCompiled` for what cannot be compiled."""
        for spec in self.entities.values():
            event = spec.source_event
            for state in spec.states:
                source = event.by_name.get(state.from_field) if event and state.from_field else None
                if source is not None and source.generator is not None:
                    self._written(spec.name, state.name, generated_type(source, self.texts))
                elif source is not None and source.default_factory is not None:
                    self._written(spec.name, state.name, Type("str"))
                elif source is not None and source.default is not MISSING:
                    self._written(spec.name, state.name, self._of_constant(source.default))
        while self._changed:
            self._changed = False
            for flow in self.flows:
                self.looked_at = flow
                self._flow(flow)
            if not self._changed:
                self._settle()
        for flow in self.flows:
            self.looked_at = flow
            for op in changed_in_place(flow):
                raise NotCompiled("may change a list, set or dict in place", op.span)

    def _flow(self, flow: TypedFlow) -> None:
        for block in flow.graph.blocks.values():
            for op in block.ops:
                self._op(flow, op)
            if isinstance(block.term, Saves):
                self._op(flow, block.term.emit)
            elif isinstance(block.term, Test):
                self._set(flow, block.term.test, Type("bool"))

    def _settle(self) -> None:
        """What can be said only of types that are known: ints that outgrow a column; names never set."""
        for flow in self.flows:
            for name in wide_locals(flow):
                flow.types[name] = Type("object")
                flow.wide.add(name)
                self._changed = True
            unset = {
                op.target for block in flow.graph.blocks.values() for op in block.ops if isinstance(op, Unset)
            }
            for name in sorted(unset - flow.types.keys()):
                flow.types[name] = Type("none")
                self._changed = True
        self._read_of_none()

    def _read_of_none(self) -> None:
        """Attributes of a local that is None on every path: Python says so to whoever gets there."""
        for flow in self.flows:
            for block in flow.graph.blocks.values():
                for op in block.ops:
                    if isinstance(op, Attr) and op.target not in flow.types:
                        owner = flow.types.get(op.owner)
                        if owner is not None and owner.kind == "none":
                            self._set(flow, op.target, Type("object"))

    # ------------------------------------------------ columns

    def _column(self, state: StateSpec, *, open_world: bool) -> Type:
        if state.enum is not None or shape_of(state.type_).reason is not None:
            return Type("object")
        type_ = value_type(state.kind, optional=state.optional)
        if type_.kind != "str" or open_world or state.default_factory is not None:
            return type_
        if isinstance(state.default, str):
            self.texts.code(state.default)
        for choice in state.literal or ():
            self.texts.code(str(choice))
        return Type("code", type_.optional)

    def _written(self, entity: str, name: str, type_: Type) -> None:
        """A text column whose values are not all known is no column of codes."""
        column = self.columns[entity, name]
        if column.kind == "code" and type_.kind not in ("code", "none"):
            self.columns[entity, name] = Type("str", column.optional)
            self._changed = True

    def _of_constant(self, value: object) -> Type:
        if type(value) is str:
            self.texts.code(value)
        return Type(kind_of(value))

    # ------------------------------------------------ operations

    def _op(self, flow: TypedFlow, op: Op) -> None:
        if isinstance(op, (Emit, Apply)):
            for change in op.changes:
                value = flow.types.get(change.value)
                if value is not None:
                    written = value if change.op == "is" else Type("str")
                    self._written(change.entity, change.field, written)
            if isinstance(op, Emit) and op.save is not None:
                self._born(flow, op, op.save)
            return
        target = target_of(op)
        if target is not None:
            type_ = self.of(flow, op)
            if type_ is not None:
                self._set(flow, target, type_)

    def _born(self, flow: TypedFlow, op: Emit, save: EntitySpec) -> None:
        for state in save.states:
            name = state.from_field
            if name is None:
                continue
            held = op.given.get(name) or op.weak.get(name)
            type_ = flow.types.get(held) if held is not None else Type("str")
            if type_ is not None:
                self._written(save.name, state.name, type_)

    def _set(self, flow: TypedFlow, name: str, type_: Type) -> None:
        before = flow.types.get(name)
        if before is not None and before.kind == "bool" and type_.kind == "object":
            tests = (b.term.test for b in flow.graph.blocks.values() if isinstance(b.term, Test))
            if name in tests:
                return  # a test of a value of no single type is true or false all the same
        after = type_ if before is None else join(before, type_)
        if after != before:
            flow.types[name] = after
            self._changed = True

    def of(self, flow: TypedFlow, op: Op) -> Type | None:
        """The type that an operation gives its target; None while that is not known."""
        if isinstance(op, Let):
            return self.of_code(flow, op.code, op.span)
        if isinstance(op, Draw):
            kind = _DRAWN.get(op.function, "float")
            if op.function == "getrandbits":
                few = isinstance(op.args[0], ast.Constant) and object_in(op.args[0]) < 64
                kind = "int" if few else "object"
            return Type(kind if op.target not in flow.wide else "object")
        if isinstance(op, Held):
            return Type("entity", entity=op.entity)
        if isinstance(op, Attr):
            return self._attribute(flow, op)
        if isinstance(op, Read):
            return (
                key_type(self.entities[op.entity]) if op.field is None else self.columns[op.entity, op.field]
            )
        if isinstance(op, Early):
            return generated_type(self.events[op.event].by_name[op.field], self.texts)
        if isinstance(op, Given):
            return field_type(self.events[op.event].by_name[op.field])
        if isinstance(op, Clock):
            return Type("datetime")
        if isinstance(op, Session):
            return Type("str")
        return None

    def of_code(self, flow: TypedFlow, code: ast.expr, span: Span) -> Type | None:
        """The type of code over locals."""
        names = names_in(code)
        types = {name: flow.types[name] for name in names if name in flow.types}
        if len(types) < len(names):
            return None
        text, consts = self.text(code)
        key = (id(code), tuple(types.items()))
        if key not in self._known:
            type_, _ = infer(text, types, consts, self.texts)
            self._check_entities(code, types, type_, span)
            _check_identity(code, types, span)
            self._known[key] = type_
        return self._known[key]

    def text(self, code: ast.expr) -> tuple[str, dict[str, object]]:
        """The text and constants of code, made once."""
        if id(code) not in self._texts_of:
            # the code is kept too, or another could get its id
            self._texts_of[id(code)] = code, *text_of(code)
        _, text, consts = self._texts_of[id(code)]
        return text, consts

    def _check_entities(self, code: ast.expr, types: Mapping[str, Type], result: Type, span: Span) -> None:
        """Entities may be handed on, tested and compared; their other uses are Python's."""
        if result.kind in ("entity", "bool", "none") or not any(t.kind == "entity" for t in types.values()):
            return
        tested = set()
        for node in ast.walk(code):
            if isinstance(node, (ast.Compare, ast.UnaryOp)) or (
                isinstance(node, ast.Call) and holds(node.func, bool)
            ):
                tested |= set(names_in(node))
            elif isinstance(node, (ast.IfExp, ast.BoolOp)):
                tested |= set(names_in(node.test if isinstance(node, ast.IfExp) else node.values[0]))
        for name, type_ in types.items():
            if type_.kind == "entity" and name not in tested:
                raise NotCompiled(f"uses {shown_name(name)}, an entity, as a value", span)

    def _attribute(self, flow: TypedFlow, op: Attr) -> Type | None:
        owner = flow.types.get(op.owner)
        if owner is None or owner.kind == "none":
            return None
        if owner.kind == "entity":
            return self._state(self.entities[owner.entity or ""], op)
        if op.call or (owner.kind == "object" and op.owner in self._holders(flow)):
            raise NotCompiled(f"reads .{op.name} of a value of no single type", op.span)
        type_, _ = infer(f"{op.owner}.{op.name}", {op.owner: owner}, {}, self.texts)
        return type_

    def _holders(self, flow: TypedFlow) -> set[str]:
        """The locals that may hold an entity as a Python value."""
        holders = {name for name, type_ in flow.types.items() if type_.kind == "entity"}
        grows = True
        while grows:
            grows = False
            for block in flow.graph.blocks.values():
                for op in block.ops:
                    if not isinstance(op, (Let, Draw)) or op.target in holders:
                        continue
                    kind = flow.types.get(op.target, Type("object")).kind
                    if kind in ("object", "entity") and holders.intersection(reads_of(op)):
                        holders.add(op.target)
                        grows = True
        return holders

    def _state(self, spec: EntitySpec, op: Attr) -> Type:
        if op.name == spec.primary_key or (op.call and op.name == "get_primary_key"):
            return key_type(spec)
        if op.name in spec.by_name:
            return self.columns[spec.name, op.name]
        label = f"{spec.name} has no state field {op.name!r}"
        mend = near(op.name, [spec.primary_key, *spec.by_name], spec.name)
        raise CompileError(Diagnostic("unknown state field", op.span, label, mend))


def _check_identity(code: ast.expr, types: Mapping[str, Type], span: Span) -> None:
    """``is`` of two values that are computed: entities are the same or not, copies of others never are."""
    for node in ast.walk(code):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if not isinstance(op, (ast.Is, ast.IsNot)) or isinstance(left, ast.Constant):
                continue
            kinds = {
                types[side.id].kind
                for side in (left, right)
                if isinstance(side, ast.Name) and side.id in types
            }
            if not isinstance(right, ast.Constant) and not (kinds and kinds <= {"entity", "none"}):
                raise NotCompiled("asks whether two values are the same object", span)
