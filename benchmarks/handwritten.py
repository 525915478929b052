"""The shop's columns without a simulation: the fastest program that we could write by hand.

It makes the event types and columns of ``shop.py`` in the same shares, typed and compressed the same way,
but nothing in it means anything: a user, a product and a session are drawn afresh for each event, no entity
is held by one flow, no state changes, no session has a beginning.  Numpy fills the buffers that pyarrow
writes, in two processes; each file is tuned by what each column is.  This is what a simulation is measured
against.

    python benchmarks/handwritten.py --events 10000000 --output /tmp/handwritten
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

U64 = npt.NDArray[np.uint64]

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
USERS, PRODUCTS = 500_000, 50_000
START = 1_704_067_200_000_000  # 2024-01-01, in microseconds
HOUR = 3_600_000.0  # of event time, in milliseconds
CHUNK = 32_768  # rows made and encoded at once: they stay in the second-level cache
ROW_GROUP = CHUNK * 32  # about a million rows

PLATFORMS = ("web", "ios", "android", "api")
SOURCES = ("home", "search", "category", "campaign", "recommendation")
REFERRERS = ("direct", "organic", "email", "social", "affiliate")
PAYMENTS = ("card", "paypal", "invoice", "gift card")
CURRENCIES = ("EUR", "USD", "GBP")
COLOURS = ("red", "blue", "green", "black", "white")
THINGS = ("shoes", "shirt", "jacket", "bag", "watch", "lamp", "chair", "phone")
QUERIES = tuple(f"{colour} {thing}" for colour in COLOURS for thing in THINGS)

# The share of each event type in what shop.py makes, and its columns: name → what it holds.
SHARES = {
    "SessionStarted": 0.1027,
    "SearchPerformed": 0.1688,
    "ProductViewed": 0.5566,
    "ProductAdded": 0.1303,
    "CheckoutStarted": 0.0227,
    "OrderCompleted": 0.0189,
}
SYSTEM = ("sys__eid", "sys__ets", "sys__sid", "sys__time", "sys__order")
COLUMNS: dict[str, dict[str, object]] = {
    "SessionStarted": {"user_id": "user", "platform": PLATFORMS, "referrer": REFERRERS},
    "SearchPerformed": {"user_id": "user", "query": QUERIES, "results": (0, 500)},
    "ProductViewed": {"user_id": "user", "product_id": "product", "price": "price", "platform": PLATFORMS,
                      "source": SOURCES},
    "ProductAdded": {"user_id": "user", "product_id": "product", "price": "price", "quantity": (1, 3),
                     "platform": PLATFORMS},
    "CheckoutStarted": {"user_id": "user", "items": (1, 9), "total": "money", "payment_method": PAYMENTS},
    "OrderCompleted": {"user_id": "user", "order_id": "id", "items": (1, 9), "total": "money",
                       "currency": CURRENCIES},
}  # fmt: skip


def scatter(x: U64) -> U64:
    """A bijection of the 64-bit numbers, in place: a counter becomes an id that looks random."""
    for shift, factor in ((32, 0xBEA225F9EB34556D), (29, 0xBEA225F9EB34556D)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    x ^= x >> np.uint64(32)
    return x


def trigrams() -> npt.NDArray[np.uint32]:
    """65,536 different strings of three letters, spread over all 57³, each in the low bytes of a word."""
    place = np.arange(65_536, dtype=np.uint64) * np.uint64(57**3) // np.uint64(65_536)
    letters = np.frombuffer(ALPHABET.encode(), np.uint8).astype(np.uint32)
    first, second, third = letters[place // 3249], letters[place // 57 % 57], letters[place % 57]
    return first | second << np.uint32(8) | third << np.uint32(16)


TRIGRAMS = trigrams()


def words(x: U64, length: int) -> npt.NDArray[np.uint32]:
    """Ids of 8 or 12 letters as (n, length/4) words: 16 bits of ``x`` choose three letters."""
    pieces = [TRIGRAMS.take(part) for part in x.view(np.uint16).reshape(-1, 4).T[: (length + 2) // 3]]
    out = np.empty((len(x), length // 4), np.uint32)
    out[:, 0] = pieces[0] | pieces[1] << np.uint32(24)
    out[:, 1] = pieces[1] >> np.uint32(8) | pieces[2] << np.uint32(16)
    if length == 12:
        out[:, 2] = pieces[2] >> np.uint32(16) | pieces[3] << np.uint32(8)
    return out


def strings(x: U64, length: int) -> pa.Array:
    """Ids as an Arrow string column, straight from buffers."""
    offsets = np.arange(0, (len(x) + 1) * length, length, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(x), [None, pa.py_buffer(offsets), pa.py_buffer(words(x, length))]
    )


@dataclass
class Maker:
    """Draws columns; one for each process, with a random stream and a range of counters of its own."""

    part: int

    def __post_init__(self) -> None:
        self.random = np.random.Generator(np.random.SFC64([42, self.part]))
        self.counter = self.part << 40
        fixed = np.random.Generator(np.random.SFC64(1))  # users and products are the same in every part
        self.users = strings(scatter(np.arange(USERS, dtype=np.uint64)), 12)
        self.products = strings(scatter(np.arange(USERS, USERS + PRODUCTS, dtype=np.uint64)), 12)
        self.prices = np.round(fixed.uniform(1, 500, PRODUCTS), 2)

    def ids(self, rows: int) -> U64:
        self.counter += rows
        return scatter(np.arange(self.counter - rows, self.counter, dtype=np.uint64))

    def pick(self, rows: int, size: int) -> npt.NDArray[np.int32]:
        return self.random.integers(0, size, rows, dtype=np.int32)

    def columns(
        self, event: str, first: int, rows: int, span: float, *, user_dictionary: bool
    ) -> list[pa.Array]:
        """One chunk of one event type; event time goes forward evenly with a jitter."""
        place = np.arange(first, first + rows) + self.random.random(rows, dtype=np.float32)
        time = (place * (1000 * span)).astype(np.int64) + START
        made = [
            strings(self.ids(rows), 12),
            pa.array(time // 1000),
            strings(self.random.integers(0, 1 << 63, rows, dtype=np.uint64), 8),
            pa.array(time).cast(pa.timestamp("us")),
            pa.array((place / SHARES[event]).astype(np.int64)),
        ]
        product = self.pick(rows, PRODUCTS)
        kinds = COLUMNS[event].values()
        return made + [self.column(kind, rows, product, user_dictionary=user_dictionary) for kind in kinds]

    def column(
        self, kind: object, rows: int, product: npt.NDArray[np.int32], *, user_dictionary: bool
    ) -> pa.Array:
        if kind == "user":
            user = self.pick(rows, USERS)
            if user_dictionary:
                return pa.DictionaryArray.from_arrays(user, self.users, safe=False)
            return self.users.take(pa.array(user))
        if kind == "product":
            return pa.DictionaryArray.from_arrays(product, self.products, safe=False)
        if kind == "price":
            return pa.array(self.prices.take(product))
        if kind == "money":
            return pa.array(np.round(self.random.random(rows) * 1500, 2))
        if kind == "id":
            return strings(self.ids(rows), 12)
        if isinstance(kind, tuple) and isinstance(kind[0], int):
            return pa.array(self.random.integers(kind[0], kind[1] + 1, rows))
        assert isinstance(kind, tuple)
        codes = self.random.integers(0, len(kind), rows, dtype=np.int32)
        return pa.DictionaryArray.from_arrays(codes, pa.array(kind), safe=False)


def tuned(schema: pa.Schema) -> dict[str, Any]:
    """Writer options by what each column holds: never a dictionary where nothing repeats."""
    dictionaries = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    encodings = {}
    for field in schema:
        if pa.types.is_string(field.type):
            encodings[field.name] = "DELTA_LENGTH_BYTE_ARRAY"
        elif pa.types.is_int64(field.type) or pa.types.is_timestamp(field.type):
            encodings[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_float64(field.type):
            encodings[field.name] = "PLAIN"
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": dictionaries,
        "column_encoding": encodings,
        "dictionary_pagesize_limit": 16 << 20,  # half a million users fit, so that no column falls back
        "write_statistics": ["sys__ets"],
        "store_schema": False,
    }


def write_part(part: int, parts: int, options: argparse.Namespace) -> dict[str, int]:
    """The share of ``part``: one file for each event type. Gives the rows of each."""
    maker, written = Maker(part), {}
    for event, share in SHARES.items():
        total = round(options.events * share)
        rows = total * (part + 1) // parts - total * part // parts
        folder = Path(options.output, "events", event)
        folder.mkdir(parents=True, exist_ok=True)
        # a dictionary of half a million users pays from about as many rows on
        user_dictionary = rows >= USERS and not options.defaults
        step = HOUR / max(rows, 1)
        writer = None
        for group in range(0, rows, ROW_GROUP):
            # one call for a whole row group: each call of write_table() or write_batch() ends one
            batches = []
            for first in range(group, min(group + ROW_GROUP, rows), CHUNK):
                size = min(CHUNK, rows - first)
                arrays = maker.columns(event, first, size, step, user_dictionary=user_dictionary)
                batches.append(pa.RecordBatch.from_arrays(arrays, names=[*SYSTEM, *COLUMNS[event]]))
            table = pa.Table.from_batches(batches)
            if writer is None:
                how = {"compression": "zstd"} if options.defaults else tuned(table.schema)
                writer = pq.ParquetWriter(folder / f"part-{part:05}.parquet", table.schema, **how)
            writer.write_table(table, row_group_size=ROW_GROUP)
        if writer is not None:
            writer.close()
        written[event] = rows
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--defaults", action="store_true", help="the writer as it comes, but for zstd")
    parser.add_argument("--output", default="/tmp/deep_faker-handwritten")
    options = parser.parse_args()
    shutil.rmtree(options.output, ignore_errors=True)
    began = time.perf_counter()
    arguments = [(part, options.processes, options) for part in range(options.processes)]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(write_part, *zip(*arguments, strict=True)))
    seconds = time.perf_counter() - began
    events = sum(sum(part.values()) for part in parts)
    size = sum(file.stat().st_size for file in Path(options.output).rglob("*.parquet"))
    print(json.dumps({"events": events, "seconds": round(seconds, 3), "per_second": round(events / seconds),
                      "bytes_per_event": round(size / events, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
