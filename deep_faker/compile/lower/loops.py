"""Lowering of loops: while, for over ranges and over sequences known or not; break, continue, else."""

from __future__ import annotations

import ast
import datetime as dt
from abc import abstractmethod
from typing import Any

from deep_faker.compile.lower.events import Events
from deep_faker.compile.read.scopes import MISSING
from deep_faker.compile.read.values import Code, Const, EventData, Items, Selection, Value, constant, local
from deep_faker.plan import Turn

_UNROLLED = 64
_PLAIN = (bool, int, float, str, bytes, type(None), dt.datetime, dt.date, dt.timedelta)


class Loops(Events):
    """Loops as blocks."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.loops: dict[int, list[tuple[int, int]]] = {}  # per function: (continue, break)

    @abstractmethod
    def statements(self, nodes: list[ast.stmt]) -> None: ...
    @abstractmethod
    def bind(
        self, name: str, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True
    ) -> None: ...
    @abstractmethod
    def assign_to(
        self, target: ast.expr, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True
    ) -> None: ...

    def do_While(self, node: ast.While) -> None:
        head, body, done = self.block(), self.block(), self.block()
        other = self.block() if node.orelse else done
        self.go(head)
        self.start(head)
        self.test(node.test, body, other)
        self._body(node, body, head, done)
        self._close(node, other, done)

    def _body(self, node: ast.While | ast.For, body: int, again: int, done: int) -> None:
        stack = self.loops.setdefault(self.scope.number, [])
        stack.append((again, done))
        self.start(body)
        if self.is_entered(body):
            self.emit(Turn(self.span(node)))
            self.statements(node.body)
        else:
            self.current = None
        self.go(again)
        stack.pop()

    def _close(self, node: ast.While | ast.For, other: int, done: int) -> None:
        if node.orelse:
            self.start(other)
            if not self.is_entered(other):
                self.current = None
            self.statements(node.orelse)
            self.go(done)
        self.start(done)
        if not self.is_entered(done):
            self.current = None

    def do_Break(self, node: ast.Break) -> None:
        self.go(self.loops[self.scope.number][-1][1])

    def do_Continue(self, node: ast.Continue) -> None:
        self.go(self.loops[self.scope.number][-1][0])

    def do_For(self, node: ast.For) -> None:
        given = node.iter
        if isinstance(given, ast.Call) and self.scope.constant(given.func) is range and not given.keywords:
            codes, values = self.codes(given.args)
            if not 1 <= len(codes) <= 3:
                raise self.limit(node, "range() with other than one to three arguments")
            self._range(node, codes, values)
            return
        sequence = self.lower(given)
        if isinstance(sequence, (Selection, EventData)):
            raise self.limit(
                given, "goes through a list of entities" if isinstance(sequence, Selection) else "a loop"
            )
        if isinstance(sequence, Const):
            if isinstance(sequence.value, range):
                parts = (sequence.value.start, sequence.value.stop, sequence.value.step)
                self._range(node, [constant(part) for part in parts], [Const(part) for part in parts])
                return
            try:
                sequence = Const(tuple(sequence.value))
            except TypeError:
                raise self.limit(given, "goes through something that is no sequence") from None
            if not all(map(_is_plain, sequence.value)):
                sequence = Items(tuple(map(Const, sequence.value)), tuple)
        if isinstance(sequence, Items):
            self._unrolled(node, sequence)
        else:
            self._sequence(node, sequence)

    def _range(self, node: ast.For, codes: list[ast.expr], values: list[Value]) -> None:
        """A counter of its own, as the loop's variable may be changed in the body."""
        start = codes[0] if len(codes) > 1 else constant(0)
        stop = codes[1] if len(codes) > 1 else codes[0]
        step = values[2] if len(values) > 2 else Const(1)
        if not isinstance(step, Const):
            raise self.limit(node, "range() with a step that is not constant")
        if step.value == 0:
            raise self.wrong(node, "range() with step 0", "it would never end", "give a step other than 0")
        if not isinstance(stop, ast.Constant):
            stop = local(self.let(stop, node.iter))
        counter = local(self.let(start, node.iter))
        self._counted(node, counter.id, stop, step.value, counter)

    def _counted(
        self, node: ast.For, counter: str, stop: ast.expr, step: int, item: ast.expr | list[Any]
    ) -> None:
        head, taken, body, done = self.block(), self.block(), self.block(), self.block()
        other = self.block() if node.orelse else done
        self.go(head)
        self.start(head)
        compare: ast.cmpop = ast.Lt() if step > 0 else ast.Gt()
        test = self.let(ast.Compare(local(counter), [compare], [stop]), node.iter)
        self.branch(test, taken, other, self.span(node.iter))
        self.start(taken)
        self._take(node.target, item, counter, node)
        self.let(ast.BinOp(local(counter), ast.Add(), constant(step)), node.iter, counter)
        self.go(body)
        self._body(node, body, head, done)
        self._close(node, other, done)

    def _sequence(self, node: ast.For, sequence: Value) -> None:
        """Over a sequence by position; constants of one length each are unpacked into columns."""
        if isinstance(sequence, Const):
            stop: ast.expr = constant(len(sequence.value))
            item: ast.expr | list[Any] = list(sequence.value)
        else:
            copied = ast.Call(constant(list), [self.code(sequence, node)], [])
            name = self.let(copied, node.iter)
            stop = local(self.let(ast.Call(constant(len), [local(name)], []), node.iter))
            item = local(name)
        self._counted(node, self.let(constant(0), node.iter), stop, 1, item)

    def _take(self, target: ast.expr, item: ast.expr | list[Any], counter: str, node: ast.For) -> None:
        if isinstance(item, ast.expr):
            code = item
            if not (isinstance(item, ast.Name) and item.id == counter):
                code = ast.Subscript(item, local(counter), ast.Load())
            self.assign_to(target, Code(code), node, once=False)
            return
        if isinstance(target, (ast.Tuple, ast.List)) and not any(
            isinstance(t, ast.Starred) for t in target.elts
        ):
            count = len(target.elts)
            if all(isinstance(row, (tuple, list)) and len(row) == count for row in item):
                for index, part in enumerate(target.elts):
                    self._take(part, [row[index] for row in item], counter, node)
                return
        found = ast.Subscript(constant(tuple(item)), local(counter), ast.Load())
        self.assign_to(target, Code(found), node, once=False)

    def _unrolled(self, node: ast.For, sequence: Items) -> None:
        """The body once for each item: for items that are classes, entities, actions."""
        if len(sequence.items) > _UNROLLED:
            raise self.limit(node, f"a loop over {len(sequence.items)} things that are no plain values")
        sequence_now = self.settled(sequence, node)
        assert isinstance(sequence_now, Items)
        done = self.block()
        other = self.block() if node.orelse else done
        path = self.scope.path
        for index, item in enumerate(sequence_now.items):
            following = self.block()
            body = self.block()
            # each turn has its own answers to what is held
            self.scope.path = (*path, index)
            self._turn(node.target, item, node)
            self.go(body)
            self._body(node, body, following, done)
            self.start(following)
            if not self.is_entered(following):
                self.current = None
                break
        self.scope.path = path
        self.go(other)
        self._close(node, other, done)

    def _turn(self, target: ast.expr, item: Value, node: ast.For) -> None:
        """One item for the loop's names: in the body it is known, what comes after reads a local."""
        if not isinstance(target, ast.Name):
            parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else []
            if isinstance(item, Const) and isinstance(item.value, (list, tuple)):
                item = Items(tuple(map(Const, item.value)), tuple)
            if not isinstance(item, Items) or len(item.items) != len(parts):
                raise self.limit(node, "unpacks what is not known one by one")
            for part, value in zip(parts, item.items, strict=True):
                self._turn(part, value, node)
            return
        self.scope.forget(target.id)
        self.bind(target.id, item, node)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and value is not MISSING
