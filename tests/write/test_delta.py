"""Delta Lake: every event once in its table, whatever happens; read by others."""

import datetime as dt
import json
import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from deep_faker.errors import OutputError, SettingsError
from deep_faker.outputs import DeltaOutput
from deep_faker.write.delta import output as delta
from tests.support.servers.object_stores import S3Server
from tests.support.worlds.delta_runs import WORLD, by_id, rows, run
from tests.support.worlds.killed_runs import Parts, began, delta_part
from tests.support.worlds.output_world import NAMES, World, info
from tests.support.worlds.visits import simulation


def test_every_value_comes_back(tmp_path):
    run(DeltaOutput(tmp_path / "lake"), cuts=[500, 501, 2000])
    for name in NAMES:
        want = WORLD.tables[name].to_pylist()
        for row in want:
            if name == "Odd":
                row["time"] = row["time"].isoformat(timespec="microseconds")
                row["took"] = row["took"] // dt.timedelta(microseconds=1)
        assert by_id(rows(tmp_path / "lake" / name)) == by_id(want)
    frame = pl.read_delta(str(tmp_path / "lake/Signup"))
    assert frame["at"].dtype == pl.Datetime("us")
    assert sorted(frame["at"]) == sorted(WORLD.tables["Signup"]["at"].to_pylist())


def test_runs_are_appended_and_overwrite_replaces(tmp_path):
    lake = tmp_path / "lake"
    run(DeltaOutput(lake))
    count = WORLD.tables["Click"].num_rows
    other = World(500, seed=2)
    run(DeltaOutput(lake), world=other, run_id="r2")
    assert len(rows(lake / "Click")) == count + other.tables["Click"].num_rows
    run(DeltaOutput(lake, overwrite=True), world=other, run_id="r3")
    assert by_id(rows(lake / "Click")) == by_id(other.tables["Click"].to_pylist())
    # the table remembers what was before
    assert len(DeltaTable(lake / "Click", version=0).to_pyarrow_table()) == count


def test_partitions_by_date_and_field(tmp_path):
    run(DeltaOutput(tmp_path / "lake", partition_by=["date", "platform"]))
    click = DeltaTable(tmp_path / "lake/Click")
    assert click.metadata().partition_columns == ["date", "platform"]
    assert DeltaTable(tmp_path / "lake/Signup").metadata().partition_columns == ["date"]
    found = click.to_pyarrow_table()
    assert set(found["date"].to_pylist()) == {dt.date(2024, 1, 1)}
    assert by_id(found.drop_columns(["date"]).to_pylist()) == by_id(WORLD.tables["Click"].to_pylist())
    assert (tmp_path / "lake/Click/date=2024-01-01/platform=web").is_dir()


def test_a_table_of_another_shape_is_refused(tmp_path):
    write_deltalake(
        str(tmp_path / "lake/Click"), pa.table({"sys__eid": ["x"], "price": [1], "colour": ["red"]})
    )
    with pytest.raises(OutputError, match=r"table .*Click has another shape") as caught:
        run(DeltaOutput(tmp_path / "lake"))
    said = str(caught.value)
    assert "~ price is int64, and must be double" in said
    assert "- colour string is not a field" in said
    assert "+ user_id string is missing" in said
    assert not (tmp_path / "lake/Odd").exists()
    run(DeltaOutput(tmp_path / "lake", overwrite=True))
    assert len(rows(tmp_path / "lake/Click")) == WORLD.tables["Click"].num_rows
    with pytest.raises(OutputError, match="partitioned by nothing, not by date"):
        run(DeltaOutput(tmp_path / "lake", partition_by="date"))


@pytest.mark.parametrize("protected", [True, False])
def test_r4_each_event_once_wherever_it_stops(protected, tmp_path, monkeypatch):
    """A run that is taken up again and again; negative control: without the place in the tables, twice."""
    monkeypatch.setattr(delta, "part_rows", lambda schemas: dict.fromkeys(schemas, 150))
    if not protected:
        monkeypatch.setattr(DeltaTable, "transaction_version", lambda self, app: None)
    rng, taken_up = random.Random(1), 0
    one = DeltaOutput(tmp_path / "lake")
    one.open(info(run_id="r1"))
    state, has, cuts = None, 0, sorted(rng.sample(range(3000), 60))
    for chunk in WORLD.chunks(cuts):
        one.write(chunk)
        if rng.random() < 0.15:
            state = json.loads(json.dumps(one.checkpoint()))
        if rng.random() < 0.2:
            one.suspend()
            one = DeltaOutput(tmp_path / "lake")
            has = one.resume(info(run_id="r1"), state)
            taken_up += 1
            for again in WORLD.chunks([has, chunk.end]):
                if has <= again.first and again.end <= chunk.end:
                    one.write(again)
    one.finish()
    assert taken_up > 5
    found = {name: by_id(rows(tmp_path / "lake" / name)) for name in ("Click", "Signup")}
    whole = {name: by_id(WORLD.tables[name].to_pylist()) for name in ("Click", "Signup")}
    assert (found == whole) == protected


def test_r4_killed_at_any_moment_and_resumed(tmp_path):
    """SIGKILL at, or some moments after, any write or checkpoint: each row is there once in the end."""
    parts = Parts(seed=3)
    parts.whole(delta_part, str(tmp_path / "whole"))
    want = by_id(rows(tmp_path / "whole/Visit"))
    for number in range(20):
        place = tmp_path / f"{number}"
        while not parts.one(delta_part, str(place), resume=began(Path(f"{place}.checkpoint"))):
            if (place / "Visit").exists() and not began(Path(f"{place}.checkpoint")):
                break  # it had come to its end, but for the exit
        assert by_id(rows(place / "Visit")) == want
        if parts.hits >= 8:
            break
    assert parts.hits >= 8


def test_in_an_object_store(tmp_path):
    server = S3Server()
    try:
        options = {name: str(value) for name, value in server.options(conditional_put="etag").items()}
        options = {name: value for name, value in options.items() if name != "max_retries"}
        url = f"s3://{server.make_bucket('lake')}/shop"
        run(DeltaOutput(url, storage_options=options))
        found = DeltaTable(f"{url}/Click", storage_options=options).to_pyarrow_table()
        assert by_id(found.to_pylist()) == by_id(WORLD.tables["Click"].to_pylist())
        wrong = DeltaOutput("s3://nowhere/x", storage_options={**options, "endpoint": "http://127.0.0.1:9"})
        assert "hidden-key" not in repr(wrong)
    finally:
        server.close()


def test_wrong_arguments(tmp_path):
    with pytest.raises(OutputError, match="partition_by='nonsense'"):
        run(DeltaOutput(tmp_path / "lake", partition_by="nonsense"))
    with pytest.raises(SettingsError, match="partition_by=3"):
        DeltaOutput("x", partition_by=3)
    with pytest.raises(SettingsError, match="storage_options have no meaning"):
        DeltaOutput("x", storage_options={"region": "x"})
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot (look at|append to) .*file/Click"):
        run(DeltaOutput(tmp_path / "file"))


def test_why_a_store_failed_is_told():
    """The library's first line says only which store it was."""
    options = {"aws_access_key_id": "x", "aws_secret_access_key": "hidden-key", "region": "us-east-1",
               "allow_http": "true", "endpoint": "http://127.0.0.1:9", "max_retries": "0"}  # fmt: skip
    with pytest.raises(OutputError, match=r"cannot look at .*Click\n.*(127\.0\.0\.1:9|…).*onnect") as caught:
        run(DeltaOutput("s3://lake/x", storage_options=options))
    assert "\x1b" not in str(caught.value)
    assert "hidden-key" not in str(caught.value)


def test_the_whole_way(tmp_path):
    sim = simulation()
    sim.add_output(DeltaOutput(tmp_path / "lake"))
    report = sim.run(progress=False)
    assert len(rows(tmp_path / "lake/Visit")) == report.events["Visit"]
    sim.run(progress=False)  # appended, as to any table
    assert len(rows(tmp_path / "lake/Visit")) == 2 * report.events["Visit"]
