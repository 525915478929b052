"""Messages a second into a real Apache Kafka: `KafkaOutput` against a bare loop of ``Producer.produce``.

    python benchmarks/kafka.py                    # all cases, three rounds, a million events each
    python benchmarks/kafka.py --events 200000 --rounds 1

The broker is the one of the tests (Java and Maven are needed), on the same machine: it takes its share of
the cores in every case. Each case is a process of its own that makes its events first; timed is from the
first message to the last acknowledgement. ``bare`` is given keys and JSON as ready-made bytes and the same
settings of librdkafka; ``json`` gets the same events as Arrow tables, in chunks, and encodes them itself.
The rounds take the cases in turn, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

CHUNK = 50_000
CASES = {
    "bare": {},
    "json": {},
    "json-headers": {"headers": True},
    "json-exactly-once": {"exactly_once": True},
    "avro": {"value_format": "avro"},
    "protobuf": {"value_format": "protobuf"},
}


def events(n: int):
    """``n`` purchases of some 250 bytes of JSON, as the run would hand them over."""
    from deep_faker.declare.schema import BaseEvent, Entity, entity_spec, event_spec
    from deep_faker.outputs import RunInfo

    class Registered(BaseEvent):
        customer_id: str = ""

    class Purchase(BaseEvent):
        customer_id: str = ""
        product: str = ""
        quantity: int = 0
        price: float = 0.0
        platform: str = ""
        paid: bool = True
        at: dt.datetime = dt.datetime(2024, 1, 1)
        note: str = ""

    class Customer(Entity):
        source_event = Registered
        primary_key = "customer_id"

    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)

    def ids(length: int) -> pa.Array:
        text = letters[rng.integers(0, 57, n * length)]
        offsets = np.arange(n + 1, dtype=np.int32) * length
        return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))

    def low(words: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, len(words), n).astype(np.int32)), pa.array(words)
        )

    clock = np.sort(rng.integers(0, 86_400_000_000, n)) + 1_704_067_200_000_000
    columns = {
        "sys__eid": ids(12),
        "sys__ets": pa.array(clock // 1000),
        "sys__sid": ids(8),
        "customer_id": ids(8),
        "product": ids(10),
        "quantity": pa.array(rng.integers(1, 9, n)),
        "price": pa.array(np.round(rng.lognormal(3, 1, n), 2)),
        "platform": low(["web", "mobile", "api"]),
        "paid": pa.array(rng.random(n) < 0.9),
        "at": pa.array(clock).cast(pa.timestamp("us")),
        "note": low(["leave it at the door", "call first", "for the neighbour"]),
    }
    schema = pa.schema([pa.field(name, array.type, nullable=False) for name, array in columns.items()])
    info = RunInfo(
        seed=1,
        start_micros=int(clock[0]),
        end_micros=int(clock[-1]) + 1,
        partitions=1,
        events={"Purchase": event_spec(Purchase)},
        entities={"Customer": entity_spec(Customer)},
        schemas={"Purchase": schema},
        run_id=os.urandom(8).hex(),
    )
    return info, pa.table(columns, schema=schema)


def case(name: str, address: str, topic: str, n: int, registry: str) -> dict[str, float]:
    """Run one case in this process."""
    info, table = events(n)
    took = (
        bare(info, table, address, topic)
        if name == "bare"
        else ours(name, info, table, address, topic, registry)
    )
    return {
        "events": n,
        "seconds": took,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def chunks(table: pa.Table):
    from deep_faker.outputs import EventChunk

    for first in range(0, table.num_rows, CHUNK):
        piece = table.slice(first, CHUNK)
        yield EventChunk({"Purchase": piece}, np.zeros(piece.num_rows, np.uint16), ("Purchase",), first)


def bare(info, table: pa.Table, address: str, topic: str) -> float:
    from confluent_kafka import Producer

    from deep_faker.write import json_lines
    from deep_faker.write.kafka.output import _DEFAULTS

    values = [line for chunk in chunks(table) for line in json_lines(chunk, info.events).split(b"\n")[:-1]]
    keys = [key.encode() for key in table["customer_id"].to_pylist()]
    failed = []

    def delivered(error, _message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({**_DEFAULTS, "bootstrap.servers": address})
    producer.list_topics(topic, timeout=30)
    began = time.perf_counter()
    produce = producer.produce
    for first in range(0, len(values), 10_000):
        for value, key in zip(values[first : first + 10_000], keys[first : first + 10_000]):
            while True:
                try:
                    produce(topic, value, key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(300) == 0
    assert not failed
    return time.perf_counter() - began


def ours(name: str, info, table: pa.Table, address: str, topic: str, registry: str) -> float:
    from deep_faker.outputs import KafkaOutput

    more = dict(CASES[name])
    if "value_format" in more:
        more["schema_registry"] = registry
    import_module("polars")  # half a second once, which is no part of the cost of a message
    output = KafkaOutput({"Purchase": topic}, address, **more)
    warnings.simplefilter("ignore")
    output.open(info)
    began = time.perf_counter()
    for chunk in chunks(table):
        output.write(chunk)
    output.finish()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)  # one of them, in its own process
    arguments = parser.parse_args()
    if arguments.case:
        name, address, topic, registry = arguments.case
        print(json.dumps(case(name, address, topic, arguments.events, registry)))
        return

    from tests.support.servers.kafka_broker import KafkaBroker
    from tests.support.servers.schema_registry import schema_registry

    results: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="deep_faker-kafka-") as folder, schema_registry() as registry:
        broker = KafkaBroker(Path(folder))
        broker.start()
        try:
            rounds(broker.address, registry.url, arguments, results)
        finally:
            broker.kill()
    for name, result in results.items():
        middle = statistics.median(result["seconds"])
        pairs = zip(results["bare"]["seconds"], result["seconds"], strict=True)
        ratios = [bare / own for bare, own in pairs]
        print(
            f"{name:20} {arguments.events / middle:10,.0f} messages/s  "
            f"{statistics.median(ratios):5.2f} of bare ({min(ratios):.2f} to {max(ratios):.2f})  "
            f"{statistics.median(result['peak_mib']):6.0f} MiB"
        )
    written = {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in ("confluent-kafka", "polars", "pyarrow", "numpy")},
        "events": arguments.events,
        "cases": results,
    }
    path = HERE / "results" / f"kafka-{dt.datetime.now(dt.UTC):%Y-%m-%d-%H%M}.json"
    path.write_text(json.dumps(written, indent=1) + "\n")
    print(path)


def rounds(address: str, registry: str, arguments: argparse.Namespace, results) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": address})
    for number in range(arguments.rounds + 1):
        for name in CASES:
            topic = f"bench-{name}-{number}"
            for future in admin.create_topics([NewTopic(topic, 4, 1)]).values():
                future.result()
            # the first round warms the broker's own compiler
            n = arguments.events if number else min(arguments.events, 200_000)
            command = [sys.executable, __file__, "--events", str(n), "--case", name, address, topic, registry]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            if number:
                one = json.loads(done.stdout.splitlines()[-1])
                result = results.setdefault(name, {"seconds": [], "peak_mib": []})
                result["seconds"].append(round(one["seconds"], 3))
                result["peak_mib"].append(round(one["peak_mib"], 1))
            for future in admin.delete_topics([topic]).values():
                future.result()


if __name__ == "__main__":
    main()
