"""``unique=True`` for numbers of several forms: cards, social security numbers, plates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeepFakerError, KeySpaceError
from deep_faker.values import Place, Rows, make
from tests.support.two_samples import compare
from tests.support.worlds.provider_world import START

CASES = [
    *[("en_US", name) for name in ("ssn", "credit_card_number", "ein", "itin")],
    *[("fr_FR", name) for name in ("ssn", "license_plate", "siren", "iban")],
    *[("de_DE", "phone_number"), ("pt_BR", "cpf"), ("es_ES", "nif")],
]


def provider(name, locale, **arguments):
    spec = replace(GeneratorSpec("faker", name, tuple(arguments.items()), locale), unique=True)
    return make(spec, Place(Draws(1), ("field", "E", name), START))


def rows(n, first=0):
    number = np.arange(first, first + n, dtype=np.uint64)
    return Rows(number, np.ones(n, np.uint64), np.zeros(n, np.int64))


@pytest.mark.slow
@pytest.mark.parametrize(("locale", "name"), CASES)
def test_no_value_comes_twice(locale, name):
    made = provider(name, locale)
    values = made.column(rows(20_000)).to_pylist()
    assert len(set(values)) == 20_000
    assert [made.one(flow, 1, 0) for flow in range(30)] == values[:30]
    assert made.column(rows(100, first=50)).to_pylist() == values[50:150]
    keys = made.unique(np.arange(20_000, dtype=np.uint64)).to_pylist()
    assert len(set(keys)) == 20_000
    assert f"{made.capacity:,}" in made.detail


def test_a_small_space_is_used_to_its_end():
    made = provider("numerify", "en_US", text="A%#")
    assert sorted(made.unique(np.arange(90, dtype=np.uint64)).to_pylist()) == [
        f"A{n}" for n in range(10, 100)
    ]
    with pytest.raises(KeySpaceError, match="90 different values"):
        made.unique(np.arange(91, dtype=np.uint64))


@pytest.mark.slow
def test_cards_are_valid_and_of_each_kind_as_often_as_without_unique():
    values = provider("credit_card_number", "en_US").column(rows(20_000)).to_pylist()
    for value in values:
        digits = [int(digit) for digit in value[::-1]]
        assert (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0
    spec = GeneratorSpec("faker", "credit_card_number", (), "en_US")
    plain = make(spec, Place(Draws(1), ("field", "E", "v"), START))
    theirs = plain.column(rows(20_000)).to_pylist()
    heads = [[f"{value[:2]} of {len(value)}" for value in sample] for sample in (values, theirs)]
    assert min(compare(*heads).values()) > 1e-9


def test_the_error_says_the_size_of_the_space():
    made = provider("credit_card_number", "en_US", card_type="visa13")
    with pytest.raises(KeySpaceError, match=r"it has 100,000,000,000 different values"):
        made.column(rows(1, first=1 << 40))


def test_texts_that_may_be_equal_are_refused():
    """A name of two tables of words of different lengths could be joined in two ways."""
    with pytest.raises(DeepFakerError, match="how many different values"):
        provider("name", "en_US")


def test_forms_are_dealt_evenly():
    """Of a weighted grammar: two letters are three times as likely as digits."""
    from deep_faker.values.families.unique_forms import separate
    from deep_faker.values.text.columns import Tables, Texts
    from deep_faker.values.text.grammar import either, literal, numerify

    text = either(
        [literal("A") + numerify(literal("####")), literal("B") + numerify(literal("####"))], [3, 1]
    )
    place = Place(Draws(1), ("x",), START)
    made = separate(place, Texts(place, Tables(text)))
    assert made.capacity == 10_000 // 3072 * 4096
    values = made.unique(np.arange(made.capacity, dtype=np.uint64)).to_pylist()
    assert len(set(values)) == made.capacity
    assert Counter(value[0] for value in values) == {"A": 3 * 3072, "B": 3 * 1024}
