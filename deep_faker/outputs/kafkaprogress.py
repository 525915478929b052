"""How far a transactional run has come, kept in Kafka itself.

Every transaction writes its events and, to a compacted topic, the number of events that are committed
with it. A resumed run fences whoever used its transactional id before, then reads that number with
``read_committed``: what it finds is exactly what a consumer sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deep_faker.errors import Diagnostic, OutputError

TOPIC = "deep_faker_progress"


def ensure_topic(admin: Any, topic: str) -> None:
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


def committed(settings: Mapping[str, Any], topic: str, key: str, run: str, *, timeout: float) -> int | None:
    """The number of events that run ``run`` has committed under ``key``; None where it has not.

    Another run may have used the key before, or since: its number says nothing of this one's.
    """
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            **settings,
            "group.id": f"deep_faker-{key}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: int | None = None
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(timeout)
            if message is None:
                raise OutputError(
                    Diagnostic(
                        f"cannot read the progress in topic {topic}",
                        None,
                        f"no answer in {timeout:g} s",
                        "check the brokers, then resume again",
                    )
                )
            error = message.error()
            if error is not None and error.code() == error._PARTITION_EOF:  # noqa: SLF001 - its public name
                return found
            if error is not None:
                if error.retriable():
                    continue
                raise OutputError(Diagnostic(f"cannot read the progress in topic {topic}", None, error.str()))
            if message.key() == key.encode():
                last = json.loads(message.value() or b"{}")
                found = int(last["events"]) if last.get("run") == run else None
    finally:
        consumer.close()


def record(run: str, events: int) -> bytes:
    """The message that says so many events of a run are committed."""
    return json.dumps({"run": run, "events": events}).encode()
