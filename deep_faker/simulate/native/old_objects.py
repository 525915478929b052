"""Python objects that words name, and that nobody names any more: they are let go between two steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.run_state import RunState
from deep_faker.simulate.native.words import OBJECT, PAYLOAD, SHIFT

_NEW = 200_000  # so many new ones before anybody looks


def let_objects_go(run: RunState) -> None:
    """Keep only the objects that a flow or an entity still names, once there are many others."""
    old = run.words.objects
    if len(old.all) < 2 * run.objects_kept + _NEW:
        return
    new = old.begin_again()
    run.words.objects = new
    for matrix, column, rows in _places_of_texts(run):
        words = matrix[rows, column]
        named = np.flatnonzero((words >> SHIFT == OBJECT) & (words & PAYLOAD >= old.fixed))
        if len(named):
            known, place = np.unique(words[named] & PAYLOAD, return_inverse=True)
            words[named] = new.add([old.all[i] for i in known.tolist()])[place]
            matrix[rows, column] = words
    run.objects_kept = len(new.all)


def _places_of_texts(run: RunState) -> Iterator[tuple[I64, int, I64]]:
    """Where words of texts and objects are between two steps: a matrix, a column of it, and rows."""
    memory = run.memory
    for rows in memory.types:
        words = memory.entities(rows.number)
        everybody = np.arange(len(words))
        for words_of in rows.states.values():
            if words_of.type.kind in ("str", "object"):
                for column in words_of.values:
                    yield words, column, everybody
    slots = memory.slots()
    running = np.flatnonzero(slots[:, layout.S_CLOCK] < layout.NEVER)
    first = layout.S_HELD + len(memory.types)
    for flow in run.program.flows:
        mine = running[slots[running, layout.S_FLOW] == flow.flow.number]
        pc, pending = slots[mine, layout.S_PC], slots[mine, layout.S_PENDING]
        for state, alive in flow.alive.items():
            waits = [
                place for wait, place in flow.waits.items() if run.next_of(flow.flow.number, wait) == state
            ]
            goes_on = (pending == 0) & (pc == flow.resumes[state])
            here = mine[goes_on | ((pending == layout.LATE) & np.isin(pc, waits))]
            for name in alive:
                kind = None if name.endswith("__null") else flow.flow.types[name].kind
                if kind in ("str", "object"):
                    yield slots, first + flow.frame.register(name), here
