"""The reference engine: what a run means, in plain code (E2).

It runs every flow as the generator that it is, one flow and one step at a time, with lists and objects.
Nothing is optimised; the column engine is held to its results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from deep_faker.draws.mix import Draws, below1, mix1, unit1
from deep_faker.plan import Array, Condition, FieldDraws, FlowTable, Plan, Site, Trace
from deep_faker.simulate.arrays import I64, NEVER
from deep_faker.simulate.arrivals import first_without, next_step
from deep_faker.simulate.engine import Counts
from deep_faker.simulate.event_data import EventData, initial_state, state_of_field
from deep_faker.simulate.failures import Failures, reference_not_saved
from deep_faker.simulate.live.flows import LiveFlow, LiveRuntime
from deep_faker.simulate.live.requests import (
    ChangeNow,
    Conditions,
    Ended,
    FlowState,
    Parked,
    Picking,
    Request,
    Saving,
)
from deep_faker.simulate.reference.starts import Slot, Starts
from deep_faker.simulate.reference.store import Change, ReferenceStore, Row, Table
from deep_faker.simulate.reference.trace import TraceLog
from deep_faker.simulate.tally import Tally

_CHUNK = 65_536  # rows of a trace, about


@dataclass
class Running:
    """A flow between its start and its end.  ``slots`` and ``taken`` are in order of being taken."""

    flow: LiveFlow
    request: Request | None = None
    slots: dict[str, Slot] = field(default_factory=dict)
    taken: list[tuple[str, int]] = field(default_factory=list)
    born: list[tuple[str, int]] = field(default_factory=list)

    @property
    def turn(self) -> tuple[int, int]:
        """The order in which flows are served: (clock, flow number)."""
        return self.flow.clock, self.flow.number

    @property
    def served(self) -> tuple[int, int]:
        """The order in which they are given what they ask for: by when they came for it, then as `turn`."""
        came = self.request.since if isinstance(self.request, Picking) else self.flow.clock
        return came, self.flow.number


class ReferenceEngine:
    """An `Engine`, see there; what it makes is what a plan means."""

    name = "reference"

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.settings, self.draws, self.fields = plan, plan.settings, draws, fields
        self.store = ReferenceStore(plan, fields)
        self.tables = self.store.tables
        self.entities, self.column = self.store.entities, self.store.column  # see `Engine`
        self.lists = {members.filter.number: members for t in self.tables.values() for members in t.lists}
        self.tally = Tally(plan)
        self.starts = Starts(plan, draws, self.lists, self.tally, self.store.column)
        self.runtime = LiveRuntime(plan, draws, fields)
        self.sites: Sequence[Site] = self.runtime.sites
        self.log = TraceLog(plan, self.runtime.sites)
        self.running: dict[int, Running] = {}  # by flow number
        self.failures = Failures()
        self.first_late: int | None = None  # the number of the first flow that has started after the end
        self.cut: set[int] = set()  # flows that go on in the step in which they are cut
        self.next_flow = 0
        self.step = -1  # the last step made; -1: not even the initial entities
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest

    # ------------------------------------------------ the run

    def run(self, stop_before_step: int | None = None) -> Iterator[Trace]:
        """Step by step until all flows have ended; traces are cut at the ends of steps."""
        if self.step < 0:
            self._make_initial_entities()
            self.step = 0
        try:
            while self._goes_on() and (stop_before_step is None or self.step < stop_before_step):
                try:
                    self._make_step()
                except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                    raise self.failures.first() or error  # noqa: B904 - each has its own cause
                if self.log.rows >= min(self.most_rows, _CHUNK):
                    yield self._trace()
        except BaseException:
            for number in sorted(self.running):
                self.running[number].flow.close()
            raise
        yield self._trace()

    def _trace(self) -> Trace:
        return self.log.cut(self._instant(self.step), self.store.new_keys())

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        return self.tally.counts(self.starts.skipped, self.lists, self.starts.timetable.waiting)

    def save(self) -> dict[str, Array]:
        """Raises `CheckpointError`: Python generators cannot be saved."""
        raise reference_not_saved()

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Raises `CheckpointError`."""
        del arrays
        self.save()

    def _instant(self, step: int) -> int:
        return self.settings.start + step * self.settings.step

    def _goes_on(self) -> bool:
        return bool(self.running) or self.step < first_without(self.settings)

    def _make_step(self) -> None:
        """One time step; leaves ``self.step`` at the next one in which something can happen."""
        begin, end = self._instant(self.step), self._instant(self.step + 1)
        for table in self.tables.values():
            table.step = self.step
            table.calendar(begin)
        for number, members in self.lists.items():
            members.begin(self.draws.key("pick", number), self.step)
        self._start_flows()
        due = [running for running in self.running.values() if running.flow.clock < end]
        self.starts.timetable.stirred = bool(due)
        for running in sorted(due, key=lambda running: running.turn):
            self._advance(running, end)
        wave = 1
        while waiting := [r for r in self.running.values() if isinstance(r.request, (Picking, Saving))]:
            self._serve(sorted(waiting, key=lambda running: running.served), wave, end)
            wave += 1
        if self.first_late is not None or end > self.settings.late_after:
            self._take_back(self.next_flow if self.first_late is None else self.first_late)
            self.first_late = None
        self.failures.check()
        self._settle(end)
        self.step += 1
        self._skip_idle_steps()

    def _skip_idle_steps(self) -> None:
        """Steps in which no flow is due and none can start are passed over; their starts are counted."""
        if any(members.has_now for members in self.lists.values()):
            return  # time alone may let one start: every step is made
        following = next_step(
            self.settings,
            self.step,
            len(self.running),
            can_start=self.starts.can_start,
            due=lambda: min(running.flow.clock for running in self.running.values()),
            flip=lambda: NEVER,
            arrival=self.starts.timetable.next(self.step),
        )
        self.starts.skipped += following.skipped
        self.tally.without((), following.skipped)
        self.step = following.step

    # ------------------------------------------------ initial entities

    def _make_initial_entities(self) -> None:
        settings = self.settings
        for name, count in settings.initial:
            table = self.tables[name]
            spec, source = table.spec, table.spec.source_event
            site = self.sites[self.plan.initial_sites[name]] if name in self.plan.initial_sites else None
            for _ in range(count):
                number, flow, data, key = len(table.rows), self.next_flow, None, None
                self.next_flow += 1
                if source is not None:
                    keys: dict[str, Callable[[], object]] = {}
                    if table.plan.key_mode == "permuted":
                        keys[spec.primary_key] = partial(self.fields.key_one, name, number)
                    where = ("initial entities", spec.span)
                    moment = flow, 1, settings.start
                    data = EventData(source, self.fields, self.draws, moment, {}, keys, where)
                    if table.plan.key_mode == "stored":
                        key = data.draw_key(spec, table.keys.__contains__)
                        keys[spec.primary_key] = partial(copy, key)
                state = initial_state(self.plan, spec, data)
                born = (flow, 1, -1 if site is None else site.number, settings.start)
                emitted = site is not None and settings.emit_initial
                row = table.add(key, state, born, by_event=emitted)
                row.is_free = row.is_public = True
                if site is not None and emitted:
                    numbers = {spec.primary_key: number} if spec.key_field is not None else {}
                    self.log.event(site, flow, 1, settings.start, {}, numbers)
        self._settle(settings.start)

    # ------------------------------------------------ starts

    def _start_flows(self) -> None:
        """The starts of a step; those after the end take part in it, and no more."""
        for clock, flow, slots, words, word in self.starts.of_step(self.step, len(self.running)):
            if clock >= self.settings.end and self.first_late is None:
                self.first_late = self.next_flow
            self._start(flow, slots, clock, words, word)

    def _start(
        self, table: FlowTable, slots: dict[str, Slot], clock: int, words: I64 | None, word: int | None
    ) -> None:
        by = self.next_flow if word is None else word
        flow = self.runtime.start(table, self.next_flow, clock, self, words, by)
        self.next_flow += 1
        running = self.running[flow.number] = Running(flow)
        for entity, slot in slots.items():
            self._give(running, entity, slot.number, shared=slot.shared)

    # ------------------------------------------------ holding

    def _give(self, running: Running, entity: str, number: int, *, shared: bool) -> None:
        """The entity (-1: none) becomes the flow's; the one that it had goes free (N4)."""
        old = running.slots.pop(entity, None)
        table = self.tables[entity]
        if old is not None and not old.shared:
            row = table.rows[old.number]
            row.is_free, row.taken_in = True, self.step
            table.touched.add(old.number)
        if number < 0:
            return
        running.slots[entity] = Slot(number, shared)
        if not shared:
            row = table.rows[number]
            row.is_free, row.taken_in, row.holder = False, self.step, running.flow.number
            # A new holder starts from what everybody sees.
            table.touched.add(number)
            running.taken.append((entity, number))

    # ------------------------------------------------ flows run

    def _advance(self, running: Running, end: int, reply: int | None = None) -> None:
        """Run a flow until it ends, waits for the others, or its clock leaves the step."""
        running.request = None
        try:
            request = running.flow.advance(reply)
            while self._goes_on_at_once(running, request, end):
                request = running.flow.advance()
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            self.failures.add(running.flow.clock, running.flow.number, error)
            return
        running.request = request
        if isinstance(request, Ended):
            self._end(running, request)

    def _is_late(self, flow: FlowState) -> bool:
        """Whether a flow started after the end, or is cut: it takes part in the step, and no more (T4)."""
        return flow.number in self.cut or (self.first_late is not None and flow.number >= self.first_late)

    def _take_back(self, first: int) -> None:
        """What flows from number ``first`` on did in this step, and those that are cut, has not been (T4).

        A longer run must keep a shorter one's rows (R2), and each wave decides what is left for the next.
        """
        for running in [r for n, r in sorted(self.running.items()) if n >= first or n in self.cut]:
            del self.running[running.flow.number]
            running.flow.close()
            for entity, taken in running.taken:
                self.tables[entity].rows[taken].is_free = True
                self.tables[entity].touched.add(taken)
        for table in self.tables.values():
            table.drop(first, self.settings.late_after)
        self.failures.drop(first, self.settings.late_after)
        self.next_flow = self.store.late_from = first
        self.cut.clear()

    def _goes_on_at_once(self, running: Running, request: Request, end: int) -> bool:
        """Whether a flow waits for nobody: its clock is within the step, or it is cut and goes on in it."""
        if isinstance(request, Ended) and request.goes_on:
            self._end(running, request)
            self.cut.add(running.flow.number)
            return True
        return isinstance(request, Parked) and request.clock < end

    def _end(self, running: Running, ended: Ended) -> None:
        flow = running.flow
        if self._is_late(flow):
            return
        if ended.goes_on:
            self.log.ended(flow, ended, running.taken)
            return
        del self.running[flow.number]
        self.log.ended(flow, ended, running.taken)
        for entity, slot in running.slots.items():
            if not slot.shared:
                self.tables[entity].rows[slot.number].is_free = True
                self.tables[entity].touched.add(slot.number)
        # Others that it took before are not looked at again: they have gone free when it let them go.
        for entity, number in running.born:
            self.tables[entity].rows[number].is_public = True
            self.tables[entity].touched.add(number)

    # ------------------------------------------------ waves

    def _serve(self, waiting: list[Running], wave: int, end: int) -> None:
        """Born, then picks by static filter, then those with conditions of the flow; then all go on."""
        replies: dict[int, int] = {}
        dynamic: list[tuple[Running, Picking]] = []
        static: dict[int, list[Running]] = {}
        for running in waiting:
            request = running.request
            if isinstance(request, Picking) and request.filter is not None and not request.dynamic:
                static.setdefault(request.filter, []).append(running)
            elif isinstance(request, Picking):
                dynamic.append((running, request))
        for running in waiting:
            if isinstance(running.request, Saving):
                # The flow describes the birth, and goes on to its next request, as soon as it has a number.
                table = self.tables[running.request.entity]
                self._advance(running, end, len(table.rows))
        order_key = mix1(self.draws.key("order", wave), self.step)
        for number in sorted(static, key=lambda number: mix1(order_key, number)):
            members = self.lists[number]
            for running in static[number]:
                request = running.request
                assert isinstance(request, Picking)
                self._give(running, request.entity, -1, shared=False)
                entity = members.share(request.u, request.apart) if request.shared else members.take()
                self._give(running, request.entity, entity, shared=request.shared)
                replies[running.flow.number] = entity
        for running, request in dynamic:
            self._give(running, request.entity, -1, shared=False)
            entity = self._pick_dynamic(request)
            self._give(running, request.entity, entity, shared=request.shared)
            replies[running.flow.number] = entity
        for running in waiting:
            if running.flow.number in replies:
                self._advance(running, end, replies[running.flow.number])

    def _pick_dynamic(self, request: Picking) -> int:
        table, now = self.tables[request.entity], self._instant(self.step)
        extra = [Condition(*condition) for condition in request.dynamic]
        if request.filter is None:
            candidates = table.candidates(extra, now, shared=request.shared)
        else:
            members = sorted(self.lists[request.filter].members)
            candidates = [n for n in members if all(table.matches(table.rows[n], c, now) for c in extra)]
        candidates = [number for number in candidates if number not in request.apart]
        if not request.shared:
            candidates = [number for number in candidates if table.rows[number].taken_in != self.step]
        if request.weight is not None:
            return table.weighted(candidates, request.weight, request.u)
        if not candidates:
            return -1
        u, size = request.u, len(candidates)
        return candidates[int(unit1(u) * size) if request.shared else below1(u, size)]

    # ------------------------------------------------ the end of a step

    def _settle(self, now: int) -> None:
        for name, table in self.tables.items():
            for row, (clock, flow, action), by_event, state in table.settle(now):
                if self.settings.history:
                    self.log.version(name, row.number, clock, flow, action, state, by_event=by_event)

    # ------------------------------------------------ what flows ask (requests.World)

    def slots(self, flow: FlowState) -> list[tuple[str, int]]:
        """What the flow holds or uses."""
        return [(name, slot.number) for name, slot in self.running[flow.number].slots.items()]

    def read(self, flow: FlowState, entity: str, number: int, field: str | None) -> object:
        """The holder sees the live state, others the step's start and their own changes (N2)."""
        table = self.tables[entity]
        row = table.rows[number]
        if field is None:
            return table.key(number)
        if field not in row.live:
            return self._lazy(table, row, field)
        return row.live[field] if row.holder == flow.number else table.own_view(row, flow.number)[field]

    def _lazy(self, table: Table, row: Row, field: str) -> object:
        """A copy of a free field of the entity's event that nothing was expected to read."""
        spec, source = table.spec.by_name[field], table.spec.source_event
        assert source is not None
        assert spec.from_field is not None
        flow, action, _, clock = row.born
        value = self.fields.early_one(source.name, spec.from_field, flow, action, clock)
        return state_of_field(value, source.by_name[spec.from_field], spec)

    def members(self, flow: FlowState, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order."""
        del flow
        wanted = [Condition(*condition) for condition in conditions]
        return self.tables[entity].candidates(wanted, self._instant(self.step), shared=shared)

    def key_is_taken(self, entity: str, key: object) -> bool:
        """Whether an entity has that key."""
        return key in self.tables[entity].keys

    def born(
        self, flow: FlowState, entity: str, number: int, key: object, state: dict[str, object], site: Site
    ) -> None:
        """A new entity, held by its creator."""
        row = self.tables[entity].add(
            key, state, (flow.number, flow.action, site.number, flow.clock), by_event=True
        )
        assert row.number == number
        running = self.running[flow.number]
        running.born.append((entity, number))
        self._give(running, entity, number, shared=False)

    def change(self, flow: FlowState, changes: list[ChangeNow], *, by_event: bool) -> None:
        """Changes of one action, in the flow's view at once (S3)."""
        for change in changes:
            number = np.array([change.number])
            self.starts.timetable.triggers.change(change.entity, [change.field], number)
        for position, change in enumerate(changes):
            table = self.tables[change.entity]
            row = table.rows[change.number]
            when = (flow.clock, flow.number, flow.action, position)
            shared = self.running[flow.number].slots[change.entity].shared
            where = (flow.table.name, flow.span())
            entry = Change(
                change.number, when, change.field, change.op, change.value, shared, by_event, where
            )
            is_holder = row.holder == flow.number
            state = row.live if is_holder else table.own_view(row, flow.number)
            table.apply(state, entry)
            table.log.append(entry)

    def use(self, flow: FlowState, entity: str, number: int) -> None:
        """The entity is what the flow uses of its type."""
        self._give(self.running[flow.number], entity, number, shared=True)

    def release(self, flow: FlowState, entity: str) -> None:
        """The entity goes free, for others from the next step on."""
        self._give(self.running[flow.number], entity, -1, shared=False)

    def emit(self, flow: FlowState, site: Site, values: dict[str, object], keys: dict[str, int]) -> None:
        """An event."""
        if not self._is_late(flow):
            self.log.event(site, flow.number, flow.action, flow.clock, values, keys)

    def trigger(
        self, flow: FlowState, event: str, entities: Mapping[str, int], data: Mapping[str, object]
    ) -> None:
        """The event starts other flows."""
        self.starts.timetable.triggers.tell(event, flow, entities, data)
