"""Numbers of people, firms and books: valid, distributed as Faker's own, unique where asked.

Some 200 chi-square tests of two samples with fixed seeds, each with a false alarm in 1e-6.
"""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from faker import Faker

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import KeySpaceError
from deep_faker.values import Place, make
from deep_faker.values.library.libraries import faker_generator, faker_method
from tests.support.worlds.provider_samples import provider, rows, same, views

METHODS = [
    ("isbn10", "en_US"), ("isbn13", "en_US"), ("upc_a", "en_US"), ("ein", "en_US"), ("itin", "en_US"),
    ("invalid_ssn", "en_US"), ("passport_number", "en_US"), ("local_latlng", "en_US"), ("vat_id", "de_DE"),
    ("ssn", "fr_FR"), ("ssn", "pt_BR"), ("cpf", "pt_BR"), ("nif", "es_ES"), ("nie", "es_ES"),
    ("cif", "es_ES"), ("nuss", "es_ES"),
]  # fmt: skip


def values(name, locale, n=20_000):
    return [str(value) for value in provider(name, locale).column(rows(n)).to_pylist()]


@pytest.mark.parametrize(("name", "locale"), METHODS)
def test_distributed_as_faker(name, locale):
    fake = Faker(locale)
    fake.seed_instance(5)
    state = random.getstate()
    random.seed(5)  # Faker's Spanish numbers draw from the global generator
    try:
        drawn = [getattr(fake, name)() for _ in range(4000)]
    finally:
        random.setstate(state)
    faker = [json.dumps(list(value)) if isinstance(value, tuple) else value for value in drawn]
    for (what, a), (_, b) in zip(views(values(name, locale)), views(faker), strict=True):
        assert same(a, b), what


@pytest.mark.parametrize(("name", "locale"), METHODS)
def test_made_by_column_and_one_by_one(name, locale):
    maker = provider(name, locale)
    whole = [str(value) for value in maker.column_objects(rows(50))]
    assert [str(maker.one(flow, 1, 0)) for flow in range(50)] == whole
    assert maker.column(rows(0)).to_pylist() == []
    assert maker.how == "column"


def test_book_numbers():
    for value in values("isbn10", "en_US", 3000):
        digits = [10 if c == "X" else int(c) for c in value.replace("-", "")]
        assert sum(w * d for w, d in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0
    for value in values("isbn13", "en_US", 3000):
        digits = [int(c) for c in value.replace("-", "")]
        assert (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
    for value in values("upc_a", "en_US", 3000):
        digits = [int(c) for c in value]
        assert (3 * sum(digits[::2]) + sum(digits[1::2])) % 10 == 0


def test_numbers_of_people_and_firms():
    for value in values("vat_id", "de_DE", 3000):
        product = 10
        for c in value[2:-1]:
            product = ((int(c) + product) % 10 or 10) * 2 % 11
        assert (product + int(value[-1])) % 10 == 1
    french = values("ssn", "fr_FR", 20_000)
    assert any("2A" in value[5:7] for value in french)
    for value in french:
        number = value[:5] + {"2A": "19", "2B": "18"}.get(value[5:7], value[5:7]) + value[7:]
        assert (int(number[:-2]) + int(number[-2:])) % 97 == 0
    for value in values("cpf", "pt_BR", 3000):
        digits = [int(c) for c in value if c.isdigit()]
        for end in (9, 10):
            total = sum(w * d for w, d in zip(range(end + 1, 1, -1), digits[:end], strict=True))
            assert digits[end] == total * 10 % 11 % 10
    for value in values("nie", "es_ES", 3000):
        assert value[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int("012"["XYZ".index(value[0])] + value[1:-1]) % 23]
    for value in values("nif", "es_ES", 3000):
        assert value[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(value[:-1]) % 23]
    for value in values("nuss", "es_ES", 3000):
        assert int(value[:-2]) % 97 == int(value[-2:])


def test_company_numbers_of_spain_agree_with_faker():
    control = faker_method(faker_generator("es_ES"), "cif").__self__._calculate_control_cif
    assert all(control(value[:-1]) == value[-1] for value in values("cif", "es_ES", 3000))


def test_account_numbers_with_check_digits_of_their_country_stay_fakers():
    weights = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)

    def control(digits):
        number = 11 - sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 11
        return str({10: 1, 11: 0}.get(number, number))

    for value in values("iban", "es_ES", 500):
        bban = value[4:]
        assert bban[8:10] == control("00" + bban[:8]) + control(bban[10:])


def unique(name, locale="en_US"):
    spec = GeneratorSpec("faker", name, (), locale, unique=True)
    return make(spec, Place(Draws(3), ("field", "E", name), 0))


@pytest.mark.parametrize(
    ("name", "locale"),
    [("iban", "en_US"), ("iban", "de_DE"), ("aba", "en_US"), ("ean8", "en_US"), ("vin", "en_US"), ("ein", "en_US"),
     ("nif", "es_ES"), ("cpf", "pt_BR"), ("vat_id", "de_DE")],
)  # fmt: skip
def test_unique(name, locale):
    maker = unique(name, locale)
    counter = np.arange(100_000, dtype=np.uint64)
    made = maker.unique(counter).to_pylist()
    assert len(set(made)) == len(made)
    assert [maker.unique_one(n) for n in range(20)] == made[:20]
    assert {len(value) for value in made} == {len(value) for value in values(name, locale, 100)}


def test_unique_knows_where_it_ends():
    maker = unique("ean8")
    assert maker.capacity == 10**7
    with pytest.raises(KeySpaceError, match="10,000,000 different values"):
        maker.unique(np.array([10**7], np.uint64))
