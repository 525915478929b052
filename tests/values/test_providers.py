"""Providers: the same value by column, row by row and in any batch; keys; errors; the clock.

Statistical comparisons with Faker are in test_providers_faker.py.
"""

from __future__ import annotations

import datetime as dt
import enum
import random
import subprocess
import sys
import threading
import uuid
from collections import Counter, OrderedDict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, KeySpaceError
from deep_faker.values import Place, Rows, make, provider_names
from tests.support.places import ROOT

START = 1_754_862_710_365_000  # 2025-08-10 21:51:50.365
DRAWS = Draws(42)
NOW = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=START)


def provider(name, *, source="faker", locale=None, field="f", draws=DRAWS, at=START, **kwargs):
    spec = GeneratorSpec(source, name, tuple(kwargs.items()), locale)
    return make(spec, Place(draws, ("field", "E", field), at))


def rows(n=200, action=3):
    flow = np.arange(n, dtype=np.uint64)
    return Rows(flow, np.full(n, action, np.uint64), START + 1000 * np.arange(n))


REQUIRED = {
    "shortuuid": {"length": 12},
    "uuid4": {},
    "name": {},
    "email": {},
    "company": {},
    "user_name": {},
    "country": {},
    "city": {},
    "sentence": {},
    "random_element": {"elements": ["web", "mobile", "api"]},
    "random_int": {"min": 18, "max": 80},
    "pyfloat": {"min_value": 10, "max_value": 500, "right_digits": 2},
    "boolean": {},
    "now": {},
    "date": {},
    "date_time": {},
    "date_time_this_decade": {},
    "lexify": {},
    "numerify": {},
    "bothify": {},
}
CASES = [
    *REQUIRED.items(),
    ("shortuuid", {"length": 5}),
    ("shortuuid", {"length": 8}),
    ("shortuuid", {}),
    ("random_element", {"elements": {"a": 0.7, "b": 0.2, "c": 0.1}}),
    ("random_element", {"elements": ["a", None, "b"]}),
    ("random_element", {"elements": [1, 2, None]}),
    ("random_element", {"elements": [1, 2.5]}),
    ("random_element", {"elements": [1, "a", None, [2, {"x": 3}]]}),
    ("random_element", {"elements": [True, False]}),
    ("random_element", {"elements": "abc"}),
    ("random_element", {"elements": [dt.date(2020, 1, 1), dt.date(2021, 1, 1)]}),
    ("random_element", {"elements": [NOW, None]}),
    ("random_int", {"min": -(2**62), "max": 2**62}),
    ("random_int", {"min": 5, "max": 50, "step": 9}),
    ("random_digit_or_empty", {}),
    ("random_number", {}),
    ("random_number", {"fix_len": True}),
    ("pyfloat", {}),
    ("pyfloat", {"positive": True}),
    ("pyfloat", {"positive": False, "left_digits": 3, "right_digits": 0}),
    ("pyfloat", {"min_value": -3.5, "max_value": 3.25, "right_digits": 2}),
    ("pyfloat", {"min_value": -0.4, "max_value": 0.4, "right_digits": 1}),
    ("pyfloat", {"min_value": 0.1, "max_value": 0.9}),
    ("pyfloat", {"max_value": 7.5, "right_digits": 3, "positive": True}),
    ("pyfloat", {"min_value": -9.75, "max_value": -1.25, "right_digits": 1}),
    ("pybool", {"truth_probability": 10}),
    ("null_boolean", {}),
    ("pystr", {"min_chars": 0, "max_chars": 4}),
    ("date_object", {}),
    ("time", {}),
    ("time_object", {}),
    ("iso8601", {}),
    ("unix_time", {}),
    ("date_between", {"start_date": "-2d", "end_date": "+2d"}),
    ("date_time_between", {"start_date": "-1h", "end_date": "now"}),
    ("date_of_birth", {"minimum_age": 18, "maximum_age": 18}),
    ("past_date", {}),
    ("future_datetime", {}),
    ("month_name", {}),
    ("day_of_week", {}),
    ("first_name", {}),
    ("address", {}),
    ("phone_number", {}),
    ("url", {}),
    ("ipv4", {}),
    ("mac_address", {}),
    ("job", {}),
    ("numerify", {"text": "!@%$"}),
    ("hexify", {"text": "^^-^^", "upper": True}),
    ("currency", {}),  # a pair
    ("latitude", {}),  # a Decimal, by pool
    ("words", {}),  # a list, by pool
    ("user_agent", {}),
]


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_v4_one_row_is_that_row_of_the_column(name, kwargs):
    made, wanted = provider(name, **kwargs), rows(120)
    column = made.column(wanted)
    objects = made.column_objects(wanted)
    single = [
        made.one(*row) for row in zip(*(part.tolist() for part in (wanted.flow, wanted.action, wanted.clock)))
    ]
    assert repr(single) == repr(objects)
    assert len(column) == 120
    if made.kind not in ("json", "decimal"):
        assert repr(column.to_pylist()) == repr(objects)


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_v4_batches_do_not_matter(name, kwargs):
    made, wanted = provider(name, **kwargs), rows(1000)
    whole = made.column(wanted).to_pylist()
    order = np.random.default_rng(1).permutation(1000)
    mixed = made.column(Rows(wanted.flow[order], wanted.action[order], wanted.clock[order])).to_pylist()
    assert mixed == [whole[i] for i in order]
    parts = []
    for at in (0, 1, 300):
        end = {0: 1, 1: 300, 300: 1000}[at]
        parts += made.column(
            Rows(wanted.flow[at:end], wanted.action[at:end], wanted.clock[at:end])
        ).to_pylist()
    assert parts == whole
    empty = made.column(Rows(wanted.flow[:0], wanted.action[:0], wanted.clock[:0]))
    assert len(empty) == 0
    assert empty.type == made.column(wanted).type


@pytest.mark.parametrize("name", REQUIRED)
def test_v4_required_providers_are_by_column(name):
    made = provider(name, **REQUIRED[name])
    assert made.how == "column"
    column = made.column(rows())
    kinds = {"str": (pa.string(), pa.dictionary(pa.int32(), pa.string())), "int": (pa.int64(),)}
    kinds |= {"float": (pa.float64(),), "bool": (pa.bool_(),), "datetime": (pa.timestamp("us"),)}
    assert column.type in kinds[made.kind]
    column.validate(full=True)


def test_r2_fields_have_draws_of_their_own():
    """Another field, event or partition is another stream; the same one is the same."""
    one, same, other = (provider("random_int", field=field).column(rows()) for field in "aab")
    assert one == same != other
    assert one != provider("random_int", field="a", draws=Draws(42, 1, 2)).column(rows())
    assert one != provider("random_int", field="a", draws=Draws(43)).column(rows())
    assert one != provider("random_int", field="a").column(rows(action=4))


@pytest.mark.slow
def test_dictionaries_are_the_same_object_in_every_call():
    for name, kwargs in (
        ("random_element", {"elements": ["a", "b"]}),
        ("country", {}),
        ("date", {}),
        ("currency_symbol", {}),
    ):
        made = provider(name, **kwargs)
        first, second = made.column(rows()).dictionary, made.column(rows(action=9)).dictionary
        assert first.buffers()[2].address == second.buffers()[2].address


def test_providers_work_in_threads():
    made = {name: provider(name, **kwargs) for name, kwargs in REQUIRED.items()}
    expected = {name: made[name].column(rows(5000)) for name in made}
    wrong = []

    def work():
        wrong.extend(name for name in made if made[name].column(rows(5000)) != expected[name])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- ids and keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kwargs"), [("shortuuid", {"length": 8}), ("shortuuid", {}), ("uuid4", {})])
def test_v2_ids_of_rows_and_keys_are_all_different(name, kwargs):
    """Also between partitions, and between rows and keys of one field."""
    flow, action = (x.ravel() for x in np.meshgrid(np.arange(2000), np.arange(1, 20)))
    wanted = Rows(flow.astype(np.uint64), action.astype(np.uint64), np.zeros(len(flow), np.int64))
    ids = []
    for partition in range(2):
        made = provider(name, draws=Draws(1, partition, 2), **kwargs)
        ids += made.column(wanted).to_pylist()
        ids += made.unique(
            np.arange(20_000, dtype=np.uint64) * np.uint64(2) + np.uint64(partition)
        ).to_pylist()
    assert len(set(ids)) == len(ids)


def test_uuid4_is_a_version_4_uuid():
    made = provider("uuid4")
    for text in [*made.column(rows()).to_pylist(), made.unique_one(5)]:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


KEYS = [
    ("shortuuid", {"length": 2}, 57**2),
    ("shortuuid", {"length": 12}, 57**12),
    ("uuid4", {}, 2**62),
    ("random_int", {"min": 100, "max": 999}, 900),
    ("random_int", {"min": -3, "max": 30, "step": 3}, 12),
    ("lexify", {"text": "??"}, 52**2),
    ("lexify", {"text": "a-?b?", "letters": "xyz"}, 9),
    ("numerify", {"text": "%##-$"}, 9 * 10 * 10 * 8),
    ("numerify", {"text": "no digit"}, 1),
    ("bothify", {"text": "?#?#"}, 52**2 * 100),
    ("bothify", {"text": "?" * 20}, 52**10),
]


@pytest.mark.parametrize(("name", "kwargs", "capacity"), KEYS)
def test_n7_keys_are_a_permutation_of_the_space(name, kwargs, capacity):
    made = provider(name, **kwargs)
    assert made.capacity == capacity
    n = min(capacity, 5000)
    keys = made.unique(np.arange(n, dtype=np.uint64)).to_pylist()
    assert len(set(keys)) == n
    assert keys[:300] == [made.unique_one(i) for i in range(min(n, 300))]
    top = min(capacity, 2**63) - 1
    assert made.unique(np.array([top], np.uint64)).to_pylist() == [made.unique_one(top)]
    other = provider(name, draws=Draws(42, 1, 2), **kwargs)  # one space for all partitions
    assert other.unique(np.arange(n, dtype=np.uint64)).to_pylist() == keys


@pytest.mark.parametrize(("name", "kwargs", "capacity"), [key for key in KEYS if key[2] < 2**63])
def test_n7_too_small_a_space_raises_and_names_the_field(name, kwargs, capacity):
    made = provider(name, field="code", **kwargs)
    with pytest.raises(KeySpaceError, match=rf"(?s)E\.code.*{capacity:,} different values"):
        made.unique(np.array([0, capacity], np.uint64))
    with pytest.raises(KeySpaceError, match=r"E\.code"):
        made.unique_one(capacity)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [("name", {}), ("numerify", {"text": "!!"}), ("bothify", {"text": "@#"}), ("lexify", {"letters": "aab"})],
)
def test_n7_what_can_collide_has_no_capacity(name, kwargs):
    made = provider(name, **kwargs)
    assert made.capacity is None
    with pytest.raises(TypeError, match="permutation"):
        made.unique(np.array([0], np.uint64))


def test_ids_run_out_loudly():
    with pytest.raises(KeySpaceError, match=r"(?s)no ids left for E\.f.*longer id"):
        provider("shortuuid", length=8).column(Rows.of(2**45, 1))
    with pytest.raises(KeySpaceError):
        provider("shortuuid", length=8).one(2**45, 1, 0)


# --- values -------------------------------------------------------------------------------------------


def test_v3_money_has_two_digits_and_is_the_nearest_double():
    for kwargs in (
        {"min_value": 0.01, "max_value": 99.99},
        {"min_value": -5, "max_value": 5},
        {"positive": True},
    ):
        made = provider("pyfloat", right_digits=2, **kwargs)
        values = made.column(rows(20_000)).to_pylist()
        assert all(float(f"{value:.2f}") == value for value in values)
        if "min_value" in kwargs:
            assert kwargs["min_value"] <= min(values) <= max(values) <= kwargs["max_value"]
        else:
            assert min(values) > 0


BOUND = st.one_of(st.integers(-1000, 1000), st.floats(-1000, 1000).map(lambda x: round(x, 3)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(BOUND, min_size=2, max_size=2, unique=True).map(sorted),
    st.one_of(st.none(), st.integers(0, 6)),
    st.booleans(),
)
def test_v3_pyfloat_twins_and_bounds(bounds, right_digits, positive):
    low, high = bounds
    try:
        made = provider(
            "pyfloat", min_value=low, max_value=high, right_digits=right_digits, positive=positive or None
        )
    except DeclarationError:
        return  # Faker refuses it too: these words are its own
    values = made.column(rows(300)).to_pylist()
    assert repr(values) == repr([made.one(i, 3, 0) for i in range(300)])  # -0.0 is not 0.0
    if right_digits is None or (high - low) * 10**right_digits >= 2:
        assert low <= min(values) <= max(values) <= high


def test_v3_elements_keep_their_types():
    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    assert set(provider("random_element", elements=Colour).column(rows()).to_pylist()) == {"red", "blue"}
    assert set(provider("random_element", elements=list(Colour)).column_objects(rows())) == {"red", "blue"}
    made = provider("random_element", elements=[1, None])
    assert made.kind == "int"
    assert set(made.column(rows()).to_pylist()) == {1, None}
    made = provider("random_element", elements=[1, "1", True, None, 1.0])
    assert made.kind == "json"
    seen = made.column_objects(rows())
    assert {(type(x), x) for x in seen} == {
        (int, 1),
        (str, "1"),
        (bool, True),
        (type(None), None),
        (float, 1.0),
    }
    assert set(made.column(rows()).to_pylist()) == {"1", '"1"', "true", None, "1.0"}


def test_v3_weights_of_elements():
    for elements in ({"a": 3, "b": 1, "never": 0}, OrderedDict([("a", 0.75), ("b", 0.25), ("never", 0)])):
        counts = Counter(provider("random_element", elements=elements).column(rows(40_000)).to_pylist())
        assert counts["never"] == 0
        assert abs(counts["a"] / 40_000 - 0.75) < 5 * 0.5 / 200


def test_v3_now_is_the_clock_of_the_flow():
    made, wanted = provider("now"), rows()
    assert made.kind == "datetime"
    assert made.column(wanted).cast(pa.int64()).to_pylist() == wanted.clock.tolist()


@pytest.mark.parametrize(
    "start", [START, 951_782_400_000_000, 1_577_836_800_000_000, 0, 4_102_444_799_999_999]
)
def test_v3_today_means_the_start(start):
    """Also on a leap day, on the first day of a decade, at the epoch and in the far future."""
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=start)

    def values(name, **kwargs):
        return provider(name, at=start, **kwargs).column(rows(500)).to_pylist()

    assert dt.datetime(1970, 1, 1) <= min(values("date_time")) <= max(values("date_time")) <= moment
    decade = values("date_time_this_decade")
    assert dt.datetime(moment.year // 10 * 10, 1, 1) <= min(decade) <= max(decade) <= moment
    assert all(moment - 31 * dt.timedelta(days=1) < x < moment for x in values("past_datetime"))
    assert all(moment < x < moment + 31 * dt.timedelta(days=1) for x in values("future_datetime"))
    assert all(x < moment.date() for x in values("past_date"))
    assert all(x > moment.date() for x in values("future_date"))
    ages = {
        moment.year - born.year - ((moment.month, moment.day) < (born.month, born.day))
        for born in values("date_of_birth", minimum_age=20, maximum_age=22)
    }
    assert ages == {20, 21, 22}
    assert values("date_time_this_month", before_now=False)[0] == moment
    assert all(
        x.date() >= moment.date() for x in values("date_time_this_year", before_now=False, after_now=True)
    )


def test_v3_pools_see_the_start_as_today():
    issued = provider("passport_dates").column_objects(rows(20))
    assert {dates[0] for dates in issued} == {"10 Aug 2025"}
    dates = provider("datetime.date", source="mimesis")
    assert {day.year for day in dates.column_objects(rows(2000))} == set(range(2000, 2026))
    early = provider("datetime.date", source="mimesis", at=10**15 // 2)  # in 1985
    assert {day.year for day in early.column_objects(rows(20))} == {1985}


# --- libraries ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_v4_pools_say_their_size_and_keep_multiplicity():
    made = provider("pystruct")
    assert made.how == "pool"
    assert made.detail.startswith("pool of ")
    assert made.detail.endswith(" distinct values")
    names = provider("internet.query_string", source="mimesis")
    assert names.how == "pool"
    assert set(names.column(rows(2000)).to_pylist()) <= set(names.column(rows(3000)).to_pylist())


def test_v3_mimesis():
    made = provider("person.full_name", source="mimesis", locale="de")
    values = made.column(rows()).to_pylist()
    assert all(" " in value for value in values)
    assert values == provider("person.full_name", source="mimesis", locale="de").column(rows()).to_pylist()
    prices = provider("finance.price", source="mimesis", minimum=5, maximum=6).column(rows()).to_pylist()
    assert 5 <= min(prices) <= max(prices) <= 6
    assert set(provider("choice", source="mimesis", items=["x", "y"]).column(rows()).to_pylist()) == {
        "x",
        "y",
    }


def test_v3_locales():
    from faker import Faker

    Faker("ja_JP")
    names = provider("name", locale="ja_JP").column(rows()).to_pylist()
    assert all(any(ord(c) > 0x3000 for c in name) for name in names)
    assert provider("name", locale="de").column(rows()) == provider("name", locale="de_DE").column(rows())
    assert provider("month_name", locale="de_DE").one(1, 1, 0) in (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
    )


@pytest.mark.parametrize(
    ("name", "kwargs", "parts"),
    [
        ("random_elment", {}, ["unknown Faker provider", "did you mean 'random_element'"]),
        ("seed", {}, ["unknown Faker provider"]),
        ("add_provider", {}, ["unknown Faker provider"]),
        ("random", {}, ["unknown Faker provider"]),
        ("__class__", {}, ["unknown Faker provider"]),
        (
            "random_int",
            {"mx": 3},
            ["no argument 'mx'", "did you mean 'max'", "random_int(min=0, max=9999, step=1)"],
        ),
        ("shortuuid", {"len": 3}, ["no argument 'len'", "shortuuid(length=22)"]),
        ("now", {"tz": 3}, ["no argument 'tz'", "now()"]),
        ("shortuuid", {"length": 0}, ["length", "not 0"]),
        ("shortuuid", {"length": "8"}, ["length", "'8'"]),
        ("random_int", {"min": 9, "max": 3}, ["no number from min=9 to max=3"]),
        ("random_int", {"min": "a"}, ["wrong arguments for random_int"]),
        ("pyfloat", {"min_value": 5, "max_value": 1}, ["Min value cannot be greater"]),
        ("pyfloat", {"min_value": 1, "max_value": 1}, ["cannot be the same"]),
        ("date_between", {"start_date": "-1x"}, ["Can't parse date string `-1x`"]),
        ("date_time_between", {"start_date": "now", "end_date": "-3d"}, ["is after the end"]),
        ("date_of_birth", {"minimum_age": 30, "maximum_age": 20}, ["minimum_age"]),
        ("random_element", {"elements": []}, ["no elements"]),
        ("random_element", {"elements": {"a", "b"}}, ["set has no order"]),
        ("random_element", {"elements": {"a": "x"}}, ["weights of the elements must be numbers"]),
        ("random_element", {"elements": {"a": -1, "b": 2}}, ["weights must be non-negative"]),
        ("random_element", {"elements": 5}, ["not 5"]),
        ("lexify", {"letters": ""}, ["wrong arguments for lexify"]),
        ("name", {"locale": "xx_YY"}, ["unknown locale", "xx_YY"]),
        ("enum", {}, ["wrong arguments for enum", "enum_cls"]),
        ("person.full_nme", {"source": "mimesis"}, ["did you mean 'person.full_name'"]),
        ("full_name", {"source": "mimesis"}, ["did you mean 'person.full_name'"]),
        ("person.age", {"source": "mimesis"}, ["unknown Mimesis provider"]),
        ("finance.price", {"source": "mimesis", "minmum": 1}, ["did you mean 'minimum'"]),
        ("person.full_name", {"source": "mimesis", "locale": "zz"}, ["unknown locale", "zz"]),
        ("name", {"source": "numpy"}, ["unknown source"]),
    ],
)
def test_v3_mistakes_raise_at_declaration(name, kwargs, parts):
    with pytest.raises(DeclarationError) as error:
        provider(name, **kwargs)
    for part in parts:
        assert part in str(error.value)


def test_names_of_providers():
    names = provider_names()
    assert set(REQUIRED) <= set(names)
    assert names == sorted(names)
    assert not {"seed", "random", "format", "parse", "add_provider"} & set(names)


@pytest.mark.slow
def test_r6_the_global_random_is_left_alone():
    from faker import Faker
    from faker.generator import random as faker_random

    random.seed(3)
    before, shared = random.getstate(), faker_random.getstate()
    for name in ("profile", "passport_number", "name", "color", "md5"):
        provider(name, draws=Draws(1234)).column(rows())
    provider("person.username", source="mimesis", draws=Draws(1234)).column(rows())
    assert random.getstate() == before
    assert faker_random.getstate() == shared
    assert dt.datetime is Faker("en_US").date_time().__class__


_VALUES = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.values.test_providers import provider, rows
for name in ("name", "paragraph", "profile", "random_element", "currency", "pyset", "words", "uuid4"):
    print(provider(name).column(rows(50)).to_pylist())
print(provider("person.full_name", source="mimesis").column(rows(50)).to_pylist())
"""


@pytest.mark.slow
def test_r1_values_do_not_depend_on_the_process():
    """Another hash seed and another time zone give the same values, pools included."""
    root = str(ROOT)
    outputs = set()
    for env in ({"PYTHONHASHSEED": "1", "TZ": "UTC"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"}):
        done = subprocess.run(
            [sys.executable, "-c", _VALUES, root],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "[" in outputs.pop()


def test_importing_providers_loads_no_library():
    code = "import sys, deep_faker.values; print(sorted({'faker', 'mimesis'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
