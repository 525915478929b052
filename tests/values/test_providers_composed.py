"""Faker's composed methods by column, with arguments and of other locales: distributed as Faker's own, equal in structure.

Without arguments they are among all methods in `test_providers_distribution.py`. Each comparison is a set of two-sample
tests (`two_samples`); some 70 cases with at most 16 views each ask for p > 1e-9, so that all of them together raise
a false alarm once in a million seeds.
"""

from __future__ import annotations

import colorsys
import datetime as dt
import json
import re
import zlib
from collections import Counter
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError
from deep_faker.values import Place, make
from deep_faker.values.choices import json_text
from deep_faker.values.library.libraries import at, faker_generator
from deep_faker.values.library.pools import drawn
from tests.support.two_samples import by_frequency, compare
from tests.support.worlds.provider_world import START, rows

LEAST = 1e-9

CONSTANT = ["current_country", "current_country_code", "time_delta"]
CASES = [
    ("color", {"hue": "red", "luminosity": "dark"}),
    ("color", {"hue": (100, 200), "color_format": "hsl"}),
    ("color", {"luminosity": "random", "color_format": "rgb"}),
    ("color_hsv", {"hue": "monochrome"}),
    ("credit_card_full", {"card_type": "amex"}),
    ("credit_card_expire", {"start": "-1y", "end": "+1y", "date_format": "%Y-%m-%d"}),
    ("dga", {"year": 2024, "tld": "io", "length": 9}),
    ("file_path", {"depth": 3, "category": "video", "file_system_rule": "windows"}),
    ("image_url", {"width": 640}),
    ("nic_handles", {"count": 3, "suffix": "??##"}),
    ("passport_owner", {"gender": "F"}),
    ("postcode_in_state", {"state_abbr": "CT"}),
    ("pydecimal", {"left_digits": 3, "right_digits": 2}),
    ("pydecimal", {"min_value": -5, "max_value": 2.5, "right_digits": 1}),
    ("pydecimal", {"positive": True, "right_digits": 8, "max_value": 1}),
    ("pydecimal", {"min_value": 120, "left_digits": 5, "right_digits": 0}),
    ("pylist", {"nb_elements": 3, "variable_nb_elements": False, "value_types": [int, "pybool"]}),
    ("pydict", {"nb_elements": 4, "value_types": ["word"]}),
    ("pystr_format", {"string_format": "{{country_code}}-##??"}),
    ("sbn9", {"separator": ""}),
    ("simple_profile", {"sex": "F"}),
    ("words", {"nb": 5, "unique": True}),
    ("words", {"nb": 2, "ext_word_list": ["a", "bb", "ccc"]}),
    ("random_sample", {"elements": ["a", "b", "c", "d"], "length": 2}),
    ("random_choices", {"elements": list(range(5)), "length": 2}),
    ("fixed_width", {"data_columns": [(6, "pyint"), (9, "{{color_name}}")], "num_rows": 2, "align": "right"}),
    ("fixed_width", {"data_columns": [(8, "pyint")], "num_rows": 1, "align": "middle"}),
    (
        "csv",
        {"data_columns": ("{{word}}", "#?"), "num_rows": 2, "include_row_ids": True, "header": ["a", "b"]},
    ),
    ("json", {"data_columns": {"a": "word", "b": {"c": "pyint"}}, "num_rows": 2}),
    ("time_delta", {"end_datetime": "+2d"}),
    ("binary", {"length": 11}),
    ("xml", {"nb_elements": 2, "value_types": ["pystr_format", "pyint"]}),
    *[("passport_dates", {"birthday": dt.date(year, 2, 3)}) for year in (2023, 2015, 2007, 2002, 1980)],
]
LOCALES = ["de_DE", "ja_JP", "es_ES"]
CONTROLLED = [
    *[("es_ES", name) for name in ("bban", "iban", "company", "domain_word", "postcode")],
    *[("fr_FR", name) for name in ("siren", "siret", "company_vat", "rcs_number", "address")],
    *[("pt_BR", name) for name in ("cnpj", "company_id", "rg")],
    *[("de_DE", "kvnr"), ("ja_JP", "serial_number"), ("ja_JP", "license_plate")],
]
OF_LOCALES = "credit_card_full csv profile user_agent passport_owner month_name day_of_week locale".split()


def provider(name, locale="en_US", **arguments):
    return with_defaults(name, locale) if not arguments else newly_made(name, locale, **arguments)


@cache
def with_defaults(name, locale):
    """It is costly to make, and several tests ask for it."""
    return newly_made(name, locale)


def newly_made(name, locale, **arguments):
    spec = GeneratorSpec("faker", name, tuple(arguments.items()), locale)
    return make(spec, Place(Draws(1), ("field", "E", name), START))


def theirs(name, n, locale="en_US", **arguments):
    generator = faker_generator(locale)
    with at(START):
        generator.seed_instance(zlib.crc32(name.encode()))
        return drawn(lambda: getattr(generator, name)(**arguments), n)  # of passports one in 20,000 fails


def plain(values):
    """What two_samples can compare: dicts, lists and the like as text, in which sets are sorted."""
    simple = str | int | float | bool | dt.date | dt.time | dt.timedelta
    return [value if isinstance(value, simple) else json_text(value) for value in values]


def assert_alike(name, ours, n, locale="en_US", **arguments):
    made = provider(name, locale, **arguments)
    assert made.how == "column"
    mine, faker = made.column_objects(rows(0, ours)), theirs(name, n, locale, **arguments)
    assert {type(value) for value in mine} == {type(value) for value in faker}
    found = compare(plain(mine), plain(faker))
    assert min(found.values()) > LEAST, {view: p for view, p in found.items() if p <= LEAST}


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_v3_arguments_are_fakers(name, arguments):
    assert_alike(name, 20_000, 3_000, **arguments)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", OF_LOCALES)
def test_v4_other_locales(name, locale):
    """Of what is put together of a hundred others each, fewer."""
    assert_alike(name, *((1_600, 400) if name in ("csv", "profile") else (4_000, 1_000)), locale)


@pytest.mark.parametrize(("locale", "name"), CONTROLLED)
def test_v4_control_digits_and_formats_of_countries(locale, name):
    assert_alike(name, 20_000, 4_000, locale)


def test_control_digits_are_right():
    """By the rules themselves: IBANs modulo 97, numbers of firms by Luhn's digit."""
    for text in provider("iban", "es_ES").column(rows(0, 3_000)).to_pylist():
        assert int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1
        bank = faker_generator("es_ES").bban.__self__
        assert text[12] == bank._ccc_control_digit("00" + text[4:12])
        assert text[13] == bank._ccc_control_digit(text[14:])
    for name, length in (("siren", 9), ("siret", 14)):
        for text in provider(name, "fr_FR").column(rows(0, 3_000)).to_pylist():
            digits = [int(digit) for digit in text.replace(" ", "")[::-1]]
            assert len(digits) == length
            assert (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0
    for text in provider("cnpj", "pt_BR").column(rows(0, 3_000)).to_pylist():
        from faker.providers.company.pt_BR import company_id_checksum

        digits = [int(c) for c in text if c.isdigit()]
        assert company_id_checksum(digits[:12]) == digits[12:]


@pytest.mark.parametrize("name", CONSTANT)
def test_what_does_not_vary(name):
    made = provider(name)
    assert made.how == "column"
    assert set(made.column_objects(rows(0, 50))) == set(theirs(name, 50))


def test_a_wrong_distribution_is_found():
    """The negative control: one brand in twenty for another."""
    mine, faker = provider("safari").column(rows(0, 20_000)).to_pylist(), theirs("safari", 8_000)
    assert min(compare(mine, faker).values()) > LEAST
    bent = [text.replace("Macintosh", "Windows") if at % 8 == 0 else text for at, text in enumerate(mine)]
    assert min(compare(bent, faker).values()) < LEAST


# ---------------------------------------------------------------- what every value must be


def texts(name, n=20_000, **arguments):
    return provider(name, **arguments).column(rows(0, n)).to_pylist()


def test_cards_are_valid_and_their_parts_agree():
    expires = set()
    for text in texts("credit_card_full", 5_000):
        kind, owner, numbers, code, end = text.split("\n")
        number, expire = numbers.split(" ")
        digits = [int(digit) for digit in number[::-1]]
        assert (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
        assert len(owner.split(" ")) >= 2
        assert end == ""
        if kind == "American Express":
            assert number[:2] in ("34", "37")
            assert len(number) == 15
        elif kind.startswith("VISA"):
            assert number[0] == "4"
        elif kind == "Mastercard":
            assert 51 <= int(number[:2]) <= 55 or 2221 <= int(number[:4]) <= 2720
        length = len(code.split(": ")[1])
        assert length == (4 if kind == "American Express" else 3)
        expires.add(dt.datetime.strptime(expire, "%m/%y"))
    assert min(expires) == dt.datetime(2025, 8, 1)
    assert max(expires) == dt.datetime(2035, 8, 1)


def test_profiles_have_the_structure_of_fakers():
    for name in ("profile", "simple_profile"):
        (theirs_,) = theirs(name, 1)
        for ours in provider(name).column_objects(rows(0, 300)):
            assert list(ours) == list(theirs_)
            assert [type(value) for value in ours.values()] == [type(value) for value in theirs_.values()]
    sites = Counter(len(each["website"]) for each in provider("profile").column_objects(rows(0, 8_000)))
    assert set(sites) == {1, 2, 3, 4}


def test_names_in_profiles_are_of_the_sex():
    generator = faker_generator("en_US")
    people = generator.provider("faker.providers.person")
    male, female = set(people.first_names_male), set(people.first_names_female)
    for each in provider("simple_profile").column_objects(rows(0, 2_000)):
        words = set(each["name"].split(" "))
        assert words & (male if each["sex"] == "M" else female)


def test_books_and_goods_have_their_check_digits():
    for text in texts("sbn9"):
        body, digit = text.replace("-", "")[:8], text[-1]
        remainder = sum(int(d) * w for w, d in enumerate(body, 1)) % 11
        assert digit == ("X" if remainder == 10 else str(remainder))
    generator = faker_generator("en_US")
    provider_ = generator.provider("faker.providers.barcode")
    for text in texts("upc_e", 3_000):
        whole = provider_._upc_ae(base=text[1:7], number_system_digit=int(text[0]))
        assert provider_._convert_upc_a2e(whole) == text


def test_uuids_have_their_version_and_variant():
    for name, version in (("uuid1", "1"), ("uuid7", "7")):
        for text in texts(name):
            assert re.fullmatch(
                r"[0-9a-f]{8}-[0-9a-f]{4}-[17][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text
            )
            assert text[14] == version


def test_colours_convert_as_in_the_standard_library():
    """Of the same draws: every colour of the sample, bit for bit."""
    some = rows(0, 30_000)
    numbers = provider("color_hsv").column_objects(some)
    floats = make(
        GeneratorSpec("faker", "color_rgb_float"), Place(Draws(1), ("field", "E", "color_hsv"), START)
    ).column_objects(some)
    for (hue, saturation, value), found in zip(numbers, floats, strict=True):
        assert found == colorsys.hsv_to_rgb(max(1, min(hue, 359)) / 360, saturation / 100, value / 100)


def test_decimals_keep_to_their_bounds():
    low, high = Decimal(-5), Decimal("2.5")
    values = provider("pydecimal", min_value=-5, max_value=2.5).column_objects(rows(0, 5_000))
    assert all(low <= value <= high for value in values)
    for value in texts("pydecimal", 3_000, left_digits=1):
        assert str(Decimal(value)) == value


def test_unique_words_are_different():
    for words in provider("words", nb=12, unique=True).column_objects(rows(0, 3_000)):
        assert len(set(words)) == 12


def test_every_order_of_a_sample_is_as_likely():
    made = provider("words", nb=2, unique=True, ext_word_list=["a", "b", "c", "d"])
    counts = Counter(map(tuple, made.column_objects(rows(0, 24_000))))
    assert len(counts) == 12
    assert by_frequency(list(counts), np.array([[n, 2_000.0] for n in counts.values()])) > LEAST


def test_tables_are_read_by_their_own_formats():
    import csv
    import io

    for text in texts("csv", 200):
        table = list(csv.reader(io.StringIO(text)))
        assert [len(row) for row in table] == [2] * 10
    for text in texts("json", 200):
        assert all(set(row) == {"name", "residency"} for row in json.loads(text))
    quoted = texts("csv", 300, data_columns=('{{word}} "#"',), num_rows=1)
    assert all(re.fullmatch(r'"\w+ ""\d"""\r\n', text) for text in quoted)


def test_dates_are_relative_to_the_start():
    later = START + 40 * 365 * 86_400_000_000
    made = make(
        GeneratorSpec("faker", "credit_card_expire", (("date_format", "%Y"),)),
        Place(Draws(1), ("field", "E", "v"), later),
    )
    assert {int(year) for year in made.column(rows(0, 2_000)).to_pylist()} <= set(range(2065, 2076))


def test_xml_can_be_read():
    from xml.etree import ElementTree as ET

    for text in texts("xml", 300):
        root = ET.fromstring(text)
        assert 6 <= len(root) <= 14
        assert len({child.tag for child in root}) == len(root)


def test_large_bytes_are_a_pool_that_is_quickly_made():
    made = provider("binary")
    assert made.how == "pool"
    values = made.column_objects(rows(0, 40))
    assert {len(value) for value in values} == {1 << 20}
    assert len(set(values)) == 8
    counts = np.bincount(np.frombuffer(values[0], np.uint8), minlength=256)
    assert by_frequency(range(256), np.array([[n, 4096.0] for n in counts])) > LEAST


@pytest.mark.parametrize(
    ("name", "locale", "said"),
    [
        ("bank", "es_ES", ["no bank in this locale", "es_ES", "bank()"]),
        ("enum", "en_US", ["missing a required argument: 'enum_cls'", "it is enum(enum_cls)"]),
        (
            "cnpj",
            "de_DE",
            ["no provider 'cnpj' in the locale de_DE", "pt_BR", "cnpj(use_alphanumeric=False)"],
        ),
        ("nam", "en_US", ["no provider 'nam'", "did you mean 'name'"]),
    ],
)
def test_errors_name_the_method_the_locale_and_its_parameters(name, locale, said):
    with pytest.raises(DeclarationError) as raised:
        provider(name, locale)
    assert all(part in str(raised.value) for part in said), str(raised.value)
