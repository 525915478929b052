"""Numbers of people, firms and books, by column: the free part is a grammar, then the check digits.

Each reads what Faker keeps in the provider, so that another locale's or a newer version's tables count.
A pool would have at most 10,000 people or books; here every number can be drawn, and each passes its check.
"""

# ruff: noqa: ARG001, SLF001 - Faker's own parameters; its tables of check characters are private

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from deep_faker.draws.mix import I64
from deep_faker.values.base import Place, Values
from deep_faker.values.choices import Elements
from deep_faker.values.families.check_digits import Characters, Check, Checked
from deep_faker.values.family import Making, family
from deep_faker.values.text.checksums import Control
from deep_faker.values.text.grammar import (
    NotAGrammarError,
    Text,
    either,
    lexify,
    literal,
    number_range,
    numerify,
    table,
)
from deep_faker.values.text.grids import texts

if TYPE_CHECKING:
    from faker.providers.ssn.es_ES import Provider as SpanishNumbers

T = TypeVar("T", int, str)
_ZERO = ord("0")
_UPPER = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _pattern(place: Place, text: Text) -> Values:
    return texts(place, text, counted=True)


def _digits(count: int) -> Text:
    return numerify(literal("#" * count))


def _range(low: int, high: int, width: int) -> Text:
    return table([f"{number:0{width}d}" for number in range(low, high + 1)])


def _numbers(characters: Characters) -> I64:
    return characters.astype(np.int64) - _ZERO


def _appended(characters: Characters, codes: I64) -> Characters:
    return np.concatenate([characters, codes.astype(np.uint8).reshape(len(characters), -1)], axis=1)


def _remainder(characters: Characters, modulus: int) -> I64:
    rest = np.zeros(len(characters), np.int64)
    for column in _numbers(characters).T:
        rest = (rest * 10 + column) % modulus
    return rest


def _two_digits(numbers: I64) -> I64:
    return np.stack([numbers // 10, numbers % 10], axis=1) + _ZERO


# ---------------------------------------------------------------- books and barcodes


@family("isbn.isbn10", ten=True)
@family("isbn.isbn13", ten=False)
def _isbn(ctx: Making, *, separator: str, ten: bool) -> Values | None:
    if not separator.isascii() or any(character.isdigit() for character in separator):
        return None
    forms, weights = [], []
    for ean, groups in ctx.provider.rules.items():
        for group, rules in groups.items():
            head = group if ten else f"{ean}{separator}{group}"
            total = 12 - len(ean) - len(group)
            for low, high, length in rules:
                forms.append(_registrant(head, low, high, length, total, separator))
                share = (int(high) - int(low) + 1) / 10 ** (total - 1)
                weights.append(share / len(groups) / len(ctx.provider.rules))
    # Where the rules leave gaps Faker fails for some of its own draws: what it does give is alike.

    def check(characters: Characters) -> Characters:
        written = (characters >= _ZERO) & (characters <= ord("9"))
        digits = _numbers(characters[written].reshape(len(characters), 9 if ten else 12))
        if ten:
            number = digits @ np.arange(1, 10) % 11
            codes = np.where(number == 10, ord("X"), number + _ZERO)
        else:
            codes = -(digits @ np.array([1, 3] * 6)) % 10 + _ZERO
        tail = np.broadcast_to(np.frombuffer(separator.encode(), np.uint8), (len(characters), len(separator)))
        return _appended(np.concatenate([characters, tail], axis=1), codes)

    control = Control(check, modulus=11 if ten else 10, gap=separator)
    return Checked(ctx.place, either(forms, weights), control)


def _registrant(head: str, low: str, high: str, length: int, total: int, separator: str) -> Text:
    """The numbers of one rule: its registrants are whole ranges of their first digits."""
    if low[length:].strip("0") or high[length:].strip("9") or not len(low) == len(high) == total - 1:
        raise NotAGrammarError("rules that cut registrants")
    registrants = number_range(int(low[:length]), int(high[:length]), length)
    return literal(head + separator) + registrants + literal(separator) + _digits(total - length)


@family("barcode.en_US.upc_a")
def _upc_a(
    ctx: Making, *, upc_ae_mode: bool, base: str | None, number_system_digit: int | None
) -> Values | None:
    if upc_ae_mode is True:
        return None

    def check(characters: Characters) -> Characters:
        return _appended(characters, -(_numbers(characters) @ np.array([3, 1] * 5 + [3])) % 10 + _ZERO)

    return Checked(ctx.place, _digits(11), Control(check, modulus=10))


# ---------------------------------------------------------------- United States


def _constants(function: Callable[..., object], of: type[T]) -> list[T]:
    """The one long list of constants that a method of Faker's keeps in its body."""
    code = inspect.unwrap(function).__code__
    lists = [
        each
        for each in code.co_consts
        if isinstance(each, tuple) and len(each) > 9 and all(type(value) is of for value in each)
    ]
    if len(lists) != 1:
        raise NotAGrammarError("no such list")
    return list(lists[0])


@family("ssn.en_US.ein")
def _ein(ctx: Making) -> Values:
    prefixes = _constants(ctx.provider.ein, str)
    return _pattern(ctx.place, table(prefixes) + literal("-") + _digits(7))


@family("ssn.en_US.itin")
def _itin(ctx: Making) -> Values:
    groups = table([f"-{group}-" for group in range(70, 100) if group not in (89, 93)])
    return _pattern(ctx.place, _range(900, 999, 3) + groups + _digits(4))


@family("ssn.en_US.invalid_ssn")
def _invalid_ssn(ctx: Making) -> Values:
    """Faker's four ways to be wrong, each as likely as with Faker."""
    used = set(_constants(ctx.provider.invalid_ssn, int))
    areas = table([f"{area:03d}" for area in range(1, 900) if area != 666])
    never = table(["000", "666"])
    groups = table([f"{group:02d}" for group in range(100) if group not in used])
    dash = literal("-")
    return _pattern(
        ctx.place,
        either(
            [
                areas + literal("-00-") + _digits(4),
                areas + dash + _digits(2) + literal("-0000"),
                never + dash + _digits(2) + dash + _digits(4),
                _range(900, 999, 3) + dash + groups + dash + _digits(4),
            ],
            [449, 449, 2, 100],
        ),
    )


# ---------------------------------------------------------------- Germany, France


@family("ssn.de_DE.vat_id")
def _vat_id_de(ctx: Making) -> Values:
    def check(characters: Characters) -> Characters:
        product = np.full(len(characters), 10, np.int64)  # ISO 7064, mod 11,10
        for column in _numbers(characters[:, 2:]).T:
            total = (column + product) % 10
            product = 2 * np.where(total == 0, 10, total) % 11
        return _appended(characters, (11 - product) % 10 + _ZERO)

    return Checked(ctx.place, numerify(literal("DE%#######")), check)


@family("ssn.fr_FR.ssn")
def _ssn_fr(ctx: Making) -> Values:
    places = table([each[0] + each[1] for each in ctx.provider.departments_and_municipalities])

    def check(characters: Characters) -> Characters:
        plain = characters.copy()  # the departments of Corsica, 2A and 2B, count as 19 and 18
        for letter, digit in (("A", "9"), ("B", "8")):
            corsican = characters[:, 6] == ord(letter)
            plain[corsican, 5], plain[corsican, 6] = ord("1"), ord(digit)
        return _appended(characters, _two_digits(97 - _remainder(plain, 97)))

    text = table(["1", "2"]) + _range(0, 99, 2) + _range(1, 12, 2) + places + _range(1, 999, 3)
    return Checked(ctx.place, text, check)


# ---------------------------------------------------------------- Brazil


def _cpf_digits(characters: Characters) -> Characters:
    for count in (9, 10):
        number = _numbers(characters) @ np.arange(count + 1, 1, -1) % 11
        characters = _appended(characters, np.where(number < 2, 0, 11 - number) + _ZERO)
    return characters


@family("ssn.pt_BR.ssn")
def _ssn_br(ctx: Making) -> Values:
    return Checked(ctx.place, _digits(9), _cpf_digits)


@family("ssn.pt_BR.cpf")
def _cpf(ctx: Making) -> Values:
    return Checked(ctx.place, _digits(9), _cpf_written)


def _cpf_written(characters: Characters) -> Characters:
    whole = _cpf_digits(characters)
    return np.insert(whole, [3, 6, 9], np.frombuffer(b"..-", np.uint8), axis=1)


# ---------------------------------------------------------------- Spain


def _doi(provider: SpanishNumbers) -> Check:
    letters = np.array([ord(provider._calculate_control_doi(str(rest))) for rest in range(23)])

    def check(characters: Characters) -> Characters:
        plain = characters.copy()
        plain[:, 0] = np.where(plain[:, 0] > ord("9"), plain[:, 0] - ord("X") + _ZERO, plain[:, 0])
        return _appended(characters, letters[_remainder(plain, 23)])

    return check


@family("ssn.es_ES.nif")
def _nif(ctx: Making) -> Values:
    return Checked(ctx.place, _digits(8), _doi(ctx.provider))


@family("ssn.es_ES.nie")
def _nie(ctx: Making) -> Values:
    return Checked(ctx.place, table(["X", "Y", "Z"]) + _digits(7), _doi(ctx.provider))


@family("ssn.es_ES.cif")
def _cif(ctx: Making) -> Values:
    kinds = "ABCDEFGHJNPQRSUVW"
    lettered = np.zeros(128, bool)
    for kind in kinds:
        lettered[ord(kind)] = ctx.provider._calculate_control_cif(f"{kind}0000000").isalpha()

    def check(characters: Characters) -> Characters:
        digits = _numbers(characters[:, 1:])
        twice = 2 * digits[:, ::2]
        number = 10 - ((twice - 9 * (twice > 9)).sum(axis=1) + digits[:, 1::2].sum(axis=1)) % 10
        return _appended(
            characters, np.where(lettered[characters[:, 0]], number + ord("@"), number % 10 + _ZERO)
        )

    return Checked(ctx.place, table(tuple(kinds)) + _digits(7), check)


@family("ssn.es_ES.nuss")
def _nuss(ctx: Making, *, company: bool = False) -> Values:
    provinces = table([f"{number:02d}" for number in (*range(1, 54), 66)])

    def check(characters: Characters) -> Characters:
        return _appended(characters, _two_digits(_remainder(characters, 97)))

    return Checked(ctx.place, provinces + _digits(7 if company else 8), check)


# ---------------------------------------------------------------- passports and places


@family("passport.passport_number")
def _passport_number(ctx: Making) -> Values | None:
    forms = ctx.provider.passport_number_formats
    if not forms:
        return None
    weights = list(forms.values()) if isinstance(forms, dict) else None
    return _pattern(ctx.place, either([numerify(lexify(literal(form), _UPPER)) for form in forms], weights))


@family("geo.local_latlng")
def _local_latlng(ctx: Making, *, country_code: str = "US", coords_only: bool = False) -> Values | None:
    places = [each for each in ctx.provider.land_coords if each[3] == country_code]
    values = [(each[0], each[1]) if coords_only else each for each in places]
    return Elements(ctx.place, values, None) if values else None
