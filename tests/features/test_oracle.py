"""Futures, the oracle against closed forms, and probes that find what knows too much.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt
import random
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Dataset,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
)
from deep_faker.errors import SettingsError
from deep_faker.features import Age, Count, Happens, State
from deep_faker.features.bounds import auc, best_auc, best_log_loss
from deep_faker.oracle import Oracle, chances_known
from tests.support.engines import SAVING
from tests.support.logistic import model_of


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80)


class Seen(BaseEvent):
    user_id: str
    amount: int = Field(faker="random_int", min=1, max=1000)


class Left(BaseEvent):
    user_id: str


class Item(Entity):
    source_event = None
    primary_key = "item_id"
    views: int = StateField(default=0)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 5), latent=True)
    age: int = StateField(from_field="age")
    left: bool = StateField(default=False)
    visits: int = StateField(default=0)


LABEL = Happens(Left, within="1d")
AT = "2024-01-02"


def visits(**settings) -> Simulation:
    """Users who come twice a day, and leave with the chance of their mood: a thinned Poisson process."""
    usual = {"duration": "3d", "start_time": "2024-01-01", "time_step": "1m", "random_seed": 5}
    sim = Simulation(**{**usual, "initial_entities": {User: 300}, **settings})

    @sim.flow(filter=Select(User), every=Exponential(hours=12))
    def visit(ctx):
        user = ctx.get_entity(User)
        yield NewEvent(ctx, Seen, mutate=SetState(User, [("visits", "add", 1)]))
        if random.random() < user.mood:
            yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "is", True)]))

    return sim


def shop(**settings) -> Simulation:
    """Births, waits, shared picks, values that decide, arrivals and places that are filled."""
    usual = {"duration": "2h", "start_time": "2024-01-01", "time_step": "1m", "random_seed": 5, "n_flows": 40}
    sim = Simulation(**{**usual, "initial_entities": {User: 40, Item: 5}, **settings})

    @sim.flow(filter=Select(User))
    def browse(ctx):
        for _ in range(random.randint(1, 4)):
            yield Select(ctx, Item, shared=True)
            yield NewEvent(ctx, Seen, mutate=SetState(Item, [("views", "add", 1)]))
            if ctx.get_entity(User).age > 60:
                yield NewEvent(ctx, Left)
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(400))

    @sim.flow(rate="40/h")
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, seconds=30)

    return sim


@cache
def world() -> tuple[Simulation, Dataset, pl.DataFrame, Oracle]:
    sim = visits()
    ds = sim.collect(history=True)
    features = {"n": Count(Seen, "1d"), "age": Age(), "was": State("left")}
    frame = ds.training_frame(User, at=AT, features=features, label=LABEL)
    return sim, ds, frame.collect(), ds.oracle(frame, LABEL, sim=sim, n=200, method="futures")


def closed_form() -> np.ndarray:
    """The chance that one of a day's visits, two on average, is the last: 1 - exp(-2 mood)."""
    _, ds, frame, _ = world()
    moods = frame.select("user_id").join(
        ds.truth.entities[User], on="user_id", how="left", maintain_order="left"
    )
    return 1 - np.exp(-2 * moods["mood"].to_numpy())


# ------------------------------------------------ futures


def test_futures_differ_and_are_the_same_again():
    """Each number has a future of its own, whoever asks, and however many others are asked for."""
    sim = shop()
    three = [future[Seen] for future in sim.futures("2024-01-01T01:00", n=3, events=[Seen])]
    assert not three[0].equals(three[1])
    assert three[1].equals(list(sim.futures("2024-01-01T01:00", n=2, events=Seen))[1][Seen])
    assert all(frame["sys__time"].min() >= dt.datetime(2024, 1, 1, 1) for frame in three)


@pytest.mark.skipif(len(SAVING) == 1, reason="there is no compiled kernel here")
def test_futures_are_those_of_all_engines():
    """Events, keys, fields and their order are the same bytes by the kernel and by column."""
    for sim, at in ((shop(), "2024-01-01T01:00"), (visits(duration="1d"), "2024-01-01T12:00")):
        one, other = (list(sim.futures(at, n=2, engine=engine)) for engine in SAVING)
        for a, b in zip(one, other, strict=True):
            assert list(a) == list(b)
            assert all(a[name].equals(b[name]) for name in a)
            assert sum(a[name].height for name in a) > 50


def test_the_past_is_shared():
    """Who was there goes on with the same key, and nobody else comes from nowhere; ids are not told twice."""
    sim = shop()
    ds = sim.collect()
    half = dt.datetime(2024, 1, 1, 1)
    there = ds.entities[User].filter(pl.col("born") < half)["user_id"]
    before = ds[Seen].filter(pl.col("sys__time") < half)["sys__eid"]
    for future in sim.futures(half, n=3):
        known = set(there) | set(future[Joined]["user_id"])
        assert set(future[Seen]["user_id"]) <= known
        assert set(there) & set(future[Seen]["user_id"])
        assert not set(before) & set(future[Seen]["sys__eid"])


def test_a_gap_in_progress_is_drawn_anew_from_what_it_can_be():
    """Of gaps from 0 to 2 days, those that have lasted a day have half a day left in half of the cases."""
    sim = Simulation("3d", "2024-01-01", time_step="1m", random_seed=5, initial_entities={User: 400})

    @sim.flow(filter=Select(User), every=Uniform(0, 2 * 86_400))
    def visit(ctx):
        yield NewEvent(ctx, Seen)

    seen = sim.collect()[Seen].filter(pl.col("sys__time") < dt.datetime(2024, 1, 2))["user_id"]
    waiting = set(sim.collect().entities[User]["user_id"]) - set(seen)
    asked = {"events": Seen, "columns": ["user_id"], "within": "12h"}
    counts = [len(waiting & set(future[Seen]["user_id"])) for future in sim.futures(AT, n=20, **asked)]
    assert stats.binomtest(sum(counts), 20 * len(waiting), 0.5).pvalue > 1e-4
    assert len(set(counts)) > 1


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        ({"at": "2024-01-01T00:00:30"}, "no step begins then"),
        ({"at": "2025-01-01"}, "no step begins then"),
        ({"at": AT, "engine": "reference"}, "no futures here"),
        ({"at": AT, "n": 0}, "wrong n"),
        ({"at": AT, "events": "Nothing"}, "unknown event"),
    ],
)
def test_what_has_no_future_is_refused(ask: dict, text: str):
    with pytest.raises(SettingsError, match=text):
        list(visits().futures(**ask))


def test_a_seed_must_be_fixed():
    with pytest.raises(SettingsError, match="random_seed"):
        visits(random_seed=None).futures(AT)


# ------------------------------------------------ the oracle


@pytest.mark.slow
def test_chances_are_those_of_a_closed_form():
    """All rows together lie about as far from the formula as their errors say, and no one much farther."""
    _, _, _, oracle = world()
    exact = closed_form()
    far = (oracle.rows["probability"].to_numpy() - exact) / np.sqrt(exact * (1 - exact) / oracle.futures)
    assert 1e-4 < stats.chi2.cdf(float(far @ far), len(far)) < 1 - 1e-4
    assert abs(far.mean()) * np.sqrt(len(far)) < 4
    swapped = (oracle.rows["probability"].to_numpy() - exact[::-1]) / np.sqrt(exact * (1 - exact) / 200)
    assert stats.chi2.cdf(float(swapped @ swapped), len(far)) > 1 - 1e-4  # it would be noticed


def test_the_best_auc_and_log_loss_are_those_of_the_closed_form():
    _, _, _, oracle = world()
    p = closed_form()
    higher, ties = p[:, None] > p[None], p[:, None] == p[None]
    weight = p[:, None] * (1 - p[None])
    np.fill_diagonal(weight, 0)
    best = (weight * (higher + ties / 2)).sum() / weight.sum()
    assert abs(oracle.auc.value - best) < 4 * oracle.auc.error < 0.02
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    assert abs(oracle.log_loss.value - entropy) < 4 * oracle.log_loss.error < 0.02
    assert abs(oracle.base_rate - p.mean()) < 0.01


@pytest.mark.parametrize("chances", [[0.2] * 400, [0.1, 0.3] * 200, list(np.linspace(0.01, 0.6, 400))])
def test_bounds_have_no_bias(chances: list[float]):
    """Neither where chances are equal, and counts order them by luck, nor where all differ."""
    p = np.array(chances)
    weight = p[:, None] * (1 - p[None])
    np.fill_diagonal(weight, 0)
    exact = (weight * ((p[:, None] > p[None]) + (p[:, None] == p[None]) / 2)).sum() / weight.sum()
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    made = [chances_known(chances, futures=100, seed=seed) for seed in range(12)]
    for bounds, true in (
        ([best_auc(oracle.worlds) for oracle in made], exact),
        ([best_log_loss(oracle.worlds) for oracle in made], entropy),
    ):
        far = np.array([(bound.value - true) / bound.error for bound in bounds])
        assert abs(far.mean()) < 4 / np.sqrt(len(far)) + 0.5
        assert (abs(far) < 5).all()


def test_what_happened_is_within_the_error_of_the_chances():
    _, _, frame, oracle = world()
    table = oracle.calibration(frame, bins=5)
    far = ((table["happened"] - table["probability"]) / table["error"]).abs()
    assert far.max() < 4
    wrong = frame.with_columns(~pl.col("label"))
    table = oracle.calibration(wrong, bins=5)
    assert ((table["happened"] - table["probability"]) / table["error"]).abs().max() > 4


def test_several_instants_and_rows_whose_label_is_not_known():
    sim, ds, _, _ = world()
    frame = ds.training_frame(User, at=[AT, "2024-01-03T12:00"], features={}, label=LABEL)
    both = ds.oracle(frame, LABEL, sim=sim, n=10)
    late = both.rows.filter(pl.col("at") > dt.datetime(2024, 1, 3))
    assert late["probability"].null_count() == late.height == 300
    assert both.rows["probability"].null_count() == 300


@pytest.mark.parametrize(
    ("change", "text"),
    [({"random_seed": 6}, "random_seed was 5 and is 6"), ({"duration": "4d"}, "duration_us was")],
)
def test_another_simulation_is_refused(change: dict, text: str):
    _, ds, frame, _ = world()
    with pytest.raises(SettingsError, match=text):
        ds.oracle(frame, LABEL, sim=visits(**change), n=4)


def test_what_has_no_chance_is_refused():
    sim, ds, frame, oracle = world()
    with pytest.raises(SettingsError, match="no chance of that"):
        ds.oracle(frame, Left, sim=sim, n=4)
    rows = ds.training_frame(User, at=Seen, features={}, label=LABEL)
    with pytest.raises(SettingsError, match="rows of events have no oracle"):
        ds.oracle(rows, LABEL, sim=sim, n=4)
    with pytest.raises(SettingsError, match="rows of another frame"):
        oracle.of(frame.with_columns(pl.col("at") + pl.duration(days=1)))


# ------------------------------------------------ probes


def halves(rows: pl.DataFrame):
    """A model of half of the users, and the rows of the others."""
    half = pl.Series(np.arange(rows.height) % 2 == 0)
    return model_of(rows.filter(half)), rows.filter(~half)


@pytest.mark.parametrize("seed", [12, 13])
def test_probes_find_what_knows_the_future(seed: int):
    """Not the frame's own features; but a state of the end, a window over the label, and a latent column."""
    sim = visits(random_seed=seed, time_step="15m", initial_entities={User: 400})
    ds = sim.collect(history=True)
    frame = ds.training_frame(
        User, at=AT, features={"n": Count(Seen, "1d"), "was": State("left")}, label=LABEL
    )
    oracle = ds.oracle(frame, LABEL, sim=sim, n=60)
    rows = frame.collect()
    probes = {}
    later = ds.training_frame(User, at="2024-01-03", features={"later": Count(Left, "1d")}).collect()
    for name, beside in {
        "fair": rows,
        "end": rows.join(ds.entities[User].select("user_id", end="left"), on="user_id"),
        "naive": rows.join(later.drop("at"), on="user_id"),
        "latent": rows.join(ds.truth.entities[User], on="user_id"),
    }.items():
        model, test = halves(beside.sort("user_id"))
        probes[name] = ds.probe(model, test, oracle=oracle)
    assert not probes["fair"].leaks, probes["fair"]
    assert probes["end"].leaks
    assert probes["end"].excess > 0
    assert probes["naive"].excess > 3 * probes["naive"].error
    assert probes["naive"].surprise > 10
    assert probes["latent"].hidden == {"mood": "User.mood, which is hidden"}
    assert probes["latent"].leaks
    assert probes["latent"].surprise < 4  # it knows no future: its column gives it away


def test_scores_may_come_in_any_form():
    _, ds, frame, oracle = world()
    scores = frame["n"].cast(pl.Float64)

    class Model:
        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return np.column_stack([1 - x[:, 0], x[:, 0]])

    found = [ds.probe(each, frame, oracle=oracle).auc for each in (scores, scores.to_list(), Model())]
    found.append(ds.probe(lambda features: features["n"], frame, oracle=oracle).auc)
    assert set(found) == {auc(scores.to_numpy(), frame["label"].to_numpy())}
    with pytest.raises(SettingsError, match="no score for each row"):
        ds.probe(scores[:-1], frame, oracle=oracle)
