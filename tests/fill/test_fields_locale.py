"""Locales of fields and of simulations, and mixes of them.

The statistical test fails by chance with probability 1e-4.
"""

from __future__ import annotations

import pytest
from scipy import stats

from deep_faker import BaseEvent, Field, Simulation
from deep_faker.errors import DeclarationError
from tests.support.worlds.field_world import assert_engines_agree, assert_one_is_column, frame, world

MIX = {"en_US": 3, "de_DE": 1}


class Person(BaseEvent):
    name: str = Field(faker="name")
    city: str = Field(faker="city")
    country: str = Field(faker="current_country")
    number: int = Field(faker="random_int", min=1, max=9)
    id: str = Field(faker="shortuuid", length=9)
    code: str = Field(faker="numerify", text="#######", unique=True)
    french: str = Field(faker="current_country", locale="fr_FR")
    own: str = Field(faker="current_country", locale={"ja_JP": 1, "it_IT": 1})
    again: str = Field(faker="current_country_code", locale={"ja_JP": 1, "it_IT": 1})


def test_a_simulation_has_a_locale():
    """Of all fields that name none, as if each had named it."""

    class Named(BaseEvent):
        name: str = Field(faker="name", locale="ja_JP")
        city: str = Field(faker="city", locale="ja_JP")

    class Plain(BaseEvent):
        name: str = Field(faker="name")
        city: str = Field(faker="city")

    Named.__name__ = Plain.__name__ = "Same"
    japanese = frame(Plain, locale="ja_JP")
    assert japanese.equals(frame(Named))
    assert japanese.equals(frame(Named, locale="de_DE"))
    assert not japanese["name"].equals(frame(Plain)["name"])
    assert frame(Plain, locale={"ja_JP": 2, "de_DE": 0}).equals(japanese)


def test_a_mix_has_its_shares():
    """Each event is of one locale; locales come in proportion to their weights."""
    people = frame(Person, locale=MIX, minutes=60)
    german = (people["country"] == "Germany").sum()
    assert set(people["country"]) == {"United States", "Germany"}
    assert stats.binomtest(german, people.height, 0.25).pvalue > 1e-4
    assert set(people["french"]) == {"France"}
    assert set(people.select("own", "again").iter_rows()) == {("Japan", "JP"), ("Italy", "IT")}
    assert people["code"].is_unique().all()


def test_a_mix_gives_what_each_locale_gives():
    """A row of a mix is the row of its locale."""
    mixed = frame(Person, locale=MIX)
    american, german = frame(Person, locale="en_US"), frame(Person, locale="de_DE")
    for row, us, de in zip(*(f.iter_rows(named=True) for f in (mixed, american, german)), strict=True):
        assert row == (us if row["country"] == "United States" else de)


def test_values_by_row_and_column():
    assert_one_is_column(Person, locale=MIX)


def test_engines_agree():
    assert_engines_agree(world(Person, minutes=1, locale=MIX))


def test_mimesis_takes_the_same_locales():
    """de_DE is Mimesis' de."""

    class Person(BaseEvent):
        name: str = Field(mimesis="person.full_name")

    class Named(BaseEvent):
        name: str = Field(mimesis="person.full_name", locale="de")

    Named.__name__ = "Person"
    assert frame(Person, locale="de_DE", minutes=1).equals(frame(Named, minutes=1))
    assert frame(Person, locale={"de_DE": 1, "ja_JP": 1}, minutes=1)["name"].n_unique() > 100


def test_the_locale_can_be_changed():
    sim = world(Person, minutes=1)
    sim.change(locale="de_DE")
    assert set(sim.collect()["Person"]["country"]) == {"Germany"}


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        ("de_ED", "did you mean 'de_DE'"),
        ({"en_US": 1, "ja_PJ": 1}, "did you mean 'ja_JP'"),
        ({"en_US": -1}, "weight of 0 or more"),
        ({"en_US": 0}, "every weight is 0"),
        ({}, "give a locale"),
        (7, "give a locale"),
        ({"en_US": "much"}, "weight of 0 or more"),
    ],
)
def test_wrong_locales(locale, message):
    """Of a field or of a simulation: refused, with near matches."""

    class Plain(BaseEvent):
        name: str = Field(faker="name")

    with pytest.raises(DeclarationError, match=message):
        frame(Plain, locale=locale, minutes=1)
    with pytest.raises(DeclarationError, match=message):

        class Wrong(BaseEvent):
            name: str = Field(faker="name", locale=locale)

        frame(Wrong, minutes=1)


def test_locales_are_kept_by_repr():
    """A simulation without a locale has Faker's own, en_US."""
    assert Simulation("1m", locale=MIX).locale == MIX
    assert Simulation("1m").locale is None
