"""Records that are no events, sent to Kafka once and acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.arguments import checked_seconds
from deep_faker.write.kafka.errors import exceptions, producer_class
from deep_faker.write.kafka.settings import checked_config, checked_servers
from deep_faker.write.secrets import quotable, scrubbed

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

Record = tuple[str, bytes, bytes | None]
"""Topic, key and value; no value is a tombstone."""

_DEFAULTS: dict[str, object] = {
    "enable.idempotence": True,
    "compression.type": "zstd",
    "linger.ms": 20,
    "delivery.report.only.error": True,
    "partitioner": "murmur2_random",  # as Java producers choose
}


def send_records(
    records: Iterable[Record],
    bootstrap_servers: object,
    *,
    config: Mapping[str, object] | None = None,
    timeout: object = 120.0,
) -> int:
    """Send all records in their order; how many. ``config``: settings of librdkafka, which win over ours.

    Raises `OutputError` where no broker answers, or not every record was acknowledged within ``timeout``
    seconds of its sending.
    """
    servers, seconds = checked_servers(bootstrap_servers), checked_seconds(timeout)
    given = checked_config(config)
    problems: list[str] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            problems.append(error.str())

    settings = {**_DEFAULTS, "message.timeout.ms": int(seconds * 1000), **given}
    make = producer_class()
    try:
        producer = make({**settings, "bootstrap.servers": servers, "on_delivery": told})
        producer.list_topics(timeout=min(seconds, 10.0))
    except Exception as error:  # noqa: BLE001 - the client's own; it may quote a secret
        raise _failed(f"cannot reach Kafka at {servers}", str(error), given) from quotable(error, given)
    sent = 0
    for topic, key, value in records:
        _produce(producer, topic, key, value, seconds)
        sent += 1
    left = producer.flush(seconds)
    if left or problems:
        reason = problems[0] if problems else "no acknowledgement came"
        raise _failed(f"{max(left, len(problems)):,} of {sent:,} records are not acknowledged", reason, given)
    return sent


def _produce(producer: Producer, topic: str, key: bytes, value: bytes | None, seconds: float) -> None:
    """One record; waits while the queue is full."""
    end = time.monotonic() + seconds
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:
            if time.monotonic() > end:
                raise _failed("Kafka takes no more", "the queue stays full", {}) from None
            producer.poll(0.1)
        except exceptions() as error:
            raise _failed(f"cannot send to {topic}", str(error), {}) from None
        else:
            return


def _failed(title: str, reason: str, config: Mapping[str, object]) -> OutputError:
    return OutputError(Diagnostic(title, None, scrubbed(reason, config), "see that the brokers are up"))
