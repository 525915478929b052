"""Provider methods of Faker whose arithmetic is a plain table: accounts, cards, files, addresses, plates.

Each takes a provider and reads what Faker keeps in it, so that a locale's own tables count.
"""

# ruff: noqa: ARG001 - Faker's own parameters

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from deep_faker.values.text.grammar import NotAGrammarError, Text, either, lexify, literal, numerify, table

if TYPE_CHECKING:
    from faker.providers import BaseProvider, ElementsType
    from faker.providers.automotive import Provider as Automotive
    from faker.providers.bank import Provider as Bank
    from faker.providers.credit_card import Provider as CreditCards
    from faker.providers.file import Provider as Files
    from faker.providers.internet import Provider as Internet
    from faker.typing import CreditCard

_UPPER = tuple(string.ascii_uppercase)


def _repeated(text: Text, times: int) -> Text:
    out = text
    for _ in range(times - 1):
        out = out + text
    return out


# ---------------------------------------------------------------- banks and cards


def bban(provider: Bank) -> Text:
    """A basic bank account number of the locale's format."""
    return numerify(lexify(literal(provider.bban_format), _UPPER))


def card_types(provider: CreditCards, card_type: str | CreditCard | None) -> list[CreditCard]:
    """The kinds of card that are meant, each equally likely."""
    types = provider.credit_card_types
    if card_type is None:
        return list(types.values())
    return [types[card_type]] if isinstance(card_type, str) else [card_type]


def credit_card_provider(provider: CreditCards, card_type: str | CreditCard | None = None) -> Text:
    return table([card.name for card in card_types(provider, card_type)])


def credit_card_security_code(provider: CreditCards, card_type: str | CreditCard | None = None) -> Text:
    cards = card_types(provider, card_type)
    return either([numerify(literal("#" * card.security_code_length)) for card in cards])


def hex_color(provider: BaseProvider) -> Text:
    """#000001 to #ffffff."""
    high, low = [f"#{n:03x}" for n in range(4096)], [f"{n:03x}" for n in range(4096)]
    whole = table(high[1:]) + table(low)
    return either([whole, literal(high[0]) + table(low[1:])], [4095 * 4096, 4095])


# ---------------------------------------------------------------- files and the internet


def _of_category(kinds: Mapping[str, ElementsType[str]], category: str | None) -> Text:
    if category is not None:
        return table(list(kinds[category]))
    return either([table(list(names)) for names in kinds.values()])


def file_extension(provider: Files, category: str | None = None) -> Text:
    return _of_category(provider.file_extensions, category)


def file_name(provider: Files, category: str | None = None, extension: str | None = None) -> Text:
    words = table(list(provider.generator.get_words_list()))
    if extension is None:
        return words + literal(".") + file_extension(provider, category)
    return words + literal(f".{extension}") if extension else words


def uri_path(provider: Internet, deep: int | None = None) -> Text:
    paths = table(list(provider.uri_paths))
    deeper = table([f"/{path}" for path in provider.uri_paths])
    texts = [paths]
    for _ in range((deep or 3) - 1):
        texts.append(texts[-1] + deeper)
    return texts[-1] if deep else either(texts)


def ipv6(provider: Internet, network: bool = False) -> Text:
    """Addresses as they are written; the chance of two zero groups side by side (1.6e-9), which would be
    shortened to ``::``, is left out."""
    if network:
        raise NotAGrammarError("networks")
    first, more = table([f"{n:x}" for n in range(65536)]), table([f":{n:x}" for n in range(65536)])
    return first + _repeated(more, 7)


# ---------------------------------------------------------------- people


def license_plate(provider: Automotive) -> Text:
    return either([numerify(lexify(literal(form), _UPPER)) for form in provider.license_formats])


def ssn(provider: BaseProvider, taxpayer_identification_number_type: str = "SSN") -> Text:
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
    ("faker.providers.automotive", "license_plate"): license_plate,
    ("faker.providers.bank", "bban"): bban,
    ("faker.providers.credit_card", "credit_card_provider"): credit_card_provider,
    ("faker.providers.credit_card", "credit_card_security_code"): credit_card_security_code,
    ("faker.providers.file", "file_extension"): file_extension,
    ("faker.providers.file", "file_name"): file_name,
    ("faker.providers.internet", "ipv6"): ipv6,
    ("faker.providers.internet", "uri_path"): uri_path,
    ("faker.providers.ssn.en_US", "ssn"): ssn,
}
