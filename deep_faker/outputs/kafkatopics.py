"""Topics of Kafka: their names, making them, and whether they keep messages stamped with event time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near, warn

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_CREATE = {"partitions": 1, "replication": -1, "config": None}


def checked_topics(topics: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a name that Kafka does not allow.

    >>> checked_topics({"UserLogin": "logins"})
    """
    for event, topic in topics.items():
        if not _NAME.fullmatch(topic) or topic in (".", ".."):
            mend = "use letters, digits, '.', '_' and '-', at most 249 of them"
            raise SettingsError(Diagnostic("wrong topic", None, f"topic_mapping[{event}]={topic!r}", mend))


def checked_creation(given: Any) -> dict[str, Any] | None:
    """What ``create_topics`` says, with its defaults; None: nothing is made."""
    if given is None or given is False:
        return None
    if given is True:
        return dict(_CREATE)
    if not isinstance(given, Mapping):
        mend = 'give True, or {"partitions": 6, "replication": 3, "config": {"retention.ms": "-1"}}'
        raise SettingsError(Diagnostic("wrong create_topics", None, f"create_topics={given!r}", mend))
    for name in given:
        if name not in _CREATE:
            label = f"create_topics has no {name!r}"
            raise SettingsError(
                Diagnostic("wrong create_topics", None, label, near(str(name), list(_CREATE)))
            )
    return {**_CREATE, **given}


def create(admin: Any, topics: Iterable[str], wanted: Mapping[str, Any]) -> None:
    """Make the topics that do not exist; those that do are left as they are."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    config = {str(name): str(value) for name, value in (wanted["config"] or {}).items()}
    new = [
        NewTopic(
            name,
            num_partitions=wanted["partitions"],
            replication_factor=wanted["replication"],
            config=config,
        )
        for name in sorted(set(topics))
    ]
    for name, future in admin.create_topics(new, request_timeout=30).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                label = error.args[0].str()
                mend = "check create_topics, and that you may create topics"
                raise OutputError(Diagnostic(f"cannot create topic {name}", None, label, mend)) from error


def check_times(admin: Any, topics: Iterable[str], start: int, end: int) -> None:
    """Raise `OutputError` for a topic that would not keep messages stamped from ``start`` to ``end`` (µs).

    Kafka deletes by the stamp: messages of last year are gone at once where topics keep a week, and
    stamps in the future are refused.
    """
    from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

    now = time.time() * 1000
    first, last = start / 1000, end / 1000
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in sorted(set(topics))]
    for resource, future in admin.describe_configs(resources, request_timeout=30).items():
        config = {name: entry.value for name, entry in future.result().items()}
        limits = {name: float(config.get(name) or -1) for name in (
            "retention.ms", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"
        )}  # fmt: skip
        why = ""
        if (
            "delete" in (config.get("cleanup.policy") or "delete")
            and 0 <= limits["retention.ms"] < now - first
        ):
            why = f"it deletes messages whose stamp is older than {_days(limits['retention.ms'])}"
            mend = 'set its retention.ms=-1, or use timestamp="now"'
        elif 0 <= limits["message.timestamp.before.max.ms"] < now - first:
            why = f"it refuses stamps older than {_days(limits['message.timestamp.before.max.ms'])}"
            mend = 'raise its message.timestamp.before.max.ms, or use timestamp="now"'
        elif 0 <= limits["message.timestamp.after.max.ms"] < last - now:
            why = f"it refuses stamps more than {_days(limits['message.timestamp.after.max.ms'])} ahead"
            mend = 'raise its message.timestamp.after.max.ms, or use timestamp="now"'
        if why:
            raise OutputError(
                Diagnostic(f"topic {resource.name} would not keep event times", None, why, mend)
            )
        if config.get("message.timestamp.type") == "LogAppendTime":
            label = "its message.timestamp.type is LogAppendTime: the broker stamps messages itself"
            warn(Diagnostic(f"topic {resource.name} takes no event times", None, label))


def _days(ms: float) -> str:
    days = ms / 86_400_000
    return f"{days:g} days" if days >= 1 else f"{ms / 3_600_000:.3g} hours"
