"""Names: which local, constant or module one in a flow or helper means, and values that keep their scope."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deep_faker.compile.read.appended_lists import growing_names
from deep_faker.compile.read.source import Source, assigned_names
from deep_faker.compile.read.values import Const, Value
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.errors import near

if TYPE_CHECKING:
    from deep_faker.declare.schema import EntitySpec, EventSpec

MISSING = object()


def only_near(name: str, candidates: Iterable[str]) -> str:
    """``did you mean 'x'?`` without the list of all candidates; empty where none is near.

    >>> only_near("plam", ["plan", "age"])
    "did you mean 'plan'?"
    """
    guess, question, _ = near(name, candidates).partition("? ")
    return f"{guess}?" if question else ""


@dataclass(eq=False)
class Scope:
    """One function, as it is being lowered: the flow (number 0) or an inlined helper.

    ``known``: names that stand for a value without a local of the IR, where lowering is now. It is replaced
    and never changed, so that each block can keep what was known on the way to it.
    """

    source: Source
    number: int
    path: tuple[object, ...]
    parent: Scope | None = None  # of a function defined inside another
    node: ast.FunctionDef = field(init=False)
    bound: Counter[str] = field(init=False)
    arguments: frozenset[str] = field(init=False)
    growing: frozenset[str] = field(init=False)  # lists that are read as a new value each time they grow
    known: Mapping[str, Value] = field(default_factory=dict)
    caller: Scope | None = None  # the scope that it is inlined into
    exit: int | None = None
    result: str | None = None
    returned: Value | None = None
    inner: ast.FunctionDef | None = None  # the tree of a function that is defined inside a flow

    def __post_init__(self) -> None:
        self.node = self.inner or self.source.node
        self.bound = assigned_names(self.node)
        self.growing = frozenset(name for name in growing_names(self.node) if name in self.bound)
        self.bound.update({name: growing_names(self.node)[name] for name in self.growing})
        parameters = self.node.args
        names = [
            *parameters.posonlyargs,
            *parameters.args,
            *parameters.kwonlyargs,
            parameters.vararg,
            parameters.kwarg,
        ]
        self.arguments = frozenset(a.arg for a in names if a is not None)

    def learn(self, name: str, value: Value) -> None:
        """From here on the name stands for ``value``."""
        self.known = {**self.known, name: value}

    def know(self, known: Mapping[str, Value]) -> None:
        """From here on names stand for what they stood for elsewhere."""
        self.known = known

    def forget(self, name: str) -> None:
        """From here on the name is read from its local."""
        self.known = {other: value for other, value in self.known.items() if other != name}

    def return_to(self, exit_: int | None, result: str | None) -> None:
        """Ways out go on at ``exit_``; where there are several, they put what they give in ``result``."""
        self.exit, self.result = exit_, result

    def give(self, value: Value) -> None:
        """The function gives ``value``, at its only way out."""
        self.returned = value

    def follow(self, path: tuple[object, ...]) -> None:
        """What is asked from here on is asked on another way: each turn of an unrolled loop is one."""
        self.path = path

    def variable(self, name: str) -> str:
        """The IR local of a Python local."""
        return f"v{self.number or ''}_{name}"

    def owner(self, name: str) -> Scope | None:
        """The scope that ``name`` is a local of: this one, or one around it."""
        if name in self.bound or name in self.arguments:
            return self
        return self.parent.owner(name) if self.parent else None

    def outside(self, name: str) -> object:
        """What the name means outside of functions being compiled; `MISSING` if nothing."""
        function = self.source.function
        if name in function.__code__.co_freevars:
            cell = (function.__closure__ or ())[function.__code__.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:
                return MISSING
        value = function.__globals__.get(name, MISSING)
        return value if value is not MISSING else getattr(builtins, name, MISSING)

    def constant(self, node: ast.expr) -> object:
        """The object that a name or a chain of attributes means, if it is no local; else `MISSING`."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            owner = self.owner(node.id)
            if owner is None:
                return self.outside(node.id)
            known = owner.known.get(node.id)
            return known.value if isinstance(known, Const) else MISSING
        if isinstance(node, ast.Attribute):
            base = self.constant(node.value)
            if base is MISSING:
                return MISSING
            try:
                return getattr(base, node.attr)
            except Exception:  # noqa: BLE001 - a property of the user's may raise anything
                return MISSING
        return MISSING

    def near(self, name: str) -> str:
        """Help for a name that means nothing."""
        function = self.source.function
        return only_near(name, [*self.bound, *self.arguments, *function.__globals__, *dir(builtins)])


@dataclass(frozen=True, eq=False)
class Local(Value):
    """A function defined inside the flow."""

    node: ast.FunctionDef
    scope: Scope
    origin: ast.Lambda | None = None


@dataclass(frozen=True, eq=False)
class Emitting(Value):
    """A `NewEvent`: ``mutate`` is still source, as it is evaluated when the event is there (F7)."""

    event: EventSpec
    fields: Mapping[str, Value]
    save: EntitySpec | None
    mutate: ast.expr | None
    scope: Scope
    node: ast.expr
    arrives: Distribution | None = None
