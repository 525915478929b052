"""Avro, Protobuf and JSON Schema: the bytes, read back by the libraries that everyone else uses."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import warnings

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.errors import DeepFakerWarning, OutputError, SettingsError
from deep_faker.outputs import EventChunk, KafkaOutput
from deep_faker.write.frames import plain
from deep_faker.write.kafka import row_bytes as rb
from deep_faker.write.kafka.schema_formats import AvroFormat, JsonSchemaFormat, ProtobufFormat
from tests.support.servers.schema_registry import schema_registry
from tests.support.worlds.output_world import EVENTS, NAMES, SCHEMAS, Click, Signup, World, info

kafka = pytest.importorskip("confluent_kafka", reason='needs pip install "deep-faker[kafka]"')
fastavro = pytest.importorskip("fastavro")
jsonschema = pytest.importorskip("jsonschema")

WORLD = World(600)
TOPICS = {Click: "clicks", Signup: "signups", "Odd": "odd"}
MICROSECOND = dt.timedelta(microseconds=1)


@pytest.fixture(scope="module")
def broker():
    owner = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    (first,) = owner.list_topics(timeout=120).brokers.values()
    yield f"{first.host}:{first.port}"
    owner.flush(1)


def messages(broker, topics, expected):
    consumer = kafka.Consumer({"bootstrap.servers": broker, "group.id": "test"})
    known = consumer.list_topics(timeout=120).topics
    consumer.assign(
        [kafka.TopicPartition(t, p, kafka.OFFSET_BEGINNING) for t in topics for p in known[t].partitions]
    )
    found = []
    for _ in range(600):
        found += consumer.consume(1000, timeout=0.2)
        if len(found) >= expected:
            break
    consumer.close()
    assert all(m.error() is None for m in found)
    return found


def rows_by_id():
    return {row["sys__eid"]: row for name in NAMES for row in plain(WORLD.tables[name]).to_pylist()}


def client(url, **more):
    from confluent_kafka.schema_registry import SchemaRegistryClient

    return SchemaRegistryClient({"url": url, **more})


# ---------------------------------------------------------------- through Kafka and a registry


def test_avro_is_what_confluents_deserializer_reads(broker):
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    topics = {Click: "avro.clicks", Signup: "avro.signups", "Odd": "avro.odd"}
    with schema_registry() as registry:
        WORLD.run(KafkaOutput(topics, broker, value_format="avro", schema_registry=registry.url), [50])
        read = AvroDeserializer(client(registry.url))
        wanted = rows_by_id()
        found = messages(broker, topics.values(), 600)
        for message in found:
            got = read(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
            row = wanted.pop(got["sys__eid"])
            got["key"] = str(got.get("key"))
            for name, value in row.items():
                if isinstance(value, dt.datetime):
                    assert got[name] == value.replace(tzinfo=dt.UTC)
                elif isinstance(value, dt.timedelta):
                    assert got[name] == value // MICROSECOND
                else:
                    assert got[name] == value, name
        assert not wanted
        assert set(registry.subjects) == {"avro.clicks-value", "avro.signups-value", "avro.odd-value"}


def test_protobuf_is_what_googles_library_reads():
    """Message classes made from the very fields that the schema's text has."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

    kinds = {"string": 9, "int64": 3, "double": 1, "bool": 8, "google.protobuf.Timestamp": 11}
    for name in NAMES:
        text = ProtobufFormat(name, SCHEMAS[name], EVENTS[name]).schema_text()
        file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="deep_faker", syntax="proto3")
        file.dependency.append("google/protobuf/timestamp.proto")
        message = file.message_type.add(name=name)
        for line in text.split("{\n")[1].split("}")[0].strip().splitlines():
            *rule, kind, field, _, number = line.rstrip(";").split()
            added = message.field.add(name=field, number=int(number), type=kinds[kind])
            added.label = 3 if rule == ["repeated"] else 1
            if kind.startswith("google"):
                added.type_name = ".google.protobuf.Timestamp"
            if rule == ["optional"]:
                message.oneof_decl.add(name=f"_{field}")
                added.oneof_index, added.proto3_optional = len(message.oneof_decl) - 1, True
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
        pool.Add(file)
        made = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"deep_faker.{name}"))
        table = WORLD.tables[name]
        values = ProtobufFormat(name, SCHEMAS[name], EVENTS[name]).encode(table, b"\0\0\0\0\7").to_pylist()
        for row, value in zip(plain(table).to_pylist(), values, strict=True):
            assert value[:6] == b"\0\0\0\0\7\0"  # magic, the schema's number, the first message
            got = made.FromString(value[6:])
            for field, wanted in row.items():
                if wanted is None:
                    assert not got.HasField(field)
                elif field == "at":
                    assert got.at.ToMicroseconds() == (wanted - dt.datetime(1970, 1, 1)) // MICROSECOND
                elif field == "took":
                    assert got.took == wanted // MICROSECOND
                elif field == "money":
                    assert float(got.money) == float(wanted)
                    assert not got.money.endswith((".", "0000"))
                elif isinstance(wanted, (dt.date, dt.time)):
                    assert type(wanted).fromisoformat(getattr(got, field)) == wanted
                elif isinstance(wanted, list):
                    assert list(getattr(got, field)) == wanted
                else:
                    assert getattr(got, field) == wanted


@pytest.mark.slow
def test_json_values_satisfy_their_schema(broker):
    topics = {Click: "js.clicks", Signup: "js.signups", "Odd": "js.odd"}
    with schema_registry() as registry:
        WORLD.run(KafkaOutput(topics, broker, value_format="json_schema", schema_registry=registry.url))
        found = messages(broker, topics.values(), 600)
        assert len(found) == 600
        for message in found:
            assert message.value()[0] == 0
            known = registry.schemas[int.from_bytes(message.value()[1:5], "big")]
            event = json.loads(message.value()[5:])
            assert known["schemaType"] == "JSON"
            schema = json.loads(known["schema"])
            jsonschema.validate(event, schema)
            event["event_type"] = "Other"
            with pytest.raises(jsonschema.ValidationError):  # the schema does say something
                jsonschema.validate(event, schema)


def test_several_types_in_one_topic_have_subjects_of_their_own(broker):
    topics = dict.fromkeys(TOPICS, "mixed")
    with schema_registry() as registry:
        WORLD.run(KafkaOutput(topics, broker, value_format="avro", schema_registry=registry.url))
        assert set(registry.subjects) == {f"mixed-deep_faker.{name}" for name in NAMES}
        numbers = {int.from_bytes(m.value()[1:5], "big") for m in messages(broker, ["mixed"], 600)}
        assert numbers == set(registry.schemas)


# ---------------------------------------------------------------- what can go wrong


def test_a_registry_that_asks_for_a_password(broker):
    with schema_registry(user="me:hunter2") as registry:
        address = registry.url.removeprefix("http://")
        good = KafkaOutput(
            TOPICS, broker, value_format="avro", schema_registry=f"http://me:hunter2@{address}"
        )
        assert "hunter2" not in repr(good)
        assert registry.url in repr(good)
        WORLD.run(good)
        config = {"url": registry.url, "basic.auth.user.info": "me:hunter3"}
        wrong = KafkaOutput(TOPICS, broker, value_format="avro", schema_registry=config)
        with pytest.raises(
            OutputError, match=r"(?s)did not take the schema of Click.*Unauthorized"
        ) as caught:
            WORLD.run(wrong)
        shown = str(caught.value) + repr(wrong) + repr(caught.value.__cause__)
        assert "hunter3" not in shown


def test_an_incompatible_schema_names_the_subject(broker):
    with schema_registry(frozen=True) as registry:
        registry.subjects["clicks-value"] = [99]
        output = KafkaOutput(TOPICS, broker, value_format="avro", schema_registry=registry.url)
        with pytest.raises(OutputError, match=r"subject clicks-value: .*incompatible"):
            WORLD.run(output)


def test_no_registry_there(broker):
    settings = {"url": "http://127.0.0.1:9", "max.retries": 0}
    output = KafkaOutput(TOPICS, broker, value_format="avro", schema_registry=settings)
    with pytest.raises(OutputError, match=r"schema registry at http://127\.0\.0\.1:9"):
        WORLD.run(output)


def test_wrong_arguments():
    for wrong, said in [
        ({"value_format": "avr", "schema_registry": "http://x"}, "did you mean 'avro'"),
        ({"value_format": "avro"}, "give schema_registry="),
        ({"schema_registry": "http://x"}, "schema_registry without value_format"),
        ({"value_format": "avro", "schema_registry": "localhost:8081"}, "wrong schema_registry"),
        ({"value_format": "avro", "schema_registry": {"password": "hunter2"}}, "wrong schema_registry"),
    ]:
        with pytest.raises(SettingsError, match=said) as caught:
            KafkaOutput(TOPICS, **wrong)
        assert "hunter2" not in str(caught.value)


def test_a_missing_package_names_the_command(monkeypatch, broker):
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    output = KafkaOutput(TOPICS, broker, value_format="avro", schema_registry="http://x")
    with pytest.raises(OutputError, match=r'pip install "deep-faker\[schema-registry\]"'):
        WORLD.run(output)


def test_names_that_a_format_does_not_have():
    schema = pa.schema([pa.field("größe", pa.int64())])
    for kind in (AvroFormat, ProtobufFormat):
        with pytest.raises(OutputError, match="'größe' is no name"):
            kind("Click", schema, None).schema_text()
    assert "gr\\u00f6" in JsonSchemaFormat("Click", schema, None).schema_text()


def test_none_inside_a_list_is_refused():
    table = pa.table({"x": pa.array([["a", None]], pa.list_(pa.string()))})
    for kind in (AvroFormat, ProtobufFormat):
        with pytest.raises(OutputError, match=r"E\.x has a list with None in it"):
            kind("E", table.schema, None).encode(table, b"")


# ---------------------------------------------------------------- the bytes themselves


def test_varint_at_every_width():
    """Against the definition, one value at a time."""

    def one(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    values = [0, *(v for bit in range(64) for v in ((1 << bit) - 1, 1 << bit)), 2**64 - 1]
    assert rb.varint(np.array(values, np.uint64)).to_pylist() == [one(v) for v in values]
    assert len(rb.varint(np.array([], np.uint64))) == 0
    signed = np.array([0, -1, 1, -(2**63), 2**63 - 1])
    assert rb.zigzag(signed).tolist() == [0, 1, 2, 2**64 - 1, 2**64 - 2]


_EDGES = pa.table(
    {
        "n": pa.array([-(2**63), None, 2**63 - 1, 0]),
        "x": pa.array([-0.0, 1e308, None, 5e-324]),
        "s": pa.array(["", None, '🎉 "q" \n', "x" * 300]),
        "l": pa.array([[], None, ["", "é"], ["y" * 200] * 70], pa.list_(pa.string())),
        "none": pa.array([[]] * 4, pa.list_(pa.int64())),
        "neg": pa.array([[-1], [-(2**63), 5], [], [0]], pa.list_(pa.int64())),
        "t": pa.array([-1, None, 0, 253_402_300_799_999_999], pa.timestamp("us")),
    }
)


@pytest.mark.parametrize("cut", [slice(0, 4), slice(1, 3), slice(2, 2), slice(3, 4)])
def test_avro_at_the_edges(cut):
    """Extremes, nulls, empty lists, no rows, and slices of tables."""
    form = AvroFormat("E", _EDGES.schema, None)
    schema = fastavro.parse_schema(json.loads(form.schema_text()))
    table = _EDGES.slice(cut.start, cut.stop - cut.start)
    values = form.encode(table, b"p").to_pylist()
    for row, value in zip(table.to_pylist(), values, strict=True):
        stream = io.BytesIO(value)
        assert stream.read(1) == b"p"
        got = fastavro.schemaless_reader(stream, schema)
        assert stream.read() == b""
        if row["t"] is not None:
            row["t"] = row["t"].replace(tzinfo=dt.UTC)
        assert got == row


def test_a_registered_run_resumes_with_the_same_schemas(broker):
    topics = {Click: "again"}
    chunk = EventChunk({"Click": WORLD.tables["Click"].slice(0, 5)}, np.zeros(5, np.uint16), ("Click",))
    with schema_registry() as registry, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeepFakerWarning)  # Signup goes nowhere; the run is at-least-once
        first = KafkaOutput(topics, broker, value_format="protobuf", schema_registry=registry.url)
        first.open(info(run_id="r"))
        first.write(chunk)
        state = first.checkpoint()
        first.suspend()
        second = KafkaOutput(topics, broker, value_format="protobuf", schema_registry=registry.url)
        assert second.resume(info(run_id="r"), state) is None
        second.finish()
        assert registry.subjects == {"again-value": [1]}
