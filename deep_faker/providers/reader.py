"""Reads the source of Faker's own provider methods into grammars.

Most of Faker's text providers, in every locale, are a few lines of the same handful of idioms:
draw an element of a class attribute, fill a template such as ``"{{first_name}} {{last_name}}"``,
replace ``#`` by digits, join.  A small evaluator of those idioms turns them into a `grammar.Text`,
which has exactly the distribution of the method.  It gives up (`NotAGrammarError`) at the first
expression that it does not know for sure; the caller then draws a pool from Faker instead.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from deep_faker.providers.grammar import (
    NotAGrammarError,
    Text,
    either,
    hexify,
    lexify,
    literal,
    numerify,
    table,
)
from deep_faker.providers.libraries import faker_generator

_TOKEN = re.compile(r"\{\{\s*(\w+)(:\s*\w+?)?\s*\}\}")  # as in faker.generator
_DEEPEST = 12
_LONGEST_RANGE = 100_000
_IGNORED_DECORATORS = {"override"}
# `domain_word` pops the first of a list of words: three statements that mean one operation.
_DOMAIN_WORD = (
    "company: str = self.generator.format('company')\n"
    "company_elements: List[str] = company.split(' ')\n"
    "return self._to_ascii(company_elements.pop(0))"
)


@lru_cache(maxsize=512)
def read_provider(locale: str | None, name: str) -> Text | None:
    """The grammar of a provider method called without arguments, None where it is not one."""
    return read_call(faker_generator(locale), name, {})


def read_call(generator: Any, name: str, arguments: Mapping[str, Any]) -> Text | None:
    """The grammar of a provider method called with ``arguments``, None where it is not one."""
    try:
        found = _call(generator, getattr(generator, name), arguments, depth=0)
        return found.fused() if isinstance(found, Text) else None
    except NotAGrammarError:
        return None


def _call(generator: Any, method: Callable[..., Any], arguments: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST or not inspect.ismethod(method):
        raise NotAGrammarError("too deep")
    function = inspect.unwrap(method)
    special = _SPECIAL.get((function.__module__, function.__name__))
    bound = inspect.signature(method).bind(**arguments)
    bound.apply_defaults()
    if special is not None:
        return special(method.__self__, **bound.arguments)
    body, decorators = _source(function)
    if ast.unparse(ast.Module(body, [])) == _DOMAIN_WORD:
        words = _call(generator, generator.company, {}, depth + 1).first_word()
        result = words.map(method.__self__._to_ascii)  # noqa: SLF001 - Faker's own table of transcriptions
    else:
        reader = _Reader(generator, method.__self__, dict(bound.arguments), function.__globals__, depth)
        result = reader.run(body)
    for decorator in reversed(decorators):
        result = _decorated(decorator, result)
    return result


@lru_cache(maxsize=2048)
def _source(function: Any) -> tuple[list[ast.stmt], tuple[str, ...]]:
    try:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise NotAGrammarError("no source") from error
    if not isinstance(definition, ast.FunctionDef):
        raise NotAGrammarError("no function")
    body = [
        statement
        for statement in definition.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return body, tuple(ast.unparse(decorator) for decorator in definition.decorator_list)


def _decorated(decorator: str, result: Any) -> Any:
    if decorator in _IGNORED_DECORATORS:
        return result
    if decorator == "lowercase":
        return _text(result).map(str.lower)
    if decorator in ("slugify", "slugify_unicode"):
        return _slug(_text(result), allow_unicode=decorator == "slugify_unicode")
    raise NotAGrammarError(decorator)


def _slug(text: Text, *, allow_unicode: bool) -> Text:
    from faker.utils.text import slugify

    # Runs of hyphens become one, and spaces at the ends go: refuse pieces where the slug of the whole
    # is not the slugs of the pieces.
    if any(value != value.strip() for leaf in text.leaves for value in leaf.values):
        raise NotAGrammarError("slug of pieces with spaces at their ends")
    slugs = text.map(lambda value: slugify(value, allow_unicode=allow_unicode))
    for _, row in slugs.alternatives:
        after_hyphen = False
        for leaf in row:
            if after_hyphen and any(value.startswith("-") for value in leaf.values):
                raise NotAGrammarError("slug of pieces with hyphens side by side")
            ends = any(value.endswith("-") for value in leaf.values)
            after_hyphen = ends or (after_hyphen and "" in leaf.values)
    return slugs


def _text(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, str):
        return literal(value)
    raise NotAGrammarError(f"{type(value).__name__} for a text")


class _Number:
    """A whole number, equally likely in a range, until it is formatted."""

    def __init__(self, low: Any, high: Any) -> None:
        if not isinstance(low, int) or not isinstance(high, int) or not 0 <= high - low < _LONGEST_RANGE:
            raise NotAGrammarError("range")
        self._numbers = range(low, high + 1)

    def formatted(self, form: Callable[[int], str]) -> Text:
        return table([form(number) for number in self._numbers])


class _Reader:
    """Evaluates the body of one method; values are concrete Python values, `Text` or `_Number`."""

    def __init__(
        self, generator: Any, provider: Any, local: dict[str, Any], names: Mapping[str, Any], depth: int
    ) -> None:
        self._generator, self._provider, self._depth = generator, provider, depth
        self._local, self._globals = local, names

    def run(self, body: Sequence[ast.stmt]) -> Any:
        result = self._block(body)
        if result is None:
            raise NotAGrammarError("no value")
        return result

    def _block(self, body: Sequence[ast.stmt]) -> Any:
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

    def _take(self, name: str) -> Any:
        """The value of a local.  A random one can be used once: a second use would be drawn anew."""
        value = self._local[name]
        if isinstance(value, (Text, _Number)):
            del self._local[name]
        return value

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name) if name in self._local:
                return self._take(name)
            case ast.JoinedStr(values=parts):
                return self._joined([self._value(part) for part in parts], literal(""))
            case ast.FormattedValue(value=value, conversion=-1, format_spec=spec):
                return self._formatted(self._value(value), "" if spec is None else self._concrete(spec))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._added(self._value(left), self._value(right))
            case ast.BinOp(left=ast.Constant(value=str() as form), op=ast.Mod(), right=right):
                return self._percent(form, right)
            case ast.IfExp(test=test, body=then, orelse=other):
                return self._value(then if self._concrete(test) else other)
            case ast.Call(func=function, args=args, keywords=keywords):
                return self._called(function, args, keywords)
            case _:
                return self._concrete(node)

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
        for at, value in enumerate(values):
            one = parts[2 * at + 1]
            out[2 * at + 1] = (
                value.formatted(one.__mod__) if isinstance(value, _Number) else self._same(one, value)
            )
        return self._joined(out, literal(""))

    @staticmethod
    def _same(form: str, value: Any) -> Text:
        if form != "%s":
            raise NotAGrammarError(form)
        return _text(value)

    def _formatted(self, value: Any, spec: str) -> Text:
        if isinstance(value, _Number):
            return value.formatted(lambda number: format(number, spec))
        if isinstance(value, Text) and not spec:
            return value
        return literal(format(value, spec)) if not isinstance(value, Text) else _text(None)

    def _added(self, left: Any, right: Any) -> Any:
        if isinstance(left, (Text, str)) and isinstance(right, (Text, str)):
            return _text(left) + _text(right)
        if isinstance(left, (tuple, list)) and type(left) is type(right):
            return left + right
        raise NotAGrammarError("sum")

    @staticmethod
    def _joined(parts: Sequence[Any], separator: Text) -> Text:
        texts = [
            _text(part) for part in parts if not (isinstance(part, str) and part == "" and len(parts) > 1)
        ]
        out = texts[0] if texts else literal("")
        for text in texts[1:]:
            out = out + separator + text
        return out

    def _called(self, function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
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
                return _Number(self._concrete(args[0]), self._concrete(args[1]))
            case ast.Attribute(
                value=ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="self"), attr="generator"), attr="random"
                ),
                attr="choice",
            ) if len(args) == 1 and not keywords:
                return self._element(self._concrete(args[0]))
            case ast.Attribute(value=ast.Constant(value=str() as separator), attr="join") if len(args) == 1:
                return self._join(separator, args[0])
            case ast.Attribute(value=inner, attr=("upper" | "lower") as how) if not args and not keywords:
                value = self._value(inner)
                return _text(value).map(str.upper if how == "upper" else str.lower)
            case ast.Attribute(value=inner, attr="replace") if len(args) == 2 and not keywords:
                old, new = self._concrete(args[0]), self._concrete(args[1])
                if not (isinstance(old, str) and len(old) == 1):
                    raise NotAGrammarError("replace")
                return _text(self._value(inner)).map(lambda value: value.replace(old, new))
            case ast.Name(id="str") if len(args) == 1 and not keywords:
                return self._formatted(self._value(args[0]), "")
            case ast.Name(id="hasattr") if len(args) == 2:
                return self._concrete(ast.Call(function, args, keywords))
        raise NotAGrammarError(ast.unparse(function))

    def _join(self, separator: str, items: ast.expr) -> Text:
        match items:
            case ast.Call(
                func=ast.Attribute(value=inner, attr="split"), args=[ast.Constant(value=str() as gap)]
            ) if separator == "" and len(gap) == 1:
                return _text(self._value(inner)).map(lambda value: value.replace(gap, ""))
            case ast.ListComp(
                elt=element,
                generators=[ast.comprehension(target=ast.Name(id=name), iter=each, ifs=[], is_async=0)],
            ):
                parts = []
                for item in self._concrete(each):
                    self._local[name] = item
                    parts.append(self._value(element))
                return self._joined(parts, literal(separator))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._joined([self._value(element) for element in elements], literal(separator))
        raise NotAGrammarError(ast.unparse(items))

    def _method(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        if any(keyword.arg is None for keyword in keywords):
            raise NotAGrammarError("**")
        if name in ("random_element", "parse", "numerify", "lexify", "bothify", "hexify", "_to_ascii"):
            return self._idiom(
                name, [self._value(arg) for arg in args], {k.arg: self._value(k.value) for k in keywords}
            )
        if name == "random_int":
            given = dict(zip(("min", "max"), map(self._concrete, args), strict=False))
            given |= {str(keyword.arg): self._concrete(keyword.value) for keyword in keywords}
            if not given.keys() <= {"min", "max"}:
                raise NotAGrammarError("random_int")
            return _Number(given.get("min", 0), given.get("max", 9999))
        if name in ("random_digit", "random_digit_not_null"):
            return _Number(0 if name == "random_digit" else 1, 9)
        if name == "format" and len(args) == 1:
            name, args = self._concrete(args[0]), []
        method = getattr(self._generator if not hasattr(self._provider, name) else self._provider, name, None)
        if method is None or not inspect.ismethod(method):
            raise NotAGrammarError(name)
        given = {str(keyword.arg): self._concrete(keyword.value) for keyword in keywords}
        names = list(inspect.signature(method).parameters)
        given |= {key: self._concrete(arg) for key, arg in zip(names, args, strict=False)}
        return _call(self._generator, method, given, self._depth + 1)

    def _idiom(self, name: str, args: list[Any], keywords: dict[str | None, Any]) -> Text:
        if name == "random_element" and not keywords and len(args) == 1:
            return self._element(args[0])
        if not args:
            raise NotAGrammarError(name)
        text = _text(args[0])
        if name == "parse" and len(args) == 1 and not keywords:
            return self._parsed(text)
        if name == "_to_ascii" and len(args) == 1 and not keywords:
            return text.map(self._provider._to_ascii)  # noqa: SLF001
        if name == "numerify" and len(args) == 1 and not keywords:
            return numerify(text)
        letters = keywords.get("letters", args[1] if len(args) == 2 else tuple(_ascii_letters()))
        if name == "lexify":
            return lexify(text, letters)
        if name == "bothify":
            return lexify(numerify(text), letters)
        if name == "hexify":
            upper = bool(keywords.get("upper", len(args) == 2 and args[1]))
            return hexify(text, upper=upper)
        raise NotAGrammarError(name)

    def _element(self, elements: Any) -> Text:
        if isinstance(elements, Mapping):
            weights = list(elements.values()) if self._provider.__use_weighting__ else None
            return table(list(elements), weights)
        if isinstance(elements, (str, list, tuple)) and elements:
            if any(isinstance(element, (Text, _Number)) for element in elements):
                raise NotAGrammarError("elements that are random themselves")
            return table(list(elements))
        raise NotAGrammarError("elements")

    def _parsed(self, text: Text) -> Text:
        def token(match: re.Match[str]) -> Text:
            if match[2]:
                raise NotAGrammarError("argument group")
            found = _call(
                self._generator, getattr(self._generator, match[1], None) or _missing, {}, self._depth + 1
            )
            return found.formatted(str) if isinstance(found, _Number) else _text(found)

        return text.expand(_TOKEN, token)

    def _concrete(self, node: ast.expr) -> Any:
        """A value in which no chance is: constants, attributes of the class, tests of them."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self._local:
                value = self._local[name]
                if isinstance(value, (Text, _Number)):
                    raise NotAGrammarError(name)
                return value
            case ast.Name(id=name) if isinstance(
                self._globals.get(name), (str, int, float, tuple, list, dict)
            ):
                return self._globals[name]
            case ast.Name(id="self"):
                return self._provider
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
            case ast.Call(
                func=ast.Attribute(value=inner, attr=("keys" | "values") as part), args=[], keywords=[]
            ):
                return list(getattr(self._concrete(inner), part)())
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._concrete(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._concrete(operand)
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._concrete(value) for value in values)
            case ast.BoolOp(op=ast.Or(), values=values):
                return next((v for v in map(self._concrete, values) if v), self._concrete(values[-1]))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compared(op, self._concrete(left), self._concrete(right))
            case ast.Tuple(elts=elements):
                return tuple(self._concrete(element) for element in elements)
            case ast.List(elts=elements):
                return [self._concrete(element) for element in elements]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._added_concrete(self._concrete(left), self._concrete(right))
            case ast.JoinedStr(values=[ast.Constant(value=str() as value)]):
                return value
        raise NotAGrammarError(ast.unparse(node))

    @staticmethod
    def _added_concrete(left: Any, right: Any) -> Any:
        if type(left) is not type(right) or not isinstance(left, (str, tuple, list, int)):
            raise NotAGrammarError("sum")
        return left + right


def _ascii_letters() -> str:
    import string

    return string.ascii_letters


def _missing() -> None:
    """Stands for a token that the locale does not have: `_call` refuses it."""


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    match op:
        case ast.Eq():
            return bool(left == right)
        case ast.NotEq():
            return bool(left != right)
        case ast.Is():
            return left is right
        case ast.IsNot():
            return left is not right
        case ast.In():
            return bool(left in right)
        case ast.Lt():
            return bool(left < right)
        case ast.Gt():
            return bool(left > right)
    raise NotAGrammarError("comparison")


# --- methods whose loops are a plain distribution ------------------------------------------------------


def _words_of(provider: Any, part_of_speech: Any, ext_word_list: Any) -> list[str]:
    words: list[str] = provider.get_words_list(part_of_speech=part_of_speech, ext_word_list=ext_word_list)
    return words


def _word(provider: Any, part_of_speech: Any = None, ext_word_list: Any = None) -> Text:
    return table(_words_of(provider, part_of_speech, ext_word_list))


def _sentence(
    provider: Any, nb_words: int = 6, variable_nb_words: bool = True, ext_word_list: Any = None
) -> Text:
    """Words with the first one capitalised; the number of words is between 60 and 140 % of ``nb_words``."""
    if nb_words <= 0:
        return literal("")
    counts = (
        [max(int(nb_words * percent / 100), 1) for percent in range(60, 141)]
        if variable_nb_words
        else [nb_words]
    )
    if max(counts) > 100:
        raise NotAGrammarError("long sentences")
    words = _words_of(provider, None, ext_word_list)
    gap, stop = provider.word_connector, provider.sentence_punctuation
    first, middle = table([word.title() for word in words]), table([gap + word for word in words])
    lengths = sorted(set(counts))
    sentences = {1: first}
    for length in range(2, lengths[-1] + 1):
        sentences[length] = sentences[length - 1] + middle
    texts = [sentences[length] + literal(stop) for length in lengths]
    return either(texts, [counts.count(length) for length in lengths])


_SPECIAL: dict[tuple[str, str], Callable[..., Text]] = {
    ("faker.providers.lorem", "word"): _word,
    ("faker.providers.lorem", "sentence"): _sentence,
}
