"""What Python does for the kernel while a run lasts: escapes, selections, conditions, and what cannot be."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.declare.schema import check_state_value
from deep_faker.draws.mix import Draws, mix1
from deep_faker.errors import DeclarationError, DeepFakerError
from deep_faker.plan import Array, FieldDraws, Pick, Plan
from deep_faker.plan.settings import Settings
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import one_change
from deep_faker.simulate.failures import Failures, check_bits, failed
from deep_faker.simulate.live.source_lines import user_span
from deep_faker.simulate.native import layout as at
from deep_faker.simulate.native.change_kinds import OPERATOR_OF, taken_type
from deep_faker.simulate.native.entities import EntityStore
from deep_faker.simulate.native.escapes import Batch, Escape
from deep_faker.simulate.native.hands import Hands
from deep_faker.simulate.native.live_world import NativeLive
from deep_faker.simulate.native.lower.program import Program
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.native.own_picks import search
from deep_faker.simulate.native.rows import EntityRows, StateWords
from deep_faker.simulate.native.texts import Words


class Failing:
    """Finds the error for what a kernel cannot do."""

    plan: Plan
    settings: Settings
    draws: Draws
    fields: FieldDraws
    words: Words
    program: Program
    memory: Memory
    whole: AbstractContextManager[Any]
    store: EntityStore
    failures: Failures
    escapes: I64
    hands: Hands
    live: NativeLive | None
    _in_turn: Array

    def _replay_by_python(self) -> None:
        """A change that the kernel cannot make once more: it is an ``is`` of what Python makes of it.

        Raises what the first change of the step that cannot be made raises, whoever's it is.
        """
        self.failures.check()
        place = int(self.memory.G[at.G_TROUBLE])
        entry = self.memory.buffers[at.B_CHANGES][place : place + at.CH_SIZE]
        rows, name, state = self._changed_field(entry)
        number = np.array([int(entry[at.CH_ENTITY]) & at.NUMBER])
        try:
            made = self._made(
                entry, rows, name, state, self.store.tables[rows.name].python_live(name, number)[0]
            )
        except (ArithmeticError, TypeError, ValueError, DeepFakerError) as error:
            raise self._failed_replay() from error
        entry[at.CH_KIND] = at.K_IS
        entry[at.CH_VALUE], entry[at.CH_NULL] = self.words.word_of(made, state.type)

    def _failed_replay(self) -> Exception:
        """The first change of a shared entity that cannot be made (entities in order, changes by T9)."""
        log = self.memory.buffers[at.B_CHANGES][: int(self.memory.G[at.G_CHANGES]) * at.CH_SIZE]
        entries = log.reshape(-1, at.CH_SIZE)
        order = np.lexsort(
            [entries[:, i] for i in (at.CH_ORDER, at.CH_ACTION, at.CH_FLOW, at.CH_CLOCK, at.CH_ENTITY)]
        )
        now: dict[tuple[int, int], Any] = {}
        for entry in entries[order]:
            if entry[at.CH_KIND] == at.K_BORN:
                continue
            rows, name, state = self._changed_field(entry)
            place = int(entry[at.CH_ENTITY]), int(entry[at.CH_LIVE])
            if place not in now:
                now[place] = self.store.tables[rows.name].python(name, np.array([place[0] & at.NUMBER]))[0]
            try:
                now[place] = self._made(entry, rows, name, state, now[place])
            except (ArithmeticError, TypeError, ValueError) as error:
                flow, span = self.program.wheres[int(entry[at.CH_WHERE])]
                return failed(flow.name, span, error)
            except DeepFakerError as error:
                return error
        raise AssertionError("all shared changes can be made")

    def _changed_field(self, entry: I64) -> tuple[EntityRows, str, StateWords]:
        rows = self.memory.types[int(entry[at.CH_ENTITY]) >> 40]
        return rows, *next((n, s) for n, s in rows.states.items() if s.live == entry[at.CH_LIVE])

    def _made(self, entry: I64, rows: EntityRows, name: str, state: StateWords, old: Any) -> Any:
        """What a change that was written down comes to, by Python's operators; N11 on the result."""
        kind = int(entry[at.CH_KIND])
        op, type_ = OPERATOR_OF[kind], taken_type(state.type, kind)
        mask = entry[at.CH_NULL : at.CH_NULL + 1] if type_.optional else None
        stored = self.words.storage(entry[at.CH_VALUE : at.CH_VALUE + 1].copy(), mask, type_)
        made = one_change(op, old, to_python(*stored, type_, self.plan.texts)[0])
        if state.type.kind == "int":
            check_bits(rows.name, name, made)
        flow, span = self.program.wheres[int(entry[at.CH_WHERE])]
        return check_state_value(
            rows.plan.spec.by_name[name], made, entity=rows.name, span=span, flow=flow.name
        )

    def _unfit(self) -> Exception:
        packed = int(self.memory.G[at.G_UNFIT])
        rows = self.memory.types[packed >> 40]
        fields = [f.weight for f in self.plan.filters if f.entity == rows.name and f.weight is not None]
        return self.store.tables[rows.name].refuse_weight(packed & at.NUMBER, fields)


class Serving(Failing):
    """Serves flows that the kernel has put aside; it is the `escapes.World` of their escapes."""

    def _serve_escapes(self) -> None:
        """Do for all flows that were put aside what only Python can, and put them back to work."""
        memory, G = self.memory, self.memory.G
        width = at.A_FIRST + int(G[at.G_REGISTERS])
        count = int(G[at.G_ASIDE])
        records = memory.buffers[at.B_ASIDE][: count * width].reshape(count, width)
        keep = np.ones(count, np.bool_)
        slots = memory.slots()[records[:, at.A_SLOT]]
        # births compete for keys in the order of T9, at whichever line they are; other flows go by lines
        apart = np.where(self._in_turn[records[:, at.A_ESCAPE]], 0, records[:, at.A_ESCAPE] + 1)
        order = np.lexsort((slots[:, at.S_NUMBER].view(np.uint64), slots[:, at.S_CLOCK], apart))
        which = records[order, at.A_ESCAPE]
        bounds = np.flatnonzero(np.r_[True, which[1:] != which[:-1], True])
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            rows = order[first:last]
            escape = self.program.escapes[int(which[first])]
            self.escapes[int(which[first])] += len(rows)
            if escape.live:
                assert self.live is not None
                keep[rows] = self.live.serve(records, rows)
                G[at.G_FAILED] = len(self.failures.found)
            else:
                keep[rows] = self._serve(escape, records, rows)
        ready = memory.buffers[at.B_READY]
        kept = records[keep]
        if len(ready) < kept.size:
            memory.grow(at.B_READY, kept.size)
            ready = memory.buffers[at.B_READY]
        ready[: kept.size] = kept.reshape(-1)
        G[at.G_READY], G[at.G_ASIDE] = len(kept), 0

    def _serve(self, escape: Escape, records: I64, rows: I64) -> Array:
        """One escape for the flows in some records; which of them go on."""
        good = np.ones(len(rows), np.bool_)
        try:
            self._done(escape, records, rows)
        except Exception as error:
            before = len(self.failures.found)
            for i in range(len(rows)):
                cause: Exception | None = error
                if len(rows) > 1:
                    cause = None
                    try:
                        self._done(escape, records, rows[i : i + 1])
                    except Exception as own:  # noqa: BLE001 - this is what we are looking for
                        cause = own
                if cause is not None:
                    good[i] = False
                    slot = self.memory.slots()[records[rows[i], at.A_SLOT]]
                    number = int(slot[at.S_NUMBER : at.S_NUMBER + 1].view(np.uint64)[0])
                    self.failures.add(int(slot[at.S_CLOCK]), number, _blamed(escape, cause))
            if len(self.failures.found) == before:  # it was none of them
                raise
            self.memory.G[at.G_FAILED] = len(self.failures.found)
        return good

    def _done(self, escape: Escape, records: I64, rows: I64) -> None:
        """The escape for some records, whose registers it writes."""
        slots = self.memory.slots()
        numbers = records[rows, at.A_SLOT]
        mine = slots[numbers]
        registers = records[rows, at.A_FIRST :]
        held = {}
        for e, name in enumerate(self.plan.entities):
            words = mine[:, at.S_HELD + e]
            held[name] = np.where(words >= 0, words >> 1, words)
        batch = Batch(
            self,
            escape.flow,
            escape.frame,
            registers,
            numbers,
            np.ascontiguousarray(mine[:, at.S_NUMBER]).view(np.uint64),
            np.ascontiguousarray(mine[:, at.S_CLOCK]),
            np.ascontiguousarray(mine[:, at.S_ACTION]),
            np.ascontiguousarray(mine[:, at.S_DRAWS]),
            records[rows, at.A_WAIT],
            np.ascontiguousarray(mine[:, at.S_BORN]),
            held,
        )
        escape.serve(batch)
        records[rows, at.A_FIRST :] = batch.registers
        slots[numbers, at.S_DRAWS] = batch.draws

    def key(self, *purpose: str | int) -> int:
        """The key of draws for a purpose."""
        return self.draws.key(*purpose)

    def find_key(self, entity: str, key: Any) -> int:
        """The number of the entity with a key, -1: there is none."""
        return self.store.tables[entity].find_key(key)

    def claim_keys(self, entity: str, keys: dict[Any, int]) -> None:
        """New keys, and the numbers of those that have them."""
        self.store.tables[entity].claim_keys(keys)

    def state(self, entity: str, words: tuple[int, int], number: int) -> tuple[int, int]:
        """Two words of an entity."""
        row = self.memory.entities(self.program.world.entities[entity].number)[number]
        return int(row[words[0]]), int(row[words[1]]) if words[1] >= 0 else 0

    def own_changes(self, slot: int, entity: str, number: int, live: int) -> list[tuple[int, int, int]]:
        """(kind, word, null) of a flow's own changes of a field in this step, first to last."""
        log, mine = self.memory.buffers[at.B_CHANGES], self.memory.slots()[slot]
        packed = self.program.world.entities[entity].number << 40 | number
        found = []
        place = int(mine[at.S_OWN_LAST]) if mine[at.S_OWN_STEP] == self.memory.G[at.G_STEP] else -1
        while place >= 0:
            entry = log[place * at.CH_SIZE : (place + 1) * at.CH_SIZE]
            if entry[at.CH_ENTITY] == packed and entry[at.CH_LIVE] == live:
                found.append((int(entry[at.CH_KIND]), int(entry[at.CH_VALUE]), int(entry[at.CH_NULL])))
            place = int(entry[at.CH_OWN])
        return found[::-1]

    def _born(self, entity: str, numbers: I64) -> tuple[Array, Array, Array]:
        """(flow, action, clock) of entities' births."""
        e = self.program.world.entities[entity].number
        with self.whole:  # the writing thread asks for texts of a history, too
            words = self.memory.births[e].reshape(-1, at.BIRTH)[numbers]
        flow, action, clock = (np.ascontiguousarray(words[:, i]) for i in (0, 1, 3))
        return flow.view(np.uint64), action, clock

    def _serve_picks(self, count: int) -> None:
        """Picks with conditions of the flow's own, by (clock, flow number)."""
        memory, G = self.memory, self.memory.G
        slots, code = memory.slots(), self.program.code
        key = self.draws.key("select")
        first = at.S_HELD + len(memory.types)
        for number in memory.buffers[at.B_S1][:count].tolist():
            slot = slots[number]
            f = self.program.world.filters[int(slot[at.S_FILTER])]
            pc = int(slot[at.S_PC])
            e = memory.types.index(self.program.world.entities[f.entity])
            flow = self.program.flows[int(slot[at.S_FLOW])]
            shared = f.shared
            if flow.flow.live is not None:
                assert self.live is not None
                found, shared = self.live.choose(slot)
                following = int(code[pc + 2])
            elif code[pc] == at.O_PICK_OWN:
                found = self._search(flow, slot, first, f, int(code[pc + 3]), key)
                following = int(code[pc + 2])
            else:
                found = int(slot[first + int(code[pc + 2])])
                rows = memory.entities(e)
                if found >= 0 and (
                    rows[found, int(memory.F[f.number, at.F_POSITION])] < 0
                    or (not f.shared and rows[found, at.E_TAKEN] == G[at.G_STEP])
                ):
                    found = -1
                following = int(code[pc + 3])
            self.hands.give(slot, e, found, shared=shared)
            slot[at.S_PC] = following
            memory.buffers[at.B_LINKS][number * at.N_SIZE + at.N_NEXT] = G[at.G_WORK]
            G[at.G_WORK] = number

    def _search(self, flow: Any, slot: I64, first: int, f: Any, state: int, key: int) -> int:
        pick = next(s.terminator for s in flow.flow.states if s.number == state)
        assert isinstance(pick, Pick)
        conditions = []
        for name, op, local in pick.dynamic:
            type_ = flow.flow.types[local]
            place = first + flow.frame.register(local)
            mask = None
            if type_.optional:
                null = first + flow.frame.register(f"{local}__null")
                mask = slot[null : null + 1]
            stored = self.words.storage(slot[place : place + 1].copy(), mask, type_)
            conditions.append((name, op, to_python(*stored, type_, self.plan.texts)[0]))
        u = mix1(key, int(slot[at.S_NUMBER]), int(slot[at.S_DRAWS]))
        return search(self.store, self.memory, f, conditions, u)

    def _judge_touched(self) -> None:
        G = self.memory.G
        touched = self.memory.buffers[at.B_TOUCHED][: int(G[at.G_TOUCHED])]
        for rows in self.memory.types:
            if rows.judged:
                self._judge(rows.name, touched[touched >> 40 == rows.number] & at.NUMBER)
        G[at.G_JUDGED] = 1

    def judge_all(self) -> None:
        """Judge all entities by the conditions that the kernel does not know."""
        for rows in self.memory.types:
            if rows.judged:
                self._judge(rows.name, np.arange(int(self.memory.T[rows.number, at.T_COUNT])))

    def _judge(self, entity: str, numbers: I64) -> None:
        table = self.store.tables[entity]
        words = self.memory.entities(table.layout.number)
        for (f, place), offset in table.layout.judged.items():
            condition = self.plan.filters[f].conditions[place]
            if condition.field in table.types:
                values = table.python_live(condition.field, numbers)
            else:
                values = table.key_list(numbers)
            judge = CONDITION_OPERATORS[condition.op].judge(condition.value)
            words[numbers, offset] = list(map(judge, values))


def _blamed(escape: Escape, cause: Exception) -> Exception:
    """The error at the user's line."""
    if isinstance(cause, DeepFakerError) and not isinstance(cause, DeclarationError):
        return cause
    made = failed(escape.flow.name, user_span(cause.__traceback__) or escape.span, cause)
    made.__cause__ = cause
    return made
