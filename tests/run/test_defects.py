"""Arrival of events and defects over the clean stream (T17, R10)."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from deep_faker import AddDecay, Dataset, Exponential, FileOutput, LogNormal, NewEvent, Select, Simulation
from deep_faker.defects import ClockSkew, Defects, Drop, Duplicate, Exactly, Late, Null, Typo, Unit
from deep_faker.errors import CompileError, DatasetError, DeclarationError, OutputError, SettingsError
from deep_faker.features import Count
from deep_faker.write.files.verify import verify
from tests.support.engines import ENGINES, every_engine
from tests.support.worlds.defect_world import ALL, EVOLVING, DefectJoined, DefectPaid, DefectUser, shop
from tests.support.worlds.stopped_runs import resumed, stopped


def tables(ds: Dataset) -> dict[str, pl.DataFrame]:
    """All that a run keeps of its streams."""
    out = {f"events/{name}": ds[name] for name in ds}
    out |= {f"dirty/{name}": ds.dirty[name] for name in ds.dirty}
    return out | {"truth/defects": ds.defects}


def same(a: dict[str, pl.DataFrame], b: dict[str, pl.DataFrame]) -> bool:
    return a.keys() == b.keys() and all(a[name].equals(b[name]) for name in a)


@pytest.fixture(scope="module")
def full() -> Dataset:
    """A run with defects of all kinds."""
    return shop(Defects(**{**vars(ALL), "schema": EVOLVING})).collect(engine=ENGINES[0])


@pytest.fixture(scope="module")
def clean() -> Dataset:
    return shop(None, lag=None).collect(engine=ENGINES[0])


@pytest.mark.slow
@every_engine
def test_all_engines_make_the_same_defects(full, engine):
    """Clean, dirty and key are the same whoever makes them (E2)."""
    again = shop(Defects(**{**vars(ALL), "schema": EVOLVING})).collect(engine=engine)
    assert same(tables(full), tables(again))
    other = shop(Defects(**{**vars(ALL), "schema": EVOLVING}), random_seed=4).collect(engine=engine)
    assert not same(tables(full), tables(other))


def test_the_clean_stream_is_what_it_was(full, clean):
    """Defects and arrival change no clean event; unused, they are not to be seen."""
    assert clean["DefectPaid"].equals(full["DefectPaid"].drop("available_time"))
    assert not list(clean.dirty)
    with pytest.raises(DatasetError, match="defects=Defects"):
        _ = clean.defects
    with pytest.raises(DatasetError, match="defects=Defects"):
        clean.dirty["DefectPaid"]


def test_arrival_has_its_distribution(full):
    """The delays are those that were said; what says none arrives at once."""
    paid, joined = full["DefectPaid"], full["DefectJoined"]
    assert (joined["available_time"] == joined["sys__time"]).all()
    delay = (paid["available_time"] - paid["sys__time"]).dt.total_microseconds().to_numpy() / 1e6
    n = len(delay)
    logs = np.log(delay)
    assert abs(logs.mean() - math.log(120)) < 4 / math.sqrt(n)
    assert abs(logs.std() - 1) < 4 / math.sqrt(2 * n)


def test_counts_are_exact_and_by_chance(full):
    """Exactly k are k; shares are near theirs; conditions and times hold."""
    key, paid = full.defects, full["DefectPaid"]
    counts = dict(key.group_by("kind").len().iter_rows())
    n = paid.height
    assert key.filter(kind="typo").height == 17
    drops = key.filter(kind="drop")
    assert drops.height == 10 + drops.height - 10
    assert 10 <= drops.height <= 10 + n * 0.01 + 4 * math.sqrt(n * 0.01)
    assert abs(counts["late"] - n * 0.05) < 5 * math.sqrt(n * 0.05)
    null = key.filter(kind="null").join(paid, on="sys__eid")
    assert (null["amount"] > 20).all()  # missing at random: it depends on another field
    over = paid.filter(pl.col("amount") > 20).height
    assert abs(null.height - over * 0.05) < 5 * math.sqrt(over * 0.05)
    unit = key.filter(kind="unit", field="amount").join(paid, on="sys__eid")
    expected = float((paid["amount"] / 1000).clip(0, 1).sum())
    assert abs(unit.height - expected) < 5 * math.sqrt(expected)
    assert unit["amount"].mean() > paid["amount"].mean()  # not at random: it depends on the value
    later = key.filter(kind="unit", field="pieces")["sys__time"]
    assert later.len()
    assert later.min() >= pl.Series(["2024-01-01T00:30"]).str.to_datetime()[0]


def test_devices_have_one_clock(full):
    """With per= some devices are wrong, all their events, and each by the same."""
    key = full.defects.filter(kind="clock_skew").join(full["DefectPaid"], on="sys__eid")
    wrong = set(key["device"])
    assert 1 <= len(wrong) <= 15
    arrived = (
        full.dirty["DefectPaid"].unique("sys__eid").join(full["DefectPaid"], on="sys__eid", suffix="_clean")
    )
    skew = (arrived["sys__ets"] - arrived["sys__ets_clean"]).alias("skew")
    by_device = arrived.select("device_clean", skew).group_by("device_clean").agg(pl.col("skew").unique())
    for device, skews in by_device.iter_rows():
        assert len(skews) == 1
        assert (skews[0] != 0) == (device in wrong)


def test_the_dirty_stream_is_in_the_order_of_arrival(full):
    """By available_time; copies come after their event; each has what the key says."""
    dirty, key = full.dirty["DefectPaid"], full.defects
    assert dirty["available_time"].is_sorted()
    assert not dirty["sys__ets"].is_sorted()
    dropped = set(key.filter(kind="drop")["sys__eid"])
    copies = key.filter(kind="duplicate", event_type="DefectPaid").height
    gone = key.filter(kind="drop", event_type="DefectPaid").height
    assert not dropped & set(dirty["sys__eid"])
    assert dirty.height == full["DefectPaid"].height - gone + copies
    first = dirty.unique("sys__eid", keep="first", maintain_order=True)
    late = key.filter(kind="late").join(first, on="sys__eid")
    assert (late["available_time"] == late["available_time_right"]).all()
    told = late["original"].str.json_decode(pl.String).str.to_datetime(time_unit="us")
    assert (told < late["available_time"]).all()


def test_a_schema_changes_at_its_instant(full):
    """Old columns before, new ones after, by when an event happened, not when it arrives."""
    dirty = full.dirty["DefectPaid"].join(full["DefectPaid"], on="sys__eid", suffix="_clean")
    after = pl.col("sys__time") >= pl.lit("2024-01-01T00:40").str.to_datetime()
    old, new = dirty.filter(~after), dirty.filter(after)
    assert old.height
    assert new.height
    assert old["channel"].null_count() == old.height
    assert (new["channel"] == "web").all()
    assert new["device"].null_count() == new.height
    assert old["device"].null_count() == 0
    assert (new["quantity"].is_not_null() & new["pieces"].is_null()).all()
    # and late ones of before arrive among those of after
    assert dirty.with_columns(after=after)["after"].cast(pl.Int8).is_sorted() is False


COLUMNS = {
    "sys__eid": pl.String,
    "sys__ets": pl.Int64,
    "sys__sid": pl.String,
    "user_id": pl.String,
    "device": pl.String,
    "city": pl.String,
    "amount": pl.Float64,
    "pieces": pl.Int64,
}


def repaired(dirty: pl.DataFrame, key: pl.DataFrame) -> pl.DataFrame:
    """The clean stream, made of the dirty one and the key by DuckDB: deduplicated, mended, put in order."""
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as db:
        db.register("dirty", dirty.to_arrow())
        db.register("answers", key.to_arrow())
        found = db.execute(
            """
            with first as (  -- the copy that came first
                select *, row_number() over (partition by sys__eid order by available_time) as copy from dirty
            ), arrived as (select * from first where copy = 1),
            mends as (
                select sys__eid,
                    max(original) filter (field = 'sys__ets') as ets,
                    max(original) filter (field = 'city') as city,
                    max(original) filter (field = 'amount') as amount,
                    max(original) filter (field = 'pieces') as pieces,
                    max(original) filter (field = 'device') as device
                from answers where kind not in ('drop', 'late', 'duplicate') group by sys__eid
            ), mended as (
                select a.sys__eid, coalesce(m.ets::bigint, a.sys__ets) as sys__ets, a.sys__sid, a.user_id,
                    coalesce(m.device->>'$', a.device) as device, coalesce(m.city->>'$', a.city) as city,
                    coalesce(m.amount::double, a.amount) as amount,
                    coalesce(m.pieces::bigint, a.pieces, a.quantity) as pieces
                from arrived a left join mends m using (sys__eid)
            ), lost as (
                select original->>'sys__eid', (original->>'sys__ets')::bigint, original->>'sys__sid',
                    original->>'user_id', original->>'device', original->>'city',
                    (original->>'amount')::double, (original->>'pieces')::bigint
                from answers where kind = 'drop' and event_type = 'DefectPaid'
            )
            select * from (select * from mended union all select * from lost) order by sys__ets, sys__eid
            """
        ).fetchall()
        return pl.DataFrame(found, schema=COLUMNS, orient="row")


def test_duckdb_recovers_the_clean_stream_with_the_key(full):
    """Dedup, repair and reorder give back every clean event; without one row of the key they do not."""
    dirty, key = full.dirty["DefectPaid"], full.defects
    want = full["DefectPaid"].drop("sys__time", "sys__order", "available_time").sort("sys__ets", "sys__eid")
    assert repaired(dirty, key).equals(want)
    mine = key.filter(pl.col("event_type") == "DefectPaid", ~pl.col("kind").is_in(["late", "duplicate"]))
    for kind in ("drop", "null", "typo", "unit", "clock_skew"):
        one = (
            mine.filter(kind=kind, field=mine.filter(kind=kind)["field"][0])
            if kind != "drop"
            else mine.filter(kind=kind)
        )
        eid, field = one["sys__eid"][0], one["field"][0]
        lacking = key.filter(~((pl.col("sys__eid") == eid) & pl.col("field").eq_missing(pl.lit(field))))
        assert not repaired(dirty, lacking).equals(want), kind


def test_a_watermark_meets_what_is_late(full):
    """A watermark that waits as long as the longest delay loses nothing, a shorter one loses what came later."""
    dirty = full.dirty["DefectPaid"].unique("sys__eid", keep="first", maintain_order=True)
    rows = dirty.join(
        full["DefectPaid"].select("sys__eid", "sys__time"), on="sys__eid", maintain_order="left"
    )
    seen = rows["sys__time"].cum_max()
    behind = (seen - rows["sys__time"]).dt.total_microseconds()
    worst = behind.max()
    assert worst > 0
    assert (behind <= worst).all()
    assert (behind > worst // 2).any()


# ---------------------------------------------------------------- however it is run


def test_a_longer_run_keeps_a_shorter_ones_defects():
    """Of rules by chance (R2); the stream after the shorter one's end is another."""
    rules = Defects(late=ALL.late, null=ALL.null, duplicate=0.02, drop=0.02, clock_skew=ALL.clock_skew)
    short, long = (shop(rules, duration=d).collect() for d in ("20m", "40m"))
    end = pl.lit("2024-01-01T00:20").str.to_datetime()
    a, b = (ds.defects.filter(pl.col("sys__time") < end) for ds in (short, long))
    assert a.height > 20
    assert a.drop("sys__order").equals(b.drop("sys__order"))


def test_a_rule_more_moves_no_other():
    """A rule of another kind or another field leaves the defects of the others as they were."""
    some = Defects(null=Null(0.05, "city"), typo=Typo(0.05, "city"))
    more = Defects(null=some.null, typo=some.typo, unit=Unit(0.1, "amount", 10), late=Late(0.1, "5m"))
    a, b = (shop(rules, duration="20m").collect().defects for rules in (some, more))
    kept = b.filter(pl.col("kind").is_in(["null", "typo"]))
    assert a.drop("available_time").equals(kept.drop("available_time"))


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow", "jsonl"])
def test_data_sets_keep_clean_dirty_and_key(full, tmp_path, form):
    """Every format reads back the same, and is verified; an altered dirty file is found."""
    sim = shop(Defects(**{**vars(ALL), "schema": EVOLVING}))
    sim.run(tmp_path / "out", format=form, progress=False)
    assert verify(tmp_path / "out") == []
    assert same(tables(Dataset.open(tmp_path / "out")), tables(full))
    [file] = (tmp_path / "out" / "dirty" / "DefectPaid").iterdir()
    file.write_bytes(file.read_bytes() + b"\n")
    assert verify(tmp_path / "out") != []


def test_a_stopped_run_ends_with_the_same_bytes(tmp_path):
    """What is on its way when a checkpoint is made arrives after it, once."""
    shop(duration="4h").run(tmp_path / "whole", progress=False)
    stopped(tmp_path, shop(duration="4h"))
    assert list((tmp_path / "c").glob("state-*-arriving"))
    resumed(tmp_path, shop(duration="4h"))
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


@pytest.mark.slow
def test_parts_have_their_share(tmp_path):
    """Exactly k over all parts; each part is the same whoever makes it."""
    sim = shop(Defects(typo=Typo(Exactly(10), "city"), late=Late(0.1, "10m")))
    sim.run(tmp_path / "a", partitions=3, progress=False)
    ds = Dataset.open(tmp_path / "a")
    assert ds.defects.filter(kind="typo").height == 10
    assert ds.dirty["DefectPaid"]["available_time"].is_sorted()
    assert verify(tmp_path / "a") == []
    clocks = Defects(clock_skew=ALL.clock_skew)
    shop(clocks).run(tmp_path / "b", partitions=2, progress=False)
    ds = Dataset.open(tmp_path / "b")
    skewed = ds.defects.join(ds["DefectPaid"], on="sys__eid")
    assert set(skewed["device"]) == set(ds["DefectPaid"].join(skewed, on="device", how="semi")["device"])
    assert len(skewed) == len(ds["DefectPaid"].join(skewed, on="device", how="semi"))


def test_streams_get_what_arrives(full, tmp_path):
    """JSON lines and outputs of one's own: the dirty stream, in order; of types that are asked for."""
    taken: list[tuple[str, pl.DataFrame]] = []

    class Taker:
        def write_batch(self, event_type, frame):
            taken.append((event_type, frame))

    rules = Defects(**{**vars(ALL), "schema": EVOLVING})
    sim = shop(rules)
    sim.add_output(Taker(), events=[DefectPaid])
    sim.run(tmp_path / "events.jsonl", progress=False)
    assert {name for name, _ in taken} == {"DefectPaid"}
    dirty = full.dirty["DefectPaid"].drop("available_time")
    assert pl.concat([frame for _, frame in taken]).equals(dirty)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    paid = [line for line in lines if line["event_type"] == "DefectPaid"]
    assert [line["sys__eid"] for line in paid] == dirty["sys__eid"].to_list()
    assert any(line["city"] is None for line in paid)
    arrives = pl.concat([full.dirty[name].select("available_time", "sys__eid") for name in full.dirty])
    order = arrives.sort("available_time", maintain_order=True)["sys__eid"]
    assert [line["sys__eid"] for line in lines][-50:] == order.to_list()[-50:]


def test_without_defects_streams_are_in_order_of_arrival():
    """arrives= alone: no dirty tables, and events leave when they are known."""
    sent: list[object] = []

    class Sender:
        def send_event(self, event):
            sent.append(event.sys__eid)

    sim = shop(None, duration="10m")
    sim.add_output(Sender())
    sim.run(progress=False)
    ds = shop(None, duration="10m").collect()
    assert not list(ds.dirty)
    events = pl.concat([ds[name].select("sys__eid", "available_time", "sys__order") for name in ds])
    assert sent == events.sort("available_time", "sys__order")["sys__eid"].to_list()
    assert sent != events.sort("sys__order")["sys__eid"].to_list()


def test_events_leave_when_they_arrive(tmp_path):
    """With speed= the stream is the same, and takes as long as until the last one arrives."""
    shop(duration="10m").run(tmp_path / "a.jsonl", progress=False)
    report = shop(duration="10m").run(tmp_path / "b.jsonl", progress=False, speed=50_000)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    dirty = shop(duration="10m").collect().dirty[DefectPaid]["available_time"]
    assert report.seconds > (dirty.max() - dirty.min()).total_seconds() / 50_000


def test_objects_are_sent_with_their_defects(full):
    """Missing values and left-out fields are None, whatever the model says."""
    sent = []

    class Sender:
        def send_event(self, event):
            sent.append(event)

    sim = shop(Defects(**{**vars(ALL), "schema": EVOLVING}))
    sim.add_output(Sender(), events=[DefectPaid])
    sim.run(progress=False)
    dirty = full.dirty["DefectPaid"]
    for name in ("sys__eid", "sys__ets", "city", "device", "amount", "pieces"):
        assert [getattr(event, name) for event in sent] == dirty[name].to_list()
    assert None in dirty["city"].to_list()


def test_live_flows_have_arrivals_too():
    """A flow that runs as a generator has the same delays as the compiled one."""

    def world(*, live: bool) -> Simulation:
        sim = Simulation(
            "10m", start_time="2024-01-01", n_flows=3, random_seed=5, initial_entities={DefectUser: 5}
        )

        @sim.flow(filter=Select(DefectUser), flow_name="pay")
        def pay(ctx):
            user = ctx.selected_entities[DefectUser]
            if live:
                [].__class__.__name__.join(str(x) for x in globals().get("nothing", ()))
            yield NewEvent(ctx, DefectPaid, user_id=user.user_id, device="d", arrives=LogNormal(minutes=1))
            yield AddDecay(ctx, seconds=20)

        return sim

    a, b = (world(live=live).collect()["DefectPaid"].drop("user_id") for live in (False, True))
    assert a.equals(b)  # keys of users are other ones where a flow may do anything
    assert (a["available_time"] > a["sys__time"]).any()


def test_features_see_what_had_arrived():
    """A training frame goes by available_time of itself; knowledge="event" leaks, and is warned of."""
    ds = shop(None, lag="20m").collect(history=True)
    at = {"at": "2024-01-01T00:30", "features": {"n": Count(DefectPaid)}}
    known = ds.training_frame(DefectUser, **at).collect()["n"].sum()
    with pytest.warns(UserWarning, match="knowledge"):
        leaked = ds.training_frame(DefectUser, **at, knowledge="event").collect()["n"].sum()
    paid = ds["DefectPaid"]
    instant = pl.lit("2024-01-01T00:30").str.to_datetime()
    assert known == paid.filter(pl.col("available_time") <= instant).height
    assert leaked == paid.filter(pl.col("sys__time") <= instant).height
    assert known < leaked


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Null(1.5, "city"), "chance=1.5"),
        (lambda: Late(0.1, "soon"), "by='soon'"),
        (lambda: Unit(0.1, "amount", 1), "factor=1"),
        (lambda: Exactly(-1), "count=-1"),
        (lambda: ClockSkew(Exactly(3), 5, per="device"), "per='device'"),
        (lambda: Null(0.1, "city", since="2024-01-02", until="2024-01-01"), "not before"),
        (lambda: Defects(null=0.1), "null=0.1"),
        (lambda: Null(0.1, "city", where="amount > 3"), "Polars condition"),
        (lambda: shop(Defects(null=Null(0.1, "town"))).compile(), "'town'"),
        (lambda: shop(Defects(typo=Typo(0.1, "amount"))).compile(), "amount"),
        (
            lambda: shop(Defects(null=Null(0.1, "town", events=[DefectPaid]))).compile(),
            "did you mean|has no field",
        ),
        (lambda: shop(Defects(typo=Typo(Exactly(10**6), "city"))).collect(), "to be|are to"),
        (lambda: Simulation("1h", defects="late"), "Defects"),
        (lambda: NewEvent(object(), DefectJoined, arrives=-3), "arrives=-3"),
        (lambda: LogNormal(3, 1, minutes=2), "not once"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, says):
    """With what was given and what to do."""
    with pytest.raises((DeclarationError, SettingsError), match=says):
        make()


def test_a_wrong_lag_names_the_line():
    sim = shop(None, lag="yesterday")
    with pytest.raises((CompileError, DeclarationError), match="arrives='yesterday'"):
        sim.compile()


def test_tables_with_a_key_take_no_duplicates():
    """Before the first event, and before a connection is asked for."""
    from deep_faker import PostgresOutput

    sim = shop(Defects(duplicate=Duplicate(0.1)))
    tables = {"DefectPaid": "paid", "DefectJoined": "joined"}
    sim.add_output(PostgresOutput(url="postgresql://nobody@localhost:1/none", table_mapping=tables))
    with pytest.raises(OutputError, match="takes no duplicates"):
        sim.run(progress=False)


@pytest.mark.parametrize("rules", [None, Defects(drop=0.1)])
def test_deliveries_of_parts_are_refused(tmp_path, rules):
    """Before anything is made: outputs of parts would get what arrives in order of time."""
    sim = shop(rules)
    sim.add_output(FileOutput(tmp_path / "events.jsonl"))
    with pytest.raises(SettingsError, match="arrivals or defects"):
        sim.run(tmp_path / "out", partitions=2, progress=False)
    assert not (tmp_path / "out").exists()


def test_drops_are_drawn_before_all_else():
    """What is dropped has no other defect, and exact rules count what is left."""
    sim = shop(
        Defects(
            drop=[Drop(0.5), Drop(Exactly(5))], typo=Typo(Exactly(40), "city"), late=Late(1.0, Exponential(5))
        )
    )
    key = sim.collect().defects
    gone = set(key.filter(kind="drop")["sys__eid"])
    assert not gone & set(key.filter(pl.col("kind") != "drop")["sys__eid"])
    assert key.filter(kind="typo").height == 40
