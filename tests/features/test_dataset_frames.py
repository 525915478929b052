"""What a data set gives for training: the exact order, states, changes, frames, splits, sequences."""

from __future__ import annotations

import datetime as dt
import random

import duckdb
import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import DatasetError, SettingsError
from deep_faker.features import Count, Every, Happens, Last, Outcome, State, Sum, TimeSince
from tests.support.engines import ENGINES


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Bought(BaseEvent):
    user_id: str
    item: str = Field(faker="random_element", elements=["red", "green", "blue"])
    total: float = Field(faker="pyfloat", min_value=1, max_value=9, right_digits=2)


class Left(BaseEvent):
    user_id: str


class Ping(BaseEvent):
    n: int = 1


class User(Entity):
    source_event = Joined
    primary_key = "user_id"

    plan: str = StateField(default="free", type_=str)
    bought: int = StateField(default=0, type_=int)
    left: int = StateField(default=0, type_=int)


def world(**settings) -> Simulation:
    usual = {"duration": "60s", "start_time": "2024-01-01", "random_seed": 3, "n_flows": 8}
    sim = Simulation(**{**usual, "initial_entities": {User: 30}, **settings})

    @sim.flow(filter=Select(User), initiation_weight=5)
    def shop(ctx):
        yield SetState(User, [("plan", "is", "pro")])
        for _ in range(random.randint(1, 3)):
            yield NewEvent(ctx, Bought, mutate=SetState(User, [("bought", "add", 1)]))
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(2))
        yield SetState(User, [("plan", "is", "free")])
        if random.random() < 0.3:
            yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "add", 1)]))

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)
        yield NewEvent(ctx, Ping)

    return sim


@pytest.fixture(scope="module")
def ds() -> Dataset:
    return world().collect(history=True)


# ---------------------------------------------------------------- the order


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_is_that_of_all_engines(ds, engine):
    """Every table, with its places and versions, is the same on each."""
    other = world().collect(history=True, engine=engine)
    for name in ds:
        assert other[name].equals(ds[name])
    assert other.history[User].equals(ds.history[User])


@pytest.mark.parametrize("layout", ["parquet", "csv", "arrow", "jsonl"])
def test_files_hold_the_order(ds, layout, tmp_path):
    """Events of all types and versions read back with their places, from every format."""
    world().run(tmp_path / "out", format=layout, history=True)
    back = Dataset.open(tmp_path / "out")
    assert back.events.equals(ds.events)
    assert back.history[User].equals(ds.history[User])


def test_history_does_not_change_the_order(ds):
    """A run without one has the same places."""
    assert world().collect().events.equals(ds.events)


def test_events_are_placed_from_one_on_and_name_entities(ds):
    """In the order of T9, whatever their types; keys where events have them."""
    events = ds.events
    assert events["sys__order"].to_list() == [*range(1, events.height + 1)]
    assert events["sys__time"].is_sorted()
    assert (events["sys__time"].dt.epoch("ms") == events["sys__ets"]).all()
    assert events.columns[-2:] == ["event_type", "user_id"]
    named = pl.col("event_type") != "Ping"
    assert events.filter(named)["user_id"].null_count() == 0
    assert events.filter(~named)["user_id"].null_count() == events.filter(~named).height > 0


def test_a_version_has_the_place_of_its_event_or_of_the_one_before(ds):
    """Bare changes lie between two events, on the right side of both."""
    history, events = ds.history[User], ds.events
    made = history.drop_nulls("sys__eid").join(events, on="sys__eid", how="left", suffix="_event")
    assert (made["sys__order"] == made["sys__order_event"]).all()
    bare = history.filter(pl.col("sys__eid").is_null())
    assert bare.height > 100
    times = events["sys__time"].to_list()
    for time, place in bare.select("valid_from", "sys__order").iter_rows():
        assert times[place - 1] <= time
        assert place == len(times) or times[place] >= time
    # what a flow saw when it sent an event is the state before that event's place
    counted = history.sort("user_id", "sys__version").with_columns(
        n=pl.int_range(1, pl.len() + 1).over("user_id")
    )
    assert (counted["n"] == counted["sys__version"]).all()


def test_partitions_by_a_field_are_put_in_order(ds, tmp_path):
    """Their files are not: frames are the same."""
    from deep_faker import ParquetOutput

    sim = world()
    sim.add_output(ParquetOutput(tmp_path / "out", partition_by="item"))
    sim.run(history=True)
    back = Dataset.open(tmp_path / "out")
    features = {"n": Count(Bought, "7s"), "last": Last(Bought, "item"), "sum": Sum(Bought, "total")}
    ours, theirs = (
        each.training_frame(User, at=Every("10s"), features=features).collect() for each in (ds, back)
    )
    assert ours.equals(theirs)


# ---------------------------------------------------------------- states and changes


def test_changes_laid_over_each_other_are_the_final_state(ds):
    """Each begins with what the one before left; the first of those there at the beginning is read."""
    changes = ds.changes(User)
    state: dict[str, dict] = {}
    for key, op, before, after in changes.select("user_id", "op", "before", "after").iter_rows():
        assert before == state.get(key)
        assert (op == "u") == (key in state)
        state[key] = after
    final = ds.entities[User]
    assert [state[key] for key in final["user_id"]] == final.drop("born").rows(named=True)
    counts = dict(changes["op"].value_counts().rows())
    assert counts["r"] == 30
    assert counts["c"] == final.height - 30 > 0
    assert changes["sys__order"].is_sorted()


def test_the_state_at_an_instant(ds):
    """At the end it is the entities' table, at the beginning that of the first, between what changes say."""
    assert ds.state(User, at="2025-01-01").equals(ds.entities[User])
    first = ds.state(User, at="2024-01-01")
    assert first.height == 30
    assert first["bought"].sum() == 0
    instant = ds.events["sys__time"][ds.events.height // 2]
    laid = {
        key: after
        for key, time, after in ds.changes(User).select("user_id", "sys__time", "after").iter_rows()
        if time <= instant
    }
    then = ds.state(User, at=instant)
    assert then.drop("born").rows(named=True) == [laid[key] for key in then["user_id"]]
    assert then.height == len(laid)


def test_without_a_history_nothing_is_known_of_earlier_states(tmp_path):
    """And the message says how to keep one; features of events need none."""
    ds = world(duration="5s").collect()
    for ask in (
        lambda: ds.state(User, at="2024-01-02"),
        lambda: ds.changes(User),
        lambda: ds.training_frame(User, at=Every("1s"), features={"plan": State("plan")}),
    ):
        with pytest.raises(DatasetError, match=r"history=True"):
            ask()
    assert ds.training_frame(User, at=Every("1s"), features={"n": Count(Bought)}).collect().height > 100


def test_a_data_set_without_places_is_refused_where_they_are_needed(tmp_path):
    """Those of earlier versions still open; only what needs the order says so."""
    from deep_faker import ParquetOutput
    from tests.support.worlds.output_world import World as Fed

    Fed(50).run(ParquetOutput(tmp_path / "out"))
    old = Dataset.open(tmp_path / "out")
    assert "sys__order" not in old.events.columns
    with pytest.raises(DatasetError, match="no exact order"):
        old.training_frame("User", at=Every("1s"), features={})


# ---------------------------------------------------------------- frames


def test_a_row_of_an_event_sees_what_its_flow_saw(ds):
    """Of two events of one flow at one instant the later sees the earlier; the state is the flow's own."""
    features = {"bought": State("bought"), "before": Count(Bought)}
    frame = ds.training_frame(User, at=Bought, features=features, label=Outcome(), given=["item"]).collect()
    assert (frame["bought"] == frame["before"]).all()
    assert frame.height == ds[Bought].height
    assert frame["item"].to_list() == ds[Bought]["item"].to_list()
    assert set(frame["label"].drop_nulls()) <= {"completed", "decayed"}
    at_once = ds.training_frame(User, at=Left, features={"left": State("left"), "n": Count(Left)}).collect()
    assert (at_once["left"] == at_once["n"]).all()


def test_last_values_and_states_are_those_of_duckdb(ds):
    """Its ASOF JOIN over the same tables gives the same."""
    frame = ds.training_frame(
        User, at=Every("7s"), features={"total": Last(Bought, "total"), "plan": State("plan")}
    ).collect()
    bought = ds[Bought].select("user_id", "total", pl.col("sys__time").alias("time"))
    # of versions of one instant the last one counts
    plans = ds.history[User].sort("sys__version").unique(["user_id", "valid_from"], keep="last")
    with duckdb.connect() as db:
        db.register("asked", frame.select("user_id", "at").with_row_index("place"))
        for facts, time, column in ((bought, "time", "total"), (plans, "valid_from", "plan")):
            db.register("facts", facts)
            theirs = db.sql(
                f"select a.place, f.{column} from asked a asof left join facts f "
                f"on a.user_id = f.user_id and a.at >= f.{time} order by a.place"
            ).pl()
            assert theirs[column].to_list() == frame[column].to_list()


def auc(score: pl.Series, truth: pl.Series) -> float:
    """The chance that a true row has the higher score."""
    rank = score.fill_null(-1).rank("average").to_numpy()
    positive = truth.to_numpy()
    n = int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def test_the_end_state_leaks_and_the_frame_does_not(ds):
    """Whether a user leaves soon: nothing of the past tells, for they leave by chance. The end state does."""
    frame = ds.training_frame(
        User, at=Every("10s"), features={"left": State("left")}, label=Happens(Left, within="20s")
    ).collect()
    frame = frame.drop_nulls("label")
    end = ds.entities[User].select("user_id", end="left")
    naive = frame.join(end, on="user_id", how="left", maintain_order="left")
    leak = auc(naive["end"], naive["label"])
    ours = auc(frame["left"], frame["label"])
    assert leak > 0.75
    assert abs(ours - 0.5) < 0.12
    assert leak - ours > 0.2


def test_as_known_at_is_what_an_earlier_run_had(ds):
    """The table as of an instant is the table of a run that ended there."""
    arguments = {
        "at": Every("5s", end="2024-01-01T00:00:40"),
        "features": {"n": Count(Bought, ["3s", "9s"]), "since": TimeSince(Left), "plan": State("plan")},
        "label": Happens(Left, "10s"),
    }
    then = ds.training_frame(User, as_known_at="2024-01-01T00:00:40", **arguments).collect()
    short = world(duration="40s").collect(history=True).training_frame(User, **arguments).collect()
    assert then.equals(short)
    later = ds.training_frame(User, **arguments).collect()
    assert later["label"].null_count() < then["label"].null_count()


def test_the_card_and_the_metadata_say_the_rules(ds, tmp_path):
    """In words, and in a file's footer."""
    frame = ds.training_frame(
        User,
        at=Every("10s"),
        features={"n": Count(Bought, "5s"), "share": pl.col("n") / 2},
        label=Happens(Left, "10s"),
        embargo="1s",
        eligible=pl.col("plan") == "free",
    )
    assert "| `n` | Count(Bought, '5s') |" in frame.card
    assert "(embargo)" in frame.card
    frame.sink_parquet(tmp_path / "frame.parquet", metadata=frame.metadata)
    assert (
        '"embargo_us": 1000000'
        in pl.read_parquet_metadata(tmp_path / "frame.parquet")["deep_faker.training_frame"]
    )
    rows = frame.collect()
    assert (rows["share"] == rows["n"] / 2).all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"features": {"n": Count(Ping)}}, "Ping does not name a User"),
        ({"features": {"n": Count("Baught")}}, "did you mean 'Bought'"),
        ({"features": {"n": Sum(Bought, "totl")}}, "did you mean 'total'"),
        ({"features": {"n": Sum(Bought, "item")}}, "no sum of Bought.item"),
        ({"features": {"n": State("plaan")}}, "did you mean 'plan'"),
        ({"features": {"at": Count(Bought)}}, "'at' is a column of the rows"),
        ({"features": {"n": Happens}}, "no feature"),
        ({"features": {"n": pl.col("m") + 1}}, "no such feature"),
        ({"features": {}, "label": Happens(Left)}, "has no end"),
        ({"features": {}, "label": Outcome()}, "no session"),
        ({"features": {}, "closed": "rigth"}, "did you mean 'right'"),
        ({"features": {}, "knowledge": "all"}, "wrong knowledge"),
        ({"features": {}, "at": 7}, "wrong at"),
        (
            {
                "features": {},
                "at": pl.DataFrame({"user_id": ["nobody"], "at": [dt.date(2024, 1, 1)]}),
            },
            "nobody's",
        ),
        ({"features": {}, "available": {Bought: "item"}}, "is no instant"),
    ],
)
def test_what_cannot_be_meant_is_refused(ds, arguments, says):
    """With the thing, the value and the mend."""
    arguments = {"at": Every("10s"), **arguments}
    if "available" in arguments:
        arguments["features"] = {"n": Count(Bought)}
    with pytest.raises((SettingsError, DatasetError), match=says):
        ds.training_frame(User, **arguments)


class Registered(BaseEvent):
    number: int = Field(faker="random_int", min=1, max=9_999)


class Spoke(BaseEvent):
    number: int
    total: str = "much"
    item: str = ""


class Caller(Entity):
    source_event = Registered
    primary_key = "number"

    calls: int = StateField(default=0, type_=int)


def test_keys_may_be_numbers(tmp_path):
    """And data sets in files, read in pieces, give what those in memory give."""
    sim = Simulation("20s", "2024-01-01", random_seed=1, n_flows=3, initial_entities={Caller: 9})

    @sim.flow(filter=Select(Caller))
    def call(ctx):
        yield NewEvent(ctx, Spoke, mutate=SetState(Caller, [("calls", "add", 1)]))

    arguments = {"at": Spoke, "features": {"calls": State("calls"), "n": Count(Spoke)}}
    ds = sim.collect(history=True)
    frame = ds.training_frame(Caller, **arguments).collect()
    assert (frame["calls"] == frame["n"]).all()
    assert frame["n"].max() > 2
    sim.run(tmp_path / "out", history=True)
    assert Dataset.open(tmp_path / "out").training_frame(Caller, **arguments).collect().equals(frame)
    assert ds.sequences(Caller, before=Spoke, length=1).collect().height == frame.height


# ---------------------------------------------------------------- splits and sequences


@pytest.fixture(scope="module")
def frame(ds):
    return ds.training_frame(
        User, at=Every("2s"), features={"n": Count(Bought, "5s")}, label=Happens(Left, within="4s")
    )


def test_labels_of_a_split_by_time_do_not_reach_into_the_next_part(ds, frame):
    """The gap is the label's window; rows in between are left out."""
    parts = [part.collect() for part in ds.split(frame, by="time")]
    for part, next_ in zip(parts, parts[1:]):
        assert part["at"].max() + dt.timedelta(seconds=4) <= next_["at"].min()
    assert sum(part.height for part in parts) < frame.collect().height
    with pytest.raises(SettingsError, match=r"too few rows|no room"):
        ds.split(frame, by="time", gap="50s")


def test_entities_of_a_split_stay_on_their_side(ds, frame):
    """By a keyed draw: the same in another frame; and by both, only what agrees."""
    train, validation, test = (
        part.collect() for part in ds.split(frame, by="entity", shares=(0.5, 0.25, 0.25))
    )
    assert train.height + validation.height + test.height == frame.collect()["label"].count()
    keys = [set(part["user_id"]) for part in (train, validation, test)]
    assert not keys[0] & keys[1]
    assert not (keys[0] | keys[1]) & keys[2]
    other = ds.training_frame(User, at="2024-01-01T00:00:30", features={})
    assert set(ds.split(other, by="entity", shares=(0.5, 0.25, 0.25)).train.collect()["user_id"]) <= keys[0]
    both = ds.split(frame, by=["time", "entity"], shares=(0.5, 0.25, 0.25))
    for part, mine in zip(both, keys):
        rows = part.collect()
        assert 0 < rows.height
        assert set(rows["user_id"]) <= mine


def test_a_split_without_positives_is_warned_of(ds, frame):
    """A score over such a part means nothing."""
    none = frame.collect().with_columns(label=pl.lit(value=False))
    with pytest.warns(UserWarning, match="no positives"):
        ds.split(none, by="entity")


def test_sequences_are_what_came_before(ds):
    """Each row's list is the tail of its entity's events before it, in their order."""
    rows = ds.sequences(
        User, before=Bought, length=3, fields=["item", "total"], label=Happens(Left, "5s")
    ).collect()
    by_user = {key: part.to_dicts() for (key,), part in ds.events.group_by("user_id", maintain_order=True)}
    items = dict(ds[Bought].select("sys__eid", "item").rows())
    for row in rows.iter_rows(named=True):
        before = [e for e in by_user[row["user_id"]] if e["sys__order"] < row["sys__order"]][-3:]
        assert row["events"] == [e["event_type"] for e in before]
        assert row["times"] == [e["sys__time"] for e in before]
        assert row["item"] == [items.get(e["sys__eid"]) for e in before]
    assert rows.columns[-1] == "label"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"length": 0}, "wrong length"),
        ({"fields": ["prize"]}, "no event has a field 'prize'"),
        ({"negatives": 2}, "negatives of what"),
        ({"target": "item", "negatives": 2, "weights": "rank"}, "wrong weights"),
        ({"before": "2024-01-01T00:00:30", "target": "item"}, "target of no event"),
        ({"available": {Bought: "1s"}}, "available= of a sequence"),
    ],
)
def test_sequences_that_cannot_be_meant_are_refused(ds, arguments, says):
    """With the thing, the value and the mend."""
    with pytest.raises((SettingsError, DatasetError), match=says):
        ds.sequences(User, **{"before": Bought, "length": 3, **arguments})


@pytest.mark.parametrize("weights", ["popularity", "uniform"])
def test_negatives_are_values_that_had_been_seen_and_were_not_taken(ds, weights):
    """Never the row's own, never one from the future."""
    rows = ds.sequences(User, before=Bought, length=2, target="item", negatives=4, weights=weights).collect()
    bought = ds[Bought].sort("sys__order")
    assert rows["target"].to_list() == bought["item"].to_list()
    for place, row in enumerate(rows.iter_rows(named=True)):
        seen = set(bought["item"][:place])
        drawn = {value for value in row["negatives"] if value is not None}
        assert len(row["negatives"]) == 4
        assert drawn <= seen - {row["target"]}
        assert bool(drawn) == bool(seen - {row["target"]}) or place < 5
    again = ds.sequences(User, before=Bought, length=2, target="item", negatives=4, weights=weights, seed=9)
    assert again.collect()["negatives"].to_list() != rows["negatives"].to_list()
