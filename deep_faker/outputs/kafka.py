"""`KafkaOutput`: every event a message, by confluent-kafka (librdkafka)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.outputs.frames import plain
from deep_faker.outputs.jsonlines import nested_columns, split_lines, table_lines
from deep_faker.outputs.mapping import by_name, check_events
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo

# Ours, unless the user says otherwise in `config`.
_DEFAULTS = {
    "enable.idempotence": True,
    "compression.type": "zstd",
    "linger.ms": 20,
    "delivery.report.only.error": True,  # a callback for each message costs 15 %
    "partitioner": "murmur2_random",  # as Java producers choose, so that keys land together
}
_SLICE = 10_000
_SECRET = ("password", "secret", "pem", "token", "key")


class KafkaOutput:
    """Events as JSON messages, each type to its topic, keyed by its first entity key.

    ``topic_mapping``: event classes or their names → topics. ``bootstrap_servers``: ``"host:port"``,
    or a list of them. ``config``: further settings of librdkafka, which win over ours. Nothing
    connects before the run. At its end every message is acknowledged, or `OutputError` is raised with
    the count of those that are not; messages that were acknowledged before stay in the topics.
    A type that the mapping omits is warned of.

    >>> KafkaOutput({"UserLogin": "logins"}, "localhost:9092")
    KafkaOutput({'UserLogin': 'logins'}, 'localhost:9092')
    """

    def __init__(
        self,
        topic_mapping: Mapping[Any, str],
        bootstrap_servers: str | Iterable[str] = "localhost:9092",
        *,
        config: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.topics = by_name(topic_mapping, "topic_mapping")
        self.servers = _servers(bootstrap_servers)
        self.config = dict(config or {})
        self.timeout = timeout
        self._producer: Any = None
        self._keys: dict[str, str | None] = {}
        self._nested: dict[str, frozenset[str]] = {}
        self._sent = 0
        self._failed = 0
        self._reason = ""

    def __repr__(self) -> str:
        shown = {k: "…" if any(s in k.lower() for s in _SECRET) else v for k, v in self.config.items()}
        return f"KafkaOutput({self.topics!r}, {self.servers!r}{f', config={shown!r}' if shown else ''})"

    @property
    def place(self) -> str:
        """The brokers, for the report."""
        return f"kafka://{self.servers}"

    def open(self, info: RunInfo) -> None:
        """Make the producer and reach a broker. Raises `OutputError` where none answers."""
        check_events(self.topics, info.schemas, "topic_mapping", "KafkaOutput")
        self._keys = {name: _key_column(info, name) for name in info.schemas}
        self._nested = {name: nested_columns(info.events.get(name)) for name in info.schemas}
        self._sent = self._failed = 0
        self._reason = ""
        producer = _producer_class()
        settings = {**_DEFAULTS, "bootstrap.servers": self.servers, **self.config}
        settings.setdefault("error_cb", self._noted)
        try:
            self._producer = producer(settings)
        except Exception as error:
            raise self._refused("Kafka's client refused the settings", str(error)) from error
        try:
            self._producer.list_topics(timeout=min(self.timeout, 10.0))
        except Exception as error:
            self._producer = None
            raise self._refused(
                f"cannot reach Kafka at {self.servers}", self._reason or str(error)
            ) from error

    def write(self, chunk: EventChunk) -> None:
        """Produce the next events in the order of T9; waits while the queue is full."""
        names = [name for name in chunk.names if name in chunk.tables and chunk.tables[name].num_rows]
        if not names:
            return
        tables = {name: chunk.tables[name] for name in names}
        lines = split_lines(b"".join(table_lines(n, t, self._nested[n]) for n, t in tables.items()))
        keys = pa.concat_arrays([_key_values(tables[n], self._keys[n]) for n in names])
        place = pa.array(chunk.positions())
        lines, keys = lines.take(place), keys.take(place)
        topics = [self.topics.get(name) for name in chunk.names]
        for first in range(0, len(lines), _SLICE):
            cut = slice(first, first + _SLICE)
            self._produce(
                [topics[code] for code in chunk.order[cut].tolist()],
                lines[cut].to_pylist(),
                keys[cut].to_pylist(),
            )

    def _produce(self, topics: list[str | None], values: list[bytes], keys: list[str | None]) -> None:
        produce, poll = self._producer.produce, self._producer.poll
        # One call a message is librdkafka's only interface that says what went wrong; measured at
        # 360 thousand a second, and produce_batch was no faster.
        for topic, value, key in zip(topics, values, keys):
            if topic is None:
                continue
            while True:
                try:
                    produce(topic, value[:-1], key, on_delivery=self._delivered)
                    break
                except BufferError:  # the queue is full: wait for acknowledgements
                    poll(0.1)
                    self._check()
                except Exception as error:  # too large, an unknown topic …
                    raise self._refused(f"Kafka refused a message to {topic}", str(error)) from error
            self._sent += 1
        poll(0)
        self._check()

    def finish(self) -> list[FileReceipt]:
        """Wait until every message is acknowledged."""
        remaining = self._producer.flush(self.timeout)
        self._check()
        if remaining:
            raise self._refused(
                f"{remaining:,} of {self._sent:,} messages were not acknowledged in {self.timeout:g} s",
                self._reason or "the brokers did not answer",
            )
        self._producer = None
        return []

    def abort(self) -> None:
        """Drop what has not been sent. What was acknowledged stays in the topics."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(1.0)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed += 1
            self._reason = str(error)

    def _noted(self, error: Any) -> None:
        self._reason = str(error)

    def _check(self) -> None:
        if self._failed:
            raise self._refused(f"Kafka refused {self._failed:,} of {self._sent:,} messages", self._reason)

    def _refused(self, title: str, reason: str) -> OutputError:
        return OutputError(
            Diagnostic(title, None, reason, "check bootstrap_servers, the topics and the broker's log")
        )


def _servers(given: str | Iterable[str]) -> str:
    servers: list[object] = [given] if isinstance(given, str) else list(given)
    if not servers or not all(isinstance(s, str) and s for s in servers):
        mend = 'give "host:port" or a list of them'
        raise SettingsError(Diagnostic("wrong bootstrap_servers", None, f"bootstrap_servers={given!r}", mend))
    return ",".join(map(str, servers))


def _key_column(info: RunInfo, event: str) -> str | None:
    """The first column of the event that is an entity's key."""
    keys = {spec.primary_key for spec in info.entities.values()}
    return next((name for name in info.schemas[event].names if name in keys), None)


def _key_values(table: pa.Table, column: str | None) -> pa.Array:
    if column is None:
        return pa.nulls(table.num_rows, pa.large_string())
    values = plain(table.select([column]))[column].cast(pa.large_string()).combine_chunks()
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _producer_class() -> Any:
    try:
        from confluent_kafka import Producer
    except ImportError as error:
        mend = 'pip install "deep-faker[kafka]"'
        raise OutputError(Diagnostic("KafkaOutput needs confluent-kafka", None, str(error), mend)) from None
    return Producer
