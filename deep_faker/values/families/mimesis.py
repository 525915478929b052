"""Mimesis' methods that compute with what they draw: hashes, check digits, networks, colours.

Of hashes, tokens, card numbers and addresses a pool would have 10,000 at most, and none unique; running
numbers depend on the row, which values drawn beforehand do not.
"""

# ruff: noqa: ARG001 - the parameters are Mimesis' own

from __future__ import annotations

import hashlib
import string
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.compose.mimesis import OfFloats, Structures
from deep_faker.values.explore.marks import Node, digits_of
from deep_faker.values.families.check_digits import Characters, Checked, luhn
from deep_faker.values.families.distributions import Counting
from deep_faker.values.families.ids import Uuid4
from deep_faker.values.family import Making, family
from deep_faker.values.text.grammar import Text, either, hexify, literal, numerify, table
from deep_faker.values.text.grids import texts as texts_of

if TYPE_CHECKING:
    from mimesis.enums import Algorithm, CardType

_LONGEST = 1_000  # characters of a token


def defined_in_mimesis(method: Callable[..., object]) -> str:
    """Where a method of Mimesis' own comes from: ``"code.imei"``; nothing for those of others.

    >>> from mimesis.providers import Code
    >>> defined_in_mimesis(Code().imei)
    'code.imei'
    """
    module = method.__module__ or ""
    if not module.startswith("mimesis.providers."):
        return ""
    return f"{module.rpartition('.')[2]}.{method.__name__}"


def _text(place: Place, text: Text) -> Values:
    return texts_of(place, text, counted=True)


def _hex(length: int, *, upper: bool = False) -> Text:
    return hexify(literal("^" * length), upper=upper)


# ---------------------------------------------------------------- ids, hashes, tokens


class UuidObjects(Uuid4):
    """Version 4 UUIDs as objects."""

    kind = "uuid"

    def column_objects(self, rows: Rows) -> list[object]:
        return [uuid.UUID(text) for text in self.column(rows).to_pylist()]

    def one(self, flow: int, action: int, clock: int) -> uuid.UUID:
        return uuid.UUID(self._text(self._counter(flow, action)))


@family("cryptographic.uuid", source="mimesis")
def _uuid(ctx: Making) -> Values:
    return Uuid4(ctx.place)


@family("cryptographic.uuid_object", source="mimesis")
def _uuid_object(ctx: Making) -> Values:
    return UuidObjects(ctx.place)


@family("cryptographic.hash", source="mimesis")
def _hash(ctx: Making, *, algorithm: Algorithm | None = None) -> Values:
    from mimesis.enums import Algorithm

    kinds = list(Algorithm) if algorithm is None else [algorithm]
    lengths = [
        64 if kind.value.startswith("shake_") else 2 * hashlib.new(kind.value).digest_size for kind in kinds
    ]
    return _text(ctx.place, either([_hex(length) for length in lengths]))


@family("cryptographic.token_hex", source="mimesis")
def _token_hex(ctx: Making, *, entropy: int = 32) -> Values | None:
    return _text(ctx.place, _hex(2 * entropy)) if 0 < entropy <= _LONGEST else None


def _urlsafe(entropy: int) -> Text:
    """Six bits a character; the last one has those that are left, followed by zeros."""
    letters = tuple(string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_")
    assert urlsafe_b64encode(bytes([0xFB])) == b"-w=="
    whole, rest = divmod(8 * entropy, 6)
    out = literal("")
    for _ in range(whole):
        out = out + table(letters)
    return out + table(letters[:: 1 << (6 - rest)]) if rest else out


@family("cryptographic.token_urlsafe", source="mimesis")
def _token_urlsafe(ctx: Making, *, entropy: int = 32) -> Values | None:
    return _text(ctx.place, _urlsafe(entropy)) if 0 < entropy <= _LONGEST else None


@family("cryptographic.api_key", source="mimesis")
def _api_key(ctx: Making, *, prefix: str = "", length: int = 32, fmt: str = "hex") -> Values | None:
    if not 2 <= length <= _LONGEST:
        return None
    if fmt == "hex":
        return _text(ctx.place, literal(prefix) + _hex(length // 2 * 2))
    whole = _urlsafe(3 * length)  # no more than the first characters are used, which are all alike
    (share, row) = whole.alternatives[0]
    return _text(ctx.place, literal(prefix) + Text(((share, row[: length + 1]),)))


@family("cryptographic.certificate_fingerprint", source="mimesis")
def _fingerprint(ctx: Making, *, algorithm: str = "sha256") -> Values:
    pairs = {"sha256": 32, "sha1": 20}[algorithm]
    return _text(ctx.place, hexify(literal(":".join(["^^"] * pairs)), upper=True))


# ---------------------------------------------------------------- check digits


@family("code.imei", source="mimesis")
def _imei(ctx: Making) -> Values:
    from mimesis.datasets import IMEI_TACS

    return Checked(ctx.place, table(list(IMEI_TACS)) + digits_of(range(100_000, 1_000_000), "d"), luhn)


def _spaced(digits: Characters) -> Characters:
    """A card's number in its groups."""
    number = luhn(digits)
    ends = (4, 10) if number.shape[1] == 15 else (4, 8, 12)
    return np.insert(number, ends, ord(" "), axis=1)


@family("payment.credit_card_number", source="mimesis")
def _credit_card_number(ctx: Making, *, card_type: CardType | None = None) -> Values:
    from mimesis.enums import CardType

    def numbers(first: int, last: int) -> Text:
        return digits_of(range(first, last + 1), "d")

    texts = {
        CardType.VISA: numbers(4000, 4999) + numerify(literal("#" * 11)),
        CardType.MASTER_CARD: either([numbers(2221, 2720), numbers(5100, 5599)])
        + numerify(literal("#" * 11)),
        CardType.AMERICAN_EXPRESS: table(["34", "37"]) + numerify(literal("#" * 12)),
    }
    kinds = list(CardType) if card_type is None else [card_type]
    return Checked(ctx.place, either([texts[kind] for kind in kinds]), _spaced)


# ---------------------------------------------------------------- networks


def _groups_v6() -> tuple[Text, Text]:
    return table([f"{n:x}" for n in range(65536)]), table([f":{n:x}" for n in range(65536)])


def _ip_v6_text() -> Text:
    """As written; two zero groups side by side (a chance of 1.6e-9), which are shortened, are left out."""
    first, more = _groups_v6()
    out = first
    for _ in range(7):
        out = out + more
    return out


@family("internet.ip_v6", source="mimesis")
def _ip_v6(ctx: Making) -> Values:
    return _text(ctx.place, _ip_v6_text())


@family("internet.ip_v6_object", source="mimesis")
def _ip_v6_object(ctx: Making) -> Values:
    from ipaddress import IPv6Address

    return Structures(ctx.place, literal('"') + _ip_v6_text() + literal('"'), IPv6Address)


@family("internet.ip_v4_cidr", source="mimesis")
def _ip_v4_cidr(ctx: Making) -> Values:
    def octet(bits: int) -> Text:
        return table([str(n) for n in range(0, 256, 1 << (8 - bits))])

    def network(prefix: int) -> Text:
        bits = [min(max(prefix - 8 * octets, 0), 8) for octets in range(4)]
        out = octet(bits[0])
        for each in bits[1:]:
            out = out + literal(".") + octet(each)
        return out + literal(f"/{prefix}")

    return _text(ctx.place, either([network(prefix) for prefix in range(33)]))


@family("internet.ip_v6_cidr", source="mimesis")
def _ip_v6_cidr(ctx: Making) -> Values:
    first, more = _groups_v6()

    def network(prefix: int) -> Text:
        whole, bits = divmod(prefix, 16)
        out = literal("")
        for group in range(whole):
            out = out + (more if group else first)
        if not bits:
            return out + literal(_zeros(8 - whole) + f"/{prefix}")
        steps = [f"{n:x}" for n in range(1 << (16 - bits), 65536, 1 << (16 - bits))]
        mark = ":" if whole else ""
        some = out + table([mark + step for step in steps]) + literal(_zeros(7 - whole))
        none = out + literal(_zeros(8 - whole))
        share = 2.0**-bits  # of the cut group being zero
        return either([some, none], [1 - share, share]) + literal(f"/{prefix}")

    return _text(ctx.place, either([network(prefix) for prefix in range(129)]))


def _zeros(groups: int) -> str:
    """The zero groups at the end, which are shortened where there are two or more."""
    return "::" if groups > 1 else ":0" * groups


# ---------------------------------------------------------------- numbers and colours


def _floats(bounds: list[tuple[float, float, int]]) -> list[Node]:
    return [
        Node(number, 0, lambda drawn: drawn, bounds=(low, high), digits=digits)
        for number, (low, high, digits) in enumerate(bounds)
    ]


class _OfComplex(TypedDict):
    start_real: float
    end_real: float
    start_imag: float
    end_imag: float
    precision_real: int
    precision_imag: int


def _pair(arguments: _OfComplex) -> list[tuple[float, float, int]]:
    real = arguments["start_real"], arguments["end_real"], arguments["precision_real"]
    return [real, (arguments["start_imag"], arguments["end_imag"], arguments["precision_imag"])]


@family("numeric.complex_number", source="mimesis")
def _complex_number(ctx: Making, **arguments: Unpack[_OfComplex]) -> Values:
    return OfFloats(ctx.place, _floats(_pair(arguments)), lambda row: complex(*row))


@family("numeric.complexes", source="mimesis")
def _complexes(ctx: Making, *, n: int, **arguments: Unpack[_OfComplex]) -> Values | None:
    if n < 1:
        return None
    parts = _floats(_pair(arguments) * n)
    ends = range(2, 2 * n + 1, 2)
    return OfFloats(ctx.place, parts, lambda row: [complex(*row[end - 2 : end]) for end in ends])


_PRECISION = 15  # decimals of Mimesis' floats


@family("numeric.decimal_number", source="mimesis")
def _decimal_number(ctx: Making, *, start: float, end: float) -> Values:
    return OfFloats(ctx.place, _floats([(start, end, _PRECISION)]), lambda row: Decimal(row[0]), "decimal")


@family("numeric.decimals", source="mimesis")
def _decimals(ctx: Making, *, start: float, end: float, n: int) -> Values | None:
    if n < 1:
        return None
    return OfFloats(ctx.place, _floats([(start, end, _PRECISION)] * n), lambda row: [Decimal(x) for x in row])


@family("numeric.increment", source="mimesis")
def _increment(ctx: Making, *, accumulator: str | None = None) -> Values:
    return Counting(ctx.place, 1, 1)


@family("text.rgb_color", source="mimesis")
def _rgb_color(ctx: Making, *, safe: bool = False) -> Values | None:
    if safe:
        return None
    part = table([str(n) for n in range(256)])
    comma = literal(", ")
    return Structures(ctx.place, literal("[") + part + comma + part + comma + part + literal("]"), tuple)
