"""What the scalar engine keeps: entities, rows of events, ended flows, versions; and how it hands them on."""

from __future__ import annotations

import functools
import itertools
import sys
from typing import Any

import numpy as np

from deep_faker.draws import Draws, mix1
from deep_faker.engine.failures import Failures
from deep_faker.engine.scalarcode import ScalarCode
from deep_faker.engine.scalarstore import ScalarList, ScalarTable
from deep_faker.engine.tally import Tally
from deep_faker.plan import Array, EndedFlows, FieldDraws, Plan, SiteRows, Trace, Versions
from deep_faker.storage import from_python
from deep_faker.times import to_datetime


class Layout:
    """The columns of one site's rows, and the rows of the current chunk as tuples."""

    def __init__(self, plan: Plan, number: int) -> None:
        site = plan.sites[number]
        self.site, self.types = site, site.bound
        self.values = tuple(site.bound)
        self.keys = tuple(site.keys)
        if site.save is not None:
            key = plan.entities[site.save].spec.primary_key
            names = plan.events[site.event].by_name
            if key in names and key not in site.bound and key not in site.keys:
                self.keys = (*self.keys, key)
        self.rows: list[tuple[Any, ...]] = []

    def take(self, texts: tuple[str, ...]) -> SiteRows:
        """The rows as columns; the layout is empty afterwards."""
        columns = list(zip(*self.rows, strict=True))
        self.rows.clear()
        values, nulls = {}, {}
        for name, column in zip(self.values, columns[3:], strict=False):
            values[name], mask = from_python(list(column), self.types[name], texts)
            if mask is not None:
                nulls[name] = mask
        keys = zip(self.keys, columns[3 + len(self.values) :], strict=True)
        return SiteRows(
            self.site.number,
            np.array(columns[0], np.uint64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            values,
            nulls,
            {name: np.array(column, np.int64) for name, column in keys},
        )


class ScalarWorld:
    """The state of a run; the steps are made by its heirs."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.draws, self.fields = plan, draws, fields
        self.settings = plan.settings
        self.mix1, self.to_datetime = mix1, to_datetime
        self.tables = {name: ScalarTable(entity, plan, fields) for name, entity in plan.entities.items()}
        self.names = tuple(plan.entities)
        self.store = self
        self.late_from = self.late_after = sys.maxsize
        self.lists: list[ScalarList] = sorted(
            (members for table in self.tables.values() for members in table.lists),
            key=lambda m: m.filter.number,
        )
        self.tally = Tally(plan)
        self._timed = [members for members in self.lists if members.bounds]
        self._slot_names = [(f"h{i}", f"x{i}") for i in range(len(self.names))]
        self._slots = dict(zip(self.names, self._slot_names, strict=True))
        self._index = {name: i for i, name in enumerate(self.names)}
        self._layouts: dict[int, Layout] = {}
        self.code = [
            [ScalarCode(plan, flow, draws, self).compile(state) for state in flow.states]
            for flow in plan.flows
        ]
        self._flow_class = self._make_flow_class()
        self._heap: list[tuple[int, int, Any]] = []
        self._running = 0
        self._next_flow = 0
        self._step = 0
        self._until = 0
        self._ended: list[tuple[Any, ...]] = []
        self._versions: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.names}
        self._rows = 0
        self.report: dict[str, int] = {"started": 0, "skipped": 0, "steps": 0}
        self._session_key = draws.id_key("sid")
        # keys are hashes of their purpose: made once
        self._key = functools.cache(draws.key)
        self._keys = {name: draws.key(name) for name in ("start", "decay", "select")}
        self._decay_key, self._select_key = draws.key("decay"), draws.key("select")
        # a cut run ends every flow at its end; others have no such instant
        self._cut_at = self.settings.end if self.settings.on_end == "cut" else 1 << 62
        self._pick_keys = [draws.key("pick", f.number) for f in plan.filters]
        self._candidates = [flow for flow in plan.flows if flow.weight > 0]
        self._began = False
        self.failures = Failures()
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest

    def _make_flow_class(self) -> type:
        locals_ = {name for flow in self.plan.flows for name in flow.types}
        slots = [f"h{i}" for i in range(len(self.names))] + [f"x{i}" for i in range(len(self.names))]
        base = "number table state clock started action k stall turns events rate line request kept born "
        base += "own own_step touched"
        return type("Flow", (), {"__slots__": (*base.split(), *slots, *sorted(locals_))})

    def layout(self, site: int) -> Layout:
        """The row layout of a site, made once: generated code appends to its rows."""
        if site not in self._layouts:
            self._layouts[site] = Layout(self.plan, site)
        return self._layouts[site]

    def _version(
        self, table: ScalarTable, number: int, clock: int, flow: int, action: int, *, is_event: bool
    ) -> None:
        values = tuple(column[number] for column in table.live.values())
        self._versions[table.name].append((number, clock, flow, action, is_event, values))

    # ------------------------------------------------ traces

    def _pending(self) -> int:
        return sum(len(layout.rows) for layout in self._layouts.values()) + len(self._ended)

    def _trace(self, until: int) -> Trace:
        rows = [layout.take(self.plan.texts) for layout in self._layouts.values() if layout.rows]
        ended = [self._take_ended()] if self._ended else []
        versions = [
            self._take_versions(table) for table in self.tables.values() if self._versions[table.name]
        ]
        return Trace(until, rows, ended, versions)

    def _take_ended(self) -> EndedFlows:
        columns = list(zip(*self._ended, strict=True))
        self._ended.clear()
        held = {}
        for i, entity in enumerate(self.names):
            lists = [row[i] for row in columns[7]]
            offsets = np.zeros(len(lists) + 1, np.int64)
            np.cumsum([len(numbers) for numbers in lists], out=offsets[1:])
            held[entity] = offsets, np.array(list(itertools.chain.from_iterable(lists)), np.int64)
        arrays: list[Array] = [np.array(column, np.int64) for column in columns[1:7]]
        table, started, ended, outcome, line, events = arrays
        flow = np.array(columns[0], np.uint64)
        return EndedFlows(flow, table, started, ended, outcome, line, events, held)

    def _take_versions(self, table: ScalarTable) -> Versions:
        number, clock, flow, action, is_event, values = zip(*self._versions[table.name], strict=True)
        self._versions[table.name] = []
        stored = {
            name: from_python(list(column), table.types[name], self.plan.texts)
            for name, column in zip(table.live, zip(*values, strict=True), strict=True)
        }
        return Versions(
            table.name,
            np.array(number, np.int64),
            np.array(clock, np.int64),
            np.array(flow, np.uint64),
            np.array(action, np.int64),
            np.array(is_event, bool),
            {name: column for name, (column, _) in stored.items()},
            {name: nulls for name, (_, nulls) in stored.items() if nulls is not None},
        )

    # ------------------------------------------------ the store, for those who read at the end

    def count(self, entity: str) -> int:
        """How many entities there are."""
        return self.tables[entity].count

    def column(self, entity: str, field: str) -> tuple[Array, Array | None]:
        """A state column in storage form, with its mask of nulls."""
        return self.tables[entity].column(field)

    def births(self, entity: str) -> tuple[Array, Array, Array, Array]:
        """(flow, action, site, clock) of every birth."""
        columns = list(zip(*self.tables[entity].births, strict=True)) or [(), (), (), ()]
        return (
            np.array(columns[0], np.uint64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            np.array(columns[3], np.int64),
        )

    def key_values(self, entity: str) -> list[Any]:
        """The stored keys of an entity type, by number."""
        return self.tables[entity].stored or []
