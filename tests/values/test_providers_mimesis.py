"""Mimesis by column: compared with Mimesis itself, row by row with columns, in three locales.

Two samples of fixed seeds are compared by chi-square on several views of a value (whole, length,
each place, words) or by Kolmogorov-Smirnov for floats and times.  Some 500 comparisons ask for p > 1e-6
each: a false alarm for one set of seeds in 2,000.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zlib
from collections import Counter

import numpy as np
import pytest
from mimesis.enums import Algorithm, CardType, DurationUnit, Gender, IPv4Purpose, TimestampFormat
from mimesis.providers import BaseDataProvider
from mimesis.shortcuts import luhn_checksum
from scipy import stats

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError
from deep_faker.values import Place, Rows, make
from deep_faker.values.choices import json_text
from deep_faker.values.explore.marks import digits_of
from deep_faker.values.explore.recorder import Recorder, explored
from deep_faker.values.library.libraries import at, mimesis_generic
from deep_faker.values.library.pools import mimesis_method, mimesis_names, small_pools
from deep_faker.values.text.columns import Tables
from deep_faker.values.text.grammar import NotAGrammarError
from tests.support.worlds.recipe_world import exact_recipe

START = 1_754_862_710_365_000  # 2025-08-10 21:51:50.365
N = 6_000
LEAST = 1e-6
LOCALES = ["en", "ja", "ru"]
# What makes nothing without arguments.
GIVEN = {
    "choice.choice": {"items": ["x", "y", "z"]},
    "datetime.bulk_create_datetimes": {
        "date_start": dt.datetime(2020, 1, 1),
        "date_end": dt.datetime(2020, 1, 3),
        "days": 1,
    },
}
ROWS = {"complex_number", "complexes", "decimal_number", "decimals"}
NOT_BY_COLUMN = {
    *(f"numeric.{name}" for name in ROWS),
    "cryptographic.jwt",
    "cryptographic.token_bytes",
    "internet.http_request_headers",
    "internet.http_response_headers",
    "internet.query_parameters",
    "internet.query_string",
    "internet.uri",
    "payment.credit_card_owner",
}


def provider(name, locale="en", **kwargs):
    spec = GeneratorSpec("mimesis", name, tuple(kwargs.items()), locale)
    return make(spec, Place(Draws(42), ("field", "E", name), START))


def rows(n):
    flow = np.arange(n, dtype=np.uint64)
    return Rows(flow, np.full(n, 3, np.uint64), START + 1000 * np.arange(n))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_method_gives_the_same_by_column_and_row_by_row(locale):
    """One value is that of the column, in any cut; what is not by column is known.

    All methods in English; elsewhere those that read the data of a locale.
    """
    by = Counter()
    pooled = set()
    generic = mimesis_generic(locale)
    for name in mimesis_names(generic):
        if locale != "en" and not isinstance(getattr(generic, name.partition(".")[0]), BaseDataProvider):
            continue
        with small_pools(100):  # of which six values are looked at
            made = provider(name, locale, **GIVEN.get(name, {}))
        by[made.how] += 1
        if made.how != "column":
            pooled.add(name)
        whole = made.column_objects(rows(6))
        assert repr([made.one(flow, 3, START + 1000 * flow) for flow in range(6)]) == repr(whole), name
        cut = Rows(*(part[2:5] for part in (rows(6).flow, rows(6).action, rows(6).clock)))
        exact_recipe(made)
        assert made.column(rows(6)).slice(2, 3).to_pylist() == made.column(cut).to_pylist(), name
    assert pooled <= NOT_BY_COLUMN
    assert by["column"] > (195 if locale == "en" else 95)


CASES = [
    ("person.full_name", "en", {}),
    ("person.full_name", "ru", {"reverse": True}),
    ("person.full_name", "de", {"gender": Gender.FEMALE}),
    ("person.patronymic", "ru", {}),
    ("person.username", "en", {}),
    ("person.username", "en", {"mask": "C_U.l-d", "drange": (5, 12)}),
    ("person.email", "en", {}),
    ("person.email", "en", {"domains": ["a.org", "@b.org"]}),
    ("person.phone_number", "en", {}),
    ("person.phone_number", "pt-br", {"e164": True}),
    ("person.password", "en", {}),
    ("person.height", "en", {}),
    ("person.weight", "en", {}),
    ("person.birthdate", "en", {"min_year": 1999, "max_year": 2000}),
    ("person.gender_code", "en", {}),
    ("address.address", "en", {}),
    ("address.address", "ja", {}),
    ("address.address", "de", {}),
    ("address.postal_code", "pt-br", {}),
    ("address.secondary_address", "en", {}),
    ("address.country_emoji_flag", "en", {}),
    ("address.latitude", "en", {}),
    ("address.latitude", "en", {"dms": False}),
    ("code.imei", "en", {}),
    ("code.isbn", "en", {}),
    ("code.ean", "en", {}),
    ("cryptographic.hash", "en", {}),
    ("cryptographic.hash", "en", {"algorithm": Algorithm.SHA1}),
    ("cryptographic.token_urlsafe", "en", {"entropy": 4}),
    ("cryptographic.token_urlsafe", "en", {"entropy": 5}),
    ("cryptographic.token_hex", "en", {"entropy": 3}),
    ("cryptographic.api_key", "en", {"prefix": "sk_", "length": 9}),
    ("cryptographic.api_key", "en", {"fmt": "base64", "length": 7}),
    ("cryptographic.mnemonic_phrase", "en", {}),
    ("datetime.date", "en", {"start": 2023, "end": 2024}),
    ("datetime.formatted_date", "de", {}),
    ("datetime.datetime", "en", {}),
    ("datetime.formatted_datetime", "en", {}),
    ("datetime.formatted_datetime", "ja", {"start": 2024}),
    ("datetime.time", "en", {}),
    ("datetime.formatted_time", "en", {"fmt": "%I:%M %p"}),
    ("datetime.timestamp", "en", {}),
    ("datetime.timestamp", "en", {"fmt": TimestampFormat.RFC_3339}),
    ("datetime.timestamp", "en", {"fmt": TimestampFormat.ISO_8601}),
    ("datetime.future_date", "en", {}),
    ("datetime.past_datetime", "en", {"seconds": 50}),
    ("datetime.future_datetime", "en", {"days": 2}),
    ("datetime.duration", "en", {"duration_unit": DurationUnit.HOURS, "max_duration": 4}),
    ("datetime.week_date", "en", {}),
    ("development.version", "en", {}),
    ("development.calver", "en", {}),
    ("file.size", "en", {}),
    ("file.file_name", "en", {}),
    ("finance.price", "en", {"minimum": 1, "maximum": 2, "precision": 1}),
    ("finance.price_in_btc", "en", {}),
    ("hardware.cpu_frequency", "en", {}),
    ("internet.ip_v4", "en", {}),
    ("internet.ip_v4_cidr", "en", {}),
    ("internet.ip_v6", "en", {}),
    ("internet.ip_v6_cidr", "en", {}),
    ("internet.special_ip_v4", "en", {"purpose": IPv4Purpose.TEST_NET_1}),
    ("internet.mac_address", "en", {}),
    ("internet.asn", "en", {}),
    ("internet.port", "en", {}),
    ("internet.url", "en", {}),
    ("internet.slug", "en", {}),
    ("numeric.float_number", "en", {}),
    ("numeric.float_number", "en", {"start": 0, "end": 3, "precision": 0}),
    ("numeric.integer_number", "en", {"start": -4, "end": 9}),
    ("numeric.decimal_number", "en", {}),
    ("path.project_dir", "en", {}),
    ("payment.bitcoin_address", "en", {}),
    ("payment.ethereum_address", "en", {}),
    ("payment.credit_card_number", "en", {}),
    ("payment.credit_card_expiration_date", "en", {}),
    ("payment.cvv", "en", {}),
    ("science.dna_sequence", "en", {"length": 4}),
    ("text.hex_color", "en", {}),
    ("text.rgb_color", "en", {}),
    ("text.emoji", "en", {}),
    ("text.words", "ru", {"quantity": 2}),
    ("transport.vehicle_registration_code", "en", {}),
    ("choice.choice", "en", {"items": "aab", "length": 2}),
]


@pytest.mark.parametrize(("name", "locale", "kwargs"), CASES, ids=lambda value: str(value)[:40])
def test_v4_the_distribution_is_that_of_mimesis(name, locale, kwargs):
    made = provider(name, locale, **kwargs)
    assert made.how == ("row" if name in NOT_BY_COLUMN else "column")
    method = mimesis_method(mimesis_generic(locale, 7), name)
    with at(START, 7):
        theirs = [method(**kwargs) for _ in range(N)]
    ours = made.column_objects(rows(N))
    assert type(ours[0]) is type(theirs[0]) or isinstance(ours[0], type(theirs[0]))
    if isinstance(theirs[0], (float, dt.datetime, dt.time)) or name == "numeric.decimal_number":
        assert stats.ks_2samp([_number(v) for v in ours], [_number(v) for v in theirs]).pvalue > LEAST
    if not isinstance(theirs[0], float):
        for view in (str, _length, _start, _end, _kinds, _word):
            p = _same(Counter(map(view, ours)), Counter(map(view, theirs)))
            assert p > LEAST, (view.__name__, p)


def _number(value):
    if isinstance(value, dt.datetime):
        return value.timestamp()
    if isinstance(value, dt.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return float(value)


def _length(value):
    return len(str(value))


def _start(value):
    return str(value)[:2]


def _end(value):
    return str(value)[-2:]


def _kinds(value):
    """The classes of the characters: digits, letters in both cases, all else as it is."""
    return "".join(
        "9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in str(value)[:12]
    )


def _word(value):
    return zlib.crc32(str(value).replace("-", " ").split()[-1].encode()) % 50


def _same(ours, theirs):
    """The chance of two samples this different, of one distribution; rare values count together."""
    common = [key for key in ours | theirs if ours[key] + theirs[key] >= 20]
    table = [[side[key] for key in common] for side in (ours, theirs)]
    for line, side in zip(table, (ours, theirs), strict=True):
        line.append(sum(side.values()) - sum(line))
    table = np.array(table)[:, np.sum(table, axis=0) > 0]
    return 1.0 if table.shape[1] < 2 else stats.chi2_contingency(table).pvalue


def test_check_digits_are_valid():
    for card_type in CardType:
        for number in (
            provider("payment.credit_card_number", card_type=card_type).column(rows(500)).to_pylist()
        ):
            digits = number.replace(" ", "")
            assert luhn_checksum(digits[:-1]) == digits[-1]
    for number in provider("code.imei").column(rows(500)).to_pylist():
        assert len(number) == 15
        assert luhn_checksum(number[:-1]) == number[-1]


def test_times_are_those_of_the_start():
    """No value depends on the day of the run, nor on the year in which Mimesis was imported."""
    assert {value.year for value in provider("datetime.datetime").column_objects(rows(300))} == {2025}
    assert {
        value[:4]
        for value in provider("datetime.timestamp", fmt=TimestampFormat.ISO_8601).column(rows(9)).to_pylist()
    } == {"2025"}
    start = dt.datetime(2025, 8, 10, 21, 51, 50, 365000)
    past = provider("datetime.past_datetime", days=1).column_objects(rows(2000))
    assert start - dt.timedelta(days=1) <= min(past) <= max(past) <= start - dt.timedelta(seconds=1)
    assert {_year_of(value) for value in provider("internet.uri").column(rows(3000)).to_pylist()} == set(
        range(2010, 2026)
    )


def _year_of(uri):
    return int(uri.split("/")[3])


def test_pools_do_not_depend_on_the_hashes_of_a_process():
    code = (
        "from tests.values.test_providers_mimesis import provider, rows\n"
        "print(provider('internet.query_string').column(rows(5)).to_pylist())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("address.coordinates", {}),
        ("numeric.floats", {"start": -2, "end": 2, "precision": 1}),
        ("numeric.floats", {"start": 0, "end": 1e-4, "n": 2}),
        ("numeric.floats", {"start": 0, "end": 1e9, "n": 2, "precision": 3}),
        ("numeric.matrix", {"m": 2, "n": 2}),
        ("text.words", {"quantity": 3}),
        ("text.rgb_color", {}),
        ("internet.ip_v4_object", {}),
    ],
)
def test_json_by_column_is_that_of_the_objects(name, kwargs):
    made = provider(name, **kwargs)
    assert made.how == "column"
    assert made.column(rows(2000)).to_pylist() == [json_text(v) for v in made.column_objects(rows(2000))]


def test_unique_values():
    spec = GeneratorSpec("mimesis", "code.pin", (), "en", unique=True)
    made = make(spec, Place(Draws(1), ("field", "E", "pin"), START))
    pins = made.unique(np.arange(10_000, dtype=np.uint64)).to_pylist()
    assert sorted(pins) == [f"{n:04d}" for n in range(10_000)]


@pytest.mark.parametrize(
    ("name", "locale", "kwargs", "parts"),
    [
        ("person.fullname", "en", {}, ["unknown Mimesis provider", "did you mean 'person.full_name'"]),
        (
            "person.full_name",
            "en",
            {"sex": 1},
            ["no argument 'sex'", "full_name(gender=None, reverse=False)"],
        ),
        ("person.full_name", "pt-bt", {}, ["unknown locale", "'pt-br'"]),
        ("person.full_name", "en", {"gender": "male"}, ["wrong arguments", "Gender"]),
        ("person.birthdate", "en", {"min_year": 2000, "max_year": 1990}, ["min_year must be less"]),
        ("person.email", "en", {"unique": True}, ["unique"]),
        ("choice.choice", "en", {}, ["items"]),
        ("choice.choice", "en", {"items": []}, ["non-empty"]),
    ],
)
def test_mistakes_name_the_mend(name, locale, kwargs, parts):
    with pytest.raises(DeclarationError) as error:
        provider(name, locale, **kwargs)
    for part in parts:
        assert part in str(error.value)


# --- exploring -----------------------------------------------------------------------------------------


def templates(function):
    recorder = Recorder()
    return explored(recorder, lambda: function(recorder))


def test_a_value_that_is_asked_for_is_tried():
    made = templates(lambda random: "yes" if random.choice(["a", "b", "bb"]) == "a" else "no")
    assert sorted((each.value, round(each.chance, 9)) for each in made) == [
        ("no", 0.333333333),
        ("no", 0.333333333),
        ("yes", 0.333333333),
    ]


def test_a_draw_that_comes_twice_is_one_draw():
    def twice(random):
        word = random.choice(["a", "bc"])
        return word + word

    assert sorted(each.value for each in templates(twice)) == ["aa", "bcbc"]


def test_what_is_misread_is_not_used():
    """`float` of a symbolic number takes it for what it is not; the check by real draws finds that out."""
    values = sorted(each.value for each in templates(lambda random: float(random.randint(3, 5))))
    assert values == [3.0, 4.0, 5.0]
    with pytest.raises(NotAGrammarError):
        templates(lambda random: float(random.randint(1, 10**9)))


def test_code_beyond_exploring_is_refused():
    with pytest.raises(NotAGrammarError):
        templates(lambda random: random.gauss(0, 1))
    with pytest.raises(NotAGrammarError):
        templates(lambda random: {random.getrandbits(64)})


@pytest.mark.parametrize(
    ("numbers", "form"),
    [
        (range(100_000), "d"),
        (range(1, 70_001), "d"),
        (range(998, 30_003), "d"),
        (range(65_536), "04x"),
        (range(50_000), "x"),
        (range(12, 20_000), "07d"),
    ],
)
def test_digit_groups_are_the_numbers(numbers, form):
    """Every number's text comes, and only those, with equal chances."""
    chances = Counter()
    for share, row in digits_of(numbers, form).alternatives:
        texts = [""]
        for leaf in row:
            texts = [text + value for text in texts for value in leaf.values]
        for text in texts:
            chances[text] += share / len(texts)
    assert set(chances) == {format(number, form) for number in numbers}
    assert max(chances.values()) - min(chances.values()) < 1e-9
    assert Tables(digits_of(numbers, form)).width <= 4
