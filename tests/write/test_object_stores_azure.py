"""The same on Azure's blob storage, which Microsoft's own Azurite stands in for."""

import pytest

from deep_faker import Dataset
from deep_faker.errors import OutputError, OutputExistsError
from deep_faker.outputs import FileOutput, ParquetOutput
from deep_faker.write.files.object_store import ObjectPlace
from tests.support.servers.object_stores import AzureServer, Proxy, azurite
from tests.support.worlds.order_rows import plain, rows, write
from tests.support.worlds.output_world import NAMES, World
from tests.support.worlds.visits import cut_at, files, simulation

WORLD = World(3000)


@pytest.fixture(scope="module")
def server():
    command = azurite()
    if command is None:
        pytest.skip("Azurite is not installed: npm install azurite, and DEEP_FAKER_AZURITE=…/azurite-blob")
    one = AzureServer(command)
    yield one
    one.close()


@pytest.fixture
def bucket(server, request):
    return server.make_bucket(f"c{abs(hash(request.node.name)) % 10**10}")


def objects(server, url):
    place = ObjectPlace(url, server.options())
    return {name: place.read(name) for name in place.names()}


@pytest.mark.parametrize("scheme", ["az", "abfs"])
@pytest.mark.parametrize(
    "shape", [{}, {"format": "csv", "compression": "gzip"}, {"format": "arrow"}, {"format": "jsonl"}], ids=str
)
def test_the_objects_are_the_files_of_the_disk(shape, scheme, server, bucket, tmp_path):
    url = f"{scheme}://{bucket}/some/shop"
    WORLD.run(ParquetOutput(tmp_path / "out", **shape))
    WORLD.run(ParquetOutput(url, storage_options=server.options(), **shape))
    assert objects(server, url) == files(tmp_path / "out")
    remote, local = Dataset.open(url, server.options()), Dataset.open(tmp_path / "out")
    for name in NAMES:
        assert remote[name].equals(local[name])


def test_partitions_of_hostile_names(server, bucket):
    url, table = f"az://{bucket}/shop", rows()
    write(table, url, partition_by=["country", "date"], storage_options=server.options())
    found = Dataset.open(url, server.options())["Order"]
    assert found.sort("sys__eid").equals(plain(table))


def test_another_runs_data_are_refused(server, bucket):
    url, options = f"az://{bucket}/shop", server.options()
    for output in (ParquetOutput, FileOutput):
        place = url if output is ParquetOutput else f"{url}.jsonl"
        WORLD.run(output(place, storage_options=options))
        with pytest.raises(OutputExistsError, match=r"it (holds|is) the output of another run"):
            WORLD.run(output(place, storage_options=options))
        WORLD.run(output(place, storage_options=options, overwrite=True))


def test_a_missing_container_is_said(server):
    with pytest.raises(OutputError, match=r"nowhere(.|\n)*create the bucket \(container\)"):
        WORLD.run(ParquetOutput("az://nowhere/x", storage_options=server.options()))


def test_an_upload_that_failed_goes_on(server, bucket, tmp_path):
    url = f"az://{bucket}/shop"
    whole = simulation()
    whole.add_output(ParquetOutput(tmp_path / "whole"))
    whole.run(progress=False)
    for number in (1, 2, 3):
        proxy = Proxy(server.port)
        try:
            cut_at(proxy, number)
            sim, folder = simulation(), tmp_path / str(number)
            options = server.options(
                azure_endpoint=server.url.replace(str(server.port), str(proxy.port)), max_retries=0
            )
            sim.add_output(ParquetOutput(f"{url}{number}", storage_options=options))
            with pytest.raises(OutputError, match="resume=True"):
                sim.run(checkpoint_every=5000, checkpoint=folder, progress=False)
            assert proxy.cuts > 0
        finally:
            proxy.close()
        again = simulation()
        again.add_output(ParquetOutput(f"{url}{number}", storage_options=server.options()))
        again.run(checkpoint_every=5000, checkpoint=folder, resume=True, progress=False)
        assert objects(server, f"{url}{number}") == files(tmp_path / "whole")
