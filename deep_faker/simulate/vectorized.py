"""The best engine that there is: native as soon as its kernel has been compiled, by numpy until then."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, RawTrace, Site
from deep_faker.simulate.columns.engine import ColumnEngine
from deep_faker.simulate.engine import Counts, Engine, Entities
from deep_faker.simulate.native.engine import NativeEngine
from deep_faker.simulate.native.lower.writer import NotLowerableError
from deep_faker.simulate.native.machine.takeover import Takeover

_SHORT = 4096  # events of a trace while the kernel may come: it is looked for between two


class VectorizedEngine:
    """Begins at once, and goes over to the native engine at the end of a step; the rows are the same."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws, takeover: Takeover) -> None:
        self._made = plan, draws, fields
        self._takeover = takeover
        self._base = ColumnEngine(plan, draws, fields)
        self._engine: Engine = self._base
        self._most_rows = sys.maxsize
        self._step: int | None = None  # from which on the native engine ran

    @property
    def most_rows(self) -> int:
        """See `Engine.most_rows`."""
        return self._most_rows

    @most_rows.setter
    def most_rows(self, rows: int) -> None:
        self._most_rows = rows
        self._engine.most_rows = min(rows, _SHORT) if self._takeover.waiting else rows

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        return "numpy" if self._step is None else f"numpy, then native from step {self._step}"

    @property
    def sites(self) -> Sequence[Site]:
        """See `Engine.sites`."""
        return self._engine.sites

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        return self._engine.counts

    def run(self, stop_before_step: int | None = None) -> Iterator[RawTrace]:
        """See `Engine.run`."""
        going = self._engine.run(stop_before_step)
        while True:
            trace = next(going, None)
            if trace is None:
                return
            yield trace
            if self._takeover.waiting and self._takeover.poll() is not None and self._went_over():
                going = self._engine.run(stop_before_step)

    def _went_over(self) -> bool:
        """Go over to the native engine, unless it turns out that the plan has no native form."""
        kernel = self._takeover.kernel
        assert kernel is not None
        try:
            native = NativeEngine(*self._made, kernel.functions)
        except NotLowerableError:
            self.most_rows = self._most_rows
            return False
        native.take_over(self._base.hand_over())
        self._engine = native
        self._step = self._base.world.step + 1
        self.most_rows = self._most_rows
        return True

    def save(self) -> dict[str, Array]:
        """See `Engine.save`."""
        return self._engine.save()

    def load(self, arrays: Mapping[str, Array]) -> None:
        """See `Engine.load`."""
        self._engine.load(arrays)

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        return self._engine.entities(entity)

    def column(self, entity: str, field: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        return self._engine.column(entity, field, rows)
