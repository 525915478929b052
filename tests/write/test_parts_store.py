"""Parts in an object store: put once, compared where they are there, committed by whoever comes."""

from __future__ import annotations

import pytest
from obstore.exceptions import NotSupportedError

from deep_faker import Dataset
from deep_faker.errors import DatasetError, OutputError, OutputExistsError
from deep_faker.outputs import ParquetOutput
from deep_faker.run.parted.commit import commit, status
from deep_faker.run.parted.job import PartsJob
from tests.support.servers.object_stores import S3Server
from tests.support.worlds.part_world import PartUser, part_shop
from tests.support.worlds.visits import files

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server():
    one = S3Server()
    yield one
    one.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    part_shop(duration="5m").run(folder, partitions=2)
    return folder


def objects(url, options):
    place = ParquetOutput(url, storage_options=options).remote
    assert place is not None
    return {name: place.read(name) for name in place.names()}


def job_at(url, options, **settings):
    sim = part_shop(duration="5m", **settings)
    return PartsJob(
        sim.compile(), sim.random_seed, "vectorized", 2, ParquetOutput(url, storage_options=options)
    )


@pytest.mark.parametrize("conditional", [True, False])
def test_parts_are_put_once(conditional, server, whole, monkeypatch):
    """The objects are the files of the disk; a zombie changes none, and another program is refused.

    Where the store has no conditional put, the name is looked for first.
    """
    import obstore

    url, options = f"s3://{server.make_bucket(f'parts{int(conditional)}')}/shop", server.options()
    if not conditional:
        put = obstore.put

        def plain(*arguments, mode=None, **named):
            if mode is not None:
                raise NotSupportedError("no conditional put")
            return put(*arguments, **named)

        monkeypatch.setattr(obstore, "put", plain)
    job_at(url, options).make(1)
    assert status(url, options).missing == (0,)
    with pytest.raises(DatasetError, match="1 of 2 are missing: 0"):
        commit(url, options)
    job_at(url, options).make(0)
    job_at(url, options).make(1)
    with pytest.raises(OutputError, match="another program") as refused:
        job_at(url, options, random_seed=5).make(1)
    assert options["aws_secret_access_key"] not in str(refused.value)
    commit(url, options)
    assert objects(url, options) == files(whole)
    commit(url, options)
    found = Dataset.open(url, options)
    assert found.entities[PartUser].equals(Dataset.open(whole).entities[PartUser])


def test_a_run_of_all_parts(server, whole):
    """It goes on where one ended, and replaces another's output on request only."""
    url, options = f"s3://{server.make_bucket('all-parts')}/shop", server.options()

    def run(sim, **how):
        sim.add_output(ParquetOutput(url, storage_options=options))
        return sim.run(partitions=2, **how)

    job_at(url, options).make(1)
    with pytest.raises(OutputExistsError, match="resume=True"):
        run(part_shop(duration="5m"))
    run(part_shop(duration="5m"), resume=True)
    assert objects(url, options) == files(whole)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        run(part_shop(duration="5m", random_seed=5))
    run(part_shop(duration="5m", random_seed=5), overwrite=True, workers=2)
    assert objects(url, options).keys() == files(whole).keys()
    assert objects(url, options) != files(whole)
