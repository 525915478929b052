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
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from deep_faker.values.library.evaluator import Drawn, Evaluator, as_text
from deep_faker.values.library.libraries import Locale, faker_generator
from deep_faker.values.library.loops import SPECIAL
from deep_faker.values.text.grammar import NotAGrammarError, Text

if TYPE_CHECKING:
    from types import FunctionType

    from faker.generator import Generator

_DEEPEST = 12
_PLAIN = (str, int, float, bool, type(None))
_MOST_KEPT = 512
_KEPT: dict[tuple[Locale, str, str], Text | Drawn | None] = {}
_IGNORED_DECORATORS = {"override"}
# `domain_word` pops the first of a list of words: three statements that mean one operation.
_DOMAIN_WORD = (
    "company: str = self.generator.format('company')\n"
    "company_elements: List[str] = company.split(' ')\n"
    "return self._to_ascii(company_elements.pop(0))"
)
_TRANSCRIBED = "_to_ascii"  # Faker's own table of transcriptions


@lru_cache(maxsize=512)
def read_provider(locale: Locale, name: str) -> Text | Drawn | None:
    """The grammar of a provider method called without arguments, None where it is not one."""
    return _read(faker_generator(locale), name, {})


def read_call(
    locale: Locale, generator: Generator, name: str, arguments: Mapping[str, object]
) -> Text | Drawn | None:
    """The grammar of a provider method called with ``arguments``, None where it is not one.

    It is kept for plain arguments: several fields, and pieces of composed values, ask for the same.
    """
    if not all(type(value) in _PLAIN for value in arguments.values()):
        return _read(generator, name, arguments)
    key = (locale, name, repr(sorted(arguments.items())))
    if key not in _KEPT:
        if len(_KEPT) > _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = _read(generator, name, arguments)
    return _KEPT[key]


def _read(generator: Generator, name: str, arguments: Mapping[str, object]) -> Text | Drawn | None:
    try:
        value = _call(generator, getattr(generator, name), arguments, depth=0)
        if isinstance(value, Drawn) and not all(isinstance(each, str) for each in value.values):
            return value
        return as_text(value).fused()
    except NotAGrammarError:
        return None


def _call(generator: Generator, method: object, arguments: Mapping[str, object], depth: int) -> object:
    from faker.providers import BaseProvider

    if depth > _DEEPEST or not inspect.ismethod(method) or not isinstance(method.__self__, BaseProvider):
        raise NotAGrammarError("too deep")
    function: FunctionType = inspect.unwrap(method)  # a function behind its decorators
    provider = method.__self__
    special = SPECIAL.get((function.__module__, function.__name__))
    bound = inspect.signature(method).bind(**arguments)
    bound.apply_defaults()
    if special is not None:
        return special(provider, **bound.arguments)
    body, decorators = _source(function)
    if ast.unparse(ast.Module(body, [])) == _DOMAIN_WORD:
        words = as_text(_call(generator, getattr(generator, "company", None), {}, depth + 1)).first_word()
        result: object = words.map(getattr(provider, _TRANSCRIBED))
    else:

        def call(other: object, others: Mapping[str, object]) -> object:
            return _call(generator, other, others, depth + 1)

        evaluator = Evaluator(generator, provider, dict(bound.arguments), function.__globals__, call)
        result = evaluator.run(body)
    for decorator in reversed(decorators):
        result = _decorated(decorator, result)
    return result


@lru_cache(maxsize=2048)
def _source(function: FunctionType) -> tuple[list[ast.stmt], tuple[str, ...]]:
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


def _decorated(decorator: str, result: object) -> object:
    if decorator in _IGNORED_DECORATORS:
        return result
    if decorator == "lowercase":
        return as_text(result).map(str.lower)
    if decorator in ("slugify", "slugify_unicode"):
        return _slug(as_text(result), allow_unicode=decorator == "slugify_unicode")
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
