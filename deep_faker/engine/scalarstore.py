"""Entities as plain Python lists, for the scalar engine.

A column is a list of Python values: with few flows in flight one list access costs a tenth of a
numpy call. The rules are those of the column store.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from deep_faker.draws import mix1, permute1, unit1
from deep_faker.engine.failures import is_weight, wrong_weight
from deep_faker.engine.predicates import flip_steps, flips, holds
from deep_faker.exactmath import log1_
from deep_faker.plan import Array, EntityPlan, FieldDraws, Filter, Now, Plan, Type
from deep_faker.schema import start_value
from deep_faker.schema.kinds import SCALARS
from deep_faker.storage import from_python, one_to_storage
from deep_faker.times import to_datetime


class ScalarTable:
    """All entities of one type; an entity's number is its position in every list.

    ``logged``: changes are replayed at the end of the step, because flows that do not hold an entity
    change it too, or because the history is kept.
    """

    def __init__(self, entity: EntityPlan, plan: Plan, fields: FieldDraws) -> None:
        self.entity, self.name, self.fields, self.texts = entity, entity.name, fields, plan.texts
        self.start_view = entity.start_view or entity.shared_changes
        self.logged = entity.shared_changes
        self.types: dict[str, Type] = {c.name: c.type for c in entity.columns if not c.lazy}
        self.specs = {s.name: s for s in entity.spec.states}
        # fields of which every value of one Python type is right, judged without asking the schema
        self.plain: dict[str, type] = {
            name: SCALARS[spec.kind]
            for name, spec in self.specs.items()
            if spec.kind in ("bool", "int", "float", "str")
            and spec.enum is None
            and spec.literal is None
            and spec.row_validated is None
        }
        source = entity.spec.source_event
        known = {} if source is None else source.by_name
        # copies of a field of another type, which are converted
        self.is_other: dict[str, bool] = {}
        for name, spec in self.specs.items():
            field = known.get(spec.from_field or "")
            self.is_other[name] = field is not None and (
                field.kind != spec.kind or field.enum is not spec.enum
            )
        self.live: dict[str, list[Any]] = {name: [] for name in self.types}
        self.start: dict[str, list[Any]] = {n: [] for n in self.types} if self.start_view else self.live
        self.available: list[bool] = []
        self.published: list[bool] = []
        self.taken: list[int] = []
        self.holder: list[int] = []
        self.births: list[tuple[int, int, int, int]] = []
        self.stored: list[Any] | None = [] if entity.key_mode == "stored" else None
        self.numbers: dict[Any, int] = {}
        self._keys: list[Any] = []
        self.changed: set[int] = set()
        self.touched: set[int] = set()
        self.unfit: set[tuple[int, str]] = set()  # entities and weights that cannot be drawn by
        self.log: list[tuple[int, int, int, int, int, str, str, Any, bool, tuple[int, int]]] = []
        self.lists = [ScalarList(self, f, plan) for f in plan.filters if f.entity == entity.name]

    @property
    def count(self) -> int:
        return len(self.births)

    def key(self, number: int) -> Any:
        """The key of an entity."""
        if self.stored is not None:
            return self.stored[number]
        while len(self._keys) <= number:
            have = len(self._keys)
            # as many as there are entities: one array call serves them all
            wanted = np.arange(have, max(number + 1, self.count))
            self._keys += self.fields.keys(self.name, wanted).tolist()
        return self._keys[number]

    def find(self, key: Any) -> int:
        """The number of the entity with this key, or -1."""
        if self.stored is None:
            for number in range(len(self.numbers), self.count):
                self.numbers[self.key(number)] = number
        try:
            return self.numbers.get(key, -1)
        except TypeError:  # an unhashable value equals no key
            return -1

    def add(self, birth: tuple[int, int, int, int], state: dict[str, Any], *, free: bool) -> int:
        """A new entity, with its state by field; ``free``: selectable from the next step on."""
        number = len(self.births)
        self.births.append(birth)
        for name in self.types:
            self.live[name].append(state[name])
            if self.start_view:
                self.start[name].append(state[name])
        self.available.append(free)
        self.published.append(free)
        self.taken.append(-1)
        self.holder.append(-1)
        return number

    def default_state(self) -> dict[str, Any]:
        """The state of a new entity before ``from_field``."""
        return {c.name: self._default(c.name, c.default) for c in self.entity.columns if not c.lazy}

    def _default(self, name: str, default: Any) -> Any:
        spec = self.specs[name]
        if spec.from_field is not None:
            return None
        fresh = self.types[name].kind == "object" or spec.default_factory is not None
        value = start_value(self.entity.spec, spec) if fresh else default
        return float(value) if self.types[name].kind == "float" and isinstance(value, int) else value

    def matches(self, filter_: Filter, number: int, now: int) -> bool:
        """Whether the entity, as it was when the step began, satisfies the static conditions."""
        for condition in filter_.conditions:
            name = condition.field
            value = self.start[name][number] if name in self.start else self.key(number)
            if not holds(value, condition.op, _instant(condition.value, now)):
                return False
        return True

    def settle(self, step: int, now: int) -> None:
        """The end of a step; ``now`` is the instant of the next one."""
        if self.start_view:
            for number in self.changed:
                for name, column in self.start.items():
                    column[number] = self.live[name][number]
        rows = sorted(self.touched | self.changed)
        if rows:
            touched = sorted(self.touched) if self.changed else rows
            for members in self.lists:
                # what has only changed stays where no condition looks at it
                members.refresh(rows if members.filter.conditions else touched, step, now)
                members.reweigh(self.changed)
                members.weigh(rows)
            self.check_weights()
            self.touched.clear()
            self.changed.clear()

    def check_weights(self) -> None:
        """Stop the run for an entity of a weighted selection without a weight (N9)."""
        for number, name in sorted(self.unfit):
            raise wrong_weight(self.name, self.key(number), name, self.start[name][number])

    def column(self, name: str) -> tuple[Array, Array | None]:
        """A state column in storage form."""
        return from_python(self.live[name], self.types[name], self.texts)


def _instant(value: Any, now: int) -> Any:
    if isinstance(value, Now):
        return to_datetime(now + value.offset)
    if isinstance(value, tuple):
        return tuple(_instant(v, now) for v in value)
    return value


class ScalarList:
    """The members of one filter, in the order that decides who is offered when."""

    def __init__(self, table: ScalarTable, filter_: Filter, plan: Plan) -> None:
        self.table, self.filter = table, filter_
        self.members: list[int] = []
        self.ever = False  # whether anybody has ever matched
        self.position: dict[int, int] = {}
        self.key, self.cursor, self.step = 0, 0, -1
        self._race: list[int] | None = None
        self._weights: list[float] | None = None
        self._totals: list[float] = []
        self.bounds = flips(filter_.conditions)
        self._grid = (plan.settings.start, plan.settings.step)
        self._calendar: list[tuple[int, int]] = []

    # ------------------------------------------------ membership

    def refresh(self, rows: list[int], step: int, now: int) -> None:
        """Judge ``rows`` (ascending) anew: removals first, then insertions in entity order."""
        table, shared = self.table, self.filter.shared
        leaving: list[int] = []
        entering: list[int] = []
        for number in rows:
            open_ = table.published[number] if shared else table.available[number]
            wanted = open_ and table.matches(self.filter, number, now)
            if (number in self.position) != wanted:
                (entering if wanted else leaving).append(number)
            if self.bounds:
                self._schedule(number, step)
        if leaving or entering:
            self._weights = None
        if leaving:
            self._remove(leaving)
        for number in entering:
            self.position[number] = len(self.members)
            self.members.append(number)
            self.ever = True

    def _remove(self, leaving: list[int]) -> None:
        places = [self.position.pop(number) for number in leaving]
        length = len(self.members) - len(leaving)
        movers = [number for number in self.members[length:] if number in self.position]
        for hole, number in zip(sorted(p for p in places if p < length), movers, strict=True):
            self.members[hole] = number
            self.position[number] = hole
        del self.members[length:]

    # ------------------------------------------------ checkpoints

    def calendar(self) -> list[tuple[int, int]]:
        """(step, entity) pairs: when the passing of time may change the list."""
        return sorted(self._calendar)

    def restore(self, members: list[int], calendar: list[tuple[int, int]]) -> None:
        """Take up a saved list in its order."""
        self.members = members
        self.position = {number: place for place, number in enumerate(members)}
        self._calendar = calendar  # sorted, hence a heap
        self._weights = None

    # ------------------------------------------------ the calendar of Now()

    def _schedule(self, number: int, step: int) -> None:
        for name, offset, strict in self.bounds:
            value = self.table.start[name][number]
            if value is not None:
                stored, _ = one_to_storage(value, self.table.types[name], self.table.texts)
                found = flip_steps(np.array([stored], np.int64), None, offset, strict, step, self._grid)
                heapq.heappush(self._calendar, (int(found[0]), number))

    def next_flip(self) -> int | None:
        """The next step in which the passing of time may change the list."""
        return self._calendar[0][0] if self._calendar and self._calendar[0][0] < 2**62 else None

    def flip(self, step: int) -> None:
        """Judge the entities whose time has come, each at its own step: some may have been jumped over."""
        start, length = self._grid
        while self._calendar and self._calendar[0][0] <= step:
            at, due = self._calendar[0][0], set()
            while self._calendar and self._calendar[0][0] == at:
                due.add(heapq.heappop(self._calendar)[1])
            self.refresh(sorted(due), at, start + at * length)
            self.weigh(due)
        self.table.check_weights()

    # ------------------------------------------------ one step's offers

    def begin(self, pick_key: int, step: int) -> None:
        """Start anew in another step; lists that nobody asks cost nothing."""
        if self.step != step:
            self.step, self.cursor, self._race = step, 0, None
            self.key = mix1(pick_key, step)

    def _order(self) -> tuple[int, Callable[[int], int]]:
        if self.filter.weight is None:
            size, members, key = len(self.members), self.members, self.key
            return size, lambda j: members[permute1(key, j, size)]
        if self._race is None:
            weighed = [(n, w) for n, w in zip(self.members, self.weights(), strict=True) if w > 0.0]
            keys = [
                (-log1_(1.0 - unit1(mix1(self.key, n))) / w, place) for place, (n, w) in enumerate(weighed)
            ]
            self._race = [weighed[place][0] for _, place in sorted(keys)]
        return len(self._race), self._race.__getitem__

    def offers(self) -> Iterator[tuple[int, int]]:
        """Untaken members in the step's order, each with the cursor that stands behind it."""
        size, at = self._order()
        for place in range(self.cursor, size):
            number = at(place)
            if self.table.taken[number] != self.step:
                yield number, place + 1

    def any_left(self) -> bool:
        """Whether somebody could still take one."""
        if self.filter.shared:
            return bool(self.members) and (self.filter.weight is None or self.totals()[-1] > 0.0)
        return next(self.offers(), None) is not None

    def next(self) -> int:
        """Take the next untaken member: its number, or -1."""
        for number, cursor in self.offers():
            self.cursor = cursor
            return number
        return -1

    def share(self, u: int) -> int:
        """A member for shared use: nobody takes it."""
        if not self.members:
            return -1
        if self.filter.weight is None:
            return self.members[int(unit1(u) * len(self.members))]
        return weighted_one(self.members, self.totals(), u)

    # ------------------------------------------------ weights

    def weights(self) -> list[float]:
        """Weights in list order, kept while nothing changes; None counts as zero."""
        if self._weights is None:
            self._weights = [self._weight(number) for number in self.members]
            self._totals = list(itertools.accumulate(self._weights))
        return self._weights

    def totals(self) -> list[float]:
        """The weights, cumulated in list order."""
        self.weights()
        return self._totals

    def weigh(self, rows: Iterable[int]) -> None:
        """Note the members among ``rows`` that cannot be drawn by their weight."""
        name, table = self.filter.weight, self.table
        if name is not None:
            found = {(n, name) for n in rows if n in self.position and not is_weight(table.start[name][n])}
            table.unfit |= found

    def reweigh(self, changed: Iterable[int]) -> None:
        """Forget the weights if one of these members has another weight now."""
        if self._weights is None:
            return
        for number in changed:
            place = self.position.get(number)
            if place is not None and self._weights[place] != self._weight(number):
                self._weights = None
                return

    def _weight(self, number: int) -> float:
        name = self.filter.weight
        assert name is not None
        return float(self.table.start[name][number] or 0.0)


def weighted_one(numbers: list[int], totals: list[float], u: int) -> int:
    """One of ``numbers`` in proportion to its weight, or -1 where all are zero; ``totals`` cumulate them."""
    if not totals or not totals[-1] > 0.0:
        return -1
    return numbers[min(bisect.bisect_right(totals, unit1(u) * totals[-1]), len(numbers) - 1)]
