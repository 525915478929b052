"""Text: methods, f-strings and slices, by Python's own functions on values or on tables of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from deep_faker.expressions.emitter import TEXTS, Emitter, Val
from deep_faker.plan import Kind, Type

_STR, _BOOL, _INT = Type("str"), Type("bool"), Type("int")
_RESULTS: dict[str, Kind] = {
    **dict.fromkeys(
        "upper lower title strip lstrip rstrip replace capitalize swapcase casefold zfill ljust rjust center "
        "removeprefix removesuffix expandtabs format translate".split(),
        "str",
    ),
    **dict.fromkeys(
        "startswith endswith isdigit isalpha isalnum isupper islower isspace isnumeric isdecimal istitle "
        "isidentifier isascii isprintable".split(),
        "bool",
    ),
    **dict.fromkeys("find rfind index rindex count".split(), "int"),
}
_CONVERSIONS = {-1: "", 115: "!s", 114: "!r", 97: "!a"}


def text_method(em: Emitter, receiver: Val, name: str, args: Sequence[Val]) -> Val:
    """``receiver.name(*args)`` of text."""
    kind = _RESULTS.get(name)
    if kind is None:
        return em.by_row(f"str.{name}()", "str" if name == "join" else "object")
    return em.by_value(getattr(str, name), [em.solid(receiver), *args], Type(kind))


def f_string(em: Emitter, node: ast.JoinedStr, visit: Callable[[ast.expr], Val]) -> Val:
    """An f-string: ``str.format`` of the same template.

    By row Python's f-string takes as long as ``str.format`` mapped over lists (200 ns with two ints).
    """
    template, operands = _template(em, node, visit)
    if em.reason:
        return Val(_STR)
    if not operands:
        return em.constant(template.format())
    if len(operands) == 1 and template == "{}" and operands[0].kind in TEXTS and not operands[0].nulls:
        return operands[0]
    return em.by_value(template.format, operands, _STR)


def _template(em: Emitter, node: ast.JoinedStr, visit: Callable[[ast.expr], Val]) -> tuple[str, list[Val]]:
    template, operands = "", list[Val]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            template += str(part.value).replace("{", "{{").replace("}", "}}")
            continue
        assert isinstance(part, ast.FormattedValue)
        operands.append(visit(part.value))
        if operands[-1].kind == "entity":
            em.by_row("the text of an entity", "str")
        spec = ""
        if part.format_spec is not None:
            assert isinstance(part.format_spec, ast.JoinedStr)
            for piece in part.format_spec.values:
                if isinstance(piece, ast.FormattedValue):
                    operands.append(visit(piece.value))
                    spec += "{" + _CONVERSIONS[piece.conversion] + "}"
                    continue
                assert isinstance(piece, ast.Constant)
                if "{" in str(piece.value) or "}" in str(piece.value):
                    em.by_row("a format with braces", "str")
                spec += str(piece.value)
        template += "{" + _CONVERSIONS[part.conversion] + (":" + spec if spec else "") + "}"
    return template, operands


def to_text(em: Emitter, v: Val, function: Callable[[object], str] = str) -> Val:
    """``str(v)`` or ``repr(v)``."""
    if v.kind in TEXTS and not v.nulls and function is str:
        return v
    if v.kind == "entity":
        return em.by_row("the text of an entity", "str")
    return em.by_value(function, [v], _STR)


def length(em: Emitter, v: Val) -> Val:
    """``len(v)`` of text."""
    if v.constant:
        return em.fold(len, v.value)
    if v.kind not in (*TEXTS, "object"):
        return em.by_row(f"len() of {v.kind}", "int")
    out = em.by_value(len, [em.solid(v)], _INT)
    return Val(_INT, out.code, low=0, high=2**40, index=out.index, elements=out.elements)
