"""Kafka's faults, at known moments between two writes: paused, killed, killed for good; and whose progress it is."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from deep_faker import KafkaOutput
from deep_faker.errors import OutputError
from deep_faker.write import json_lines
from deep_faker.write.kafka import progress as kafkaprogress
from tests.support.servers.kafka_broker import KafkaBroker, KafkaMissingError, requirements
from tests.support.worlds.output_world import EVENTS, NAMES, World, info

kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')

WORLD = World(6_000)
WANTED = Counter(json_lines(next(WORLD.chunks([])), EVENTS).splitlines())


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


def found(server, topic, isolation="read_committed") -> Counter:
    """The values of a topic, to its end."""
    consumer = kafka.Consumer(
        {
            "bootstrap.servers": server.address,
            "group.id": "test",
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )
    parts = consumer.list_topics(topic, timeout=120).topics[topic].partitions
    consumer.assign([kafka.TopicPartition(topic, part, kafka.OFFSET_BEGINNING) for part in parts])
    values: Counter = Counter()
    ends = 0
    while ends < len(parts):
        message = consumer.poll(120)
        assert message is not None
        if message.error() is None:
            values[message.value()] += 1
        else:
            assert message.error().code() == kafka.KafkaError._PARTITION_EOF
            ends += 1
    consumer.close()
    return values


def settled(server, topic):
    """Wait until the broker has ended every transaction: it writes that down some time after a commit."""
    from confluent_kafka.admin import AdminClient, OffsetSpec

    admin = AdminClient({"bootstrap.servers": server.address})
    parts = [kafka.TopicPartition(topic, part) for part in admin.list_topics(topic).topics[topic].partitions]

    def ends(isolation):
        asked = admin.list_offsets(dict.fromkeys(parts, OffsetSpec.latest()), isolation_level=isolation)
        return [future.result().offset for future in asked.values()]

    for _ in range(240):
        if ends(kafka.IsolationLevel.READ_COMMITTED) == ends(kafka.IsolationLevel.READ_UNCOMMITTED):
            return
        time.sleep(0.5)
    raise AssertionError(f"transactions stay open in {topic}")


def chunks(first=0):
    """The world in chunks of 100 events that know their places."""
    whole = next(WORLD.chunks([]))
    yield from whole.since(first).slices(100)


def run(output, fault, *, at=30, run_id="r"):
    """A whole run, with ``fault`` between two writes."""
    try:
        output.open(info(run_id=run_id))
        for number, chunk in enumerate(chunks()):
            if number == at:
                fault()
            output.write(chunk)
        output.finish()
    except BaseException:
        output.abort()
        raise


def same(topic):
    return dict.fromkeys(NAMES, topic)


# ---------------------------------------------------------------- acknowledgements that come too late


def paused_run(server, topic, config):
    """The broker sleeps for longer than the client waits for an answer, so that it asks again."""
    config = {"socket.timeout.ms": 1000, "linger.ms": 0, "retry.backoff.ms": 50, **config}
    output = KafkaOutput(same(topic), server.address, create_topics=True, config=config)
    paused = []

    def fault():
        # what is on its way now is written when the broker wakes up, and was sent again by then
        output._producer.poll(0)
        paused.append(len(output._producer))
        server.pause()
        threading.Timer(3.0, server.wake).start()

    run(output, fault)
    assert len(paused) == 1
    return found(server, topic)


def test_messages_sent_again_are_written_once(server):
    assert paused_run(server, "paused", {}) == WANTED


def test_without_idempotence_they_are_written_twice(server):
    """The negative control: the pause does make the client send again."""
    values = paused_run(server, "paused-control", {"enable.idempotence": False, "acks": "all"})
    assert values.keys() == WANTED.keys()
    assert values.total() > WANTED.total()


# ---------------------------------------------------------------- transactions and a killed broker


def test_transactions_outlive_a_killed_broker(server):
    """SIGKILL between two transactions, and in the middle of one; the broker comes back after 2 s."""
    output = KafkaOutput(same("txn"), server.address, exactly_once=True, create_topics=True)
    commit, back, sent = output._commit, [], []

    def kill():
        server.kill()
        back.append(threading.Timer(2.0, server.start))
        back[-1].start()

    def in_the_middle():
        sent.append(output._producer.flush(60))
        if len(sent) == 5:  # its messages are in the topics, and nothing says yet that they count
            back[0].join()
            kill()
        commit()

    def arm():
        kill()
        output._commit = in_the_middle

    run(output, arm)
    for timer in back:
        timer.join()
    assert len(back) == 2
    assert sent[4] == 0
    settled(server, "txn")
    assert found(server, "txn") == WANTED


def test_a_transaction_that_fails_is_made_again_whole(server):
    """Aborted after it was sent: committed readers see each event once, others see it twice."""
    output = KafkaOutput(same("again"), server.address, exactly_once=True, create_topics=True)
    commit, hit = output._commit, []

    class AbortableError:
        def fatal(self):
            return False

        def txn_requires_abort(self):
            return True

    def failing():
        if not hit:
            hit.append(output._producer.flush(30))
            raise kafka.KafkaException(AbortableError())
        commit()

    run(output, lambda: setattr(output, "_commit", failing))
    assert hit == [0]
    assert found(server, "again") == WANTED
    twice = found(server, "again", "read_uncommitted")
    assert twice.keys() == WANTED.keys()
    assert twice.total() == WANTED.total() + 100


class Noticing(KafkaOutput):
    """A producer that is fenced notices it in one certain call."""

    call = "commit"

    def _produce(self, topics, values, keys):
        super()._produce(topics, values, keys)
        if self.call == "produce":  # the next one, of the progress record, is the first to be told
            self._until_it_fails(lambda: (self._producer.produce(topics[0], b""), time.sleep(0.05)))  # type: ignore[func-returns-value]

    def _commit(self):
        if self.call == "poll":
            self._until_it_fails(lambda: self._producer.poll(0.1), swallow=False)
        elif self.call == "flush":
            self._until_it_fails(lambda: self._producer.flush(1), swallow=False)
        super()._commit()

    def _until_it_fails(self, act, *, swallow=True):
        for _ in range(600):
            try:
                act()
            except (kafka.KafkaException, SystemError):
                if swallow:
                    return
                raise
        raise AssertionError("nothing failed")


@pytest.mark.parametrize("call", ["produce", "poll", "flush", "commit"])
def test_who_is_fenced_is_told_so_whichever_call_notices(server, call):
    """The first call to notice is often told only that there was a fatal error, or that messages were dropped."""
    topic = f"fenced-{call}"
    given = {"exactly_once": True, "transactional_id": topic, "config": {"linger.ms": 0}}
    first = Noticing(same(topic), server.address, create_topics=True, **given)
    second = KafkaOutput(same(topic), server.address, **given)
    first.open(info(run_id="one"))
    sent = chunks()
    first.write(next(sent))
    assert second.resume(info(run_id="one"), None) == 100
    first.call = call
    with pytest.raises(OutputError, match="another run has taken over"):
        first.write(next(sent))
    first.abort()
    for chunk in chunks(100):
        second.write(chunk)
    second.finish()
    assert found(server, topic) == WANTED


@pytest.mark.parametrize("exactly_once", [True, False])
def test_a_message_that_the_broker_refuses(server, exactly_once):
    """The reason and the topic are told, and in a transaction nothing is committed."""
    topic = f"small-{exactly_once}".lower()
    config = {"max.message.bytes": 100}
    output = KafkaOutput(
        same(topic), server.address, exactly_once=exactly_once, create_topics={"config": config}
    )
    with pytest.raises(OutputError, match=rf"Message size too large \(topic {topic}\)") as caught:
        run(output, lambda: None)
    if exactly_once:
        assert "a transaction failed; 0 events are committed" in str(caught.value)
        settled(server, topic)
    assert found(server, topic).total() == 0


def test_a_broker_dead_for_good_says_what_is_committed(tmp_path):
    try:
        requirements()
    except KafkaMissingError as error:
        pytest.skip(str(error))
    broker = KafkaBroker(tmp_path)
    broker.start()
    try:
        # the coordinator ends what a dead broker left open, after this time
        config = {"transaction.timeout.ms": 10_000}
        given = {"exactly_once": True, "create_topics": True, "config": config, "timeout": 3}
        output = KafkaOutput(same("dead"), broker.address, **given)

        def die():
            # a broker killed before it has written a commit down may leave that transaction open when it is back
            settled(broker, "dead")
            broker.kill()

        with pytest.raises(OutputError, match="events are committed") as caught:
            run(output, die)
        said = re.search(r"a transaction failed; ([0-9,]+) events are committed", str(caught.value))
        assert said is not None
        assert int(said[1].replace(",", "")) == 3_000
        broker.start()
        settled(broker, "dead")
        assert found(broker, "dead").total() == 3_000
    finally:
        broker.kill()


# ---------------------------------------------------------------- whose progress


def resumed(server, topic, state, **ids):
    output = KafkaOutput(same(topic), server.address, exactly_once=True, transactional_id=topic)
    try:
        return output.resume(info(**ids), state)
    finally:
        output.suspend()


def test_resume_goes_on_after_what_is_committed(server):
    """Not after what the checkpoint knows, which is older; and what is there is not written again."""
    first = KafkaOutput(
        same("own"), server.address, exactly_once=True, transactional_id="own", create_topics=True
    )
    first.open(info(run_id="mine"))
    sent = iter(chunks())
    for _ in range(10):
        first.write(next(sent))
    state = json.loads(json.dumps(first.checkpoint()))
    for _ in range(5):
        first.write(next(sent))
    first.suspend()

    second = KafkaOutput(same("own"), server.address, exactly_once=True, transactional_id="own")
    assert second.resume(info(run_id="mine"), state) == 1_500
    for chunk in chunks(1_000):  # 500 of these it has
        second.write(chunk)
    second.finish()
    assert found(server, "own") == WANTED
    assert found(server, "own", "read_uncommitted") == WANTED


def own(server, topic):
    """An output whose progress topic no other test has, nor what is left open there."""
    given = {"exactly_once": True, "transactional_id": topic, "progress_topic": f"{topic}-progress"}
    return KafkaOutput(same(topic), server.address, create_topics=True, **given)


def left_open(server, topic):
    """Another run, in the middle of a transaction that has written down its progress."""
    settings = {"transactional.id": f"{topic}-other", "transaction.timeout.ms": 900_000}
    producer = kafka.Producer({"bootstrap.servers": server.address, **settings})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(f"{topic}-progress", b"{}", "other")
    assert producer.flush(60) == 0
    return producer


@pytest.mark.parametrize("end", ["commit_transaction", "abort_transaction"])
def test_resume_waits_for_a_transaction_that_hides_what_is_committed(server, monkeypatch, end):
    """What was committed since another run's transaction began is shown only when that one has ended."""
    topic = f"hidden-{end}"
    first, sent = own(server, topic), chunks()
    first.open(info())
    for _ in range(10):
        first.write(next(sent))
    state = first.checkpoint()
    other, ended = left_open(server, topic), []
    for _ in range(5):
        first.write(next(sent))
    first.suspend()

    def sleep(seconds):
        if not ended:  # not before it is waited for
            ended.append(end)
            getattr(other, end)(60)
        time.sleep(seconds)

    monkeypatch.setattr(kafkaprogress, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    second = own(server, topic)
    assert second.resume(info(), state) == 1_500
    assert ended
    for chunk in chunks(1_000):  # 500 of these it has
        second.write(chunk)
    second.finish()
    assert found(server, topic) == WANTED


def test_resume_gives_up_where_what_is_committed_stays_hidden(server, monkeypatch):
    """An older number is not taken for it. When that transaction has ended, resuming is possible."""
    first = own(server, "veiled")
    first.open(info())
    other = left_open(server, "veiled")
    first.write(next(chunks()))
    first.suspend()
    clock = [0.0]
    with monkeypatch.context() as patch:  # two minutes, in no time
        passing = SimpleNamespace(monotonic=lambda: clock[-1], sleep=lambda _: clock.append(clock[-1] + 50))
        patch.setattr(kafkaprogress, "time", passing)
        second = own(server, "veiled")
        with pytest.raises(OutputError, match="a transaction there has not ended in 120 s") as caught:
            second.resume(info(), None)
        second.suspend()
    assert clock == [0, 50, 100, 150]
    assert "cannot read the progress in topic veiled-progress" in str(caught.value)
    assert "check the brokers, then resume again" in str(caught.value)
    other.abort_transaction(60)
    third = own(server, "veiled")
    assert third.resume(info(), None) == 100
    third.suspend()


def test_a_transaction_that_hides_nothing_of_ours_is_not_waited_for(server):
    """A run with two outputs is often killed in a transaction of the second, which ends when that is resumed."""
    first = own(server, "plain")
    first.open(info())
    first.write(next(chunks()))
    first.suspend()
    other = left_open(server, "plain")
    second = own(server, "plain")
    assert second.resume(info(), None) == 100
    second.suspend()
    other.abort_transaction(60)  # it was open until now


def unmarked(broker, *topics):
    """Cut the last transaction's mark off topics of a killed broker: a commit that it had noted and not yet done.

    Kafka 4.3 may come back and take such a transaction for ended without marking it, where it is alone in its
    cluster and does not know its topics yet when it goes through its transactions.
    """
    for topic in topics:
        path = broker.folder / "data" / f"{topic}-0" / f"{0:020}.log"
        batches, at = path.read_bytes(), 0
        while at + (size := 12 + int.from_bytes(batches[at + 8 : at + 12])) < len(batches):
            at += size
        assert batches[at + 22] & 0x20  # a mark, not messages
        os.truncate(path, at)


def test_resume_knows_of_a_commit_that_a_dead_broker_did_not_mark(server):
    """Whose events are committed with those that come next: sent again, they would be there twice."""
    first, sent = own(server, "unmarked"), chunks()
    first.open(info())
    for _ in range(10):
        first.write(next(sent))
    state = first.checkpoint()
    for _ in range(5):
        first.write(next(sent))
    first.suspend()
    for topic in ("unmarked", "unmarked-progress"):
        settled(server, topic)
    server.kill()
    unmarked(server, "unmarked", "unmarked-progress")
    server.start()
    second = own(server, "unmarked")
    assert second.resume(info(), state) == 1_500
    for chunk in chunks(1_000):
        second.write(chunk)
    second.finish()
    settled(server, "unmarked")
    assert found(server, "unmarked") == WANTED


def test_the_progress_of_another_run_is_not_ours(server):
    """The same transactional_id, used by a run before: a resumed run skips nothing for it."""
    run(
        KafkaOutput(
            same("shared"), server.address, exactly_once=True, transactional_id="shared", create_topics=True
        ),
        lambda: None,
        run_id="before",
    )
    assert resumed(server, "shared", None, run_id="before") == 6_000
    assert resumed(server, "shared", None, run_id="now") == 0
    with pytest.raises(OutputError, match="lost the progress of this run"):
        resumed(server, "shared", {"events": 10}, run_id="now")


def test_a_new_run_begins_at_its_first_event(server):
    """`open` under an id that has committed before writes everything."""
    for run_id in ("one", "two"):
        output = KafkaOutput(
            same("anew"), server.address, exactly_once=True, transactional_id="anew", create_topics=True
        )
        run(output, lambda: None, run_id=run_id)
    assert found(server, "anew") == WANTED + WANTED


def test_a_broker_that_is_away_for_a_while_is_waited_for(server):
    """Stopped for some seconds under a full queue: `write` waits, and nothing is lost."""
    config = {"queue.buffering.max.messages": 500}
    output = KafkaOutput(same("away"), server.address, create_topics=True, config=config)
    asleep = []

    def fault():
        asleep.append(time.monotonic())
        server.pause()
        threading.Timer(2.0, server.wake).start()

    run(output, fault)
    assert time.monotonic() - asleep[0] > 1.5  # 3,000 events did not fit the queue: it did wait
    assert found(server, "away") == WANTED
