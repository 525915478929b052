"""Provider methods of Faker whose arithmetic is a plain table: codes, colours, hashes, kinds of files.

Each takes a provider and reads what Faker keeps in it, so that a locale's own tables count.
"""

# ruff: noqa: ARG001 - Faker's own parameters

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deep_faker.values.text.grammar import NotAGrammarError, Text, either, lexify, literal, numerify, table

_UPPER = tuple(string.ascii_uppercase)
_UPPER_DIGITS = tuple(string.ascii_uppercase + string.digits)
_BYTES = table([f"{byte:02x}" for byte in range(256)])
_OCTETS = table([str(octet) for octet in range(256)])


def _repeated(text: Text, times: int) -> Text:
    out = text
    for _ in range(times - 1):
        out = out + text
    return out


# ---------------------------------------------------------------- banks and cards


def bban(provider: Any) -> Text:
    """A basic bank account number of the locale's format."""
    return numerify(lexify(literal(provider.bban_format), _UPPER))


def swift(provider: Any, length: int | None = None, primary: bool = False, use_dataset: bool = False) -> Text:
    if length is None:
        return either([swift(provider, each, primary, use_dataset) for each in (8, 11)])
    if length not in (8, 11):
        raise NotAGrammarError("length")

    def part(name: str, pattern: str, letters: Sequence[str]) -> Text:
        if use_dataset and hasattr(provider, name):
            return table([str(code) for code in getattr(provider, name)])
        return lexify(literal(pattern), letters)

    bank = part("swift_bank_codes", "????", _UPPER)
    place = part("swift_location_codes", "??", _UPPER_DIGITS)
    text = bank + literal(provider.country_code) + place
    if length == 8:
        return text
    return text + (literal("XXX") if primary else part("swift_branch_codes", "???", _UPPER_DIGITS))


def swift8(provider: Any, use_dataset: bool = False) -> Text:
    return swift(provider, 8, use_dataset=use_dataset)


def swift11(provider: Any, primary: bool = False, use_dataset: bool = False) -> Text:
    return swift(provider, 11, primary, use_dataset)


def card_types(provider: Any, card_type: Any) -> list[Any]:
    """The kinds of card that are meant, each equally likely."""
    types: Mapping[str, Any] = provider.credit_card_types
    if card_type is None:
        return list(types.values())
    return [types[card_type]] if isinstance(card_type, str) else [card_type]


def credit_card_provider(provider: Any, card_type: Any = None) -> Text:
    return table([card.name for card in card_types(provider, card_type)])


def credit_card_security_code(provider: Any, card_type: Any = None) -> Text:
    cards = card_types(provider, card_type)
    return either([numerify(literal("#" * card.security_code_length)) for card in cards])


# ---------------------------------------------------------------- hashes and colours


def _hash(length: int) -> Callable[..., Text]:
    def digest(provider: Any, raw_output: bool = False) -> Text:
        """What a hash of random text looks like: every byte is as likely as any other."""
        if raw_output:
            raise NotAGrammarError("bytes")
        return _repeated(_BYTES, length)

    return digest


def hex_color(provider: Any) -> Text:
    """#000001 to #ffffff."""
    high, low = [f"#{n:03x}" for n in range(4096)], [f"{n:03x}" for n in range(4096)]
    whole = table(high[1:]) + table(low)
    return either([whole, literal(high[0]) + table(low[1:])], [4095 * 4096, 4095])


def safe_hex_color(provider: Any) -> Text:
    return literal("#") + _repeated(table([f"{17 * n:02x}" for n in range(16)]), 3)


def rgb_color(provider: Any) -> Text:
    return _OCTETS + literal(",") + _OCTETS + literal(",") + _OCTETS


def color_name(provider: Any) -> Text:
    return table(list(provider.all_colors))


# ---------------------------------------------------------------- files and the internet


def _of_category(kinds: Mapping[str, Any], category: str | None) -> Text:
    if category is not None:
        return table(list(kinds[category]))
    return either([table(list(names)) for names in kinds.values()])


def file_extension(provider: Any, category: str | None = None) -> Text:
    return _of_category(provider.file_extensions, category)


def mime_type(provider: Any, category: str | None = None) -> Text:
    return _of_category(provider.mime_types, category or None)


def file_name(provider: Any, category: str | None = None, extension: str | None = None) -> Text:
    words = table(list(provider.generator.get_words_list()))
    if extension is None:
        return words + literal(".") + file_extension(provider, category)
    return words + literal(f".{extension}") if extension else words


def uri_path(provider: Any, deep: int | None = None) -> Text:
    paths = table(list(provider.uri_paths))
    deeper = table([f"/{path}" for path in provider.uri_paths])
    texts = [paths]
    for _ in range((deep or 3) - 1):
        texts.append(texts[-1] + deeper)
    return texts[-1] if deep else either(texts)


def _handle(before: str, after: str) -> Text:
    letters, digits = table(_UPPER), table(tuple("123456789"))
    return either(
        [
            literal(before) + _repeated(letters, n) + _repeated(digits, m) + literal(after)
            for n in range(2, 5)
            for m in range(1, 6)
        ]
    )


def ripe_id(provider: Any) -> Text:
    return _handle("ORG-", "-RIPE")


def nic_handle(provider: Any, suffix: str = "FAKE") -> Text:
    if len(suffix) < 2 or any(c in "#%!@$?" for c in suffix):
        raise NotAGrammarError("suffix")
    return _handle("", f"-{suffix}".upper())


def ipv6(provider: Any, network: bool = False) -> Text:
    """Addresses as they are written; the chance of two zero groups side by side (1.6e-9), which would be
    shortened to ``::``, is left out."""
    if network:
        raise NotAGrammarError("networks")
    first, more = table([f"{n:x}" for n in range(65536)]), table([f":{n:x}" for n in range(65536)])
    return first + _repeated(more, 7)


# ---------------------------------------------------------------- people


def license_plate(provider: Any) -> Text:
    return either([numerify(lexify(literal(form), _UPPER)) for form in provider.license_formats])


def ssn(provider: Any, taxpayer_identification_number_type: str = "SSN") -> Text:
    """A social security number of the United States: 666 and 900 to 999 are no areas."""
    if taxpayer_identification_number_type != "SSN":
        raise NotAGrammarError("other numbers")
    areas = [f"{667 if area == 666 else area:03d}-" for area in range(1, 900)]
    return (
        table(areas)
        + table([f"{group:02d}-" for group in range(1, 100)])
        + table([f"{serial:04d}" for serial in range(1, 10_000)])
    )


CODES: dict[tuple[str, str], Callable[..., Text]] = {
    **{("faker.providers.bank", f.__name__): f for f in (bban, swift, swift8, swift11)},
    **{
        ("faker.providers.credit_card", f.__name__): f
        for f in (credit_card_provider, credit_card_security_code)
    },
    **{("faker.providers.misc", name): _hash(n) for name, n in (("md5", 16), ("sha1", 20), ("sha256", 32))},
    **{("faker.providers.color", f.__name__): f for f in (hex_color, safe_hex_color, rgb_color, color_name)},
    **{("faker.providers.file", f.__name__): f for f in (file_extension, mime_type, file_name)},
    **{("faker.providers.internet", f.__name__): f for f in (uri_path, ripe_id, nic_handle, ipv6)},
    ("faker.providers.automotive", "license_plate"): license_plate,
    ("faker.providers.ssn.en_US", "ssn"): ssn,
}
