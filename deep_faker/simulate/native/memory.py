"""The kernel's buffers: made for a program, and grown when the kernel says that one is short."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array
from deep_faker.plan.settings import Settings
from deep_faker.simulate import arrivals
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.came import Arriving
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.kernel.checking import CHECKED, buffers
from deep_faker.simulate.native.lower.assembler import signed
from deep_faker.simulate.native.lower.program import Program
from deep_faker.simulate.timetable import Timetable

_FIRST_SLOTS, _FIRST_ENTITIES, _FIRST_WAVES = 256, 64, 32
_LOG_WORDS = 1 << 12
_GAPS, _FEW_GAPS = 4096, 256  # of the clocks of entities that are still to be born
_SCRATCH = (layout.B_S1, layout.B_S2, layout.B_S3, layout.B_S4, layout.B_S5)


class Memory:
    """All words of a run. ``G`` are the globals; ``rows``, ``births``, ``members`` by type or filter."""

    def __init__(self, program: Program, draws: Draws) -> None:
        self.program, self.draws = program, draws
        self.settings: Settings = program.plan.settings
        self.table = np.zeros(layout.BUFFERS, np.int64)
        self.buffers: list[I64] = [np.zeros(1, np.int64)] * layout.BUFFERS
        self.G = np.zeros(layout.G_SIZE, np.int64)
        self.set(layout.B_GLOBALS, self.G)
        world = program.world
        self.types = list(world.entities.values())
        self.rows: list[I64] = []
        self.births: list[I64] = []
        self.members: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.totals: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.blocks: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.races: list[I64] = [np.zeros(1, np.int64) for _ in world.filters]
        self.timetable = Timetable(program.plan, draws, self._born, self._state)
        self._program()
        self._entities()
        self._filters()
        self._flows()
        self._logs()
        self._globals()
        names = list(world.entities)
        owners = [clocks.every.entity for clocks in self.timetable.clocks]
        owners += [states.entity for states in self.timetable.states]
        clocks = np.zeros((max(len(owners), 1), layout.K_SIZE), np.int64)
        for row, owner in zip(clocks, owners, strict=False):
            row[layout.K_TYPE] = names.index(owner)
        self.set(layout.B_CLOCKS, clocks.reshape(-1))
        self.gaps = [np.zeros(1, np.int64) for _ in owners]
        self.G[layout.G_CLOCKS] = len(owners)
        self.G[layout.G_ARRIVAL_WORDS] = layout.A_ENTITY + self.timetable.triggers.width
        self.G[layout.G_STIRRED], self.G[layout.G_TRIGGER_DUE] = 1, layout.NEVER
        self.set(layout.B_TRIGGERS, np.zeros(64, np.int64))
        self._come(self.timetable.waiting, 0, 0 if self.timetable.steps else layout.NEVER)

    def set(self, which: int, array: I64) -> None:
        """A buffer is this array from now on."""
        self.buffers[which] = array
        self.table[which] = array.ctypes.data
        self.G[layout.G_CAPACITY + which] = array.size
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
        self.set(layout.B_CODE, program.code)
        self.set(layout.B_HINTS, np.zeros(len(program.code), np.int64))
        registers = np.zeros(program.registers + len(program.constants), np.int64)
        registers[program.registers :] = program.constants
        self.set(layout.B_REGISTERS, registers)
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
        add(layout.G_KEY_START, (arrivals.START,))
        add(layout.G_KEY_SELECT, ("select",))
        add(layout.G_KEY_DECAY, ("decay",))
        add(layout.G_KEY_RANDOM, ("random",))
        add(layout.G_KEY_PICK, *(("pick", f.number) for f in self.program.world.filters))
        add(layout.G_KEY_SELECT_START, *((arrivals.SELECT_START, i) for i in range(most)))
        add(layout.G_KEY_SELECT_ARRIVAL, *((arrivals.SELECT_ARRIVAL, i) for i in range(most)))
        add(layout.G_KEY_FLOW, *((arrivals.FLOW, i) for i in range(len(plan.flows) + 2)))
        add(layout.G_KEY_ORDER, *(("order", i) for i in range(waves)))
        G[layout.G_WAVES] = waves
        self.set(layout.B_KEYS, np.array(keys, np.int64))

    def _entities(self) -> None:
        words = np.zeros((max(len(self.types), 1), layout.T_SIZE), np.int64)
        self.set(layout.B_TYPES, words.reshape(-1))
        self.T = words
        defaults: list[int] = []
        of_type: list[int] = []
        for e, rows in enumerate(self.types):
            words[e, layout.T_STRIDE] = rows.stride
            words[e, layout.T_LOG] = rows.log
            words[e, layout.T_DEFAULT] = len(defaults)
            defaults += rows.defaults
            words[e, layout.T_FIRST_FILTER], words[e, layout.T_FILTERS] = len(of_type), len(rows.positions)
            of_type += rows.positions
            self.rows.append(np.zeros(1, np.int64))
            self.births.append(np.zeros(1, np.int64))
        self.set(layout.B_DEFAULTS, np.array(defaults or [0], np.int64))
        self.set(layout.B_TYPE_FILTERS, np.array(of_type or [0], np.int64))

    def _filters(self) -> None:
        world = self.program.world
        words = np.zeros((max(len(world.filters), 1), layout.F_SIZE), np.int64)
        self.set(layout.B_FILTERS, words.reshape(-1))
        self.F = words
        conditions: list[list[int]] = []
        for f in world.filters:
            rows, row = world.entities[f.entity], words[f.number]
            row[layout.F_TYPE], row[layout.F_SHARED] = rows.number, f.shared
            row[layout.F_WEIGHT] = row[layout.F_WEIGHT_NULL] = row[layout.F_FLIP] = row[layout.F_STEP] = -1
            row[layout.F_ASKED] = -1
            row[layout.F_POSITION] = rows.positions[f.number]
            if f.weight is not None:
                state = rows.states[f.weight]
                row[layout.F_WEIGHT], row[layout.F_WEIGHT_NULL] = state.settled
                row[layout.F_WEIGHT_FLOAT] = state.type.kind == "float"
            mine = world.rows_of_filter(f)
            row[layout.F_FIRST_CONDITION], row[layout.F_CONDITIONS] = (
                layout.C_SIZE * len(conditions),
                len(mine),
            )
            conditions += mine
            if f.number in rows.flips:
                row[layout.F_FLIP] = rows.flips[f.number]
                bounds = world.bounds_of_filter(f)
                row[layout.F_FIRST_BOUND], row[layout.F_BOUNDS] = layout.C_SIZE * len(conditions), len(bounds)
                conditions += bounds
        for table in world.tables:
            self.kept(table)
        self.set(layout.B_CONDITIONS, np.array(conditions or [[0] * layout.C_SIZE], np.int64).reshape(-1))
        self.set(layout.B_PERMUTATION, np.zeros(max(len(world.filters), 1) * layout.PERM, np.int64))
        for e in range(len(self.types)):
            self.grow_type(e, _FIRST_ENTITIES)

    def _flows(self) -> None:
        plan = self.program.plan
        starts: list[int] = []
        table = np.zeros((max(len(plan.flows), 1), layout.FLOW_WORDS), np.int64)
        for lowered, row in zip(self.program.flows, table, strict=False):
            on = lowered.flow.on
            hands = 0 if on is None else on.width - len(on.entities)
            how = len(lowered.flow.starts), on is not None, hands
            row[:] = lowered.entry, lowered.stored, len(starts), *how
            starts += lowered.flow.starts
        self.set(layout.B_FLOWS, table.reshape(-1))
        self.set(layout.B_FLOW_STARTS, np.array(starts or [0], np.int64))
        weights = np.array([flow.weight for flow in plan.flows] or [0.0], np.float64)
        self.set(layout.B_WEIGHTS, weights.view(np.int64))
        # of each flow, the starts at which nobody matched; then the arrivals that were turned away
        self.set(layout.B_UNMATCHED, np.zeros(2 * max(len(plan.flows), 1), np.int64))
        self.set(layout.B_OUTCOMES, np.zeros(4 * max(len(plan.flows), 1), np.int64))
        self.set(layout.B_S6, np.zeros(6 * max(len(plan.flows), 1), np.int64))
        self.slot_words = (
            layout.S_HELD
            + len(self.types)
            + max([self.timetable.triggers.width, *(f.stored for f in self.program.flows)])
        )
        self.G[layout.G_SLOT_WORDS] = self.slot_words
        self.set(layout.B_WHEEL, np.full(layout.WHEEL, -1, np.int64))
        for which in _SCRATCH:
            self.set(which, np.zeros(max(2 * len(self.program.world.filters), 64), np.int64))
        self.set(layout.B_SLOTS, np.zeros(0, np.int64))
        self.set(layout.B_FREE, np.zeros(0, np.int64))
        self.set(layout.B_LINKS, np.zeros(0, np.int64))
        ceiling = self.settings.n_flows
        self.grow_slots(_FIRST_SLOTS if ceiling is None else max(1, min(ceiling, _FIRST_SLOTS)))

    def _logs(self) -> None:
        for which in (layout.B_LOG, layout.B_ENDS, layout.B_VERSIONS):
            self.set(which, np.zeros(_LOG_WORDS, np.int64))
        self.set(layout.B_CHANGES, np.zeros(64 * layout.CH_SIZE, np.int64))
        for which in (layout.B_TOUCHED, layout.B_DUAL, layout.B_FLIP_KEY, layout.B_FLIP_ROW):
            self.set(which, np.zeros(64, np.int64))
        record = layout.A_FIRST + self.program.registers
        for which in (layout.B_ASIDE, layout.B_READY):
            self.set(which, np.zeros(16 * record, np.int64))
        nodes = np.zeros(1024, np.int64)
        nodes[1] = 1  # node 0 is the head of the spare ones, and tells the first that was never used
        self.set(layout.B_CHAIN, nodes)

    def _globals(self) -> None:
        G, s, plan = self.G, self.settings, self.program.plan
        G[layout.G_STEP], G[layout.G_WORK], G[layout.G_UNFIT] = -1, -1, -1
        G[layout.G_START], G[layout.G_LENGTH], G[layout.G_END] = s.start, s.step, s.end
        G[layout.G_CUTS], G[layout.G_LAST] = s.on_end == "cut", s.last
        G[layout.G_CEILING] = -1 if s.n_flows is None else s.n_flows
        G[layout.G_PER_STEP] = -1 if s.starts_per_step is None else s.starts_per_step
        G[layout.G_FLOWS], G[layout.G_TYPES] = len(plan.flows), len(self.types)
        G[layout.G_FILTERS] = len(self.program.world.filters)
        G[layout.G_REGISTERS], G[layout.G_HISTORY] = self.program.registers, s.history
        G[layout.G_MOST_FILTERS] = max((len(rows.positions) for rows in self.types), default=0)
        G[layout.G_JUDGES] = any(rows.judged for rows in self.types)

    # ------------------------------------------------------------ arrivals

    def arrive(self) -> None:
        """The next arrivals: those of the buffer have all come, or there are new clocks."""
        G = self.G
        self._told()
        waiting = self.waiting()
        came, until = self.timetable.ahead(int(G[layout.G_STEP]) + 1)
        self._come(waiting.then(came), len(waiting.clock), until)
        G[layout.G_TRIGGER_DUE] = layout.NEVER
        for i, row in enumerate(self.buffers[layout.B_CLOCKS].reshape(-1, layout.K_SIZE)[: len(self.gaps)]):
            count = int(self.T[row[layout.K_TYPE], layout.T_COUNT])
            row[layout.K_SEEN], row[layout.K_SOONEST] = count, layout.NEVER
            if row[layout.K_FIRST] + row[layout.K_COUNT] < count + _FEW_GAPS:
                # whose rate follows from state is looked at in the step after its birth
                known = i < len(self.timetable.clocks)
                gaps = (
                    self.timetable.clocks[i].first_gaps(count, _GAPS) if known else np.zeros(_GAPS, np.int64)
                )
                self.gaps[i] = self.kept(gaps)
                row[layout.K_FIRST], row[layout.K_COUNT] = count, _GAPS
                row[layout.K_GAPS] = self.gaps[i].ctypes.data

    def _come(self, came: Arriving, waiting: int, until: int) -> None:
        """These are the next arrivals, the first ones of which wait; they are all before a step."""
        G = self.G
        words = np.column_stack([came.clock, came.flow, came.word.view(np.int64), came.entity])
        self.set(layout.B_ARRIVALS, np.append(words.reshape(-1), 0))
        G[layout.G_ARRIVAL], G[layout.G_ARRIVALS], G[layout.G_KNOWN] = 0, len(came.clock), until
        G[layout.G_WAITERS] = waiting

    def waiting(self) -> Arriving:
        """The arrivals that wait."""
        G = self.G
        first, size = int(G[layout.G_ARRIVAL]), int(G[layout.G_ARRIVAL_WORDS])
        words = self.buffers[layout.B_ARRIVALS][first * size : (first + int(G[layout.G_WAITERS])) * size]
        rows = np.ascontiguousarray(words.reshape(-1, size).T)
        entity = rows[layout.A_ENTITY :].T.copy()
        word = rows[layout.A_WORD].view(np.uint64)
        return Arriving(rows[layout.A_CLOCK], rows[layout.A_FLOW], word, entity)

    def _told(self) -> None:
        """What events start, as the kernel has noted it, is in the timetable."""
        G, triggers = self.G, self.timetable.triggers
        size = layout.X_ENTITY + triggers.width
        noted = self.buffers[layout.B_TRIGGERS][: int(G[layout.G_TRIGGERS])].reshape(-1, size)
        G[layout.G_TRIGGERS] = 0
        for flow in np.unique(noted[:, layout.X_FLOW]).tolist():
            mine = np.ascontiguousarray(noted[noted[:, layout.X_FLOW] == flow].T)
            rate = self.program.plan.flows[flow].by_state
            if rate is not None:
                triggers.change(rate.entity, rate.fields, mine[layout.X_ENTITY])
                continue
            number = mine[layout.X_NUMBER].view(np.uint64)
            action, clock = mine[layout.X_ACTION], mine[layout.X_CLOCK]
            triggers.add(flow, number, action, clock, [*mine[layout.X_ENTITY :]])

    def save_arrivals(self) -> dict[str, Array]:
        """As `Timetable.save`."""
        self._told()  # the kernel still knows when the first of them is due
        self.timetable.waiting = self.waiting()
        return self.timetable.save(int(self.G[layout.G_STEP]) + 1)

    def load_arrivals(self, arrays: Mapping[str, Array]) -> None:
        """Take up what `save_arrivals` gave."""
        self.timetable.load(arrays)
        waiting = self.timetable.waiting
        self._come(waiting, len(waiting.clock), int(self.G[layout.G_KNOWN]))

    def _state(self, entity: str, field: str) -> tuple[Array, Array | None]:
        """A number of the state of all entities of a type, as it is between two steps."""
        rows = self.program.world.entities[entity]
        state = rows.states[field]
        words = np.ascontiguousarray(self.entities(rows.number)[:, state.live])
        if state.type.kind == "float":
            return words.view(np.float64), None
        return (words != 0 if state.type.kind == "bool" else words), None

    def _born(self, entity: str, first: int) -> I64:
        """The instants at which entities of a type were born, from a number on."""
        return self.births_of(list(self.program.world.entities).index(entity))[first:, 3].copy()

    # ------------------------------------------------------------ growing

    def grow(self, which: int, need: int) -> None:
        """A buffer gets room for ``need`` words, and some to spare; what it holds stays."""
        if which in _SCRATCH:
            self.scratch(need)
            return
        twins = {layout.B_FLIP_KEY: (layout.B_FLIP_KEY, layout.B_FLIP_ROW)}.get(which, (which,))
        for one in twins:
            old = self.buffers[one]
            size = max(need, 2 * len(old))
            new = np.zeros(size, np.int64)
            new[: len(old)] = old
            self.set(one, new)
        if which == layout.B_CHANGES:
            self.scratch(len(self.buffers[which]) // layout.CH_SIZE + 2)
        elif which == layout.B_FLIP_KEY:
            self.scratch(len(self.buffers[which]))

    def scratch(self, need: int) -> None:
        """All scratch buffers hold as many words; what they hold is lost."""
        if need > len(self.buffers[layout.B_S1]):
            for which in _SCRATCH:
                self.set(which, np.zeros(max(need, 2 * len(self.buffers[layout.B_S1])), np.int64))

    def grow_slots(self, more: int) -> None:
        """Room for at least ``more`` flows that are not there yet."""
        free = int(self.G[layout.G_FREE])
        have = len(self.buffers[layout.B_FREE])
        total = max(have - free + more, min(2 * have, have + (1 << 18)))
        if self.settings.n_flows is not None:
            total = max(min(total, self.settings.n_flows), have - free + more)
        slots = np.zeros(total * self.slot_words, np.int64)
        slots[: have * self.slot_words] = self.buffers[layout.B_SLOTS]
        slots.reshape(total, -1)[have:, layout.S_CLOCK] = layout.NEVER
        self.set(layout.B_SLOTS, slots)
        links = np.zeros(total * layout.N_SIZE, np.int64)
        links[: have * layout.N_SIZE] = self.buffers[layout.B_LINKS]
        self.set(layout.B_LINKS, links)
        spare = np.zeros(total, np.int64)
        fresh = np.arange(have, total)[::-1]  # the lowest is taken first
        spare[: len(fresh)] = fresh
        spare[len(fresh) : len(fresh) + free] = self.buffers[layout.B_FREE][:free]
        self.set(layout.B_FREE, spare)
        self.G[layout.G_FREE] = free + len(fresh)
        self.G[layout.G_SLOTS] = total
        waiting = np.zeros(total, np.int64)
        if len(self.buffers) > layout.B_WAITING and len(self.buffers[layout.B_WAITING]) > 1:
            waiting[: len(self.buffers[layout.B_WAITING])] = self.buffers[layout.B_WAITING]
        self.set(layout.B_WAITING, waiting)
        self.scratch(total * max(1, len(self.types)) + 2 * len(self.program.world.filters) + 8)

    def grow_type(self, e: int, need: int) -> None:
        """Room for ``need`` entities of a type."""
        rows, words = self.types[e], self.T[e]
        old = int(words[layout.T_CAPACITY])
        capacity = max(need, old + min(old, 1 << 20), _FIRST_ENTITIES)
        for arrays, width in ((self.rows, rows.stride), (self.births, layout.BIRTH)):
            new = _from_a_line(capacity * width)
            new[: old * width] = arrays[e][: old * width]
            arrays[e] = self.kept(new)
        words[layout.T_ROWS], words[layout.T_BIRTHS] = self.rows[e].ctypes.data, self.births[e].ctypes.data
        words[layout.T_CAPACITY] = capacity
        for f in rows.positions:
            self._grow_filter(f, capacity)

    def _grow_filter(self, f: int, capacity: int) -> None:
        row, old = self.F[f], int(self.F[f, layout.F_CAPACITY])
        weighted = self.program.world.filters[f].weight is not None
        for arrays, place, wanted in (
            (self.members, layout.F_MEMBERS, True),
            (self.totals, layout.F_TOTALS, weighted),
            (self.races, layout.F_RACE, weighted),
        ):
            if wanted:
                new = np.zeros(capacity, np.int64)
                new[:old] = arrays[f][:old]
                arrays[f] = self.kept(new)
                row[place] = new.ctypes.data
        row[layout.F_CAPACITY] = capacity
        if weighted:
            blocks = self.kept(np.zeros(2 * ((capacity >> layout.BLOCK) + 1), np.int64))
            self.blocks[f] = blocks
            row[layout.F_BLOCKS], row[layout.F_FRESH] = blocks.ctypes.data, 0
            row[layout.F_MARKS] = row[layout.F_BLOCKS] + 8 * ((capacity >> layout.BLOCK) + 1)

    def grow_waves(self) -> None:
        """Keys for more waves of a step."""
        self._keys(2 * int(self.G[layout.G_WAVES]))

    # ------------------------------------------------------------ views

    def slots(self) -> I64:
        """The flows' words, one row each."""
        return self.buffers[layout.B_SLOTS].reshape(-1, self.slot_words)

    def entities(self, e: int) -> I64:
        """The words of the entities of a type, one row each."""
        stride, count = self.types[e].stride, int(self.T[e, layout.T_COUNT])
        return self.rows[e][: count * stride].reshape(count, stride)

    def births_of(self, e: int) -> I64:
        """(flow, action, site, clock) of the entities of a type, one row each."""
        count = int(self.T[e, layout.T_COUNT])
        return self.births[e][: count * layout.BIRTH].reshape(count, layout.BIRTH)

    def chain(self, slot: I64) -> list[int]:
        """The entities that a flow has taken, in order, as ``type << 40 | number``."""
        nodes, out = self.buffers[layout.B_CHAIN], []
        node = int(slot[layout.S_CHAIN])
        for _ in range(int(slot[layout.S_TAKEN])):
            out.append(int(nodes[2 * node]))
            node = int(nodes[2 * node + 1])
        return out[::-1]


def _from_a_line(words: int) -> I64:
    """So many zeros, the first of which begins a line of the cache."""
    room = np.zeros(words + layout.LINE - 1, np.int64)
    first = -(room.ctypes.data // 8) % layout.LINE
    return room[first : first + words]
