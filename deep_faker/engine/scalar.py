"""The scalar engine: the same plan and the same rules, one flow at a time.

Array calls cost a microsecond each however short the arrays are, so with a handful of flows in
flight plain Python over a heap of due times is many times faster than the column engine.
Events, lists and draws are the same to the byte.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deep_faker.draws import below1, mix1, unit1
from deep_faker.engine import scalarcheckpoint
from deep_faker.engine.eventdata import validated
from deep_faker.engine.failures import failed
from deep_faker.engine.lines import user_span
from deep_faker.engine.scalarchanges import MissingError
from deep_faker.engine.scalarcode import END, PICK, SAVE, WAIT
from deep_faker.engine.scalarpicks import ScalarPicks
from deep_faker.errors import DeclarationError, DeepFakerError, Span
from deep_faker.expressions import row_function
from deep_faker.plan import (
    Array,
    Expr,
    Save,
    Trace,
)
from deep_faker.storage import to_python

_CHUNK = 65_536
_LOOK = 16  # steps between two looks at how much is pending

COMPLETED, DECAYED, NO_ENTITY, CUT = range(4)


class ScalarEngine(ScalarPicks):
    """Runs a plan of compiled flows; the interface is that of the column engine."""

    # ------------------------------------------------ the run

    def run(self, stop_before_step: int | None = None) -> Iterator[Trace]:
        """The traces until every flow has ended, or until that step."""
        if not self._began:
            self._begin()
        while (step := self._next_step()) is not None:
            if stop_before_step is not None and step >= stop_before_step:
                break
            try:
                self._run_step(step)
            except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                raise self.failures.first() or error  # noqa: B904 - each has its own cause
            look = self.most_rows < _CHUNK or not step % _LOOK
            if look and self._pending() >= min(self.most_rows, _CHUNK):
                yield self._trace(self.settings.start + self._step * self.settings.step)
        if stop_before_step is not None and stop_before_step * self.settings.step < self.settings.duration:
            yield self._trace(self.settings.start + stop_before_step * self.settings.step)
            return
        if step is None and self._until_the_end():
            self._cut_rest()
            self._step = max(self._step, -(-self.settings.duration // self.settings.step))
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
                members.weigh(range(table.count))
            table.check_weights()
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
        seen = early
        if site >= 0 and spec.source_event is not None and spec.source_event.row_validated is not None:
            given = early.get(spec.primary_key) or [table.key(first + place) for place in range(count)]
            keys = {} if spec.key_field is None else {spec.primary_key: given.__getitem__}
            at = [(flow, 1, start) for flow in flows.tolist()]
            seen = validated(spec.source_event, self.fields, self.draws, at, early, keys, spec.span)
        for place, number in enumerate(range(first, first + count)):
            flow = self._next_flow + place
            state = self._birth_state(table, site, number, {n: v[place] for n, v in seen.items()}, None)
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
        wanted = s.wanted(self._running)
        if self._step <= last_start and wanted:
            if any(self._can_start(flow.starts) for flow in self._candidates):
                return self._step
            flips = [step for members in self.lists if (step := members.next_flip()) is not None]
            until = min([last_start + 1, *flips, *([due] if due is not None else [])])
            until = max(until, self._step)
            jumped = wanted * (min(until, last_start + 1) - self._step)
            self.report["skipped"] += jumped
            self.tally.without((), jumped)
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
        for members in self._timed:
            members.flip(step)
        wanted = s.wanted(self._running)
        if begin < s.end and wanted:
            self._starts(step, begin, wanted)
        waiting: list[Any] = []
        while self._heap and self._heap[0][0] < until:
            self._advance(heapq.heappop(self._heap)[2], waiting)
        wave = 1
        while waiting:
            waiting = self._wave(waiting, wave)
            wave += 1
        self.failures.check()
        for table in self.tables.values():
            if table.log:
                self._replay(table)
            if table.touched or table.changed:
                table.settle(step, until)
        self._step = step + 1

    # ------------------------------------------------ starts

    def _starts(self, step: int, begin: int, free: int) -> None:
        s = self.settings
        key = self._keys["start"]
        instants = sorted(begin + below1(mix1(key, step, slot), s.step) for slot in range(free))
        if free == 1:
            self._one_start(step, instants[0])
            return
        unserved: list[int] = list(range(free))
        served: dict[int, tuple[Any, list[int]]] = {}
        dead: set[int] = set()
        out: set[int] = set()  # who is counted as unmatched already
        order = self._key("order", 0)
        for turn in itertools.count():
            alive = [f for f in self._candidates if f.number not in dead and self._alive(f.starts, step)]
            out |= self._unmatched(alive, out, len(unserved))
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
        if len(alive) < len(self._candidates):
            self.tally.without({f.number for f in alive}, 1)
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

    def _unmatched(self, alive: list[Any], counted: set[int], starts: int) -> set[int]:
        """Count so many starts for the flows that are neither alive nor counted; all that are not alive."""
        numbers = {f.number for f in alive}
        if len(numbers) + len(counted) < len(self._candidates):
            self.tally.without(numbers | counted, starts)
        return {f.number for f in self._candidates} - numbers

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
        f.state = f.action = f.k = f.stall = f.turns = f.events = f.line = 0
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

    # ------------------------------------------------ flows

    def _advance(self, f: Any, waiting: list[Any]) -> None:
        """Run one flow until its clock leaves the step, it ends, or it meets the others."""
        functions = self.code[f.table]
        try:
            while True:
                rate = f.rate
                if rate is not None:
                    if f.clock >= self._cut_at:
                        self._finish(f, CUT, self._cut_at)
                        return
                    if f.clock >= self._until:
                        heapq.heappush(self._heap, (f.clock, f.number, f))
                        return
                    f.rate = None
                    if rate > 0.0 and unit1(mix1(self._decay_key, f.number, f.action)) < rate:
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
        except MissingError as error:
            f.line = self._span(f, error).line
            self._finish(f, NO_ENTITY, f.clock)
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            self.failures.add(f.clock, f.number, self._flow_error(f, error))

    def _span(self, f: Any, error: BaseException) -> Span:
        """The user's place of the generated line that raised."""
        spans = self.code[f.table][f.state][1]
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename.startswith("<scalar ") and trace.tb_lineno in spans:
                span, expr = spans[trace.tb_lineno]
                return _within(expr, trace.tb_frame.f_locals) or span
            trace = trace.tb_next
        own: Span = self.plan.flows[f.table].states[f.state].span
        return own

    def _flow_error(self, f: Any, error: Exception) -> Exception:
        if isinstance(error, DeepFakerError) and not isinstance(error, DeclarationError):
            return error
        made = failed(self.plan.flows[f.table].name, self._span(f, error), error)
        made.__cause__ = error
        return made

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
        if len(waiting) == 1:  # nobody to compete with
            self._serve(waiting[0])
            return self._resumed(waiting)
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
        return self._resumed(waiting)

    def _serve(self, f: Any) -> None:
        what = f.request[0]
        if isinstance(what, Save):
            self._save(f, what)
        else:
            self._pick(f, *f.request)

    def _resumed(self, waiting: list[Any]) -> list[Any]:
        """Run the flows on that have got what they asked for; those that ask again."""
        following: list[Any] = []
        for f in waiting:
            if f.request is None:  # its birth has failed
                continue
            f.state = f.request[0].next
            f.request = None
            self._advance(f, following)
        return following

    def _save(self, f: Any, what: Save) -> None:
        try:
            self._release(f, what.entity)
            f.request[1](f, self.tables[what.entity].count)
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            f.request = None
            self.failures.add(f.clock, f.number, self._flow_error(f, error))


def _within(expr: Expr | None, known: Mapping[str, Any]) -> Span | None:
    """The part of an expression that raises, given the values of its names."""
    if expr is None or not known.keys() >= set(expr.names):
        return None
    try:
        row_function(expr)(*(known[name] for name in expr.names))
    except Exception as error:  # noqa: BLE001 - it is what we are looking for
        return user_span(error.__traceback__)
    return None
