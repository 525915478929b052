"""The decisions of one place of a flow, as the numpy engine logs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from deep_faker.plan import Array, DecisionRows
from deep_faker.simulate.arrays import joined


@dataclass
class DecisionLog:
    """The decisions of one place of a flow: batches of (turn, flow, clock, chance, taken)."""

    kind: str
    table: int
    line: int
    options: tuple[str, ...] | None
    chances: tuple[float, ...] | None
    batches: list[tuple[Array, ...]] = field(default_factory=list)

    def keep(self, first: int, after: int) -> None:
        """Those of flows before ``first`` and before the instant ``after`` only: the others have not been."""
        kept = [(batch, (batch[1] < first) & (batch[2] < after)) for batch in self.batches]
        self.batches[:] = [tuple(column[rows] for column in batch) for batch, rows in kept if rows.any()]

    def take(self) -> DecisionRows | None:
        """All since the last call."""
        if not self.batches:
            return None
        columns = [joined(parts) for parts in zip(*self.batches, strict=True)]
        self.batches.clear()  # the same list: generated code holds on to it
        return DecisionRows(self.kind, self.table, self.line, self.options, self.chances, *columns)
