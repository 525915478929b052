"""The whole state of a native run between two steps, in the named arrays of the numpy engine's checkpoint.

So a run that was stopped under one engine goes on under the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, Type
from deep_faker.plan.storage import dtype_of
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native import layout as at
from deep_faker.simulate.native.lower.program import FlowProgram
from deep_faker.simulate.native.rows import EntityRows, StateWords

if TYPE_CHECKING:
    from deep_faker.simulate.native.engine import NativeEngine

_PLAIN = {
    "number": at.S_NUMBER,
    "table": at.S_FLOW,
    "clock": at.S_CLOCK,
    "action": at.S_ACTION,
    "k": at.S_DRAWS,
    "started": at.S_STARTED,
    "events": at.S_EVENTS,
    "mark": at.S_MARK,
}
_UNSIGNED = ("number", "k")


def save(engine: NativeEngine) -> dict[str, Array]:
    """Named arrays, as `deep_faker.simulate.columns.checkpoint.save` describes them."""
    memory, G = engine.memory, engine.memory.G
    slots = memory.slots()
    rows = np.flatnonzero(slots[:, at.S_CLOCK] < at.NEVER)
    rows = rows[np.argsort(slots[rows, at.S_NUMBER].view(np.uint64), kind="stable")]
    mine = slots[rows]
    out: dict[str, Array] = {}
    for name, place in _PLAIN.items():
        out[f"flows.{name}"] = mine[:, place].astype(np.uint64 if name in _UNSIGNED else np.int64)
    out["flows.table"] = out["flows.table"].astype(np.uint16)
    states, endings = _places(engine, mine)
    out["flows.state"], out["flows.ending"] = states, endings
    for e, name in enumerate(engine.plan.entities):
        held = mine[:, at.S_HELD + e]
        out[f"flows.held.{name}"] = np.where(held >= 0, held >> 1, held)
        out[f"flows.shared.{name}"] = (held >= 0) & (held & 1 == 1)
    chains = [memory.chain(slot) for slot in mine]
    for e, name in enumerate(engine.plan.entities):
        lists = [[n & at.NUMBER for n in chain if n >> 40 == e] for chain in chains]
        out[f"flows.taken.{name}.offsets"] = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        out[f"flows.taken.{name}.numbers"] = np.array([n for one in lists for n in one], np.int64)
    for flow in engine.program.flows:
        out |= _locals(engine, flow, mine, states, endings)
    for rows_of in memory.types:
        out |= _entities(engine, rows_of)
    for f in engine.plan.filters:
        length = int(memory.F[f.number, at.F_LENGTH])
        out[f"filter.{f.number}.members"] = memory.members[f.number][:length].copy()
    counters = {"step": G[at.G_STEP], "next_flow": G[at.G_NEXT_FLOW], "skipped": G[at.G_SKIPPED]}
    out |= {f"counters.{name}": np.array([int(value)]) for name, value in counters.items()}
    flows = len(engine.plan.flows)
    out["tally.unmatched"] = memory.buffers[at.B_UNMATCHED][:flows].copy()
    out["tally.ever"] = memory.F[: len(engine.plan.filters), at.F_EVER] != 0
    return out


def _places(engine: NativeEngine, mine: I64) -> tuple[I64, I64]:
    """The plan's state at which each flow goes on, and the outcome that its wait has decided (-1: none)."""
    states, endings = np.empty(len(mine), np.int64), np.empty(len(mine), np.int64)
    code = engine.program.code
    known = [{place: state for state, place in flow.resumes.items()} for flow in engine.program.flows]
    for i, slot in enumerate(mine):
        pc, pending = int(slot[at.S_PC]), int(slot[at.S_PENDING])
        if pending:
            states[i], endings[i] = code[pc + 4], pending
        else:
            states[i], endings[i] = known[int(slot[at.S_FLOW])][pc], -1
    return states, endings


def _locals(
    engine: NativeEngine, flow: FlowProgram, mine: I64, states: I64, endings: I64
) -> dict[str, Array]:
    """The locals of one flow, of all flows in flight; what nobody reads any more is nothing."""
    number = flow.flow.number
    first = at.S_HELD + len(engine.plan.entities)
    own = (mine[:, at.S_FLOW] == number) & (endings < 0)
    late = (mine[:, at.S_FLOW] == number) & (endings == at.LATE)
    following = {wait: engine.next_of(number, wait) for wait in np.unique(states[late]).tolist()}
    at_state = states.copy()
    for wait, state in following.items():
        at_state[late & (states == wait)] = state
    own |= late
    out: dict[str, Array] = {}
    names = {name for alive in flow.alive.values() for name in alive}
    for name in sorted(names):
        is_mask = name.endswith("__null")
        type_ = Type("bool") if is_mask else flow.flow.types[name]
        dtype = np.dtype(np.bool_) if is_mask else dtype_of(type_)
        values = np.zeros(len(mine), dtype)
        if dtype == np.dtype(object):
            values[:] = None
        register = flow.frame.register(name)
        for state, alive in flow.alive.items():
            rows = np.flatnonzero(own & (at_state == state)) if name in alive else np.empty(0, np.int64)
            if len(rows):
                mask = None
                if type_.optional and dtype == np.dtype(object):
                    mask = mine[rows, first + flow.frame.register(f"{name}__null")]
                words = np.ascontiguousarray(mine[rows, first + register])
                values[rows] = engine.words.storage(words, mask, type_)[0]
        out[f"local.{number}.{name}"] = values
    return out


def _entities(engine: NativeEngine, rows: EntityRows) -> dict[str, Array]:
    words = engine.memory.entities(rows.number)
    births = engine.memory.births_of(rows.number)
    flow, action, site, clock = (np.ascontiguousarray(births[:, place]) for place in range(at.BIRTH))
    prefix = f"entity.{rows.name}."
    out: dict[str, Array] = {
        f"{prefix}available": words[:, at.E_FLAGS] & at.AVAILABLE != 0,
        f"{prefix}published": words[:, at.E_FLAGS] & at.PUBLISHED != 0,
        f"{prefix}holder": words[:, at.E_HOLDER].copy(),
        f"{prefix}born.flow": flow.view(np.uint64),
        f"{prefix}born.action": action,
        f"{prefix}born.site": site.astype(np.int32),
        f"{prefix}born.clock": clock,
    }
    if rows.name in engine.words.keys:
        out[f"{prefix}key"] = engine.words.keys_of(rows.name, np.arange(len(words)))
    for name in rows.states:
        values, nulls = engine.store.column(rows.name, name)
        out[f"{prefix}state.{name}"] = values
        if nulls is not None:
            out[f"{prefix}null.{name}"] = nulls
    return out


# ---------------------------------------------------------------- loading


def load(engine: NativeEngine, arrays: Mapping[str, Array]) -> None:
    """Take up what an engine has saved, in one that has not run."""
    memory, G = engine.memory, engine.memory.G
    G[at.G_STEP], G[at.G_NEXT_FLOW], G[at.G_SKIPPED] = (
        int(arrays[f"counters.{name}"][0]) for name in ("step", "next_flow", "skipped")
    )
    G[at.G_T1] = G[at.G_START] + (int(G[at.G_STEP]) + 1) * int(G[at.G_LENGTH])
    if engine.settings.cuts_a_step and G[at.G_T1] > G[at.G_END]:
        engine.store.late_from = int(G[at.G_NEXT_FLOW])
    for rows in memory.types:
        _load_entities(engine, rows, arrays)
    engine.judge_all()
    for f in engine.program.world.filters:
        saved = arrays.get(f"filter.{f.number}.members")
        if saved is None:  # a list of everybody, in any order
            flags = memory.entities(int(memory.F[f.number, at.F_TYPE]))[:, at.E_FLAGS]
            saved = np.flatnonzero(flags & (at.PUBLISHED if f.shared else at.AVAILABLE))
        _load_filter(engine, f.number, saved)
    unmatched = arrays["tally.unmatched"]
    memory.buffers[at.B_UNMATCHED][: len(unmatched)] = unmatched
    for number, ever in enumerate(arrays["tally.ever"].tolist()):
        memory.F[number, at.F_EVER] = int(ever)
    _load_flows(engine, arrays)


def _load_entities(engine: NativeEngine, rows: EntityRows, arrays: Mapping[str, Array]) -> None:
    memory, prefix = engine.memory, f"entity.{rows.name}."
    count = len(arrays[f"{prefix}available"])
    memory.grow_type(rows.number, count)
    memory.T[rows.number, at.T_COUNT] = count
    words = memory.entities(rows.number)
    words[:] = rows.defaults
    words[:, at.E_FLAGS] = (
        at.AVAILABLE * arrays[f"{prefix}available"] + at.PUBLISHED * arrays[f"{prefix}published"]
    )
    words[:, at.E_HOLDER] = arrays[f"{prefix}holder"]
    births = memory.births_of(rows.number)
    for place, name in enumerate(("flow", "action", "site", "clock")):
        births[:, place] = arrays[f"{prefix}born.{name}"].astype(np.int64)
    if rows.name in engine.words.keys:
        keys = arrays[f"{prefix}key"].tolist()
        engine.words.keys[rows.name] = keys
        engine.store.tables[rows.name].number_of = dict(zip(keys, range(count), strict=True))
    for name, state in rows.states.items():
        _load_state(engine, words, state, arrays[f"{prefix}state.{name}"], arrays.get(f"{prefix}null.{name}"))


def _load_state(
    engine: NativeEngine, words: I64, state: StateWords, values: Array, nulls: Array | None
) -> None:
    made, mask = engine.words.words(values, nulls, state.type)
    for place in (state.live, state.start):
        if place >= 0:
            words[:, place] = made
    for place in (state.null, state.start_null):
        if place >= 0 and mask is not None:
            words[:, place] = mask


def _load_filter(engine: NativeEngine, f: int, members: Array) -> None:
    memory = engine.memory
    row = memory.F[f]
    e = int(row[at.F_TYPE])
    memory.members[f][: len(members)] = members
    row[at.F_LENGTH] = len(members)
    row[at.F_FRESH] = 0
    row[at.F_EVER] |= len(members) > 0
    words = memory.entities(e)
    words[members.astype(np.int64), int(row[at.F_POSITION])] = np.arange(len(members))
    if row[at.F_FLIP] >= 0:
        _schedule(engine, f, words)


def _schedule(engine: NativeEngine, f: int, words: I64) -> None:
    """Put the instants at which the truth of a bound changes into the calendar."""
    memory, G = engine.memory, engine.memory.G
    after, length, start = int(G[at.G_STEP]), int(G[at.G_LENGTH]), int(G[at.G_START])
    soonest = np.full(len(words), at.NEVER, np.int64)
    world = engine.program.world
    for offset, null, added, strict, *_ in world.bounds_of_filter(world.filters[f]):
        since = words[:, offset] - (added + start)
        due = since // length + 1 if strict else -(-since // length)
        due[due <= after] = at.NEVER
        if null >= 0:
            due[words[:, null] != 0] = at.NEVER
        np.minimum(soonest, due, out=soonest)
    words[:, int(memory.F[f, at.F_FLIP])] = soonest
    numbers = np.flatnonzero(soonest < at.NEVER)
    have = int(G[at.G_FLIPS])
    if have + len(numbers) > len(memory.buffers[at.B_FLIP_KEY]):
        memory.grow(at.B_FLIP_KEY, have + len(numbers))
    keys, rows = memory.buffers[at.B_FLIP_KEY], memory.buffers[at.B_FLIP_ROW]
    keys[have : have + len(numbers)] = soonest[numbers] << 12 | f
    rows[have : have + len(numbers)] = int(memory.F[f, at.F_TYPE]) << 40 | numbers
    total = have + len(numbers)
    order = np.argsort(keys[:total], kind="stable")  # an ascending array is a heap
    keys[:total], rows[:total] = keys[:total][order], rows[:total][order]
    G[at.G_FLIPS] = total


def _load_flows(engine: NativeEngine, arrays: Mapping[str, Array]) -> None:
    memory, G = engine.memory, engine.memory.G
    count = len(arrays["flows.number"])
    if int(G[at.G_FREE]) < count:
        memory.grow_slots(count)
    free = memory.buffers[at.B_FREE]
    rows = free[int(G[at.G_FREE]) - count : int(G[at.G_FREE])][::-1].copy()
    G[at.G_FREE] -= count
    G[at.G_RUNNING] = count
    slots = memory.slots()
    first = at.S_HELD + len(engine.plan.entities)
    mine = np.zeros((count, memory.slot_words), np.int64)
    for name, place in _PLAIN.items():
        mine[:, place] = arrays[f"flows.{name}"].astype(np.int64)
    mine[:, at.S_OWN_STEP] = -1
    mine[:, at.S_BORN] = -1
    places = zip(*(arrays[f"flows.{name}"].tolist() for name in ("table", "state", "ending")), strict=True)
    for i, (table, state, ending) in enumerate(places):
        flow = engine.program.flows[table]
        mine[i, at.S_PC] = flow.resumes[state] if ending < 0 else flow.waits[state]
        mine[i, at.S_PENDING] = max(ending, 0)
    for e, name in enumerate(engine.plan.entities):
        held = arrays[f"flows.held.{name}"].astype(np.int64)
        shared = arrays[f"flows.shared.{name}"].astype(np.int64)
        mine[:, at.S_HELD + e] = np.where(held >= 0, held << 1 | shared, held)
    for flow in engine.program.flows:
        for name in {name for alive in flow.alive.values() for name in alive}:
            saved = arrays.get(f"local.{flow.flow.number}.{name}")
            if saved is not None:
                _load_local(engine, flow, mine, first, name, saved)
    slots[rows] = mine
    _load_chains(engine, rows, arrays)
    links = memory.buffers[at.B_LINKS].reshape(-1, at.N_SIZE)
    for slot in rows.tolist():
        due = (int(slots[slot, at.S_CLOCK]) - int(G[at.G_START])) // int(G[at.G_LENGTH])
        bucket = due & (at.WHEEL - 1)
        links[slot] = memory.buffers[at.B_WHEEL][bucket], due
        memory.buffers[at.B_WHEEL][bucket] = slot


def _load_local(
    engine: NativeEngine, flow: FlowProgram, mine: I64, first: int, name: str, saved: Array
) -> None:
    rows = np.flatnonzero(mine[:, at.S_FLOW] == flow.flow.number)
    if not len(rows):
        return
    type_ = Type("bool") if name.endswith("__null") else flow.flow.types[name]
    words, _ = engine.words.words(saved[rows], None, type_)
    mine[rows, first + flow.frame.register(name)] = words


def _load_chains(engine: NativeEngine, rows: I64, arrays: Mapping[str, Array]) -> None:
    memory = engine.memory
    taken: list[list[int]] = [[] for _ in rows]
    for e, name in enumerate(engine.plan.entities):
        offsets = arrays[f"flows.taken.{name}.offsets"].tolist()
        numbers = arrays[f"flows.taken.{name}.numbers"].tolist()
        for i in range(len(rows)):
            taken[i] += [e << 40 | n for n in numbers[offsets[i] : offsets[i + 1]]]
    total = sum(map(len, taken))
    nodes = memory.buffers[at.B_CHAIN]
    if 2 * (int(nodes[1]) + total) + 8 > len(nodes):
        memory.grow(at.B_CHAIN, 2 * (int(nodes[1]) + total) + 8)
        nodes = memory.buffers[at.B_CHAIN]
    slots = memory.slots()
    for slot, mine in zip(rows.tolist(), taken, strict=True):
        slots[slot, at.S_CHAIN], slots[slot, at.S_TAKEN] = 0, len(mine)
        for packed in mine:
            node = int(nodes[1])
            nodes[1] = node + 1
            nodes[2 * node], nodes[2 * node + 1] = packed, slots[slot, at.S_CHAIN]
            slots[slot, at.S_CHAIN] = node
