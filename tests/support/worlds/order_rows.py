"""Rows of one event type, with texts that mean something to file systems, and an output's life."""

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset

from deep_faker.outputs import EventChunk, ParquetOutput, RunInfo

DAY = 86_400_000


START = 1_704_067_200_000  # 2024-01-01


HOSTILE = [
    "", "plain", "a/b", "..", "../../etc", "a=b", "100%", "%2F", "c:\\d", "q\"uo'te", "new\nline\t", "日本 é",
    "*?[x]{y}^#", " lead and trail ", "null", "__HIVE", None,
]  # fmt: skip


SCHEMA = pa.schema(
    [
        pa.field("sys__eid", pa.string(), metadata={"hint": "id"}),
        pa.field("sys__ets", pa.int64(), metadata={"hint": "time"}),
        pa.field("sys__sid", pa.string()),
        pa.field("country", pa.dictionary(pa.int32(), pa.string())),
        pa.field("number", pa.int64()),
        pa.field("ok", pa.bool_()),
        pa.field("day", pa.date32()),
        pa.field("price", pa.float64()),
    ]
)


def rows(n=600, days=3, values=HOSTILE, seed=1):
    rng = np.random.default_rng(seed)
    index = np.arange(n)
    picks = rng.integers(0, len(values), n)
    days_of = rng.integers(0, 4, n)
    table = {
        "sys__eid": [f"e{i:06d}" for i in index],
        "sys__ets": START + index * days * DAY // n,
        "sys__sid": [f"s{i % 7}" for i in index],
        "country": pa.array([values[p] for p in picks], pa.string()).dictionary_encode(),
        "number": pa.array([None if p == 3 else int(p) - 2 for p in rng.integers(0, 5, n)], pa.int64()),
        "ok": pa.array([(True, False, None)[p] for p in rng.integers(0, 3, n)]),
        "day": pa.array([dt.date(2024, 2, 27) + dt.timedelta(days=int(d)) for d in days_of]),
        "price": rng.random(n),
    }
    return pa.table(table, schema=SCHEMA)


def write(table, place, cuts=(), schemas=None, **shape):
    """The whole life of an output that is given these rows as events of the type Order."""
    out = ParquetOutput(place, **shape)
    more = {"seed": 1, "start_micros": START * 1000, "end_micros": START * 1000 + 1, "partitions": 1}
    schemas = schemas or {"Order": table.schema}
    try:
        out.open(RunInfo(events={}, entities={}, schemas=schemas, **more))
        edges = [0, *cuts, table.num_rows]
        for first, end in zip(edges, edges[1:]):
            piece = table.slice(first, end - first)
            out.write(EventChunk({"Order": piece}, np.zeros(len(piece), np.uint16), ("Order",), first))
        return out.finish()
    except BaseException:
        out.abort()
        raise


def plain(table):
    return pl.DataFrame(pl.from_arrow(table)).with_columns(pl.col("country").cast(pl.String))
