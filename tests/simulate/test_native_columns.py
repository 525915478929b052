"""The compiled loops of the writing thread: what numpy gives without them, bit for bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker import loops
from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.ids import action_counter, scramble
from deep_faker.draws.mix import Draws
from deep_faker.fill.keys import EntityKeys
from deep_faker.simulate.native.kernel import entry as kernel
from deep_faker.simulate.native.kernel.splitting import MOST_AT_ONCE
from deep_faker.simulate.native.machine import cache
from deep_faker.write.files.repeated_keys import _in_order
from deep_faker.write.whole.hashing import TableHash

COMPILED = {entry.__name__: entry for entry in kernel.ENTRIES}
U64S = st.lists(st.integers(0, (1 << 63) - 1), min_size=1, max_size=50)


@pytest.fixture(autouse=True)
def no_loops(monkeypatch):
    """None of them, until a test takes them."""
    monkeypatch.setattr(loops, "_loaded", {})


def both(make):
    """What is made without the loops, and with them."""
    loops._loaded.clear()
    plain = make()
    loops.use(COMPILED)
    return plain, make()


@pytest.mark.parametrize("length", [8, 12])
@given(counters=U64S, key=st.integers(0, (1 << 64) - 1))
def test_ids_are_those_of_numpy(length, counters, key):
    """Ids of the two lengths that have a loop, for counters of any size."""
    counter = np.array(counters, np.uint64) % np.uint64(min(57**length, 1 << 63))
    plain, compiled = both(lambda: scramble(key, counter, length))
    assert plain.tobytes() == compiled.tobytes()


def test_ids_at_the_ends_of_the_halves():
    """The first and the last ids, and those beside a multiple of a half's size, where the division turns."""
    for length, half in ((8, 57**4), (12, 57**6)):
        top = min(57**length, 1 << 63) - 1
        near = [n for k in (0, 1, 2, top // half) for n in (k * half - 1, k * half, k * half + 1)]
        counter = np.array([n for n in (*near, top) if 0 <= n <= top], np.uint64)
        plain, compiled = both(lambda: scramble(7, counter, length))  # noqa: B023 - called at once
        assert plain.tobytes() == compiled.tobytes()


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, (1 << 26) - 1)), min_size=1, max_size=50))
def test_counters_of_events_are_those_of_numpy(rows):
    """Counters for every number of bits of an action's number."""
    flow, action = (np.array(column, np.uint64) for column in zip(*rows, strict=True))
    plain, compiled = both(lambda: action_counter(2, 3, flow, action))
    assert plain.tolist() == compiled.tolist()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("shortuuid", {"length": 12}), ("shortuuid", {"length": 7}), ("numerify", {"text": "####"}),
     ("random_int", {"min": 1, "max": 10_000})],
)  # fmt: skip
def test_keys_by_number_are_those_of_arrow(name, arguments):
    """Keys of a width that the loop can copy, of one that it cannot, and numbers."""
    number = np.array([0, 5, 5, 2999, 17])
    keys = EntityKeys("User", None, GeneratorSpec("faker", name, tuple(arguments.items())), Draws(1), 0)
    plain, compiled = both(lambda: keys.of(number))
    assert plain.equals(compiled)
    assert compiled.equals(keys.upto(3000).take(pa.array(number)))
    assert keys.of(number[:0]).type == plain.type


@given(st.data())
def test_records_in_the_order_of_time(data):
    """The order (clock, flow, action), with few and with very many records of one clock."""
    n = data.draw(st.integers(1, 200))
    most = data.draw(st.sampled_from([1, 3, 1000]))
    draw = np.random.default_rng(data.draw(st.integers(0, 1000)))
    clock, flow = draw.integers(0, most, n), draw.integers(0, 5, n)
    action = draw.permutation(n)
    log = np.stack([np.zeros(n, np.int64), flow, action, clock], axis=1).astype(np.int64).ravel()
    widths, counts = np.zeros(1, np.int64), np.zeros(1, np.int64)
    offsets, clocks = np.empty((2, n), np.int64)
    address = [array.ctypes.data for array in (widths, counts, offsets, clocks)]
    assert COMPILED["count_rows"](log.ctypes.data, len(log), *address) == n
    bits = max(n - 1, 1).bit_length()
    order = np.sort((clocks << bits) | np.arange(n))
    done = COMPILED["in_time"](log.ctypes.data, n, order.ctypes.data, bits, offsets.ctypes.data)
    assert done == (np.bincount(clock).max() <= MOST_AT_ONCE)
    if done:
        assert (order // 4).tolist() == np.lexsort((action, flow, clock)).tolist()


@given(st.lists(st.sampled_from(["", "a", "bcd", "éé", "x" * 37, None]), max_size=60), st.integers(0, 20))
def test_hashes_of_columns_are_those_of_numpy(texts, start):
    """The hash of coded text, of a slice of it, and of numbers, for every length that a piece can have."""
    coded = pa.array(texts, pa.string()).dictionary_encode().slice(start)
    numbers = pa.array(np.arange(len(texts) * 700))

    def hashes():
        table = TableHash(["text", "number"])
        table.update([coded, numbers.slice(0, len(coded))])
        table.update([coded.dictionary_decode(), numbers.slice(len(numbers) - len(coded))])
        whole = TableHash(["number"])
        whole.update([numbers])
        return table.columns(), whole.columns()

    plain, compiled = both(hashes)
    assert plain == compiled


@pytest.mark.parametrize("known", [41, 1 << 31])
@given(numbers=st.lists(st.one_of(st.integers(0, 40), st.integers(0, 2**31 - 1)), min_size=1, max_size=60))
def test_codes_by_the_order_in_which_numbers_come(known, numbers):
    """Codes of numbers, and the numbers, some of which are never met; there are few to know, or too many."""
    numbers = [number % known for number in numbers]
    plain, compiled = both(lambda: [part.tolist() for part in _in_order(np.array(numbers, np.int32), known)])
    assert plain == compiled
    assert compiled[1] == list(dict.fromkeys(numbers))


def test_a_run_takes_the_loops_of_the_kernel():
    """The kernel that a run loads has all of them."""
    found = cache.load()
    if found is None:
        pytest.skip(cache.available() or "no kernel has been compiled")
    assert set(found.functions) == set(COMPILED)
