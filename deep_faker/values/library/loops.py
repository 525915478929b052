"""Provider methods of Faker whose loops are a plain distribution, written down as grammars."""

# ruff: noqa: SLF001, ARG001 - each takes a provider and reads what Faker keeps in it

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deep_faker.values.library.codes import CODES
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, table

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from faker.providers import BaseProvider
    from faker.providers.internet import Provider as Internet
    from faker.providers.lorem import Provider as Lorem


def words_of(provider: Lorem, part_of_speech: str | None, ext_word_list: Sequence[str] | None) -> list[str]:
    return provider.get_words_list(part_of_speech=part_of_speech, ext_word_list=ext_word_list)


def _word(
    provider: Lorem, part_of_speech: str | None = None, ext_word_list: Sequence[str] | None = None
) -> Text:
    return table(words_of(provider, part_of_speech, ext_word_list))


def _ipv4(
    provider: Internet, network: bool = False, address_class: str | None = None, private: bool | None = None
) -> Text:
    """Addresses of the networks that Faker allows, each in proportion to its size."""
    if private is not None:
        addresses = _ipv4_private if private else _ipv4_public
        return addresses(provider, network, address_class)
    return _addresses(provider._get_all_networks_and_weights(address_class=address_class), network)


def _ipv4_private(provider: Internet, network: bool = False, address_class: str | None = None) -> Text:
    return either(
        [_addresses(provider._get_private_networks_and_weights(c), network) for c in _class(address_class)]
    )


def _ipv4_public(provider: Internet, network: bool = False, address_class: str | None = None) -> Text:
    return either(
        [_addresses(provider._get_public_networks_and_weights(c), network) for c in _class(address_class)]
    )


def _class(address_class: str | None) -> tuple[str, ...]:
    return (address_class,) if address_class in ("a", "b", "c") else ("a", "b", "c")


def _addresses(allowed: tuple[list[IPv4Network], list[int]], network: bool) -> Text:
    if network:
        raise NotAGrammarError("networks")
    networks, weights = allowed
    return either([_hosts(each) for each in networks], [float(weight) for weight in weights])


def _hosts(network: IPv4Network) -> Text:
    text = literal("")
    for number, (low, high) in enumerate(zip(network[0].packed, network[-1].packed, strict=True)):
        octets = _OCTETS if (low, high) == (0, 255) else table([str(octet) for octet in range(low, high + 1)])
        text = text + (literal(".") + octets if number else octets)
    return text


_OCTETS = table([str(octet) for octet in range(256)])


def _mac_address(provider: Internet, multicast: bool = False) -> Text:
    text = table([f"{first:02x}" for first in (range(1, 255, 2) if multicast is True else range(0, 254, 2))])
    byte = table([f":{byte:02x}" for byte in range(256)])
    return text + byte + byte + byte + byte + byte


def _acronym(provider: BaseProvider) -> Text:
    """Two to four letters, all capital ones."""
    letter = table(tuple(string.ascii_uppercase))
    return either([letter + letter, letter + letter + letter, letter + letter + letter + letter])


SPECIAL: dict[tuple[str, str], Callable[..., Text]] = {
    **CODES,
    ("faker.providers.internet", "ipv4"): _ipv4,
    ("faker.providers.internet", "ipv4_private"): _ipv4_private,
    ("faker.providers.internet", "ipv4_public"): _ipv4_public,
    ("faker.providers.internet", "mac_address"): _mac_address,
    ("faker.providers.company.es_ES", "random_company_acronym"): _acronym,
    ("faker.providers.lorem", "word"): _word,
}
