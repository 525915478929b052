"""The kernel's buffers: made for a program, and grown when the kernel says that one is short."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan.settings import Settings
from deep_faker.simulate import arrivals
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native import layout as at
from deep_faker.simulate.native.kernel.checking import CHECKED, buffers
from deep_faker.simulate.native.lower.assembler import signed
from deep_faker.simulate.native.lower.program import Program

_FIRST_SLOTS, _FIRST_ENTITIES, _FIRST_WAVES = 256, 64, 32
_LOG_WORDS = 1 << 12
_SCRATCH = (at.B_S1, at.B_S2, at.B_S3, at.B_S4, at.B_S5)


class Memory:
    """All words of a run. ``G`` are the globals; ``rows``, ``births``, ``members`` by type or filter."""

    def __init__(self, program: Program, draws: Draws) -> None:
        self.program, self.draws = program, draws
        self.settings: Settings = program.plan.settings
        self.table = np.zeros(at.BUFFERS, np.int64)
        self.buffers: list[I64] = [np.zeros(1, np.int64)] * at.BUFFERS
        self.G = np.zeros(at.G_SIZE, np.int64)
        self.set(at.B_GLOBALS, self.G)
        world = program.world
        self.types = list(world.entities.values())
        self.rows: list[I64] = []
        self.births: list[I64] = []
        self.members: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.totals: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.blocks: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.races: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self._program()
        self._entities()
        self._filters()
        self._flows()
        self._logs()
        self._globals()

    def set(self, which: int, array: I64) -> None:
        """A buffer is this array from now on."""
        self.buffers[which] = array
        self.table[which] = array.ctypes.data
        self.G[at.G_CAPACITY + which] = array.size
        if CHECKED:
            buffers.add(array)
            buffers.add(self.table)

    def kept(self, array: I64) -> I64:
        """An array to which a word in another points."""
        if CHECKED:
            buffers.add(array)
        return array

    # ------------------------------------------------------------ making

    def _program(self) -> None:
        program = self.program
        self.set(at.B_CODE, program.code)
        self.set(at.B_HINTS, np.zeros(len(program.code), np.int64))
        registers = np.zeros(program.registers + len(program.constants), np.int64)
        registers[program.registers :] = program.constants
        self.set(at.B_REGISTERS, registers)
        for table in (*program.tables, *program.world.tables):
            self.kept(table)
        self._keys(_FIRST_WAVES)

    def _keys(self, waves: int) -> None:
        """Keys of all purposes; those of the waves last, as there may be more."""
        plan, key, G = self.program.plan, self.draws.key, self.G
        keys: list[int] = []

        def add(place: int, *purposes: tuple[str | int, ...]) -> None:
            G[place] = len(keys)
            keys.extend(signed(key(*purpose)) for purpose in purposes)

        most = max((len(flow.starts) for flow in plan.flows), default=0)
        add(at.G_KEY_START, (arrivals.START,))
        add(at.G_KEY_SELECT, ("select",))
        add(at.G_KEY_DECAY, ("decay",))
        add(at.G_KEY_RANDOM, ("random",))
        add(at.G_KEY_PICK, *(("pick", f.number) for f in self.program.world.filters))
        add(at.G_KEY_SELECT_START, *((arrivals.SELECT_START, i) for i in range(most)))
        add(at.G_KEY_FLOW, *((arrivals.FLOW, i) for i in range(len(plan.flows) + 2)))
        add(at.G_KEY_ORDER, *(("order", i) for i in range(waves)))
        G[at.G_WAVES] = waves
        self.set(at.B_KEYS, np.array(keys, np.int64))

    def _entities(self) -> None:
        words = np.zeros((max(len(self.types), 1), at.T_SIZE), np.int64)
        self.set(at.B_TYPES, words.reshape(-1))
        self.T = words
        defaults: list[int] = []
        of_type: list[int] = []
        for e, rows in enumerate(self.types):
            words[e, at.T_STRIDE] = rows.stride
            words[e, at.T_LOG] = rows.log
            words[e, at.T_DEFAULT] = len(defaults)
            defaults += rows.defaults
            words[e, at.T_FIRST_FILTER], words[e, at.T_FILTERS] = len(of_type), len(rows.positions)
            of_type += rows.positions
            self.rows.append(np.zeros(1, np.int64))
            self.births.append(np.zeros(1, np.int64))
        self.set(at.B_DEFAULTS, np.array(defaults or [0], np.int64))
        self.set(at.B_TYPE_FILTERS, np.array(of_type or [0], np.int64))

    def _filters(self) -> None:
        world = self.program.world
        words = np.zeros((max(len(world.filters), 1), at.F_SIZE), np.int64)
        self.set(at.B_FILTERS, words.reshape(-1))
        self.F = words
        conditions: list[list[int]] = []
        for f in world.filters:
            rows, row = world.entities[f.entity], words[f.number]
            row[at.F_TYPE], row[at.F_SHARED] = rows.number, f.shared
            row[at.F_WEIGHT] = row[at.F_WEIGHT_NULL] = row[at.F_FLIP] = row[at.F_STEP] = -1
            row[at.F_ASKED] = -1
            row[at.F_POSITION] = rows.positions[f.number]
            if f.weight is not None:
                state = rows.states[f.weight]
                row[at.F_WEIGHT], row[at.F_WEIGHT_NULL] = state.settled
                row[at.F_WEIGHT_FLOAT] = state.type.kind == "float"
            mine = world.rows_of_filter(f)
            row[at.F_FIRST_CONDITION], row[at.F_CONDITIONS] = at.C_SIZE * len(conditions), len(mine)
            conditions += mine
            if f.number in rows.flips:
                row[at.F_FLIP] = rows.flips[f.number]
                bounds = world.bounds_of_filter(f)
                row[at.F_FIRST_BOUND], row[at.F_BOUNDS] = at.C_SIZE * len(conditions), len(bounds)
                conditions += bounds
        for table in world.tables:
            self.kept(table)
        self.set(at.B_CONDITIONS, np.array(conditions or [[0] * at.C_SIZE], np.int64).reshape(-1))
        self.set(at.B_PERMUTATION, np.zeros(max(len(world.filters), 1) * at.PERM, np.int64))
        for e in range(len(self.types)):
            self.grow_type(e, _FIRST_ENTITIES)

    def _flows(self) -> None:
        plan = self.program.plan
        starts: list[int] = []
        table = np.zeros((max(len(plan.flows), 1), at.FLOW_WORDS), np.int64)
        for made, row in zip(self.program.flows, table, strict=False):
            row[:] = made.entry, made.stored, len(starts), len(made.flow.starts)
            starts += made.flow.starts
        self.set(at.B_FLOWS, table.reshape(-1))
        self.set(at.B_FLOW_STARTS, np.array(starts or [0], np.int64))
        weights = np.array([flow.weight for flow in plan.flows] or [0.0], np.float64)
        self.set(at.B_WEIGHTS, weights.view(np.int64))
        self.set(at.B_UNMATCHED, np.zeros(max(len(plan.flows), 1), np.int64))
        self.set(at.B_OUTCOMES, np.zeros(4 * max(len(plan.flows), 1), np.int64))
        self.set(at.B_S6, np.zeros(6 * max(len(plan.flows), 1), np.int64))
        self.slot_words = at.S_HELD + len(self.types) + max((f.stored for f in self.program.flows), default=0)
        self.G[at.G_SLOT_WORDS] = self.slot_words
        self.set(at.B_WHEEL, np.full(at.WHEEL, -1, np.int64))
        for which in _SCRATCH:
            self.set(which, np.zeros(max(2 * len(self.program.world.filters), 64), np.int64))
        self.set(at.B_SLOTS, np.zeros(0, np.int64))
        self.set(at.B_FREE, np.zeros(0, np.int64))
        self.set(at.B_LINKS, np.zeros(0, np.int64))
        ceiling = self.settings.n_flows
        self.grow_slots(_FIRST_SLOTS if ceiling is None else max(1, min(ceiling, _FIRST_SLOTS)))

    def _logs(self) -> None:
        for which in (at.B_LOG, at.B_ENDS, at.B_VERSIONS):
            self.set(which, np.zeros(_LOG_WORDS, np.int64))
        self.set(at.B_CHANGES, np.zeros(64 * at.CH_SIZE, np.int64))
        for which in (at.B_TOUCHED, at.B_DUAL, at.B_FLIP_KEY, at.B_FLIP_ROW):
            self.set(which, np.zeros(64, np.int64))
        record = at.A_FIRST + self.program.registers
        for which in (at.B_ASIDE, at.B_READY):
            self.set(which, np.zeros(16 * record, np.int64))
        nodes = np.zeros(1024, np.int64)
        nodes[1] = 1  # node 0 is the head of the spare ones, and tells the first that was never used
        self.set(at.B_CHAIN, nodes)

    def _globals(self) -> None:
        G, s, plan = self.G, self.settings, self.program.plan
        G[at.G_STEP], G[at.G_WORK], G[at.G_UNFIT] = -1, -1, -1
        G[at.G_START], G[at.G_LENGTH], G[at.G_END] = s.start, s.step, s.end
        G[at.G_CUTS], G[at.G_LAST] = s.on_end == "cut", s.last
        G[at.G_CEILING] = -1 if s.n_flows is None else s.n_flows
        G[at.G_PER_STEP] = -1 if s.starts_per_step is None else s.starts_per_step
        G[at.G_FLOWS], G[at.G_TYPES] = len(plan.flows), len(self.types)
        G[at.G_FILTERS] = len(self.program.world.filters)
        G[at.G_REGISTERS], G[at.G_HISTORY] = self.program.registers, s.history
        G[at.G_MOST_FILTERS] = max((len(rows.positions) for rows in self.types), default=0)
        G[at.G_JUDGES] = any(rows.judged for rows in self.types)

    # ------------------------------------------------------------ growing

    def grow(self, which: int, need: int) -> None:
        """A buffer gets room for ``need`` words, and some to spare; what it holds stays."""
        if which in _SCRATCH:
            self.scratch(need)
            return
        twins = {at.B_FLIP_KEY: (at.B_FLIP_KEY, at.B_FLIP_ROW)}.get(which, (which,))
        for one in twins:
            old = self.buffers[one]
            size = max(need, 2 * len(old))
            new = np.zeros(size, np.int64)
            new[: len(old)] = old
            self.set(one, new)
        if which == at.B_CHANGES:
            self.scratch(len(self.buffers[which]) // at.CH_SIZE + 2)
        elif which == at.B_FLIP_KEY:
            self.scratch(len(self.buffers[which]))

    def scratch(self, need: int) -> None:
        """All scratch buffers hold as many words; what they hold is lost."""
        if need > len(self.buffers[at.B_S1]):
            for which in _SCRATCH:
                self.set(which, np.zeros(max(need, 2 * len(self.buffers[at.B_S1])), np.int64))

    def grow_slots(self, more: int) -> None:
        """Room for at least ``more`` flows that are not there yet."""
        free = int(self.G[at.G_FREE])
        have = len(self.buffers[at.B_FREE])
        total = max(have - free + more, min(2 * have, have + (1 << 18)))
        if self.settings.n_flows is not None:
            total = max(min(total, self.settings.n_flows), have - free + more)
        slots = np.zeros(total * self.slot_words, np.int64)
        slots[: have * self.slot_words] = self.buffers[at.B_SLOTS]
        slots.reshape(total, -1)[have:, at.S_CLOCK] = at.NEVER
        self.set(at.B_SLOTS, slots)
        links = np.zeros(total * at.N_SIZE, np.int64)
        links[: have * at.N_SIZE] = self.buffers[at.B_LINKS]
        self.set(at.B_LINKS, links)
        spare = np.zeros(total, np.int64)
        fresh = np.arange(have, total)[::-1]  # the lowest is taken first
        spare[: len(fresh)] = fresh
        spare[len(fresh) : len(fresh) + free] = self.buffers[at.B_FREE][:free]
        self.set(at.B_FREE, spare)
        self.G[at.G_FREE] = free + len(fresh)
        self.G[at.G_SLOTS] = total
        waiting = np.zeros(total, np.int64)
        if len(self.buffers) > at.B_WAITING and len(self.buffers[at.B_WAITING]) > 1:
            waiting[: len(self.buffers[at.B_WAITING])] = self.buffers[at.B_WAITING]
        self.set(at.B_WAITING, waiting)
        self.scratch(total * max(1, len(self.types)) + 2 * len(self.program.world.filters) + 8)

    def grow_type(self, e: int, need: int) -> None:
        """Room for ``need`` entities of a type."""
        rows, words = self.types[e], self.T[e]
        old = int(words[at.T_CAPACITY])
        capacity = max(need, old + min(old, 1 << 20), _FIRST_ENTITIES)
        for arrays, width in ((self.rows, rows.stride), (self.births, at.BIRTH)):
            new = np.zeros(capacity * width, np.int64)
            new[: old * width] = arrays[e][: old * width]
            arrays[e] = self.kept(new)
        words[at.T_ROWS], words[at.T_BIRTHS] = self.rows[e].ctypes.data, self.births[e].ctypes.data
        words[at.T_CAPACITY] = capacity
        for f in rows.positions:
            self._grow_filter(f, capacity)

    def _grow_filter(self, f: int, capacity: int) -> None:
        row, old = self.F[f], int(self.F[f, at.F_CAPACITY])
        weighted = self.program.world.filters[f].weight is not None
        for arrays, place, wanted in (
            (self.members, at.F_MEMBERS, True),
            (self.totals, at.F_TOTALS, weighted),
            (self.races, at.F_RACE, weighted),
        ):
            if wanted:
                new = np.zeros(capacity, np.int64)
                new[:old] = arrays[f][:old]
                arrays[f] = self.kept(new)
                row[place] = new.ctypes.data
        row[at.F_CAPACITY] = capacity
        if weighted:
            blocks = self.kept(np.zeros(2 * ((capacity >> at.BLOCK) + 1), np.int64))
            self.blocks[f] = blocks
            row[at.F_BLOCKS], row[at.F_FRESH] = blocks.ctypes.data, 0
            row[at.F_MARKS] = row[at.F_BLOCKS] + 8 * ((capacity >> at.BLOCK) + 1)

    def grow_waves(self) -> None:
        """Keys for more waves of a step."""
        self._keys(2 * int(self.G[at.G_WAVES]))

    # ------------------------------------------------------------ views

    def slots(self) -> I64:
        """The flows' words, one row each."""
        return self.buffers[at.B_SLOTS].reshape(-1, self.slot_words)

    def entities(self, e: int) -> I64:
        """The words of the entities of a type, one row each."""
        stride, count = self.types[e].stride, int(self.T[e, at.T_COUNT])
        return self.rows[e][: count * stride].reshape(count, stride)

    def births_of(self, e: int) -> I64:
        """(flow, action, site, clock) of the entities of a type, one row each."""
        count = int(self.T[e, at.T_COUNT])
        return self.births[e][: count * at.BIRTH].reshape(count, at.BIRTH)

    def chain(self, slot: I64) -> list[int]:
        """The entities that a flow has taken, in order, as ``type << 40 | number``."""
        nodes, out = self.buffers[at.B_CHAIN], []
        node = int(slot[at.S_CHAIN])
        for _ in range(int(slot[at.S_TAKEN])):
            out.append(int(nodes[2 * node]))
            node = int(nodes[2 * node + 1])
        return out[::-1]
