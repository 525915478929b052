"""The native engine: runs a plan's program by the kernel, and does for it what only Python can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock

import numpy as np

from deep_faker import loops
from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, RawTrace, Site, Trace, Wait
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.checkpoint import refuse_live
from deep_faker.simulate.columns.engine import ColumnEngine
from deep_faker.simulate.columns.world import holdable
from deep_faker.simulate.engine import Counts, Entities
from deep_faker.simulate.failures import Failures
from deep_faker.simulate.live.generators import Handed
from deep_faker.simulate.native import checkpoint
from deep_faker.simulate.native import layout as at
from deep_faker.simulate.native.entities import EntityStore
from deep_faker.simulate.native.hands import Hands
from deep_faker.simulate.native.kernel.checking import CHECKED
from deep_faker.simulate.native.live_world import NativeLive
from deep_faker.simulate.native.lower.program import program_of
from deep_faker.simulate.native.machine import cache
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.native.serving import Serving
from deep_faker.simulate.native.texts import Words
from deep_faker.simulate.native.traces import Logs, Reader
from deep_faker.simulate.native.words import OBJECT, PAYLOAD, SHIFT

CHUNK = 65_536  # events of a trace, about, at most
_OBJECTS = 200_000  # new objects before those that nobody names any more are let go


class NativeEngine(Serving):
    """Runs a plan. `run` yields what happened, chunk by chunk, until all flows have ended.

    Raises `NotLowerableError` for a plan that has no native form.
    """

    name = "native"

    def __init__(
        self,
        plan: Plan,
        draws: Draws,
        fields: FieldDraws,
        functions: Mapping[str, Callable[..., int]] | None = None,
    ) -> None:
        self.plan, self.draws, self.fields, self.settings = plan, draws, fields, plan.settings
        self.functions = kernel_functions() if functions is None else functions
        loops.use(self.functions)
        self.words = Words(plan, draws, fields, self._born)
        self.program = program_of(plan, draws, fields, self.words)
        self.words.objects.keep()
        self.memory = Memory(self.program, draws)
        self.whole = RLock()  # held where `memory` is exchanged, and by those that look at births
        self.store = EntityStore(self.memory, self.words)
        self.hands = Hands(self.memory)
        self.failures = Failures()
        self.live = None if self.program.live is None else NativeLive(self, self.program.live)
        used = [name for name in plan.entities if name in holdable(plan)]
        self.reader = Reader(self.program, self.words, fields, used, self.functions)
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest
        self.escapes = np.zeros(max(len(self.program.escapes), 1), np.int64)  # how often each was taken
        self._in_turn = np.array([escape.in_turn for escape in self.program.escapes], np.bool_)
        self._begun = False
        self._objects_kept = 0

    @property
    def sites(self) -> Sequence[Site]:
        """See `Engine.sites`."""
        return self.plan.sites if self.live is None else self.live.sites

    def run(self, stop_before_step: int | None = None) -> Iterator[RawTrace]:
        """Go on until all flows have ended, or the next step would be ``stop_before_step``."""
        try:
            yield from self._run(stop_before_step)
        except BaseException:
            if self.live is not None:
                self.live.close()
            raise

    def _run(self, stop_before_step: int | None) -> Iterator[RawTrace]:
        first = self._begin()
        if first is not None:
            yield first
        stop = at.NEVER - 1 if stop_before_step is None else stop_before_step
        cut = self._cut_step()
        while True:
            status = self._go_on(min(stop, cut))
            if status == at.STOPPED and cut < stop and int(self.memory.G[at.G_STEP]) + 1 >= cut:
                yield from self._cut(cut)
                cut = at.NEVER - 1
                continue
            logs = self._take()
            if not logs.is_empty:
                yield logs
            if status == at.DONE and cut < stop:  # the starts of the step that the end cuts are skipped too
                cut = at.NEVER - 1
            elif status != at.CHUNK:
                return

    def _go_on(self, stop: int) -> int:
        """Let the kernel run until it has a chunk, is done, or has come to a step."""
        while True:
            want = min(self.most_rows, CHUNK)
            with np.errstate(all="ignore"):
                status = int(self.functions["run"](self.memory.table.ctypes.data, stop, want))
            if status in (at.DONE, at.CHUNK, at.STOPPED):
                return status
            try:
                self._help(status)
            except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                raise self.failures.first() or error  # noqa: B904 - each has its own cause

    def _help(self, status: int) -> None:
        """What the kernel asks for."""
        memory, G = self.memory, self.memory.G
        need, words = int(G[at.G_NEED]), int(G[at.G_NEED_WORDS])
        if status == at.ROOM:
            memory.grow(need, words)
        elif status == at.GROW:
            memory.grow_type(need, words)
        elif status == at.SLOTS:
            memory.grow_slots(need)
        elif status == at.WAVES:
            memory.grow_waves()
        elif status == at.ESCAPE:
            self._serve_escapes()
        elif status == at.SERVE:
            self._serve_picks(need)
        elif status == at.JUDGE:
            self._judge_touched()
        elif status == at.FAILED:
            self.failures.check()
        elif status == at.REPLAY:
            self._replay_by_python()
        elif status == at.UNFIT:
            raise self._unfit()

    def _take(self) -> Logs:
        """The logs so far; the kernel goes on with fresh ones."""
        memory, G = self.memory, self.memory.G
        parts: list[tuple[I64, int]] = []
        for which, place in ((at.B_LOG, at.G_LOG), (at.B_ENDS, at.G_ENDS), (at.B_VERSIONS, at.G_VERSIONS)):
            array, end = memory.buffers[which], int(G[place])
            parts.append((array, end))
            if end:
                memory.set(which, np.empty(len(array), np.int64))
            G[place] = 0
        events, until = int(G[at.G_EVENTS]), int(G[at.G_T1])
        logs = Logs(
            self.reader,
            *parts[0],
            *parts[1],
            *parts[2],
            events,
            until,
            self.words.objects,
            self.store.new_keys(),
            [] if self.live is None else self.live.take_logs(),
        )
        G[at.G_EVENTS] = 0
        self._let_objects_go()
        return logs

    def _let_objects_go(self) -> None:
        """Keep only the objects that a flow or an entity still names, once there are many others."""
        if len(self.words.objects.all) < 2 * self._objects_kept + _OBJECTS:
            return
        old = self.words.objects
        new = old.begin_again()
        self.words.objects = new
        for matrix, column, rows in self._places_of_texts():
            words = matrix[rows, column]
            named = np.flatnonzero((words >> SHIFT == OBJECT) & (words & PAYLOAD >= old.fixed))
            if len(named):
                known, place = np.unique(words[named] & PAYLOAD, return_inverse=True)
                words[named] = new.add([old.all[i] for i in known.tolist()])[place]
                matrix[rows, column] = words
        self._objects_kept = len(new.all)

    def _places_of_texts(self) -> Iterator[tuple[I64, int, I64]]:
        """Where words of texts and objects are between two steps: a matrix, a column of it, and rows."""
        memory = self.memory
        for rows in memory.types:
            words = memory.entities(rows.number)
            everybody = np.arange(len(words))
            for words_of in rows.states.values():
                if words_of.type.kind in ("str", "object"):
                    for column in (words_of.live, words_of.start):
                        if column >= 0:
                            yield words, column, everybody
        slots = memory.slots()
        running = np.flatnonzero(slots[:, at.S_CLOCK] < at.NEVER)
        first = at.S_HELD + len(memory.types)
        for flow in self.program.flows:
            mine = running[slots[running, at.S_FLOW] == flow.flow.number]
            pc, pending = slots[mine, at.S_PC], slots[mine, at.S_PENDING]
            for state, alive in flow.alive.items():
                waits = [
                    place
                    for wait, place in flow.waits.items()
                    if self.next_of(flow.flow.number, wait) == state
                ]
                goes_on = (pending == 0) & (pc == flow.resumes[state])
                here = mine[goes_on | ((pending == at.LATE) & np.isin(pc, waits))]
                for name in alive:
                    kind = None if name.endswith("__null") else flow.flow.types[name].kind
                    if kind in ("str", "object"):
                        yield slots, first + flow.frame.register(name), here

    def _begin(self) -> Trace | None:
        """The entities that exist from the start, and their events."""
        if self._begun:
            return None
        self._begun = True
        base = ColumnEngine(self.plan, self.draws, self.fields)
        base.begin()
        checkpoint.load(self, base.hand_over()[0])
        self.memory.G[at.G_STEP] = -1
        self.memory.G[at.G_T1] = self.settings.start
        trace = base.world.recorder.take(self.settings.start)
        trace.keys = self.store.new_keys()
        return trace if trace.rows or trace.versions or trace.keys else None

    def _cut_step(self) -> int:
        """The step that the run's end cuts; the numpy engine knows how to take back what is late in it."""
        s = self.settings
        return (s.end - s.start) // s.step if s.cuts_a_step else at.NEVER - 1

    def _cut(self, step: int) -> Iterator[RawTrace]:
        """That step, by the numpy engine."""
        logs = self._take()
        if not logs.is_empty:
            yield logs
        base = ColumnEngine(self.plan, self.draws, self.fields)
        base.take_over(self.hand_over())
        base.most_rows = self.most_rows
        yield from base.run(step + 1)
        with self.whole:
            self._restart()
            self.take_over(base.hand_over())
        self.store.late_from = base.world.store.late_from

    def _restart(self) -> None:
        """Empty buffers, to be loaded into."""
        self.memory = Memory(self.program, self.draws)
        self.store = EntityStore(self.memory, self.words)
        self.hands = Hands(self.memory)

    def save(self) -> dict[str, Array]:
        """The whole state between two steps, as named arrays."""
        refuse_live(self.plan)
        return checkpoint.save(self)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up a saved state; `run` goes on from there."""
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
            slots = self.memory.slots()
            rows = np.flatnonzero(slots[:, at.S_CLOCK] < at.NEVER)
            numbers = np.ascontiguousarray(slots[rows, at.S_NUMBER]).view(np.uint64).tolist()
            self.live.adopt(live, dict(zip(numbers, rows.tolist(), strict=True)), self.live)

    def next_of(self, flow: int, state: int) -> int:
        """The state after a wait."""
        wait = next(s.terminator for s in self.plan.flows[flow].states if s.number == state)
        assert isinstance(wait, Wait)
        return wait.next

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        unmatched = self.memory.buffers[at.B_UNMATCHED].tolist()
        names = [flow.name for flow in self.plan.flows]
        matched = [bool(row[at.F_EVER]) for row in self.memory.F[: len(self.plan.filters)]]
        skipped = int(self.memory.G[at.G_SKIPPED])
        return Counts(skipped, dict(zip(names, unmatched, strict=False)), matched)

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        return self.store.entities(entity)

    def column(self, entity: str, field: str) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        return self.store.column(entity, field)


def kernel_functions() -> Mapping[str, Callable[..., int]]:
    """The kernel's functions by name: compiled before, or those of the checked build.

    Raises `RuntimeError` where they have not been compiled.
    """
    if CHECKED:
        from deep_faker.simulate.native.kernel import entry as kernel

        return {entry.__name__: entry for entry in kernel.ENTRIES}
    found = cache.load()
    if found is None:
        raise RuntimeError(cache.available() or cache.failure() or "the kernel has not been compiled")
    return found.functions
