"""How flows start of themselves: `Rate`, whoever is active; `Every`, for each entity; `On`, by events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deep_faker.draws.curves import Curve
from deep_faker.plan.types import Array, Type


@dataclass(frozen=True, slots=True)
class Burst:
    """What arrivals lead to: each to Poisson(``branching``) others, after a time (T16); see `Every`."""

    branching: float
    kind: str
    params: tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Rate:
    """A flow's arrivals: a Poisson process of ``per_second`` times what the ``curve`` says (T11).

    ``text`` and ``season`` are what its author wrote; ``burst``: what each arrival leads to.

    >>> import numpy as np
    >>> Rate(0.5, Curve(np.array([0, 4_000_000]), np.array([1.0, 3.0])), "0.5/s").expected(0, 6_000_000)
    5.0
    """

    per_second: float
    curve: Curve
    text: str
    season: str = ""
    burst: Burst | None = None

    def shared(self, parts: int) -> Rate:
        """The rate in each of so many parts of a world, whose arrivals hang on nothing in the others."""
        return replace(self, per_second=self.per_second / parts)

    def expected(self, begin: int, end: int) -> float:
        """How many arrivals there are from ``begin`` to ``end`` (µs) on average, with those of bursts."""
        return self.per_second * self.curve.area(begin, end) / 1e6 * self.cluster

    @property
    def cluster(self) -> float:
        """How many arrivals come of one on average, itself included."""
        return 1.0 if self.burst is None else 1 / (1 - self.burst.branching)

    def __str__(self) -> str:
        return self.text + (f" × {self.season}" if self.season else "")


@dataclass(frozen=True, slots=True)
class Every:
    """A renewal process for each entity of a type: independent gaps of one kind, from its birth on (T13).

    ``kind`` and ``params`` are those of `deep_faker.draws.to_micros`, in seconds; ``typical`` is a gap in the
    middle, in seconds; ``text`` is what its author wrote. With a ``curve`` gaps are measured by clocks that
    go so much faster.
    """

    entity: str
    kind: str
    params: tuple[Any, ...]
    typical: float
    text: str
    curve: Curve | None = None  # how fast its clocks go
    season: str = ""

    def __str__(self) -> str:
        return f"{self.text}{f' × {self.season}' if self.season else ''} of each {self.entity}"


@dataclass(frozen=True, slots=True)
class On:
    """A flow that each event of a type starts, after a time of one kind (T14).

    ``entities`` are the types of the flow's filters, in their order: it starts with those that the flow that
    emitted the event had then. ``kind``, ``params`` and ``text`` as in `Every`. ``fields`` are those of the
    event that the flow looks at, and their types: numbers, times and truth.
    """

    event: str
    entities: tuple[str, ...]
    kind: str
    params: tuple[Any, ...]
    text: str
    fields: tuple[tuple[str, Type], ...] = ()

    @property
    def width(self) -> int:
        """How many words an arrival has of it: numbers of entities, values and masks of fields."""
        return len(self.entities) + sum(1 + type_.optional for _, type_ in self.fields)

    def __str__(self) -> str:
        return f"after each {self.event}, {self.text}"

    def words(self, values: Sequence[tuple[Array, Array | None]]) -> list[Array]:
        """Columns of the fields, as storage has them, as 64-bit words."""
        out = []
        for (column, nulls), (_, type_) in zip(values, self.fields, strict=True):
            if type_.kind == "float":
                out.append(np.ascontiguousarray(column, np.float64).view(np.int64))
            else:
                out.append(column.astype(np.int64))
            if type_.optional:
                out.append(np.zeros(len(column), np.int64) if nulls is None else nulls.astype(np.int64))
        return out

    def values(self, rows: Array) -> dict[str, tuple[Array, Array | None]]:
        """The columns of the fields, by name, of arrivals whose words are the rows of a table."""
        out: dict[str, tuple[Array, Array | None]] = {}
        place = len(self.entities)
        for name, type_ in self.fields:
            words = np.ascontiguousarray(rows[:, place])
            column = words.view(np.float64) if type_.kind == "float" else words
            column = words != 0 if type_.kind == "bool" else column
            out[name] = column, rows[:, place + 1] != 0 if type_.optional else None
            place += 1 + type_.optional
        return out


@dataclass(frozen=True, eq=False, slots=True)
class StateRate:
    """For each entity of a type a Poisson process, at the rate that follows from its state (T15).

    ``function`` gives the rates a second of columns of state (`deep_faker.declare.state_rates`), of which it
    reads ``fields``; none is above ``most``. ``curve`` and ``season`` as in `Rate`; ``text`` is its source.
    """

    entity: str
    function: Callable[[Any], object]
    fields: tuple[str, ...]
    curve: Curve
    most: float
    text: str
    season: str = ""

    def __str__(self) -> str:
        return (
            f"{self.text}"
            + (f" × {self.season}" if self.season else "")
            + f", a second, for each {self.entity}"
        )
