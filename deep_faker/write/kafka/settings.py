"""Settings of Kafka's client as keywords: librdkafka's names with ``_`` for ``.``, or kafka-python's."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping

from deep_faker.errors import Diagnostic, SettingsError, near, wrong_setting
from deep_faker.spans import caller_span, narrow_keyword

# What kafka-python calls by a name of its own; its other names are librdkafka's.
_NAMES = {
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_crlfile": "ssl.crl.location",
    "ssl_password": "ssl.key.password",
    "ssl_ciphers": "ssl.cipher.suites",
    "max_request_size": "message.max.bytes",
    "send_buffer_bytes": "socket.send.buffer.bytes",
    "receive_buffer_bytes": "socket.receive.buffer.bytes",
}
# What it has and librdkafka has not, and what is meant here instead.
_ELSEWHERE = {
    "value_serializer": 'value_format="json" (or avro, protobuf, json_schema) says how values are written',
    "key_serializer": "key= says which field is the key",
    "buffer_memory": "queue_buffering_max_kbytes= bounds what waits to be sent",
    "max_block_ms": "timeout= says how long a message may wait, in seconds",
}


def keywords(arguments: Mapping[str, object], output: Callable[..., object]) -> dict[str, object]:
    """Keywords that are none of ``output``'s own as settings of librdkafka.

    Raises `SettingsError` for one that looks like a slip of an own one, or that has no counterpart;
    what else librdkafka does not know, it says itself, before the first event.

    >>> keywords({"linger_ms": 5, "sasl_plain_username": "me"}, print)
    {'linger.ms': 5, 'sasl.username': 'me'}
    """
    known = [name for name, p in inspect.signature(output).parameters.items() if p.kind is not p.VAR_KEYWORD]
    for name in arguments:
        if name in _ELSEWHERE:
            raise _refused(name, f"Kafka's client has no {name}", _ELSEWHERE[name])
        if difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            raise _refused(name, f"KafkaOutput has no {name!r}", near(name, known, "KafkaOutput"))
    return {_NAMES.get(name) or _dotted(name): value for name, value in arguments.items()}


def checked_servers(addresses: object) -> str:
    """The brokers as librdkafka takes them: ``bootstrap_servers`` is one address, or a list of them.

    >>> checked_servers(["a:9092", "b:9092"])
    'a:9092,b:9092'
    """
    servers: list[object] = (
        [addresses] if isinstance(addresses, str) or not isinstance(addresses, Iterable) else [*addresses]
    )
    if not servers or not all(isinstance(s, str) and s for s in servers):
        mend = 'give "host:port" or a list of them'
        raise SettingsError(
            Diagnostic("wrong bootstrap_servers", None, f"bootstrap_servers={addresses!r}", mend)
        )
    return ",".join(map(str, servers))


def checked_config(config: object) -> dict[str, object]:
    """``config`` as a dictionary. Raises `SettingsError` for what is no mapping of names.

    >>> checked_config({"linger.ms": 5}), checked_config(None)
    ({'linger.ms': 5}, {})
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping) or not all(isinstance(name, str) for name in config):
        raise wrong_setting("config", config, 'give the settings of the client by name: {"linger.ms": 5}')
    return dict(config)


def suited(settings: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """Our defaults beside what is given: without idempotence where that would not go together.

    >>> suited({"acks": 1}, {"enable.idempotence": True, "linger.ms": 20})
    {'enable.idempotence': False, 'linger.ms': 20}
    """
    acks = str(settings.get("acks", settings.get("request.required.acks", "all")))
    waiting = str(settings.get("max.in.flight.requests.per.connection", settings.get("max.in.flight", 5)))
    many = waiting.isdecimal() and int(waiting) > 5
    plain = many or acks not in ("all", "-1") or str(settings.get("retries")) == "0"
    return {**defaults, "enable.idempotence": False} if plain else dict(defaults)


def _dotted(name: str) -> str:
    return name if name.endswith("_cb") else name.replace("_", ".")


def _refused(name: str, label: str, mend: str) -> SettingsError:
    return SettingsError(Diagnostic("unknown argument", narrow_keyword(caller_span(), name), label, mend))
