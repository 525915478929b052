"""Conditions that only Python can tell, as words that the kernel reads: text, keys, objects."""

from __future__ import annotations

import numpy as np

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.plan import Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.entities import Table
from deep_faker.simulate.native.run_state import RunState


def judge_touched(run: RunState) -> None:
    """Judge the entities whose lists are looked at when this step is over."""
    G = run.memory.G
    touched = run.memory.buffers[layout.B_TOUCHED][: int(G[layout.G_TOUCHED])]
    for rows in run.memory.types:
        if rows.judged:
            numbers = touched[touched >> 40 == rows.number] & layout.NUMBER
            _judge(run.plan, run.store.tables[rows.name], numbers)
    G[layout.G_JUDGED] = 1


def judge_all(run: RunState) -> None:
    """Judge all entities."""
    for rows in run.memory.types:
        if rows.judged:
            table = run.store.tables[rows.name]
            _judge(run.plan, table, np.arange(table.count))


def _judge(plan: Plan, table: Table, numbers: I64) -> None:
    words = table.memory.entities(table.entity_rows.number)
    for (f, place), offset in table.entity_rows.judged.items():
        condition = plan.filters[f].conditions[place]
        if condition.field in table.types:
            values = table.python_live(condition.field, numbers)
        else:
            values = table.key_list(numbers)
        judge = CONDITION_OPERATORS[condition.op].judge(condition.value)
        words[numbers, offset] = list(map(judge, values))
