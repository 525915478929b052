"""How far a transactional run has come, kept in Kafka itself.

Every transaction writes its events and, to a compacted topic, the number of events that are committed
with it. A resumed run fences whoever used its transactional id before, ends what that one's transactions
left open, then reads that number with ``read_committed``: what it finds is exactly what a consumer sees.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deep_faker.errors import Diagnostic, OutputError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message
    from confluent_kafka.admin import AdminClient

    from deep_faker.write.protocol import RunInfo

TOPIC = "deep_faker_progress"
_PAUSE = 0.2  # seconds between two looks at whether a transaction has ended


def ensure_topic(admin: AdminClient, topic: str) -> None:
    """Make the progress topic where there is none: one partition, compacted, never deleted by age."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    config = {"cleanup.policy": "compact", "retention.ms": "-1"}
    new = NewTopic(topic, num_partitions=1, replication_factor=-1, config=config)
    (future,) = admin.create_topics([new], request_timeout=30).values()
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def committed(
    settings: Mapping[str, object], topic: str, key: str, run: str, *, timeout: float
) -> int | None:
    """The number of events that run ``run`` has committed under ``key``; None where it has not.

    Another run may have used the key before, or since: its number says nothing of this one's.
    Raises `OutputError` where brokers do not tell it within ``timeout`` seconds.
    """
    with _reader(settings, key, "read_uncommitted") as all_written:
        last = -1
        for message in _until(_end(all_written, topic, timeout), all_written, topic, timeout):
            if message.key() == key.encode():
                last = _offset(message)
    with _reader(settings, key, "read_committed") as what_counts:
        events: int | None = None
        for message in _until(_end_after(last, what_counts, topic, timeout), what_counts, topic, timeout):
            if message.key() == key.encode():
                entry = json.loads(message.value() or b"{}")
                events = int(entry["events"]) if entry.get("run") == run else None
    return events


@contextmanager
def _reader(settings: Mapping[str, object], key: str, isolation: str) -> Iterator[Consumer]:
    from confluent_kafka import Consumer

    consumer = Consumer(
        {
            **settings,
            "group.id": f"deep_faker-{key}",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _end(reader: Consumer, topic: str, timeout: float) -> int:
    """The offset where the topic ends for this reader; what is committed ends at the oldest open transaction.

    Brokers are asked for it, because a leader that is new and does not know yet what its followers have
    refuses to tell, while to a fetch it shows less and calls it all.
    """
    from confluent_kafka import TopicPartition

    offsets = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=timeout)
    if offsets is None:
        raise _unread(topic, f"no answer in {timeout:g} s")
    return offsets[1]


def _end_after(last: int, reader: Consumer, topic: str, timeout: float) -> int:
    """Where the topic ends for a reader of what is committed, once that is behind the offset ``last``.

    From such a reader brokers withhold all that came after the oldest open transaction began, whoever
    wrote it. A run that died leaves one open, until it is resumed or brokers end it for its age; read
    meanwhile, the number would be an older one, and the events since would be sent again.
    """
    last_look = time.monotonic() + timeout
    while (end := _end(reader, topic, timeout)) <= last:
        if time.monotonic() > last_look:
            raise _unread(topic, f"a transaction there has not ended in {timeout:g} s")
        time.sleep(_PAUSE)
    return end


def _until(end: int, reader: Consumer, topic: str, timeout: float) -> Iterator[Message]:
    """The topic's messages before the offset ``end``."""
    from confluent_kafka import OFFSET_BEGINNING, TopicPartition

    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    place = 0
    while place < end:
        message = reader.poll(timeout)
        if message is None:
            raise _unread(topic, f"no answer in {timeout:g} s")
        error = message.error()
        if error is None:
            place = _offset(message) + 1
            yield message
        elif error.code() == error._PARTITION_EOF:  # noqa: SLF001 - its public name
            place = _offset(message)  # behind the marks of transactions, which are no messages
        elif not error.retriable():
            raise OutputError(Diagnostic(f"cannot read the progress in topic {topic}", None, error.str()))


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "only what has not been sent has none"
    return offset


def _unread(topic: str, label: str) -> OutputError:
    mend = "check the brokers, then resume again"
    return OutputError(Diagnostic(f"cannot read the progress in topic {topic}", None, label, mend))


def record(run: str, events: int) -> bytes:
    """The message that says so many events of a run are committed.

    >>> record("4f1c", 50_000)
    b'{"run": "4f1c", "events": 50000}'
    """
    return json.dumps({"run": run, "events": events}).encode()


def name_in_run(info: RunInfo, topics: Mapping[str, str]) -> str:
    """What tells two outputs of one run apart."""
    if info.scratch is not None:
        return info.scratch.name
    return hashlib.sha256(repr(sorted(topics.items())).encode()).hexdigest()[:8]
