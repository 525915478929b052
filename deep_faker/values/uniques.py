"""``unique=True``: a keyed permutation of a field's values, so that none comes twice and none is remembered.

Keys count up from 0 by the entity's number.  Values of events are counted by the events' ranks where nothing
needs them before the events are in order; else down from the top by flow and action, so that keys and events
never meet: these numbers have gaps, so the space must be wide.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws import ids
from deep_faker.draws.ids import CounterOverflowError
from deep_faker.draws.mix import U64, permute, permute1
from deep_faker.errors import DeclarationError, Diagnostic, KeySpaceError
from deep_faker.values.base import Place, Provider, Rows, Values, plain
from deep_faker.values.choices import Elements
from deep_faker.values.families.distributions import Counting, FrameRows
from deep_faker.values.families.ids import ShortUuid, Uuid4
from deep_faker.values.families.unique_forms import separate
from deep_faker.values.library.pools import Pool

_LARGEST = 1 << 62


class Unique(Values):
    """The values of a provider that can be counted, each at most once.

    >>> from deep_faker.draws.mix import Draws
    >>> from deep_faker.values.numbers import IntRange
    >>> place = Place(Draws(7), ("digit",), 0)
    >>> Unique(place, IntRange(place, 0, 10)).detail
    'unique, of 10'
    """

    def __init__(self, place: Place, inner: Provider) -> None:
        super().__init__(place)
        assert inner.capacity is not None, "only what can be counted"
        self._inner, self.kind = inner, inner.kind
        self.capacity = min(inner.capacity, _LARGEST)
        self.detail = f"unique, of {self.capacity:,}"
        self._end = self.capacity - self.capacity // 2  # the lower half is for keys

    def column(self, rows: Rows) -> pa.Array:
        draws = self.place.draws
        if rows.rank is not None:
            counter = self.place.counter(rows.rank)
            if len(counter) and int(counter[-1]) >= (self.capacity or 0):
                raise self._full(f"it has {self.capacity:,} different values, and more events are made")
            return self.unique(counter)
        try:
            counter = ids.action_counter(draws.partition, draws.partitions, rows.flow, rows.action)
        except CounterOverflowError as error:
            raise self._full(str(error)) from None
        if len(counter):
            beyond = counter[counter >= np.uint64(self._end)]
            self._check(int(beyond.min() if len(beyond) else counter.max()))
        return self.unique(np.uint64((self.capacity or 1) - 1) - counter)

    def one(self, flow: int, action: int, clock: int) -> object:
        draws = self.place.draws
        try:
            counter = ids.action_counter1(draws.partition, draws.partitions, flow, action)
        except CounterOverflowError as error:
            raise self._full(str(error)) from None
        self._check(counter)
        return self.unique_one((self.capacity or 1) - 1 - counter)

    def unique(self, counter: U64) -> pa.Array:
        return self._inner.unique(counter)

    def unique_one(self, counter: int) -> object:
        return self._inner.unique_one(counter)

    def _check(self, counter: int) -> None:
        if counter >= self._end:
            flow = counter // ids.action_counter1(0, 1, 1, 1)
            raise self._full(f"it has {self.capacity:,} different values, too few from flow {flow:,} on")

    def _full(self, label: str) -> KeySpaceError:
        mend = (
            "widen it (a longer text, a larger range); what a flow or a state field reads is counted with "
            "gaps, keys and other fields without"
        )
        return KeySpaceError(
            Diagnostic(f"no unique values left for {self.place.name}", self.place.span, label, mend)
        )


class Shuffled(Values):
    """Different values in a random order, by their number.

    >>> from deep_faker.draws.mix import Draws
    >>> colours = Shuffled(Place(Draws(7), ("colour",), 0), pa.array(["red", "blue"]), "str")
    >>> sorted(colours.unique_one(number) for number in range(2))
    ['blue', 'red']
    """

    def __init__(self, place: Place, values: pa.Array, kind: str) -> None:
        super().__init__(place)
        self._arrow, self.kind, self.capacity = values, kind, len(values)

    def unique(self, counter: U64) -> pa.Array:
        if len(counter):
            self._check_space(int(counter.max()))
        index = permute(self._id_key, counter, len(self._arrow))
        return self._arrow.take(pa.array(index))

    def unique_one(self, counter: int) -> object:
        self._check_space(counter)
        return self._arrow[permute1(self._id_key, counter, len(self._arrow))].as_py()


class Numbered(Values):
    """Addresses and user names with a number at the end of the user's name, as sites give them out.

    No user's name ends in an underscore and a number, so different numbers make different texts.

    >>> from deep_faker.draws.mix import Draws
    >>> place = Place(Draws(7), ("user",), 0)
    >>> users = Numbered(place, Elements(place, ["ann@example.org"]))
    >>> users.unique(np.arange(2, dtype=np.uint64)).to_pylist()
    ['ann_k0@example.org', 'ann_k1@example.org']
    """

    detail = "unique by a number at the end"
    capacity: int | None = _LARGEST

    def __init__(self, place: Place, inner: Provider) -> None:
        super().__init__(place)
        self._inner = inner
        if inner.detail:
            self.detail = f"{inner.detail}, {self.detail}"

    def column(self, rows: Rows) -> pa.Array:
        draws = self.place.draws
        if rows.rank is not None:
            return _with_numbers(self._inner.column(rows), self.place.counter(rows.rank), "_")
        counter = ids.action_counter(draws.partition, draws.partitions, rows.flow, rows.action)
        return _with_numbers(self._inner.column(rows), counter, "_")

    def unique(self, counter: U64) -> pa.Array:
        """Keys have a letter before their number: other events never have the same."""
        rows = Rows(counter, np.zeros(len(counter), np.uint64), np.zeros(len(counter), np.int64))
        return _with_numbers(self._inner.column(rows), counter, "_k")


def _with_numbers(texts: pa.Array, numbers: U64, before: str) -> pa.Array:
    texts = plain(texts)
    digits = pa.array(numbers.astype(np.int64)).cast(pa.string())
    users = pc.replace_substring_regex(texts, "@.*$", "")
    rest = pc.replace_substring_regex(texts, "^[^@]*", "")
    return pc.binary_join_element_wise(users, before, digits, rest, "")


def _has_user(spec: GeneratorSpec) -> bool:
    return "email" in spec.name or spec.name in ("user_name", "person.username")


def unique_of(place: Place, spec: GeneratorSpec, inner: Provider) -> Provider:
    """``inner`` with no value twice. Raises `DeclarationError` where its values cannot be counted."""
    if isinstance(inner, (Uuid4, Counting, Unique)) or (isinstance(inner, ShortUuid) and inner.detail):
        return inner
    if isinstance(inner, FrameRows):
        return Unique(place, Shuffled(place, inner.distinct, inner.kind))
    if not isinstance(inner, Pool):
        if inner.capacity is not None:
            return Unique(place, inner)
        table = _table(inner)
        if table is not None:
            return Unique(place, Shuffled(place, table, inner.kind))
        split = separate(place, inner)
        if split is not None:
            return Unique(place, split)
        if _has_user(spec) and inner.kind == "str":
            return Numbered(place, inner)
    raise DeclarationError(
        Diagnostic(
            "values that cannot be made unique",
            place.span,
            f"it is not known how many different values {spec} has",
            "unique=True takes emails and user names, numbers of a range, patterns (numerify, bothify), ids, "
            'tables of values, and what hangs on another field: of="…"',
        )
    )


def _table(inner: Provider) -> pa.Array | None:
    """The different values of one table, where the provider draws from one."""
    if isinstance(inner, Elements):
        return inner.distinct
    none = np.empty(0, np.uint64)
    array = inner.column(Rows(none, none, none.astype(np.int64)))
    return array.dictionary.unique() if isinstance(array, pa.DictionaryArray) else None
