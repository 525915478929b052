"""Topics of Kafka: their names, making them, and whether they keep messages stamped with event time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near, warn

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FRESH = 3_600_000  # ms: whatever a broker keeps, it keeps as long as that
_AHEAD = 600_000  # ms: stamps that the clocks of brokers may call future ones
_MOST = (1 << 63) - 1


class Creation(TypedDict, total=False):
    """How topics are made: what ``create_topics`` may say."""

    partitions: int
    replication: int
    config: Mapping[str, object] | None


_CREATE: Creation = {"partitions": 1, "replication": -1, "config": None}


def checked_topics(topics: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a name that Kafka does not allow.

    >>> checked_topics({"UserLogin": "logins"})
    """
    for event, topic in topics.items():
        if not _NAME.fullmatch(topic) or topic in (".", ".."):
            mend = "use letters, digits, '.', '_' and '-', at most 249 of them"
            raise SettingsError(Diagnostic("wrong topic", None, f"topic_mapping[{event}]={topic!r}", mend))


def checked_creation(creation: object) -> Creation | None:
    """What ``create_topics`` says, with its defaults; None: nothing is made.

    >>> checked_creation({"partitions": 6})
    {'partitions': 6, 'replication': -1, 'config': None}
    """
    if creation is None or creation is False:
        return None
    if creation is True:
        return _CREATE.copy()
    if not isinstance(creation, Mapping):
        mend = 'give True, or {"partitions": 6, "replication": 3, "config": {"retention.ms": "-1"}}'
        raise SettingsError(Diagnostic("wrong create_topics", None, f"create_topics={creation!r}", mend))
    for name in creation:
        if name not in _CREATE:
            label = f"create_topics has no {name!r}"
            raise SettingsError(
                Diagnostic("wrong create_topics", None, label, near(str(name), list(_CREATE)))
            )
    return cast("Creation", {**_CREATE, **creation})  # of wrong types, Kafka says what it thinks


def config_for(wanted: Creation, times: tuple[int, int] | None) -> dict[str, str]:
    """What new topics are configured with, so that they keep event ``times``: from, to (µs), or None.

    Raises `OutputError` where ``create_topics`` asks for topics that would not keep them.

    >>> config_for({"config": {}}, (0, 1))
    {'retention.ms': '-1'}
    """
    config = {str(name): str(value) for name, value in (wanted["config"] or {}).items()}
    if times is None:
        return config
    now = time.time() * 1000
    if times[0] / 1000 < now - _FRESH:  # Kafka deletes by the stamp: these would be gone at once
        config.setdefault("retention.ms", "-1")
    if times[1] / 1000 > now + _AHEAD:
        config.setdefault("message.timestamp.after.max.ms", str(_MOST))
    misfit = _misfit(config, times)
    if misfit is not None:
        title = "create_topics makes topics that would not keep event times"
        raise OutputError(Diagnostic(title, None, *misfit))
    return config


def create(
    admin: AdminClient, topics: Iterable[str], wanted: Creation, times: tuple[int, int] | None = None
) -> None:
    """Make the topics that do not exist; those that do are left as they are. ``times``: see `config_for`."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    config = config_for(wanted, times)
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


def check_times(admin: AdminClient, topics: Iterable[str], start: int, end: int) -> None:
    """Raise `OutputError` for a topic that would not keep messages stamped from ``start`` to ``end`` (µs).

    Kafka deletes by the stamp: messages of last year are gone at once where topics keep a week, and
    stamps in the future are refused.
    """
    from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

    resources = [ConfigResource(ResourceType.TOPIC, name) for name in sorted(set(topics))]
    for resource, future in admin.describe_configs(resources, request_timeout=30).items():
        config = {name: entry.value for name, entry in future.result().items()}
        misfit = _misfit(config, (start, end))
        if misfit is not None:
            title = f"topic {resource.name} would not keep event times"
            raise OutputError(Diagnostic(title, None, *misfit))
        if config.get("message.timestamp.type") == "LogAppendTime":
            label = "its message.timestamp.type is LogAppendTime: the broker stamps messages itself"
            warn(Diagnostic(f"topic {resource.name} takes no event times", None, label))


def _misfit(config: Mapping[str, str | None], times: tuple[int, int]) -> tuple[str, str] | None:
    """Why a topic of this configuration would not keep messages of these times (µs), and the mend."""
    now = time.time() * 1000
    past, ahead = now - times[0] / 1000, times[1] / 1000 - now
    limits = {}
    for name in ("retention.ms", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"):
        try:
            limits[name] = float(config.get(name) or -1)
        except ValueError:  # the broker says what it thinks of that
            limits[name] = -1.0
    retained, before, after = limits.values()
    if "delete" in (config.get("cleanup.policy") or "delete") and 0 <= retained < past:
        why = f"it deletes messages whose stamp is older than {_days(retained)}"
        return why, 'set its retention.ms=-1, or use timestamp="now"'
    if 0 <= before < past:
        why = f"it refuses stamps older than {_days(before)}"
        return why, 'raise its message.timestamp.before.max.ms, or use timestamp="now"'
    if 0 <= after < ahead:
        why = f"it refuses stamps more than {_days(after)} ahead"
        return why, 'raise its message.timestamp.after.max.ms, or use timestamp="now"'
    return None


def _days(ms: float) -> str:
    days = ms / 86_400_000
    return f"{days:g} days" if days >= 1 else f"{ms / 3_600_000:.3g} hours"
