"""Numbers of several countries whose control digits are sums over what is drawn, by column.

The methods compute with the digits that they have drawn, which `explore.faker` cannot follow.  A pool
would have at most 10,000 different accounts and firms, and none that could be unique: here all are drawn.
"""

# ruff: noqa: SLF001 - some of Faker's parts are private

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.draws.mix import I64
from deep_faker.values.base import Place, Values
from deep_faker.values.families.check_digits import Characters, Check, Checked, iban, luhn
from deep_faker.values.family import Making, family
from deep_faker.values.library.libraries import LOCK
from deep_faker.values.text.grammar import NotAGrammarError, Text, literal, numerify, table

if TYPE_CHECKING:
    from faker.providers.company.pt_BR import Provider as BrazilianFirms

_ZERO = ord("0")
_TRIES = 20


class Completed(Checked):
    """The texts of another provider, completed by control digits."""

    def __init__(self, place: Place, free: Values, check: Check) -> None:
        Values.__init__(self, place)
        self._free = free
        self._check, self._grid = check, None
        self.capacity = free.capacity


def _numbers(characters: Characters) -> I64:
    return characters.astype(np.int64) - _ZERO


def _characters(*columns: I64) -> Characters:
    return (np.stack(columns, axis=1) + _ZERO).astype(np.uint8)


def _digits(place: Place, count: int, check: Check) -> Values:
    return Checked(place, numerify(literal("#" * count)), check)


# ---------------------------------------------------------------- bank accounts


@family("bank.iban")
def _iban(ctx: Making) -> Values | None:
    try:
        plain = iban(ctx)
    except NotAGrammarError:
        plain = None
    return _controlled_iban(ctx) if plain is None else plain


def _controlled_iban(ctx: Making) -> Values | None:
    """Of a country whose account numbers have control digits of their own."""
    free = ctx.piece("bban")
    country = str(ctx.provider.country_code)
    if free is None or free.kind != "str":
        return None

    def check(characters: Characters) -> Characters:
        head = np.frombuffer(country.encode(), np.uint8)
        rest = np.zeros(len(characters), np.int64)
        for column in [*characters.T, *head, _ZERO, _ZERO]:  # letters count as two digits, A as 10
            value = np.where(column > ord("9"), np.int64(column) - ord("A") + 10, np.int64(column) - _ZERO)
            rest = (rest * np.where(column > ord("9"), 100, 10) + value) % 97
        both = _characters((98 - rest) // 10, (98 - rest) % 10)
        return np.concatenate([np.broadcast_to(head, (len(characters), len(head))), both, characters], axis=1)

    return Completed(ctx.place, free, check)


@family("bank.es_ES.bban")
def _bban_es(ctx: Making) -> Values:
    def digit(numbers: I64) -> I64:
        rest = numbers @ (1 << np.arange(10 - numbers.shape[1], 10)) % 11
        return np.where(rest < 2, rest, 11 - rest)

    def check(characters: Characters) -> Characters:
        numbers = _numbers(characters)
        both = _characters(digit(numbers[:, :8]), digit(numbers[:, 8:]))
        return np.concatenate([characters[:, :8], both, characters[:, 8:]], axis=1)

    return _digits(ctx.place, 18, check)


# ---------------------------------------------------------------- firms


def _siren_of(characters: Characters) -> Characters:
    return np.insert(luhn(characters), [3, 6], ord(" "), axis=1)


@family("company.fr_FR.siren")
def _siren(ctx: Making) -> Values:
    return _digits(ctx.place, 8, _siren_of)


@family("company.fr_FR.siret")
def _siret(ctx: Making, *, max_sequential_digits: int = 2) -> Values:
    drawn = max_sequential_digits if 0 < max_sequential_digits <= 4 else 2

    def check(characters: Characters) -> Characters:
        fixed = np.full((len(characters), 4 - drawn), _ZERO, np.uint8)
        code = np.concatenate([luhn(characters[:, :8]), fixed, characters[:, 8:]], axis=1)
        return np.insert(luhn(code), [3, 6, 9], ord(" "), axis=1)

    return _digits(ctx.place, 8 + drawn, check)


@family("company.fr_FR.company_vat")
def _company_vat(ctx: Making, *, siren: str = "") -> Values | None:
    if siren:
        return None

    def check(characters: Characters) -> Characters:
        number = _numbers(luhn(characters)) @ 10 ** np.arange(8, -1, -1)
        key = (12 + 3 * (number % 97)) % 97
        head = np.broadcast_to(np.frombuffer(b"FR ", np.uint8), (len(characters), 3))
        gap = np.full((len(characters), 1), ord(" "), np.uint8)
        return np.concatenate([head, _characters(key // 10, key % 10), gap, _siren_of(characters)], axis=1)

    return _digits(ctx.place, 8, check)


def _cnpj_digits(characters: Characters) -> Characters:
    weights = np.array([6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
    for first in (1, 0):
        rest = (11 - _numbers(characters) @ weights[first:]) % 11
        digit = np.where(rest >= 10, 0, rest)
        characters = np.concatenate([characters, _characters(digit)], axis=1)
    return characters


def _company_base(provider: BrazilianFirms) -> Text | None:
    """Digits of the firm, then the number of its branch, which Faker leaves alone."""
    with LOCK:
        branches = {provider._company_id_base(False)[8:] for _ in range(_TRIES)}
    if len(branches) > 1 or not all(len(branch) == 4 and branch.isdigit() for branch in branches):
        return None
    return numerify(literal("########")) + literal(branches.pop())


@family("company.pt_BR.company_id")
def _company_id(ctx: Making, *, use_alphanumeric: bool = False) -> Values | None:
    base = None if use_alphanumeric else _company_base(ctx.provider)
    return None if base is None else Checked(ctx.place, base, _cnpj_digits)


@family("company.pt_BR.cnpj")
def _cnpj(ctx: Making, *, use_alphanumeric: bool = False) -> Values | None:
    def check(characters: Characters) -> Characters:
        signs = np.frombuffer(b"../-", np.uint8)
        return np.insert(_cnpj_digits(characters), [2, 5, 8, 12], signs, axis=1)

    base = None if use_alphanumeric else _company_base(ctx.provider)
    return None if base is None else Checked(ctx.place, base, check)


# ---------------------------------------------------------------- people


@family("ssn.pt_BR.rg")
def _rg(ctx: Making) -> Values:
    def check(characters: Characters) -> Characters:
        last = 11 - _numbers(characters) @ np.arange(2, 10) % 11
        code = np.select([last == 10, last == 11], [ord("X"), _ZERO], last + _ZERO).astype(np.uint8)
        return np.concatenate([characters, code[:, None]], axis=1)

    return _digits(ctx.place, 8, check)


@family("ssn.de_DE.kvnr")
def _kvnr(ctx: Making) -> Values:
    def digit(characters: Characters) -> Characters:
        numbers = _numbers(characters)
        twice = 2 * numbers[:, 1::2]
        return _characters((numbers[:, ::2].sum(axis=1) + (twice - 9 * (twice > 9)).sum(axis=1)) % 10)

    def check(characters: Characters) -> Characters:
        parts = [characters[:, :10], digit(characters[:, :10]), characters[:, 10:]]
        whole = np.concatenate(parts, axis=1)
        letter = (_numbers(whole[:, :2]) @ np.array([10, 1]) + ord("@")).astype(np.uint8)
        return np.concatenate([letter[:, None], whole[:, 2:], digit(whole)], axis=1)

    letters = table([f"{number:02d}" for number in range(1, 27)])
    return Checked(ctx.place, letters + numerify(literal("#" * 17)), check)
