"""`KafkaOutput`: every event a message, by confluent-kafka (librdkafka)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near, warn, wrong_setting
from deep_faker.write.arguments import check_flags, checked_seconds
from deep_faker.write.kafka.errors import (
    aborted,
    ends_transaction,
    exceptions,
    is_fenced,
    problem_of,
    producer_class,
)
from deep_faker.write.kafka.growth import TopicGrowth
from deep_faker.write.kafka.progress import TOPIC, committed, ensure_topic, name_in_run, record
from deep_faker.write.kafka.settings import checked_config, checked_servers, keywords, suited
from deep_faker.write.kafka.topics import check_times, checked_creation, checked_topics, create
from deep_faker.write.kafka.values import Encoder, Headers, checked_format, headers_of, values_of
from deep_faker.write.mapping import NamesOf, by_name, check_events
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.secrets import hidden, quotable, scrubbed

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

# Ours, unless the user says otherwise in `config`.
_DEFAULTS = {
    "enable.idempotence": True,  # and with it acks=all
    "compression.type": "zstd",
    "linger.ms": 20,
    "delivery.report.only.error": True,  # a callback for each message costs 15 %
    "partitioner": "murmur2_random",  # as Java producers choose, so that keys land together
    "queue.buffering.max.messages": 500_000,
}
_TRANSACTION = 50_000  # events; a commit costs some 10 ms
_TRIES = 5
_STEP = 0.2  # seconds
_GRACE = 5.0  # seconds that a run which is told to stop waits for the next acknowledgement
_TOLD = "the run was told to stop, and the brokers do not answer"
_log = logging.getLogger("deep_faker.kafka")
_log.addHandler(logging.NullHandler())  # the client's complaints go into our errors, not to standard error


class _Extras(TypedDict, total=False):
    """What a message has beside its topic, value and key."""

    headers: Headers
    timestamp: int


class KafkaOutput:
    """Events as messages, each type to its topic, keyed by its first entity key.

    ``topic_mapping``: event classes or their names → topics. ``bootstrap_servers``: ``"host:port"``,
    or a list of them. ``config``: further settings of librdkafka, which win over ours; each may also be a
    keyword, with ``_`` for ``.``: ``acks="all"``, ``linger_ms=5``. ``timeout``: seconds that a
    message may wait for its acknowledgement, through outages of brokers too.

    ``key``: ``"entity"`` (the first field that is an entity's key), the name of a field, None, or a
    mapping of event types to field names. ``timestamp``: ``"now"``, or ``"event"`` for the simulated
    time, which topics must be set up to keep. ``headers``: with each message its ``event_type`` and
    ``schema_version``. ``create_topics``: True, or ``{"partitions": 6, "replication": 3, "config": {…}}``.

    ``value_format``: ``"json"``, or ``"avro"``, ``"protobuf"`` or ``"json_schema"`` with a
    ``schema_registry``: its URL, or a mapping of settings (``url``, ``basic.auth.user.info``,
    ``ssl.ca.location`` …). The schemas follow from the event classes.

    ``exactly_once``: everything in transactions, together with how far the run has come (in the topic
    ``progress_topic``), so that a run that is killed and resumed shows each event once to consumers
    that read committed messages. Without it a resumed run sends again what came after its last
    checkpoint.

    Nothing connects before the run. At its end every message is acknowledged, or `OutputError` is
    raised with the count of those that are not; messages that were acknowledged before stay in the
    topics. A type that the mapping omits is warned of.

    >>> KafkaOutput({"UserLogin": "logins"}, "localhost:9092")
    KafkaOutput({'UserLogin': 'logins'}, 'localhost:9092')
    """

    def __init__(
        self,
        topic_mapping: NamesOf,
        bootstrap_servers: str | Iterable[str] = "localhost:9092",
        *,
        config: Mapping[str, object] | None = None,
        timeout: float = 120.0,
        key: str | NamesOf | None = "entity",
        timestamp: Literal["now", "event"] = "now",
        headers: bool = False,
        create_topics: bool | Mapping[str, object] | None = None,
        value_format: Literal["json", "avro", "protobuf", "json_schema"] = "json",
        schema_registry: str | Mapping[str, object] | None = None,
        exactly_once: bool = False,
        transactional_id: str | None = None,
        progress_topic: str = TOPIC,
        **settings: object,
    ) -> None:
        self.topics = by_name(topic_mapping, "topic_mapping")
        checked_topics(self.topics)
        self.servers = checked_servers(bootstrap_servers)
        self.config = {**keywords(settings, KafkaOutput), **checked_config(config)}
        self.timeout = checked_seconds(timeout)
        if "transactional.id" in self.config:
            mend = "use exactly_once=True, transactional_id=…"
            label = "transactions need more than this setting"
            raise SettingsError(Diagnostic('config has "transactional.id"', None, label, mend))
        self.key = key if key is None or isinstance(key, str) else by_name(key, "key")
        if timestamp not in ("now", "event"):
            mend = 'use "now" or "event"'
            raise SettingsError(Diagnostic("wrong timestamp", None, f"timestamp={timestamp!r}", mend))
        self.timestamp = timestamp
        self.headers = headers
        self.create_topics = checked_creation(create_topics)
        self.value_format = value_format
        self.registry = checked_format(value_format, schema_registry)
        self.exactly_once = exactly_once
        self.transactional_id = transactional_id
        self.progress_topic = progress_topic
        names = {"transactional_id": transactional_id, "progress_topic": progress_topic}
        for name, value in names.items():
            if not isinstance(value, str) and (value, name) != (None, "transactional_id"):
                raise wrong_setting(name, value, "give a name")
        checked_topics({"progress_topic": progress_topic})
        check_flags(headers=headers, exactly_once=exactly_once)
        self._producer: Producer | None = None
        self._growth: TopicGrowth | None = None
        self._id = self._run = ""
        self._stopping: Callable[[], bool] = lambda: False
        self._keys: dict[str, str | None] = {}
        self._encoder: Encoder | None = None
        self._headers: dict[str, Headers] = {}
        self._sent = self._failed = self._place = 0
        self._reason = ""

    def __repr__(self) -> str:
        more = f", config={hidden(self.config)!r}" if self.config else ""
        if self.registry is not None:
            more += f", value_format={self.value_format!r}, schema_registry={self.registry!r}"
        more += ", exactly_once=True" if self.exactly_once else ""
        return f"KafkaOutput({self.topics!r}, {self.servers!r}{more})"

    @property
    def place(self) -> str:
        """The brokers, for the report."""
        return f"kafka://{self.servers}"

    @property
    def keeps_progress(self) -> bool:
        """Whether Kafka holds how far a run is: see `protocol.keeps_progress`."""
        return self.exactly_once

    @property
    def _client(self) -> Producer:
        assert self._producer is not None, "a run is under way"
        return self._producer

    # ------------------------------------------------ beginning

    def open(self, info: RunInfo) -> None:
        """Make the producer and reach a broker. Raises `OutputError` where none answers."""
        self._begin(info)

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int | None:
        """Go on: with ``exactly_once`` after what is committed, else after the checkpoint."""
        self._begin(info)
        known = 0 if state is None else int(state["events"])
        if not self.exactly_once:
            label = f"messages after event {known:,} that had been sent before the run ended are sent again"
            warn(Diagnostic("Kafka may hold events twice", None, label, "use exactly_once=True"))
            return None
        try:
            self._mark()
            position = committed(
                self._connection(), self.progress_topic, self._id, self._run, timeout=self.timeout
            )
        except exceptions() as error:
            raise self._refused(
                f"cannot read the progress in {self.progress_topic}", str(error)
            ) from quotable(error, self.config)
        if (position or 0) < known:
            label = (
                f"the checkpoint knows of {known:,} events, topic {self.progress_topic} of {position or 0:,}"
            )
            mend = "its record was deleted, or another run used the same transactional_id: run afresh"
            raise OutputError(Diagnostic("Kafka has lost the progress of this run", None, label, mend))
        self._place = position or 0
        return self._place

    def _begin(self, info: RunInfo) -> None:
        check_events(self.topics, info.schemas, "topic_mapping", "KafkaOutput")
        self._keys = {name: self._key_column(info, name) for name in info.schemas}
        self._headers = {name: headers_of(name, schema) for name, schema in info.schemas.items()}
        self._sent = self._failed = self._place = 0
        self._reason = ""
        self._run = info.run_id
        self._stopping = info.stopping
        settings = self._settings(info)
        producer = producer_class()
        values = values_of(info, self.topics, self.value_format, self.registry)
        self._encoder = Encoder(values, self._keys, timed=self.timestamp == "event")
        try:
            self._producer = producer(settings, logger=_log)
        except Exception as error:  # noqa: BLE001 - the client's own; it may quote a secret, so it is not shown
            raise self._refused("Kafka's client refused the settings", str(error)) from None
        try:
            self._producer.list_topics(timeout=min(self.timeout, 10.0))
            self._prepare(info)
        except exceptions() as error:
            with suppress(Exception):  # why, is told to the callback only: a handshake, a wrong name
                self._producer.poll(0.5)
            self._producer = None
            reason = self._reason or problem_of(error).str()
            raise self._refused(f"cannot reach Kafka at {self.servers}", reason) from quotable(
                error, self.config
            )
        except OutputError:
            self._producer = None
            raise

    def _settings(self, info: RunInfo) -> dict[str, object]:
        most = max(1000, int(self.timeout * 1000))
        settings: dict[str, object] = {"message.timeout.ms": most, "bootstrap.servers": self.servers}
        settings |= dict(_DEFAULTS) if self.exactly_once else suited(self.config, _DEFAULTS)
        if self.exactly_once:
            self._id = self.transactional_id or f"deep_faker-{info.run_id}-{name_in_run(info, self.topics)}"
            settings |= {"transactional.id": self._id, "transaction.timeout.ms": most}
        settings |= self.config
        settings.setdefault("error_cb", self._noted)
        # ours in any case: what is not delivered must not go unnoticed
        settings["on_delivery"] = self._delivered
        return settings

    def _connection(self) -> dict[str, Any]:
        """What other clients of the same brokers are told: none of what is a producer's own."""
        ours = ("client.", "security.", "sasl.", "ssl.", "enable.ssl", "broker.", "socket.")
        shared = {name: value for name, value in self.config.items() if name.startswith(ours)}
        return {"bootstrap.servers": self.servers, "error_cb": self._noted, **shared}

    def _prepare(self, info: RunInfo) -> None:
        topics = self.topics.values()
        if self.create_topics is not None or self.timestamp == "event" or self.exactly_once:
            from confluent_kafka.admin import AdminClient

            admin = AdminClient(self._connection(), logger=_log)
            if self.create_topics is not None:
                times = (info.start_micros, info.end_micros) if self.timestamp == "event" else None
                create(admin, topics, self.create_topics, times)
            if self.timestamp == "event":
                check_times(admin, topics, info.start_micros, info.end_micros)
            if self.exactly_once:
                ensure_topic(admin, self.progress_topic)
        if self.exactly_once:
            # fences whoever goes by this id, and ends what that one left open
            self._client.init_transactions(self.timeout)
        else:  # a transaction that lost something cannot be committed
            self._growth = TopicGrowth(self._connection(), topics, min(self.timeout, 10.0))

    def _mark(self) -> None:
        """End what is committed and was never marked so: a transaction without events does it.

        A broker that dies when it has noted that a transaction is to be committed, and not yet in the
        topics, may forget the topics when it is back (seen with Kafka 4.3, alone in its cluster). To
        its coordinator that transaction has ended; in the topics it stays open and hides what follows,
        until the same producer commits there again.
        """
        self._client.begin_transaction()
        self._produce_one(self.progress_topic, None, f"{self._id} resumed")
        self._commit()

    def _key_column(self, info: RunInfo, event: str) -> str | None:
        names = info.schemas[event].names
        if self.key == "entity":
            keys = {spec.primary_key for spec in info.entities.values()}
            return next((name for name in names if name in keys), None)
        key = self.key.get(event) if isinstance(self.key, dict) else self.key
        if key is not None and key not in names and event in self.topics:
            label = f"{event} has no field {key!r}"
            raise OutputError(Diagnostic("wrong key", None, label, near(str(key), names)))
        return key

    # ------------------------------------------------ on the way

    def write(self, chunk: EventChunk) -> None:
        """Produce the next events in the order of T9; waits while the queue is full."""
        if not self.exactly_once:
            self._send(chunk)
            self._place = chunk.end
            return
        for piece in chunk.since(self._place).slices(_TRANSACTION):
            if len(piece):
                self._transaction(piece)
                self._place = piece.end

    def _transaction(self, piece: EventChunk) -> None:
        """These events, and that they are there, in one transaction; tried again where it was aborted."""
        end = time.monotonic() + self.timeout
        for tried in range(1, _TRIES + 1):
            try:
                self._client.begin_transaction()
                self._send(piece)
                self._produce_one(self.progress_topic, record(self._run, piece.end), self._id)
                self._commit()
            except exceptions() as error:
                late = tried == _TRIES or time.monotonic() > end or self._stopping()
                problem = problem_of(error)
                why = aborted(self._client, problem, 5.0 if late else self.timeout)
                if why is not None or late:
                    raise self._transaction_failed(why or problem) from quotable(error, self.config)
            else:
                self._failed = 0  # what an aborted try dropped has been sent again
                return

    def _transaction_failed(self, problem: KafkaError) -> OutputError:
        # what is undelivered for a fatal error must not cover it up
        reason = "; ".join(filter(None, (problem.str(), "" if problem.fatal() else self._reason)))
        if is_fenced(problem):
            return self._refused("another run has taken over this one's transactions", reason)
        return self._refused(f"a transaction failed; {self._place:,} events are committed", reason)

    def _commit(self) -> None:
        began = time.monotonic()
        end = began + self.timeout
        while True:
            try:
                self._client.commit_transaction(min(_GRACE, max(1.0, end - time.monotonic())))
            except exceptions() as error:
                # an outage: asking again is safe, the coordinator remembers
                told = self._stopping() and time.monotonic() > began + _GRACE
                if not problem_of(error).retriable() or time.monotonic() > end or told:
                    raise
            else:
                return

    def _send(self, chunk: EventChunk) -> None:
        names = [n for n in chunk.names if n in self.topics and n in chunk.tables]
        chunk = chunk.only(names)
        if not len(chunk):
            return
        assert self._encoder is not None
        topics = [self.topics.get(name, "") for name in chunk.names]
        for codes, values, keys, times in self._encoder.batches(chunk):
            if times is None and not self.headers:
                self._produce([topics[code] for code in codes], values, keys)
            else:
                more = self._extras(chunk, codes, times)
                for code, value, key, extra in zip(codes, values, keys, more, strict=True):
                    self._produce_one(topics[code], value, key, **extra)
            self._poll(0)
            if not self.exactly_once:  # a transaction tells at its commit
                self._check()

    def _extras(self, chunk: EventChunk, codes: list[int], stamps: list[int] | None) -> Iterator[_Extras]:
        headers: list[_Extras] = [
            {"headers": self._headers[n]} if n in self._headers else {} for n in chunk.names
        ]
        for row, code in enumerate(codes):
            extra: _Extras = headers[code].copy() if self.headers else {}
            if stamps is not None:
                extra["timestamp"] = stamps[row]
            yield extra

    def _produce(self, topics: list[str], values: Iterator[bytes], keys: list[str | None]) -> None:
        produce = self._client.produce
        # One call a message is librdkafka's only interface that says what went wrong; measured at
        # 360 thousand a second, and produce_batch was no faster.
        for topic, value, key in zip(topics, values, keys, strict=True):
            try:
                produce(topic, value, key)
            except Exception:  # noqa: BLE001 - a full queue, or what the slow way says more of
                self._produce_one(topic, value, key)
                self._sent -= 1
        self._sent += len(keys)

    def _produce_one(
        self, topic: str, value: bytes | None, key: str | None, **extra: Unpack[_Extras]
    ) -> None:
        began, producer = time.monotonic(), self._producer
        assert producer is not None
        while True:
            try:
                producer.produce(topic, value, key, **extra)
                break
            except BufferError:  # the queue is full: wait for acknowledgements
                self._poll(0.1)
                if self._stopping() and time.monotonic() > began + _GRACE:
                    raise self._refused(f"{len(producer):,} messages wait", _TOLD) from None
                if not self.exactly_once:  # a transaction tells at its next call
                    self._check()
            except exceptions() as error:
                problem = problem_of(error)
                if self.exactly_once and ends_transaction(problem):
                    raise
                raise self._refused(f"Kafka refused a message to {topic}", problem.str()) from quotable(
                    error, self.config
                )
        self._sent += 1

    def _poll(self, seconds: float) -> None:
        """Let the client tell of deliveries. A fatal error is raised here, too."""
        try:
            self._client.poll(seconds)
        except exceptions() as error:
            if self.exactly_once:  # `_transaction` knows what to do
                raise
            self._check()
            raise self._refused("Kafka's client can go on no more", problem_of(error).str()) from quotable(
                error, self.config
            )

    # ------------------------------------------------ the end

    def checkpoint(self) -> dict[str, object]:
        """Wait until every message is acknowledged; how many events that are."""
        self._flush()
        return {"events": self._place}

    def finish(self) -> list[FileReceipt]:
        """Wait until every message is acknowledged."""
        self._flush()
        self._producer = self._growth = None
        return []

    def _flush(self) -> None:
        began = moved = time.monotonic()
        fewest = len(self._client)
        try:
            # by and by: while the client waits, this thread hears no interrupt
            while (remaining := self._client.flush(_STEP)) and time.monotonic() < began + self.timeout:
                if remaining < fewest:
                    fewest, moved = remaining, time.monotonic()
                if self._stopping() and time.monotonic() > moved + _GRACE:
                    break
        except exceptions() as error:
            self._check()
            raise self._refused("Kafka's client can go on no more", problem_of(error).str()) from quotable(
                error, self.config
            )
        self._check()
        if remaining:
            raise self._refused(
                f"{remaining:,} of {self._sent:,} messages were not acknowledged "
                f"in {time.monotonic() - began:.3g} s",
                self._reason or "the brokers did not answer",
            )
        if self._growth is not None:
            self._compare(self._growth)

    def _compare(self, growth: TopicGrowth) -> None:
        try:
            missing = growth.missing(self._sent)
        except exceptions() as error:
            raise self._refused(
                "Kafka does not say whether it has all messages", problem_of(error).str()
            ) from quotable(error, self.config)
        if missing:
            raise self._refused(
                f"Kafka has lost {missing:,} of {self._sent:,} messages that it acknowledged",
                "the topics have grown by less: a broker lost a part of its log, or a topic was made anew",
            )

    def suspend(self) -> None:
        """Let go of the brokers; what is acknowledged stays."""
        self.abort()

    def abort(self) -> None:
        """Drop what has not been sent. What was acknowledged stays in the topics."""
        producer, self._producer, self._growth = self._producer, None, None
        if producer is None:
            return
        if self.exactly_once:
            with suppress(Exception):  # else the coordinator ends it, after its timeout
                producer.abort_transaction(5.0)
        with suppress(Exception):  # a client that has failed says so again
            producer.purge()
            producer.flush(1.0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed += 1
            self._reason = f"{error.str()} (topic {message.topic()})"

    def _noted(self, error: KafkaError) -> None:
        self._reason = error.str()

    def _check(self) -> None:
        if self._failed:
            raise self._refused(f"Kafka refused {self._failed:,} of {self._sent:,} messages", self._reason)

    def _refused(self, title: str, reason: str) -> OutputError:
        mend = "check bootstrap_servers, the topics and the broker's log"
        return OutputError(Diagnostic(title, None, scrubbed(reason, self.config), mend))
