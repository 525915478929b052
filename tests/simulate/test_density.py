"""What `benchmarks/density.py` compares does the same: the plain programs have the sessions of `shop.py`.

The runs are of fixed seeds: what passes here passes until the shop, the plain sessions or the draws change. A
mean may differ by four standard errors of the difference: with 20,000 sessions, 5 in 100 of the events of a session.
"""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.places import ROOT

BENCHMARKS = ROOT / "benchmarks"
USERS, PRODUCTS, FLOWS, STEP, DURATION = 5_000, 500, 1_000, 10.0, 4_800.0


@pytest.fixture(scope="module")
def scripts():
    """The modules `shop`, `generators` and `density`, as they find each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        names = ("shop", "generators", "density")
        for name in (*names, "run"):  # another test's module of the name is put back afterwards
            patch.delitem(sys.modules, name, raising=False)
        yield [importlib.import_module(name) for name in names]
        for name in (*names, "run"):
            sys.modules.pop(name, None)


def plain(generators, how, seed=5):
    """All rows by event type, and the flow of each session."""
    rows, flow_of = defaultdict(list), {}
    base: Any = generators.Shop

    class Watched(base):
        def visit(self, env, user, sid):
            flow_of[sid] = "visit"
            return super().visit(env, user, sid)

        def reorder(self, env, user, sid):
            flow_of[sid] = "reorder"
            return super().reorder(env, user, sid)

    random.seed(seed)
    shop = Watched(USERS, PRODUCTS, 25.0, lambda event, batch: rows[event].extend(batch))
    shop.run(how, FLOWS, STEP, DURATION)
    assert shop.events == sum(map(len, rows.values()))
    assert sum(shop.begun.values()) == len(flow_of)
    return rows, flow_of


@pytest.fixture(scope="module")
def both(scripts):
    """The events of the plain program and of deep_faker: a frame for each event type, and one of all sessions."""
    shop, generators, _ = scripts
    rows, flow_of = plain(generators, "simpy")
    theirs = {
        event: pl.DataFrame(rows[event], schema=list(names), orient="row", infer_schema_length=None)
        for event, names in generators.COLUMNS.items()
    }
    sim = shop.make(
        users=USERS, products=PRODUCTS, n_flows=FLOWS, time_step=f"{STEP}s", duration=f"{DURATION}s"
    )
    data = sim.collect(progress=False)
    ours = {event: data[event] for event in generators.COLUMNS}
    flows = pl.DataFrame(list(flow_of.items()), schema=["sys__sid", "flow"], orient="row")
    return (
        (ours, by_session(ours, data.sessions.select("sys__sid", "flow"))),
        (theirs, by_session(theirs, flows)),
    )


def by_session(frames, flows):
    """A row a session: its flow, and its events, how many of each type, and seconds between the first and the last."""
    clocks = [frame.select("sys__sid", "sys__ets", event=pl.lit(event)) for event, frame in frames.items()]
    counts = [(pl.col("event") == event).sum().alias(event) for event in frames]
    span = (pl.col("sys__ets").max() - pl.col("sys__ets").min()) / 1000
    grouped = (
        pl.concat(clocks).group_by("sys__sid").agg(pl.len().alias("events"), span.alias("seconds"), *counts)
    )
    joined = flows.join(grouped, on="sys__sid", validate="1:1")
    assert len(joined) == len(flows)
    return joined


def differ(one, other):
    """The difference of two means in its own standard errors."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    return abs(one.mean() - other.mean()) / np.hypot(
        one.std() / len(one) ** 0.5, other.std() / len(other) ** 0.5
    )


@pytest.mark.parametrize("flow", ["visit", "reorder"])
def test_sessions_have_the_same_events(both, flow):
    """Events of a session, of each type, and the time that they take: the same on average."""
    ours, theirs = (sessions.filter(pl.col("flow") == flow) for _, sessions in both)
    assert min(len(ours), len(theirs)) > 500
    never = {"SearchPerformed", "ProductViewed"} if flow == "reorder" else set()
    for column in set(ours.columns) - {"sys__sid", "flow", "SessionStarted"}:
        if column in never:
            assert ours[column].sum() == theirs[column].sum() == 0
        else:
            assert differ(ours[column], theirs[column]) < 4, column
    assert ours["SessionStarted"].unique().to_list() == theirs["SessionStarted"].unique().to_list() == [1]


def test_the_same_flows_begin_as_often(both):
    """Weights, filters and what sessions leave behind decide who comes: shares and totals are the same."""
    (_, ours), (_, theirs) = both
    assert abs(len(ours) / len(theirs) - 1) < 0.02
    share = [sessions.select((pl.col("flow") == "reorder").mean()).item() for sessions in (ours, theirs)]
    assert abs(share[0] - share[1]) < 0.01


def test_columns_have_the_same_values(both):
    """Numbers are the same on average, texts of a closed set as often."""
    (ours, _), (theirs, _) = both
    for event, frame in ours.items():
        mine = frame.drop("sys__time", "sys__order")  # which the program by hand does not write
        assert mine.columns == theirs[event].columns
        for column in set(mine.columns) - {
            "sys__eid",
            "sys__ets",
            "sys__sid",
            "user_id",
            "product_id",
            "order_id",
        }:
            mine, other = frame[column], theirs[event][column]
            if column == "price" or not mine.dtype.is_numeric():
                continue
            assert differ(mine, other) < 4, (event, column)
        for column in {"platform", "referrer", "query", "source", "payment_method", "currency"} & set(
            frame.columns
        ):
            mine, other = frame[column].cast(pl.String), theirs[event][column]
            assert set(mine.unique()) == set(other.unique())
            for value in mine.unique():
                assert differ(mine == value, other == value) < 4.5, (event, column, value)


def test_prices_are_those_of_the_products(both):
    """A product has one price in all events, between 1 and 500, on average some 250."""
    for frames, _ in both:
        seen = pl.concat(
            [frames[event].select("product_id", "price") for event in ("ProductViewed", "ProductAdded")]
        )
        prices = seen.group_by("product_id").agg(
            pl.col("price").n_unique().alias("n"), pl.col("price").first()
        )
        assert len(prices) == PRODUCTS
        assert prices["n"].max() == 1
        assert prices["price"].min() >= 1.0
        assert prices["price"].max() <= 500.0
        assert abs(prices["price"].mean() - 250.5) < 4 * 144 / PRODUCTS**0.5


def test_no_user_is_in_two_sessions_at_once(both):
    """The plain program holds users too: the sessions of a user follow each other."""
    for frames, _ in both:
        clocks = pl.concat([frame.select("sys__sid", "sys__ets", "user_id") for frame in frames.values()])
        sessions = clocks.group_by("user_id", "sys__sid").agg(
            pl.col("sys__ets").min().alias("first"), pl.col("sys__ets").max().alias("last")
        )
        assert sessions["sys__sid"].n_unique() == len(sessions)  # one user each
        ordered = sessions.sort("user_id", "first", "last")
        follows = ordered.select(pl.col("first") >= pl.col("last").shift().over("user_id")).to_series()
        assert follows.drop_nulls().all()


def test_simpy_and_the_heap_run_the_same_program(scripts):
    """With one seed both give the same rows: what differs is only who keeps the clock."""
    _, generators, _ = scripts
    assert plain(generators, "simpy", seed=9)[0] == plain(generators, "bare", seed=9)[0]


def test_plain_events_come_in_the_order_of_time(scripts):
    """Rows of a type are in the order of their clocks."""
    _, generators, _ = scripts
    for rows in plain(generators, "bare")[0].values():
        clocks = [row[1] for row in rows]
        assert clocks == sorted(clocks)


def test_the_plain_parquet_holds_all_rows(scripts, tmp_path):
    """`simpy-parquet` writes what `simpy` only makes, typed."""
    _, generators, _ = scripts
    rows, _ = plain(generators, "bare")
    sink = generators.Parquet(tmp_path)
    for event, made in rows.items():
        half = len(made) // 2
        sink(event, made[:half])
        sink(event, made[half:])
    sink.close()
    for event, made in rows.items():
        frame = pl.read_parquet(tmp_path / "events" / event / "*.parquet")
        assert frame.rows() == made
        assert frame["sys__ets"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("flows", "step", "expected"),
    [
        (3, 1.0, (40_000, 10_000)),
        (30, 300.0, (40_000, 10_000)),
        (300, 1.0, (40_000, 10_000)),
        (5_000, 10.0, (95_500, 47_750)),  # two sessions a slot and one, of 9.55 events
    ],
)
def test_a_cell_has_about_the_events_that_are_asked_for(scripts, flows, step, expected):
    """The durations of both runs are whole steps and make so many events within a tenth."""
    _, generators, density = scripts
    random.seed(3)
    for events, duration in zip(expected, density.durations(40_000, flows, step)):
        shop = generators.Shop(10_000, 1_000, 25.0, generators.drop)
        shop.run("bare", flows, step, duration)
        assert duration % step == 0
        assert abs(shop.events / events - 1) < 0.1


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path):
    """Every part of it, tiny: what it measures there is worth nothing, that it measures is."""
    words = "--flows 3 --steps 5m --users 300 --events 300 --entities 20 40 --repeat 1 --json --engines"
    engines = ["handwritten", "simpy", "bare-parquet", "vectorized"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "density.py", "--results", tmp_path, *words.split(), *engines],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (file,) = tmp_path.glob("density-*.json")
    assert json.loads(file.read_text()) == found
    cells = [(cost["engine"], cost["flows"], cost["step"]) for cost in found["density"]]
    assert cells == [("handwritten", None, None)] + [(engine, 3, "5m") for engine in engines[1:]]
    for cost in found["density"] + found["entities"]:
        assert 0 < cost["short"]["events"] < cost["long"]["events"] < 1500
        assert min(cost["long"]["seconds"] + cost["long"]["cpu_seconds"]) > 0
    assert [cost["entities"] for cost in found["entities"]] == [19, 39]
    assert found["first_runs"].keys() == {"vectorized"}
    small = found["small"]
    assert len(small) == 7
    assert {cost["events"] > 9_000 for name, cost in small.items() if name.startswith("collect")} == {True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--flows", "60000", "--users", "5000"],
            "60,000 flows at once need as many users: --users is 5,000",
        ),
        (["--only", "everything"], "invalid choice: 'everything'"),
    ],
)
def test_wrong_options_are_refused(words, said):
    """Before anything is measured."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "density.py", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
