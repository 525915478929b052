"""Picks whose conditions have values of the flow, which Python looks at one by one (S1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deep_faker.draws.mix import below1, unit1
from deep_faker.plan import Array, Condition, Filter
from deep_faker.simulate.apart import place_apart, weighted_apart
from deep_faker.simulate.arrays import EMPTY, I64
from deep_faker.simulate.columns.competition import condition_mask
from deep_faker.simulate.columns.predicates import condition_test
from deep_faker.simulate.failures import is_weight, wrong_weight
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.entities import EntityStore, Table
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.weights import place_of

Conditions = Sequence[tuple[str, str, object]]


def search(store: EntityStore, memory: Memory, f: Filter, conditions: Conditions, u: int) -> int:
    """The entity that one flow gets, -1 if none matches."""
    candidates = matching(store, memory, f, conditions)
    return chosen(store.tables[f.entity], memory, candidates, shared=f.shared, weight=f.weight, u=u)


def matching(store: EntityStore, memory: Memory, f: Filter, conditions: Conditions) -> I64:
    """The members of a filter that meet more conditions, ascending."""
    table = store.tables[f.entity]
    rows = memory.entities(table.entity_rows.number)
    row = memory.F[f.number]
    key = table.plan.spec.primary_key
    keyed = next((c for c in conditions if c[:2] == (key, "is") and key not in table.types), None)
    if keyed is None:
        candidates = np.sort(memory.members[f.number][: int(row[layout.F_LENGTH])])
    else:
        number = table.find_key(keyed[2])
        if number < 0 or rows[number, int(row[layout.F_POSITION])] < 0:
            return EMPTY
        candidates = np.array([number])
        conditions = [c for c in conditions if c is not keyed]
    for name, op, value in conditions:
        if len(candidates):
            candidates = candidates[condition_mask(table, name, op, value, candidates)]
    return candidates


def narrowed(table: Table, rows: I64, conditions: Conditions, now: int) -> I64:
    """Those of some entities that meet conditions on the world as the step found it; ``now``: its instant."""
    for condition in conditions:
        if len(rows):
            some = _Some(table, rows)
            rows = rows[condition_test(some, Condition(*condition))(np.arange(len(rows)), now)]
    return rows


class _Some:
    """Some entities of a type, as `condition_test` asks of them: by their place among these."""

    def __init__(self, table: Table, rows: I64) -> None:
        self.table, self.rows = table, rows
        self.plan, self.types, self.texts = table.plan, table.types, table.words.plan.texts

    def settled(self, name: str) -> tuple[_Column, _Column | None]:
        values, nulls = self.table.settled_rows(name, self.rows)
        return _Column(values), None if nulls is None else _Column(nulls)

    def python(self, name: str, places: I64) -> list[object]:
        return self.table.python(name, self.rows[places])

    def key_list(self, places: I64) -> list[object]:
        return self.table.key_list(self.rows[places])


@dataclass
class _Column:
    a: Array


def chosen(table: Table, memory: Memory, candidates: I64, *, shared: bool, weight: str | None, u: int) -> int:
    """Which of some entities a flow gets, -1: none; what others have taken in the step is not there."""
    if not shared and len(candidates):
        rows = memory.entities(table.entity_rows.number)
        candidates = candidates[rows[candidates, layout.E_TAKEN] != memory.G[layout.G_STEP]]
    if not len(candidates):
        return -1
    if weight is not None:
        return _weighted(table, weight, candidates, u)
    if shared:
        return int(candidates[int(unit1(u) * len(candidates))])
    return int(candidates[below1(u, len(candidates))])


def apart(store: EntityStore, memory: Memory, f: Filter, others: Sequence[int], u: int) -> int:
    """A member of a filter whose entities are shared, none of the others (`deep_faker.simulate.apart`)."""
    table, row = store.tables[f.entity], memory.F[f.number]
    members = memory.members[f.number][: int(row[layout.F_LENGTH])]
    mine = [n for n in others if n >= 0 and (members == n).any()]
    if f.weight is None:
        place = place_apart(len(members), [int(np.flatnonzero(members == n)[0]) for n in mine], u)
        return int(members[place]) if place >= 0 else -1
    weights = table.weights(f.weight, members).tolist()
    listed = members.tolist()

    def drawn(draw: int) -> int:
        place = place_of(weights, unit1(draw))
        return listed[place] if place >= 0 else -1

    return weighted_apart(drawn, mine, listed, lambda: weights, u)


def _weighted(table: Table, weight: str, candidates: I64, u: int) -> int:
    weights = table.weights(weight, candidates)
    for number, one in zip(candidates.tolist(), weights.tolist(), strict=True):
        if not is_weight(one):
            row = np.array([number])
            raise wrong_weight(table.name, table.key_list(row)[0], weight, table.python(weight, row)[0])
    place = place_of(weights.tolist(), unit1(u))
    return int(candidates[place]) if place >= 0 else -1
