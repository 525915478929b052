"""Data sets and files in an object store: whole or visibly not, resumed, read back."""

import json
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import obstore
import polars as pl
import pyarrow as pa
import pytest
from obstore.exceptions import BaseError
from obstore.store import from_url

from deep_faker import Dataset
from deep_faker.errors import DatasetError, OutputError, OutputExistsError, SettingsError
from deep_faker.outputs import FileOutput, ParquetOutput
from deep_faker.write import json_lines
from deep_faker.write.files import object_store as objectstore
from deep_faker.write.files.verify import verify
from tests.support.places import ROOT
from tests.support.servers.object_stores import OPTIONS, Proxy, S3Server
from tests.support.worlds.killed_runs import Parts, began, store_part
from tests.support.worlds.order_rows import HOSTILE, plain, rows, write
from tests.support.worlds.output_world import EVENTS, NAMES, World, info
from tests.support.worlds.visits import cut_at, files, simulation

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
WORLD = World(3000)
ERRORS = (FileNotFoundError, BaseError)


@pytest.fixture(scope="module")
def server():
    one = S3Server()
    yield one
    one.close()


@pytest.fixture
def bucket(server, request):
    name = f"b{abs(hash(request.node.name)) % 10**10}"
    return server.make_bucket(name)


def store(server, url):
    client = {"allow_http": True}
    return from_url(url, config={**OPTIONS, "endpoint": server.url}, client_options=client)


def objects(server, url):
    place = store(server, url)
    names = [one["path"] for batch in obstore.list(place) for one in batch]
    return {name: bytes(obstore.get(place, name).bytes()) for name in sorted(names)}


@pytest.mark.parametrize(
    "shape", [{}, {"format": "csv", "compression": "gzip"}, {"format": "arrow"}, {"format": "jsonl"},
              {"format": "jsonl", "compression": "zstd"}, {"rows_per_file": 200}], ids=str
)  # fmt: skip
def test_the_objects_are_the_files_of_the_disk(shape, server, bucket, tmp_path):
    url = f"s3://{bucket}/some/shop"
    WORLD.run(ParquetOutput(tmp_path / "out", **shape))
    WORLD.run(ParquetOutput(url, storage_options=server.options(), **shape))
    assert objects(server, url) == files(tmp_path / "out")
    remote, local = Dataset.open(url, server.options()), Dataset.open(tmp_path / "out")
    for name in NAMES:
        assert remote[name].equals(local[name])
    assert remote.events.equals(local.events)
    assert remote.sessions.equals(local.sessions)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("name", ["run[12]", "run*"])
def test_a_url_is_no_pattern(name, form, server, bucket):
    """What lies beside it and would match is not read."""
    options = server.options()
    World(50).run(ParquetOutput(f"s3://{bucket}/run1", form, storage_options=options))
    World(20).run(ParquetOutput(f"s3://{bucket}/{name}", form, storage_options=options))
    found = Dataset.open(f"s3://{bucket}/{name}", options)
    assert sum(found[event].height for event in found) == found.events.height == 20
    assert pickle.loads(pickle.dumps(found)).events.equals(found.events)


def test_partitions_of_hostile_names(server, bucket):
    url, table = f"s3://{bucket}/shop", rows()
    assert len(HOSTILE) > 10
    write(table, url, partition_by=["country", "date"], storage_options=server.options())
    found = Dataset.open(url, server.options())["Order"]
    assert found.sort("sys__eid").equals(plain(table))


@pytest.mark.parametrize("name", ["events.jsonl", "deep/er/events.jsonl.gz"])
def test_a_file(name, server, bucket):
    url = f"s3://{bucket}/{name}"
    [receipt] = WORLD.run(FileOutput(url, storage_options=server.options()))
    assert receipt.path == url
    options = {name: str(value) for name, value in server.options().items() if name != "max_retries"}
    lines = pl.scan_ndjson(url, schema={"sys__eid": pl.String}, storage_options=options)
    assert lines.select(pl.len()).collect().item() == len(WORLD.order)
    if name.endswith("jsonl"):
        [content] = objects(server, f"s3://{bucket}").values()
        assert content == json_lines(next(WORLD.chunks([])), EVENTS)


def test_large_files_go_up_in_parts(server, bucket, monkeypatch):
    """Parts side by side: the object is there as a whole, or not at all."""
    monkeypatch.setattr(objectstore, "_PART", 5 << 20)
    proxy = Proxy(server.port)
    try:
        options = server.options(endpoint=f"http://127.0.0.1:{proxy.port}")
        world = World(60_000)
        world.run(FileOutput(f"s3://{bucket}/events.jsonl", storage_options=options))
    finally:
        proxy.close()
    assert sum("partNumber=" in line for line in proxy.seen) > 1
    [content] = objects(server, f"s3://{bucket}").values()
    assert content == json_lines(next(world.chunks([])), EVENTS)


# ------------------------------------------------ what lies there


def test_another_runs_data_are_refused(server, bucket):
    url, options = f"s3://{bucket}/shop", server.options()
    WORLD.run(ParquetOutput(url, storage_options=options))
    before = objects(server, url)
    with pytest.raises(OutputExistsError, match=r"shop exists\nit holds the output of another run"):
        WORLD.run(ParquetOutput(url, storage_options=options))
    assert objects(server, url) == before
    # in its place: what the new one has not is gone
    WORLD.run(ParquetOutput(url, storage_options=options, format="csv", overwrite=True))
    after = objects(server, url)
    assert not any(name.endswith(".parquet") for name in after)
    assert objectstore.MARKER not in after
    WORLD.run(FileOutput(f"{url}2.jsonl", storage_options=options))
    with pytest.raises(OutputExistsError, match=r"shop2\.jsonl exists"):
        WORLD.run(FileOutput(f"{url}2.jsonl", storage_options=options))
    WORLD.run(FileOutput(f"{url}2.jsonl", storage_options=options, overwrite=True))


def test_what_is_not_ours_is_never_touched(server, bucket):
    url = f"s3://{bucket}/shop"
    obstore.put(store(server, url), "holiday.jpg", b"x")
    with pytest.raises(OutputError, match=r"never deleted: holiday.jpg"):
        WORLD.run(ParquetOutput(url, storage_options=server.options(), overwrite=True))
    assert objects(server, url) == {"holiday.jpg": b"x"}
    # a neighbour whose name begins alike is no part of it
    WORLD.run(ParquetOutput(f"s3://{bucket}/sho", storage_options=server.options()))
    assert "holiday.jpg" in objects(server, url)


def test_r6_the_same_object_replaces_what_it_wrote(server, bucket):
    url, options = f"s3://{bucket}/shop", server.options()

    class Owner:
        pass

    one, other = Owner(), Owner()
    for output in (
        ParquetOutput(url, storage_options=options),
        FileOutput(f"{url}.jsonl", storage_options=options),
    ):
        WORLD.run(output, owner=one)
        WORLD.run(output, owner=one)
        with pytest.raises(OutputExistsError):
            WORLD.run(output, owner=other)
        World(99).run(type(output)(output.path, storage_options=options, overwrite=True), owner=other)
        with pytest.raises(OutputExistsError):  # now it is the other's
            WORLD.run(output, owner=one)


# ------------------------------------------------ faults


@pytest.mark.parametrize("after", [0, 2000])
def test_cut_connections_leave_nothing_whole_and_the_next_run_mends_it(server, bucket, after):
    """Every upload in turn is cut: an error that says so, no manifest; then overwrite=True makes it whole."""
    url, hit = f"s3://{bucket}/shop", 0
    WORLD.run(ParquetOutput(f"s3://{bucket}/whole", storage_options=server.options()))
    whole = objects(server, f"s3://{bucket}/whole")
    for number in range(1, len(whole) + 2):
        World(99).run(ParquetOutput(url, storage_options=server.options(), overwrite=True))
        old = objects(server, url)
        proxy = Proxy(server.port)
        try:
            options = server.options(endpoint=f"http://127.0.0.1:{proxy.port}", max_retries=1)
            cut_at(proxy, number, after)
            with pytest.raises(OutputError, match=f"{url}") as caught:
                WORLD.run(ParquetOutput(url, storage_options=options, overwrite=True))
        finally:
            proxy.close()
        hit += proxy.cuts > 0
        assert "hidden-key" not in str(caught.value)
        found = objects(server, url)
        if number == 1:  # it could not even begin
            found.pop(objectstore.MARKER, None)
            assert found == old
        else:
            assert "manifest.json" not in found
            with pytest.raises(DatasetError, match="no whole data set"):
                Dataset.open(url, server.options())
            with pytest.raises(OutputExistsError, match="an upload that did not end"):
                WORLD.run(ParquetOutput(url, storage_options=server.options()))
        # what was there before is known as ours
        WORLD.run(ParquetOutput(url, storage_options=server.options(), overwrite=True))
        assert objects(server, url) == whole
    assert hit == len(whole) + 1


def test_a_short_outage_is_waited_for(server, bucket):
    """Connections are cut for a while: the library tries again, and nothing shows."""
    url = f"s3://{bucket}/shop"
    proxy = Proxy(server.port)
    try:
        options = server.options(endpoint=f"http://127.0.0.1:{proxy.port}", max_retries=10)
        proxy.allow = lambda line: proxy.cuts >= 6
        WORLD.run(ParquetOutput(url, storage_options=options))
    finally:
        proxy.close()
    assert proxy.cuts >= 6
    assert Dataset.open(url, server.options())["Click"].height == WORLD.tables["Click"].num_rows


class Watch(threading.Thread):
    """Reads the store all the time: wherever there is a manifest, all that it lists is there, whole."""

    def __init__(self, server, url):
        super().__init__(daemon=True)
        self.place, self.stop = store(server, url), False
        self.seen, self.wrong = set(), []
        self.looks, self.looked = 0, threading.Condition()

    def run(self):
        while not self.stop:
            self.look()
            with self.looked:
                self.looks += 1
                self.looked.notify_all()

    def have_a_look(self):
        """Wait for a look that began after this was called, however busy the machine is."""
        with self.looked:
            most = self.looks + 2  # one may be half-way
            while self.looks < most:
                self.looked.wait(1)
                assert self.is_alive()

    def look(self):
        try:
            text = bytes(obstore.get(self.place, "manifest.json").bytes())
        except ERRORS:
            self.seen.add("none")
            return
        self.seen.add("whole")
        for file in json.loads(text)["files"]:
            try:
                size = obstore.head(self.place, file["path"])["size"]
            except ERRORS as error:
                size = str(error)[:80]
            if size != file["bytes"]:
                # it may have been replaced since
                try:
                    again = bytes(obstore.get(self.place, "manifest.json").bytes())
                except ERRORS:
                    again = b""
                if again == text:
                    self.wrong.append((file["path"], file["bytes"], size))


@pytest.mark.parametrize("order", ["last", "first"])
def test_a_reader_never_sees_a_manifest_before_its_files(order, server, bucket, monkeypatch):
    """Negative control: with the manifest first, the reader does."""
    url = f"s3://{bucket}/shop"
    real = objectstore.ObjectPlace._put

    def watched(self, name, path):
        if order == "first":
            obstore.put(
                self._store, "manifest.json", (path.parents[name.count("/")] / "manifest.json").read_bytes()
            )
        watch.have_a_look()
        real(self, name, path)

    monkeypatch.setattr(objectstore.ObjectPlace, "_put", watched)
    watch = Watch(server, url)
    watch.start()
    try:
        for number in range(3):
            World(500 + number).run(ParquetOutput(url, storage_options=server.options(), overwrite=True))
            watch.have_a_look()
    finally:
        watch.stop = True
        watch.join()
    assert watch.seen == {"none", "whole"}
    assert bool(watch.wrong) == (order == "first")


def test_wrong_places_are_said(server, bucket, tmp_path):
    with pytest.raises(OutputError, match=r"nowhere123(.|\n)*create the bucket"):
        WORLD.run(ParquetOutput("s3://nowhere123/x", storage_options=server.options()))
    with pytest.raises(OutputError, match=r"nowhere123(.|\n)*create the bucket"):
        WORLD.run(FileOutput("s3://nowhere123/x.jsonl", storage_options=server.options()))
    gone = server.options(endpoint="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(OutputError, match=r"cannot look into s3://b/x") as caught:
        WORLD.run(ParquetOutput("s3://b/x", storage_options=gone))
    assert "hidden-key" not in str(caught.value)
    assert "check the address" in str(caught.value)
    with pytest.raises(SettingsError, match=r"wrong storage_options(.|\n)*acces_key") as caught:
        WORLD.run(ParquetOutput("s3://b/x", storage_options={"acces_key": "hidden-key"}))
    assert "hidden-key" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"path='s4://b/x'(.|\n)*s3"):
        ParquetOutput("s4://b/x")
    with pytest.raises(SettingsError, match="storage_options have no meaning"):
        ParquetOutput(tmp_path / "x", storage_options={"region": "x"})
    with pytest.raises(DatasetError, match="no whole data set at s3://"):
        Dataset.open(f"s3://{bucket}/nothing", server.options())
    assert "hidden-key" not in repr(ParquetOutput("s3://b/x", storage_options=server.options()))
    assert list(tmp_path.iterdir()) == []


def test_the_local_copy_goes(server, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    WORLD.run(ParquetOutput(f"s3://{bucket}/a", storage_options=server.options()))
    WORLD.run(FileOutput(f"s3://{bucket}/b.jsonl", storage_options=server.options()))
    gone = server.options(endpoint="http://127.0.0.1:9", max_retries=0)
    monkeypatch.setattr(objectstore.ObjectPlace, "check_folder", lambda self, **more: [])
    with pytest.raises(OutputError):
        WORLD.run(ParquetOutput("s3://b/a", storage_options=gone))
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------ the whole way


def test_r4_killed_at_any_moment_and_resumed(server, bucket, tmp_path):
    """SIGKILL at, or some moments after, any write, checkpoint or upload: the objects of the uninterrupted run."""
    parts, options, folder = Parts(seed=5), server.options(), tmp_path / "checkpoints"
    parts.whole(store_part, f"s3://{bucket}/whole", options, str(tmp_path / "w"))
    want = objects(server, f"s3://{bucket}/whole")
    url = f"s3://{bucket}/killed"
    for _ in range(60):
        if parts.one(store_part, url, options, str(folder), resume=began(folder)):
            assert objects(server, url) == want
            if parts.hits >= 8:
                break
        if not began(folder) and objects(server, url):  # the last moment: all was there
            assert objects(server, url) == want
            obstore.delete(store(server, url), list(objects(server, url)))
    assert parts.hits >= 8


def test_r4_an_upload_that_failed_goes_on(server, bucket, tmp_path):
    """Whichever request fails, before or after it has arrived: the next process ends it."""
    whole = simulation()
    whole.add_output(ParquetOutput(f"s3://{bucket}/whole", storage_options=server.options()))
    whole.run(progress=False)
    want = objects(server, f"s3://{bucket}/whole")
    for after in (0, 5000):
        for number in range(1, len(want) + 2):
            url, folder = f"s3://{bucket}/{after}-{number}", tmp_path / f"{after}-{number}"
            proxy = Proxy(server.port)
            try:
                cut_at(proxy, number, after)
                sim = simulation()
                options = server.options(endpoint=f"http://127.0.0.1:{proxy.port}", max_retries=0)
                sim.add_output(ParquetOutput(url, storage_options=options))
                with pytest.raises(OutputError, match="resume=True"):
                    sim.run(checkpoint_every=5000, checkpoint=folder, progress=False)
                assert proxy.cuts > 0
            finally:
                proxy.close()
            again = simulation()
            again.add_output(ParquetOutput(url, storage_options=server.options()))
            again.run(checkpoint_every=5000, checkpoint=folder, resume=True, progress=False)
            assert objects(server, url) == want
            assert not folder.exists()


def test_checkpoints_need_a_local_folder(server, bucket):
    sim = simulation()
    sim.add_output(ParquetOutput(f"s3://{bucket}/shop", storage_options=server.options()))
    with pytest.raises(SettingsError, match="name a folder: checkpoint="):
        sim.run(checkpoint_every=100, progress=False)


def test_the_command_writes_to_a_url_and_verifies_it(server, bucket, tmp_path):
    """Credentials come from the environment, as the store's own tools take them."""
    (tmp_path / "shop.py").write_text(
        "from tests.support.worlds.visits import simulation\nsim = simulation()\n"
    )
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }  # fmt: skip
    url = f"s3://{bucket}/shop"

    def deepfaker(*arguments):
        command = [sys.executable, "-m", "deep_faker", *arguments]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = deepfaker("run", "shop.py", "--output", url, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert url in done.stderr
    assert deepfaker("verify", url).stderr == f"{url}: whole\n"
    obstore.put(store(server, url), "events/Visit/part-00000.csv", b"sys__eid\n")
    done = deepfaker("verify", url)
    assert done.returncode == 1
    assert "sha256 differs" in done.stderr


def test_numbers_survive(server, bucket):
    """Integers beyond 2^53 and microseconds, through the store and back."""
    table = rows(300)
    big = np.array([2**63 - 1, -(2**63), 2**53 + 1] * 100, np.int64)
    table = table.set_column(4, "number", pa.array(big))
    for form in ("parquet", "csv", "arrow"):
        url = f"s3://{bucket}/{form}"
        write(table, url, format=form, storage_options=server.options())
        assert Dataset.open(url, server.options())["Order"]["number"].to_list() == big.tolist()
        assert verify(url) != []  # without the options it cannot be read, and says so
    assert info().seed == 7
