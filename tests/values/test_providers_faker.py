"""Distributions by column against Faker's own, value by value (V4).

Two samples of fixed seeds are compared by chi-square on several views of a value (whole, length,
ends, words) or by Kolmogorov-Smirnov for numbers and times.  Some 400 comparisons ask for p > 1e-6
each: a false alarm for one set of seeds in 2,500.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections import Counter, OrderedDict

import numpy as np
import pytest
from scipy import stats

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.values import Place, Rows, make
from deep_faker.values.library.libraries import at, faker_generator
from deep_faker.values.library.reader import read_provider
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Tables
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, numerify, table

START = 1_754_862_710_365_000
N = 6_000
LEAST = 1e-6

CASES = [
    ("name", {}),
    ("email", {}),
    ("company", {}),
    ("user_name", {}),
    ("country", {}),
    ("city", {}),
    ("sentence", {}),
    ("random_element", {"elements": ["web", "mobile", "api"]}),
    ("random_element", {"elements": OrderedDict([("a", 5), ("b", 3), ("c", 0.5)])}),
    ("random_int", {"min": 18, "max": 80}),
    ("random_int", {"min": -5, "max": 12, "step": 4}),
    ("boolean", {}),
    ("boolean", {"chance_of_getting_true": 12}),
    ("date", {}),
    ("date_time", {}),
    ("date_time_this_decade", {}),
    ("lexify", {}),
    ("numerify", {"text": "%#$-!@!"}),
    ("bothify", {}),
    ("pyfloat", {}),
    ("pyfloat", {"right_digits": 2}),
    ("pyfloat", {"right_digits": 2, "positive": True}),
    ("pyfloat", {"min_value": 10, "max_value": 500}),
    ("pyfloat", {"min_value": 10.0, "max_value": 500.0, "right_digits": 2}),
    ("pyfloat", {"min_value": -10.5, "max_value": -2.25, "right_digits": 2}),
    ("pyfloat", {"min_value": 0.5, "max_value": 1.5, "right_digits": 2}),
    ("pyfloat", {"min_value": 0, "max_value": 1}),
    ("pyfloat", {"max_value": 7.5, "left_digits": 2, "right_digits": 1}),
    ("pyfloat", {"left_digits": 2}),
    ("pyfloat", {"positive": True, "left_digits": 1, "right_digits": 1}),
    ("random_number", {"fix_len": True}),
    ("date_between", {"start_date": "-3d", "end_date": "+2d"}),
    ("date_time_between", {"start_date": "-1y", "end_date": "+1y"}),
    ("date_of_birth", {"minimum_age": 18, "maximum_age": 19}),
    ("date_this_month", {"after_today": True}),
    ("date_time_this_year", {"before_now": False, "after_now": True}),
    ("time", {}),
    ("first_name", {}),
    ("prefix", {}),
    ("address", {}),
    ("phone_number", {}),
    ("postcode", {}),
    ("url", {}),
    ("email", {"safe": False}),
    ("domain_name", {}),
    ("ipv4", {}),
    ("ipv4", {"private": True}),
    ("job", {}),
    ("bs", {}),
    ("currency_code", {}),
    ("timezone", {}),
    ("word", {"part_of_speech": "verb"}),
    ("sentence", {"nb_words": 3, "ext_word_list": ["a", "b", "cc"]}),
    ("pystr", {"min_chars": 2, "max_chars": 5}),
    *[(name, {"locale": "de_DE"}) for name in ("name", "city", "company", "user_name", "phone_number")],
    *[(name, {"locale": "ja_JP"}) for name in ("name", "address", "sentence", "user_name")],
    *[(name, {"locale": "pt_BR"}) for name in ("name", "street_address", "email")],
]


def views(values):
    if isinstance(values[0], str | bool):
        texts = [str(value) for value in values]
        yield [zlib.crc32(text.encode()) % 101 for text in texts]
        yield [len(text) for text in texts]
        yield [text[:2] for text in texts]
        yield [text[-2:] for text in texts]
        yield [text.count(" ") for text in texts]
        yield [text[len(text) // 2 :][:1] for text in texts]
    elif isinstance(values[0], dt.datetime):
        yield [(value - dt.datetime(1970, 1, 1)).total_seconds() for value in values]
    elif isinstance(values[0], dt.date):
        yield [value.isoformat() for value in values]
        yield [float(value.toordinal()) for value in values]
    else:
        yield [float(value) for value in values]


def same(ours, theirs):
    """The p-value of two samples being of one distribution."""
    if isinstance(ours[0], float):
        return stats.ks_2samp(ours, theirs).pvalue
    counts = [Counter(sample) for sample in (ours, theirs)]
    common = [key for key in counts[0] | counts[1] if counts[0][key] + counts[1][key] >= 20]
    rest = [len(ours) - sum(count[key] for key in common) for count in counts]
    table_ = np.array(
        [[count[key] for key in common] + [other] for count, other in zip(counts, rest, strict=True)]
    )
    table_ = table_[:, table_.sum(axis=0) > 0]
    return 1.0 if table_.shape[1] < 2 else stats.chi2_contingency(table_).pvalue


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_v4_distribution_is_that_of_faker(name, kwargs):
    kwargs = dict(kwargs)
    locale = kwargs.pop("locale", None)
    spec = GeneratorSpec("faker", name, tuple(kwargs.items()), locale)
    made = make(spec, Place(Draws(1), ("field", "E", name), START))
    assert made.how == "column"
    rows = Rows(np.arange(N, dtype=np.uint64), np.full(N, 2, np.uint64), np.full(N, START))
    ours = made.column_objects(rows)
    generator = faker_generator(locale)
    with at(START):
        generator.seed_instance(20)
        theirs = [getattr(generator, name)(**kwargs) for _ in range(N)]
    assert type(ours[0]) is type(theirs[0])
    for one, other in zip(views(ours), views(theirs), strict=True):
        assert same(one, other) > LEAST


def test_values_of_faker_only():
    """Every name by column is one that Faker can make: its own first name, then its own last name."""
    generator = faker_generator("en_US")
    people = generator.provider("faker.providers.person")
    spec = GeneratorSpec("faker", "name")
    made = make(spec, Place(Draws(5), ("x",), START))
    rows = Rows(np.arange(20_000, dtype=np.uint64), np.ones(20_000, np.uint64), np.zeros(20_000, np.int64))
    titles = {*people.prefixes_male, *people.prefixes_female, *people.suffixes_male, *people.suffixes_female}
    for name in made.column(rows).to_pylist():
        words = [word for word in name.split() if word not in titles]
        assert len(words) == 2
        assert words[0] in people.first_names
        assert words[1] in people.last_names


# --- grammars -----------------------------------------------------------------------------------------


def distribution(text: Text) -> dict[str, float]:
    """All texts of a grammar with their exact chances."""
    out: Counter[str] = Counter()
    total = sum(weight for weight, _ in text.alternatives)
    for weight, row in text.alternatives:
        partial = {"": weight / total}
        for leaf in row:
            partial_next: Counter[str] = Counter()
            for prefix, chance in partial.items():
                for at_, value in enumerate(leaf.values):
                    partial_next[prefix + value] += chance * leaf.share(at_)
            partial = partial_next
        out.update(partial)
    return dict(out)


def assert_same_chances(text, expected):
    found = distribution(text)
    assert found.keys() == expected.keys()
    assert all(abs(found[key] - expected[key]) < 1e-12 for key in expected)


GREETING = either([table(["a", "b"], [1, 3]) + literal("-") + table(["x", "y", "x"]), literal("z q")], [3, 1])


def test_operations_of_grammars_keep_the_chances():
    chances = {"a-x": 1 / 8, "a-y": 1 / 16, "b-x": 3 / 8, "b-y": 3 / 16, "z q": 1 / 4}
    assert_same_chances(GREETING, chances)
    assert_same_chances(GREETING.fused(), chances)
    assert_same_chances(GREETING.map(str.upper), {key.upper(): value for key, value in chances.items()})
    assert_same_chances(
        GREETING.first_word(), {**{k: v for k, v in chances.items() if " " not in k}, "z": 1 / 4}
    )
    mixed = table(["one", "two three", "four five"], [2, 1, 1]) + literal(" x")
    assert_same_chances(mixed.first_word(), {"one": 0.5, "two": 0.25, "four": 0.25})


def test_placeholders_have_the_chances_of_faker():
    found = distribution(numerify(table(["#", "!", "plain"], [1, 1, 2])))
    assert abs(found["plain"] - 0.5) < 1e-12
    assert abs(found["7"] - (0.25 / 10 + 0.25 / 20)) < 1e-12
    assert abs(found[""] - 0.125) < 1e-12


def test_merged_alternatives_keep_the_chances():
    text = either([table(["a", "b"]), table(["b", "c"], [1, 2])], [1, 2])
    assert_same_chances(text.fused(), {"a": 1 / 6, "b": 1 / 6 + 2 / 9, "c": 4 / 9})
    assert Tables(text).single


def test_grammars_do_not_explode():
    many = either([literal(str(i)) for i in range(30)])
    with pytest.raises(NotAGrammarError):
        many + many


def test_the_reader_gives_up_on_what_it_does_not_know():
    for name in ("ean13", "text", "profile", "password", "chrome", "aba"):
        assert read_provider("en_US", name) is None


@pytest.mark.parametrize(
    "weights", [[1], [1, 1, 1], [1, 0, 3], [0.1] * 7 + [5], [1e-9, 1, 1e9], list(range(1, 50))]
)
def test_alias_tables_have_the_exact_chances(weights):
    """The chances that the table stands for, summed from its parts."""
    table_ = Alias(weights)
    chances = np.zeros(len(weights))
    for at_ in range(len(weights)):
        stays, other = divmod(int(table_.entries[at_]), 2**32)
        keep = 1.0 if other == at_ else stays / 2.0**32
        chances[at_] += keep
        chances[other] += 1.0 - keep
    # each position has a fraction of 32 bits, and so do the others that lead to it
    wanted = np.array(weights) / sum(weights)
    assert np.allclose(chances / len(weights), wanted, rtol=1e-9, atol=2.0**-31)
    assert all(chance == 0 for chance, weight in zip(chances, weights, strict=True) if weight == 0)
    u = np.random.default_rng(1).integers(0, 2**64, 1000, dtype=np.uint64)
    assert table_.indices(u).tolist() == [table_.index1(int(x)) for x in u]
    assert all(weights[i] > 0 for i in table_.indices(u))
