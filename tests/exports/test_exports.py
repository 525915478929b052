"""Data sets in the formats of other tools, looked at without these tools."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing

import duckdb
import polars as pl
import pytest

from deep_faker import Dataset, ParquetOutput
from deep_faker.errors import DatasetError, OutputError, OutputExistsError, SettingsError
from deep_faker.exports import Task
from deep_faker.features import Every, Happens, Mean
from tests.support.worlds.export_world import (
    LEAVES,
    OPENS,
    TASKS,
    ExportOpened,
    ExportOrder,
    ExportPaid,
    ExportUser,
    ExportVisited,
    export_shop,
    export_site,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The shop with its history, in files of 100 rows, so that tables are of several."""
    folder = tmp_path_factory.mktemp("exported") / "shop"
    sim = export_shop()
    sim.add_output(ParquetOutput(folder, rows_per_file=100))
    sim.run(history=True, progress=False)
    return Dataset.open(folder)


# ---------------------------------------------------------------- logs


def test_ocel_json_and_sqlite_hold_the_same_log(whole, tmp_path):
    """Every event, object, attribute, change and relation stands in both forms, and in the data."""
    whole.export("ocel", tmp_path / "log.json")
    whole.export("ocel", tmp_path / "log.sqlite")
    log = json.loads((tmp_path / "log.json").read_text())
    assert {event["id"] for event in log["events"]} == set(whole.events["sys__eid"])
    assert Counter(event["type"] for event in log["events"]) == {name: whole[name].height for name in whole}
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as base:
        related = base.execute(
            "SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object"
        ).fetchall()
        linked = base.execute("SELECT ocel_source_id, ocel_target_id FROM object_object").fetchall()
        rows = base.execute(
            "SELECT ocel_id, ocel_time, visits, plan, age FROM object_ExportUser ORDER BY ocel_time, rowid"
        ).fetchall()
        totals = base.execute("SELECT sum(total) FROM event_ExportOpened").fetchone()[0]
    assert set(related) == {
        (event["id"], each["objectId"], each["qualifier"])
        for event in log["events"]
        for each in event["relationships"]
    }
    assert set(linked) == {
        (each["id"], other["objectId"]) for each in log["objects"] for other in each["relationships"]
    }
    assert len(linked) == whole.entities[ExportOrder].height
    assert totals == pytest.approx(whole[ExportOpened]["total"].sum())
    # laid one over the other, what changed gives the final state
    final = {
        f"ExportUser:{row[0]}": row[1:]
        for row in whole.entities[ExportUser].select("user_id", "visits", "plan").rows()
    }
    state: dict[str, list] = {}
    for own, _, *values in rows:
        kept = state.setdefault(own, [None] * 3)
        kept[:] = [old if new is None else new for old, new in zip(kept, values)]
    assert {own: tuple(values[:2]) for own, values in state.items()} == final
    for each in log["objects"]:
        if each["type"] == "ExportUser":
            last = {attribute["name"]: attribute["value"] for attribute in each["attributes"]}
            assert (last["visits"], last["plan"]) == final[each["id"]]


def test_ocel_without_a_history_has_the_state_at_the_end(tmp_path):
    """Objects have one version each; names that a database would confuse stay apart."""
    ds = export_shop(duration="10m").collect()
    ds.export("ocel", tmp_path / "log.json")
    log = json.loads((tmp_path / "log.json").read_text())
    users = [each for each in log["objects"] if each["type"] == "ExportUser"]
    assert {each["id"] for each in users} == {
        f"ExportUser:{key}" for key in ds.entities[ExportUser]["user_id"]
    }
    assert all(len(each["attributes"]) == 3 for each in users)


def test_xes_follows_the_flow(whole, tmp_path):
    """Of the flat log, what follows what is what the flow says, as often as its chances say."""
    whole.export("xes", tmp_path / "log.parquet", fields=["total"], resource=ExportUser)
    log = pl.read_parquet(tmp_path / "log.parquet")
    assert log["concept:instance"].to_list() == whole.events["sys__eid"].to_list()
    assert log["time:timestamp"].dtype == pl.Datetime("us", "UTC")
    assert log["total"].drop_nulls().sum() == pytest.approx(whole[ExportOpened]["total"].sum())
    assert log["org:resource"].null_count() == 0
    after = pl.col("concept:name").shift(-1).over("case:concept:name")
    edges = Counter(log.select("concept:name", after.alias("after")).drop_nulls().rows())
    assert set(edges) == {("ExportVisited", "ExportOpened"), ("ExportOpened", "ExportPaid")}
    visits, chance = whole[ExportVisited].height, (1 - LEAVES) * OPENS
    assert (
        abs(edges["ExportVisited", "ExportOpened"] - visits * chance)
        < 5 * (visits * chance * (1 - chance)) ** 0.5
    )
    whole.export("xes", tmp_path / "orders.parquet", case=ExportOrder)
    orders = pl.read_parquet(tmp_path / "orders.parquet")
    assert set(orders["case:concept:name"]) == {str(key) for key in whole.entities[ExportOrder]["order_id"]}
    assert orders.height == 2 * whole[ExportPaid].height


# ---------------------------------------------------------------- training


def test_relbench_labels_are_those_of_their_sql(whole, tmp_path):
    """The SQL of each task, run by DuckDB over the folder's tables, gives the labels that were written."""
    whole.export("relbench", tmp_path / "shop", tasks=TASKS)
    folder = tmp_path / "shop"
    base = duckdb.connect()
    for file in (folder / "db").glob("*.parquet"):
        base.execute(f"CREATE VIEW \"{file.stem}\" AS SELECT * FROM '{file}'")
        table = pl.read_parquet(file)
        pkey = next(
            name
            for name in table.columns
            if name.endswith("_id")
            and table[name].dtype == pl.Int64
            and table[name].equals(pl.Series(name, range(table.height)))
        )
        assert pkey
    for name in TASKS:
        text = (folder / "tasks" / name / "manifest.yaml").read_text()
        block = text.partition("sql: |-\n")[2].partition("manifest_version")[0]
        for split in ("train", "val", "test"):
            written = pl.read_parquet(folder / "tasks" / name / f"{split}.parquet")
            seeds = written.select("timestamp").unique()
            base.register("timestamps", seeds.to_arrow())
            anew = pl.DataFrame(pl.from_arrow(base.sql(f"{block} ORDER BY 1, 2").to_arrow_table()))
            known = written["user_id"].max()
            anew = anew.filter(pl.col("user_id") <= known) if split == "test" else anew
            assert written.height > 0
            assert anew.select(written.columns[:2]).equals(written.select(written.columns[:2]))
            difference = (anew[name].cast(pl.Float64) - written[name].cast(pl.Float64)).abs().max()
            assert difference < 1e-9


def test_relbench_tables_tell_no_future(whole, tmp_path):
    """Entities have their state at birth; what came later has its instant."""
    whole.export("relbench", tmp_path / "shop")
    users = pl.read_parquet(tmp_path / "shop" / "db" / "ExportUser.parquet")
    assert users["visits"].to_list() == [0] * users.height
    assert whole.entities[ExportUser]["visits"].sum() > 0
    assert users["user_id_original"].to_list() == whole.entities[ExportUser]["user_id"].to_list()
    versions = pl.read_parquet(tmp_path / "shop" / "db" / "ExportUser_versions.parquet")
    assert versions.height == whole.history[ExportUser].height
    assert versions["valid_from"].is_sorted()
    paid = pl.read_parquet(tmp_path / "shop" / "db" / "ExportPaid.parquet")
    back = paid.join(users.select("user_id", "user_id_original"), on="user_id")["user_id_original"]
    assert back.to_list() == whole[ExportPaid]["user_id"].to_list()


def test_sequences_hold_every_event_once(whole, tmp_path):
    """EasyTPP, HoTPP and MEDS have the same events, in the same parts of entities, each one's in order."""
    whole.export("easytpp", tmp_path / "easytpp", entity=ExportUser)
    whole.export("hotpp", tmp_path / "hotpp", entity=ExportUser, values={"ExportOpened": "total"})
    frame = whole.training_frame(
        ExportUser, at=Every("30m"), features={}, label=Happens(ExportPaid, within="10m")
    )
    whole.export(
        "meds", tmp_path / "meds", entity=ExportUser, values={"ExportOpened": "total"}, labels={"pays": frame}
    )
    names = json.loads((tmp_path / "easytpp" / "event_types.json").read_text())
    events = whole.events.drop_nulls("user_id").sort("user_id", "sys__order")
    seen: Counter[str] = Counter()
    for mine, theirs, split in (
        ("train", "train", "train"),
        ("validation", "val", "tuning"),
        ("test", "test", "held_out"),
    ):
        lines = [
            json.loads(line) for line in (tmp_path / "easytpp" / f"{mine}.json").read_text().splitlines()
        ]
        hotpp = pl.read_parquet(tmp_path / "hotpp" / f"{theirs}.parquet")
        meds = pl.read_parquet(tmp_path / "meds" / "data" / split / "0.parquet")
        assert [line["type_event"] for line in lines] == hotpp["labels"].to_list()
        assert [line["seq_idx"] for line in lines] == [*range(len(lines))]
        assert meds.height == sum(line["seq_len"] for line in lines)
        assert meds["code"].to_list() == [names[kind] for line in lines for kind in line["type_event"]]
        for line, key in zip(lines, hotpp["id"]):
            own = events.filter(pl.col("user_id") == key)
            assert [names[kind] for kind in line["type_event"]] == own["event_type"].to_list()
            since = (own["sys__time"] - own["sys__time"][0]).dt.total_microseconds() / 3.6e9
            assert line["time_since_start"] == pytest.approx(since.to_list())
            assert line["time_since_last_event"][0] == 0
            assert sum(line["time_since_last_event"]) == pytest.approx(line["time_since_start"][-1])
            seen[key] += 1
    assert set(seen) == set(whole.entities[ExportUser]["user_id"])
    assert set(seen.values()) == {1}
    labels = pl.read_parquet(tmp_path / "meds" / "labels" / "pays.parquet")
    assert labels["boolean_value"].sum() == frame.collect()["label"].sum()


# ---------------------------------------------------------------- changes


def folded(records):
    """What remains when the changes are laid one over the other."""
    state: dict[object, dict] = {}
    for record in records:
        row = record["after"] or record["before"]
        key = next(iter(row.values()))
        assert state.get(key) == record["before"]
        assert (record["op"] in "cr") == (record["before"] is None)
        if record["after"] is None:
            del state[key]
        else:
            state[key] = record["after"]
    return state


def test_the_fold_of_debezium_records_is_the_state(whole, tmp_path):
    """Each record's before is what was, and what remains at the end is the final state; places rise."""
    whole.export("debezium", tmp_path / "changes", prefix="shop")
    for entity in (ExportUser, ExportOrder):
        lines = (tmp_path / "changes" / f"shop.{entity.__name__}.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        final = whole.entities[entity].drop("born")
        assert folded(records) == {row[final.columns[0]]: row for row in final.iter_rows(named=True)}
        places = [record["source"]["change_id"] for record in records]
        assert places == sorted(places)
        sids = dict(whole.events.select("sys__eid", "sys__sid").iter_rows())
        assert all(sids[record["source"]["event_id"]] == record["transaction"]["id"] for record in records)
    users = [
        json.loads(line) for line in (tmp_path / "changes" / "shop.ExportUser.jsonl").read_text().splitlines()
    ]
    assert Counter(record["op"] for record in users)["r"] == 40
    # the control: a record that is left out is noticed
    last = max(i for i, record in enumerate(users) if record["op"] == "u")
    first = next(
        i
        for i, r in enumerate(users)
        if r["op"] == "u" and r["after"]["user_id"] == users[last]["after"]["user_id"]
    )
    with pytest.raises(AssertionError):
        folded([*users[:first], *users[first + 1 :]])


def test_debezium_with_schemas(whole, tmp_path):
    """Each record says its own schema, and each value of the payload has a field there."""
    whole.export("debezium", tmp_path / "changes", entities=[ExportUser], schemas=True)
    record = json.loads((tmp_path / "changes" / "deep_faker.ExportUser.jsonl").read_text().splitlines()[-1])
    fields = {field["field"]: field for field in record["schema"]["fields"]}
    assert set(fields) == set(record["payload"])
    for name in ("before", "after", "source", "transaction"):
        assert {field["field"] for field in fields[name]["fields"]} == set(record["payload"][name])


def test_debezium_to_kafka(whole):
    """Each change is a message of its entity's topic, with the key, in order, acknowledged."""
    kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')
    owner = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    (first,) = owner.list_topics(timeout=120).brokers.values()
    broker = f"{first.host}:{first.port}"
    whole.export("debezium", f"kafka://{broker}", entities=[ExportOrder], prefix="shop")
    reader = kafka.Consumer({"bootstrap.servers": broker, "group.id": "test"})
    parts = reader.list_topics(timeout=120).topics["shop.ExportOrder"].partitions
    reader.assign([kafka.TopicPartition("shop.ExportOrder", each, kafka.OFFSET_BEGINNING) for each in parts])
    expected = whole.history[ExportOrder].height
    messages: list = []
    for _ in range(600):
        messages += reader.consume(1000, timeout=0.2)
        if len(messages) >= expected:
            break
    reader.close()
    records = [json.loads(message.value()) for message in messages]
    assert len(records) == expected
    assert all(json.loads(m.key())["order_id"] == r["after"]["order_id"] for m, r in zip(messages, records))
    by_order = sorted(records, key=lambda record: record["source"]["change_id"])
    assert len(folded(by_order)) == whole.entities[ExportOrder].height


def test_debezium_without_brokers(whole):
    """Nobody there: an error, not silence."""
    pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')
    from deep_faker.write.kafka.records import send_records

    with pytest.raises(OutputError, match="cannot reach Kafka"):
        send_records([("t", b"k", b"v")], "127.0.0.1:1", timeout=0.5)


# ---------------------------------------------------------------- hubs


def test_a_folder_for_a_hub_names_each_file_with_its_hash(whole, tmp_path):
    """The card has a configuration for each table; Croissant has each file's bytes and SHA-256."""
    import hashlib

    import yaml

    whole.export("huggingface", tmp_path / "hub", name="shop")
    head = yaml.safe_load((tmp_path / "hub" / "README.md").read_text().split("---")[1])
    document = json.loads((tmp_path / "hub" / "croissant.json").read_text())
    objects = [each for each in document["distribution"] if each["@type"] == "cr:FileObject"]
    for each in objects:
        assert (
            hashlib.sha256((tmp_path / "hub" / each["contentUrl"]).read_bytes()).hexdigest() == each["sha256"]
        )
    assert len(objects) == len(whole.manifest["files"])
    assert len(head["configs"]) == len(document["recordSet"]) == len(whole.manifest["tables"])
    for config in head["configs"]:
        files = sorted((tmp_path / "hub").glob(config["data_files"][0]["path"]))
        assert files
        if config["config_name"] == "ExportVisited":
            assert pl.read_parquet(files).height == whole[ExportVisited].height


def test_other_layouts_are_written_anew(tmp_path):
    """A data set in memory, and one of CSV in partitions, come out as Parquet."""
    sim = export_site(duration="1h")
    sim.collect().export("huggingface", tmp_path / "memory")
    sim.run(tmp_path / "lines", format="csv", progress=False)
    Dataset.open(tmp_path / "lines").export("huggingface", tmp_path / "csv")
    frames = [
        pl.read_parquet(tmp_path / way / "data/events/ExportSeen/*.parquet") for way in ("memory", "csv")
    ]
    assert frames[0].height > 50
    assert frames[0].equals(frames[1])


# ---------------------------------------------------------------- what is refused


def test_what_lies_there_is_left(whole, tmp_path):
    """Nothing is replaced unasked, and no folder that is no such export; a failed one leaves nothing."""
    whole.export("xes", tmp_path / "log.parquet")
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        whole.export("xes", tmp_path / "log.parquet")
    whole.export("xes", tmp_path / "log.parquet", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(OutputExistsError, match=r"manifest\.yaml"):
        whole.export("relbench", tmp_path / "mine", overwrite=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    with pytest.raises(DatasetError):
        whole.export("easytpp", tmp_path / "none", entity=ExportUser, events=["Nothing"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.parquet", "mine"]


@pytest.mark.parametrize(
    ("form", "options", "error", "text"),
    [
        ("parket", {}, SettingsError, "unknown format"),
        ("ocel", {"cases": 1}, SettingsError, "ocel takes no cases"),
        ("xes", {"case": "Nobody"}, DatasetError, "no entity type 'Nobody'"),
        ("xes", {"fields": ["totl"]}, SettingsError, "did you mean 'total'"),
        ("easytpp", {"entity": ExportUser, "shares": (1, 1, 1)}, SettingsError, "wrong shares"),
        ("debezium", {"config": {}}, SettingsError, "config of no client"),
        ("relbench", {"tasks": {"x": 1}}, SettingsError, "no task"),
        ("relbench", {"tasks": {"x": Task(ExportUser, Mean(ExportOpened, "total", "5m"))}}, SettingsError, "no label of RelBench"),
        ("relbench", {"tasks": {"x": Task(ExportUser, Happens(ExportPaid, "1h"))}}, SettingsError, "no room for"),
        ("relbench", {"tasks": {"x": Task(ExportOrder, Happens(ExportVisited, "5m"))}}, DatasetError, "does not name"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(whole, tmp_path, form, options, error, text):
    """The thing, the value and the mend, before anything is written."""
    with pytest.raises(error, match=text):
        whole.export(form, tmp_path / "out.json", **options)
    assert list(tmp_path.iterdir()) == []


def test_changes_need_a_history(tmp_path):
    """What was not kept cannot be told."""
    ds = export_shop(duration="5m").collect()
    with pytest.raises(DatasetError, match="history=True"):
        ds.export("debezium", tmp_path / "changes")
