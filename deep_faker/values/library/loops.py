"""Provider methods of Faker whose loops are a plain distribution, written down as grammars."""

# ruff: noqa: SLF001, ARG001 - each takes a provider and reads what Faker keeps in it

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

from deep_faker.values.library.codes import CODES
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, table


def words_of(provider: Any, part_of_speech: Any, ext_word_list: Any) -> list[str]:
    words: list[str] = provider.get_words_list(part_of_speech=part_of_speech, ext_word_list=ext_word_list)
    return words


def _word(provider: Any, part_of_speech: Any = None, ext_word_list: Any = None) -> Text:
    return table(words_of(provider, part_of_speech, ext_word_list))


def _sentence(
    provider: Any, nb_words: int = 6, variable_nb_words: bool = True, ext_word_list: Any = None
) -> Text:
    """Words with the first one capitalised; the number of words is between 60 and 140 % of ``nb_words``."""
    if nb_words <= 0:
        return literal("")
    counts = (
        [max(int(nb_words * percent / 100), 1) for percent in range(60, 141)]
        if variable_nb_words
        else [nb_words]
    )
    if max(counts) > 100:
        raise NotAGrammarError("long sentences")
    words = words_of(provider, None, ext_word_list)
    gap, stop = provider.word_connector, provider.sentence_punctuation
    first, middle = table([word.title() for word in words]), table([gap + word for word in words])
    lengths = sorted(set(counts))
    sentences = {1: first}
    for length in range(2, lengths[-1] + 1):
        sentences[length] = sentences[length - 1] + middle
    texts = [sentences[length] + literal(stop) for length in lengths]
    return either(texts, [counts.count(length) for length in lengths])


def _ipv4(provider: Any, network: bool = False, address_class: Any = None, private: Any = None) -> Text:
    """Addresses of the networks that Faker allows, each in proportion to its size."""
    if private is not None:
        found = _ipv4_private if private else _ipv4_public
        return found(provider, network, address_class)
    return _addresses(provider._get_all_networks_and_weights(address_class=address_class), network)


def _ipv4_private(provider: Any, network: bool = False, address_class: Any = None) -> Text:
    return either(
        [_addresses(provider._get_private_networks_and_weights(c), network) for c in _class(address_class)]
    )


def _ipv4_public(provider: Any, network: bool = False, address_class: Any = None) -> Text:
    return either(
        [_addresses(provider._get_public_networks_and_weights(c), network) for c in _class(address_class)]
    )


def _class(given: Any) -> tuple[str, ...]:
    return (given,) if given in ("a", "b", "c") else ("a", "b", "c")


def _addresses(allowed: tuple[list[Any], list[int]], network: bool) -> Text:
    if network:
        raise NotAGrammarError("networks")
    networks, weights = allowed
    return either([_hosts(each) for each in networks], [float(weight) for weight in weights])


def _hosts(network: Any) -> Text:
    text = literal("")
    for at, (low, high) in enumerate(zip(network[0].packed, network[-1].packed, strict=True)):
        octets = _OCTETS if (low, high) == (0, 255) else table([str(octet) for octet in range(low, high + 1)])
        text = text + (literal(".") + octets if at else octets)
    return text


_OCTETS = table([str(octet) for octet in range(256)])


def _mac_address(provider: Any, multicast: bool = False) -> Text:
    text = table([f"{first:02x}" for first in (range(1, 255, 2) if multicast is True else range(0, 254, 2))])
    byte = table([f":{byte:02x}" for byte in range(256)])
    return text + byte + byte + byte + byte + byte


def _acronym(provider: Any) -> Text:
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
    ("faker.providers.lorem", "sentence"): _sentence,
}
