"""Texts by pattern: lexify, numerify, bothify, hexify, and letters."""

from __future__ import annotations

import string
from typing import Any

from deep_faker.values.base import Place, Values
from deep_faker.values.choices import Elements
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, table
from deep_faker.values.text.grammar import hexify as hexify_text
from deep_faker.values.text.grammar import lexify as lexify_text
from deep_faker.values.text.grammar import numerify as numerify_text
from deep_faker.values.text.grids import texts

_LETTERS = tuple(string.ascii_letters)
_LONGEST = 200


def _patterns(place: Place, text: Text) -> Values:
    return texts(place, text, counted=True)


def lexify(place: Place, *, text: str = "????", letters: Any = _LETTERS) -> Values:
    """Letters in place of ``?``."""
    return _patterns(place, lexify_text(literal(text), letters))


def numerify(place: Place, *, text: str = "###") -> Values:
    """Digits in place of ``#``, ``%``, ``$``, ``!`` and ``@``."""
    return _patterns(place, numerify_text(literal(text)))


def bothify(place: Place, *, text: str = "## ??", letters: Any = _LETTERS) -> Values:
    """Digits as `numerify` and letters as `lexify`."""
    return _patterns(place, lexify_text(numerify_text(literal(text)), letters))


def hexify(place: Place, *, text: str = "^^^^", upper: bool = False) -> Values:
    """Hexadecimal digits in place of ``^``."""
    return _patterns(place, hexify_text(literal(text), upper=upper))


def random_letter(place: Place) -> Values:
    return Elements(place, _LETTERS)


def random_lowercase_letter(place: Place) -> Values:
    return Elements(place, tuple(string.ascii_lowercase))


def random_uppercase_letter(place: Place) -> Values:
    return Elements(place, tuple(string.ascii_uppercase))


def pystr(
    place: Place, *, min_chars: int | None = None, max_chars: int = 20, prefix: str = "", suffix: str = ""
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
        return texts(place, either([words[length] for length in lengths]) + literal(suffix))
    except NotAGrammarError:
        return None
