"""The sessions of ``shop.py`` as plain Python generators: in SimPy, or with a heap and nothing else.

This is the program that one writes without deep_faker, tuned as far as it stays such a program.  It has
the same flows with the same weights, waits, chances to give up, branches and distributions, at most as
many sessions at once, begun at such instants of the same steps; a user is in one session at a time; users
and products are objects whose state the sessions read and change, and which decides who comes next; every
column of every event is drawn.

It leaves out: draws that depend on nothing but the seed and on what they are for; states as they were at
the start of a step, whoever changes them in it; validation; ids that are unique for certain (these are 64
random bits); final states and sessions as data; checkpoints.  Events are tuples in one list for each
type, in the order of time.  ``simpy`` and ``bare`` drop the lists when some 100,000 events are in them,
so what a program pays to do anything with its events is not in their times; ``simpy-parquet`` and
``bare-parquet`` write them as typed Parquet, zstd level 1, through pyarrow.

    python benchmarks/generators.py bare --flows 320 --step 1 --duration 600
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Callable, Generator
from heapq import heapify, heappop, heapreplace
from itertools import pairwise
from pathlib import Path
from random import expovariate, getrandbits
from typing import Any, Protocol

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# 65,536 strings of three letters: 16 random bits choose one, the cheapest way to a random id that we know
TRIPLES = [
    ALPHABET[n // 3249] + ALPHABET[n // 57 % 57] + ALPHABET[n % 57]
    for n in (place * 57**3 // 65_536 for place in range(65_536))
]
START_MS = 1_704_067_200_000  # 2024-01-01
BATCH = 100_000

PLATFORMS = ("web", "ios", "android", "api")
SOURCES = ("home", "search", "category", "campaign", "recommendation")
REFERRERS = ("direct", "organic", "email", "social", "affiliate")
PAYMENTS = ("card", "paypal", "invoice", "gift card")
CURRENCIES = ("EUR", "USD", "GBP")
COLOURS = ("red", "blue", "green", "black", "white")
THINGS = ("shoes", "shirt", "jacket", "bag", "watch", "lamp", "chair", "phone")
QUERIES = tuple(f"{colour} {thing}" for colour in COLOURS for thing in THINGS)

# The columns of each event type, and the pyarrow type of those that are no text.
SYSTEM = ("sys__eid", "sys__ets", "sys__sid", "user_id")
COLUMNS = {
    "SessionStarted": (*SYSTEM, "platform", "referrer"),
    "SearchPerformed": (*SYSTEM, "query", "results"),
    "ProductViewed": (*SYSTEM, "product_id", "price", "platform", "source"),
    "ProductAdded": (*SYSTEM, "product_id", "price", "quantity", "platform"),
    "CheckoutStarted": (*SYSTEM, "items", "total", "payment_method"),
    "OrderCompleted": (*SYSTEM, "order_id", "items", "total", "currency"),
}
TYPES = {"sys__ets": "int64", "results": "int64", "quantity": "int64", "items": "int64"} | dict.fromkeys(
    ("price", "total"), "float64"
)

Row = tuple[Any, ...]
Session = Generator[Any, Any, None]
Sink = Callable[[str, list[Row]], None]


def pick(values: tuple[str, ...]) -> str:
    """As ``random.choice`` does, in three quarters of its time."""
    return values[int(random.random() * len(values))]


def id12() -> str:
    bits, three = getrandbits(64), TRIPLES
    return f"{three[bits & 65535]}{three[bits >> 16 & 65535]}{three[bits >> 32 & 65535]}{three[bits >> 48]}"


class Environment(Protocol):
    """What a session needs of SimPy's ``Environment`` or of `Heap`: the clock, and what it yields to wait."""

    @property
    def now(self) -> Any: ...  # seconds

    def timeout(self, delay: float, /) -> Any: ...


class Heap:
    """The least that runs generators in the order of their clocks; they yield how many seconds they wait."""

    now = 0.0
    timeout = staticmethod(float)

    def run(self, processes: list[Session]) -> None:
        queue = [(0.0, number, process) for number, process in enumerate(processes)]
        heapify(queue)
        while queue:
            self.now, number, process = queue[0]
            try:
                wait = next(process)
            except StopIteration:
                heappop(queue)
            else:
                heapreplace(queue, (self.now + wait, number, process))


class User:
    __slots__ = ("last_seen", "orders", "sessions", "spent", "status", "user_id")

    def __init__(self) -> None:
        self.user_id = id12()
        self.status = "active"
        self.sessions = 0
        self.orders = 0
        self.spent = 0.0
        self.last_seen: float | None = None


class Product:
    __slots__ = ("price", "product_id", "sold", "views")

    def __init__(self) -> None:
        self.product_id = id12()
        self.price = round(random.uniform(1.0, 500.0), 2)
        self.views = 0
        self.sold = 0


class Free:
    """Users of whom a session may begin with any; one is drawn, put in or taken out in constant time."""

    def __init__(self, users: list[User]) -> None:
        self.users = users
        self.place = {user: place for place, user in enumerate(users)}

    def draw(self) -> User:
        return self.users[int(random.random() * len(self.users))]

    def add(self, user: User) -> None:
        self.place[user] = len(self.users)
        self.users.append(user)

    def discard(self, user: User) -> None:
        place = self.place.pop(user, None)
        if place is not None:
            last = self.users.pop()
            if last is not user:
                self.users[place] = last
                self.place[last] = place


class Shop:
    """Users, products and the flows; events go to ``sink`` by type, some 100,000 at a time."""

    def __init__(self, users: int, products: int, pause: float, sink: Sink) -> None:
        self.products = [Product() for _ in range(products)]
        self.active = Free([User() for _ in range(users)])
        self.buyers = Free([])
        self.often = 1.0 / pause
        self.sink = sink
        self.rows: dict[str, list[Row]] = {event: [] for event in COLUMNS}
        self.begun = {"visit": 0, "reorder": 0}
        self.events = 0

    def slot(self, env: Environment, step: float, end: float) -> Session:
        """One of the sessions at once: where one ends, the next begins at some instant of the next step."""
        start, viewed = 0.0, self.rows["ProductViewed"]
        while start < end:
            begin = start + random.random() * step
            if begin >= end:
                return
            yield env.timeout(begin - env.now)
            if self.active.users and (not self.buyers.users or random.random() * 9.0 < 8.0):
                user, flow = self.active.draw(), self.visit
            elif self.buyers.users:
                user, flow = self.buyers.draw(), self.reorder
            else:
                start += step
                continue
            self.active.discard(user)
            self.buyers.discard(user)
            yield from flow(env, user, id12()[:8])
            if user.status == "active":
                self.active.add(user)
            if user.orders > 0:
                self.buyers.add(user)
            if len(viewed) > BATCH // 2:
                self.flush()
            start = (env.now // step + 1.0) * step

    def visit(self, env: Environment, user: User, sid: str) -> Session:
        rows, products, often, timeout = self.rows, self.products, self.often, env.timeout
        chance = random.random
        self.begun["visit"] += 1
        platform = pick(PLATFORMS)
        rows["SessionStarted"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, platform, pick(REFERRERS))
        )
        user.sessions += 1
        user.last_seen = env.now
        yield timeout(expovariate(often))
        if chance() < 0.08:
            return
        items, total = 0, 0.0
        for _ in range(12):
            if chance() < 0.3:
                rows["SearchPerformed"].append(
                    (id12(), START_MS + int(env.now * 1000), sid, user.user_id, pick(QUERIES),
                     int(chance() * 501))
                )  # fmt: skip
                yield timeout(expovariate(often))
                if chance() < 0.05:
                    return
            product = products[int(chance() * len(products))]
            rows["ProductViewed"].append(
                (id12(), START_MS + int(env.now * 1000), sid, user.user_id, product.product_id, product.price,
                 platform, pick(SOURCES))
            )  # fmt: skip
            product.views += 1
            yield timeout(expovariate(often))
            if chance() < 0.1:
                return
            if chance() < 0.25:
                quantity = 1 + int(chance() * 3)
                items += quantity
                total += product.price * quantity
                rows["ProductAdded"].append(
                    (id12(), START_MS + int(env.now * 1000), sid, user.user_id, product.product_id,
                     product.price, quantity, platform)
                )  # fmt: skip
                yield timeout(expovariate(often))
                if chance() < 0.04:
                    return
        if items == 0:
            return
        rows["CheckoutStarted"].append(
            (
                id12(),
                START_MS + int(env.now * 1000),
                sid,
                user.user_id,
                items,
                round(total, 2),
                pick(PAYMENTS),
            )
        )
        yield timeout(expovariate(often))
        if chance() < 0.2:
            return
        rows["OrderCompleted"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, id12(), items, round(total, 2),
             pick(CURRENCIES))
        )  # fmt: skip
        user.status = "blocked" if user.spent + total > 20_000 else "active"
        user.orders += 1
        user.spent += total
        product.sold += 1

    def reorder(self, env: Environment, user: User, sid: str) -> Session:
        rows, products, often, timeout = self.rows, self.products, self.often, env.timeout
        chance = random.random
        self.begun["reorder"] += 1
        rows["SessionStarted"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, "ios", pick(REFERRERS))
        )
        user.sessions += 1
        yield timeout(expovariate(often))
        if chance() < 0.2:
            return
        product = products[int(chance() * len(products))]
        rows["ProductAdded"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, product.product_id, product.price, 1,
             "ios")
        )  # fmt: skip
        yield timeout(expovariate(often))
        if chance() < 0.1:
            return
        rows["CheckoutStarted"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, 1, product.price, pick(PAYMENTS))
        )
        yield timeout(expovariate(often))
        if chance() < 0.05:
            return
        rows["OrderCompleted"].append(
            (id12(), START_MS + int(env.now * 1000), sid, user.user_id, id12(), 1, product.price,
             pick(CURRENCIES))
        )  # fmt: skip
        user.orders += 1
        user.spent += product.price
        product.sold += 1

    def flush(self) -> None:
        for event, rows in self.rows.items():
            self.events += len(rows)
            self.sink(event, rows)
            rows.clear()

    def run(self, how: str, flows: int, step: float, duration: float) -> None:
        """All sessions to their ends, by ``simpy`` or ``bare``; ``step`` and ``duration`` in seconds."""
        if how == "simpy":
            import simpy

            env = simpy.Environment()
            for _ in range(flows):
                env.process(self.slot(env, step, duration))
            env.run()
        else:
            heap = Heap()
            heap.run([self.slot(heap, step, duration) for _ in range(flows)])
        self.flush()


def drop(event: str, rows: list[Row]) -> None:
    """The events are not wanted: their list is cleared by who made it."""


class Parquet:
    """One file of typed columns for each event type, a row group for each batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[str, Any] = {}

    def __call__(self, event: str, rows: list[Row]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not rows:
            return
        names = COLUMNS[event]
        schema = pa.schema([(name, TYPES.get(name, "string")) for name in names])
        if event not in self.writers:
            file = self.folder / "events" / event / "part-00000.parquet"
            file.parent.mkdir(parents=True)
            self.writers[event] = pq.ParquetWriter(file, schema, compression="zstd", compression_level=1)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(zip(*rows, strict=True), schema, strict=True)
        ]
        self.writers[event].write_table(pa.Table.from_arrays(arrays, schema=schema))

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("how", choices=["simpy", "bare", "simpy-parquet", "bare-parquet"])
    parser.add_argument("--flows", type=int, default=320, help="sessions at once")
    parser.add_argument("--step", type=float, default=1.0, help="seconds")
    parser.add_argument("--duration", type=float, default=3600.0, help="seconds in which sessions begin")
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--products", type=int, default=50_000)
    parser.add_argument(
        "--pause", type=float, default=25.0, help="mean seconds between two actions of a session"
    )
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", type=Path, default=Path("/tmp/deep_faker-generators"))
    options = parser.parse_args()
    how, _, to = options.how.partition("-")
    random.seed(options.seed)
    marks = [time.perf_counter()]
    sink = Parquet(options.output) if to else drop
    shop = Shop(options.users, options.products, options.pause, sink)
    gc.freeze()  # users and products stay: the collector need not look through them again and again
    marks.append(time.perf_counter())
    shop.run(how, options.flows, options.step, options.duration)
    if isinstance(sink, Parquet):
        sink.close()
    marks.append(time.perf_counter())
    start, inside = (round(after - before, 3) for before, after in pairwise(marks))
    told = {"events": shop.events, "flows": shop.begun, "seconds_start": start, "seconds_inside": inside}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
