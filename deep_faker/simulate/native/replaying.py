"""Changes of shared entities that the kernel cannot make once more at the step's end: by Python's operators.

Where Python cannot make one either, the run stops for the first of the step that it cannot.
"""

from __future__ import annotations

import numpy as np

from deep_faker.declare.schema import check_state_value
from deep_faker.errors import DeepFakerError
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import one_change
from deep_faker.simulate.failures import check_bits, failed
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.change_kinds import OPERATOR_OF, taken_type
from deep_faker.simulate.native.rows import EntityRows, StateWords
from deep_faker.simulate.native.run_state import RunState

# the order of all changes of a step, the last word first as `lexsort` wants it
_BY_TIME = (layout.CH_ORDER, layout.CH_ACTION, layout.CH_FLOW, layout.CH_CLOCK, layout.CH_ENTITY)


def replay(run: RunState) -> None:
    """A change that the kernel cannot make once more: it is an ``is`` of what Python makes of it.

    Raises what the first change of the step that cannot be made raises, whoever's it is.
    """
    run.failures.check()
    place = int(run.memory.G[layout.G_TROUBLE])
    entry = run.memory.buffers[layout.B_CHANGES][place : place + layout.CH_SIZE]
    rows, name, state = _changed_field(run, entry)
    number = np.array([int(entry[layout.CH_ENTITY]) & layout.NUMBER])
    old = run.store.tables[rows.name].python_live(name, number)[0]
    try:
        value = _new_value(run, entry, rows, name, state, old)
    except (ArithmeticError, TypeError, ValueError, DeepFakerError) as error:
        raise _failed_replay(run) from error
    entry[layout.CH_KIND] = layout.K_IS
    entry[layout.CH_VALUE], entry[layout.CH_NULL] = run.words.word_of(value, state.type)


def _failed_replay(run: RunState) -> Exception:
    """The first change of a shared entity that cannot be made (entities in order, changes by T9)."""
    log = run.memory.buffers[layout.B_CHANGES][: int(run.memory.G[layout.G_CHANGES]) * layout.CH_SIZE]
    entries = log.reshape(-1, layout.CH_SIZE)
    order = np.lexsort([entries[:, i] for i in _BY_TIME])
    now: dict[tuple[int, int], object] = {}
    for entry in entries[order]:
        if entry[layout.CH_KIND] == layout.K_BORN:
            continue
        rows, name, state = _changed_field(run, entry)
        place = int(entry[layout.CH_ENTITY]), int(entry[layout.CH_LIVE])
        if place not in now:
            number = np.array([place[0] & layout.NUMBER])
            now[place] = run.store.tables[rows.name].python(name, number)[0]
        try:
            now[place] = _new_value(run, entry, rows, name, state, now[place])
        except (ArithmeticError, TypeError, ValueError) as error:
            flow, span = run.program.wheres[int(entry[layout.CH_WHERE])]
            return failed(flow.name, span, error)
        except DeepFakerError as error:
            return error
    raise AssertionError("all shared changes can be made")


def _changed_field(run: RunState, entry: I64) -> tuple[EntityRows, str, StateWords]:
    rows = run.memory.types[int(entry[layout.CH_ENTITY]) >> 40]
    return rows, *next((n, s) for n, s in rows.states.items() if s.live == entry[layout.CH_LIVE])


def _new_value(
    run: RunState, entry: I64, rows: EntityRows, name: str, state: StateWords, old: object
) -> object:
    """What a change that was written down comes to, by Python's operators; N11 on the result."""
    kind = int(entry[layout.CH_KIND])
    op, type_ = OPERATOR_OF[kind], taken_type(state.type, kind)
    mask = entry[layout.CH_NULL : layout.CH_NULL + 1] if type_.optional else None
    stored = run.words.storage(entry[layout.CH_VALUE : layout.CH_VALUE + 1].copy(), mask, type_)
    value = one_change(op, old, to_python(*stored, type_, run.plan.texts)[0])
    if state.type.kind == "int":
        check_bits(rows.name, name, value)
    flow, span = run.program.wheres[int(entry[layout.CH_WHERE])]
    spec = rows.plan.spec.by_name[name]
    return check_state_value(spec, value, entity=rows.name, span=span, flow=flow.name)


def unfit(run: RunState) -> Exception:
    """The error for an entity whose weight is none."""
    packed = int(run.memory.G[layout.G_UNFIT])
    rows = run.memory.types[packed >> 40]
    fields = [f.weight for f in run.plan.filters if f.entity == rows.name and f.weight is not None]
    return run.store.tables[rows.name].refuse_weight(packed & layout.NUMBER, fields)
