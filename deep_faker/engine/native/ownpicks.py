"""Picks whose conditions have values of the flow, which Python looks at one by one (S1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.draws import below1, unit1
from deep_faker.engine.failures import is_weight, wrong_weight
from deep_faker.engine.native import layout as at
from deep_faker.engine.native.entities import EntityStore, Table
from deep_faker.engine.native.memory import Memory
from deep_faker.engine.picks import condition_mask
from deep_faker.engine.weights import place_of
from deep_faker.plan import Filter

Conditions = list[tuple[str, str, Any]]


def search(store: EntityStore, memory: Memory, f: Filter, conditions: Conditions, u: int) -> int:
    """The entity that one flow gets, -1 if none matches; what others have taken in the step is not there."""
    table = store.tables[f.entity]
    rows = memory.entities(table.layout.number)
    row = memory.F[f.number]
    key = table.plan.spec.primary_key
    keyed = next((c for c in conditions if c[:2] == (key, "is") and key not in table.types), None)
    if keyed is None:
        candidates = np.sort(memory.members[f.number][: int(row[at.F_LENGTH])])
    else:
        number = table.find_key(keyed[2])
        if number < 0 or rows[number, int(row[at.F_POSITION])] < 0:
            return -1
        candidates = np.array([number])
        conditions = [c for c in conditions if c is not keyed]
    for name, op, value in conditions:
        if len(candidates):
            candidates = candidates[condition_mask(table, name, op, value, candidates)]
    if not f.shared and len(candidates):
        candidates = candidates[rows[candidates, at.E_TAKEN] != memory.G[at.G_STEP]]
    if not len(candidates):
        return -1
    if f.weight is not None:
        return _weighted(table, f.weight, candidates, u)
    if f.shared:
        return int(candidates[int(unit1(u) * len(candidates))])
    return int(candidates[below1(u, len(candidates))])


def _weighted(table: Table, weight: str, candidates: Any, u: int) -> int:
    weights = table.weights(weight, candidates)
    for number, one in zip(candidates.tolist(), weights.tolist(), strict=True):
        if not is_weight(one):
            row = np.array([number])
            raise wrong_weight(table.name, table.key_list(row)[0], weight, table.python(weight, row)[0])
    place = place_of(weights.tolist(), unit1(u))
    return int(candidates[place]) if place >= 0 else -1
