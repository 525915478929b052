"""The vectorized engine: in every step, all flows that are due advance together, place by place."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deep_faker.draws.mix import Draws, counted_from
from deep_faker.plan import Array, FieldDraws, Plan, Save, Site, Trace
from deep_faker.simulate.arrays import I64, NEVER, Column
from deep_faker.simulate.arrivals import next_step, wanted
from deep_faker.simulate.came import Arriving
from deep_faker.simulate.columns import checkpoint
from deep_faker.simulate.columns.batches import Batches
from deep_faker.simulate.columns.births import Births
from deep_faker.simulate.columns.blame import attempt, blamed
from deep_faker.simulate.columns.code import FlowCode
from deep_faker.simulate.columns.competition import Claim, Picks
from deep_faker.simulate.columns.endings import Endings
from deep_faker.simulate.columns.holding import take_up
from deep_faker.simulate.columns.late import Late
from deep_faker.simulate.columns.live_flows import LiveWorld
from deep_faker.simulate.columns.replay import settle
from deep_faker.simulate.columns.schedule import Schedule, Served
from deep_faker.simulate.columns.source import LATE, OWN, Batch, Compiled, Exits
from deep_faker.simulate.columns.world import World
from deep_faker.simulate.engine import Counts
from deep_faker.simulate.live.generators import Handed
from deep_faker.simulate.timetable import let_in

CHUNK = 131_072  # events of a trace chunk, at least: large arrays, and still a small part of memory


class ColumnEngine:
    """The engine by column: an `Engine`, see there."""

    name = "numpy"

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        world = self.world = World(plan, draws, fields)
        self.plan, self.settings = plan, plan.settings
        self.entities, self.column = world.store.entities, world.store.column  # see `Engine`
        self.batches = Batches(world.places.blocks)
        self.schedule = Schedule(plan, draws, world.store, world.tally, world.triggers)
        self.endings = Endings(world)
        self.late = Late(world, self.endings)
        self.live = LiveWorld(world, self.endings, self.late) if world.has_live else None
        self.births = Births(world)
        self.picks = Picks(world, self._go_on)
        self.pick_keys = {f.number: draws.key("pick", f.number) for f in plan.filters}
        self.code: list[Compiled] = []
        self._on_resume: list[list[Column]] = []
        self._started_by_events = [flow.number for flow in plan.flows if flow.on is not None]
        self._begun = False
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest

    @property
    def sites(self) -> Sequence[Site]:
        """See `Engine.sites`."""
        return self.plan.sites if self.live is None else self.live.sites

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        world = self.world
        return world.tally.counts(world.skipped, world.store.lists, self.schedule.timetable.waiting)

    def compile(self) -> None:
        """Make the functions of all blocks; who only wants the entities that there are first does without."""
        if self.code:
            return
        batches = self.batches
        exits = Exits(batches.push, batches.wait, self.endings.add, self.late.cut)
        for flow_blocks in self.world.places.flows:
            self.code += map(FlowCode(self.world, exits, flow_blocks).compile, flow_blocks.blocks)
        self._on_resume = [self._columns(code) for code in self.code]

    def _columns(self, code: Compiled) -> list[Column]:
        """The slot columns from which a resumed batch is gathered."""
        slots = self.world.slots
        columns: list[Column] = []
        for name in code.columns:
            if name in OWN:
                columns.append(getattr(slots, OWN[name]))
            elif (code.flow.number, name) in slots.locals:
                columns.append(slots.locals[code.flow.number, name])
        return columns

    def begin(self) -> None:
        """The entities that exist from the start, unless the run has begun."""
        if not self._begun:
            self._begun = True
            self.world.next_flow = self.births.initial()

    def run(self, stop_before_step: int | None = None) -> Iterator[Trace]:
        """Go on until all flows have ended, or the next step would be ``stop_before_step``."""
        self.compile()
        self.begin()
        try:
            while (step := self._next_step(stop_before_step)) is not None:
                try:
                    self._advance(step)
                except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                    raise self.world.failures.first() or blamed(self.world, error)  # noqa: B904 - each has its own cause
                if self.world.recorder.rows >= min(self.most_rows, CHUNK):
                    yield self._trace()
        except BaseException:
            if self.live is not None:
                self.live.close()
            raise
        trace = self._trace()
        if trace.rows or trace.ended or trace.versions or trace.keys or trace.decisions:
            yield trace

    def _trace(self) -> Trace:
        trace = self.world.recorder.take(self.world.t1)
        trace.keys = self.world.store.new_keys()
        return trace

    # ------------------------------------------------------------ time

    def _next_step(self, stop: int | None) -> int | None:
        """The next step in which anything can happen; the starts of those passed over are skipped."""
        world, slots = self.world, self.world.slots
        following = next_step(
            self.settings,
            world.step + 1,
            slots.running,
            can_start=self.schedule.can_start,
            due=lambda: slots.agenda.next(slots.used),
            flip=lambda: min((lists.next_flip() for lists in world.store.by_type.values()), default=NEVER),
            arrival=self.schedule.timetable.next(world.step + 1),
            stop=NEVER if stop is None else stop,
        )
        world.skipped += following.skipped
        world.tally.without((), following.skipped)
        if following.happens:
            return following.step
        world.step = following.step - 1  # those that are passed over are behind
        return None

    def _advance(self, step: int) -> None:
        """One step, from the instant that it begins at to the lists that the next one finds."""
        settings, world = self.settings, self.world
        world.step = step
        world.t0 = settings.start + step * settings.step
        world.t1 = world.t0 + settings.step
        for lists in world.store.by_type.values():
            lists.begin(step, world.t0, self.pick_keys)
        due = world.slots.agenda.due(world.t1, world.slots.used)
        came, later = self._let_in(step)
        timetable = self.schedule.timetable
        timetable.stirred = len(due) > 0
        starts = wanted(settings, step, world.slots.running + len(came.clock))
        if starts or len(came.clock):
            served, skipped, busy = self.schedule.start(step, starts, came)
            world.skipped += skipped
            later = busy.then(later)
            if served is not None:
                self._start(served)
                timetable.stirred = True
        timetable.wait(step, later)
        if len(due):
            self._resume(due)
        self._work()
        wave = 0
        while self.batches.waiting or (self.live is not None and self.live.waiting):
            wave += 1
            self._compete(wave)
            self._work()
        if self.late.first is not None or world.t1 > settings.late_after:
            gone = self.late.take_back()
            if self.live is not None:
                self.live.drop(gone)
        world.failures.check()
        self.endings.settle()
        for name, lists in world.store.by_type.items():
            changes = world.changes[name]
            settle(changes)
            lists.settle(world.t1)
            world.recorder.versions[name] += changes.take_versions()

    def _let_in(self, step: int) -> tuple[Arriving, Arriving]:
        """The arrivals of a step that there are places for, and those that wait for one.

        The others are turned away.
        """
        came, world = self.schedule.timetable.of_step(step), self.world
        if not len(came.clock):
            return came, came
        count = let_in(self.settings, came, world.slots.running)
        late = came.some(slice(count, None))
        may_wait = np.isin(late.flow, self._started_by_events)
        away = late.some(np.flatnonzero(~may_wait & (late.clock < self.settings.end)))
        world.tally.turn_away(away.flow, unmatched=False)
        return came.some(slice(count)), late.some(np.flatnonzero(may_wait))

    def _start(self, served: Served) -> None:
        """Flows that were served get numbers, slots and entities."""
        count, world, slots = len(served.table), self.world, self.world.slots
        rows = slots.take(count)
        number = np.arange(world.next_flow, world.next_flow + count, dtype=np.uint64)
        on_time = int(np.searchsorted(served.clock, self.settings.end))
        if on_time < count:
            self.late.first = world.next_flow + on_time
        world.next_flow += count
        word = number.copy()
        word[served.came] = served.word
        slots.number.a[rows], slots.word.a[rows] = number, word
        slots.table.a[rows] = served.table
        slots.started.a[rows] = served.clock
        slots.clock.a[rows] = served.clock
        if self.plan.queues:
            slots.waited.a[rows] = 0
        for name, held in slots.held.items():
            if name not in served.entities:
                held.a[rows] = -2
                continue
            entity, shared = served.entities[name]
            held.a[rows] = entity
            if name in world.shareable:
                slots.shared[name].a[rows] = shared
            mine = np.flatnonzero((entity >= 0) & ~shared)
            if len(mine):
                take_up(world, name, rows[mine], number[mine], entity[mine])
        for table in range(len(self.plan.flows)):
            mine = np.flatnonzero(served.table == table)
            if len(mine):
                self._enter(
                    table, rows[mine], number[mine], served.clock[mine], served.words[mine], word[mine]
                )

    def _enter(self, table: int, rows: I64, number: Array, clock: I64, words: I64, word: Array) -> None:
        """New flows stand before their first state."""
        places = self.world.places
        flow, _, gids = places.flows[table]
        handed = {} if flow.on is None else flow.on.values(words)
        if flow.live is not None:
            assert self.live is not None
            self.world.slots.state.a[rows] = places.live_gid
            self.live.start(table, rows, number, clock, words, word)
            return
        for target, field in flow.handed:
            values, nulls = handed[field]
            self.world.slots.local(table, target, self.plan).a[rows] = values
            if nulls is not None:
                self.world.slots.local(table, f"{target}__null", self.plan).a[rows] = nulls
        gid = gids[flow.states[0].number]
        zeros = np.zeros(len(rows), np.int64)
        have = {"number__": number, "clock__": clock, "k__": counted_from(word, number)}
        self.batches.push(gid, (rows, *(have.get(name, zeros) for name in self.code[gid].columns)))

    def _resume(self, rows: I64) -> None:
        """Flows whose time has come go on where they stand, grouped by place."""
        slots, places = self.world.slots, self.world.places
        state = np.take(slots.state.a, rows, mode="clip")
        order = np.argsort(state, kind="stable")
        rows, state = rows[order], state[order]
        cuts = np.flatnonzero(state[1:] != state[:-1]) + 1
        limits = np.array([places.blocks, places.live_gid], np.uint16)
        ends, live = map(int, np.searchsorted(state, limits))
        if live < len(rows) and self.live is not None:
            self.live.resume(rows[live:])
        if ends < live:
            over = rows[ends:live]
            decided = state[ends:live].astype(np.int64) - places.blocks
            late = places.outcomes[decided] == LATE
            if late.any():
                self._go_on_late(over[late], decided[late])
                over, decided = over[~late], decided[~late]
            clock, events = slots.clock.a[over], slots.events.a[over]
            self.endings.add(over, places.outcomes[decided], places.lines[decided], clock, events)
        for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(rows)], strict=True):
            if first < ends:
                self._push_resumed(int(state[first]), rows[first:last])

    def _go_on_late(self, rows: I64, decided: I64) -> None:
        """Flows are cut, and go on in this step where they stood."""
        places = self.world.places
        self.late.cut(rows, places.lines[decided], self.world.slots.events.a[rows])
        for place in np.unique(decided).tolist():
            end = places.decided[place]
            self._push_resumed(places.gid_of(end.flow.number, end.wait.next), rows[decided == place])

    def _push_resumed(self, gid: int, rows: I64) -> None:
        """Flows go on at a block, with what their slots have kept."""
        columns = self._on_resume[gid]
        self.batches.push(gid, (rows, *(np.take(column.a, rows, mode="clip") for column in columns)))

    def _go_on(self, code: Compiled, state: int, batch: Batch) -> None:
        """A batch that has waited for the competition goes on at ``state``."""
        gid = self.world.places.gid_of(code.flow.number, state)
        have = dict(zip(code.waiting, batch[1:], strict=True))
        if "k__" in have:
            have["k__"] = have["k__"] + np.uint64(1)
        self.batches.push(gid, (batch[0], *(have[name] for name in self.code[gid].columns)))

    def _work(self) -> None:
        """Run all blocks at which flows are to go on."""
        world, batches, code = self.world, self.batches, self.code
        world.spins.begin()
        while batches.heap:
            gid, batch = batches.pop()
            attempt(world, code[gid].run, code[gid].columns, batch)

    def _compete(self, wave: int) -> None:
        """One wave: first the births, then the picks."""
        saves: list[tuple[Compiled, Batch]] = []
        claims: list[Claim] = []
        for gid, batch in self.batches.take_waiting():
            code = self.code[gid]
            if isinstance(code.block.terminator, Save):
                saves.append((code, batch))
            else:
                claims.append(self.picks.claim(code, batch))
        births, replies = ([], []) if self.live is None else self.live.requests(claims)
        if births:
            self.births.serve_in_turn(saves, births)
        elif saves:
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
        return self._arrays()

    def _arrays(self) -> dict[str, Array]:
        return checkpoint.save(self.world) | self.schedule.timetable.save(self.world.step + 1)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up a saved state; `run` goes on from there."""
        self.compile()  # it tells which locals wait
        checkpoint.load(self.world, arrays)
        self.schedule.timetable.load(arrays)
        self._begun = True

    def hand_over(self) -> Handed:
        """All that another engine needs to go on in place of this one; this one is done."""
        return self._arrays(), self.live

    def take_over(self, handed: Handed) -> None:
        """Go on where another engine stands."""
        arrays, live = handed
        self.load(arrays)
        if self.live is not None and live is not None:
            slots = self.world.slots
            rows = slots.alive()
            slot_of = zip(slots.number.a[rows].tolist(), rows.tolist(), strict=True)
            self.live.adopt(live, dict(slot_of), self.live)
