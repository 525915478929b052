"""The events of one type in a chunk, as rules of defects look at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from deep_faker.draws.mix import U64, derive
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.fill.arrival import instants

if TYPE_CHECKING:
    from deep_faker.plan import Array

Mask = npt.NDArray[np.bool_]


@dataclass
class Batch:
    """``table`` is clean, in T9 order, of plain columns; the rest are arrays of one item an event.

    ``columns`` are what becomes of the table's; ``available`` what becomes of the arrival (µs).
    """

    event: str
    table: pa.Table
    flow: Array
    action: Array
    time: Array
    order: Array
    available: Array
    columns: dict[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.flow)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The clean events, with their instant."""
        table = self.table.append_column("sys__time", instants(self.time))
        return pl.DataFrame(pl.from_arrow(table))

    def evaluated(self, expression: Any, dtype: Any, rule: object) -> npt.NDArray[Any]:
        """A value for each event; null is 0 or False. Raises `SettingsError` where it cannot be had."""
        try:
            made = self.frame.with_columns(_value=expression)["_value"]
        except pl.exceptions.PolarsError as error:
            raise _wrong(rule, f"{self.event}: {str(error).splitlines()[0]}") from error
        if dtype == pl.Boolean and made.dtype != pl.Boolean:
            raise _wrong(rule, f"where= is of {made.dtype}")
        try:
            out: npt.NDArray[Any] = made.cast(dtype).fill_null(value=False).to_numpy()
        except pl.exceptions.PolarsError as error:
            raise _wrong(rule, f"chance= is of {made.dtype}") from error
        return out

    def column(self, name: str) -> pa.Array:
        """A field as it has become."""
        if name not in self.columns:
            self.columns[name] = one_array(self.table[name])
        return self.columns[name]

    def clean(self, name: str) -> pa.Array:
        """A field as it was."""
        return one_array(self.table[name])


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


class SourceNumbers:
    """A number for each source, such as a device's key: the same in every process and part."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, column: pa.Array) -> tuple[U64, Mask]:
        """Each row's number, and which rows have none, as their source is null."""
        coded = column.dictionary_encode()
        values = [self._number(value) for value in coded.dictionary.to_pylist()]
        places = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        numbers = np.array([*values, 0], np.uint64)
        return numbers[places], np.asarray(column.is_null().to_numpy(zero_copy_only=False))

    def _number(self, value: object) -> int:
        text = repr(value)
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = derive(0, text)
        return number


def _wrong(rule: object, label: str) -> SettingsError:
    mend = "give expressions over one event: a condition for where=, a number for chance="
    return SettingsError(Diagnostic("wrong defects", None, f"{rule!r}: {label}", mend))
