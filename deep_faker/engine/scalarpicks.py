"""How flows pick entities in the scalar engine."""

from __future__ import annotations

import itertools
from typing import Any

from deep_faker.draws import below1, mix1
from deep_faker.engine.predicates import holds
from deep_faker.engine.scalarchanges import ScalarChanges
from deep_faker.engine.scalarstore import ScalarList, ScalarTable, weighted_one
from deep_faker.plan import Pick


class ScalarPicks(ScalarChanges):
    """The lists of a run as its flows pick from them."""

    def _list(self, number: int, step: int) -> ScalarList:
        members = self.lists[number]
        members.begin(self._pick_keys[number], step)
        return members

    def _pick(self, f: Any, what: Pick, values: tuple[Any, ...]) -> None:
        held, exclusive = self._slots[what.entity]
        if getattr(f, exclusive):
            self._free(what.entity, getattr(f, held), f)
        u = mix1(self._select_key, f.number, f.k)
        f.k += 1
        members = self._list(what.filter, self._step)
        filter_ = members.filter
        if values:
            number = self._dynamic(members, what, values, u)
        elif filter_.shared:
            number = members.share(u)
        else:
            number = members.next()
        self._take(f, what.entity, number, shared=filter_.shared)

    def _dynamic(self, members: ScalarList, what: Pick, values: tuple[Any, ...], u: int) -> int:
        """A pick with conditions of the flow's own: among the members, in entity order."""
        table, filter_ = members.table, members.filter
        conditions = [(field, op, value) for (field, op, _), value in zip(what.dynamic, values, strict=True)]
        candidates: list[int] | None = None
        for field, op, value in conditions:
            if field == table.entity.spec.primary_key and op == "is":
                found = table.find(value)
                candidates = [found] if found in members.position else []
        found_all = []
        for number in members.members if candidates is None else candidates:
            if not filter_.shared and table.taken[number] == self._step:
                continue
            if all(holds(self._field(table, number, field), op, value) for field, op, value in conditions):
                found_all.append(number)
        found_all.sort()
        if not found_all:
            return -1
        if filter_.weight is None:
            return found_all[below1(u, len(found_all))]
        column = table.start[filter_.weight]
        weights = [float(column[number] or 0.0) for number in found_all]
        return weighted_one(found_all, list(itertools.accumulate(weights)), u)

    @staticmethod
    def _field(table: ScalarTable, number: int, field: str) -> Any:
        return table.start[field][number] if field in table.start else table.key(number)
