"""What a provider is: values of one field as a pure function of which rows are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import I64, U64, Draws, mix, mix1
from deep_faker.errors import Diagnostic, KeySpaceError
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.spans import Span


@dataclass(frozen=True)
class Rows:
    """Which values are wanted: parallel arrays of flow number, action number and clock (µs, UTC).

    >>> len(Rows.of(3, 1))
    1

    The same row always has the same value, whatever rows stand beside it.  To draw a value again
    (an explicit key that was taken, say) ask for the row with ``action + (attempt << 40)``.

    ``rank`` is the row's number among the events of its type in the order of the stream, where that is
    known: unique values then are counted without gaps.
    """

    flow: U64
    action: U64
    clock: I64
    rank: U64 | None = None

    def __len__(self) -> int:
        return len(self.flow)

    def take(self, positions: I64) -> Rows:
        """Some of the rows, without their ranks."""
        return Rows(self.flow[positions], self.action[positions], self.clock[positions])

    @classmethod
    def of(cls, flow: int, action: int, clock: int = 0) -> Rows:
        """One row."""
        return cls(np.array([flow], np.uint64), np.array([action], np.uint64), np.array([clock], np.int64))


@dataclass(frozen=True)
class Drawn:
    """What the steps of a recipe give: a value of the provider's kind, or its place among ``values``.

    As numbers: µs of a datetime, days of a date. ``values`` are an array as `Provider.column` gives them.
    """

    word: Word
    values: pa.Array | None = None


class Provider(Protocol):
    """Makes the values of one field.  Holds no state that changes: safe in any thread.

    ``kind`` is the natural kind of the values, as the kinds of a schema.  ``how`` is "column", "pool"
    or "row"; ``detail`` says more, such as "pool of 1,000 distinct values".  ``capacity`` is the number
    of different keys, None where keys are not a permutation.
    """

    kind: str
    how: str
    detail: str
    capacity: int | None

    def column(self, rows: Rows) -> pa.Array: ...
    def column_objects(self, rows: Rows) -> list[object]: ...
    def one(self, flow: int, action: int, clock: int) -> object: ...
    def unique(self, counter: U64) -> pa.Array: ...
    def unique_one(self, counter: int) -> object: ...
    def recipe(self, steps: Steps) -> Drawn | None: ...


@dataclass(frozen=True)
class Place:
    """Where a provider works: its draws, what they are for, when "now" is, and the user's line.

    >>> order = Place(Draws(7), ("field", "Order", "city"), 0)
    >>> order.name, order.part("street").name, order.key() == order.part("street").key()
    ('Order.city', 'Order.city.street', False)
    """

    draws: Draws
    purpose: tuple[str, ...]
    start_micros: int
    span: Span | None = None

    def key(self, *part: str | int) -> int:
        """The key of draw number ``part`` of a value (none: the first)."""
        return self.draws.key(*self.purpose, *part)

    def part(self, *name: str) -> Place:
        """A place within this one, with draws of its own."""
        return Place(self.draws, (*self.purpose, *name), self.start_micros, self.span)

    def counter(self, rank: U64) -> U64:
        """One counter for each rank, different in all partitions."""
        return rank * np.uint64(self.draws.partitions) + np.uint64(self.draws.partition)

    def id_key(self) -> int:
        """The key of unique values, the same in all partitions."""
        return self.draws.id_key(*self.purpose)

    @property
    def name(self) -> str:
        """The field, as messages call it."""
        return ".".join(str(part) for part in self.purpose if part != "field")


class Values:
    """Base of the providers: the parts that follow from `column`."""

    kind = "str"
    how = "column"
    detail = ""
    capacity: int | None = None

    def __init_subclass__(cls) -> None:
        # a recipe says how a column is made: whoever makes another column has not the same recipe
        if "column" in vars(cls) and "recipe" not in vars(cls):
            cls.recipe = Values.recipe  # type: ignore[method-assign]  # as if it were written there

    def __init__(self, place: Place) -> None:
        self.place = place
        self._key = place.key()
        self._id_key = place.id_key()

    def column(self, rows: Rows) -> pa.Array:
        """The values of ``rows`` as an Arrow array."""
        raise NotImplementedError

    def column_objects(self, rows: Rows) -> list[object]:
        """The values of ``rows`` as Python objects."""
        values: list[object] = self.column(rows).to_pylist()
        return values

    def one(self, flow: int, action: int, clock: int) -> object:
        """The value of one row as a Python object: equal to `column` of that row."""
        return self.column_objects(Rows.of(flow, action, clock))[0]

    def unique(self, counter: U64) -> pa.Array:
        """A different value for each counter below ``capacity``.

        Raises `KeySpaceError` where the counter is not below it.
        """
        raise TypeError(f"{self.place.name}: these values are not a permutation")

    def unique_one(self, counter: int) -> object:
        """The twin of `unique`."""
        return self.unique(np.array([counter], np.uint64))[0].as_py()

    def recipe(self, steps: Steps) -> Drawn | None:
        """The steps that make the value of one row; None where they are not few or not exactly known.

        Raises `NoRecipeError` for the same.
        """
        del steps
        return None

    def _draw(self, rows: Rows, key: int | None = None) -> U64:
        return mix(self._key if key is None else key, rows.flow, rows.action)

    def _draw1(self, flow: int, action: int, key: int | None = None) -> int:
        return mix1(self._key if key is None else key, flow, action)

    def _check_space(self, highest: int) -> None:
        if self.capacity is not None and highest >= self.capacity:
            raise KeySpaceError(
                Diagnostic(
                    f"no keys left for {self.place.name}",
                    self.place.span,
                    f"its generator has {self.capacity:,} different values; key {highest + 1:,} is asked for",
                    "widen the generator (a longer text, a wider range) or make fewer entities",
                )
            )


def pick(values: pa.Array, indices: npt.NDArray[np.integer]) -> pa.DictionaryArray:
    """Indices into ``values`` as a dictionary array, int32.

    >>> pick(pa.array(["no", "yes"]), np.array([1, 0, 1])).to_pylist()
    ['yes', 'no', 'yes']
    """
    codes = arrow.numbers(indices.astype(np.int32, copy=False))
    return pa.DictionaryArray.from_arrays(codes, values, safe=False)


def plain(array: pa.Array) -> pa.Array:
    """The values themselves, of a dictionary array written out.

    >>> plain(pa.array(["no", "yes"]).dictionary_encode()).to_pylist()
    ['no', 'yes']
    """
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def fixed_width_strings(characters: npt.NDArray[np.uint8]) -> pa.StringArray:
    """Rows of characters, shape (n, width), as an Arrow string array without a copy.

    >>> fixed_width_strings(np.frombuffer(b"onetwo", np.uint8).reshape(2, 3)).to_pylist()
    ['one', 'two']
    """
    n, width = characters.shape
    if n * width >= 2**31:
        raise ValueError(f"{n} texts of {width} bytes are too many for one Arrow array: ask for fewer rows")
    return arrow.fixed_texts(characters)


Arguments = Mapping[str, object]
