"""`Rate`: how often a flow starts of itself, whoever else is active."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.curves import Curve


@dataclass(frozen=True, eq=False, slots=True)
class Rate:
    """A flow's arrivals: a Poisson process of ``per_second`` times what the ``curve`` says (T10).

    ``text`` and ``season`` are what its author wrote.

    >>> import numpy as np
    >>> Rate(0.5, Curve(np.array([0, 4_000_000]), np.array([1.0, 3.0])), "0.5/s").expected(0, 6_000_000)
    5.0
    """

    per_second: float
    curve: Curve
    text: str
    season: str = ""

    def expected(self, begin: int, end: int) -> float:
        """How many arrivals there are from ``begin`` to ``end`` (µs), on average."""
        return self.per_second * self.curve.area(begin, end) / 1e6

    def __str__(self) -> str:
        return self.text + (f" × {self.season}" if self.season else "")
