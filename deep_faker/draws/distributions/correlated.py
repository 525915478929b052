"""`Correlated`: numbers that go together, each of its own distribution: a Gaussian copula."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deep_faker.draws.distributions.family import check_number, refused
from deep_faker.draws.distributions.margins import margin_of
from deep_faker.errors import near

_MEND = "write Correlated({…}, correlation=[[1, 0.6], [0.6, 1]])"


@dataclass(frozen=True, init=False, repr=False)
class Correlated:
    """Several traits (or fields of one event) whose normal scores have these correlations.

    Each keeps its own distribution; what is correlated is who has much of what. ``both["income"]`` is what
    ``StateField(draw=…)`` and ``Field(dist=…)`` take. The ranks of two have the correlation (Spearman's)
    ``6 / π * asin(ρ / 2)``. Values of all but `Normal`, `Poisson` and `Zipf` come of tables: within 1e-4 of
    themselves.

    Raises `DeclarationError` for a distribution that is none of numbers, a `Mixture` or a `Truncated` one,
    and for a matrix that is no correlation: of another size, not symmetric, not positive definite.

    >>> from deep_faker import Gamma, LogNormal
    >>> both = Correlated({"income": LogNormal(10, 0.5), "activity": Gamma(2, 0.5)}, [[1, 0.6], [0.6, 1]])
    >>> both["activity"]
    Correlated(income, activity)['activity']
    """

    names: tuple[str, ...]
    parts: tuple[Any, ...]
    rows: tuple[tuple[float, ...], ...]  # of the Cholesky factor

    def __init__(self, parts: Mapping[str, Any], correlation: Sequence[Sequence[float]]) -> None:
        given: object = parts
        if not isinstance(given, Mapping) or len(given) < 2 or not all(isinstance(n, str) for n in given):
            raise refused("Correlated", f"got {given!r}", "name two distributions or more")
        for name, part in parts.items():
            if margin_of(part) is None:
                mend = "give one of numbers, but no Mixture and nothing truncated: Gamma(2, 0.5)"
                raise refused("Correlated", f"{name}: {part!r} has no place in it", mend)
        object.__setattr__(self, "names", tuple(parts))
        object.__setattr__(self, "parts", tuple(parts.values()))
        object.__setattr__(self, "rows", _factor(_checked(correlation, len(parts))))

    def __getitem__(self, name: str) -> CorrelatedPart:
        if name not in self.names:
            raise refused("Correlated", f"there is no {name!r}", near(str(name), self.names))
        return CorrelatedPart(self, self.names.index(name))

    def __repr__(self) -> str:
        return f"Correlated({', '.join(self.names)})"


@dataclass(frozen=True, repr=False)
class CorrelatedPart:
    """One of the numbers of a `Correlated`; ``owner`` tells apart what several entities draw of it."""

    of: Correlated
    number: int
    owner: str = ""

    @property
    def shared(self) -> str:
        """What all parts have in common, among whatever is drawn beside them."""
        return f"{self.owner}{'+'.join(self.of.names)}"

    def __repr__(self) -> str:
        return f"{self.of!r}[{self.of.names[self.number]!r}]"


def _checked(matrix: Sequence[Sequence[float]], size: int) -> list[list[float]]:
    try:
        rows = [list(row) for row in matrix]
    except TypeError:
        raise refused("Correlated", f"correlation={matrix!r}", _MEND) from None
    if len(rows) != size or any(len(row) != size for row in rows):
        raise refused("Correlated", f"correlation= is not {size} by {size}", _MEND)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            check_number("Correlated", f"correlation[{i}][{j}]", value, -1, 1)
            if (i == j and value != 1) or value != rows[j][i]:
                label = f"correlation[{i}][{j}]={value!r}"
                raise refused("Correlated", label, "it is 1 on the diagonal, and symmetric")
    return [[float(value) for value in row] for row in rows]


def _factor(matrix: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    """The lower triangle whose product with itself, transposed, is the matrix (Cholesky)."""
    rows: list[tuple[float, ...]] = []
    for i, wanted in enumerate(matrix):
        row: list[float] = []
        for j in range(i + 1):
            known = sum(row[k] * (rows[j][k] if j < i else row[k]) for k in range(j))
            if j < i:
                row.append((wanted[j] - known) / rows[j][j])
            elif 1.0 - known > 1e-12:
                row.append(math.sqrt(1.0 - known))
            else:
                label = f"no numbers have these correlations (row {i})"
                raise refused("Correlated", label, "let them agree with each other: nearer to 0")
        rows.append(tuple(row))
    return tuple(rows)
