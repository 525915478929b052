"""Names taken apart: given name, family name, and what an e-mail address makes of them.

A name is read by the locale's own lists of names, titles and orders, so that names that the user
gives are read as well as Faker's own.  No pool has the address of a name that is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64
from deep_faker.plan import arrow
from deep_faker.values.library.libraries import LOCK, faker_generator

if TYPE_CHECKING:
    from faker import Generator
    from faker.providers import BaseProvider

Mask = npt.NDArray[np.bool_]
_NOT_A_LETTER = re.compile("[^a-z0-9]")
_TOKEN = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_USUAL = (
    "{{last_name}}.{{first_name}}",
    "{{first_name}}.{{last_name}}",
    "{{first_name}}##",
    "?{{last_name}}",
)


@dataclass(frozen=True)
class Parts:
    """Given and family names of rows, as they are written and as addresses write them."""

    given: pa.Array
    family: pa.Array
    given_ascii: pa.Array
    family_ascii: pa.Array


class Names:
    """A locale's lists of names, and the order in which it writes them."""

    def __init__(self, locale: str | None) -> None:
        generator = faker_generator(locale)
        person = _provider(generator, "first_names", "first_names_male", "last_names")
        internet = _provider(generator, "user_name_formats")
        self._to_ascii: Callable[[str], object] = getattr(internet, "_to_ascii", str)
        self._given = _entries(person, "first_name")
        self._family = _entries(person, "last_name")
        self._affixes = {part for text in _entries(person, "prefix", "suffix") for part in text.split()}
        self._affixes -= self._given
        self._romanized = {
            pair[0]: pair[-1]
            for name in ("first_name_pairs", "last_name_pairs")
            for pair in getattr(person, name, ())
        }
        formats = list(getattr(person, "formats", None) or ["{{first_name}} {{last_name}}"])
        self.family_first = str(formats[0]).find("last_name") < str(formats[0]).find("first_name")
        self.gap = " " if "}} {{" in str(formats[0]) else ""
        self.user_formats = [
            form
            for form in getattr(internet, "user_name_formats", _USUAL)
            if all("first" in name or "last" in name for name in _TOKEN.findall(form))
        ] or list(_USUAL)
        self._slugs: dict[str, str] = {}

    def slug(self, text: str) -> str:
        """A name in the letters of an address."""
        if text not in self._slugs:
            with LOCK:
                ascii_ = self._romanized.get(text) or str(self._to_ascii(text))
            self._slugs[text] = _NOT_A_LETTER.sub("", ascii_.lower()) or "user"
        return self._slugs[text]

    def parts(self, names: pa.Array) -> Parts:
        """The names of rows, taken apart; an empty or missing one is nobody's."""
        if isinstance(names, pa.DictionaryArray):
            names = names.dictionary_decode()
        nobody, user = arrow.text(""), arrow.text("user")
        names = pc.utf8_trim_whitespace(pc.fill_null(names.cast(pa.string()), nobody))
        words = pc.utf8_split_whitespace(pc.if_else(pc.equal(names, nobody), user, names))
        coded = words.flatten().dictionary_encode()
        codes = arrow.values(coded.indices)
        starts = np.cumsum(np.concatenate([[0], arrow.values(pc.list_value_length(words))]))
        known = coded.dictionary.to_pylist()
        # one look-up for each different word, of which there are few
        halves = [self._halves(word) for word in known]
        columns = [arrow.texts(half[part] for half in halves) for part in (0, 1)]
        is_given = np.array([word in self._given for word in known], bool)[codes]
        is_family = np.array([word in self._family for word in known], bool)[codes]
        is_name = ~np.array([word in self._affixes for word in known], bool)[codes]
        given, family = self._places(starts, is_given & is_name, is_family & is_name, is_name)
        given, family = arrow.numbers(codes[given]), arrow.numbers(codes[family])
        slugs = [arrow.texts(self.slug(half[part]) for half in halves) for part in (0, 1)]
        return Parts(
            columns[0].take(given), columns[1].take(family), slugs[0].take(given), slugs[1].take(family)
        )

    def _places(self, starts: I64, is_given: Mask, is_family: Mask, is_name: Mask) -> tuple[I64, I64]:
        """The positions of each row's given and family names among the words."""
        first = _first(starts, is_name)
        last = len(is_name) - 1 - _first(len(is_name) - starts[::-1], is_name[::-1])[::-1]
        none = first >= starts[1:]  # nothing but titles
        first, last = np.where(none, starts[:-1], first), np.where(none, starts[1:] - 1, last)
        leading, trailing = (is_family, is_given) if self.family_first else (is_given, is_family)
        head = _first(starts, leading)
        head = np.where(head < starts[1:], head, first)
        others = trailing.copy()
        others[head] = False
        tail = _first(starts, others)
        tail = np.where(tail < starts[1:], tail, np.where(last == head, first, last))
        return (tail, head) if self.family_first else (head, tail)

    def _halves(self, word: str) -> tuple[str, str]:
        """Given and family name of a word that is both, written without a gap (as in Chinese)."""
        if self.gap or word in self._given or word in self._family:
            return word, word
        for size in (2, 1):
            if word[:size] in self._family and len(word) > size:
                return word[size:], word[:size]
        return word, word


def _first(starts: I64, mask: Mask) -> I64:
    """For each row the first position that is marked; the end of all where none is."""
    marked = np.where(mask, np.arange(len(mask)), len(mask))
    if len(starts) < 2:
        return np.empty(0, np.int64)
    first: I64 = np.minimum.reduceat(marked, starts[:-1])
    return first


def _provider(generator: Generator, *wanted: str) -> BaseProvider | None:
    """The provider that has one of these attributes."""
    having = (p for name in wanted for p in generator.providers if hasattr(p, name))
    return next(having, None)


def _entries(provider: BaseProvider | None, *beginnings: str) -> set[str]:
    """All entries of a provider's lists whose names begin so."""
    entries: set[str] = set()
    for name in dir(provider):
        value = getattr(provider, name) if name.startswith(beginnings) else None
        if isinstance(value, Iterable) and not isinstance(value, str):
            entries |= {entry for entry in value if isinstance(entry, str)}
    return entries


@lru_cache(maxsize=64)
def names_of(locale: str | None) -> Names:
    """The names of a locale, read once.

    >>> names = names_of("de_DE").parts(pa.array(["Dr. Jörg Müller"]))
    >>> names.given.to_pylist(), names.family_ascii.to_pylist()
    (['Jörg'], ['mueller'])
    """
    return Names(locale)
