"""What Python does for flows while a run lasts: escapes of those put aside, selections by their values."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.mix import mix1
from deep_faker.errors import DeclarationError, DeepFakerError
from deep_faker.plan import Array, Filter, Pick
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.failures import failed
from deep_faker.simulate.live.source_lines import user_span
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.escapes import Batch, Escape
from deep_faker.simulate.native.live_world import NativeLive
from deep_faker.simulate.native.lower.program import FlowProgram
from deep_faker.simulate.native.own_picks import search
from deep_faker.simulate.native.run_state import RunState


class Serving:
    """Serves flows that the kernel has put aside, or that ask for what only Python can find."""

    def __init__(self, run: RunState, live: NativeLive | None) -> None:
        self.run, self.live = run, live
        self._in_turn = np.array([escape.in_turn for escape in run.program.escapes], np.bool_)

    def serve_escapes(self) -> None:
        """Do for all flows that were put aside what only Python can, and put them back to work."""
        memory, G = self.run.memory, self.run.memory.G
        width = layout.A_FIRST + int(G[layout.G_REGISTERS])
        count = int(G[layout.G_ASIDE])
        records = memory.buffers[layout.B_ASIDE][: count * width].reshape(count, width)
        keep = np.ones(count, np.bool_)
        slots = memory.slots()[records[:, layout.A_SLOT]]
        # births compete for keys in the order of T9, at whichever line they are; other flows go by lines
        apart = np.where(self._in_turn[records[:, layout.A_ESCAPE]], 0, records[:, layout.A_ESCAPE] + 1)
        order = np.lexsort((slots[:, layout.S_NUMBER].view(np.uint64), slots[:, layout.S_CLOCK], apart))
        which = records[order, layout.A_ESCAPE]
        bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            rows = order[first:last]
            escape = self.run.program.escapes[int(which[first])]
            if escape.live:
                assert self.live is not None
                keep[rows] = self.live.serve(records, rows)
                G[layout.G_FAILED] = len(self.run.failures.found)
            else:
                keep[rows] = self._serve(escape, records, rows)
        ready = memory.buffers[layout.B_READY]
        kept = records[keep]
        if len(ready) < kept.size:
            memory.grow(layout.B_READY, kept.size)
            ready = memory.buffers[layout.B_READY]
        ready[: kept.size] = kept.reshape(-1)
        G[layout.G_READY], G[layout.G_ASIDE] = len(kept), 0

    def _serve(self, escape: Escape, records: I64, rows: I64) -> Array:
        """One escape for the flows in some records; which of them go on."""
        good = np.ones(len(rows), np.bool_)
        try:
            self._done(escape, records, rows)
        except Exception as error:
            before = len(self.run.failures.found)
            for i in range(len(rows)):
                cause: Exception | None = error
                if len(rows) > 1:
                    cause = None
                    try:
                        self._done(escape, records, rows[i : i + 1])
                    except Exception as alone:  # noqa: BLE001 - this is what we are looking for
                        cause = alone
                if cause is not None:
                    good[i] = False
                    slot = self.run.memory.slots()[records[rows[i], layout.A_SLOT]]
                    number = int(slot[layout.S_NUMBER : layout.S_NUMBER + 1].view(np.uint64)[0])
                    self.run.failures.add(int(slot[layout.S_CLOCK]), number, _blamed(escape, cause))
            if len(self.run.failures.found) == before:  # it was none of them
                raise
            self.run.memory.G[layout.G_FAILED] = len(self.run.failures.found)
        return good

    def _done(self, escape: Escape, records: I64, rows: I64) -> None:
        """The escape for some records, whose registers it writes."""
        slots = self.run.memory.slots()
        numbers = records[rows, layout.A_SLOT]
        mine = slots[numbers]
        registers = records[rows, layout.A_FIRST :]
        held = {}
        for e, name in enumerate(self.run.plan.entities):
            words = mine[:, layout.S_HELD + e]
            held[name] = np.where(words >= 0, words >> 1, words)
        batch = Batch(
            self.run,
            escape.flow,
            escape.frame,
            registers,
            numbers,
            np.ascontiguousarray(mine[:, layout.S_NUMBER]).view(np.uint64),
            np.ascontiguousarray(mine[:, layout.S_WORD]).view(np.uint64),
            np.ascontiguousarray(mine[:, layout.S_CLOCK]),
            np.ascontiguousarray(mine[:, layout.S_ACTION]),
            np.ascontiguousarray(mine[:, layout.S_DRAWS]),
            records[rows, layout.A_WAIT],
            np.ascontiguousarray(mine[:, layout.S_BORN]),
            held,
        )
        escape.serve(batch)
        records[rows, layout.A_FIRST :] = batch.registers
        slots[numbers, layout.S_DRAWS] = batch.draws

    def serve_picks(self, count: int) -> None:
        """Picks with conditions of the flow's own, by (clock, flow number)."""
        memory, G = self.run.memory, self.run.memory.G
        slots, code = memory.slots(), self.run.program.code
        key = self.run.draws.key("select")
        first = layout.S_HELD + len(memory.types)
        for number in memory.buffers[layout.B_S1][:count].tolist():
            slot = slots[number]
            f = self.run.program.world.filters[int(slot[layout.S_FILTER])]
            pc = int(slot[layout.S_PC])
            e = memory.types.index(self.run.program.world.entities[f.entity])
            flow = self.run.program.flows[int(slot[layout.S_FLOW])]
            shared = f.shared
            if flow.flow.live is not None:
                assert self.live is not None
                entity, shared = self.live.choose(slot)
                following = int(code[pc + 2])
            elif code[pc] == layout.O_PICK_OWN:
                entity = self._search(flow, slot, first, f, int(code[pc + 3]), key)
                following = int(code[pc + 2])
            else:
                entity = int(slot[first + int(code[pc + 2])])
                rows = memory.entities(e)
                if entity >= 0 and (
                    rows[entity, int(memory.F[f.number, layout.F_POSITION])] < 0
                    or (not f.shared and rows[entity, layout.E_TAKEN] == G[layout.G_STEP])
                ):
                    entity = -1
                following = int(code[pc + 3])
            self.run.hands.give(slot, e, entity, shared=shared)
            slot[layout.S_PC] = following
            memory.buffers[layout.B_LINKS][number * layout.N_SIZE + layout.N_NEXT] = G[layout.G_WORK]
            G[layout.G_WORK] = number

    def _search(self, flow: FlowProgram, slot: I64, first: int, f: Filter, state: int, key: int) -> int:
        pick = next(s.terminator for s in flow.flow.states if s.number == state)
        assert isinstance(pick, Pick)
        conditions: list[tuple[str, str, object]] = []
        for name, op, local in pick.dynamic:
            type_ = flow.flow.types[local]
            place = first + flow.frame.register(local)
            mask = None
            if type_.optional:
                null = first + flow.frame.register(f"{local}__null")
                mask = slot[null : null + 1]
            stored = self.run.words.storage(slot[place : place + 1].copy(), mask, type_)
            conditions.append((name, op, to_python(*stored, type_, self.run.plan.texts)[0]))
        u = mix1(key, int(slot[layout.S_NUMBER]), int(slot[layout.S_DRAWS]))
        return search(self.run.store, self.run.memory, f, conditions, u)


def _blamed(escape: Escape, cause: Exception) -> Exception:
    """The error at the user's line."""
    if isinstance(cause, DeepFakerError) and not isinstance(cause, DeclarationError):
        return cause
    error = failed(escape.flow.name, user_span(cause.__traceback__) or escape.span, cause)
    error.__cause__ = cause
    return error
