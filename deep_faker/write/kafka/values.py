"""The bytes of Kafka's messages: values as JSON lines or in a registered schema's format, keys, headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near
from deep_faker.write.frames import plain, plain_schema
from deep_faker.write.kafka.schema_formats import FORMATS, NAMESPACE, EventFormat
from deep_faker.write.lines.json_lines import nested_columns, table_lines
from deep_faker.write.protocol import EventChunk, RunInfo
from deep_faker.write.secrets import hidden, quotable, scrubbed

Headers: TypeAlias = list[tuple[str, str | bytes | None]]  # as the client has them

_SLICE = 25_000  # events that are encoded at once: some 10 MB
_PIECE = 1 << 18  # bytes of them that are split at once, and
_ROWS = 1000  # rows of other formats


class JsonValues:
    """Each event as the other outputs write it."""

    def __init__(self, info: RunInfo) -> None:
        self._nested = {name: nested_columns(info.events.get(name)) for name in info.schemas}

    def of(self, name: str, table: pa.Table) -> Iterator[bytes]:
        """The values of a table's rows, made as they are taken."""
        return chain.from_iterable(_split(table_lines(name, table, self._nested[name])))


def _split(text: bytes) -> Iterator[list[bytes]]:
    """The lines of a text, some at a time.

    All at once, 25,000 of 260 bytes, took 500 ns a line where they fell out of the cache before they
    were sent, and Arrow's way of handing out bytes takes three times that; so it is 220.
    """
    start = 0
    while start < len(text):
        end = text.find(b"\n", min(start + _PIECE, len(text) - 1))
        yield text[start:end].split(b"\n")
        start = end + 1


class RegisteredValues:
    """Each event in the format of its registered schema, after the five bytes that name that schema."""

    def __init__(self, formats: Mapping[str, EventFormat], numbers: Mapping[str, int]) -> None:
        self._formats = formats
        self._prefixes = {name: b"\0" + number.to_bytes(4, "big") for name, number in numbers.items()}

    def of(self, name: str, table: pa.Table) -> Iterator[bytes]:
        """The values of a table's rows, made as they are taken."""
        array = self._formats[name].encode(table, self._prefixes[name])
        pieces = (array.slice(first, _ROWS).to_pylist() for first in range(0, len(array), _ROWS))
        return chain.from_iterable(pieces)


class Batch(NamedTuple):
    """Messages to be: for each its type's place in the chunk's names, its value, key and time (ms)."""

    codes: list[int]
    values: Iterator[bytes]
    keys: list[str | None]
    times: list[int] | None


class Encoder:
    """Chunks → batches. ``keys``: the key's column of each event type; ``timed``: with event times."""

    def __init__(
        self, values: JsonValues | RegisteredValues, keys: Mapping[str, str | None], *, timed: bool
    ) -> None:
        self._values, self._keys, self._timed = values, keys, timed

    def batches(self, chunk: EventChunk) -> Iterator[Batch]:
        """The chunk's messages in their order.

        Not on a thread of its own: sending holds the interpreter's lock, and no more came through.
        """
        return map(self._batch, chunk.slices(_SLICE))

    def _batch(self, chunk: EventChunk) -> Batch:
        tables = {n: chunk.tables[n] for n in chunk.names if n in chunk.tables and chunk.tables[n].num_rows}
        codes = chunk.order.tolist()
        # the rows of one type are in order already: of several, each value is the next one of its type
        each = [self._values.of(n, tables[n]) if n in tables else iter(()) for n in chunk.names]
        place = pa.array(chunk.positions()) if len(tables) > 1 else None
        values = each[codes[0]] if place is None else map(next, map(each.__getitem__, codes))
        keys = pa.concat_arrays([key_values(table, self._keys[name]) for name, table in tables.items()])
        keys = keys if place is None else keys.take(place)
        times = None
        if self._timed:
            stamps = pa.chunked_array([piece for t in tables.values() for piece in t["sys__ets"].chunks])
            times = (stamps if place is None else stamps.take(place)).to_pylist()
        return Batch(codes, values, keys.to_pylist(), times)


class Registry:
    """A schema registry as it is given: its URL, or the settings of Confluent's client.

    >>> Registry("http://me:secret@localhost:8081")
    {'url': 'http://localhost:8081', 'basic.auth.user.info': '…'}
    """

    def __init__(self, registry: object) -> None:
        settings = {"url": registry} if isinstance(registry, str) else registry
        url = settings.get("url") if isinstance(settings, Mapping) else None
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            mend = 'give a URL, or {"url": "https://…", "basic.auth.user.info": "user:password"}'
            shown = "a value without a URL" if url is None else _bare(str(url))
            raise SettingsError(Diagnostic("wrong schema_registry", None, f"it is {shown!r}", mend))
        assert isinstance(settings, Mapping)
        self.settings: dict[str, object] = dict(settings)
        user = urlsplit(url)
        if user.username is not None:
            # the client would show them in its errors
            self.settings.setdefault("basic.auth.user.info", f"{user.username}:{user.password or ''}")
        self.url = self.settings["url"] = _bare(url)

    def __repr__(self) -> str:
        more = {name: value for name, value in hidden(self.settings).items() if name != "url"}
        return repr({"url": self.url, **more}) if more else repr(self.url)

    def register(self, topics: Mapping[str, str], formats: Mapping[str, EventFormat]) -> dict[str, int]:
        """The number of each event type's schema, registered where it is new.

        The subject is ``TOPIC-value`` where a topic has one event type, as consumers expect, and
        ``TOPIC-deep_faker.Event`` where it has several. Raises `OutputError` where the registry
        cannot be reached or refuses a schema.
        """
        try:
            from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
        except ImportError as error:
            mend = 'pip install "deep-faker[schema-registry]"'
            title = "value_format needs Confluent's schema registry client"
            raise OutputError(Diagnostic(title, None, str(error), mend)) from None
        try:
            client = SchemaRegistryClient(self.settings)
        except Exception as error:  # noqa: BLE001 - the library's own, whatever they are
            reason = scrubbed(str(error), self.settings)
            title = "wrong schema_registry"
            mend = "see the settings of Confluent's client"
            raise OutputError(Diagnostic(title, None, reason, mend)) from quotable(error, self.settings)
        numbers = {}
        for name, form in formats.items():
            alone = list(topics.values()).count(topics[name]) == 1
            subject = f"{topics[name]}-value" if alone else f"{topics[name]}-{NAMESPACE}.{name}"
            schema = Schema(form.schema_text(), form.registry_type)
            try:
                numbers[name] = int(client.register_schema(subject, schema))
            except Exception as error:  # noqa: BLE001 - the HTTP client's own, whatever they are
                title = f"the schema registry at {self.url} did not take the schema of {name}"
                label = f"subject {subject}: {scrubbed(str(error), self.settings)}"
                mend = "check its URL and rights; a changed schema must be compatible with the subject's last"
                # the client's own error may hold its settings
                raise OutputError(Diagnostic(title, None, label, mend)) from None
        return numbers


def checked_format(value_format: str, registry: object) -> Registry | None:
    """The registry that ``value_format`` needs; None for JSON. Raises `SettingsError`."""
    known = ["json", *FORMATS]
    if value_format not in known:
        label, mend = f"value_format={value_format!r}", near(str(value_format), known)
        raise SettingsError(Diagnostic("wrong value_format", None, label, mend))
    if value_format == "json":
        if registry is not None:
            mend = "name the format: value_format=" + " or ".join(f'"{name}"' for name in FORMATS)
            label = "plain JSON has no schema"
            raise SettingsError(Diagnostic("schema_registry without value_format", None, label, mend))
        return None
    if registry is None:
        mend = 'give schema_registry="http://localhost:8081"'
        label = f"value_format={value_format!r}"
        raise SettingsError(Diagnostic("value_format without schema_registry", None, label, mend))
    return Registry(registry)


def values_of(
    info: RunInfo, topics: Mapping[str, str], value_format: str, registry: Registry | None
) -> JsonValues | RegisteredValues:
    """What makes the messages' values; registers the schemas."""
    if registry is None:
        return JsonValues(info)
    kind = FORMATS[value_format]
    formats = {name: kind(name, info.schemas[name], info.events.get(name)) for name in topics}
    return RegisteredValues(formats, registry.register(topics, formats))


def headers_of(event: str, schema: pa.Schema) -> Headers:
    """The headers of an event type. The version is a digest: equal for equal columns and types.

    >>> headers_of("Login", pa.schema([("name", pa.string())]))[0]
    ('event_type', 'Login')
    """
    columns = [(f.name, str(f.type), f.nullable) for f in plain_schema(schema)]
    version = hashlib.sha256(repr(columns).encode()).hexdigest()[:8]
    return [("event_type", event), ("schema_version", version)]


def key_values(table: pa.Table, column: str | None) -> pa.Array:
    """The keys as text; null where there is none.

    >>> key_values(pa.table({"id": [7, None]}), "id").to_pylist()
    ['7', None]
    """
    if column is None:
        return pa.nulls(table.num_rows, pa.large_string())
    values = plain(table.select([column]))[column].cast(pa.large_string()).combine_chunks()
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _bare(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
