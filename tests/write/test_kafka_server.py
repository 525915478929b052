"""Kafka, on a real broker: what consumers see, through kills of the broker and of ourselves."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from deep_faker import KafkaOutput
from deep_faker.errors import DeepFakerWarning, OutputError
from deep_faker.write import json_lines
from tests.support.servers.kafka_broker import KafkaBroker, KafkaMissingError, requirements
from tests.support.worlds.output_world import EVENTS, Click, Signup, World
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, killed, processes, shop

kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')

WORLD = World(600)
DURATION = "40m"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    try:
        requirements()
    except KafkaMissingError as error:
        pytest.skip(str(error))
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    broker.settle()
    yield broker
    broker.kill()


def consumed(server, topics, isolation="read_committed"):
    """Every message of the topics, to their ends."""
    consumer = kafka.Consumer(
        {
            "bootstrap.servers": server.address,
            "group.id": "test",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    known = consumer.list_topics(timeout=120).topics
    parts = [kafka.TopicPartition(t, p, kafka.OFFSET_BEGINNING) for t in topics for p in known[t].partitions]
    consumer.assign(parts)
    messages, ends = [], set()
    while len(ends) < len(parts):
        message = consumer.poll(120)
        assert message is not None
        if message.error() is None:
            messages.append(message)
        elif message.error().code() == kafka.KafkaError._PARTITION_EOF:
            ends.add((message.topic(), message.partition()))
        elif (
            message.error().fatal()
        ):  # the client goes on after all others, such as a coordinator not yet there
            raise AssertionError(message.error())
    consumer.close()
    return messages


def expected() -> Counter:
    """What an undisturbed run sends."""
    data = shop(duration=DURATION).collect()
    lines: Counter = Counter()
    for name in ("ResumeJoined", "ResumeBought"):
        lines.update(data[name]["sys__eid"].to_list())
    return lines


def ids(messages) -> Counter:
    return Counter(json.loads(m.value())["sys__eid"] for m in messages)


def topics_of(name: str) -> dict:
    return {ResumeJoined: f"{name}.joined", ResumeBought: f"{name}.bought"}


class SlowCommit(KafkaOutput):
    """Leaves time to be killed between what a transaction sends and its commit, or waits there for it."""

    folder = Path()

    def write(self, chunk):
        (self.folder / f"began-{os.getpid()}").touch()
        super().write(chunk)

    def _commit(self):
        self._producer.flush(5)
        if (self.folder / "hold").exists():
            (self.folder / "held").touch()
            time.sleep(60)
        time.sleep(0.05)
        super()._commit()


KILLS = 12


def send(address, name, folder, *, exactly_once, resume, every=1000, timeout=60.0):
    """One process's part, at a pace that leaves time to be killed."""
    warnings.simplefilter("ignore", DeepFakerWarning)
    SlowCommit.folder = Path(folder)
    sim = shop(duration=DURATION)
    sim.add_output(
        SlowCommit(
            topics_of(name),
            address,
            exactly_once=exactly_once,
            create_topics={"partitions": 2},
            timeout=timeout,
        )
    )
    sim.run(
        checkpoint_every=every, checkpoint=Path(folder) / "c", resume=resume, progress=False, rate="6000/s"
    )


# ---------------------------------------------------------------- what arrives


def test_values_keys_headers_and_times(server):
    topics = {Click: "t.clicks", Signup: "t.signups", "Odd": "t.odd"}
    output = KafkaOutput(
        topics,
        server.address,
        key={"Click": "platform", "Signup": "user_id"},
        headers=True,
        timestamp="event",
        create_topics={"partitions": 3, "config": {"retention.ms": "-1"}},
    )
    WORLD.run(output, [100])
    messages = consumed(server, topics.values())
    lines = json_lines(next(WORLD.chunks([])), EVENTS).splitlines()
    assert Counter(m.value() for m in messages) == Counter(lines)
    for message in messages:
        event = json.loads(message.value())
        headers = dict(message.headers())
        assert headers["event_type"].decode() == event["event_type"]
        assert len(headers["schema_version"]) == 8
        assert message.timestamp() == (kafka.TIMESTAMP_CREATE_TIME, event["sys__ets"])
        key = {"Click": event.get("platform"), "Signup": event.get("user_id"), "Odd": None}[
            event["event_type"]
        ]
        assert (None if message.key() is None else message.key().decode()) == key


def test_event_times_need_topics_that_keep_them(server):
    """A topic that is there is left as it is: of a week's messages, it would lose those of last year at once."""
    topics = {Click: "week", Signup: "week", "Odd": "week"}
    WORLD.run(KafkaOutput(topics, server.address, create_topics=True))
    with pytest.raises(OutputError, match="topic week would not keep event times") as caught:
        WORLD.run(KafkaOutput(topics, server.address, timestamp="event", create_topics=True))
    assert "retention.ms=-1" in str(caught.value)


def test_topics_made_for_event_times_keep_them(server):
    """They are made with the retention that the run's times need; one that is asked for and too short is not."""
    from confluent_kafka.admin import AdminClient

    topics = {Click: "ages", Signup: "ages", "Odd": "ages"}
    WORLD.run(KafkaOutput(topics, server.address, timestamp="event", create_topics=True))
    assert len(consumed(server, {"ages"})) == len(WORLD.order)
    short = {"config": {"retention.ms": "1000"}}
    topics = {Click: "short", Signup: "short", "Odd": "short"}
    with pytest.raises(OutputError, match="create_topics makes topics that would not keep event times"):
        WORLD.run(KafkaOutput(topics, server.address, timestamp="event", create_topics=short))
    admin = AdminClient({"bootstrap.servers": server.address})
    assert "short" not in admin.list_topics(timeout=120).topics


def test_the_console_consumer_reads_it(server):
    """Kafka's own tool, in Java: values intact, and keys where Java's producers put them."""
    topics = {Click: "j.clicks", Signup: "j.signups", "Odd": "j.odd"}
    WORLD.run(KafkaOutput(topics, server.address, create_topics={"partitions": 4}))
    said = server.run(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", server.address, "--topic", "j.signups", "--from-beginning"),
        *("--max-messages", str(len(WORLD.tables["Signup"])), "--timeout-ms", "20000"),
        *("--formatter-property", "print.key=true", "--formatter-property", "print.partition=true"),
    )
    rows = [line.split("\t", 2) for line in said.splitlines()]
    lines = [
        line
        for line in json_lines(next(WORLD.chunks([])), EVENTS).decode().splitlines()
        if '"Signup"' in line
    ]
    assert Counter(row[2] for row in rows) == Counter(lines)
    for part, key, _ in rows:
        assert part == f"Partition:{_murmur2(key.encode()) % 4}"


def _murmur2(data: bytes) -> int:
    """The hash that Java's default partitioner takes (Austin Appleby's MurmurHash2, positive)."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


# ---------------------------------------------------------------- the broker's faults


class Counting:
    """An output that counts what the output before it was given."""

    rows = 0

    def write_batch(self, event_type, frame):
        self.rows += frame.height


def run_with_broker_killed(server, name, config, down, *, first=0, more=0):
    """The shop at a steady rate; the broker is killed in its middle, and started again after ``down`` s.

    It stops answering when at least ``first`` events are sent, and dies when ``more`` were sent to it since.
    """
    sim = shop(duration=DURATION)
    sim.add_output(
        KafkaOutput(topics_of(name), server.address, create_topics=True, config=config, timeout=60)
    )
    sent, over, hit = Counting(), threading.Event(), []
    sim.add_output(sent)

    def until_sent(rows):
        while sent.rows < rows and not over.wait(0.02):
            pass

    def disturb():
        time.sleep(1.0)
        until_sent(first)
        hit.append(server.process.poll() is None)
        server.process.send_signal(signal.SIGSTOP)  # what is sent now lies in buffers that die with it
        now = sent.rows
        time.sleep(1.0)
        until_sent(now + more)
        server.kill()
        time.sleep(down)
        server.start()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeepFakerWarning)
            sim.run(rate="2000/s", progress=False)
    finally:
        over.set()
        thread.join()
    assert hit == [True]
    return ids(consumed(server, topics_of(name).values()))


class Watching(threading.Thread):
    """A consumer that reads all the time, from before the first message."""

    def __init__(self, server, topics):
        super().__init__(daemon=True)
        self.consumer = kafka.Consumer(
            {
                "bootstrap.servers": server.address,
                "group.id": f"watching {topics}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 500,
            }
        )
        self.consumer.subscribe(topics)
        self.seen, self.most, self.stop = Counter(), 0, False

    def run(self):
        quiet = 0
        while not (self.stop and quiet > 20):
            message = self.consumer.poll(0.2)
            quiet = quiet + 1 if message is None else 0
            if message is not None and message.error() is None:
                eid = json.loads(message.value())["sys__eid"]
                self.seen[eid] += 1
                self.most = max(self.most, self.seen[eid])
        self.consumer.close()


def test_a_broker_that_is_away_for_20_s_loses_nothing(server):
    """Nor does a consumer that reads through it all see anything twice."""
    for topic in topics_of("killed").values():
        server.run("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", server.address, "--create",
                   "--topic", topic)  # fmt: skip
    watching = Watching(server, list(topics_of("killed").values()))
    watching.start()
    wanted = expected()
    assert run_with_broker_killed(server, "killed", {}, 20.0) == wanted
    watching.stop = True
    watching.join()
    assert watching.most == 1
    assert watching.seen == wanted


def test_without_acknowledgements_a_killed_broker_loses(server):
    """The negative control: the kill does hit."""
    config = {"enable.idempotence": False, "acks": 0}
    with pytest.raises(OutputError, match=r"Kafka has lost [\d,]+ of [\d,]+ messages"):  # and that is noticed
        run_with_broker_killed(server, "control", config, 3.0, first=500, more=1500)


def test_a_broker_that_is_dead_for_good(server, tmp_path_factory):
    """An error that says what is not acknowledged, in the time that was given."""
    broker = KafkaBroker(tmp_path_factory.mktemp("dead"))
    broker.start()

    class Killing(Counting):
        """In the middle of the run, however slow that is."""

        def write_batch(self, event_type, frame):
            super().write_batch(event_type, frame)
            if self.rows > 500:
                broker.kill()

    sim = shop(duration=DURATION)
    sim.add_output(KafkaOutput(topics_of("dead"), broker.address, create_topics=True, timeout=4))
    sim.add_output(Killing())
    with pytest.raises(OutputError, match="messages"):
        sim.run(rate="2000/s", progress=False)


# ---------------------------------------------------------------- our own end


@pytest.mark.slow
def test_exactly_once_through_kills(server, tmp_path):
    """SIGKILL at a dozen moments, resumed each time: consumers of committed messages see each event once."""
    name = "eo"
    context, rng = processes(), random.Random(1)

    def start(resume):
        return context.Process(
            target=send,
            args=(server.address, name, str(tmp_path)),
            kwargs={"exactly_once": True, "resume": resume},
        )

    # the first is killed for certain where it hurts most: all is sent, nothing is committed
    (tmp_path / "hold").touch()
    process = start(False)
    process.start()
    while not (tmp_path / "held").exists():
        assert process.is_alive()
        time.sleep(0.05)
    process.kill()
    process.join()
    (tmp_path / "hold").unlink()

    def check(name):
        assert ids(consumed(server, topics_of(name).values())) == wanted
        # and the kills did hit: uncommitted messages of killed transactions lie in the topics
        assert ids(consumed(server, topics_of(name).values(), "read_uncommitted")).total() > wanted.total()

    def began(pid):
        return (tmp_path / f"began-{pid}").exists()

    hits, wanted = 1, expected()
    hits += killed(rng, start, 0.5, (tmp_path / "c" / "run.json").exists, KILLS, began)
    check(name)
    while hits < KILLS:
        name = f"eo{hits}"
        hits += killed(rng, start, 0.5, (tmp_path / "c" / "run.json").exists, KILLS - hits, began)
        check(name)


def test_a_zombie_is_fenced(server, tmp_path):
    """Two processes of one run: the first can write nothing more."""
    sim = shop(duration=DURATION)
    first = KafkaOutput(
        topics_of("zombie"), server.address, exactly_once=True, transactional_id="z", create_topics=True
    )
    second = KafkaOutput(topics_of("zombie"), server.address, exactly_once=True, transactional_id="z")

    class Late:
        done = False

        def write_batch(self, event_type, frame):
            if not Late.done:
                Late.done = True
                other = shop(duration=DURATION)
                other.add_output(second)
                other.run(progress=False)

    sim.add_output(Late())
    sim.add_output(first)
    with pytest.raises(OutputError, match="another run has taken over"):
        sim.run(progress=False)
    assert ids(consumed(server, topics_of("zombie").values())) == expected()


def test_plain_runs_send_again_what_came_after_the_checkpoint(server, tmp_path):
    """At least once: every event, and a warning that says so."""
    name, address = "plain", server.address

    class Fails(KafkaOutput):
        calls = 0

        def checkpoint(self):
            Fails.calls += 1
            if Fails.calls == 3:
                self._flush()
                raise OutputError("dies")
            return super().checkpoint()

    def run(kind, resume):
        sim = shop(duration=DURATION)
        sim.add_output(kind(topics_of(name), address, create_topics=True))
        sim.run(checkpoint_every=1500, checkpoint=tmp_path / "c", resume=resume, progress=False)

    with pytest.raises(OutputError, match="dies"):
        run(Fails, resume=False)
    with pytest.warns(DeepFakerWarning, match="are sent again"):
        run(Fails, resume=True)
    found = ids(consumed(server, topics_of(name).values()))
    assert found.keys() == expected().keys()
    assert found.total() > expected().total()


# ---------------------------------------------------------------- secrets


def test_secrets_stay_in(server):
    config = {
        "sasl.password": "hunter2",
        "sasl.username": "me",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
    }
    output = KafkaOutput({Click: "s", Signup: "s", "Odd": "s"}, server.address, config=config, timeout=3)
    assert "hunter2" not in repr(output)
    with pytest.raises(OutputError) as caught:
        WORLD.run(output)
    assert "hunter2" not in str(caught.value)
