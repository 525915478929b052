"""Recipes: the steps that a kernel takes for a generated field give what the field's own makers give.

Each test of values looks at 5,000 (flow, action) pairs; `repr` tells 1 from True, 0.0 from -0.0.
"""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deep_faker import (
    BaseEvent,
    Beta,
    Choice,
    Exponential,
    Field,
    FlowContext,
    FromFrame,
    Gamma,
    LogNormal,
    NewEvent,
    Normal,
    Pareto,
    Poisson,
    Sequence,
    Simulation,
    Uniform,
    Zipf,
)
from deep_faker.declare.schema import GeneratorSpec, event_spec
from deep_faker.distributions import Weibull
from deep_faker.draws.mix import Draws, mix1
from deep_faker.errors import DeclarationError
from deep_faker.fill.binding import Binding
from deep_faker.fill.field_recipes import field_recipe
from deep_faker.plan import Type
from deep_faker.plan.recipes import NoRecipeError, Recipe, Steps, evaluate
from deep_faker.plan.storage import to_python
from deep_faker.values import Place, make
from tests.support.worlds import provider_world
from tests.support.worlds.recipe_world import N, evaluated, exact_recipe, rows

TOWNS = pl.DataFrame({"town": ["Rome", "Bari", None], "people": [2700, 316, 5], "high": [21.5, 5.0, None]})


class Tier(enum.Enum):
    """Members that a field may have."""

    FREE = "free"
    PAID = "paid"


def binding(annotation: Any, field: Any, **given: Any) -> Binding:
    """Of a world whose flow reads the field ``value`` as it runs."""
    event = type(
        "Made",
        (BaseEvent,),
        {"__annotations__": {"value": annotation}, "value": field, "__module__": __name__},
    )
    sim = Simulation(duration="1m", start_time="2024-02-29", random_seed=3, **given)

    @sim.flow()
    def make(ctx: FlowContext):
        yield NewEvent(ctx, event)
        if f"{ctx.current_event_data['value']}" == "":
            return
        yield NewEvent(ctx, event)

    return Binding(sim.compile(), Draws(11, partition=1, partitions=3))


def assert_same(made: Binding) -> Recipe:
    """The recipe gives what `early` and `early_one` give, and is of the same type."""
    recipe = made.early_recipe("Made", "value")
    assert recipe is not None
    type_, asked = made.early_type("Made", "value"), rows()
    assert recipe.type == type_
    found = evaluated(recipe, asked)
    early = made.early("Made", "value", asked.flow, asked.action, asked.clock)
    assert repr(found) == repr(to_python(*early, type_, made.plan.texts))
    some = [int(at) for at in np.linspace(0, N - 1, 200)]
    ones = [
        made.early_one("Made", "value", int(asked.flow[at]), int(asked.action[at]), int(asked.clock[at]))
        for at in some
    ]
    assert repr([found[at] for at in some]) == repr(ones)
    return recipe


WRITTEN: list[tuple[Any, dict[str, Any]]] = [
    (bool, {"faker": "boolean"}),
    (bool, {"faker": "boolean", "chance_of_getting_true": 0}),
    (bool, {"faker": "boolean", "chance_of_getting_true": 100}),
    (bool | None, {"faker": "null_boolean"}),
    (bool, {"faker": "pybool", "truth_probability": 13}),
    (int, {"faker": "boolean"}),
    (float, {"faker": "boolean"}),
    (str, {"faker": "boolean"}),
    (int, {"faker": "random_int"}),
    (int | None, {"faker": "random_int", "min": -7, "max": 100, "step": 5}),
    (int, {"faker": "random_int", "min": -(2**63), "max": -1}),
    (int, {"faker": "random_int", "min": 2**63 - 3, "max": 2**63 - 1}),
    (int, {"faker": "random_int", "min": 10, "max": 20, "ge": 10, "lt": 21}),
    (float, {"faker": "random_int", "min": 1, "max": 10**12}),
    (str, {"faker": "random_int", "min": 1, "max": 9}),
    (Decimal, {"faker": "random_int", "min": 1, "max": 9}),
    (int, {"faker": "pyint", "min_value": 18, "max_value": 99}),
    (int, {"faker": "random_digit"}),
    (int, {"faker": "random_digit_not_null"}),
    (int, {"faker": "random_digit_above_two"}),
    (int, {"faker": "random_number"}),
    (int, {"faker": "random_number", "digits": 5, "fix_len": True}),
    (int, {"faker": "port_number"}),
    (str, {"faker": "random_digit_or_empty"}),
    (float, {"faker": "pyfloat"}),
    (float, {"faker": "pyfloat", "right_digits": 2}),
    (float, {"faker": "pyfloat", "right_digits": 2, "left_digits": 1, "positive": True}),
    (float, {"faker": "pyfloat", "positive": False, "left_digits": 3, "right_digits": 0}),
    (
        float | None,
        {"faker": "pyfloat", "min_value": 5, "max_value": 500, "right_digits": 2, "ge": 5, "le": 500},
    ),
    (float, {"faker": "pyfloat", "min_value": -0.4, "max_value": 0.4, "right_digits": 1}),
    (float, {"faker": "pyfloat", "min_value": 0.1, "max_value": 0.9}),
    (float, {"faker": "pyfloat", "max_value": 7.5, "left_digits": 2, "right_digits": 1}),
    (float, {"faker": "pyfloat", "min_value": -9.75, "left_digits": 3, "right_digits": 6}),
    (int, {"faker": "pyfloat", "min_value": 0, "max_value": 10, "right_digits": 1}),
    (str, {"faker": "random_element", "elements": ["web", "mobile", "tv"]}),
    (str | None, {"faker": "random_element", "elements": ["web", None]}),
    (str, {"faker": "random_element", "elements": {"web": 0.7, "mobile": 0.2, "tv": 0.1}}),
    (Literal["a", "b"], {"faker": "random_element", "elements": ["a", "b"]}),
    (Tier, {"faker": "random_element", "elements": list(Tier)}),
    (int, {"faker": "random_element", "elements": [3, 1, 4, 1, 5]}),
    (int | None, {"faker": "random_element", "elements": (3, None)}),
    (float, {"faker": "random_element", "elements": [1, 2.5]}),
    (Any, {"faker": "random_element", "elements": ["a", "b", "a"]}),
    (str, {"faker": "first_name"}),
    (str, {"faker": "first_name", "locale": "ja_JP"}),
    (str, {"faker": "last_name", "locale": {"de_DE": 2, "fr_FR": 1}}),
    (str, {"faker": "country_code"}),
    (str | None, {"faker": "currency_code"}),
    (str, {"faker": "job", "min_length": 2}),
    (str, {"faker": "country", "locale": "de_DE"}),
    (str, {"faker": "word"}),
    (str, {"faker": "month_name"}),
    (str, {"faker": "date"}),
    (str, {"faker": "date_of_birth"}),
    (dt.datetime, {"faker": "now"}),
    (dt.date, {"faker": "now"}),
    (dt.datetime, {"faker": "date_time_between", "start_date": "-1y"}),
    (dt.datetime, {"faker": "date_time_ad"}),
    (dt.datetime, {"faker": "future_datetime"}),
    (dt.date, {"faker": "date_between"}),
    (dt.date | None, {"faker": "date_of_birth", "minimum_age": 18}),
    (dt.datetime, {"faker": "date_this_year"}),
    (dt.date, {"faker": "date_time_between", "start_date": dt.datetime(1, 1, 2), "end_date": "-60y"}),
    (float, {"faker": "unix_time"}),
    (bool, {"mimesis": "development.boolean"}),
    (int, {"mimesis": "numeric.integer_number", "start": -5, "end": 5}),
    (float, {"mimesis": "numeric.float_number", "start": 0, "end": 10, "precision": 2}),
    (str, {"mimesis": "person.first_name"}),
    (dt.datetime, {"mimesis": "datetime.datetime"}),
    (dt.date, {"mimesis": "datetime.date"}),
    (float, {"dist": Normal(60, 15)}),
    (float, {"dist": Normal(-3, 2.5), "digits": 2}),
    (int, {"dist": Normal(60, 15)}),
    (float, {"dist": LogNormal(3, 0.5), "digits": 2, "gt": -1}),
    (float, {"dist": LogNormal(1.5, 0.25), "gt": 0}),
    (float, {"dist": Uniform(5, 10), "ge": 5, "le": 10}),
    (float, {"dist": Uniform(-1.5, 2.5), "digits": 0}),
    (float | None, {"dist": Exponential(30), "ge": 0}),
    (float, {"dist": Exponential(0.001), "digits": 4}),
    (float, {"dist": Gamma(2, 30)}),
    (float, {"dist": Gamma(0.3), "digits": 3, "ge": 0}),
    (int, {"dist": Gamma(50, 2)}),
    (float, {"dist": Beta(2, 5), "ge": 0}),
    (float, {"dist": Beta(0.5, 3), "digits": 4}),
    (float, {"dist": Pareto(1.16, minimum=10), "ge": 10}),
    (float, {"dist": Weibull(30, 0.7), "digits": 2, "ge": 0}),
    (int, {"dist": Poisson(3.5), "ge": 0}),
    (float, {"dist": Poisson(700)}),
    (int, {"dist": Zipf(1.1, size=1000), "ge": 1, "le": 1000}),
    (str, {"dist": Choice(["card", "cash"], [6, 3])}),
    (str | None, {"dist": Choice(["card", "cash", None], [6, 3, 1])}),
    (float | None, {"dist": Choice([1, 2.5, None])}),
    (dt.datetime, {"dist": Choice([dt.datetime(1969, 5, 1, 3), dt.datetime(2024, 1, 1)])}),
    (dt.timedelta, {"dist": Choice([dt.timedelta(1), dt.timedelta(microseconds=-1)])}),
    (Decimal, {"dist": Choice(["1.50", "2"])}),
    (str | None, {"dist": FromFrame(TOWNS, "town")}),
    (str | None, {"dist": FromFrame(TOWNS, "town", weights="people")}),
    (float | None, {"dist": FromFrame(TOWNS, "high", weights="people")}),
]


@pytest.mark.parametrize(
    ("annotation", "given"),
    WRITTEN,
    ids=[f"{at} {next(iter(g.values()))}" for at, (_, g) in enumerate(WRITTEN)],
)
def test_a_recipe_gives_the_early_value(annotation: Any, given: dict[str, Any]):
    """What simple generators give early has a recipe, which is exact: in value, type and whether it is None."""
    assert_same(binding(annotation, Field(**given)))


def test_a_recipe_of_the_simulations_locales():
    """The locale that a row has decides, as in the column."""
    mix = {"en_US": 3, "de_DE": 1, "ja_JP": 1}
    recipe = assert_same(binding(str, Field(faker="first_name"), locale=mix))
    assert recipe.values is not None
    assert len(recipe.values) > 1_000


def test_a_recipe_of_known_texts_is_of_codes():
    """Texts that the plan knows are codes to the engine; the recipe names them in an order of its own."""
    recipe = assert_same(binding(str, Field(faker="random_element", elements=["tv", "web", "tv"])))
    assert recipe.type == Type("code")
    assert recipe.values is not None
    assert set(recipe.values) == {"tv", "web"}


REFUSED: list[tuple[Any, dict[str, Any]]] = [
    (int, {"faker": "random_int", "min": 0, "max": 10**6, "le": 10**6 - 1}),
    (int, {"faker": "random_element", "elements": [1, None]}),
    (Literal["a", "b"], {"faker": "random_element", "elements": ["a", "c"]}),
    (int, {"faker": "random_element", "elements": [1, 2], "ge": 2}),
    (float, {"dist": Normal(10, 5), "ge": 0}),
    (float, {"faker": "pyfloat", "min_value": 0, "max_value": 1, "right_digits": 2, "gt": 0}),
    (Annotated[int, pydantic.AfterValidator(abs)], {"faker": "random_digit"}),
]


@pytest.mark.parametrize(("annotation", "given"), REFUSED)
def test_what_may_be_refused_has_no_recipe(annotation: Any, given: dict[str, Any]):
    """A value that the event's model refuses, or a validator changes, is for Python to look at."""
    assert binding(annotation, Field(**given)).early_recipe("Made", "value") is None


OTHERS: list[tuple[Any, dict[str, Any]]] = [
    (str, {"faker": "email"}),
    (str, {"faker": "uuid4"}),
    (float, {"dist": Beta(0.001, 0.001)}),  # a quotient beyond what a float holds
    (int, {"dist": Sequence(1)}),
    (int, {"dist": Zipf(1.1, size=100_000)}),
    (float, {"dist": Normal(1e15, 1), "digits": 2}),
    (int, {"faker": "random_int", "min": 1, "max": 5_000, "unique": True}),
    (str, {"faker": "random_int", "min": 1, "max": 10**9}),
    (list[str], {"faker": "words"}),
]


@pytest.mark.parametrize(("annotation", "given"), OTHERS)
def test_what_takes_more_than_few_steps_has_no_recipe(annotation: Any, given: dict[str, Any]):
    """Texts of several pieces, large tables, unique values."""
    assert binding(annotation, Field(**given)).early_recipe("Made", "value") is None


def test_values_that_could_be_changed_are_not_shared():
    """A list that a flow reads is its own: there is no table of lists."""
    assert binding(list[int], Field(dist=Choice([[1], [2]]))).early_recipe("Made", "value") is None


# ---------------------------------------------------------------- methods of the libraries

EVERYWHERE = """
    boolean color_name company_suffix country country_code credit_card_provider currency_code currency_name date
    date_between date_object date_of_birth date_this_month date_this_year date_time date_time_between
    date_time_this_year day_of_month day_of_week file_extension first_name first_name_female first_name_male
    future_date future_datetime http_method http_status_code job language_code last_name locale mime_type month
    month_name null_boolean past_date past_datetime port_number prefix pybool pyfloat pyint random_digit
    random_digit_above_two random_digit_not_null random_element random_int random_letter random_number
    timezone tld unix_time uri_path word year
""".split()
HERE = "city_suffix free_email_domain language_name safe_color_name state state_abbr street_suffix suffix".split()
OF_MIMESIS = """
    address.city address.continent address.country address.country_code address.state finance.company
    finance.currency_iso_code datetime.date datetime.datetime datetime.day_of_month datetime.month
    datetime.year development.boolean development.os development.programming_language finance.price
    food.fruit hardware.phone_model internet.http_status_code numeric.float_number numeric.integer_number
    person.birthdate person.first_name person.gender person.height person.last_name person.nationality
    person.occupation person.weight text.color text.level transport.airplane
""".split()


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en_US", "de_DE", "ja_JP", "pt_BR"])
def test_methods_of_faker_have_exact_recipes(locale: str):
    """Numbers, booleans, dates and texts of one table: whoever reads them early gets them from a recipe."""
    there = set(provider_world.faker_names(locale))
    names = [name for name in EVERYWHERE if name in there] + (HERE if locale == "en_US" else [])
    assert len(names) > 50
    without = {name for name in names if exact_recipe(provider_world.provider(name, locale)) is None}
    assert without == set()


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en", "ru"])
def test_methods_of_mimesis_have_exact_recipes(locale: str):
    """The same for Mimesis."""
    for name in OF_MIMESIS:
        spec = GeneratorSpec("mimesis", name, (), locale)
        place = Place(Draws(42), ("field", "E", name), provider_world.START)
        assert exact_recipe(make(spec, place)) is not None, name


BOUND = st.one_of(st.integers(-1000, 1000), st.floats(-1000, 1000).map(lambda x: round(x, 3)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), BOUND), min_size=2, max_size=2),
    st.one_of(st.none(), st.integers(0, 6)),
    st.one_of(st.none(), st.integers(0, 6)),
    st.sampled_from([None, True, False]),
)
def test_the_recipe_of_pyfloat_is_exact(
    bounds: list[float | None], left: int | None, right: int | None, positive: bool | None
):
    """For all arguments: `pyfloat` has the most steps of all."""
    low, high = bounds
    given = {
        "min_value": low,
        "max_value": high,
        "left_digits": left,
        "right_digits": right,
        "positive": positive,
    }
    arguments = tuple((name, value) for name, value in given.items() if value is not None)
    spec = GeneratorSpec("faker", "pyfloat", arguments)
    try:
        provider = make(spec, Place(Draws(1), ("field", "E", "value"), 0))
    except DeclarationError:
        return  # Faker refuses it too
    event = type("Made", (BaseEvent,), {"__annotations__": {"value": float}, "value": Field(faker="pyfloat")})
    recipe = field_recipe(provider, event_spec(event).by_name["value"], Type("float"))
    if recipe is not None:
        asked = rows(400)
        assert repr(evaluated(recipe, asked)) == repr(provider.column(asked).to_pylist())


# ---------------------------------------------------------------- steps


def test_equal_steps_are_one_and_unwanted_ones_are_dropped():
    """A draw that two fields of a step need is made once; 0.0 and -0.0, 1 and True are different."""
    steps = Steps()
    u = steps.mix(5)
    value = steps.mix(5).below(10) + u.below(10)
    steps.mix(6).unit()
    assert [step.op for step in steps.recipe(Type("int"), value).steps] == ["mix", "constant", "below", "add"]
    numbers = {steps.constant(each).number for each in (0.0, -0.0, 0, False, 1, 1.0, True)}
    assert len(numbers) == 7
    assert u.below(2).among([0.0, 1.0]).number != u.below(2).among([-0.0, 1.0]).number


def test_what_may_leave_64_bits_is_not_written():
    """Ints stay in 64 bits, floats are finite, nothing is divided by zero: else there is no recipe."""
    steps = Steps()
    large = steps.mix(1).below(2**63)
    assert (large - 1).high == 2**63 - 2
    for write in (
        lambda: large + large,
        lambda: large * 2,
        lambda: large.below(2**64),
        lambda: steps.mix(1).below(0),
        lambda: large // 0,
        lambda: large.among([1, 2]),
        lambda: steps.mix(1).unit() / 0.0,
        lambda: steps.constant(1.0) / steps.mix(1).unit(),
        lambda: steps.constant(800.0).exp(),
        lambda: steps.mix(1).unit().log(),
        lambda: steps.constant(1e300) * 1e300,
        lambda: steps.constant(1e14).rounded(2),
        lambda: large.to_float().to_int(),
    ):
        with pytest.raises(NoRecipeError):
            write()


def test_the_bounds_of_steps_hold():
    """Each word lies in the bounds that were worked out for it, and they are as tight as they can be."""
    steps = Steps()
    u = steps.mix(9)
    words = {
        "whole": (u.below(7) * -3 + 5, -13, 5),
        "rest": ((u.below(100) - 50) % 7, 0, 6),
        "part": ((u.below(100) - 50) // 7, -8, 7),
        "table": (u.below(3).among([5, -1, 4]), -1, 5),
        "choice": (u.at_most(1 << 62).select(2, u.below(2)), 0, 2),
        "clipped": (u.unit().clipped(0.25, 0.5), 0.25, 0.5),
        "rounded": ((u.unit() * 10.0).rounded(1), 0.0, 10.0),
    }
    for name, (word, low, high) in words.items():
        assert (word.low, word.high) == (low, high), name
        recipe = steps.recipe(Type(word.kind), word)
        found = {evaluate(recipe, flow, 1) for flow in range(2_000)}
        assert (min(found), max(found)) == (low, high), name


def test_what_the_bounds_decide_is_not_computed():
    """Comparisons whose outcome is known are none: a price between whole bounds takes one draw."""
    steps = Steps()
    number = steps.mix(1).below(10)
    for test, known in (
        (number.less(10), 1),
        (number.less(0), 0),
        (number.above(9), 0),
        (number.equals(10), 0),
        (steps.mix(1).at_most(2**64 - 1), 1),
    ):
        assert (test.low, test.high) == (known, known)
        assert test.select(number, 5).number == (number if known else steps.constant(5)).number
    for test in (number.less(9), number.above(0), number.equals(9)):
        assert (test.low, test.high) == (0, 1)
    price = Field(faker="pyfloat", min_value=5, max_value=500, right_digits=2)
    recipe = binding(float, price).early_recipe("Made", "value")
    assert recipe is not None
    assert [step.op for step in recipe.steps].count("mix") == 1
    assert not {"select", "less"} & {step.op for step in recipe.steps}


def test_halves_of_a_draw():
    """High and low halves, each as a draw of its own."""
    steps = Steps()
    u = steps.mix(3)
    high, low = (half.below(1 << 32) for half in (u.high_half(), u.low_half()))
    for flow in range(50):
        draw = mix1(3, flow, 2)
        assert evaluate(steps.recipe(Type("int"), high), flow, 2) == draw >> 32
        assert evaluate(steps.recipe(Type("int"), low), flow, 2) == draw & 0xFFFFFFFF
