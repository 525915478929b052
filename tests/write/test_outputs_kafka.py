"""Kafka, on librdkafka's own mock cluster: what arrives, where, and that nothing is lost unsaid."""

import json
import sys
import time
import traceback
import warnings
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.errors import DeepFakerWarning, OutputError, SettingsError
from deep_faker.outputs import EventChunk, KafkaOutput
from deep_faker.write import json_lines
from deep_faker.write.frames import plain
from deep_faker.write.kafka import topics as kafkatopics
from deep_faker.write.kafka.growth import TopicGrowth
from tests.support.worlds.output_world import EVENTS, NAMES, Click, Signup, World, info

kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')

WORLD = World(600)
TOPICS = {Click: "clicks", Signup: "signups", "Odd": "odd"}


@pytest.fixture(scope="module")
def broker():
    """A mock cluster lives as long as the client that asked for it."""
    owner = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    metadata = owner.list_topics(timeout=10)
    (first,) = metadata.brokers.values()
    yield f"{first.host}:{first.port}"
    owner.flush(1)


def consumed(broker, topics, expected):
    consumer = kafka.Consumer(
        {"bootstrap.servers": broker, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    # assigned, not subscribed: a group would first wait for its members
    known = consumer.list_topics(timeout=10).topics
    consumer.assign(
        [kafka.TopicPartition(t, p, kafka.OFFSET_BEGINNING) for t in topics for p in known[t].partitions]
    )
    messages = []
    for _ in range(50):
        messages += consumer.consume(1000, timeout=0.2)
        if len(messages) >= expected:
            break
    consumer.close()
    assert all(m.error() is None for m in messages)
    return messages


def test_every_event_arrives_in_its_topic(broker):
    output = KafkaOutput(TOPICS, bootstrap_servers=[broker])
    WORLD.run(output, [100])
    messages = consumed(broker, ["clicks", "signups", "odd"], 600)
    lines = json_lines(next(WORLD.chunks([])), EVENTS).splitlines()
    assert Counter(m.value() for m in messages) == Counter(lines)
    for message in messages:
        event = json.loads(message.value())
        assert message.topic() == {"Click": "clicks", "Signup": "signups", "Odd": "odd"}[event["event_type"]]
        key = message.key().decode() if message.key() is not None else None
        assert key == event.get("user_id")
    # per key and topic the order is the order of time
    times = {}
    for message in messages:
        times.setdefault((message.topic(), message.partition(), message.key()), []).append(message.value())
    rank = {line: i for i, line in enumerate(lines)}
    assert all([rank[v] for v in values] == sorted(rank[v] for v in values) for values in times.values())
    assert output.place == f"kafka://{broker}"


def test_r7_an_omitted_type_is_warned_of_once(broker):
    output = KafkaOutput({"Click": "only-clicks"}, broker)
    with pytest.warns(DeepFakerWarning, match="topic_mapping") as caught:
        WORLD.run(output)
    assert sorted(str(w.message).split("gets no ")[1].split("\n")[0] for w in caught) == ["Odd", "Signup"]
    assert len(consumed(broker, ["only-clicks"], len(WORLD.tables["Click"]))) == len(WORLD.tables["Click"])


def test_a_type_that_does_not_exist(broker):
    with pytest.raises(OutputError, match="did you mean 'Click'"):
        WORLD.run(KafkaOutput({"Clck": "x", **TOPICS}, broker))


def test_no_broker_is_an_error_at_once():
    output = KafkaOutput(TOPICS, "127.0.0.1:1", timeout=1)
    with pytest.raises(OutputError, match=r"cannot reach Kafka at 127\.0\.0\.1:1"):
        WORLD.run(output)


def test_messages_that_are_refused_are_counted(broker):
    """A message that the broker refuses fails the run; nothing is dropped in silence."""
    with pytest.raises(OutputError, match=r"Kafka refused .* of .* messages\nBroker: Unknown topic"):
        WORLD.run(_Refused(TOPICS, broker, timeout=5))


@pytest.mark.parametrize("lost", [0, 1, 40])
def test_what_was_acknowledged_and_is_not_there_is_said(broker, lost):
    """A broker that forgets: as seen from here, messages that were sent and that no partition has."""

    class Forgotten(KafkaOutput):
        def write(self, chunk):
            super().write(chunk)
            self._sent += lost if chunk.end == 600 else 0

    output = Forgotten(dict.fromkeys(TOPICS, f"forgotten-{lost}"), broker, timeout=2)
    if not lost:
        WORLD.run(output, [100])
        return
    with pytest.raises(OutputError, match=rf"Kafka has lost {lost} of {600 + lost} messages that it ack"):
        WORLD.run(output, [100])
    for _ in range(2):  # what was there before is not counted
        with pytest.raises(OutputError, match=rf"Kafka has lost {lost} of {600 + lost}"):
            WORLD.run(output)


def test_ends_that_nobody_tells_are_warned_of(broker, monkeypatch):
    def refused(*args, **kwargs):
        raise kafka.KafkaException(kafka.KafkaError(kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED))

    monkeypatch.setattr(TopicGrowth, "_ends", refused)
    with pytest.warns(DeepFakerWarning, match="would not be noticed(.|\n)*authorization"):
        WORLD.run(KafkaOutput(TOPICS, broker))


class _Refused(KafkaOutput):
    """Deliveries fail as they do when a topic goes away."""

    def _delivered(self, error, message):
        super()._delivered(error or kafka.KafkaError(kafka.KafkaError.UNKNOWN_TOPIC_OR_PART), message)

    def open(self, info):
        self.config["delivery.report.only.error"] = False
        super().open(info)


def test_a_message_that_is_too_large(broker):
    table = plain(WORLD.tables["Click"].slice(0, 1))
    table = table.set_column(table.schema.get_field_index("platform"), "platform", pa.array(["x" * 2000]))
    output = KafkaOutput(TOPICS, broker, config={"message.max.bytes": 1000})
    output.open(info())
    with pytest.raises(OutputError, match="Kafka refused a message to clicks"):
        output.write(EventChunk({"Click": table}, np.zeros(1, np.uint16), ("Click",)))
    output.abort()


def test_wrong_settings(broker):
    with pytest.raises(OutputError, match="refused the settings"):
        KafkaOutput(TOPICS, broker, config={"no.such.setting": 1}).open(info())


@pytest.mark.parametrize(
    "settings",
    [
        {"acks": "all"},
        {"acks": 1, "linger_ms": 5},
        {"acks": -1, "retries": 3, "client_id": "shop"},
        {"max_in_flight_requests_per_connection": 20},
        {"compression_type": "gzip", "max_request_size": 2_000_000, "batch_size": 4000},
        {"retries": 0, "config": {"linger.ms": 1}},
        {"message_timeout_ms": 9000, "queue_buffering_max_kbytes": 1024, "error_cb": print},
    ],
    ids=str,
)
def test_settings_of_the_client_may_be_keywords(broker, settings):
    """librdkafka's names with ``_`` for ``.``, and kafka-python's: the client takes them, messages arrive."""
    topic = f"keywords.{min(settings)}.{len(settings)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeepFakerWarning)
        WORLD.run(KafkaOutput({"Signup": topic}, broker, **settings))
    assert len(consumed(broker, [topic], len(WORLD.tables["Signup"]))) == len(WORLD.tables["Signup"])


def test_keywords_are_settings_by_librdkafkas_names():
    """What is given in ``config`` wins; idempotence, which is ours, gives way to what it does not go with."""
    output = KafkaOutput(TOPICS, linger_ms=5, sasl_plain_username="me", config={"linger.ms": 7})
    assert output.config == {"linger.ms": 7, "sasl.username": "me"}
    for given, wanted in [({}, True), ({"acks": 0}, False), ({"acks": "all"}, True), ({"retries": 0}, False)]:
        assert KafkaOutput(TOPICS, **given)._settings(info())["enable.idempotence"] == wanted
    assert KafkaOutput(TOPICS, acks=1, enable_idempotence=True)._settings(info())["enable.idempotence"]
    assert "hunter2" not in repr(KafkaOutput(TOPICS, sasl_plain_password="hunter2"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"topic_maping": {}}, "did you mean 'topic_mapping'"),
        ({"valueformat": "avro"}, "did you mean 'value_format'"),
        ({"value_serializer": str}, "value_format="),
        ({"max_block_ms": 3}, "timeout="),
        ({"transactional_id_": "x"}, "did you mean 'transactional_id'"),
    ],
    ids=str,
)
def test_slips_of_our_own_keywords_are_no_settings(settings, said):
    """What looks like one of `KafkaOutput`'s own, or has another name here, is refused at once."""
    with pytest.raises(SettingsError, match="unknown argument") as told:
        KafkaOutput(TOPICS, **settings)
    assert said in str(told.value)


def test_a_keyword_that_the_client_does_not_know(broker):
    """The client says so before the first event."""
    with pytest.raises(OutputError, match=r"no\.such\.setting"):
        KafkaOutput(TOPICS, broker, no_such_setting=1).open(info())


def test_a_full_queue_waits(broker):
    config = {"queue.buffering.max.messages": 50, "linger.ms": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeepFakerWarning)
        WORLD.run(KafkaOutput({"Click": "narrow"}, broker, config=config))
    assert len(consumed(broker, ["narrow"], len(WORLD.tables["Click"]))) == len(WORLD.tables["Click"])


def test_nothing_connects_before_the_run():
    output = KafkaOutput(TOPICS, "127.0.0.1:1", config={"sasl.password": "hunter2", "acks": "all"})
    assert "hunter2" not in repr(output)
    assert "acks" in repr(output)
    output.abort()  # never opened


def test_wrong_arguments():
    for mapping in ({}, None, "clicks", {Click: 3}, {3: "x"}, {Click: ""}):
        with pytest.raises(SettingsError, match="wrong topic_mapping"):
            KafkaOutput(mapping, "localhost:9092")
    for servers in ([], "", [1], [""]):
        with pytest.raises(SettingsError, match="wrong bootstrap_servers"):
            KafkaOutput(TOPICS, servers)


def test_hostile_topics_are_refused():
    for topic in ("a/b", "..", "a b", "x" * 250, "a;DROP", "`a`", "new\nline", "é"):
        with pytest.raises(SettingsError, match="wrong topic"):
            KafkaOutput({Click: topic})


def test_wrong_options():
    for wrong, said in [
        ({"timeout": 0}, "wrong timeout"),
        ({"timeout": "60"}, "wrong timeout"),
        ({"timestamp": "then"}, "wrong timestamp"),
        ({"create_topics": {"partition": 3}}, "did you mean 'partitions'"),
        ({"create_topics": 3}, "wrong create_topics"),
        ({"config": {"transactional.id": "x"}}, "use exactly_once=True"),
        ({"key": 3}, "wrong key"),
        ({"progress_topic": "a/b"}, "wrong topic"),
    ]:
        with pytest.raises(SettingsError, match=said):
            KafkaOutput(TOPICS, **wrong)


def test_a_key_that_no_event_has(broker):
    with pytest.raises(OutputError, match="Click has no field 'user'"):
        WORLD.run(KafkaOutput(TOPICS, broker, key={"Click": "user"}))


SECRETS = {
    "sasl.password": "hunter2",
    "ssl.key.password": "hunter2",
    "ssl.keystore.password": "hunter2",
    "ssl.key.pem": "-----BEGIN PRIVATE KEY-----\nhunter2",
    "ssl.certificate.pem": "hunter2",
    "sasl.oauthbearer.client.secret": "hunter2",
    "sasl.oauthbearer.config": "principal=hunter2",
    "sasl.oauthbearer.assertion.private.key.passphrase": "hunter2",
    "sasl.jaas.config": 'org.apache.Login required username="me" password="hunter2";',
    "basic.auth.user.info": "me:hunter2",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_shown_nowhere(name):
    """Neither in repr nor in the error of a client that refuses it, with all that led to it."""
    output = KafkaOutput(TOPICS, "127.0.0.1:1", config={name: SECRETS[name], "acks": "hunter2"}, timeout=1)
    assert "hunter2" not in repr(KafkaOutput(TOPICS, config={name: SECRETS[name]}))
    with pytest.raises(OutputError) as caught:  # "acks" makes the client quote the word
        WORLD.run(output)
    assert "refused the settings" in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_repr_is_the_same_in_every_process():
    """It is kept with checkpoints: a function's address would refuse every resumed run."""
    assert "0x" not in repr(KafkaOutput(TOPICS, config={"stats_cb": json.loads, "error_cb": print}))


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(OutputError, match=r'pip install "deep-faker\[kafka\]"'):
        KafkaOutput({name: name for name in NAMES}, "localhost:9092").open(info())


@pytest.mark.parametrize(
    ("config", "start", "end", "found"),
    [
        ({}, -1e9, 0, {"retention.ms": "-1"}),
        ({"cleanup.policy": "compact"}, -1e9, 0, {"cleanup.policy": "compact", "retention.ms": "-1"}),
        ({"retention.ms": 10**13}, -1e9, 0, {"retention.ms": "10000000000000"}),
        ({}, -60.0, 0, {}),
        ({}, 0, 1e7, {"message.timestamp.after.max.ms": str(2**63 - 1)}),
    ],
)
def test_topics_are_made_for_the_times_of_the_run(config, start, end, found):
    """The retention is set where the run's times need another than any broker's own (seconds from now)."""
    times = (int((time.time() + start) * 1e6), int((time.time() + end) * 1e6))
    assert kafkatopics.config_for({"config": config}, times) == found
    assert kafkatopics.config_for({"config": config}, None) == {n: str(v) for n, v in config.items()}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"retention.ms": 1000}, "it deletes messages whose stamp is older"),
        ({"message.timestamp.before.max.ms": "1000"}, "it refuses stamps older"),
        ({"message.timestamp.after.max.ms": "0"}, "it refuses stamps more than 0"),
    ],
)
def test_topics_that_would_not_keep_the_times_are_not_made(config, words):
    """It is said before any topic is made."""
    times = (int((time.time() - 1e9) * 1e6), int((time.time() + 1e6) * 1e6))
    with pytest.raises(OutputError, match=words):
        kafkatopics.config_for({"config": config}, times)
