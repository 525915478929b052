"""`of=`: fields of one event that agree, by whatever locale and whoever gave the name."""

from __future__ import annotations

import re

import polars as pl
import pytest
from faker.providers.address.en_US import Provider as Address

from deep_faker import (
    BaseEvent,
    Entity,
    Field,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import DeclarationError
from deep_faker.values.families.persons import names_of
from tests.support.worlds.field_world import assert_engines_agree, assert_one_is_column, frame, world

MIX = {"en_US": 3, "de_DE": 2, "ja_JP": 1, "es_ES": 1, "zh_CN": 1, "ru_RU": 1}
FEW = {"en_US": 3, "ja_JP": 1}  # each locale's providers are made anew by every engine


class Person(BaseEvent):
    email: str = Field(faker="email", of="name")
    name: str = Field(faker="name")
    user: str = Field(faker="user_name", of="name")
    first: str = Field(faker="first_name", of="name")
    last: str = Field(faker="last_name", of="name")
    free: str = Field(faker="free_email", of="name")
    work: str = Field(faker="company_email", of="name", unique=True)


class Pieces(BaseEvent):
    first: str = Field(faker="first_name")
    last: str = Field(faker="last_name")
    name: str = Field(faker="name", of=("first", "last"))
    email: str = Field(faker="email", of=("first", "last"))


class Place(BaseEvent):
    state: str = Field(faker="state")
    short: str = Field(faker="state_abbr", of="state")
    postcode: str = Field(faker="postcode", of="state")
    zip: str = Field(faker="zipcode", of="short")
    city: str = Field(faker="city")
    country: str = Field(faker="country", of="city")
    code: str = Field(faker="country_code", of="city")


def agrees(address: str, first: str, last: str) -> bool:
    """Whether the part before @ is one of the usual forms of the two names."""
    user = address.partition("@")[0]
    forms = [f"{last}.{first}", f"{first}.{last}", rf"{first}_?\d\d", f"{first[0]}{last}"]
    return any(re.fullmatch(rf"{form}(_\d+)?", user) for form in forms)


@pytest.mark.slow
@pytest.mark.parametrize("locale", [None, "de_DE", "ja_JP", "fr_FR", "es_ES", "zh_CN", "ru_RU", MIX])
def test_addresses_are_of_the_name(locale):
    """First and last names are words of the name, and addresses are made of them, in ASCII."""
    people = frame(Person, locale=locale, minutes=3)
    slug = names_of(locale if isinstance(locale, str) else None).slug
    for row in people.iter_rows(named=True):
        assert row["first"] in row["name"], row
        assert row["last"] in row["name"], row
        for column in ("email", "user", "free", "work"):
            assert row[column].isascii(), row
            if not isinstance(locale, dict):  # each locale spells in its own way
                assert agrees(row[column], slug(row["first"]), slug(row["last"])), row
    assert people["work"].is_unique().all()
    assert people["email"].str.contains("@example.(com|org|net)$").all()


def test_names_are_read_as_their_locale_writes_them():
    """Titles, orders, names without a gap, and a reading that Faker knows."""
    import pyarrow as pa

    for locale, name, given, family in [
        (None, "Dr. Mary Jones MD", "Mary", "Jones"),
        (None, "Cher", "Cher", "Cher"),
        ("de_DE", "Prof. Jürgen Müller", "Jürgen", "Müller"),
        ("ja_JP", "山田 太郎", "太郎", "山田"),
        ("zh_CN", "张伟", "伟", "张"),
        (None, "", "user", "user"),
        (None, None, "user", "user"),
    ]:
        parts = names_of(locale).parts(pa.array([name], pa.string()))
        assert (parts.given[0].as_py(), parts.family[0].as_py()) == (given, family)
    assert names_of("de_DE").slug("Jürgen") == "juergen"
    assert names_of("ja_JP").slug("山田") == "yamada"


def test_names_of_two_parts():
    """A name made of its parts, in the order of its locale."""
    pieces = frame(Pieces, minutes=2)
    assert (pieces["name"] == pieces["first"] + " " + pieces["last"]).all()
    japanese = frame(Pieces, minutes=2, locale="ja_JP")
    assert (japanese["name"] == japanese["last"] + " " + japanese["first"]).all()
    slug = names_of(None).slug
    for row in pieces.iter_rows(named=True):
        assert agrees(row["email"], slug(row["first"]), slug(row["last"]))


class Account(BaseEvent):
    name: str = Field(faker="name")
    login: str = Field(faker="user_name", of="name", unique=True)
    email: str = Field(faker="free_email", of="login")
    user: str = Field(faker="user_name", of="email")
    host: str = Field(faker="domain_name", of="email")


@pytest.mark.slow
def test_chains_of_fields():
    """An address of the user name, and its parts."""
    accounts = frame(Account, minutes=2, locale=FEW)
    assert (accounts["email"] == accounts["login"] + "@" + accounts["host"]).all()
    assert (accounts["user"] == accounts["login"]).all()
    assert accounts["email"].is_unique().all()
    assert_one_is_column(Account, n=60, locale=FEW)
    assert_engines_agree(world(Account, minutes=1, locale=FEW))


def test_places_agree():
    """A state's abbreviation, postcodes within its range, the country of the locale."""
    for row in frame(Place).iter_rows(named=True):
        low, high = Address.states_postcode[row["short"]]
        assert low <= int(row["postcode"]) <= high
        assert low <= int(row["zip"]) <= high
        assert (row["country"], row["code"]) == ("United States", "US")
    pairs = frame(Place).group_by("state").agg(pl.col("short").n_unique())
    assert pairs["short"].max() == 1


@pytest.mark.slow
@pytest.mark.parametrize("event", [Person, Pieces])
def test_values_by_row_and_column(event):
    assert_one_is_column(event, n=120, locale=MIX)
    assert_engines_agree(world(event, minutes=1, locale=MIX))


def test_values_of_places_by_row_and_column():
    assert_one_is_column(Place, n=120)
    assert_engines_agree(world(Place, minutes=1))


class ReaderJoined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=10)
    name: str = Field(faker="name")
    email: str = Field(faker="email", of="name")


class Reader(Entity):
    source_event = ReaderJoined
    primary_key = "user_id"
    name: str = StateField(from_field="name")
    email: str = StateField(from_field="email")
    mails: int = StateField(default=0)


class Mailed(BaseEvent):
    user_id: str
    to: str


@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_state_agrees_and_given_names_are_seen(given: bool):
    """The entity has what its event had; a name that the flow gives is the one in the address."""
    sim = Simulation("3m", "2024-03-01", "1s", 3, random_seed=4, initial_entities={Reader: 15}, locale=FEW)

    if given:

        @sim.flow()
        def join(ctx: FlowContext):
            yield NewEvent(ctx, ReaderJoined, save_entity=Reader, name="Zoë O'Hara")

    else:

        @sim.flow()
        def join_any(ctx: FlowContext):
            yield NewEvent(ctx, ReaderJoined, save_entity=Reader)

    @sim.flow(filter=Select(Reader))
    def mail(ctx: FlowContext):
        user = ctx.get_entity(Reader)
        yield NewEvent(ctx, Mailed, to=user.email, mutate=SetState(Reader, [("mails", "add", 1)]))

    data, plain = sim.collect(), sim.collect(engine="reference")
    for name in ("ReaderJoined", "Mailed"):
        assert data[name].equals(plain[name])
    joined = dict(data["ReaderJoined"].select("user_id", "email").iter_rows())
    assert dict(data.entities["Reader"].select("user_id", "email").iter_rows()) == joined
    assert all(joined[user] == to for user, to in data["Mailed"].select("user_id", "to").iter_rows())
    if given:
        zoe = data["ReaderJoined"].filter(pl.col("name") == "Zoë O'Hara")
        assert zoe.height > 30
        assert zoe["email"].str.contains("zoe|ohara").all()
    else:
        assert_engines_agree(sim)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field(faker="email", of="nam"), "did you mean 'name'"),
        (lambda: Field(faker="email", of="x"), "hangs on itself"),
        (lambda: Field(faker="email", of=3), "name a field"),
        (lambda: Field(faker="emial", of="name"), "did you mean 'email'"),
        (lambda: Field(faker="email", of="name", sfae=True), "did you mean 'safe'"),
        (lambda: Field(faker="job", of="name"), "do not connect job with name"),
        (lambda: Field(faker="city", of="state"), "do not connect city with state"),
        (lambda: Field(faker="postcode", of="state", locale="de_DE"), "de_DE do not connect postcode"),
        (lambda: Field(faker="first_name", of="name", unique=True), "email and user_name"),
        (lambda: Field(mimesis="person.email", of="name"), "stands alone"),
        (lambda: Field(of="name"), "none is named"),
    ],
)
def test_wrong_ties(make, message):
    """What cannot agree is refused where it is declared, with what can."""
    with pytest.raises(DeclarationError, match=message):

        class Wrong(BaseEvent):
            name: str = Field(faker="name")
            state: str = Field(faker="state")
            x: str = make()

        frame(Wrong, minutes=1)


def test_fields_in_a_circle():
    """Neither can be first."""
    with pytest.raises(DeclarationError, match="circle"):

        class Wrong(BaseEvent):
            a: str = Field(faker="first_name", of="b")
            b: str = Field(faker="first_name", of="a")

        frame(Wrong, minutes=1)
