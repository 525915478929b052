"""Worlds that share a run's past and draw what comes anew: the run is saved at a step, and goes on n times.

What has been drawn by then stays as it is: state, who is busy, when a flow that waits will wake up. What has
not (starts, picks, chances, fields of events, the next gap of a clock) is drawn with keys of each future's
own. Nothing is written, and of events only the columns that are asked for are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from deep_faker.draws.mix import Draws
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.fill.binding import Binding
from deep_faker.fill.events import Columns
from deep_faker.fill.truth import Tables
from deep_faker.plan import Array, Plan
from deep_faker.plan.settings import Settings
from deep_faker.plan.storage import to_python
from deep_faker.run.batches import frame_of, schemas_asked
from deep_faker.run.utc import in_utc
from deep_faker.simulate.choice import engine_for
from deep_faker.spans import caller_span
from deep_faker.times import to_datetime
from deep_faker.write.files.parts import joined

if TYPE_CHECKING:
    import datetime as dt

    import polars as pl


class Planned(Protocol):
    """What made a data set: `deep_faker.simulation.Simulation`."""

    random_seed: int | None

    def plan_at(self, start: int, *, history: bool) -> Plan:
        """The compiled plan of a run that begins at an instant."""
        ...


class Trunk:
    """A run of which futures branch off; it goes forward from instant to instant, and writes nothing.

    Raises `SettingsError` for an engine, or a flow, of which there is one future only.
    """

    def __init__(self, plan: Plan, *, seed: int, engine: str) -> None:
        _require_branching(plan, engine)
        self.plan, self._draws, self._name = plan, Draws(seed), engine
        self._at: int | None = None
        self._saved: Mapping[str, Array] = {}
        with in_utc():
            binding = Binding(plan, self._draws)
            self._engine = engine_for(plan, engine).factory(plan, self._draws, binding)
            self._known = Columns(binding).schemas

    def asked(self, events: object, columns: object) -> dict[str, pa.Schema]:
        """What `future` is to be asked for, as `Simulation.batches` takes it; raises as that does."""
        return schemas_asked(self._known, events, columns)[0]

    def go_to(self, at: int) -> None:
        """Run to the instant ``at`` (µs), which is not before the last one.

        Raises `SettingsError` where no step begins then.
        """
        step = step_of(self.plan.settings, at)
        with in_utc():
            for _ in self._engine.run(stop_before_step=step):
                pass
            self._saved = self._engine.save()
        self._at = at

    def born(self, entity: str) -> int:
        """How many entities of a type there are now."""
        return len(self._engine.entities(entity).number)

    def state(self, entity: str, fields: Sequence[str]) -> dict[str, list[object]]:
        """State fields of the entities of a type as they are now, in order of birth."""
        rows = self._engine.entities(entity).number
        types = {column.name: column.type for column in self.plan.entities[entity].columns}
        return {
            name: to_python(*self._engine.column(entity, name, rows), types[name], self.plan.texts)
            for name in fields
        }

    def future(
        self,
        number: int,
        asked: Mapping[str, pa.Schema],
        until: int,
        *,
        sessions: list[pl.DataFrame] | None = None,
    ) -> dict[str, pa.Table]:
        """The events of future ``number`` (1, 2, 3 …) from where the trunk is to ``until`` (µs) at least.

        A table of the asked columns for each event type, in the order of time; ``sys__order`` counts from 1.
        To ``sessions``, a list, are added frames of those that end by then: ``sys__sid``, ``ended``,
        ``outcome``.
        """
        assert self._at is not None
        settings, draws = self.plan.settings, self._draws.branched(self._at, number)
        with in_utc():
            binding = Binding(self.plan, draws)
            columns = Columns(binding)
            columns.narrow({name: schema.names for name, schema in asked.items()})
            engine = engine_for(self.plan, self._name).factory(self.plan, draws, binding)
            columns.use_sites(engine.sites)
            engine.load(self._saved)
            pieces: dict[str, list[pa.Table]] = {name: [] for name in asked}
            before: Counter[str] = Counter()
            earlier = 0
            truth = None if sessions is None else Tables(binding)
            for raw in engine.run(stop_before_step=(until - settings.start) // settings.step + 1):
                trace = raw.take(columns.drawn)
                if truth is not None and sessions is not None:
                    sessions.append(_ended(truth.sessions(trace)))
                chunk = columns.filled(columns.arranged(trace, before, earlier))
                earlier += columns.counted(trace)
                for name, table in chunk.tables.items():
                    before[name] += table.num_rows
                    pieces[name].append(table)
            if truth is not None and sessions is not None:
                sessions.append(_ended(truth.last_sessions()))
        return {
            name: joined(some, asked[name]) if some else asked[name].empty_table()
            for name, some in pieces.items()
        }


@dataclass(frozen=True)
class Future:
    """One world that went on from ``at``: ``future[EventType]`` (or its name) is a Polars frame.

    ``number`` is 1, 2, 3 …; the frame has the columns that were asked for, in the order of time.
    """

    number: int
    at: dt.datetime
    tables: Mapping[str, pa.Table]

    def __getitem__(self, event: type | str) -> pl.DataFrame:
        return frame_of(self.tables[event.__name__ if isinstance(event, type) else event])

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {table.num_rows:,}" for name, table in self.tables.items())
        return f"Future({self.number}, from {self.at.isoformat()}; {counts})"


def futures_of(
    plan: Plan, *, seed: int, engine: str, at: int, n: int, until: int, events: object, columns: object
) -> Iterator[Future]:
    """The futures of a run from an instant; arguments as those of `Simulation.futures`, times in µs."""
    trunk = Trunk(plan, seed=seed, engine=engine)
    asked = trunk.asked(events, columns)
    step_of(plan.settings, at)
    return _each(trunk, asked, at, n, until)


def _each(trunk: Trunk, asked: Mapping[str, pa.Schema], at: int, n: int, until: int) -> Iterator[Future]:
    trunk.go_to(at)
    for number in range(1, n + 1):
        tables = trunk.future(number, asked, until)
        yield Future(number, to_datetime(at), {name: _before(table, until) for name, table in tables.items()})


def _ended(sessions: pa.Table) -> pl.DataFrame:
    """What labels need of sessions."""
    import polars as pl

    table = frame_of(sessions.select(["sys__sid", "ended", "outcome"]))
    return table.with_columns(pl.col("outcome").cast(pl.String))


def _before(table: pa.Table, until: int) -> pa.Table:
    """What happened up to an instant, where the table tells when."""
    if "sys__time" not in table.column_names:
        return table
    import numpy as np

    last = np.searchsorted(table["sys__time"].cast(pa.int64()).to_numpy(), until, side="right")
    return table.slice(0, int(last))


def step_of(settings: Settings, at: int) -> int:
    """The step that begins at an instant. Raises `SettingsError` where none does."""
    step, rest = divmod(at - settings.start, settings.step)
    if step < 0 or rest or at >= settings.end:
        nearest = settings.start + max(0, min(step, (settings.duration - 1) // settings.step)) * settings.step
        raise SettingsError(
            Diagnostic(
                "no step begins then",
                caller_span(),
                f"at={to_datetime(at).isoformat()}",
                f"futures branch off between two steps of the run: give {to_datetime(nearest).isoformat()}",
            )
        )
    return step


def _require_branching(plan: Plan, engine: str) -> None:
    if engine == "reference":
        label = 'engine="reference" cannot be taken up in the middle'
        raise SettingsError(Diagnostic("no futures here", caller_span(), label, 'use engine="vectorized"'))
    for flow in plan.flows:
        if flow.live is not None:
            mend = "change the flow as explain() says: what a generator holds cannot be had twice"
            label = f"it runs as a generator: {flow.live}"
            raise SettingsError(
                Diagnostic(f"flow {flow.name!r} has one future", flow.live_span or flow.span, label, mend)
            )
