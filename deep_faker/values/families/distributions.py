"""Values of distributions: numbers, choices, running numbers, rows of the user's own data.

No library makes them, so there is no pool: a variate is computed from its draw, exactly the same one in
flows that read it early, and running numbers and keys from a frame are counted, each once.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.distributions.correlated import CorrelatedPart
from deep_faker.draws.distributions.declared import (
    Choice,
    Distribution,
    FromFrame,
    LogNormal,
    Sequence,
    kind_and_parameters,
)
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.distributions.segments import PerSegment
from deep_faker.draws.distributions.variates import variate1, variates
from deep_faker.draws.exact import F64
from deep_faker.draws.ids import action_counter, action_counter1
from deep_faker.draws.mix import I64, U64, below, unit
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.expressions.runtime import round_to
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps
from deep_faker.values.base import Drawn, Place, Rows, Values
from deep_faker.values.choices import Elements
from deep_faker.values.families.traits import Correlate, Grouped

_HIGHEST = 2**63 - 1
_FARTHEST = 8.3  # standard deviations that a normal variate of one draw can lie from its mean
_LARGEST_LOG = 709.0
_MOST_CODED = 10_000
_KINDS = {
    "bool": pa.types.is_boolean,
    "int": pa.types.is_integer,
    "float": lambda type_: pa.types.is_floating(type_) or pa.types.is_decimal(type_),
    "str": lambda type_: pa.types.is_string(type_) or pa.types.is_large_string(type_),
    "datetime": pa.types.is_timestamp,
    "date": pa.types.is_date,
    "time": pa.types.is_time,
    "timedelta": pa.types.is_duration,
}
_TYPES = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timedelta": pa.duration("us"),
}


class Numbers(Values):
    """Floats (or counts) of a distribution, rounded as Python's ``round`` does.

    >>> from deep_faker.draws.mix import Draws
    >>> Numbers(Place(Draws(7), ("size",), 0), "uniform", (2.0, 2.0), 1).one(3, 1, 0)
    2.0
    """

    def __init__(self, place: Place, family: str, params: tuple[float, ...], digits: int | None) -> None:
        super().__init__(place)
        self._family, self._params, self._digits = family, params, digits
        counts = variates(family, params, np.zeros(1, np.uint64)).dtype.kind == "i"
        self.kind = "int" if counts else "float"
        if counts:
            self._digits = None

    def column(self, rows: Rows) -> pa.Array:
        values = variates(self._family, self._params, self._draw(rows))
        return arrow.numbers(values if self._digits is None else round_to(values, self._digits))

    def one(self, flow: int, action: int, clock: int) -> float:
        value: float = variate1(self._family, self._params, self._draw1(flow, action))
        return value if self._digits is None else round(value, self._digits)

    def recipe(self, steps: Steps) -> Drawn | None:
        write = FAMILIES[self._family].recipe
        if write is None:
            return None
        word = write(steps.mix(self._key), *self._params)
        if word is None:
            return None
        return Drawn(word if self._digits is None else word.rounded(self._digits))


class Counting(Values):
    """A running number of entities (see `unique`), of events by rank, or of (flow, action), with gaps.

    >>> from deep_faker.draws.mix import Draws
    >>> Counting(Place(Draws(7), ("number",), 0), 1000, 1).unique_one(2)
    1002
    """

    kind = "int"
    detail = "unique"

    def __init__(self, place: Place, start: int, step: int) -> None:
        super().__init__(place)
        self._start, self._step = start, step
        self.capacity = (_HIGHEST - abs(start)) // abs(step)

    def column(self, rows: Rows) -> pa.Array:
        draws = self.place.draws
        if rows.rank is not None:
            return self.unique(self.place.counter(rows.rank))
        return self.unique(action_counter(draws.partition, draws.partitions, rows.flow, rows.action))

    def one(self, flow: int, action: int, clock: int) -> int:
        draws = self.place.draws
        return self.unique_one(action_counter1(draws.partition, draws.partitions, flow, action))

    def unique(self, counter: U64) -> pa.Array:
        if len(counter):
            self._check_space(int(counter.max()))
        return arrow.numbers(counter.astype(np.int64) * self._step + self._start)

    def unique_one(self, counter: int) -> int:
        self._check_space(counter)
        return counter * self._step + self._start


class FrameRows(Values):
    """The values of one column in rows drawn from a frame."""

    def __init__(self, place: Place, source: FromFrame) -> None:
        super().__init__(place)
        self._size = source.frame.height
        self._sums: F64 | None = None
        self._arrow, self.kind = _column(place, source)
        if source.weights is not None:
            self._sums = np.cumsum(source.frame[source.weights].cast(float).to_numpy())
        self.detail = f"rows of {source!r}"

    def column(self, rows: Rows) -> pa.Array:
        index = self._index(self._draw(rows))
        if isinstance(self._arrow, pa.DictionaryArray):
            codes = self._arrow.indices.take(arrow.numbers(index))
            return pa.DictionaryArray.from_arrays(codes, self._arrow.dictionary, safe=False)
        return self._arrow.take(arrow.numbers(index))

    def one(self, flow: int, action: int, clock: int) -> object:
        u = np.array([self._draw1(flow, action)], np.uint64)
        return self._arrow[int(self._index(u)[0])].as_py()

    def recipe(self, steps: Steps) -> Drawn:
        u = steps.mix(self._key)
        if self._sums is None:
            return Drawn(u.below(self._size), self._arrow)
        return Drawn((u.unit() * float(self._sums[-1])).cumulated(self._sums), self._arrow)

    @property
    def distinct(self) -> pa.Array:
        """The different values that can be drawn."""
        array = self._arrow
        if self._sums is not None:
            array = array.filter(pa.array(np.diff(self._sums, prepend=0.0) > 0))
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        return pc.drop_null(array).unique()

    def _index(self, u: U64) -> I64:
        if self._sums is None:
            even: I64 = below(u, self._size).view(np.int64)
            return even
        place = np.searchsorted(self._sums, unit(u) * self._sums[-1], side="right")
        index: I64 = np.minimum(place, self._size - 1).astype(np.int64)
        return index


def _column(place: Place, source: FromFrame) -> tuple[pa.Array, str]:
    array = source.frame[source.column].to_arrow()
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.DictionaryArray):
        array = array.cast(array.type.value_type)
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    kind = next((kind for kind, fits in _KINDS.items() if fits(array.type)), None)
    if kind is None:
        label = f"column {source.column!r} is of {source.frame[source.column].dtype}"
        mend = "give numbers, text, booleans, dates or times"
        raise DeclarationError(Diagnostic("no values for a field", place.span, label, mend))
    array = array.cast(_TYPES[kind], safe=kind != "float")
    if kind == "str":
        coded = array.dictionary_encode()
        # a large dictionary would be written again with every piece of a file
        array = coded if len(coded.dictionary) <= _MOST_CODED else array
    return array, kind


def _largest_log(distribution: LogNormal) -> float:
    return distribution.mu + _FARTHEST * distribution.sigma


def dist(
    place: Place,
    distribution: Distribution | Sequence | FromFrame | CorrelatedPart | PerSegment,
    digits: int | None,
) -> Values:
    """The values of ``Field(dist=…)``.

    >>> from deep_faker.draws.mix import Draws
    >>> numbers = dist(Place(Draws(7), ("number",), 0), Sequence(10, step=5), None)
    >>> [numbers.unique_one(counter) for counter in range(3)]
    [10, 15, 20]
    """
    if isinstance(distribution, Choice):
        try:
            return Elements(place, distribution.values, distribution.weights)
        except ValueError as error:
            raise DeclarationError(Diagnostic("wrong Choice", place.span, str(error))) from None
    if isinstance(distribution, CorrelatedPart):
        return Correlate(place, distribution, digits)
    if isinstance(distribution, PerSegment):
        group = Place(place.draws, (*place.purpose[:-1], distribution.field), place.start_micros, place.span)
        parts = [dist(place, part, digits) for part in distribution.parts]
        return Grouped(place, distribution.segments, group, parts)
    if isinstance(distribution, Sequence):
        return Counting(place, distribution.start, distribution.step)
    if isinstance(distribution, FromFrame):
        return FrameRows(place, distribution)
    if isinstance(distribution, LogNormal) and _largest_log(distribution) > _LARGEST_LOG:
        label = f"{distribution!r} gives values that no float holds"
        raise DeclarationError(Diagnostic("wrong LogNormal", place.span, label, "give a smaller mu or sigma"))
    kind, params = kind_and_parameters(distribution)
    return Numbers(place, kind, params, digits)
