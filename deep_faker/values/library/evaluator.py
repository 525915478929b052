"""Evaluates the handful of idioms that Faker's provider methods are written in.

Values are concrete Python values, random texts (`grammar.Text`) and random whole numbers.  Every
expression that is not known for sure raises `NotAGrammarError`.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deep_faker.values.text.grammar import NotAGrammarError, Text, lexify, literal, numerify, table

if TYPE_CHECKING:
    from faker.generator import Generator
    from faker.providers import BaseProvider

_TOKEN = re.compile(r"\{\{\s*(\w+)(:\s*\w+?)?\s*\}\}")  # as in faker.generator
_LONGEST_RANGE = 100_000
# Calls a provider method with arguments: what is called may be read in its turn.
Call = Callable[[object, Mapping[str, object]], object]


def as_text(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Drawn):
        texts = [each for each in value.values if isinstance(each, str)]
        if len(texts) == len(value.values):
            return table(texts, value.weights)
    raise NotAGrammarError(f"{type(value).__name__} for a text")


class Drawn:
    """One of some elements of any type; what it is part of asks for its text, an item or an attribute."""

    def __init__(self, values: Sequence[object], weights: Sequence[float] | None = None) -> None:
        self.values, self.weights = values, weights

    def part(self, function: Callable[[Any], object]) -> Drawn:
        """``function`` of the element."""
        return Drawn([function(value) for value in self.values], self.weights)

    def each(self, draw: Callable[[object], Drawn]) -> Drawn:
        """An element of the element, which is a list of elements itself."""
        total = sum(self.weights or [1.0] * len(self.values))
        values: list[object] = []
        weights: list[float] = []
        for outer, weight in zip(self.values, self.weights or [1.0] * len(self.values), strict=True):
            inner = draw(outer)
            shares = inner.weights or [1.0] * len(inner.values)
            values += inner.values
            weights += [weight / total * share / sum(shares) for share in shares]
        return Drawn(values, weights)


class RandomNumber:
    """A whole number, equally likely in a range, until it is formatted."""

    def __init__(self, low: object, high: object) -> None:
        if not isinstance(low, int) or not isinstance(high, int) or not 0 <= high - low < _LONGEST_RANGE:
            raise NotAGrammarError("range")
        self._numbers = range(low, high + 1)

    def formatted(self, form: Callable[[int], str]) -> Text:
        return table([form(number) for number in self._numbers])


RANDOM = (Text, RandomNumber, Drawn)


class Evaluator:
    """Evaluates the body of one method; values are concrete Python values, `Text` or `RandomNumber`."""

    def __init__(
        self,
        generator: Generator,
        provider: BaseProvider,
        local: dict[str, object],
        names: Mapping[str, object],
        call: Call,
    ) -> None:
        self._generator, self._provider, self._call = generator, provider, call
        self._local, self._globals = local, names

    def run(self, body: Sequence[ast.stmt]) -> object:
        result = self._block(body)
        if result is None:
            raise NotAGrammarError("no value")
        return result

    def _block(self, body: Sequence[ast.stmt]) -> object:
        for statement in body:
            match statement:
                case ast.Return(value=ast.expr() as value):
                    return self._value(value)
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    self._local[name] = self._value(value)
                case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                    self._local[name] = self._added(self._take(name), self._value(value))
                case ast.If(test=test, body=then, orelse=other):
                    result = self._block(then if self._concrete(test) else other)
                    if result is not None:
                        return result
                case _:
                    raise NotAGrammarError(ast.unparse(statement))
        return None

    def _take(self, name: str) -> object:
        """The value of a local.  A random one can be used once: a second use would be drawn anew."""
        value = self._local[name]
        if isinstance(value, RANDOM):
            del self._local[name]
        return value

    def _value(self, node: ast.expr) -> object:
        match node:
            case ast.Name(id=name) if name in self._local:
                return self._take(name)
            case ast.JoinedStr(values=parts):
                return self._joined([self._value(part) for part in parts], literal(""))
            case ast.FormattedValue(value=value, conversion=-1, format_spec=spec):
                return self._formatted(self._value(value), "" if spec is None else str(self._concrete(spec)))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._added(self._value(left), self._value(right))
            case ast.BinOp(left=ast.Constant(value=str() as form), op=ast.Mod(), right=right):
                return self._percent(form, right)
            case ast.IfExp(test=test, body=then, orelse=other):
                return self._value(then if self._concrete(test) else other)
            case ast.Call(func=function, args=args, keywords=keywords):
                return self._called(function, args, keywords)
            case ast.Subscript(value=ast.Call() as inner, slice=ast.Constant(value=int() as place)):
                return self._part(self._value(inner), lambda value: value[place])
            case ast.Attribute(value=ast.Call() as inner, attr=name):
                return self._part(self._value(inner), lambda value: getattr(value, name))
            case _:
                return self._concrete(node)

    @staticmethod
    def _part(value: object, function: Callable[[Any], object]) -> Drawn:
        if not isinstance(value, Drawn):
            raise NotAGrammarError("part")
        return value.part(function)

    def _percent(self, form: str, right: ast.expr) -> Text:
        values = (
            [self._value(item) for item in right.elts]
            if isinstance(right, ast.Tuple)
            else [self._value(right)]
        )
        parts = re.split(r"(%0?\d*[sd])", form)
        if len(values) != len(parts) // 2 or "%" in "".join(parts[::2]):
            raise NotAGrammarError(form)
        out = [literal(part) for part in parts]
        for number, value in enumerate(values):
            directive = parts[2 * number + 1]
            out[2 * number + 1] = (
                value.formatted(directive.__mod__)
                if isinstance(value, RandomNumber)
                else self._same(directive, value)
            )
        return self._joined(out, literal(""))

    @staticmethod
    def _same(form: str, value: object) -> Text:
        if form != "%s":
            raise NotAGrammarError(form)
        return as_text(value)

    def _formatted(self, value: object, spec: str) -> Text:
        if isinstance(value, RandomNumber):
            return value.formatted(lambda number: format(number, spec))
        if not isinstance(value, RANDOM):
            return literal(format(value, spec))
        if spec:
            raise NotAGrammarError(spec)
        return as_text(value)

    def _added(self, left: object, right: object) -> object:
        if isinstance(left, (Text, Drawn, str)) and isinstance(right, (Text, Drawn, str)):
            return as_text(left) + as_text(right)
        return self._added_concrete(left, right)

    @staticmethod
    def _joined(parts: Sequence[object], separator: Text) -> Text:
        texts = [
            as_text(part) for part in parts if not (isinstance(part, str) and part == "" and len(parts) > 1)
        ]
        out = texts[0] if texts else literal("")
        for text in texts[1:]:
            out = out + separator + text
        return out

    def _called(self, function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> object:
        match function:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._method(name, args, keywords)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr="generator"), attr=name):
                return self._method(name, args, keywords)
            case ast.Attribute(
                value=ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="self"), attr="generator"), attr="random"
                ),
                attr="randint",
            ) if len(args) == 2 and not keywords:
                return RandomNumber(self._concrete(args[0]), self._concrete(args[1]))
            case ast.Attribute(
                value=ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="self"), attr="generator"), attr="random"
                ),
                attr="choice",
            ) if len(args) == 1 and not keywords:
                return self._element(self._value(args[0]))
            case ast.Attribute(value=ast.Constant(value=str() as separator), attr="join") if len(args) == 1:
                return self._join(separator, args[0])
            case ast.Attribute(value=inner, attr=("upper" | "lower") as how) if not args and not keywords:
                value = self._value(inner)
                return as_text(value).map(str.upper if how == "upper" else str.lower)
            case ast.Name(id="str") if len(args) == 1 and not keywords:
                return self._formatted(self._value(args[0]), "")
            case ast.Name(id=("hasattr" | "add_ordereddicts")):
                return self._concrete(ast.Call(function, args, keywords))
        raise NotAGrammarError(ast.unparse(function))

    def _join(self, separator: str, items: ast.expr) -> Text:
        match items:
            case ast.Call(
                func=ast.Attribute(value=inner, attr="split"), args=[ast.Constant(value=str() as gap)]
            ) if separator == "" and len(gap) == 1:
                return as_text(self._value(inner)).map(lambda value: value.replace(gap, ""))
            case ast.ListComp(
                elt=element,
                generators=[ast.comprehension(target=ast.Name(id=name), iter=each, ifs=[], is_async=0)],
            ):
                parts = []
                for item in self._items(each):
                    self._local[name] = item
                    parts.append(self._value(element))
                return self._joined(parts, literal(separator))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._joined([self._value(element) for element in elements], literal(separator))
        raise NotAGrammarError(ast.unparse(items))

    def _method(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> object:
        if any(keyword.arg is None for keyword in keywords):
            raise NotAGrammarError("**")
        if name in ("random_element", "parse", "numerify", "lexify", "bothify", "_to_ascii"):
            return self._idiom(
                name, [self._value(arg) for arg in args], {k.arg: self._value(k.value) for k in keywords}
            )
        if name == "random_int":
            bounds = dict(zip(("min", "max"), map(self._concrete, args), strict=False))
            bounds |= {str(keyword.arg): self._concrete(keyword.value) for keyword in keywords}
            if not bounds.keys() <= {"min", "max"}:
                raise NotAGrammarError("random_int")
            return RandomNumber(bounds.get("min", 0), bounds.get("max", 9999))
        if name in ("random_digit", "random_digit_not_null"):
            return RandomNumber(0 if name == "random_digit" else 1, 9)
        if name == "format" and len(args) == 1:
            name, args = str(self._concrete(args[0])), []
        method = getattr(self._generator if not hasattr(self._provider, name) else self._provider, name, None)
        if method is None or not inspect.ismethod(method):
            raise NotAGrammarError(name)
        arguments = {str(keyword.arg): self._concrete(keyword.value) for keyword in keywords}
        names = list(inspect.signature(method).parameters)
        arguments |= {key: self._concrete(arg) for key, arg in zip(names, args, strict=False)}
        return self._call(method, arguments)

    def _idiom(self, name: str, args: list[object], keywords: dict[str | None, object]) -> Text | Drawn:
        if name == "random_element" and not keywords and len(args) == 1:
            return self._element(args[0])
        if not args:
            raise NotAGrammarError(name)
        text = as_text(args[0])
        if name == "parse" and len(args) == 1 and not keywords:
            return self._parsed(text)
        if name == "_to_ascii" and len(args) == 1 and not keywords:
            return text.map(getattr(self._provider, name))
        if name == "numerify" and len(args) == 1 and not keywords:
            return numerify(text)
        letters = keywords.get("letters", args[1] if len(args) == 2 else tuple(string.ascii_letters))
        if name in ("lexify", "bothify"):
            if not isinstance(letters, (str, tuple, list)):
                raise NotAGrammarError("letters")
            return lexify(text if name == "lexify" else numerify(text), letters)
        raise NotAGrammarError(name)

    def _element(self, elements: object) -> Drawn:
        if isinstance(elements, Drawn):
            return elements.each(self._element)
        if isinstance(elements, Mapping):
            return Drawn(
                list(elements), list(elements.values()) if self._provider.__use_weighting__ else None
            )
        if isinstance(elements, (str, list, tuple)) and elements:
            if any(isinstance(element, RANDOM) for element in elements):
                raise NotAGrammarError("elements that are random themselves")
            return Drawn(list(elements))
        raise NotAGrammarError("elements")

    def _parsed(self, text: Text) -> Text:
        def token(match: re.Match[str]) -> Text:
            if match[2]:
                raise NotAGrammarError("argument group")
            value = self._call(getattr(self._generator, match[1], None) or _missing, {})
            return value.formatted(str) if isinstance(value, RandomNumber) else as_text(value)

        return text.expand(_TOKEN, token)

    def _concrete(self, node: ast.expr) -> object:
        """A value in which no chance is: constants, attributes of the class, tests of them."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self._local:
                local = self._local[name]
                if isinstance(local, RANDOM):
                    raise NotAGrammarError(name)
                return local
            case ast.Name(id=name) if isinstance(
                self._globals.get(name), (str, int, float, tuple, list, dict)
            ):
                return self._globals[name]
            case ast.Attribute(value=ast.Name(id=module), attr=name) if inspect.ismodule(
                self._globals.get(module)
            ):
                value = getattr(self._globals[module], name, None)
                if isinstance(value, (str, int, float)):
                    return value
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if hasattr(self._provider, name):
                value = getattr(self._provider, name)
                if not callable(value):
                    return value
            case ast.Call(
                func=ast.Name(id="hasattr"), args=[ast.Name(id="self"), ast.Constant(value=str() as name)]
            ):
                return hasattr(self._provider, name)
            case ast.Call(func=ast.Name(id="add_ordereddicts"), args=args, keywords=[]):
                return self._added_tables(args)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._concrete(operand)
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._concrete(value) for value in values)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compared(op, self._concrete(left), self._concrete(right))
            case ast.Tuple(elts=elements):
                return tuple(self._concrete(element) for element in elements)
            case ast.List(elts=elements):
                return [self._concrete(element) for element in elements]
            case ast.JoinedStr(values=[ast.Constant(value=str() as value)]):
                return value
        raise NotAGrammarError(ast.unparse(node))

    def _items(self, node: ast.expr) -> Iterable[object]:
        items = self._concrete(node)
        if not isinstance(items, Iterable):
            raise NotAGrammarError("items")
        return items

    def _added_tables(self, nodes: Sequence[ast.expr]) -> dict[object, object]:
        tables = [each for each in map(self._concrete, nodes) if isinstance(each, Mapping)]
        if len(tables) < len(nodes):
            raise NotAGrammarError("tables")
        return {key: value for each in tables for key, value in each.items()}

    @staticmethod
    def _added_concrete(left: object, right: object) -> object:
        if type(left) is not type(right) or not isinstance(left, (str, tuple, list, int)):
            raise NotAGrammarError("sum")
        return operator.add(left, right)


def _missing() -> None:
    """Stands for a token that the locale does not have: the reader refuses it."""


_COMPARISONS: dict[type[ast.cmpop], Callable[..., object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}


def _compared(comparison: ast.cmpop, left: object, right: object) -> bool:
    if type(comparison) not in _COMPARISONS:
        raise NotAGrammarError("comparison")
    return bool(_COMPARISONS[type(comparison)](left, right))
