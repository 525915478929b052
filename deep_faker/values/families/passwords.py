"""Passwords by column: pairs of characters from one table, then one character of each kind over them.

A pool would give many people the same password: it has 10,000 at most.
"""

from __future__ import annotations

import itertools
import string
from functools import lru_cache

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, I64
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.family import Making, family
from deep_faker.values.text.cut_draws import Several, together, together1
from deep_faker.values.text.words64 import Unsigned, packed, store

_LARGEST_TABLE = 50_000


class Passwords(Values):
    """Characters of the chosen kinds, at least one of each, as Faker places them.

    >>> from deep_faker.draws.mix import Draws
    >>> password = Passwords(Place(Draws(7), ("word",), 0), 6, ["ab", "12"]).one(3, 1, 0)
    >>> len(password), set(password) <= set("ab12")
    (6, True)
    """

    def __init__(self, place: Place, length: int, kinds: list[str]) -> None:
        super().__init__(place)
        self._length, self._kinds = length, kinds
        self._letters = [np.frombuffer(kind.encode(), np.uint8) for kind in kinds]
        self._orders = _orders(length, len(kinds))
        every = "".join(kinds)
        widths = [2] * (length // 2) + [1] * (length % 2)
        self._tables = [_table(every, width) for width in widths]
        sizes = [len(self._orders), *map(len, kinds), *map(len, self._tables)]
        self._several = Several([place.key(number) for number in range(len(sizes))], sizes)

    def column(self, rows: Rows) -> pa.Array:
        out = np.empty((len(rows), self._length), np.uint8)
        kinds = len(self._kinds)
        for first in range(0, len(rows), CHUNK):
            some = out[first : first + CHUNK]
            drawn = self._several.draw(
                together(rows.flow[first : first + CHUNK], rows.action[first : first + CHUNK])
            )
            for number, (table, index) in enumerate(zip(self._tables, drawn[1 + kinds :], strict=True)):
                end = min(2 * number + 2, self._length)
                store(some, 2 * number, end, table.take(index, mode="clip"))
            start = np.arange(0, some.size, self._length)
            flat = some.reshape(-1)
            for number, letters in enumerate(self._letters):
                place = self._orders[:, number].take(drawn[0], mode="clip")
                place += start
                flat[place] = letters.take(drawn[1 + number], mode="clip")
        return fixed_width_strings(out)

    def one(self, flow: int, action: int, clock: int) -> str:
        order, *drawn = self._several.draw1(together1(flow, action))
        kinds = len(self._kinds)
        pieces = zip(self._tables, drawn[kinds:], strict=True)
        text = bytearray(b"".join(table[index].tobytes() for table, index in pieces))
        for number, kind in enumerate(self._kinds):
            text[int(self._orders[order, number])] = ord(kind[drawn[number]])
        return text.decode()


@lru_cache(maxsize=32)
def _table(characters: str, width: int) -> Unsigned:
    return packed(["".join(texts) for texts in itertools.product(characters, repeat=width)], width)


@lru_cache(maxsize=32)
def _orders(length: int, kinds: int) -> I64:
    """Where each kind goes, for every way to draw different places: Faker draws them into a set, and a
    set's order is not that of the draws."""
    orders = [list(set(places)) for places in itertools.permutations(range(length), kinds)]
    return np.asfortranarray(np.array(orders, np.int64))


@family("misc.password")
def _password(
    ctx: Making,
    *,
    length: int = 10,
    special_chars: bool = True,
    digits: bool = True,
    upper_case: bool = True,
    lower_case: bool = True,
) -> Values | None:
    kinds = [
        letters
        for wanted, letters in (
            (special_chars, "!@#$%^&*()_+"),
            (digits, string.digits),
            (upper_case, string.ascii_uppercase),
            (lower_case, string.ascii_lowercase),
        )
        if wanted
    ]
    if not kinds or length < len(kinds):
        return None
    ways = 1
    for number in range(len(kinds)):
        ways *= length - number
    return Passwords(ctx.place, length, kinds) if ways <= _LARGEST_TABLE else None
