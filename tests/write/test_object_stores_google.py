"""The same on Google Cloud Storage, by the client of Google's XML API (see `GoogleServer`)."""

import json
import random

import polars as pl
import pytest
from deltalake import DeltaTable

from deep_faker import Dataset
from deep_faker.errors import DatasetError, OutputError, OutputExistsError
from deep_faker.outputs import DeltaOutput, FileOutput, ParquetOutput
from deep_faker.write.files import object_store as objectstore
from deep_faker.write.files.object_store import ObjectPlace
from tests.support.servers.object_stores import GoogleServer, Proxy
from tests.support.worlds.delta_runs import by_id
from tests.support.worlds.delta_runs import run as into_delta
from tests.support.worlds.order_rows import plain, rows, write
from tests.support.worlds.output_world import NAMES, World
from tests.support.worlds.visits import cut_at, files, simulation

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
WORLD = World(3000)


@pytest.fixture(scope="module")
def server():
    one = GoogleServer()
    yield one
    one.close()


@pytest.fixture
def bucket(server, request):
    return server.make_bucket(f"g{abs(hash(request.node.name)) % 10**10}")


@pytest.fixture
def proxy(server):
    one = Proxy(server.port)
    yield one
    one.close()


def objects(server, url):
    place = ObjectPlace(url, server.options())
    return {name: place.read(name) for name in place.names()}


@pytest.mark.parametrize(
    "shape", [{}, {"format": "csv", "compression": "gzip"}, {"format": "arrow"}, {"format": "jsonl"}], ids=str
)
def test_the_objects_are_the_files_of_the_disk(shape, server, bucket, tmp_path):
    url, options = f"gs://{bucket}/some/shop", server.options()
    WORLD.run(ParquetOutput(tmp_path / "out", **shape))
    WORLD.run(ParquetOutput(url, storage_options=options, **shape))
    assert objects(server, url) == files(tmp_path / "out")
    remote, local = Dataset.open(url, options), Dataset.open(tmp_path / "out")
    for name in NAMES:
        assert remote[name].equals(local[name])


def test_partitions_of_hostile_names(server, bucket):
    url, table = f"gs://{bucket}/shop", rows()
    write(table, url, partition_by=["country", "date"], storage_options=server.options())
    found = Dataset.open(url, server.options())["Order"]
    assert found.sort("sys__eid").equals(plain(table))


def test_it_is_googles_client_that_asks(server, bucket, proxy):
    """The bearer's token and the whole name as one segment of the path are no S3 client's."""
    place = ObjectPlace(f"gs://{bucket}/a/b", server.options(port=proxy.port))
    assert place.read("c.json") is None
    assert proxy.seen == [f"GET /{bucket}/a%2Fb%2Fc%2Ejson HTTP/1.1"]
    # and a request that is signed as Amazon's are is turned away
    wrong = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region": "us-east-1"}
    told = {**wrong, "endpoint": server.url, "allow_http": "true", "max_retries": 0}
    with pytest.raises(Exception, match="401"):
        ObjectPlace(f"s3://{bucket}/a/b", told).read("c.json")


def test_large_files_go_up_in_parts(server, bucket, proxy, monkeypatch):
    monkeypatch.setattr(objectstore, "_PART", 5 << 20)
    world, url = World(60_000), f"gs://{bucket}/events.jsonl"
    [receipt] = world.run(FileOutput(url, storage_options=server.options(port=proxy.port)))
    assert sum("partNumber=" in line for line in proxy.seen) > 1
    [content] = objects(server, f"gs://{bucket}").values()
    assert (len(content), content.count(b"\n")) == (receipt.bytes, 60_000)


def test_another_runs_data_are_refused(server, bucket):
    url, options = f"gs://{bucket}/shop", server.options()
    for output in (ParquetOutput, FileOutput):
        place = url if output is ParquetOutput else f"{url}.jsonl"
        WORLD.run(output(place, storage_options=options))
        with pytest.raises(OutputExistsError, match=r"it (holds|is) the output of another run"):
            WORLD.run(output(place, storage_options=options))
        WORLD.run(output(place, storage_options=options, overwrite=True))
    # in its place: what the new one has not is gone
    WORLD.run(ParquetOutput(url, storage_options=options, format="csv", overwrite=True))
    assert not any(name.endswith(".parquet") for name in objects(server, url))


def test_a_missing_bucket_is_said_without_the_key(server):
    with pytest.raises(OutputError, match=r"nowhere(.|\n)*create the bucket") as caught:
        WORLD.run(ParquetOutput("gs://nowhere/x", storage_options=server.options()))
    assert "hidden-key" not in str(caught.value)
    assert "hidden-key" not in repr(ParquetOutput("gs://nowhere/x", storage_options=server.options()))


def test_cut_uploads_leave_nothing_whole_and_a_resumed_run_ends_them(server, bucket, tmp_path):
    """Every third upload in turn is cut, some bytes into it; the negative control is that no manifest is there."""
    whole = simulation()
    whole.add_output(ParquetOutput(tmp_path / "whole"))
    whole.run(progress=False)
    for number in (1, 2, 3):
        url, folder = f"gs://{bucket}/shop{number}", tmp_path / str(number)
        proxy = Proxy(server.port)
        try:
            cut_at(proxy, number, random.Random(number).randrange(2000))
            sim = simulation()
            options = server.options(port=proxy.port, max_retries=0)
            sim.add_output(ParquetOutput(url, storage_options=options))
            with pytest.raises(OutputError, match="resume=True"):
                sim.run(checkpoint_every=5000, checkpoint=folder, progress=False)
            assert proxy.cuts > 0
        finally:
            proxy.close()
        with pytest.raises(DatasetError, match="no whole data set"):
            Dataset.open(url, server.options())
        again = simulation()
        again.add_output(ParquetOutput(url, storage_options=server.options()))
        again.run(checkpoint_every=5000, checkpoint=folder, resume=True, progress=False)
        assert objects(server, url) == files(tmp_path / "whole")


def test_delta_tables(server, bucket):
    options = {name: str(value) for name, value in server.options().items() if name != "max_retries"}
    url = f"gs://{bucket}/lake"
    into_delta(DeltaOutput(url, storage_options=options), cuts=[1000])
    found = DeltaTable(f"{url}/Click", storage_options=options).to_pyarrow_table()
    assert by_id(found.to_pylist()) == by_id(WORLD.tables["Click"].to_pylist())
    frame = pl.read_delta(f"{url}/Signup", storage_options=options)
    assert frame.height == WORLD.tables["Signup"].num_rows
    key = json.loads(options["google_service_account_key"])["private_key"]
    assert key not in repr(DeltaOutput(url, storage_options=options))
