"""The whole state of a native run between two steps, in the named arrays of the numpy engine's checkpoint.

So a run that was stopped under one engine goes on under the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deep_faker.plan import Array, Type
from deep_faker.plan.storage import dtype_of
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.checkpoint import plain_columns
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.judging import judge_all
from deep_faker.simulate.native.lower.program import FlowProgram
from deep_faker.simulate.native.rows import EntityRows, StateWords
from deep_faker.simulate.native.run_state import RunState

_PLAIN = {
    "number": layout.S_NUMBER,
    "word": layout.S_WORD,
    "table": layout.S_FLOW,
    "clock": layout.S_CLOCK,
    "action": layout.S_ACTION,
    "k": layout.S_DRAWS,
    "started": layout.S_STARTED,
    "events": layout.S_EVENTS,
    "mark": layout.S_MARK,
    "waited": layout.S_WAITED,
}
_UNSIGNED = ("number", "word", "k")
_BLOCK = 4_096  # entities that are loaded at once: some 20 words each


def save(run: RunState) -> dict[str, Array]:
    """Named arrays, as `deep_faker.simulate.columns.checkpoint.save` describes them."""
    memory, G = run.memory, run.memory.G
    slots = memory.slots()
    rows = np.flatnonzero(slots[:, layout.S_CLOCK] < layout.NEVER)
    rows = rows[np.argsort(slots[rows, layout.S_NUMBER].view(np.uint64), kind="stable")]
    mine = slots[rows]
    out: dict[str, Array] = {}
    for name in plain_columns(run.plan):
        place = _PLAIN[name]
        out[f"flows.{name}"] = mine[:, place].astype(np.uint64 if name in _UNSIGNED else np.int64)
    out["flows.table"] = out["flows.table"].astype(np.uint16)
    states, endings = _places(run, mine)
    out["flows.state"], out["flows.ending"] = states, endings
    for e, name in enumerate(run.plan.entities):
        held = mine[:, layout.S_HELD + e]
        out[f"flows.held.{name}"] = np.where(held >= 0, held >> 1, held)
        out[f"flows.shared.{name}"] = (held >= 0) & (held & 1 == 1)
    chains = [memory.chain(slot) for slot in mine]
    for e, name in enumerate(run.plan.entities):
        lists = [[n & layout.NUMBER for n in chain if n >> 40 == e] for chain in chains]
        out[f"flows.taken.{name}.offsets"] = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        out[f"flows.taken.{name}.numbers"] = np.array([n for one in lists for n in one], np.int64)
    for flow in run.program.flows:
        out |= _locals(run, flow, mine, states, endings)
    for rows_of in memory.types:
        out |= _entities(run, rows_of)
    for f in run.plan.filters:
        length = int(memory.F[f.number, layout.F_LENGTH])
        out[f"filter.{f.number}.members"] = memory.members[f.number][:length].copy()
    counters = {"step": G[layout.G_STEP], "next_flow": G[layout.G_NEXT_FLOW], "skipped": G[layout.G_SKIPPED]}
    out |= {f"counters.{name}": np.array([int(value)]) for name, value in counters.items()}
    flows = len(run.plan.flows)
    out["tally.unmatched"] = memory.buffers[layout.B_UNMATCHED][:flows].copy()
    out["tally.turned_away"] = memory.buffers[layout.B_UNMATCHED][flows : 2 * flows].copy()
    out["tally.ever"] = memory.F[: len(run.plan.filters), layout.F_EVER] != 0
    return out | memory.save_arrivals()


def _places(run: RunState, mine: I64) -> tuple[I64, I64]:
    """The plan's state at which each flow goes on, and the outcome that its wait has decided (-1: none)."""
    states, endings = np.empty(len(mine), np.int64), np.empty(len(mine), np.int64)
    code = run.program.code
    known = [{place: state for state, place in flow.resumes.items()} for flow in run.program.flows]
    for i, slot in enumerate(mine):
        pc, pending = int(slot[layout.S_PC]), int(slot[layout.S_PENDING])
        if pending:
            states[i], endings[i] = code[pc + 4], pending
        else:
            states[i], endings[i] = known[int(slot[layout.S_FLOW])][pc], -1
    return states, endings


def _locals(run: RunState, flow: FlowProgram, mine: I64, states: I64, endings: I64) -> dict[str, Array]:
    """The locals of one flow, of all flows in flight; what nobody reads any more is nothing."""
    number = flow.flow.number
    first = layout.S_HELD + len(run.plan.entities)
    there = (mine[:, layout.S_FLOW] == number) & (endings < 0)
    late = (mine[:, layout.S_FLOW] == number) & (endings == layout.LATE)
    following = {wait: run.next_of(number, wait) for wait in np.unique(states[late]).tolist()}
    at_state = states.copy()
    for wait, state in following.items():
        at_state[late & (states == wait)] = state
    there |= late
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
            rows = np.flatnonzero(there & (at_state == state)) if name in alive else np.empty(0, np.int64)
            if len(rows):
                mask = None
                if type_.optional and dtype == np.dtype(object):
                    mask = mine[rows, first + flow.frame.register(f"{name}__null")]
                words = np.ascontiguousarray(mine[rows, first + register])
                values[rows] = run.words.storage(words, mask, type_)[0]
        out[f"local.{number}.{name}"] = values
    return out


def _entities(run: RunState, rows: EntityRows) -> dict[str, Array]:
    words = run.memory.entities(rows.number)
    births = run.memory.births_of(rows.number)
    flow, action, site, clock = (np.ascontiguousarray(births[:, place]) for place in range(layout.BIRTH))
    prefix = f"entity.{rows.name}."
    out: dict[str, Array] = {
        f"{prefix}available": words[:, layout.E_FLAGS] & layout.AVAILABLE != 0,
        f"{prefix}published": words[:, layout.E_FLAGS] & layout.PUBLISHED != 0,
        f"{prefix}holder": words[:, layout.E_HOLDER].copy(),
        f"{prefix}born.flow": flow.view(np.uint64),
        f"{prefix}born.action": action,
        f"{prefix}born.site": site.astype(np.int32),
        f"{prefix}born.clock": clock,
    }
    if rows.name in run.words.keys:
        out[f"{prefix}key"] = run.words.keys_of(rows.name, np.arange(len(words)))
    for name in rows.states:
        values, nulls = run.store.column(rows.name, name)
        out[f"{prefix}state.{name}"] = values
        if nulls is not None:
            out[f"{prefix}null.{name}"] = nulls
    return out


# ---------------------------------------------------------------- loading


def load(run: RunState, arrays: Mapping[str, Array]) -> None:
    """Take up what an engine has saved, in one that has not run."""
    memory, G = run.memory, run.memory.G
    G[layout.G_STEP], G[layout.G_NEXT_FLOW], G[layout.G_SKIPPED] = (
        int(arrays[f"counters.{name}"][0]) for name in ("step", "next_flow", "skipped")
    )
    G[layout.G_T1] = G[layout.G_START] + (int(G[layout.G_STEP]) + 1) * int(G[layout.G_LENGTH])
    if run.settings.cuts_a_step and G[layout.G_T1] > G[layout.G_END]:
        run.store.late_from = int(G[layout.G_NEXT_FLOW])
    for rows in memory.types:
        _load_entities(run, rows, arrays)
    judge_all(run)
    for f in run.program.world.filters:
        saved = arrays.get(f"filter.{f.number}.members")
        if saved is None:  # a list of everybody, in any order
            flags = memory.entities(int(memory.F[f.number, layout.F_TYPE]))[:, layout.E_FLAGS]
            saved = np.flatnonzero(flags & (layout.PUBLISHED if f.shared else layout.AVAILABLE))
        _load_filter(run, f.number, saved)
    unmatched = arrays["tally.unmatched"]
    memory.buffers[layout.B_UNMATCHED][: len(unmatched)] = unmatched
    memory.buffers[layout.B_UNMATCHED][len(unmatched) : 2 * len(unmatched)] = arrays["tally.turned_away"]
    for number, ever in enumerate(arrays["tally.ever"].tolist()):
        memory.F[number, layout.F_EVER] = int(ever)
    _load_flows(run, arrays)
    memory.load_arrivals(arrays)


def _load_entities(run: RunState, rows: EntityRows, arrays: Mapping[str, Array]) -> None:
    memory, prefix = run.memory, f"entity.{rows.name}."
    count = len(arrays[f"{prefix}available"])
    memory.grow_type(rows.number, count)
    memory.T[rows.number, layout.T_COUNT] = count
    for first in range(0, count, _BLOCK):
        _load_block(run, rows, arrays, slice(first, first + _BLOCK))
    if rows.name in run.words.keys:
        keys = arrays[f"{prefix}key"].tolist()
        run.words.keys[rows.name] = keys
        run.store.tables[rows.name].number_of = dict(zip(keys, range(count), strict=True))


def _load_block(run: RunState, rows: EntityRows, arrays: Mapping[str, Array], block: slice) -> None:
    """The words of some entities, all while they are in the processor's cache."""

    def saved(name: str) -> Array:
        return arrays[f"entity.{rows.name}.{name}"][block]

    words = run.memory.entities(rows.number)[block]
    words[:] = rows.defaults
    words[:, layout.E_FLAGS] = layout.AVAILABLE * saved("available") + layout.PUBLISHED * saved("published")
    words[:, layout.E_HOLDER] = saved("holder")
    births = run.memory.births_of(rows.number)[block]
    for place, name in enumerate(("flow", "action", "site", "clock")):
        births[:, place] = saved(f"born.{name}")
    for name, state in rows.states.items():
        nulls = saved(f"null.{name}") if f"entity.{rows.name}.null.{name}" in arrays else None
        _load_state(run, words, state, saved(f"state.{name}"), nulls)


def _load_state(run: RunState, words: I64, state: StateWords, values: Array, nulls: Array | None) -> None:
    stored, mask = run.words.words(values, nulls, state.type)
    for place in state.values:
        words[:, place] = stored
    if mask is not None:
        for place in state.masks:
            words[:, place] = mask


def _load_filter(run: RunState, f: int, members: Array) -> None:
    memory = run.memory
    row = memory.F[f]
    e = int(row[layout.F_TYPE])
    memory.members[f][: len(members)] = members
    row[layout.F_LENGTH] = len(members)
    row[layout.F_FRESH] = 0
    row[layout.F_EVER] |= len(members) > 0
    words = memory.entities(e)
    words[members.astype(np.int64), int(row[layout.F_POSITION])] = np.arange(len(members))
    if row[layout.F_FLIP] >= 0:
        _schedule(run, f, words)


def _schedule(run: RunState, f: int, words: I64) -> None:
    """Put the instants at which the truth of a bound changes into the calendar."""
    memory, G = run.memory, run.memory.G
    after, length, start = int(G[layout.G_STEP]), int(G[layout.G_LENGTH]), int(G[layout.G_START])
    soonest = np.full(len(words), layout.NEVER, np.int64)
    world = run.program.world
    for offset, null, added, strict, *_ in world.bounds_of_filter(world.filters[f]):
        since = words[:, offset] - (added + start)
        due = since // length + 1 if strict else -(-since // length)
        due[due <= after] = layout.NEVER
        if null >= 0:
            due[words[:, null] != 0] = layout.NEVER
        np.minimum(soonest, due, out=soonest)
    words[:, int(memory.F[f, layout.F_FLIP])] = soonest
    numbers = np.flatnonzero(soonest < layout.NEVER)
    have = int(G[layout.G_FLIPS])
    if have + len(numbers) > len(memory.buffers[layout.B_FLIP_KEY]):
        memory.grow(layout.B_FLIP_KEY, have + len(numbers))
    keys, rows = memory.buffers[layout.B_FLIP_KEY], memory.buffers[layout.B_FLIP_ROW]
    keys[have : have + len(numbers)] = soonest[numbers] << 12 | f
    rows[have : have + len(numbers)] = int(memory.F[f, layout.F_TYPE]) << 40 | numbers
    total = have + len(numbers)
    order = np.argsort(keys[:total], kind="stable")  # an ascending array is a heap
    keys[:total], rows[:total] = keys[:total][order], rows[:total][order]
    G[layout.G_FLIPS] = total


def _load_flows(run: RunState, arrays: Mapping[str, Array]) -> None:
    memory, G = run.memory, run.memory.G
    count = len(arrays["flows.number"])
    if int(G[layout.G_FREE]) < count:
        memory.grow_slots(count)
    free = memory.buffers[layout.B_FREE]
    rows = free[int(G[layout.G_FREE]) - count : int(G[layout.G_FREE])][::-1].copy()
    G[layout.G_FREE] -= count
    G[layout.G_RUNNING] = count
    slots = memory.slots()
    first = layout.S_HELD + len(run.plan.entities)
    mine = np.zeros((count, memory.slot_words), np.int64)
    for name in plain_columns(run.plan):
        mine[:, _PLAIN[name]] = arrays[f"flows.{name}"].astype(np.int64)
    mine[:, layout.S_OWN_STEP] = -1
    mine[:, layout.S_BORN] = -1
    places = zip(*(arrays[f"flows.{name}"].tolist() for name in ("table", "state", "ending")), strict=True)
    for i, (table, state, ending) in enumerate(places):
        flow = run.program.flows[table]
        mine[i, layout.S_PC] = flow.resumes[state] if ending < 0 else flow.waits[state]
        mine[i, layout.S_PENDING] = max(ending, 0)
    for e, name in enumerate(run.plan.entities):
        held = arrays[f"flows.held.{name}"].astype(np.int64)
        shared = arrays[f"flows.shared.{name}"].astype(np.int64)
        mine[:, layout.S_HELD + e] = np.where(held >= 0, held << 1 | shared, held)
    for flow in run.program.flows:
        for name in {name for alive in flow.alive.values() for name in alive}:
            saved = arrays.get(f"local.{flow.flow.number}.{name}")
            if saved is not None:
                _load_local(run, flow, mine, first, name, saved)
    slots[rows] = mine
    _load_chains(run, rows, arrays)
    links = memory.buffers[layout.B_LINKS].reshape(-1, layout.N_SIZE)
    for slot in rows.tolist():
        due = (int(slots[slot, layout.S_CLOCK]) - int(G[layout.G_START])) // int(G[layout.G_LENGTH])
        bucket = due & (layout.WHEEL - 1)
        links[slot] = memory.buffers[layout.B_WHEEL][bucket], due
        memory.buffers[layout.B_WHEEL][bucket] = slot


def _load_local(run: RunState, flow: FlowProgram, mine: I64, first: int, name: str, saved: Array) -> None:
    rows = np.flatnonzero(mine[:, layout.S_FLOW] == flow.flow.number)
    if not len(rows):
        return
    type_ = Type("bool") if name.endswith("__null") else flow.flow.types[name]
    words, _ = run.words.words(saved[rows], None, type_)
    mine[rows, first + flow.frame.register(name)] = words


def _load_chains(run: RunState, rows: I64, arrays: Mapping[str, Array]) -> None:
    memory = run.memory
    taken: list[list[int]] = [[] for _ in rows]
    for e, name in enumerate(run.plan.entities):
        offsets = arrays[f"flows.taken.{name}.offsets"].tolist()
        numbers = arrays[f"flows.taken.{name}.numbers"].tolist()
        for i in range(len(rows)):
            taken[i] += [e << 40 | n for n in numbers[offsets[i] : offsets[i + 1]]]
    total = sum(map(len, taken))
    nodes = memory.buffers[layout.B_CHAIN]
    if 2 * (int(nodes[1]) + total) + 8 > len(nodes):
        memory.grow(layout.B_CHAIN, 2 * (int(nodes[1]) + total) + 8)
        nodes = memory.buffers[layout.B_CHAIN]
    slots = memory.slots()
    for slot, mine in zip(rows.tolist(), taken, strict=True):
        slots[slot, layout.S_CHAIN], slots[slot, layout.S_TAKEN] = 0, len(mine)
        for packed in mine:
            node = int(nodes[1])
            nodes[1] = node + 1
            nodes[2 * node], nodes[2 * node + 1] = packed, slots[slot, layout.S_CHAIN]
            slots[slot, layout.S_CHAIN] = node
