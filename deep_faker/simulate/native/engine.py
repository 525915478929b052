"""The native engine: runs a plan's program by the kernel, and does for it what only Python can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from deep_faker import loops
from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, RawTrace, Site, Trace
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.checkpoint import refuse_live
from deep_faker.simulate.columns.engine import ColumnEngine
from deep_faker.simulate.columns.world import holdable
from deep_faker.simulate.engine import Counts, Entities
from deep_faker.simulate.live.generators import Handed
from deep_faker.simulate.native import checkpoint, layout
from deep_faker.simulate.native.judging import judge_touched
from deep_faker.simulate.native.kernel.checking import CHECKED
from deep_faker.simulate.native.live_world import NativeLive
from deep_faker.simulate.native.machine import cache
from deep_faker.simulate.native.old_objects import let_objects_go
from deep_faker.simulate.native.replaying import replay, unfit
from deep_faker.simulate.native.run_state import RunState
from deep_faker.simulate.native.serving import Serving
from deep_faker.simulate.native.traces import Logs, Reader

_LOGS = {
    layout.B_LOG: layout.G_LOG,
    layout.B_ENDS: layout.G_ENDS,
    layout.B_VERSIONS: layout.G_VERSIONS,
}
CHUNK = 65_536  # events of a trace, about, at most


class NativeEngine:
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
        self.functions = kernel_functions() if functions is None else functions
        loops.use(self.functions)
        self.state = state = RunState(plan, draws, fields)
        self.live = None if state.program.live is None else NativeLive(state, state.program.live)
        self.serving = Serving(state, self.live)
        used = [name for name in plan.entities if name in holdable(plan)]
        self.reader = Reader(state.program, state.words, fields, used, self.functions)
        self.most_rows = sys.maxsize  # a trace is given when it has so many, at the latest
        self._begun = False
        self._spare: dict[int, list[I64]] = {which: [] for which in _LOGS}

    @property
    def sites(self) -> Sequence[Site]:
        """See `Engine.sites`."""
        return self.state.plan.sites if self.live is None else self.live.sites

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
        stop = layout.NEVER - 1 if stop_before_step is None else stop_before_step
        cut = self._cut_step()
        while True:
            status = self._go_on(min(stop, cut))
            if status == layout.STOPPED and cut < stop and int(self.state.memory.G[layout.G_STEP]) + 1 >= cut:
                yield from self._cut(cut)
                cut = layout.NEVER - 1
                continue
            logs = self._take()
            if not logs.is_empty:
                yield logs
            if status == layout.DONE and cut < stop:  # the starts of the step that is cut are skipped too
                cut = layout.NEVER - 1
            elif status != layout.CHUNK:
                return

    def _go_on(self, stop: int) -> int:
        """Let the kernel run until it has a chunk, is done, or has come to a step."""
        while True:
            want = min(self.most_rows, CHUNK)
            with np.errstate(all="ignore"):
                status = int(self.functions["run"](self.state.memory.table.ctypes.data, stop, want))
            if status in (layout.DONE, layout.CHUNK, layout.STOPPED):
                return status
            try:
                self._help(status)
            except Exception as error:  # noqa: BLE001 - a flow that failed before it comes first
                raise self.state.failures.first() or error  # noqa: B904 - each has its own cause

    def _help(self, status: int) -> None:
        """What the kernel asks for."""
        memory, G = self.state.memory, self.state.memory.G
        need, words = int(G[layout.G_NEED]), int(G[layout.G_NEED_WORDS])
        if status == layout.ROOM:
            memory.grow(need, words)
        elif status == layout.GROW:
            memory.grow_type(need, words)
        elif status == layout.SLOTS:
            memory.grow_slots(need)
        elif status == layout.WAVES:
            memory.grow_waves()
        elif status == layout.ESCAPE:
            self.serving.serve_escapes()
        elif status == layout.SERVE:
            self.serving.serve_picks(need)
        elif status == layout.JUDGE:
            judge_touched(self.state)
        elif status == layout.ARRIVE:
            memory.arrive()
        elif status == layout.FAILED:
            self.state.failures.check()
        elif status == layout.REPLAY:
            replay(self.state)
        elif status == layout.UNFIT:
            raise unfit(self.state)

    def _take(self) -> Logs:
        """The logs so far; the kernel goes on with fresh ones."""
        state, memory, G = self.state, self.state.memory, self.state.memory.G
        parts: list[tuple[I64, int]] = []
        for which, place in _LOGS.items():
            array, end = memory.buffers[which], int(G[place])
            parts.append((array, end))
            memory.set(which, self._free(which, len(array)))
            G[place] = 0
        events, until = int(G[layout.G_EVENTS]), int(G[layout.G_T1])
        logs = Logs(
            self.reader,
            *parts[0],
            *parts[1],
            *parts[2],
            events,
            until,
            state.words.objects,
            state.store.new_keys(),
            [] if self.live is None else self.live.take_logs(),
            self._spare,
        )
        G[layout.G_EVENTS] = 0
        let_objects_go(state)
        return logs

    def _free(self, which: int, words: int) -> I64:
        """Room for a log: one that has been taken, whose pages the system need not clear again."""
        spare = self._spare[which]
        while spare:
            log = spare.pop()
            if len(log) == words:  # logs may have grown since
                return log
        return np.empty(words, np.int64)

    def _begin(self) -> Trace | None:
        """The entities that exist from the start, and their events."""
        if self._begun:
            return None
        self._begun = True
        state = self.state
        base = ColumnEngine(state.plan, state.draws, state.fields)
        base.begin()
        checkpoint.load(state, base.hand_over()[0])
        state.memory.G[layout.G_STEP] = -1
        state.memory.G[layout.G_T1] = state.settings.start
        trace = base.world.recorder.take(state.settings.start)
        trace.keys = state.store.new_keys()
        return trace if trace.rows or trace.versions or trace.keys else None

    def _cut_step(self) -> int:
        """The step that the run's end cuts; the numpy engine knows how to take back what is late in it."""
        s = self.state.settings
        return (s.end - s.start) // s.step if s.cuts_a_step else layout.NEVER - 1

    def _cut(self, step: int) -> Iterator[RawTrace]:
        """That step, by the numpy engine."""
        logs = self._take()
        if not logs.is_empty:
            yield logs
        state = self.state
        base = ColumnEngine(state.plan, state.draws, state.fields)
        base.take_over(self.hand_over())
        base.most_rows = self.most_rows
        yield from base.run(step + 1)
        with state.whole:
            state.restart()
            self.take_over(base.hand_over())
        state.store.late_from = base.world.store.late_from

    def save(self) -> dict[str, Array]:
        """The whole state between two steps, as named arrays."""
        refuse_live(self.state.plan)
        return checkpoint.save(self.state)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up a saved state; `run` goes on from there."""
        checkpoint.load(self.state, arrays)
        self._begun = True

    def hand_over(self) -> Handed:
        """All that another engine needs to go on in place of this one; this one is done."""
        return checkpoint.save(self.state), self.live

    def take_over(self, handed: Handed) -> None:
        """Go on where another engine stands."""
        arrays, live = handed
        self.load(arrays)
        if self.live is not None and live is not None:
            slots = self.state.memory.slots()
            rows = np.flatnonzero(slots[:, layout.S_CLOCK] < layout.NEVER)
            numbers = np.ascontiguousarray(slots[rows, layout.S_NUMBER]).view(np.uint64).tolist()
            self.live.adopt(live, dict(zip(numbers, rows.tolist(), strict=True)), self.live)

    @property
    def counts(self) -> Counts:
        """See `Engine.counts`."""
        memory, plan = self.state.memory, self.state.plan
        unmatched = memory.buffers[layout.B_UNMATCHED].tolist()
        names = [flow.name for flow in plan.flows]
        matched = [bool(row[layout.F_EVER]) for row in memory.F[: len(plan.filters)]]
        skipped = int(memory.G[layout.G_SKIPPED])
        away = zip(plan.flows, unmatched[len(names) :], strict=False)
        waiting = memory.waiting()
        late = waiting.flow[waiting.clock < self.state.settings.end]
        turned_away = {
            flow.name: count + int(np.count_nonzero(late == flow.number))
            for flow, count in away
            if flow.arrives is not None
        }
        return Counts(skipped, dict(zip(names, unmatched, strict=False)), matched, turned_away)

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        return self.state.store.entities(entity)

    def column(self, entity: str, field: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        return self.state.store.column(entity, field, rows)


def kernel_functions() -> Mapping[str, Callable[..., int]]:
    """The kernel's functions by name: compiled before, or those of the checked build.

    Raises `RuntimeError` where they have not been compiled.
    """
    if CHECKED:
        from deep_faker.simulate.native.kernel.entry import ENTRIES

        return {entry.__name__: entry for entry in ENTRIES}
    kernel = cache.load()
    if kernel is None:
        raise RuntimeError(cache.available() or cache.failure() or "the kernel has not been compiled")
    return kernel.functions
