"""The vectorized engine: in every step, all flows that are due advance together, place by place."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, FlowTable, Pick, Plan, Save, Site, Trace, Wait
from deep_faker.simulate.arrays import I64, NEVER, joined
from deep_faker.simulate.arrivals import next_step, wanted
from deep_faker.simulate.columns import checkpoint
from deep_faker.simulate.columns.births import Births
from deep_faker.simulate.columns.blame import blamed, one_by_one
from deep_faker.simulate.columns.changes import Changes, Redo
from deep_faker.simulate.columns.code import FlowCode
from deep_faker.simulate.columns.competition import Claim, Picks
from deep_faker.simulate.columns.endings import Endings
from deep_faker.simulate.columns.flows_in_flight import Slots
from deep_faker.simulate.columns.late import Late
from deep_faker.simulate.columns.live_flows import LiveWorld
from deep_faker.simulate.columns.recording import Recorder
from deep_faker.simulate.columns.schedule import Schedule, Served
from deep_faker.simulate.columns.source import CUT, DECAYED, LATE, Compiled
from deep_faker.simulate.columns.spins import Spins
from deep_faker.simulate.columns.store import Store
from deep_faker.simulate.engine import Counts
from deep_faker.simulate.failures import Failures, too_many_states
from deep_faker.simulate.live.generators import Handed
from deep_faker.simulate.liveness import blocks_of

CHUNK = 131_072  # events of a trace chunk, at least: large arrays, and still a small part of memory
MOST_STATES = 65_535  # their numbers are words of 16 bits
Batch = tuple[Array, ...]


class Kernel:
    """What the generated code works on: slots, store, logs, and the batches of the running step."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.draws, self.fields = plan, draws, fields
        self.settings = plan.settings
        self.store = Store(plan, fields)
        self.slots = Slots(plan, plan.entities, span=4 * plan.settings.step)
        self.recorder = Recorder(plan)
        self.redo, self.failures, self.spins = Redo(), Failures(), Spins()
        self.changes = {
            name: Changes(table, self.slots, self.redo, history=plan.settings.history)
            for name, table in self.store.tables.items()
        }
        self.has_live = any(flow.live is not None for flow in plan.flows)
        self.shareable = set(plan.entities) if self.has_live else {f.entity for f in plan.filters if f.shared}
        self.holdable = holdable(plan)
        self.step = -1
        self.t0 = self.t1 = plan.settings.start
        self.sources: dict[str, tuple[FlowTable, list[Any], str]] = {}
        self.pseudo: list[tuple[FlowTable, int, int, int]] = []  # (flow, state, outcome, line)
        self._pseudo_gids: dict[tuple[int, int, int], int] = {}
        self._count_blocks()
        self.endings = Endings(self)
        self.end = self.endings.add
        self.code: list[Compiled] = []
        self.pending: list[list[Batch]] = []
        self.heap: list[int] = []
        self.waiting: dict[int, list[Batch]] = {}

    def compile(self) -> None:
        """Make the functions of all blocks; who only wants the entities that there are first does without."""
        for flow, blocks, gids in [] if self.code else self._tables:
            self.code += map(FlowCode(self, flow, blocks, gids).compile, blocks)
        self.pending = [[] for _ in self.code]
        self._on_resume = [self._columns(code) for code in self.code]

    def _count_blocks(self) -> None:
        """Number all blocks of all flows; after them stand the ends that a wait has already decided."""
        self._tables = []
        first = 0
        for flow in self.plan.flows:
            blocks = [] if flow.live is not None or not flow.states else blocks_of(flow)
            self._tables.append((flow, blocks, {block.state: first + i for i, block in enumerate(blocks)}))
            first += len(blocks)
        self.blocks = first
        for flow, _, _ in self._tables:
            for state in flow.states:
                if isinstance(state.terminator, Wait):
                    for outcome in (DECAYED, CUT, LATE):
                        self._pseudo_gids[flow.number, state.number, outcome] = self.blocks + len(self.pseudo)
                        self.pseudo.append((flow, state.number, outcome, state.terminator.span.line))
        self.live_gid = self.blocks + len(self.pseudo)
        if self.live_gid > MOST_STATES:
            raise too_many_states(MOST_STATES)
        self.pseudo_outcome = np.array([outcome for _, _, outcome, _ in self.pseudo], np.int64)
        self.pseudo_line = np.array([line for *_, line in self.pseudo], np.int64)

    def pseudo_gid(self, flow: FlowTable, wait: Wait, outcome: int) -> int:
        """The row at which flows stand that will end at their clock, as ``wait`` has decided."""
        state = next(s.number for s in flow.states if s.terminator is wait)
        return self._pseudo_gids[flow.number, state, outcome]

    def gid_of(self, flow: int, state: int, ending: int) -> int:
        """The kernel's row of a flow's state; ``ending``: an outcome that is already decided, or -1."""
        if state == checkpoint.GENERATOR:
            return self.live_gid
        if ending >= 0:
            return self._pseudo_gids[flow, state, ending]
        return self._tables[flow][2][state]

    def place_of(self, gid: int) -> tuple[int, int]:
        """The inverse of `gid_of`: (state, ending)."""
        if gid == self.live_gid:
            return checkpoint.GENERATOR, -1
        if gid >= self.blocks:
            _, state, outcome, _ = self.pseudo[gid - self.blocks]
            return state, outcome
        return self.code[gid].block.state, -1

    def _columns(self, code: Compiled) -> list[Any]:
        """The slot columns from which a resumed batch is gathered."""
        own = {
            "number__": "number",
            "clock__": "clock",
            "action__": "action",
            "k__": "k",
            "events__": "events",
        }
        out = []
        for name in code.columns:
            if name in own or name == "mark__":
                out.append(getattr(self.slots, own.get(name, "mark")))
            elif (code.flow.number, name) in self.slots.locals:
                out.append(self.slots.locals[code.flow.number, name])
        return out

    def may_share(self, flow: FlowTable, entity: str) -> bool:
        """Whether a change of this flow may concern an entity that it does not hold."""
        return self.plan.entities[entity].shared_changes and entity in self.shareable

    # ------------------------------------------------------------ called by generated code

    def push(self, gid: int, batch: Batch) -> None:
        """A batch goes on at a block."""
        queue = self.pending[gid]
        if not queue:
            heapq.heappush(self.heap, gid)
        queue.append(batch)

    def attempt(self, run: Callable[..., None], names: tuple[str, ...], batch: Batch) -> None:
        """Run a block for a batch (its slots, then the arrays ``names``); rows that fail stay behind."""
        self.redo.made = 0
        try:
            run(*batch)
        except Exception as error:  # noqa: BLE001 - at some of its rows: which?
            one_by_one(self, run, names, batch, error)

    def park(self, rows: I64, clock: I64, state: Array | int) -> Array | None:
        """Flows wait for their clock; the mask of those that need not wait, if there are any."""
        slots = self.slots
        slots.clock.a[rows] = clock
        slots.state.a[rows] = state
        soon = clock < self.t1
        if not soon.any():
            slots.agenda.add(rows, clock)
            return None
        later = ~soon
        slots.agenda.add(rows[later], clock[later])
        return soon

    def wait(self, gid: int, batch: Batch) -> None:
        """A batch waits for the step's competition."""
        self.waiting.setdefault(gid, []).append(batch)

    def release(self, entity: str, rows: I64) -> None:
        """The flows' entities of a type are free, as they ask for other ones (N4)."""
        if entity not in self.holdable:
            return
        held = np.take(self.slots.held[entity].a, rows, mode="clip")
        mine = held >= 0
        if not mine.any():
            return
        if entity in self.shareable:
            mine &= ~self.slots.shared[entity].a[rows]
        if not mine.any():
            return
        table = self.store.tables[entity]
        numbers = held[mine]
        table.free(numbers[table.published.a[numbers]])  # a flow's own births wait for its end
        self.slots.held[entity].a[rows[mine]] = -1

    def hold(self, entity: str, rows: I64, flow: Array, number: I64) -> None:
        """Newly born entities are held by their creators, in place of what they held."""
        self.release(entity, rows)
        table = self.store.tables[entity]
        if table.start_view:
            table.holder.a[number] = flow
        self.slots.held[entity].a[rows] = number
        self.slots.shared[entity].a[rows] = False
        self.slots.chains[entity].append(rows, number)

    def tables_changed(self, entity: str) -> None:
        self.store.tables[entity].is_changed = True

    def order_of(self, clock: I64, number: Array) -> I64:
        """Positions in the order (clock, flow number)."""
        if len(clock) < 2:
            return np.arange(len(clock))
        low = int(number.min())
        width = int(number.max()) - low + 1
        if width * (self.t1 - self.t0) < 1 << 62:
            return np.argsort((clock - self.t0) * width + (number.view(np.int64) - low))
        return np.lexsort((number, clock))

    def go_on(self, code: Compiled, state: int, batch: Batch, rows: I64) -> None:
        """A batch that has waited goes on at ``state``."""
        gid = self.gid_of(code.flow.number, state, -1)
        have = dict(zip(code.waiting, batch[1:], strict=True))
        if "k__" in have:
            have["k__"] = have["k__"] + np.uint64(1)
        self.push(gid, (rows, *(have[name] for name in self.code[gid].columns)))


def holdable(plan: Plan) -> set[str]:
    """Entity types of which a flow can hold one, and not only use it."""
    terminators = [state.terminator for flow in plan.flows for state in flow.states]
    filters = [plan.filters[n] for flow in plan.flows for n in flow.starts]
    filters += [plan.filters[t.filter] for t in terminators if isinstance(t, Pick)]
    if any(flow.live is not None for flow in plan.flows):
        return set(plan.entities)
    return {f.entity for f in filters if not f.shared} | {
        t.entity for t in terminators if isinstance(t, Save)
    }


class ColumnEngine(Kernel):
    """The engine by column: an `Engine`, see there."""

    name = "numpy"

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        super().__init__(plan, draws, fields)
        self.schedule = Schedule(plan, draws, self.store)
        self.tally, self.lists = self.schedule.tally, self.store.lists
        self.entities, self.column = self.store.entities, self.store.column  # see `Engine`
        self.picks = Picks(self)
        self.births = Births(self)
        self.pick_keys = {f.number: draws.key("pick", f.number) for f in plan.filters}
        self.next_flow = 0
        self.skipped = 0
        self.late = Late(self)
        self.live = LiveWorld(self) if self.has_live else None
        self.sites: Sequence[Site] = plan.sites if self.live is None else self.live.sites
        self._begun = False
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        return self.tally.counts(self.skipped, self.lists)

    def run(self, stop_before_step: int | None = None) -> Iterator[Trace]:
        """Go on until all flows have ended, or the next step would be ``stop_before_step``."""
        self.compile()
        if not self._begun:
            self._begun = True
            self.next_flow = self.births.initial()
        try:
            while (step := self._next_step(stop_before_step)) is not None:
                try:
                    self._advance(step)
                except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                    raise self.failures.first() or blamed(self, error)  # noqa: B904 - each has its own cause
                if self.recorder.rows >= min(self.most_rows, CHUNK):
                    yield self._trace()
        except BaseException:
            if self.live is not None:
                self.live.close()
            raise
        trace = self._trace()
        if trace.rows or trace.ended or trace.versions or trace.keys:
            yield trace

    def _trace(self) -> Trace:
        trace = self.recorder.take(self.t1)
        trace.keys = self.store.new_keys()
        return trace

    # ------------------------------------------------------------ time

    def _next_step(self, stop: int | None) -> int | None:
        """The next step in which anything can happen; the starts of those passed over are skipped."""
        slots, tables = self.slots, self.store.tables.values()
        found = next_step(
            self.settings,
            self.step + 1,
            slots.running,
            can_start=self.schedule.can_start,
            due=lambda: slots.agenda.next(slots.used),
            flip=lambda: min((table.next_flip() for table in tables), default=NEVER),
            stop=NEVER if stop is None else stop,
        )
        self.skipped += found.skipped
        self.tally.without((), found.skipped)
        if found.happens:
            return found.step
        self.step = found.step - 1  # those that are passed over are behind
        return None

    def _advance(self, step: int) -> None:
        """One step, from the instant that it begins at to the lists that the next one finds."""
        settings, tables = self.settings, self.store.tables.values()
        self.step = step
        self.t0 = settings.start + step * settings.step
        self.t1 = self.t0 + settings.step
        for table in tables:
            table.step = step
            for members in table.lists:
                members.flip_due(step, self.t0)
            table.begin(step, self.pick_keys)
        due = self.slots.agenda.due(self.t1, self.slots.used)
        starts = wanted(settings, step, self.slots.running)
        if starts:
            served, skipped = self.schedule.start(step, starts)
            self.skipped += skipped
            if served is not None:
                self._start(served)
        if len(due):
            self._resume(due)
        self._work()
        wave = 0
        while self.waiting or (self.live is not None and self.live.waiting):
            wave += 1
            self._compete(wave)
            self._work()
        if self.late.first is not None or self.t1 > settings.late_after:
            self.late.take_back()
        self.failures.check()
        self.endings.settle()
        for name, table in self.store.tables.items():
            self.changes[name].settle()
            table.settle(self.t1)
            self.recorder.versions[name] += self.changes[name].take_made()

    def _start(self, served: Served) -> None:
        """Flows that were served get numbers, slots and entities."""
        count = len(served.table)
        slots = self.slots
        rows = slots.take(count)
        number = np.arange(self.next_flow, self.next_flow + count, dtype=np.uint64)
        on_time = int(np.searchsorted(served.clock, self.settings.end))
        if on_time < count:
            self.late.first = self.next_flow + on_time
        self.next_flow += count
        slots.number.a[rows] = number
        slots.table.a[rows] = served.table
        slots.started.a[rows] = served.clock
        slots.clock.a[rows] = served.clock
        for name, held in slots.held.items():
            if name not in served.entities:
                held.a[rows] = -2
                continue
            entity, shared = served.entities[name]
            held.a[rows] = entity
            if name in self.shareable:
                slots.shared[name].a[rows] = shared
            mine = np.flatnonzero((entity >= 0) & ~shared)
            if len(mine):
                self.store.tables[name].take(entity[mine], number[mine])
                slots.chains[name].append(rows[mine], entity[mine])
        for table in range(len(self.plan.flows)) if len(self.plan.flows) > 1 else [0]:
            at = np.flatnonzero(served.table == table)
            if len(at):
                self._enter(table, rows[at], number[at], served.clock[at])

    def _enter(self, table: int, rows: I64, number: Array, clock: I64) -> None:
        """New flows stand before their first state."""
        flow, _, gids = self._tables[table]
        if flow.live is not None:
            assert self.live is not None
            self.slots.state.a[rows] = self.live_gid
            self.live.start(table, rows, number, clock)
            return
        gid = gids[flow.states[0].number]
        zeros = np.zeros(len(rows), np.int64)
        have = {"number__": number, "clock__": clock, "k__": zeros.view(np.uint64)}
        self.push(gid, (rows, *(have.get(name, zeros) for name in self.code[gid].columns)))

    def _resume(self, rows: I64) -> None:
        """Flows whose time has come go on where they stand, grouped by place."""
        slots = self.slots
        state = np.take(slots.state.a, rows, mode="clip")
        order = np.argsort(state, kind="stable")
        rows, state = rows[order], state[order]
        cuts = np.flatnonzero(state[1:] != state[:-1]) + 1
        ends, live = (
            int(at) for at in np.searchsorted(state, np.array([self.blocks, self.live_gid], np.uint16))
        )
        if live < len(rows) and self.live is not None:
            self.live.resume(rows[live:])
        if ends < live:
            over = rows[ends:live]
            decided = state[ends:live].astype(np.int64) - self.blocks
            late = self.pseudo_outcome[decided] == LATE
            if late.any():
                self._go_on_late(over[late], decided[late])
                over, decided = over[~late], decided[~late]
            self.end(
                over,
                self.pseudo_outcome[decided],
                self.pseudo_line[decided],
                slots.clock.a[over],
                slots.events.a[over],
            )
        for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
            if first < ends:
                gid, mine = int(state[first]), rows[first:last]
                columns = self._on_resume[gid]
                self.push(gid, (mine, *(np.take(column.a, mine, mode="clip") for column in columns)))

    def _go_on_late(self, rows: I64, decided: I64) -> None:
        """Flows are cut, and go on in this step where they stood."""
        slots = self.slots
        self.late.cut(rows, self.pseudo_line[decided], slots.events.a[rows])
        for place in np.unique(decided).tolist():
            flow, state, *_ = self.pseudo[place]
            wait = next(s.terminator for s in flow.states if s.number == state)
            assert isinstance(wait, Wait)
            gid, mine = self.gid_of(flow.number, wait.next, -1), rows[decided == place]
            self.push(gid, (mine, *(np.take(column.a, mine, mode="clip") for column in self._on_resume[gid])))

    def _work(self) -> None:
        """Run blocks in the order of their places, so that flows which meet again run as one batch."""
        heap, pending, code = self.heap, self.pending, self.code
        self.spins.begin()
        while heap:
            gid = heapq.heappop(heap)
            batches = pending[gid]
            pending[gid] = []
            batch = batches[0] if len(batches) == 1 else tuple(map(joined, zip(*batches, strict=True)))
            self.attempt(code[gid].run, code[gid].columns, batch)

    def _compete(self, wave: int) -> None:
        """One wave: first the births, then the picks."""
        waiting, self.waiting = self.waiting, {}
        saves: list[tuple[Compiled, Batch]] = []
        claims: list[Claim] = []
        for gid in sorted(waiting):
            batches, code = waiting[gid], self.code[gid]
            batch = batches[0] if len(batches) == 1 else tuple(map(joined, zip(*batches, strict=True)))
            if isinstance(code.block.terminator, Save):
                saves.append((code, batch))
            else:
                claims.append(self.picks.claim(code, batch))
        replies = [] if self.live is None else self.live.requests(saves, claims)
        if saves:
            self.births.serve(saves)
        if claims:
            self.picks.serve(wave, claims)
        for running, reply in replies:
            assert self.live is not None
            self.live.advance(running, reply[0])

    # ------------------------------------------------------------ checkpoints

    def save(self) -> dict[str, Array]:
        """The whole state between two steps, as named arrays."""
        checkpoint.refuse_live(self.plan)
        return checkpoint.save(self)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up a saved state; `run` goes on from there."""
        self.compile()  # it tells which locals wait
        checkpoint.load(self, arrays)
        self._begun = True

    def hand_over(self) -> Handed:
        """All that another engine needs to go on in place of this one; this one is done."""
        return checkpoint.save(self), self.live

    def take_over(self, handed: Handed) -> None:
        """Go on where another engine stands."""
        arrays, live = handed
        self.load(arrays)
        if self.live is not None and live is not None:
            rows = self.slots.alive()
            places = zip(self.slots.number.a[rows].tolist(), rows.tolist(), strict=True)
            self.live.adopt(live, dict(places), self.live)
            self.sites = self.live.sites
