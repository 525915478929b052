"""Numbers with check digits, by column: the free part is a grammar, the check digits are sums over it.

A pool would have at most 10,000 different cards or accounts, none of them unique for certain; here every
number can be drawn, different ones stay different (``unique=True``), and each passes its check.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, U64
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.family import Making, family
from deep_faker.values.library.codes import bban, card_types
from deep_faker.values.text.checksums import Control
from deep_faker.values.text.columns import Patterns, Tables
from deep_faker.values.text.cut_draws import together1
from deep_faker.values.text.grammar import Text, either, lexify, literal, numerify, table
from deep_faker.values.text.grids import Grid, grid_column, gridded
from deep_faker.values.text.words64 import U8

if TYPE_CHECKING:
    from faker.typing import CreditCard

Characters = U8
# The free characters of rows of equal length → the whole numbers.
Check = Callable[[Characters], Characters]
# Digits that numbers may begin with, each as digits or as a text of them.
Prefixes = Sequence[Sequence[int | str]]

_ZERO = ord("0")
_LARGEST_TABLE = 50_000


class Checked(Values):
    """Texts of a grammar that are completed by their check digits: different texts stay different."""

    _free: Values
    _check: Check
    _grid: Grid | None

    def __init__(self, place: Place, text: Text, check: Check | Control) -> None:
        """``check`` is a `Control` where the check digits are a sum modulo a number."""
        super().__init__(place)
        self._free = Patterns(place, Tables(text))
        self.capacity = self._free.capacity
        if isinstance(check, Control):
            self._check, self._grid = check.check, gridded(text, check)
        else:
            self._check, self._grid = check, None
        self._grid_keys = (
            [place.key(number + 1) for number in range(len(self._grid.draws))] if self._grid else []
        )

    def column(self, rows: Rows) -> pa.Array:
        if self._grid is not None:
            return grid_column(self._grid, self._grid_keys, self._key, rows)
        return self._completed(self._free.column(rows))

    def one(self, flow: int, action: int, clock: int) -> object:
        if self._grid is not None:
            return self._grid.text(self._grid_keys, self._key, together1(flow, action))
        return super().one(flow, action, clock)

    def unique(self, counter: U64) -> pa.Array:
        return self._completed(self._free.unique(counter))

    def _completed(self, free: pa.Array) -> pa.Array:
        """The free parts, completed in groups of one length."""
        if isinstance(free, pa.DictionaryArray):
            free = free.dictionary_decode()
        lengths = pc.binary_length(free).to_numpy()
        kinds = np.unique(lengths).tolist()
        if len(kinds) == 1:
            return fixed_width_strings(self._check(_characters(free, kinds[0])))
        groups = [np.flatnonzero(lengths == length) for length in kinds]
        parts = [
            fixed_width_strings(self._check(_characters(free.take(pa.array(group)), length)))
            for group, length in zip(groups, kinds, strict=True)
        ]
        if not parts:
            return pa.array([], pa.string())
        place = np.empty(len(lengths), np.int64)
        place[np.concatenate(groups)] = np.arange(len(lengths))
        return pa.concat_arrays(parts).take(pa.array(place))


def _characters(texts: pa.Array, length: int) -> Characters:
    """Texts of ASCII characters, all of one length, as a matrix."""
    first = np.frombuffer(texts.buffers()[1], np.int32, count=texts.offset + 1)[texts.offset]
    data = np.frombuffer(texts.buffers()[2], np.uint8)[first : first + length * len(texts)]
    return data.reshape(len(texts), length)


def _with_digit(characters: Characters, digit: I64) -> Characters:
    return np.concatenate([characters, (digit + _ZERO).astype(np.uint8)[:, None]], axis=1)


def _weighted(weights: tuple[int, ...]) -> Check:
    """The digit that makes the weighted sum a multiple of ten."""

    def check(characters: Characters) -> Characters:
        sums = (characters.astype(np.int64) - _ZERO) @ np.array(weights, np.int64)
        return _with_digit(characters, -sums % 10)

    return check


def luhn(characters: Characters) -> Characters:
    """Luhn's digit: every other digit from the right, the last one included, counts twice.

    >>> luhn(np.frombuffer(b"7992739871", np.uint8).reshape(1, 10)).tobytes()
    b'79927398713'
    """
    digits = characters.astype(np.int64) - _ZERO
    twice = digits[:, ::-1][:, ::2] * 2
    once = digits[:, ::-1][:, 1::2]
    sums = (twice - 9 * (twice > 9)).sum(axis=1) + once.sum(axis=1)
    return _with_digit(characters, -sums % 10)


# ---------------------------------------------------------------- Faker's methods


def _prefixed(length: int, prefixes: Prefixes) -> Text:
    def one(prefix: Sequence[int | str]) -> Text:
        fixed = "".join(str(digit) for digit in prefix)
        return literal(fixed) + numerify(literal("#" * (length - 1 - len(fixed))))

    return either([one(prefix) for prefix in prefixes]) if prefixes else one("")


@family("barcode.ean")
@family("barcode.ean8", length=8)
@family("barcode.ean13")
def _ean(ctx: Making, *, length: int = 13, prefixes: Prefixes = ()) -> Values | None:
    weights = {8: (3, 1) * 3 + (3,), 13: (1, 3) * 6}.get(length)
    if weights is None:
        return None
    return Checked(ctx.place, _prefixed(length, prefixes), Control(_weighted(weights), modulus=10))


@family("barcode.en_US.ean13")
def _ean13_us(ctx: Making, *, prefixes: Prefixes = (), leading_zero: bool | None = None) -> Values | None:
    if not prefixes and leading_zero is not None:
        prefixes = ((0,),) if leading_zero else tuple((digit,) for digit in range(1, 10))
    return _ean(ctx, prefixes=prefixes)


@family("barcode.localized_ean")
@family("barcode.localized_ean8", length=8)
@family("barcode.localized_ean13")
def _localized(ctx: Making, *, length: int = 13) -> Values | None:
    return _ean(ctx, length=length, prefixes=ctx.provider.local_prefixes)


@family("bank.aba")
def _aba(ctx: Making) -> Values:
    text = table([f"{fed:02}" for fed in range(1, 13)]) + numerify(literal("######"))
    return Checked(ctx.place, text, Control(_weighted((3, 7, 1) * 2 + (3, 7)), modulus=10))


def iban(ctx: Making) -> Values | None:
    """Numbers of accounts; None of a country with check digits of its own."""
    if inspect.unwrap(ctx.provider.bban).__module__ != "faker.providers.bank":
        return None
    country = str(ctx.provider.country_code)

    def check(characters: Characters) -> Characters:
        rest = np.zeros(len(characters), np.int64)
        tail = np.frombuffer(f"{country}00".encode(), np.uint8)
        # as text: digits count as they are, letters as two digits (A is 10)
        for column in itertools.chain(characters.T, tail):
            letters = column > ord("9")
            value = np.where(
                letters, column.astype(np.int64) - ord("A") + 10, column.astype(np.int64) - _ZERO
            )
            rest = (rest * np.where(letters, 100, 10) + value) % 97
        number = 98 - rest
        head = np.empty((len(characters), len(country) + 2), np.uint8)
        head[:, : len(country)] = np.frombuffer(country.encode(), np.uint8)
        head[:, -2], head[:, -1] = number // 10 + _ZERO, number % 10 + _ZERO
        return np.concatenate([head, characters], axis=1)

    control = Control(check, modulus=97, position=0, count=2, head=country)
    return Checked(ctx.place, bban(ctx.provider), control)


@family("credit_card.credit_card_number")
def _credit_card_number(ctx: Making, *, card_type: CreditCard | str | None = None) -> Values:
    cards = []
    for card in card_types(ctx.provider, card_type):
        prefixes = either([numerify(literal(prefix)) for prefix in card.prefixes])
        cards.append(_filled(prefixes, card.length - 1))
    return Checked(ctx.place, either(cards), Control(luhn, modulus=10))


def _filled(prefixes: Text, length: int) -> Text:
    """Prefixes of different lengths, each followed by digits up to ``length``."""
    alternatives = []
    for weight, row in prefixes.alternatives:
        rest = length - sum(len(leaf.values[0]) for leaf in row)
        ((_, digits),) = numerify(literal("#" * rest)).alternatives if rest else ((1.0, ()),)
        alternatives.append((weight, row + digits))
    return Text(tuple(alternatives))


_VIN = "1234567890ABCDEFGHJKLMNPRSTUVWXYZ"
_VIN_FRONT, _VIN_REAR = (8, 7, 6, 5, 4, 3, 2, 10), (9, 8, 7, 6, 5, 4, 3, 2)


@family("automotive.vin")
def _vin(ctx: Making) -> Values:
    from faker.providers.automotive import calculate_vin_str_weight

    worth = np.zeros(128, np.int64)
    for character in _VIN:
        worth[ord(character)] = calculate_vin_str_weight(character, [1])

    def check(characters: Characters) -> Characters:
        number = worth[characters] @ np.array(_VIN_FRONT + _VIN_REAR, np.int64) % 11
        digit = np.where(number == 10, ord("X"), number + _ZERO).astype(np.uint8)
        return np.concatenate([characters[:, :8], digit[:, None], characters[:, 8:]], axis=1)

    free = numerify(lexify(literal("????????????####"), tuple(_VIN)))
    return Checked(ctx.place, free, Control(check, modulus=11, position=8))
