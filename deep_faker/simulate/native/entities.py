"""The entities of a native run, as selections by Python, reports and final tables see them."""

from __future__ import annotations

import numpy as np

from deep_faker.plan import Array, NewKeys, Type
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64, NEVER
from deep_faker.simulate.engine import Entities
from deep_faker.simulate.failures import is_weight, wrong_weight
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.native.rows import EntityRows
from deep_faker.simulate.native.texts import Words
from deep_faker.simulate.weights import as_weights


class Table:
    """One entity type: the columns of its state, by entity number."""

    def __init__(self, memory: Memory, words: Words, rows: EntityRows) -> None:
        self.memory, self.words, self.entity_rows = memory, words, rows
        self.plan, self.name = rows.plan, rows.name
        self.types: dict[str, Type] = {name: state.type for name, state in rows.states.items()}
        self.number_of: dict[object, int] = {}
        self._indexed = 0
        self.told = 0  # stored keys that have been handed on

    @property
    def count(self) -> int:
        """How many have a number."""
        return int(self.memory.T[self.entity_rows.number, layout.T_COUNT])

    def _stored(self, name: str, places: tuple[int, int], rows: I64) -> tuple[Array, Array | None]:
        words = self.memory.entities(self.entity_rows.number)
        live, null = places
        mask = words[rows, null] if null >= 0 else None
        return self.words.storage(words[rows, live], mask, self.types[name])

    def live(self, name: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """A state field of all or some entities as it is, in its storage; and the mask of an optional one."""
        state = self.entity_rows.states[name]
        words = self.memory.entities(self.entity_rows.number)
        if rows is not None:
            first, last = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
            if last - first != len(rows):
                return self._stored(name, (state.live, state.null), rows)
            words = words[first:last]
        mask = np.ascontiguousarray(words[:, state.null]) if state.null >= 0 else None
        return self.words.storage(np.ascontiguousarray(words[:, state.live]), mask, state.type)

    def settled_rows(self, name: str, rows: I64) -> tuple[Array, Array | None]:
        """A state field of some entities as the step found it."""
        return self._stored(name, self.entity_rows.states[name].settled, rows)

    def python(self, name: str, rows: I64) -> list[object]:
        """The same as Python values."""
        return to_python(*self.settled_rows(name, rows), self.types[name], self.words.plan.texts)

    def python_live(self, name: str, rows: I64) -> list[object]:
        """State as it is, as Python values."""
        state = self.entity_rows.states[name]
        stored = self._stored(name, (state.live, state.null), rows)
        return to_python(*stored, state.type, self.words.plan.texts)

    def key_list(self, rows: I64) -> list[object]:
        """Keys of some entities."""
        return list(self.words.keys_of(self.name, rows))

    def find_key(self, key: object) -> int:
        """The number of the entity with a key, -1 if there is none. The index grows when asked."""
        if self.name not in self.words.keys and self._indexed < self.count:
            rows = np.arange(self._indexed, self.count)
            self.number_of.update(zip(self.key_list(rows), rows.tolist(), strict=True))
            self._indexed = self.count
        try:
            return self.number_of.get(key, -1)
        except TypeError:  # an unhashable value equals no key
            return -1

    def claim_keys(self, keys: dict[object, int]) -> None:
        """Keys that new entities have."""
        known = self.words.keys[self.name]
        known.extend([None] * (max(keys.values(), default=-1) + 1 - len(known)))
        for key, number in keys.items():
            known[number] = key
        self.number_of |= keys

    def weights(self, name: str, rows: I64) -> Array:
        """A field as weights, as the step found it; null counts as zero."""
        return as_weights(*self.settled_rows(name, rows))

    def refuse_weight(self, number: int, fields: list[str]) -> Exception:
        """The error for an entity by whose state no selection can draw."""
        row = np.array([number])
        for name in sorted(fields):
            value = self.python_live(name, row)[0]
            if not is_weight(value):
                return wrong_weight(self.name, self.key_list(row)[0], name, value)
        raise AssertionError(f"entity {number} of {self.name} has all weights")


class EntityStore:
    """All entity types."""

    def __init__(self, memory: Memory, words: Words) -> None:
        self.memory = memory
        self.tables = {
            name: Table(memory, words, rows) for name, rows in memory.program.world.entities.items()
        }
        self.late_after = memory.settings.late_after
        self.late_from = NEVER

    def column(self, entity: str, field: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        return self.tables[entity].live(field, rows)

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        words = self.memory.births_of(self.tables[entity].entity_rows.number)
        flow, action, clock = (np.ascontiguousarray(words[:, i]) for i in (0, 1, 3))
        return Entities.on_time(flow.view(np.uint64), action, clock, self.late_from, self.late_after)

    def new_keys(self) -> list[NewKeys]:
        """The stored keys that have not been handed on."""
        fresh = []
        for name, keys in self.tables[next(iter(self.tables))].words.keys.items() if self.tables else ():
            table = self.tables[name]
            if table.told < len(keys):
                new = np.fromiter(keys[table.told :], object, len(keys) - table.told)
                fresh.append(NewKeys(name, table.told, new))
                table.told = len(keys)
        return fresh
