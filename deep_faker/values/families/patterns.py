"""Texts by pattern: lexify, numerify, bothify, hexify, and letters."""

from __future__ import annotations

import string
from collections.abc import Sequence

from deep_faker.values.base import Place, Values
from deep_faker.values.choices import Elements
from deep_faker.values.family import Making, family
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, table
from deep_faker.values.text.grammar import hexify as hexify_text
from deep_faker.values.text.grammar import lexify as lexify_text
from deep_faker.values.text.grammar import numerify as numerify_text
from deep_faker.values.text.grids import texts

_LETTERS = tuple(string.ascii_letters)
_LONGEST = 200


def _patterns(place: Place, text: Text) -> Values:
    return texts(place, text, counted=True)


@family("lexify", anywhere=True)
def lexify(ctx: Making, *, text: str = "????", letters: Sequence[str] = _LETTERS) -> Values:
    """Letters in place of ``?``."""
    return _patterns(ctx.place, lexify_text(literal(text), letters))


@family("numerify", anywhere=True)
def numerify(ctx: Making, *, text: str = "###") -> Values:
    """Digits in place of ``#``, ``%``, ``$``, ``!`` and ``@``."""
    return _patterns(ctx.place, numerify_text(literal(text)))


@family("bothify", anywhere=True)
def bothify(ctx: Making, *, text: str = "## ??", letters: Sequence[str] = _LETTERS) -> Values:
    """Digits as `numerify` and letters as `lexify`."""
    return _patterns(ctx.place, lexify_text(numerify_text(literal(text)), letters))


@family("hexify", anywhere=True)
def hexify(ctx: Making, *, text: str = "^^^^", upper: bool = False) -> Values:
    """Hexadecimal digits in place of ``^``."""
    return _patterns(ctx.place, hexify_text(literal(text), upper=upper))


@family("random_letter", anywhere=True)
def random_letter(ctx: Making) -> Values:
    return Elements(ctx.place, _LETTERS)


@family("random_lowercase_letter", anywhere=True)
def random_lowercase_letter(ctx: Making) -> Values:
    return Elements(ctx.place, tuple(string.ascii_lowercase))


@family("random_uppercase_letter", anywhere=True)
def random_uppercase_letter(ctx: Making) -> Values:
    return Elements(ctx.place, tuple(string.ascii_uppercase))


@family("python.pystr", anywhere=True)
def pystr(
    ctx: Making, *, min_chars: int | None = None, max_chars: int = 20, prefix: str = "", suffix: str = ""
) -> Values | None:
    """Letters between a prefix and a suffix."""
    lengths = [max_chars] if min_chars is None else list(range(min_chars, max_chars + 1))
    if not lengths or not 0 <= lengths[0] <= lengths[-1] <= _LONGEST:
        return None
    letters = table(_LETTERS)
    words = [literal(prefix)]
    for _ in range(lengths[-1]):
        words.append(words[-1] + letters)
    try:
        return texts(ctx.place, either([words[length] for length in lengths]) + literal(suffix))
    except NotAGrammarError:
        return None
