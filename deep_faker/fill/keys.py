"""Keys of entities by entity number: computed where they are a permutation of it, else kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deep_faker import loops
from deep_faker.declare.schema import FieldSpec, GeneratorSpec
from deep_faker.draws.ids import capacity, flow_counter, scramble
from deep_faker.draws.mix import Draws
from deep_faker.errors import Diagnostic, KeySpaceError
from deep_faker.plan import Array, arrow
from deep_faker.plan.conversion import convert, fixed_strings
from deep_faker.values import Place, make


class EntityKeys:
    """The keys of one entity type by entity number, kept as one Arrow array that grows.

    Taking from it costs a third of computing the permutation again. The permutation is that of the
    source event's field: there, entities count from its lower end and events that save nothing from
    its upper, so that the two never give the same value.
    """

    def __init__(
        self,
        entity: str,
        spec: FieldSpec | None,
        generator: GeneratorSpec,
        draws: Draws,
        start_micros: int,
        event: str | None = None,
    ) -> None:
        self.entity = entity
        self._spec = spec
        self._draws = draws
        purpose = ("key", entity) if spec is None or event is None else ("field", event, spec.name)
        span = spec.span if spec is not None else None
        self._provider = make(generator, Place(draws, purpose, start_micros, span))
        self._lock = threading.Lock()
        self._known: pa.Array = self._compute(0, 0)
        self._measured = self._words = 0

    def _compute(self, first: int, end: int) -> pa.Array:
        self.check(end)
        number = np.arange(first, end, dtype=np.uint64)
        counter = number * np.uint64(self._draws.partitions) + np.uint64(self._draws.partition)
        keys = self._provider.unique(counter)
        return keys if self._spec is None else convert(keys, self._provider.kind, self._spec)

    def check(self, count: int) -> None:
        """Raise `KeySpaceError` where ``count`` entities have no keys enough."""
        space = self._provider.capacity
        if space is not None and count * self._draws.partitions > space:
            span = self._spec.span if self._spec is not None else None
            name = self._spec.name if self._spec is not None else "key"
            raise KeySpaceError(
                Diagnostic(
                    f"too few keys for {self.entity}",
                    span,
                    f"{name!r} has {space:,} different values, and {count:,} are needed",
                    "give the key's generator more room: a longer pattern, length or range",
                )
            )

    def upto(self, count: int) -> pa.Array:
        """The keys of entities 0 … count-1 (at least)."""
        with self._lock:
            have = len(self._known)
            if have < count:
                want = max(count, min(2 * have, have + 1_000_000), 1024)
                space = self._provider.capacity
                if space is not None:  # growing ahead must not ask for more keys than there are
                    want = max(count, min(want, space // self._draws.partitions))
                self._known = pa.concat_arrays([self._known, self._compute(have, want)])
            return self._known

    def of(self, number: Array) -> pa.Array:
        """The keys of these entities."""
        known = self.upto(int(number.max()) + 1 if len(number) else 0)
        words = self._words if len(known) == self._measured else self._measure(known)
        gather = loops.loop("gather_texts")
        if gather is None or not words:
            return known.take(arrow.numbers(number))
        number = np.ascontiguousarray(number)
        out = np.empty((len(number), 4 * words), np.uint8)
        data = known.buffers()[2].address + 4 * words * known.offset
        gather(out.ctypes.data, data, words, number.ctypes.data, len(number))
        return fixed_strings(out)

    def coded(self, number: Array) -> pa.DictionaryArray:
        """The keys of these entities as numbers, with all keys that there are (text only)."""
        known = self.upto(int(number.max()) + 1 if len(number) else 0)
        return pa.DictionaryArray.from_arrays(arrow.numbers(number.astype(np.int32)), known, safe=False)

    def _measure(self, known: pa.Array) -> int:
        """How many times four bytes each key has; 0 where they differ, or are no texts."""
        self._measured, self._words = len(known), 0
        if pa.types.is_string(known.type) and len(known) and not known.null_count:
            ends = np.frombuffer(known.buffers()[1], np.int32)[known.offset : known.offset + len(known) + 1]
            width = int(ends[1] - ends[0])
            if width and width % 4 == 0 and (np.diff(ends) == width).all():
                self._words = width // 4
        return self._words


class SessionIds:
    """``sys__sid`` of flows. A chunk has ten events of a session, whose numbers lie near each other.

    So the ids of all flows between the first and the last of a chunk are made once, where they are fewer.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._low = 0
        self._near: Array = np.empty(0, np.uint64)  # ids of 8 characters, as words

    def expect(self, flows: Sequence[Array]) -> None:
        """These, all not empty, are the flows that will be asked for next."""
        low, high = min(int(some.min()) for some in flows), max(int(some.max()) for some in flows)
        self._low = low
        many = sum(len(some) for some in flows) < 2 * (high - low)
        numbers = np.arange(low, low if many else high + 1, dtype=np.uint64)
        self._near = self._made(numbers).view(np.uint64).reshape(-1)

    def of(self, flow: Array) -> pa.Array:
        """The ids of flows. Raises `KeySpaceError` where there are more than there are ids."""
        place = flow.astype(np.uint64, copy=False) - np.uint64(self._low)
        if not len(place) or int(place.max()) >= len(self._near):
            return fixed_strings(self._made(flow))
        return fixed_strings(np.take(self._near, place.view(np.int64)).view(np.uint8).reshape(-1, 8))

    def _made(self, flow: Array) -> Array:
        counter = flow_counter(self._draws.partition, self._draws.partitions, flow)
        if len(counter) and int(counter.max()) >= capacity(8):
            raise KeySpaceError("more flows than session ids of 8 characters: make the run shorter")
        return scramble(self._draws.id_key("sid"), counter, 8)


class StoredKeys:
    """The keys of one entity type that the engine chose: Python objects, known as far as traces have come.

    >>> keys = StoredKeys()
    >>> keys.add(0, np.array(["a", "b"], object))
    >>> keys.add(1, np.array(["b", "c"], object))
    >>> keys.of(np.array([2, 0])).tolist()
    ['c', 'a']
    """

    def __init__(self) -> None:
        self._keys: Array = np.empty(0, object)
        self._count = 0

    def add(self, first: int, keys: Array) -> None:
        """The keys from number ``first`` on, none of which is left out between; those known already stay."""
        end = first + len(keys)
        if first > self._count:
            raise ValueError(f"keys from {first} on, and none from {self._count} on")
        if end <= self._count:
            return
        if end > len(self._keys):
            grown = np.empty(max(end, 2 * len(self._keys), 1024), object)
            grown[: self._count] = self._keys[: self._count]
            self._keys = grown
        self._keys[self._count : end] = keys[self._count - first :]
        self._count = end

    def of(self, number: Array) -> Array:
        """The keys of entities, as an object array."""
        return self._keys[: self._count][number]
