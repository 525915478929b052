"""The competition of a step: who gets which entity, in waves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.draws.mix import MASK, below1, mix, mix1, unit1
from deep_faker.plan import Array, Condition, Pick, Type
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64, joined
from deep_faker.simulate.columns.apart import share_apart
from deep_faker.simulate.columns.holding import release, take_up
from deep_faker.simulate.columns.members import Membership
from deep_faker.simulate.columns.predicates import condition_test
from deep_faker.simulate.columns.source import Batch, Compiled
from deep_faker.simulate.live.requests import Conditions, Picking
from deep_faker.simulate.weights import place_of

if TYPE_CHECKING:
    from deep_faker.simulate.columns.table import EntityTable
    from deep_faker.simulate.columns.world import World
    from deep_faker.simulate.live.generators import Running


@dataclass
class Claim:
    """Flows that wait at one place for an entity.

    ``filter`` None: a live flow's selection that is none of the plan's; then all conditions are its own.
    ``clock``: when they came for it. ``apart``: entities that they must not get, a column for each.
    ``values``: for each condition in ``dynamic`` the flows' values. ``served``: called with what they got.
    """

    entity: str
    filter: int | None
    shared: bool
    weight: str | None
    rows: I64
    number: Array
    clock: I64
    k: Array
    served: Callable[[I64], None]
    dynamic: tuple[tuple[str, str], ...] = ()
    apart: tuple[I64, ...] = ()
    values: list[list[object]] = field(default_factory=list)

    def conditions(self, row: int) -> Conditions:
        """The own conditions of one of the flows."""
        return tuple(
            (*condition, column[row]) for condition, column in zip(self.dynamic, self.values, strict=True)
        )


def live_claim(running: Running, picking: Picking, served: Callable[[I64], None]) -> Claim:
    """What a live flow asks for; it has counted its draw already."""
    flow = running.flow
    return Claim(
        picking.entity,
        picking.filter,
        picking.shared,
        picking.weight,
        np.array([running.row]),
        np.array([flow.number], np.uint64),
        np.array([picking.since]),
        np.array([(flow.k - 1) & MASK], np.uint64),
        served,
        tuple(condition[:2] for condition in picking.dynamic),
        tuple(np.array([number]) for number in picking.apart),
        [[condition[2]] for condition in picking.dynamic],
    )


class Picks:
    """Serves the picks of one wave. ``go_on``: called with a batch that got what it had asked for."""

    def __init__(self, world: World, go_on: Callable[[Compiled, int, Batch], None]) -> None:
        self.world, self.go_on = world, go_on
        self.select = world.draws.key("select")

    def claim(self, code: Compiled, batch: Batch) -> Claim:
        """What a batch of compiled flows asks for."""
        pick = code.block.terminator
        assert isinstance(pick, Pick)
        have = dict(zip(code.waiting, batch[1:], strict=True))
        filter_ = self.world.plan.filters[pick.filter]
        texts, types = self.world.plan.texts, code.flow.types
        return Claim(
            pick.entity,
            pick.filter,
            filter_.shared,
            filter_.weight,
            batch[0],
            have["number__"],
            have["clock__" if pick.since is None else pick.since],
            have["k__"],
            lambda _: self.go_on(code, pick.next, batch),
            tuple((name, op) for name, op, _ in pick.dynamic),
            tuple(have[name] for name in pick.apart),
            [
                to_python(have[local], have.get(f"{local}__null"), types[local], texts)
                for *_, local in pick.dynamic
            ],
        )

    def serve(self, wave: int, claims: Sequence[Claim]) -> None:
        """Static picks filter by filter, then those with conditions of the flow's own."""
        static: dict[int, list[Claim]] = {}
        dynamic: dict[str, list[Claim]] = {}
        for claim in claims:
            if claim.filter is None or claim.dynamic:
                dynamic.setdefault(claim.entity, []).append(claim)
            else:
                static.setdefault(claim.filter, []).append(claim)
        shuffle = mix1(self.world.draws.key("order", wave), self.world.step)
        for number in sorted(static, key=lambda n: mix1(shuffle, n)):
            self._static(self.world.store.lists[number], static[number])
        # Types do not compete with each other.
        for entity, group in dynamic.items():
            self._dynamic(self.world.store.tables[entity], group)

    def _static(self, members: Membership, claims: list[Claim]) -> None:
        rows, number = joined([c.rows for c in claims]), joined([c.number for c in claims])
        release(self.world, members.filter.entity, rows)
        if members.filter.shared:
            entities = joined([self._shared(members, claim) for claim in claims])
        else:
            entities = np.full(len(rows), -1)
            got = members.claim(len(rows))
            if len(got):
                order = self.world.order_of(joined([c.clock for c in claims]), number)
                entities[order[: len(got)]] = got
        self._hand_over(claims, rows, number, entities)

    def _shared(self, members: Membership, claim: Claim) -> I64:
        """What flows get of a list whose entities they share."""
        u = mix(self.select, claim.number, claim.k)
        return share_apart(members, u, claim.apart) if claim.apart else members.share(u)

    def _hand_over(self, claims: list[Claim], rows: I64, number: Array, entities: I64) -> None:
        """The flows have what they found, and go on. All claims share or none does."""
        entity, shared = claims[0].entity, claims[0].shared
        slots = self.world.slots
        slots.held[entity].a[rows] = entities
        if entity in self.world.shareable:
            slots.shared[entity].a[rows] = shared
        if not shared:
            lucky = np.flatnonzero(entities >= 0)
            if len(lucky):
                take_up(self.world, entity, rows[lucky], number[lucky], entities[lucky])
        first = 0
        for claim in claims:
            claim.served(entities[first : first + len(claim.rows)])
            first += len(claim.rows)

    # ------------------------------------------------------------ dynamic

    def _dynamic(self, table: EntityTable, claims: list[Claim]) -> None:
        """Flows in the order (clock, flow number): each sees what those before it have taken."""
        clock, number, k = (joined([getattr(c, n) for c in claims]) for n in ("clock", "number", "k"))
        order = self.world.order_of(clock, number)
        for claim in claims:
            release(self.world, table.name, claim.rows)
        which = np.repeat(np.arange(len(claims)), [len(c.rows) for c in claims])
        row = np.concatenate([np.arange(len(c.rows)) for c in claims])
        if all(self._is_keyed(table, claim) for claim in claims):
            entities = self._by_key(table, claims, order)
        else:
            entities = np.full(len(order), -1)
            mine: set[int] = set()
            draws = mix(self.select, number, k).tolist()
            # Row by row, because each claim changes what the next one can get.
            for place in order.tolist():
                claim = claims[which[place]]
                others = [int(column[row[place]]) for column in claim.apart]
                conditions = claim.conditions(int(row[place]))
                chosen = self._search(table, claim, conditions, draws[place], mine, others)
                entities[place] = chosen
                if chosen >= 0 and not claim.shared:
                    mine.add(chosen)
        first = 0
        for claim in claims:
            last = first + len(claim.rows)
            self._hand_over([claim], claim.rows, claim.number, entities[first:last])
            first = last

    def _is_keyed(self, table: EntityTable, claim: Claim) -> bool:
        """Whether the key alone decides, so that an index answers for all flows at once."""
        key = table.plan.spec.primary_key
        return claim.filter is not None and claim.weight is None and claim.dynamic == ((key, "is"),)

    def _by_key(self, table: EntityTable, claims: list[Claim], order: I64) -> I64:
        """The entities with the keys that the flows name; of several claimants the first gets it."""
        parts: list[I64] = []
        for claim in claims:
            values = claim.values[0]
            entities = np.fromiter(map(table.find_key, values), np.int64, len(values))
            members = self.world.store.lists[claim.filter or 0]
            entities[(entities >= 0) & (np.take(members.position.a, entities, mode="clip") < 0)] = -1
            if not claim.shared:
                entities[np.take(table.taken.a, entities, mode="clip") == table.step] = -1
            parts.append(entities)
        entities = np.concatenate(parts)
        exclusive = np.repeat([not c.shared for c in claims], [len(c.rows) for c in claims])[order]
        wanted = np.where(exclusive, entities[order], -1)
        _, first = np.unique(wanted, return_index=True)
        wins = ~exclusive
        wins[first] = True
        entities[order[~wins]] = -1
        return entities

    def _search(
        self,
        table: EntityTable,
        claim: Claim,
        conditions: Conditions,
        u: int,
        mine: set[int],
        others: list[int],
    ) -> int:
        """The entity that one flow gets, none of the ``others``; -1 if none matches."""
        key = table.plan.spec.primary_key
        if claim.filter is None:
            candidates = matching(table, conditions, self.world.t0, shared=claim.shared)
            conditions = ()
        else:
            members = self.world.store.lists[claim.filter]
            keyed = next((c for c in conditions if c[:2] == (key, "is") and key not in table.types), None)
            if keyed is None:
                candidates = members.ascending()
            else:
                number = table.find_key(keyed[2])
                if number < 0 or members.position.a[number] < 0:
                    return -1
                candidates = np.array([number])
                conditions = tuple(c for c in conditions if c is not keyed)
        for name, op, value in conditions:
            if len(candidates):
                candidates = candidates[condition_mask(table, name, op, value, candidates)]
        if not claim.shared and len(candidates):
            candidates = candidates[table.taken.a[candidates] != table.step]
            if mine and len(candidates):
                candidates = candidates[~np.isin(candidates, list(mine))]
        if others:
            candidates = candidates[~np.isin(candidates, others)]
        if not len(candidates):
            return -1
        if claim.weight is not None:
            return _weighted(table, claim.weight, candidates, u)
        if claim.shared:
            return int(candidates[int(unit1(u) * len(candidates))])
        return int(candidates[below1(u, len(candidates))])


def matching(table: EntityTable, conditions: Conditions, now: int, *, shared: bool) -> I64:
    """All entities that matched when the step began, at the instant ``now``; ascending."""
    rows = table.open_at_start(shared=shared)
    for condition in conditions:
        if len(rows):
            test = condition_test(table, Condition(*condition))
            rows = rows[test(rows, now)]
    return rows


class Conditioned(Protocol):
    """What a condition is asked of: state and keys of entities, as the step found them."""

    types: dict[str, Type]

    def settled_rows(self, name: str, rows: I64) -> tuple[Array, Array | None]: ...

    def python(self, name: str, rows: I64) -> list[object]: ...

    def key_list(self, rows: I64) -> list[object]: ...


def condition_mask(table: Conditioned, name: str, op: str, value: object, rows: I64) -> Array:
    """One condition with a value of the flow, on the world as the step found it."""
    rule = CONDITION_OPERATORS[op]
    if name in table.types:
        type_ = table.types[name]
        numbers = type_.kind in ("int", "float") and type(value) in (int, float)
        # Beyond 2**53 a mixed comparison by column would round; Python does not.
        if numbers and rule.column is not None and isinstance(value, (int, float)) and abs(value) < 2**53:
            column, nulls = table.settled_rows(name, rows)
            exact = (
                type_.kind == "float" or type(value) is int or not len(column) or np.abs(column).max() < 2**53
            )
            if exact:
                mask = np.asarray(rule.column(column, value), np.bool_)
                if nulls is None:
                    return mask
                return mask | nulls if rule.holds(None, value) else mask & ~nulls
        python = table.python(name, rows)
    else:
        python = table.key_list(rows)
    return np.fromiter(map(rule.judge(value), python), np.bool_, len(rows))


def _weighted(table: EntityTable, weight: str, candidates: I64, u: int) -> int:
    table.weigh(weight, candidates)
    table.check_weights()
    place = place_of(table.weights(weight, candidates).tolist(), unit1(u))
    return int(candidates[place]) if place >= 0 else -1
