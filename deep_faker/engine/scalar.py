"""The scalar engine: the same plan and the same rules, one flow at a time.

Array calls cost a microsecond each however short the arrays are, so with a handful of flows in
flight plain Python over a heap of due times is many times faster than the column engine.
Events, lists and draws are the same to the byte.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import heapq
import itertools
import operator
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from deep_faker.distributions import Distribution
from deep_faker.draws import Draws, below1, mix1, unit1
from deep_faker.engine import scalarcheckpoint
from deep_faker.engine.failures import ATTEMPTS, failed, stalled, taken
from deep_faker.engine.predicates import holds
from deep_faker.engine.requests import distribution
from deep_faker.engine.scalarcode import END, PICK, SAVE, WAIT, ScalarCode
from deep_faker.engine.scalarstore import ScalarList, ScalarTable, checked_weight, weighted_one
from deep_faker.errors import DeepFakerError, FlowError, Span
from deep_faker.ids import flow_counter1, scramble1
from deep_faker.plan import (
    OUTCOMES,
    Array,
    EndedFlows,
    FieldDraws,
    Filter,
    Pick,
    Plan,
    Save,
    SiteRows,
    Trace,
    Versions,
)
from deep_faker.schema import check_state_value
from deep_faker.storage import from_python, to_python
from deep_faker.times import to_datetime
from deep_faker.waits import to_micros1, wait_micros1

_CHUNK = 65_536
_INT64 = 2**63

COMPLETED, DECAYED, NO_ENTITY, CUT = range(4)


class _MissingError(Exception):
    """A flow needs an entity that it does not have."""


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


class ScalarEngine:
    """Runs a plan of compiled flows; the interface is that of the column engine."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.draws, self.fields = plan, draws, fields
        self.settings = plan.settings
        self.mix1, self.to_datetime = mix1, to_datetime
        self.tables = {name: ScalarTable(entity, plan, fields) for name, entity in plan.entities.items()}
        self.names = tuple(plan.entities)
        self.store = self
        self.lists: list[ScalarList] = sorted(
            (members for table in self.tables.values() for members in table.lists),
            key=lambda m: m.filter.number,
        )
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
        self._pick_keys = [draws.key("pick", f.number) for f in plan.filters]
        self._candidates = [flow for flow in plan.flows if flow.weight > 0]
        self._began = False

    def _make_flow_class(self) -> type:
        locals_ = {name for flow in self.plan.flows for name in flow.types}
        slots = [f"h{i}" for i in range(len(self.names))] + [f"x{i}" for i in range(len(self.names))]
        base = "number table state clock started action k stall events rate line request kept born own own_step touched"
        return type("Flow", (), {"__slots__": (*base.split(), *slots, *sorted(locals_))})

    def layout(self, site: int) -> Layout:
        """The row layout of a site, made once: generated code appends to its rows."""
        if site not in self._layouts:
            self._layouts[site] = Layout(self.plan, site)
        return self._layouts[site]

    # ------------------------------------------------ the run

    def run(self, stop_before_step: int | None = None) -> Iterator[Trace]:
        """The traces until every flow has ended, or until that step."""
        if not self._began:
            self._begin()
        while (step := self._next_step()) is not None:
            if stop_before_step is not None and step >= stop_before_step:
                break
            self._run_step(step)
            if self._pending() >= _CHUNK:
                yield self._trace(self.settings.start + self._step * self.settings.step)
        if stop_before_step is not None and stop_before_step * self.settings.step < self.settings.duration:
            yield self._trace(self.settings.start + stop_before_step * self.settings.step)
            return
        if step is None and self._until_the_end():
            self._cut_rest()
        last = max(self.settings.start + self._step * self.settings.step, self.settings.end) + 1
        yield self._trace(last)

    def _until_the_end(self) -> bool:
        return self.settings.on_end == "cut"

    def _begin(self) -> None:
        self._began = True
        for entity, count in self.settings.initial:
            self._initial(entity, count)
        for table in self.tables.values():
            for members in table.lists:
                members.refresh(list(range(table.count)), -1, self.settings.start)
            table.touched.clear()
            table.changed.clear()

    def _initial(self, entity: str, count: int) -> None:
        """Entities that exist at the start: flow number j, action 1, each."""
        table, start = self.tables[entity], self.settings.start
        site = self.plan.initial_sites.get(entity, -1)
        flows = np.arange(self._next_flow, self._next_flow + count, dtype=np.uint64)
        actions, clocks = np.ones(count, np.int64), np.full(count, start)
        spec = table.entity.spec
        early: dict[str, list[Any]] = {}
        if site >= 0 and spec.source_event is not None:
            for name in self.plan.sites[site].early:
                values, nulls = self.fields.early(spec.source_event.name, name, flows, actions, clocks)
                type_ = self.fields.early_type(spec.source_event.name, name)
                early[name] = to_python(values, nulls, type_, self.plan.texts)
        first = table.count
        for place, number in enumerate(range(first, first + count)):
            flow = self._next_flow + place
            state = self._birth_state(table, site, number, {n: v[place] for n, v in early.items()}, None)
            if table.stored is not None:
                drawn = self._stored_key(
                    table, site, early.get(spec.primary_key, [None] * count)[place], (flow, 1, start)
                )
                if spec.primary_key in early:
                    early[spec.primary_key][place] = drawn
            table.add((flow, 1, site, start), state, free=True)
            if self.settings.history:
                self._version(
                    table, number, start, flow, 1, is_event=site >= 0 and self.settings.emit_initial
                )
        if site >= 0 and self.settings.emit_initial:
            layout = self.layout(site)
            for place in range(count):
                given = [early[name][place] for name in layout.values]
                layout.rows.append(
                    (self._next_flow + place, 1, start, *given, *[first + place] * len(layout.keys))
                )
        self._next_flow += count

    def _next_step(self) -> int | None:
        """The next step in which something can happen; what is jumped over is counted."""
        s = self.settings
        last_start = -(-s.duration // s.step) - 1
        due = (self._heap[0][0] - s.start) // s.step if self._heap else None
        if s.on_end == "cut" and due is not None and due > last_start:
            due = None
        if self._step <= last_start and self._running < s.n_flows:
            if any(self._can_start(flow.starts) for flow in self._candidates):
                return self._step
            flips = [step for members in self.lists if (step := members.next_flip()) is not None]
            until = min([last_start + 1, *flips, *([due] if due is not None else [])])
            until = max(until, self._step)
            self.report["skipped"] += (s.n_flows - self._running) * (min(until, last_start + 1) - self._step)
            self._step = until
            if until <= last_start:
                return until
        if due is None:
            return None
        self._step = max(self._step, due)
        return self._step

    def _can_start(self, filters: tuple[int, ...]) -> bool:
        for number in filters:
            members = self.lists[number]
            if not members.members or (members.filter.weight is not None and sum(members.weights()) <= 0.0):
                return False
        return True

    def _run_step(self, step: int) -> None:
        s = self.settings
        self._step = step
        begin = s.start + step * s.step
        until = begin + s.step
        self._until = until
        self.report["steps"] += 1
        for members in self.lists:
            if members._calendar:  # noqa: SLF001 - its own module's class
                members.flip(step)
        if begin < s.end and self._running < s.n_flows:
            self._starts(step, begin)
        waiting: list[Any] = []
        while self._heap and self._heap[0][0] < until:
            self._advance(heapq.heappop(self._heap)[2], waiting)
        wave = 1
        while waiting:
            waiting = self._wave(waiting, wave)
            wave += 1
        for table in self.tables.values():
            if table.log:
                self._replay(table)
            if table.touched or table.changed:
                table.settle(step, until)
        self._step = step + 1

    # ------------------------------------------------ starts

    def _starts(self, step: int, begin: int) -> None:
        s = self.settings
        free = s.n_flows - self._running
        key = self._keys["start"]
        instants = sorted(begin + below1(mix1(key, step, slot), s.step) for slot in range(free))
        if free == 1:
            self._one_start(step, instants[0])
            return
        unserved: list[int] = list(range(free))
        served: dict[int, tuple[Any, list[int]]] = {}
        dead: set[int] = set()
        order = self._key("order", 0)
        for turn in itertools.count():
            alive = [f for f in self._candidates if f.number not in dead and self._alive(f.starts, step)]
            if not alive:
                self.report["skipped"] += len(unserved)
                break
            totals = list(itertools.accumulate(f.weight for f in alive))
            choice = self._key("flow", turn)
            claims: dict[int, list[int]] = {}
            for slot in unserved:
                at = bisect.bisect_right(totals, unit1(mix1(choice, step, slot)) * totals[-1])
                claims.setdefault(alive[min(at, len(alive) - 1)].number, []).append(slot)
            unserved = []
            for number in sorted(claims, key=lambda n: mix1(mix1(order, step), turn * 65536 + n)):
                flow = self.plan.flows[number]
                taken = self._claim(flow.starts, claims[number], step)
                for slot, picked in zip(claims[number], taken, strict=False):
                    served[slot] = flow, picked
                if len(taken) < len(claims[number]):
                    dead.add(number)
                    unserved += claims[number][len(taken) :]
            unserved.sort()
            if not unserved:
                break
        for slot in sorted(served):
            if instants[slot] < s.end:
                self._start(*served[slot], instants[slot])

    def _one_start(self, step: int, instant: int) -> None:
        """The common case of one free slot: no competition, so the first choice that can be served is it."""
        # nothing of this step is taken yet, so whoever has a member can start
        alive = [f for f in self._candidates if self._can_start(f.starts)]
        if not alive:
            self.report["skipped"] += 1
            return
        flow = self._chosen(alive, mix1(self._key("flow", 0), step, 0))
        picked = self._claim(flow.starts, [0], step)
        if instant < self.settings.end:
            self._start(flow, picked[0], instant)

    @staticmethod
    def _chosen(alive: list[Any], u: int) -> Any:
        totals = list(itertools.accumulate(f.weight for f in alive))
        return alive[min(bisect.bisect_right(totals, unit1(u) * totals[-1]), len(alive) - 1)]

    def _alive(self, filters: tuple[int, ...], step: int) -> bool:
        return all(self._list(number, step).any_left() for number in filters)

    def _list(self, number: int, step: int) -> ScalarList:
        members = self.lists[number]
        members.begin(self._pick_keys[number], step)
        return members

    def _claim(self, filters: tuple[int, ...], slots: list[int], step: int) -> list[list[int]]:
        """Entities for as many of the claimants, in slot order, as there are."""
        columns: list[list[tuple[int, int]]] = []
        for place, number in enumerate(filters):
            members = self._list(number, step)
            if members.filter.shared:
                key = self._key("select-start", place)
                columns.append([(members.share(mix1(key, step, slot)), 0) for slot in slots])
            else:
                columns.append(list(itertools.islice(members.offers(), len(slots))))
        count = min([len(slots), *map(len, columns)])
        for number, column in zip(filters, columns, strict=True):
            members = self.lists[number]
            if not members.filter.shared and count:
                members.cursor = column[count - 1][1]
                for entity, _ in column[:count]:
                    members.table.taken[entity] = step
        return [[column[i][0] for column in columns] for i in range(count)]

    def _start(self, table: Any, picked: list[int], clock: int) -> None:
        f = self.new_flow()
        f.number, f.table, f.clock, f.started = self._next_flow, table.number, clock, clock
        self._next_flow += 1
        self._running += 1
        self.report["started"] += 1
        for number, entity in zip(table.starts, picked, strict=True):
            filter_ = self.plan.filters[number]
            self._take(f, filter_.entity, entity, shared=filter_.shared)
        heapq.heappush(self._heap, (clock, f.number, f))

    def new_flow(self) -> Any:
        """A flow that has done nothing and never asked for an entity (-2)."""
        f = self._flow_class()
        f.state = f.action = f.k = f.stall = f.events = f.line = 0
        f.rate = f.request = None
        f.kept, f.born, f.touched = [], [], []
        f.own, f.own_step = None, -1
        for held, exclusive in self._slot_names:
            setattr(f, held, -2)
            setattr(f, exclusive, False)
        return f

    # ------------------------------------------------ checkpoints

    def save(self) -> dict[str, Array]:
        """The whole state between two steps, as `scalarcheckpoint.save` says."""
        return scalarcheckpoint.save(self)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on where `save` was called; the engine must not have run."""
        scalarcheckpoint.load(self, arrays)

    def waiting_flows(self) -> list[Any]:
        """The flows in flight, in order of their numbers."""
        return sorted((f for _, _, f in self._heap), key=lambda f: f.number)

    def counters(self) -> dict[str, int]:
        """How far the run has come."""
        return {"step": self._step, "next_flow": self._next_flow, **self.report}

    def resume(self, flows: list[Any], counters: dict[str, int]) -> None:
        """Take up the flows and counters of a saved run."""
        self._began = True
        self._step, self._next_flow = counters.pop("step"), counters.pop("next_flow")
        self.report.update(counters)
        self._running = len(flows)
        self._heap = [(f.clock, f.number, f) for f in flows]
        heapq.heapify(self._heap)

    # ------------------------------------------------ holding

    def _take(self, f: Any, entity: str, number: int, *, shared: bool) -> None:
        """The flow's slot of a type becomes ``number`` (-1: nothing was found)."""
        held, exclusive = self._slots[entity]
        setattr(f, held, number)
        setattr(f, exclusive, number >= 0 and not shared)
        if number >= 0 and not shared:
            table = self.tables[entity]
            table.available[number] = False
            table.taken[number] = self._step
            table.holder[number] = f.number
            table.touched.add(number)
            f.kept.append((self._index[entity], number))

    def _release(self, f: Any, entity: str) -> None:
        held, exclusive = self._slots[entity]
        number = getattr(f, held)
        if number >= 0 and getattr(f, exclusive):
            self._free(entity, number, f)
        setattr(f, held, -1)
        setattr(f, exclusive, False)

    def _free(self, entity: str, number: int, f: Any) -> None:
        table = self.tables[entity]
        table.taken[number] = self._step
        if (entity, number) not in f.born:  # its creator publishes it when it ends
            table.available[number] = True
        table.touched.add(number)

    def hold(self, f: Any, entity: str, number: int) -> None:
        """``ctx.add_entity``: only names what the flow has already."""
        if number < 0:
            raise _MissingError
        if getattr(f, f"h{self.names.index(entity)}") != number:
            raise ValueError(f"add_entity of a {entity} that this flow does not hold: select it first")

    # ------------------------------------------------ flows

    def _advance(self, f: Any, waiting: list[Any]) -> None:
        """Run one flow until its clock leaves the step, it ends, or it meets the others."""
        functions = self.code[f.table]
        try:
            while True:
                if f.rate is not None:
                    if f.clock >= self.settings.end and self.settings.on_end == "cut":
                        self._finish(f, CUT, self.settings.end)
                        return
                    if f.clock >= self._until:
                        heapq.heappush(self._heap, (f.clock, f.number, f))
                        return
                    rate, f.rate = f.rate, None
                    if rate > 0.0 and unit1(mix1(self._keys["decay"], f.number, f.action)) < rate:
                        self._finish(f, DECAYED, f.clock)
                        return
                code = functions[f.state][0](f)
                while code >= 0:
                    f.state = code
                    code = functions[code][0](f)
                if code == WAIT:
                    # parked at the end of a cut run: it keeps its place until the end (T5, T6)
                    if f.clock >= self._until:
                        heapq.heappush(self._heap, (f.clock, f.number, f))
                        return
                    continue
                if code == END:
                    self._finish(f, COMPLETED, f.clock)
                    return
                assert code in (PICK, SAVE)
                waiting.append(f)
                return
        except _MissingError as error:
            f.line = self._span(f, error).line
            self._finish(f, NO_ENTITY, f.clock)
        except DeepFakerError:
            raise
        except Exception as error:
            raise self._flow_error(f, error) from error

    def _span(self, f: Any, error: BaseException) -> Span:
        """The user's place of the generated line that raised."""
        spans = self.code[f.table][f.state][1]
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename.startswith("<scalar ") and trace.tb_lineno in spans:
                found: Span = spans[trace.tb_lineno]
                return found
            trace = trace.tb_next
        own: Span = self.plan.flows[f.table].states[f.state].span
        return own

    def _flow_error(self, f: Any, error: Exception) -> FlowError:
        return failed(self.plan.flows[f.table].name, self._span(f, error), error)

    def _finish(self, f: Any, outcome: int, ended: int) -> None:
        held: list[list[int]] = [[] for _ in self.names]
        for i, number in f.kept:
            held[i].append(number)
        for entity, number in f.born:
            table = self.tables[entity]
            table.published[number] = table.available[number] = True
            table.touched.add(number)
        for entity, (_, exclusive) in self._slots.items():
            if getattr(f, exclusive):
                self._release(f, entity)
        for entity, number in f.born:
            self.tables[entity].available[number] = True
        if outcome == COMPLETED and not f.line:
            f.line = self.plan.flows[f.table].span.line
        self._ended.append((f.number, f.table, f.started, ended, outcome, f.line, f.events, held))
        self._running -= 1

    def _cut_rest(self) -> None:
        for _, _, f in sorted(self._heap, key=lambda entry: entry[1]):
            self._finish(f, CUT, self.settings.end)
        self._heap.clear()

    # ------------------------------------------------ waves

    def _wave(self, waiting: list[Any], wave: int) -> list[Any]:
        """Serve every flow's next birth or pick, in the order of the competition; run them on."""
        waiting.sort(key=lambda f: (f.clock, f.number))
        claims: dict[int, list[Any]] = {}
        single = []
        for f in waiting:
            what = f.request[0]
            if isinstance(what, Save):
                self._save(f, what)
            elif what.dynamic:
                single.append(f)
            else:
                claims.setdefault(what.filter, []).append(f)
        order = mix1(self._key("order", wave), self._step)
        for number in sorted(claims, key=lambda n: mix1(order, n)):
            for f in claims[number]:
                self._pick(f, f.request[0], ())
        for f in single:
            self._pick(f, *f.request)
        following: list[Any] = []
        for f in waiting:
            f.state = f.request[0].next
            f.request = None
            self._advance(f, following)
        return following

    def _save(self, f: Any, what: Save) -> None:
        try:
            self._release(f, what.entity)
            f.request[1](f, self.tables[what.entity].count)
        except DeepFakerError:
            raise
        except Exception as error:
            raise self._flow_error(f, error) from error

    def _pick(self, f: Any, what: Pick, values: tuple[Any, ...]) -> None:
        filter_ = self.plan.filters[what.filter]
        self._release(f, what.entity)
        u = mix1(self._keys["select"], f.number, f.k)
        f.k += 1
        members = self._list(what.filter, self._step)
        if values:
            number = self._dynamic(members, what, values, u)
        elif filter_.shared:
            number = members.share(u)
        else:
            number = members.next()
        self._take(f, what.entity, number, shared=filter_.shared)

    def _dynamic(self, members: ScalarList, what: Pick, values: tuple[Any, ...], u: int) -> int:
        """A pick with conditions of the flow's own: among the members, in entity order."""
        table, filter_ = members.table, members.filter
        conditions = [(field, op, value) for (field, op, _), value in zip(what.dynamic, values, strict=True)]
        candidates: list[int] | None = None
        for field, op, value in conditions:
            if field == table.entity.spec.primary_key and op == "is":
                found = table.find(value)
                candidates = [found] if found in members.position else []
        found_all = []
        for number in members.members if candidates is None else candidates:
            if not filter_.shared and table.taken[number] == self._step:
                continue
            if all(holds(self._field(table, number, field), op, value) for field, op, value in conditions):
                found_all.append(number)
        found_all.sort()
        if not found_all:
            return -1
        if filter_.weight is None:
            return found_all[below1(u, len(found_all))]
        column = table.start[filter_.weight]
        weights = [checked_weight(table.name, filter_.weight, column[number]) for number in found_all]
        return weighted_one(found_all, list(itertools.accumulate(weights)), u)

    @staticmethod
    def _field(table: ScalarTable, number: int, field: str) -> Any:
        return table.start[field][number] if field in table.start else table.key(number)

    # ------------------------------------------------ births

    def create(self, f: Any, entity: str, number: int, site: int, values: dict[str, Any]) -> Any:
        """The entity of a birth; its key comes back, drawn again where it collided."""
        table = self.tables[entity]
        key = values.get(table.entity.spec.primary_key)
        if table.stored is not None:
            key = self._stored_key(table, site, key, (f.number, f.action, f.clock))
        state = self._birth_state(table, site, number, values, f)
        table.add((f.number, f.action, site, f.clock), state, free=False)
        f.born.append((entity, number))
        self._take(f, entity, number, shared=False)
        return key

    def _birth_state(
        self, table: ScalarTable, site: int, number: int, values: dict[str, Any], f: Any
    ) -> dict[str, Any]:
        state = table.default_state()
        spec = table.entity.spec
        for column in table.entity.columns:
            name = column.from_field
            if column.lazy or name is None:
                continue
            if name in values:
                value = values[name]
            elif name == spec.primary_key and table.stored is None:
                value = self.fields.key_one(table.name, number)
            elif site >= 0 and name in self.plan.sites[site].keys and f is not None:
                owner = self.plan.sites[site].keys[name]
                value = self.tables[owner].key(getattr(f, f"h{self.names.index(owner)}"))
            else:
                event = spec.source_event
                value = event.by_name[name].make_default() if event is not None else None
            state[column.name] = self._fitting(table, column.name, value)
        return state

    def _stored_key(self, table: ScalarTable, site: int, key: Any, at: tuple[int, int, int]) -> Any:
        """Keep a key that collides with none; a generated one is drawn again."""
        assert table.stored is not None
        spec = table.entity.spec
        attempt = 0
        while key in table.numbers:
            attempt += 1
            where = self.plan.sites[site]
            drawn = spec.primary_key in where.early and spec.source_event is not None
            if not drawn or attempt == ATTEMPTS:
                raise taken(table.name, spec.primary_key, key, where.span, drawn=drawn)
            key = self.fields.early_one(spec.source_event.name, spec.primary_key, *at, attempt=attempt)
        table.numbers[key] = len(table.stored)
        table.stored.append(key)
        return key

    # ------------------------------------------------ changes

    def _fitting(
        self, table: ScalarTable, name: str, value: Any, flow: str = "initial", span: Span | None = None
    ) -> Any:
        """A value as the state field keeps it; the wrong type raises (N11)."""
        if table.types[name].kind == "float" and type(value) is int:
            return float(value)
        return check_state_value(table.specs[name], value, entity=table.name, span=span, flow=flow)

    def change(self, f: Any, entity: str, name: str, op: str, value: Any, place: int, event: bool) -> None:
        """One state change, as the flow sees it at once."""
        table = self.tables[entity]
        slot, exclusive = self._slots[entity]
        number = getattr(f, slot)
        if number < 0:
            return
        held = getattr(f, exclusive)
        if table.logged:
            table.log.append((number, f.clock, f.number, f.action, place, name, op, value, held))
        # who held it before, and nobody after, still sees it live
        if not held and table.start_view and table.holder[number] != f.number:
            own = self._own(f).setdefault((entity, number), {})
            before = own.get(name, table.start[name][number])
            own[name] = self._changed(table, name, op, before, value)
            table.changed.add(number)
        else:
            column = table.live[name]
            column[number] = self._changed(table, name, op, column[number], value)
            table.changed.add(number)
        if self.settings.history:
            f.touched.append((entity, number))

    def _changed(self, table: ScalarTable, name: str, op: str, before: Any, value: Any) -> Any:
        after = apply_change(op, before, value)
        if type(after) is int and not -_INT64 <= after < _INT64:
            self.overflow()
        return self._fitting(table, name, after)

    def _own(self, f: Any) -> dict[Any, Any]:
        if f.own_step != self._step:
            f.own, f.own_step = {}, self._step
        own: dict[Any, Any] = f.own
        return own

    def view(self, f: Any, entity: str, number: int, name: str) -> Any:
        """A state field as this flow sees it: live where it holds, else the step's start and its own changes."""
        table = self.tables[entity]
        if table.holder[number] == f.number:
            return table.live[name][number]
        if f.own_step == self._step and (entity, number) in f.own:
            return f.own[entity, number].get(name, table.start[name][number])
        return table.start[name][number]

    def _replay(self, table: ScalarTable) -> None:
        """Changes by flows that do not hold the entity: all of the step's changes again, in T9 order."""
        shared = {entry[0] for entry in table.log if not entry[8]}
        entries = sorted(e for e in table.log if e[0] in shared)
        table.log.clear()
        for number in shared:
            for name, column in table.live.items():
                column[number] = table.start[name][number]
        places = self._versions_of(table, shared) if self.settings.history else {}
        for at, group in itertools.groupby(entries, key=operator.itemgetter(0, 1, 2, 3)):
            number = at[0]
            for *_, name, op, value, _ in group:
                column = table.live[name]
                column[number] = self._changed(table, name, op, column[number], value)
            if at in places:
                made = self._versions[table.name]
                values = tuple(column[number] for column in table.live.values())
                made[places[at]] = (*made[places[at]][:5], values)

    def _versions_of(self, table: ScalarTable, numbers: set[int]) -> dict[tuple[int, ...], int]:
        """Where the versions stand that this step made of some entities, by (entity, clock, flow, action)."""
        made, begin = self._versions[table.name], self.settings.start + self._step * self.settings.step
        places: dict[tuple[int, ...], int] = {}
        for place in range(len(made) - 1, -1, -1):
            if made[place][1] < begin:
                break
            if made[place][0] in numbers:
                places[made[place][:4]] = place
        return places

    def changed_by(self, f: Any, is_event: bool) -> None:
        """Keep the versions that an action made (history)."""
        for entity, number in dict.fromkeys(f.touched):
            self._version(self.tables[entity], number, f.clock, f.number, f.action, is_event=is_event)
        f.touched.clear()

    def _version(
        self, table: ScalarTable, number: int, clock: int, flow: int, action: int, *, is_event: bool
    ) -> None:
        values = tuple(column[number] for column in table.live.values())
        self._versions[table.name].append((number, clock, flow, action, is_event, values))

    # ------------------------------------------------ called by generated code

    def missing(self, f: Any) -> NoReturn:
        raise _MissingError

    def overflow(self) -> NoReturn:
        raise OverflowError("the state field leaves the range of 64-bit integers")

    def stalled(self, f: Any) -> NoReturn:
        flow = self.plan.flows[f.table]
        raise stalled(flow.name, flow.states[f.state].span)

    def session(self, number: int) -> str:
        """The session id of a flow."""
        counter = flow_counter1(self.draws.partition, self.draws.partitions, number)
        return scramble1(self._session_key, counter, 8)

    def rate(self, value: Any) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"AddDecay(rate={value!r}): a rate is from 0 to 1")
        return float(value)

    def delay(self, value: Any, unit: int, key: int, f: Any) -> int:
        if isinstance(value, Distribution):
            return wait_micros1(*distribution(value), unit, key, f.number, f.action)
        micros = (
            value // dt.timedelta(microseconds=1)
            if isinstance(value, dt.timedelta)
            else to_micros1(value, unit)
        )
        if micros < 0:
            raise ValueError(f"AddDecay: the waiting time {value!r} is negative")
        return micros

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


def apply_change(op: str, before: Any, value: Any) -> Any:
    """The new value of a state field."""
    match op:
        case "is":
            return value
        case "add":
            return before + value
        case "subtract":
            return before - value
        case "multiply":
            return before * value
        case "min":
            return min(before, value)
        case _:
            return max(before, value)


assert OUTCOMES == ("completed", "decayed", "no_entity", "cut")
_ = Filter
