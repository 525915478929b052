"""Whether topics hold what their broker acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from deep_faker.errors import Diagnostic, warn
from deep_faker.write.kafka.errors import exceptions, problem_of

_PATIENCE = 10.0  # seconds: where not all replicas acknowledge, the end that is shown lags behind
_STEP = 0.05
# what a topic says that has just been made, or whose broker is just coming back
_PASSING = {
    "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PART", "OFFSET_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE", "BROKER_NOT_AVAILABLE", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH",
    "KAFKA_STORAGE_ERROR", "REQUEST_TIMED_OUT", "NETWORK_EXCEPTION", "_TRANSPORT", "_TIMED_OUT",
}  # fmt: skip
_log = logging.getLogger("deep_faker.kafka")


class TopicGrowth:
    """How many messages topics have more than at first.

    A broker can acknowledge a batch and not have it afterwards: seen with one that had just started and
    was busy (Kafka 4, alone in its cluster; its log began with the producer's fifth message). No client
    notices that, so the ends of the partitions are compared with the count of what was acknowledged.
    Others who write to the same topics meanwhile can hide a loss; deleted messages are none, since ends
    never go back.

    ``config`` is that of a client, ``timeout`` the seconds that an answer may take.
    """

    def __init__(self, config: Mapping[str, Any], topics: Iterable[str], timeout: float) -> None:
        from confluent_kafka.admin import AdminClient

        self._admin = AdminClient(dict(config), logger=_log)
        self._topics, self._timeout = sorted(set(topics)), timeout
        self._first: dict[tuple[str, int], int] | None = None
        try:
            self._first = self._ends(time.monotonic() + timeout)
        except exceptions() as error:
            label = f"it does not say where its topics end: {problem_of(error).str()}"
            warn(Diagnostic("what Kafka loses after it acknowledged it would not be noticed", None, label))

    def missing(self, messages: int) -> int:
        """How many of these acknowledged messages the topics have not; 0 where the broker does not say.

        Raises what the client raises where the brokers do not answer any more.
        """
        if self._first is None or not messages:
            return 0
        until = time.monotonic() + min(self._timeout, _PATIENCE)
        while True:
            ends = self._ends(until)
            grown = sum(end - self._first.get(place, 0) for place, end in ends.items())
            if grown >= messages or time.monotonic() > until:
                return max(0, messages - grown)
            time.sleep(_STEP)

    def _ends(self, until: float) -> dict[tuple[str, int], int]:
        """The end of every partition, asked for again until then; topics that are not there have none."""
        while True:
            try:
                return self._asked()
            except exceptions() as error:
                if problem_of(error).name() not in _PASSING or time.monotonic() > until:
                    raise
            time.sleep(_STEP)

    def _asked(self) -> dict[tuple[str, int], int]:
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

        places = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in self._admin.list_topics(topic, timeout=self._timeout).topics[topic].partitions
        ]
        if not places:
            return {}
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = dict.fromkeys(places, latest)
        answers = self._admin.list_offsets(asked, request_timeout=self._timeout)
        return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
