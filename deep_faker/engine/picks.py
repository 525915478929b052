"""The competition of a step: who gets which entity, in waves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.draws import below1, mix, mix1, unit1
from deep_faker.engine.buffers import I64, joined
from deep_faker.engine.columncode import Compiled
from deep_faker.engine.lists import Membership
from deep_faker.engine.predicates import ORDER, holds
from deep_faker.plan import Array, Pick
from deep_faker.storage import to_python

if TYPE_CHECKING:
    from deep_faker.engine.kernel import Kernel

Batch = tuple[Array, ...]


class Claims:
    """The flows that wait for picks of one filter: batches of several states, end to end."""

    def __init__(self, members: Membership) -> None:
        self.members = members
        self.parts: list[tuple[Compiled, Pick, Batch]] = []

    def column(self, name: str) -> Array:
        return joined([batch[1 + code.waiting.index(name)] for code, _, batch in self.parts])

    @property
    def rows(self) -> I64:
        return joined([batch[0] for _, _, batch in self.parts])


class Picks:
    """Serves the picks of one wave."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.select = kernel.draws.key("select")
        self.shuffle = kernel.draws.key
        self._conditions: dict[tuple[int, int], dict[Any, list[int]]] = {}

    def serve(self, wave: int, parts: Sequence[tuple[Compiled, Batch]]) -> None:
        """All picks of a wave: static ones filter by filter, then those with conditions of the flow."""
        kernel = self.kernel
        static: dict[int, Claims] = {}
        dynamic: list[tuple[Compiled, Pick, Batch]] = []
        for code, batch in parts:
            pick = code.block.terminator
            assert isinstance(pick, Pick)
            if pick.dynamic:
                dynamic.append((code, pick, batch))
                continue
            claims = static.setdefault(pick.filter, Claims(kernel.store.lists[pick.filter]))
            claims.parts.append((code, pick, batch))
        shuffle = mix1(self.shuffle("order", wave), kernel.step)
        for number in sorted(static, key=lambda n: mix1(shuffle, n)):
            self._static(static[number])
        if dynamic:
            self._dynamic(dynamic)

    # ------------------------------------------------------------ static

    def _static(self, claims: Claims) -> None:
        members, rows, number = claims.members, claims.rows, claims.column("number__")
        entity = members.filter.entity
        self.kernel.release(entity, rows)
        if members.filter.shared:
            found = members.share(mix(self.select, number, claims.column("k__")))
        else:
            found = np.full(len(rows), -1)
            got = members.claim(len(rows))
            if len(got):
                order = self.kernel.order_of(claims.column("clock__"), number)[: len(got)]
                found[order] = got
        self._hand_over(claims.parts, entity, rows, number, found, shared=members.filter.shared)

    def _hand_over(
        self,
        parts: Sequence[tuple[Compiled, Pick, Batch]],
        entity: str,
        rows: I64,
        number: Array,
        found: I64,
        *,
        shared: bool,
    ) -> None:
        """The flows have what they have found, and go on."""
        kernel = self.kernel
        slots = kernel.slots
        slots.held[entity].a[rows] = found
        if entity in kernel.shareable:
            slots.shared[entity].a[rows] = shared
        if not shared:
            lucky = np.flatnonzero(found >= 0)
            if len(lucky):
                kernel.store.tables[entity].take(found[lucky], number[lucky])
                slots.chains[entity].append(rows[lucky], found[lucky])
        for code, pick, batch in parts:
            kernel.go_on(code, pick.next, batch, batch[0])

    # ------------------------------------------------------------ dynamic

    def _dynamic(self, parts: list[tuple[Compiled, Pick, Batch]]) -> None:
        """One by one in the order (clock, flow number): each sees what those before it have taken."""
        kernel = self.kernel
        column = {
            name: joined([batch[1 + code.waiting.index(name)] for code, _, batch in parts])
            for name in ("clock__", "number__", "k__")
        }
        rows = joined([batch[0] for _, _, batch in parts])
        found = np.full(len(rows), -1)
        which = np.concatenate([np.full(len(batch[0]), i) for i, (_, _, batch) in enumerate(parts)])
        at = np.concatenate([np.arange(len(batch[0])) for _, _, batch in parts])
        wanted = [self._wanted(code, pick, batch) for code, pick, batch in parts]
        draws = mix(self.select, column["number__"], column["k__"]).tolist()
        for code, pick, batch in parts:
            kernel.release(pick.entity, batch[0])
        taken: dict[str, set[int]] = {}
        # Row by row, because each claim changes what the next one can get.
        for place in kernel.order_of(column["clock__"], column["number__"]).tolist():
            part = int(which[place])
            _, pick, _ = parts[part]
            values = [column[at[place]] for column in wanted[part]]
            members = kernel.store.lists[pick.filter]
            mine = taken.setdefault(pick.entity, set())
            chosen = self._search(members, pick, values, draws[place], mine)
            found[place] = chosen
            if chosen >= 0 and not members.filter.shared:
                mine.add(chosen)
        first = 0
        for part in parts:
            _, pick, batch = part
            last = first + len(batch[0])
            shared = kernel.store.lists[pick.filter].filter.shared
            numbers = column["number__"][first:last]
            self._hand_over([part], pick.entity, batch[0], numbers, found[first:last], shared=shared)
            first = last

    def _wanted(self, code: Compiled, pick: Pick, batch: Batch) -> list[list[Any]]:
        """The conditions' values as Python values, one list a condition."""
        out = []
        for _, _, local in pick.dynamic:
            type_ = code.flow.types[local]
            values = batch[1 + code.waiting.index(local)]
            nulls = batch[1 + code.waiting.index(f"{local}__null")] if type_.optional else None
            out.append(to_python(values, nulls, type_, self.kernel.plan.texts))
        return out

    def _search(self, members: Membership, pick: Pick, values: list[Any], u: int, mine: set[int]) -> int:
        """The entity that one flow gets, -1 if none matches."""
        table = members.table
        key = table.plan.spec.primary_key
        conditions = [(field, op, value) for (field, op, _), value in zip(pick.dynamic, values, strict=True)]
        keyed = next((c for c in conditions if c[0] == key and c[1] == "is" and key not in table.types), None)
        if keyed is not None:
            number = table.find_key(keyed[2])
            if number < 0 or members.position.a[number] < 0:
                return -1
            candidates = np.array([number])
            conditions.remove(keyed)
        else:
            candidates = members.ascending()
        for field, op, value in conditions:
            if len(candidates):
                candidates = candidates[condition_mask(members, field, op, value, candidates)]
        if not members.filter.shared and len(candidates):
            free = table.taken.a[candidates] != table.step
            candidates = candidates[free]
            if mine and len(candidates):
                candidates = candidates[~np.isin(candidates, list(mine))]
        if not len(candidates):
            return -1
        if members.filter.weight is not None:
            return _weighted(members, candidates, u)
        if members.filter.shared:
            return int(candidates[int(unit1(u) * len(candidates))])
        return int(candidates[below1(u, len(candidates))])


def condition_mask(members: Membership, field: str, op: str, value: Any, rows: I64) -> Array:
    """One condition with a value of the flow, on the world as the step found it."""
    table = members.table
    if field in table.types:
        type_ = table.types[field]
        column, nulls = table.settled_rows(field, rows)
        if op in ("is", *ORDER) and value is not None and type(value) in (int, float) and type_.kind in ("int", "float"):
            exact = type(value) is float or abs(value) < 2**53 or type_.kind == "int"
            if exact and -(2**63) <= value < 2**63:
                mask = np.asarray(column == value if op == "is" else ORDER[op](column, value), np.bool_)
                return mask if nulls is None else mask & ~nulls
        given = table.python(field, rows)
    else:
        given = table.key_list(rows)
    return np.fromiter((holds(v, op, value) for v in given), np.bool_, len(rows))


def _weighted(members: Membership, candidates: I64, u: int) -> int:
    weights = members.weights_of(candidates)
    totals = np.cumsum(weights)
    if not totals[-1] > 0.0:
        return -1
    at = int(np.searchsorted(totals, unit1(u) * totals[-1], side="right"))
    return int(candidates[min(at, int(np.searchsorted(totals, totals[-1], side="left")))])
