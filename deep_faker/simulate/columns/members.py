"""Membership lists: which entities match a filter now, and in what order a step offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.draws.exact import log_
from deep_faker.draws.mix import mix, mix1, permute, permute1, unit
from deep_faker.plan import Array, Filter
from deep_faker.simulate.arrays import EMPTY, I64, NEVER, Agenda, Column
from deep_faker.simulate.columns.predicates import Test, condition_test, flip_steps, flips
from deep_faker.simulate.weights import Sums

if TYPE_CHECKING:
    from deep_faker.simulate.columns.table import EntityTable


class Membership:
    """The dense list of one filter, with the position of every member.

    Lists change only between steps: removals fill the holes with the last members, insertions are
    appended in entity order. Within a step the list is read in a keyed random order, from a cursor that
    the claims of all flows share.
    """

    def __init__(self, table: EntityTable, filter_: Filter, grid: tuple[int, int]) -> None:
        self.table, self.filter, self.grid = table, filter_, grid
        self.members: I64 = np.empty(64, np.int64)
        self.length = 0
        self.ever = False  # whether anybody has ever matched
        self.position = table.rows.add(f"filter.{filter_.number}.position", np.int64, -1)
        self.tests: list[Test] = [condition_test(table, c) for c in filter_.conditions]
        self.bounds = flips(filter_.conditions)
        self.flip: Column | None = None
        if self.bounds:
            self.flip = table.rows.add(f"filter.{filter_.number}.flip", np.int64, NEVER)
            self.agenda = Agenda(self.flip, 64)
        self.version = 0  # counts changes of the list, for what is derived from it
        self.cursor = 0
        self.key = 0
        self.order: I64 | None = None
        self._sorted: tuple[int, I64] | None = None
        self._sums: tuple[int, Sums] | None = None

    # ------------------------------------------------------------ membership

    def matches(self, rows: I64, now: int) -> Array:
        """Which rows satisfy the filter's conditions."""
        matching: Array | None = None
        for test in self.tests:
            mask = test(rows, now)
            matching = mask if matching is None else matching & mask
        return np.ones(len(rows), np.bool_) if matching is None else matching

    def refresh(self, rows: I64, open_: Array | None, gone: I64, now: int, step: int) -> None:
        """``gone`` leave; ``rows`` (distinct, in any order) are judged anew where ``open_`` lets them."""
        wanted = self.matches(rows, now)
        if open_ is not None:
            wanted &= open_
        member = np.take(self.position.a, rows, mode="clip") >= 0
        leaving = rows[member & ~wanted]
        if len(gone):
            gone = gone[np.take(self.position.a, gone, mode="clip") >= 0]
            leaving = np.concatenate([gone, leaving]) if len(leaving) else gone
        self.remove(leaving)
        self.insert(np.sort(rows[wanted & ~member]))
        if self.filter.weight is not None:
            self.table.weigh(self.filter.weight, rows[wanted])
        if self.flip is not None:
            self._schedule(rows, self.flip, step)

    def remove(self, leaving: I64) -> None:
        if not len(leaving):
            return
        position, members = self.position.a, self.members
        places = position[leaving]
        position[leaving] = -1
        length = self.length - len(leaving)
        tail = members[length : self.length]
        movers = tail[position[tail] >= 0]
        holes = np.sort(places[places < length])
        members[holes] = movers
        position[movers] = holes
        self.length = length
        self.version += 1

    def insert(self, entering: I64) -> None:
        if not len(entering):
            return
        length = self.length + len(entering)
        if length > len(self.members):
            grown = np.empty(max(length, 2 * len(self.members)), np.int64)
            grown[: self.length] = self.members[: self.length]
            self.members = grown
        self.members[self.length : length] = entering
        self.position.a[entering] = np.arange(self.length, length)
        self.length = length
        self.version += 1
        self.ever = True

    def restore(self, members: I64, step: int) -> None:
        """Take up a saved list; ``step``: the last step whose instant the rows were judged at."""
        self.members = members.astype(np.int64)
        self.length = len(members)
        self.position.a[:] = -1
        self.position.a[members] = np.arange(len(members))
        self.version += 1
        if self.flip is not None:
            self._schedule(np.arange(self.table.count), self.flip, step)

    # ------------------------------------------------------------ the calendar of Now()

    def _schedule(self, rows: I64, flip: Column, step: int) -> None:
        soonest = np.full(len(rows), NEVER)
        for name, offset, strict in self.bounds:
            values, nulls = self.table.settled_rows(name, rows)
            steps = flip_steps(values, nulls, offset, strict, step, self.grid)
            np.minimum(soonest, steps, out=soonest)
        flip.a[rows] = soonest
        self.agenda.add(rows, soonest)

    def next_flip(self) -> int:
        return self.agenda.next(self.table.count) if self.flip is not None else NEVER

    def flip_due(self, step: int, now: int) -> None:
        """Judge the rows whose truth may change at this step's instant."""
        if self.flip is None:
            return
        rows = np.unique(self.agenda.due(step + 1, self.table.count))
        if len(rows):
            open_ = self.table.open_to(rows, shared=self.filter.shared)
            self.refresh(rows, open_, EMPTY, now, step)
            self.table.check_weights()

    # ------------------------------------------------------------ one step's order

    def begin(self, pick_key: int, step: int) -> None:
        """A new step: the order begins anew."""
        self.cursor = 0
        self.key = mix1(pick_key, step)
        self.order = None

    def _ordered(self, places: I64) -> I64:
        """The members at these places of the step's order."""
        if self.filter.weight is not None:
            assert self.order is not None
            return self.order[places]
        return self.members[permute(self.key, places, self.length)]

    def offered(self) -> int:
        """How long the step's order is."""
        if self.filter.weight is None:
            return self.length
        if self.order is None:
            self.order = self._race()
        return len(self.order)

    def any_left(self) -> bool:
        """Whether somebody could still take one."""
        if self.filter.shared:
            return self.length > 0 and (self.filter.weight is None or self.sums().total > 0.0)
        length, taken, now = self.offered(), self.table.taken.a, self.table.step
        for _ in range(32):
            if self.cursor >= length:
                return False
            place = self.cursor
            if self.order is None:
                place = permute1(self.key, place, length)
                number = int(self.members[place])
            else:
                number = int(self.order[place])
            if taken[number] != now:
                return True
            self.cursor += 1
        return len(self.peek(1)[0]) > 0

    def peek(self, wanted: int) -> tuple[I64, I64]:
        """Up to ``wanted`` untaken members in the step's order, and the cursor after each of them."""
        length, place, count = self.offered(), self.cursor, 0
        numbers: list[I64] = []
        cursors: list[I64] = []
        taken, now = self.table.taken.a, self.table.step
        while count < wanted and place < length:
            places = np.arange(place, min(length, place + max(wanted - count, 16)))
            members = self._ordered(places)
            free = np.take(taken, members, mode="clip") != now
            place += len(places)
            if not free.all():
                members, places = members[free], places[free]
            numbers.append(members[: wanted - count])
            cursors.append(places[: wanted - count] + 1)
            count += len(members)
        if not numbers:
            return EMPTY, EMPTY
        return np.concatenate(numbers), np.concatenate(cursors)

    def claim(self, wanted: int) -> I64:
        """The next untaken members, taken from the order for good; fewer than ``wanted`` if it ends."""
        numbers, cursors = self.peek(wanted)
        if len(numbers):
            self.cursor = int(cursors[-1])
        return numbers

    def share(self, u: Array) -> I64:
        """One member for each draw, used without being taken; -1 where there is none."""
        if self.filter.weight is None:
            if not self.length:
                return np.full(len(u), -1)
            return np.take(self.members, (unit(u) * self.length).astype(np.int64), mode="clip")
        sums = self.sums()
        if not sums.total > 0.0:
            return np.full(len(u), -1)
        return np.take(self.members, sums.places(unit(u)), mode="clip")

    # ------------------------------------------------------------ weights

    def weights(self) -> Array:
        """Weights of the members in list order; null counts as zero."""
        assert self.filter.weight is not None
        return self.table.weights(self.filter.weight, self.members[: self.length])

    def ascending(self) -> I64:
        """The members in entity order."""
        if self._sorted is None or self._sorted[0] != self.version:
            self._sorted = self.version, np.sort(self.members[: self.length])
        return self._sorted[1]

    def sums(self) -> Sums:
        """Cumulated weights in list order, kept while nothing changes."""
        state = self.table.epoch + self.version
        if self._sums is None or self._sums[0] != state:
            self._sums = state, Sums(self.weights())
        return self._sums[1]

    def _race(self) -> I64:
        """Members by ascending race key: the i-th of a draw in proportion to weight, without replacement."""
        weights = self.weights()
        members = self.members[: self.length]
        runs = np.flatnonzero(weights > 0.0)
        members, weights = members[runs], weights[runs]
        keys = -log_(1.0 - unit(mix(self.key, members.view(np.uint64)))) / weights
        return np.take(members, np.argsort(keys, kind="stable"))
