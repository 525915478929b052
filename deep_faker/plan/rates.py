"""How flows start of themselves: `Rate`, whoever else is active; `Every`, for each entity; `On`, by events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from deep_faker.draws.curves import Curve


@dataclass(frozen=True, eq=False, slots=True)
class Rate:
    """A flow's arrivals: a Poisson process of ``per_second`` times what the ``curve`` says (T11).

    ``text`` and ``season`` are what its author wrote.

    >>> import numpy as np
    >>> Rate(0.5, Curve(np.array([0, 4_000_000]), np.array([1.0, 3.0])), "0.5/s").expected(0, 6_000_000)
    5.0
    """

    per_second: float
    curve: Curve
    text: str
    season: str = ""

    def shared(self, parts: int) -> Rate:
        """The rate in each of so many parts of a world, whose arrivals hang on nothing in the others."""
        return replace(self, per_second=self.per_second / parts)

    def expected(self, begin: int, end: int) -> float:
        """How many arrivals there are from ``begin`` to ``end`` (µs), on average."""
        return self.per_second * self.curve.area(begin, end) / 1e6

    def __str__(self) -> str:
        return self.text + (f" × {self.season}" if self.season else "")


@dataclass(frozen=True, slots=True)
class Every:
    """A renewal process for each entity of a type: independent gaps of one kind, from its birth on (T13).

    ``kind`` and ``params`` are those of `deep_faker.draws.to_micros`, in seconds; ``typical`` is a gap in the
    middle, in seconds; ``text`` is what its author wrote.
    """

    entity: str
    kind: str
    params: tuple[Any, ...]
    typical: float
    text: str

    def __str__(self) -> str:
        return f"{self.text} of each {self.entity}"


@dataclass(frozen=True, slots=True)
class On:
    """A flow that each event of a type starts, after a time of one kind (T14).

    ``entities`` are the types of the flow's filters, in their order: it starts with those that the flow that
    emitted the event had then. ``kind``, ``params`` and ``text`` as in `Every`.
    """

    event: str
    entities: tuple[str, ...]
    kind: str
    params: tuple[Any, ...]
    text: str

    def __str__(self) -> str:
        return f"after each {self.event}, {self.text}"
