"""Deliveries from an object store, into Kafka and PostgreSQL: each event once, also without checkpoints."""

from __future__ import annotations

import json
import signal

import pytest

from deep_faker import Dataset
from deep_faker.errors import OutputExistsError, SettingsError
from deep_faker.outputs import FileOutput, ParquetOutput
from tests.support.servers.kafka_broker import KafkaBroker, KafkaMissingError, requirements
from tests.support.servers.object_stores import S3Server
from tests.support.servers.sql_servers import DATABASE, NoServerError, PostgreSQL
from tests.support.worlds.delivered_world import DURATION, faults, lines_of, to_kafka, to_postgres
from tests.support.worlds.part_world import part_shop
from tests.support.worlds.resume_world import processes

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log") / "data"
    part_shop(duration=DURATION).run(folder, partitions=3, progress=False)
    return folder


def ended(deliver, *arguments, **how):
    """How a process ends that delivers: 0, or killed."""
    process = processes().Process(target=deliver, args=arguments, kwargs=how)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


def test_kafka(data, tmp_path):
    """Killed before a commit and after one; then without the checkpoints; then all is there already."""
    kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')
    try:
        requirements()
    except KafkaMissingError as error:
        pytest.skip(str(error))
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    try:
        broker.settle()
        place = (broker.address, str(data), str(tmp_path / "c"))
        assert ended(to_kafka, *place, 3) == -signal.SIGKILL
        assert ended(to_kafka, *place, 2, after=True) == -signal.SIGKILL
        for folder in ("elsewhere", "third"):
            assert ended(to_kafka, broker.address, str(data), str(tmp_path / folder)) == 0
        consumer = kafka.Consumer(
            {"bootstrap.servers": broker.address, "group.id": "t", "isolation.level": "read_committed",
             "enable.partition.eof": True}
        )  # fmt: skip
        known = consumer.list_topics(timeout=120).topics
        parts = [
            kafka.TopicPartition(name, part, kafka.OFFSET_BEGINNING)
            for name in ("joined", "bought")
            for part in known[name].partitions
        ]
        consumer.assign(parts)
        given, ends = [], 0
        while ends < len(parts):
            message = consumer.poll(120)
            assert message is not None
            if message.error() is None:
                given.append(json.loads(message.value())["sys__eid"])
            else:
                ends += message.error().code() == kafka.KafkaError._PARTITION_EOF
        consumer.close()
    finally:
        broker.kill()
    assert faults(sorted(given), sorted(Dataset.open(data).events["sys__eid"])) == []


def test_postgres(data, tmp_path):
    """Killed after a commit, gone on without the checkpoints; entities have their final state."""
    pytest.importorskip("psycopg", reason='needs pip install "deep-faker[postgres]"')
    try:
        server = PostgreSQL()
        server.__enter__()
    except NoServerError as error:
        pytest.skip(f"no PostgreSQL to test on: {error}")
    try:
        place = (server.port, DATABASE, str(data))
        assert ended(to_postgres, *place, str(tmp_path / "c"), 3) == -signal.SIGKILL
        assert ended(to_postgres, *place, str(tmp_path / "c"), 2) == -signal.SIGKILL
        assert ended(to_postgres, *place, str(tmp_path / "elsewhere")) == 0
        rows = server.rows("SELECT sys__eid FROM joined UNION ALL SELECT sys__eid FROM bought")
        found = Dataset.open(data)
        assert faults(sorted(row[0] for row in rows), sorted(found.events["sys__eid"])) == []
        users = server.rows("SELECT user_id, bought FROM users")
        assert sorted(users) == sorted(found.entities["PartUser"].select("user_id", "bought").rows())
        with pytest.raises(
            OutputExistsError, match="did not write"
        ):  # whole: whose rows they are, no row says
            to_postgres(*place, str(tmp_path / "third"))
    finally:
        server.__exit__()


def test_a_log_in_an_object_store(tmp_path, data):
    """Its files are copied here one by one; checkpoints need a place of their own, said before parts are made."""
    server = S3Server()
    try:
        url, options = f"s3://{server.make_bucket('log')}/data", server.options()
        sim = part_shop(duration=DURATION)
        sim.add_output(ParquetOutput(url, storage_options=options))
        sim.add_output(FileOutput(tmp_path / "out.jsonl"))
        with pytest.raises(SettingsError, match="nowhere to keep checkpoints"):
            sim.run(partitions=3, progress=False)
        assert ParquetOutput(url, storage_options=options).remote.names() == []
        sim.run(partitions=3, checkpoint=tmp_path / "c", progress=False)
        wanted = Dataset.open(data).events["sys__eid"].to_list()
        assert faults([line["sys__eid"] for line in lines_of(tmp_path / "out.jsonl")], wanted) == []
        again = sim.deliver(url, checkpoint=tmp_path / "c", storage_options=options, progress=False)
        assert again.total == 0
    finally:
        server.close()
