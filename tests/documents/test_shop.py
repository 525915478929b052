"""The shop does what its docstring says: people of a country, the day's curve, the sale, Zipf's law, returns."""

from __future__ import annotations

import unicodedata
from importlib import import_module

import numpy as np
import polars as pl
import pytest

from deep_faker.loader import load_simulation
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

COLUMNS = {
    "CustomerRegistered": ["name", "email", "city", "country", "customer_id"],
    "LoggedIn": ["sys__time"],
    "ProductViewed": ["product_id"],
    "OrderPlaced": ["order_id", "customer_id", "recipient", "country", "sale"],
    "OrderDelivered": ["order_id", "signed_by"],
    "OrderReturned": ["order_id"],
    "ReviewWritten": ["order_id"],
}
LOCALES = {"DE": "de_DE", "FR": "fr_FR", "NL": "nl_NL", "PL": "pl_PL", "AT": "de_AT"}


@pytest.fixture(scope="module")
def shop() -> dict[str, pl.DataFrame]:
    """Six days from the eve of the sale on: of each type the columns that the tests look at."""
    sim = load_simulation(str(ROOT / "examples" / "ecommerce.py"))
    sim.change(start_time="2024-11-28", duration="6d")
    batches = list(sim.batches(list(COLUMNS), columns=COLUMNS))
    return {event: pl.concat(batch[event] for batch in batches) for event in COLUMNS}


def surnames(locale: str) -> set[str]:
    """The last words of all family names that Faker has for a locale."""
    provider = import_module(f"faker.providers.person.{locale}").Provider
    lists = [
        getattr(provider, name) for name in dir(provider) if name.startswith(("last_names", "unisex_last"))
    ]
    return {str(name).split()[-1] for names in lists for name in names}


def of_the_country(customers: pl.DataFrame) -> float:
    """The share of customers whose last name (one word of it) is known in their country."""
    known = {country: surnames(locale) for country, locale in LOCALES.items()}
    rows = customers.select("name", "country").rows()
    return sum(bool(set(name.replace("-", " ").split()) & known[country]) for name, country in rows) / len(
        rows
    )


def city_is_known(customers: pl.DataFrame) -> float:
    """The share of those in Germany, Austria and Poland, of which Faker has a list, whose city is on it."""
    known = {
        country: set(import_module(f"faker.providers.address.{LOCALES[country]}").Provider.cities)
        for country in ("DE", "AT", "PL")
    }
    rows = customers.filter(pl.col("country").is_in(list(known))).select("city", "country").rows()
    return sum(city in known[country] for city, country in rows) / len(rows)


def of_the_name(people: list[tuple[str, str]]) -> float:
    """The share of people whose mail address has a word of their name."""
    found = 0
    for name, mail in people:
        words = [folded(word).replace("-", "") for word in name.replace("'", " ").split()]
        found += any(len(word) > 2 and word in mail.split("@")[0] for word in words)
    return found / len(people)


def folded(text: str) -> str:
    """Letters as mail addresses have them."""
    text = text.lower()
    for letters, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("ł", "l")):
        text = text.replace(letters, plain)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isascii())


def test_names_mails_and_cities_are_of_one_country(shop: dict[str, pl.DataFrame]):
    """Names and cities are of the country, which they are not once countries are shuffled; mails are of the name."""
    customers = shop["CustomerRegistered"].head(4_000)
    assert set(customers["country"]) == set(LOCALES)
    shuffled = customers.with_columns(pl.col("country").shuffle(seed=1))
    assert of_the_country(customers) > 0.99
    assert of_the_country(shuffled) < 0.5
    assert city_is_known(customers) > 0.99
    assert city_is_known(shuffled) < 0.8
    mails = customers.select("name", "email").rows()
    others = customers.select("name", pl.col("email").shuffle(seed=1)).rows()
    assert of_the_name(mails) > 0.99
    assert of_the_name(others) < 0.2


def test_parcels_are_signed_for_by_who_ordered(shop: dict[str, pl.DataFrame]):
    """One name from the registration to the doorstep, and one country."""
    people = shop["CustomerRegistered"].select("customer_id", "name", home="country")
    orders = shop["OrderPlaced"].join(people, on="customer_id")
    assert orders.height == shop["OrderPlaced"].height > 5_000
    assert (orders["recipient"] == orders["name"]).all()
    assert (orders["country"] == orders["home"]).all()
    parcels = shop["OrderDelivered"].join(orders, on="order_id")
    assert parcels.height > 1_000
    assert (parcels["signed_by"] == parcels["recipient"]).all()


def test_visits_follow_the_day_and_the_sale(shop: dict[str, pl.DataFrame]):
    """By the local hour, as the curve of the example says; 2.5 times as many from Friday on."""
    local = shop["LoggedIn"]["sys__time"].dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    frame = pl.DataFrame({"day": local.dt.day(), "hour": local.dt.hour()}).filter(
        pl.col("day").is_in([28, 29])
    )
    counts = frame.group_by("day", "hour").len().sort("day", "hour")
    friday, thursday = (counts.filter(day=day)["len"].to_numpy() for day in (29, 28))
    day = [2, 1, 1, 1, 1, 2, 4, 7, 9, 8, 8, 9, 10, 9, 8, 8, 9, 11, 13, 14, 12, 8, 5, 3]
    assert np.corrcoef(friday, day)[0, 1] > 0.99
    assert np.corrcoef(friday, np.roll(day, 2))[0, 1] < 0.9
    ratio = friday[1:].sum() / thursday.sum()  # the first hour of Thursday was before the run
    assert 2.5 * 0.9 * 0.93 < ratio < 2.5 * 0.9 * 1.07  # Fridays are a little quieter


def test_regulars_come_more_often_and_buy_more():
    """One in five, six times as often; nothing but their kind tells them apart."""
    sim = load_simulation(str(ROOT / "examples" / "ecommerce.py"))
    sim.change(duration="12h")
    customers = sim.collect().entities["Customer"]
    kinds = customers.group_by("kind").agg(pl.len(), pl.col("logins").mean(), pl.col("orders").mean())
    (_, few, often, much), (_, many, seldom, little) = kinds.sort("kind", descending=True).rows()
    assert abs(few / (few + many) - 0.2) < 0.02
    assert 4 < often / seldom < 8
    assert much / often > 1.15 * little / seldom


def test_views_by_rank_follow_zipfs_law(shop: dict[str, pl.DataFrame]):
    """The slope of the logarithms, where neither the few first nor the rarest ones blur it."""
    views = shop["ProductViewed"].group_by("product_id").len()["len"].sort(descending=True).to_numpy()
    some = slice(10, 1_000)
    slope, _ = np.polyfit(np.log(np.arange(1, len(views) + 1)[some]), np.log(views[some]), 1)
    assert -1.0 < slope < -0.8


def test_more_of_the_sale_comes_back(shop: dict[str, pl.DataFrame]):
    """Of all that were returned or reviewed by then, which take the same time."""
    orders = shop["OrderPlaced"].select("order_id", "sale")
    for sale, share in ((False, 0.12 / 0.42), (True, 0.24 / 0.54)):
        back, told = (
            shop[name].join(orders.filter(sale=sale), on="order_id").height
            for name in ("OrderReturned", "ReviewWritten")
        )
        n = back + told
        assert n > 200
        assert abs(back / n - share) < 4 * (share * (1 - share) / n) ** 0.5
