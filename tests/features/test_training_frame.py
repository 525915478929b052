"""Training frames: against plain Python, against DuckDB, and whether anything leaks into them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deep_faker.features import (
    Age,
    Count,
    Distinct,
    Happens,
    Last,
    Max,
    Mean,
    Min,
    NextEvent,
    State,
    Sum,
    TimeSince,
    TimeTo,
)
from deep_faker.features.frame import training_frame
from deep_faker.features.rules import checked_rules
from deep_faker.features.world import World
from tests.support import feature_reference as plain
from tests.support.feature_reference import Ask, Fact, Tables

MICRO = dt.timedelta(microseconds=1)
END = 24
KEYS = ["a", "b", "c"]


def _stamps(times: list[int]) -> pl.Series:
    return pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("us"))


@st.composite
def worlds(draw: Any) -> tuple[Tables, list[Fact], list[Fact], dict[str, int]]:
    """Two event types and the versions of a few entities, with many ties in time."""
    n = draw(st.integers(0, 30))
    times = sorted(draw(st.lists(st.integers(0, END + 4), min_size=n, max_size=n)))
    events = []
    for order, time in enumerate(times, 1):
        number = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([0.1, 1e9, 0.3]))
        values = {"x": draw(number), "seen": time + draw(st.integers(0, 5))}
        key = draw(st.sampled_from([*KEYS, None]))
        name = draw(st.sampled_from(["A", "B"]))
        events.append(Fact(key, time, order, values, time, name))
    born = {key: draw(st.integers(0, 6)) for key in KEYS}
    versions = []
    for key in KEYS:
        orders = sorted(draw(st.lists(st.integers(0, n), min_size=1, max_size=5)))
        for version, order in enumerate(orders, 1):
            time = times[order - 1] if order else 0
            values = {"version": version, "plan": draw(st.sampled_from("pqr"))}
            versions.append(Fact(key, max(time, 0), order, values))
    keys = sorted(KEYS, key=lambda key: born[key])
    tables = {
        "entities/U": pl.DataFrame({"k": keys, "born": _stamps([born[key] for key in keys])}).with_columns(
            plan=pl.lit("p")
        )
    }
    for name in "AB":
        mine = [e for e in events if e.event == name]
        tables[f"events/{name}"] = pl.DataFrame(
            {
                "sys__eid": pl.Series([str(e.order) for e in mine], dtype=pl.String),
                "sys__sid": pl.Series(["s" for _ in mine], dtype=pl.String),
                "sys__time": _stamps([e.time for e in mine]),
                "sys__order": pl.Series([e.order for e in mine], dtype=pl.Int64),
                "k": pl.Series([e.key for e in mine], dtype=pl.String),
                "x": pl.Series([e.values["x"] for e in mine], dtype=pl.Float64, strict=False),
                "seen": _stamps([e.values["seen"] for e in mine]),
            }
        )
    tables["history/U"] = pl.DataFrame(
        {
            "k": [v.key for v in versions],
            "valid_from": _stamps([v.time for v in versions]),
            "plan": [v.values["plan"] for v in versions],
            "sys__order": [v.order for v in versions],
            "sys__version": [v.values["version"] for v in versions],
        }
    ).sort("plan")  # in any order
    return Tables(tables), events, versions, born


FEATURES = {
    "count": Count("A", [3 * MICRO, 8 * MICRO, None]),
    "some": Count("B", 5 * MICRO, where=pl.col("x") > 0),
    "sum": Sum("A", "x", 6 * MICRO),
    "mean": Mean("A", "x"),
    "least": Min("A", "x", 9 * MICRO),
    "most": Max("B", "x", 9 * MICRO),
    "last": Last("A", "x", 7 * MICRO),
    "kinds": Distinct("A", "x", 12 * MICRO),
    "ever": Distinct("B", "x"),
    "since": TimeSince("B"),
    "plan": State("plan"),
    "age": Age(),
}
LABELS = {
    "happens": Happens("A", 4 * MICRO),
    "how_many": Count("B", 3 * MICRO),
    "how_much": Sum("A", "x", 5 * MICRO),
    "until": TimeTo("A"),
    "until_soon": TimeTo("B", 3 * MICRO),
    "next": NextEvent(),
}


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dt.timedelta):
        ours = ours // MICRO
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-9)
    return bool(ours == theirs)


def _compare(made: pl.DataFrame, events: list[Fact], versions: list[Fact], born: dict[str, int], **how: Any):
    """Each value of each row, against every event."""
    delay = how["delay"]
    for row in made.iter_rows(named=True):
        time = (row["at"] - dt.datetime(1970, 1, 1)) // MICRO
        asked = Ask(row["k"], time, row.get("sys__order"), how["closed"], how["embargo"], how["end"])
        expected: dict[str, Any] = {}
        for name, feature in FEATURES.items():
            if isinstance(feature, State):
                expected[name] = plain.state(asked, "plan", versions)
            elif isinstance(feature, Age):
                expected[name] = time - born[row["k"]]
            else:
                facts = [e for e in events if e.event == feature.event]
                if feature.where is not None:
                    facts = [e for e in facts if e.values["x"] is not None and e.values["x"] > 0]
                for suffix, length in feature.windows:
                    old = how["max_age"] if isinstance(feature, (Last, TimeSince)) else None
                    ends = [end for end in (length, old) if end is not None]
                    value = plain.feature(asked, feature, min(ends, default=None), facts)
                    expected[name + suffix] = value
        for name, wanted in LABELS.items():
            if isinstance(wanted, NextEvent):
                expected[name] = plain.next_event(asked, events, delay)
                continue
            facts = [e for e in events if e.event == wanted.event]
            length = wanted.windows[0][1]
            if isinstance(wanted, TimeTo):
                expected[name], expected[f"{name}_observed"] = plain.time_to(asked, length, facts, delay)
            else:
                assert length is not None
                expected[name] = plain.label(asked, wanted, length, facts, delay)
        for name, theirs in expected.items():
            assert _same(row[name], theirs), (name, row[name], theirs, row)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    worlds(),
    st.sampled_from(["right", "left", "both", "none"]),
    st.sampled_from([0, 2]),
    st.sampled_from([None, 4, 10]),
    st.sampled_from([0, 3]),
    st.sampled_from([None, 11]),
    st.sampled_from(["at once", "late", "by field"]),
    st.booleans(),
)
def test_every_value_is_that_of_plain_python(made, closed, embargo, max_age, delay, seen, known, of_events):
    """Ties, empty windows, censoring, both clocks, instants and events: against a look at every event."""
    tables, events, versions, born = made
    available: dict[str, Any] = {"late": {"A": 3 * MICRO}, "by field": {"A": "seen"}}.get(known, {})
    for event in events:
        if event.event == "A":
            event.known = {"late": event.time + 3, "by field": event.values["seen"]}.get(known, event.time)
    rules = checked_rules(
        END,
        closed=closed,
        embargo=embargo * MICRO if embargo else None,
        max_age=None if max_age is None else max_age * MICRO,
        label_delay=delay * MICRO if delay else None,
        as_known_at=None if seen is None else dt.datetime(1970, 1, 1) + seen * MICRO,
        available=available,
    )
    world = World(tables, "by hand", "U", start=0, end=END)
    instants = [dt.datetime(1970, 1, 1) + n * MICRO for n in (0, 3, 9, 10, 17, END)]
    at: Any = "B" if of_events else instants
    frame = training_frame(world, at, FEATURES, LABELS, eligible=None, given=(), rules=rules).collect()
    moments = [e.time for e in events if e.event == "B" and e.key] if of_events else [0, 3, 9, 10, 17, END]
    keys = [[e.key] for e in events if e.event == "B" and e.key] if of_events else [KEYS] * 6
    wanted = sum(born[k] <= t and (seen is None or t <= seen) for t, ks in zip(moments, keys) for k in ks)
    assert frame.height == wanted
    end = END if seen is None else seen
    _compare(
        frame, events, versions, born, closed=closed, embargo=embargo, max_age=max_age, delay=delay, end=end
    )


def test_the_comparison_bites():
    """Control: a frame that sees one microsecond too much is found."""
    events = [Fact("a", 5, 1, {"x": 1.0, "seen": 5}, 5, "A")]
    row = Ask("a", 5, None, "left", 0, END)
    assert plain.feature(row, Count("A"), None, events) == 0
    assert plain.feature(Ask("a", 5, None, "right", 0, END), Count("A"), None, events) == 1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(1, END), st.booleans())
def test_no_feature_hangs_on_what_comes_after(made, at, late):
    """What is not known at the row's instant may be otherwise, or not at all: features are the same."""
    tables, *_ = made
    instant = dt.datetime(1970, 1, 1) + at * MICRO
    clock = pl.col("seen") if late else pl.col("sys__time")
    cut = Tables(
        {
            name: tables.scan(name)
            .filter(clock <= instant if name == "events/A" else pl.lit(value=True))
            .filter(pl.col("sys__time") <= instant if name == "events/B" else pl.lit(value=True))
            .filter(pl.col("valid_from") <= instant if name == "history/U" else pl.lit(value=True))
            .collect()
            for name in tables.names()
        }
    )
    rules = checked_rules(END, available={"A": "seen"} if late else None)
    whole, known = (
        training_frame(
            World(each, "", "U", start=0, end=END),
            [instant],
            FEATURES,
            None,
            eligible=None,
            given=(),
            rules=rules,
        ).collect()
        for each in (tables, cut)
    )
    assert whole.equals(known)


def test_the_naive_join_hangs_on_what_comes_after():
    """Control: with ``knowledge="event"`` features see what nobody knew yet, and a warning says so."""
    columns = {"sys__eid": ["1"], "sys__sid": ["s"], "sys__time": _stamps([5]), "sys__order": [1], "k": ["a"]}
    tables = Tables(
        {
            "entities/U": pl.DataFrame({"k": ["a"], "born": _stamps([0])}),
            "events/A": pl.DataFrame({**columns, "seen": _stamps([9])}),
        }
    )
    world = World(tables, "", "U", start=0, end=END)
    instant = [dt.datetime(1970, 1, 1) + 7 * MICRO]

    def count(**rules: Any) -> int:
        made = checked_rules(END, available={"A": "seen"}, **rules)
        frame = training_frame(world, instant, {"n": Count("A")}, None, eligible=None, given=(), rules=made)
        return int(frame.collect()["n"][0])

    assert count() == 0
    with pytest.warns(UserWarning, match="before anybody could have known"):
        naive = count(knowledge="event")
    assert naive == 1
