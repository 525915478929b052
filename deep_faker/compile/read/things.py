"""What the names of a function may stand for, line by line: a set; something from outside of the function.

`Walk` follows a function's statements with both ways of a branch and two turns of a loop, and shows every
expression and statement, with what is known of names there, to those who look for mistakes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from deep_faker.compile.read.scopes import MISSING, Scope

_FEW = 100  # so many elements of a container are looked at
_VIEWS = ("keys", "items")
_PARTS = ("get", "values", "items", "setdefault", "pop", "popitem")
_SET_METHODS = ("union", "intersection", "difference", "symmetric_difference", "copy")


@dataclass(frozen=True)
class Thing:
    """What a value may be. ``outside``: the name of what it is, or is a part of, if that was there before the
    function began; ``objects``: the very objects that it may be then; ``holds_sets``: a display of sets."""

    is_set: bool = False
    outside: str = ""
    objects: tuple[object, ...] = ()
    holds_sets: bool = False

    def __or__(self, other: Thing) -> Thing:
        objects = self.objects + tuple(o for o in other.objects if not any(o is one for one in self.objects))
        holds_sets = self.holds_sets or other.holds_sets
        return Thing(self.is_set or other.is_set, self.outside or other.outside, objects[:_FEW], holds_sets)


OWN = Thing()
Names = dict[str, Thing]


@dataclass
class Walk:
    """One function. ``show`` gets each expression statement by statement, ``state`` each statement itself."""

    scope: Scope
    show: Callable[[Walk, ast.expr, Names], None]
    state: Callable[[Walk, ast.stmt, Names], None]
    called: Callable[[object, ast.Call, list[Thing], dict[str, Thing]], Thing]
    returned: Thing = OWN

    def function(self, node: ast.FunctionDef, names: Mapping[str, Thing]) -> None:
        """Walk through a body in which parameters stand for ``names``."""
        arguments = node.args
        parameters = [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]
        self.body(node.body, {**{p.arg: OWN for p in parameters if p is not None}, **names})

    def body(self, statements: Iterable[ast.stmt], names: Names) -> None:
        """One statement after the other; ``names`` is what they are after them."""
        for node in statements:
            self.state(self, node, names)
            self._statement(node, names)

    # ------------------------------------------------ statements

    def _statement(self, node: ast.stmt, names: Names) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names[node.name] = OWN
            if isinstance(node, ast.FunctionDef):
                Walk(self.scope, self.show, self.state, self.called).function(node, names)
            return
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            self._loop(node, names)
            return
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._shown(item.context_expr, names)
                if item.optional_vars is not None:
                    self.bind(item.optional_vars, self.thing(item.context_expr, names), names)
            self.body(node.body, names)
            return
        if isinstance(node, (ast.If, ast.Try, ast.Match)):
            self._branches(node, names)
            return
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self._shown(part, names)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.bind(target, self.thing(node.value, names), names)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.bind(node.target, self.thing(node.value, names), names)
        elif isinstance(node, ast.Return) and node.value is not None:
            self.returned |= self.thing(node.value, names)

    def _branches(self, node: ast.If | ast.Try | ast.Match, names: Names) -> None:
        if isinstance(node, ast.If):
            self._shown(node.test, names)
            arms = [node.body, node.orelse]
        elif isinstance(node, ast.Match):
            self._shown(node.subject, names)
            arms = [case.body for case in node.cases]
        else:
            arms = [[*node.body, *node.orelse], *([*node.body, *h.body] for h in node.handlers)]
        results = []
        for arm in arms:
            results.append(dict(names))
            self.body(arm, results[-1])
        merge(names, results)
        if isinstance(node, ast.Try):
            self.body(node.finalbody, names)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, names: Names) -> None:
        for _ in range(2):
            turn = dict(names)
            if isinstance(node, ast.While):
                self._shown(node.test, turn)
            else:
                self._shown(node.iter, turn)
                self.bind(node.target, self.parts(self.thing(node.iter, turn)), turn)
            self.body(node.body, turn)
            merge(names, [turn, dict(names)])
        self.body(node.orelse, names)

    def bind(self, target: ast.expr, thing: Thing, names: Names) -> None:
        """A target stands for a thing from here on."""
        if isinstance(target, ast.Name):
            names[target.id] = thing
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.bind(part, self.parts(thing), names)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, OWN, names)

    def _shown(self, node: ast.expr, names: Names) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.NamedExpr):
                self.bind(part.target, self.thing(part.value, names), names)
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                self.thing(part, names)
        self.show(self, node, names)

    # ------------------------------------------------ expressions

    def thing(self, node: ast.expr, names: Names) -> Thing:
        """What an expression may be."""
        if isinstance(node, ast.Name) and node.id in names:
            return names[node.id]
        if isinstance(node, (ast.Name, ast.Attribute)):
            value = self.scope.constant(node)
            if value is not MISSING:
                return Thing(isinstance(value, (set, frozenset)), ast.unparse(node), (value,))
        if isinstance(node, ast.Attribute):
            owner = self.thing(node.value, names)
            values = [vars(o).get(node.attr) for o in owner.objects if hasattr(o, "__dict__")]
            return self._part(owner, values)
        if isinstance(node, ast.Subscript):
            owner = self.thing(node.value, names)
            return OWN if isinstance(node.slice, ast.Slice) else self.parts(owner)
        if isinstance(node, (ast.Set, ast.SetComp)):
            return Thing(is_set=True)
        if isinstance(node, (ast.List, ast.Tuple, ast.Dict)):
            parts = node.values if isinstance(node, ast.Dict) else node.elts
            return Thing(holds_sets=any(self.thing(part, names).is_set for part in parts))
        if isinstance(node, (ast.IfExp, ast.BoolOp)):
            arms = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            found_one = OWN
            for arm in arms:
                found_one |= self.thing(arm, names)
            return found_one
        if isinstance(node, (ast.NamedExpr, ast.Starred)):
            return self.thing(node.value, names)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.BitOr, ast.BitAnd, ast.BitXor)):
            sides = (node.left, node.right)
            return Thing(is_set=any(self.thing(s, names).is_set or _is_view(s) for s in sides))
        return self._called(node, names) if isinstance(node, ast.Call) else OWN

    def _called(self, node: ast.Call, names: Names) -> Thing:
        function = self.constant(node.func, names)
        if among(function, (set, frozenset)):
            return Thing(is_set=True)
        if function is not MISSING and not isinstance(node.func, ast.Attribute):
            return self._given(function, node, names)
        if isinstance(node.func, ast.Attribute):
            owner = self.thing(node.func.value, names)
            if owner.is_set and node.func.attr in _SET_METHODS:
                return Thing(is_set=True)
            if owner.outside and node.func.attr in _PARTS:
                return self.parts(owner)
            if function is not MISSING:
                return self._given(function, node, names)
        return OWN

    def _given(self, function: object, node: ast.Call, names: Names) -> Thing:
        args = [self.thing(arg, names) for arg in node.args]
        keywords = {k.arg: self.thing(k.value, names) for k in node.keywords if k.arg is not None}
        return self.called(function, node, args, keywords)

    def constant(self, node: ast.expr, names: Names) -> object:
        """The object that a name of outside means, else `MISSING`."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        return MISSING if isinstance(root, ast.Name) and root.id in names else self.scope.constant(node)

    def parts(self, owner: Thing) -> Thing:
        """What the elements of something may be."""
        items: list[object] = []
        for held in owner.objects:
            if isinstance(held, (list, tuple, dict, set, frozenset)):
                items += list(held.values() if isinstance(held, dict) else held)[:_FEW]
        return self._part(owner, items)

    @staticmethod
    def _part(owner: Thing, items: list[object]) -> Thing:
        if owner.holds_sets:
            return Thing(is_set=True)
        is_set = any(isinstance(one, (set, frozenset)) for one in items)
        return Thing(is_set, owner.outside, tuple(items[:_FEW])) if owner.outside else OWN


def among(value: object, group: tuple[object, ...]) -> bool:
    """Whether it is one of these very objects (what users compare may not be comparable)."""
    return any(value is one for one in group)


def merge(names: Names, arms: list[Names]) -> None:
    """What names may be after one of several ways."""
    for name in dict.fromkeys(name for arm in arms for name in arm):
        things = [arm[name] for arm in arms if name in arm]
        joined = things[0]
        for other in things[1:]:
            joined |= other
        names[name] = joined


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _VIEWS
