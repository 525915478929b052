"""Flows in flight: one slot each, reused when the flow has ended."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deep_faker.plan import Array, Plan
from deep_faker.plan.storage import dtype_of
from deep_faker.simulate.arrays import EMPTY, I64, NEVER, Agenda, Column, Columns, joined


class Chains:
    """For every slot the entities that its flow has taken, in order: linked lists in one arena."""

    def __init__(self, slots: Columns, name: str) -> None:
        self.last = slots.add(f"chain.{name}", np.int64, -1)
        self.nodes = Columns()
        self.number = self.nodes.add("number", np.int64, -1)
        self.before = self.nodes.add("before", np.int64, -1)
        self.used = 0
        self.spare: list[I64] = []

    def append(self, rows: I64, numbers: I64) -> None:
        """One entity for each of ``rows`` (distinct)."""
        nodes = self._nodes(len(rows))
        self.number.a[nodes] = numbers
        self.before.a[nodes] = self.last.a[rows]
        self.last.a[rows] = nodes

    def _nodes(self, wanted: int) -> I64:
        if self.spare:
            spare = joined(self.spare)
            self.spare = [spare[wanted:]] if len(spare) > wanted else []
            spare = spare[:wanted]
            wanted -= len(spare)
        else:
            spare = EMPTY
        self.nodes.reserve(self.used + wanted)
        fresh = np.arange(self.used, self.used + wanted)
        self.used += wanted
        return np.concatenate([spare, fresh]) if len(spare) else fresh

    def read(self, rows: I64, *, drop: bool) -> tuple[I64, I64]:
        """The lists of ``rows`` as (offsets, entity numbers); dropped ones make room."""
        levels: list[tuple[I64, I64]] = []
        nodes = np.take(self.last.a, rows, mode="clip")
        if not self.used or nodes.max(initial=-1) < 0:
            return np.zeros(len(rows) + 1, np.int64), EMPTY
        deeper = np.take(self.before.a, nodes, mode="clip")
        if nodes.min() >= 0 and deeper.max() < 0:  # each flow has taken one: the usual case
            numbers = np.take(self.number.a, nodes, mode="clip")
            if drop:
                self.spare.append(nodes)
                self.last.a[rows] = -1
            return np.arange(len(rows) + 1), numbers
        place = np.arange(len(rows))
        while len(nodes):
            linked = nodes >= 0
            place, nodes = place[linked], nodes[linked]
            levels.append((place, nodes))
            nodes = self.before.a[nodes]
        counts = np.zeros(len(rows) + 1, np.int64)
        for place, _ in levels:
            counts[place + 1] += 1
        offsets = np.cumsum(counts)
        numbers = np.empty(int(offsets[-1]), np.int64)
        for depth, (place, nodes) in enumerate(levels):
            numbers[offsets[place + 1] - 1 - depth] = self.number.a[nodes]
        if drop:
            self.spare.extend(nodes for _, nodes in levels if len(nodes))
            self.last.a[rows] = -1
        return offsets, numbers


class Slots:
    """The columns of the flows in flight; generated code reads and writes them by slot.

    ``state`` is the row of the kernel's table at which the flow goes on at its ``clock``.
    """

    def __init__(self, plan: Plan, entities: Iterable[str], span: int) -> None:
        self.columns = Columns()
        add = self.columns.add
        self.number = add("number", np.uint64, 0)
        self.word = add("word", np.uint64, 0)  # by which it draws: its number, or what its arrival has
        self.table = add("table", np.uint16, 0)
        self.state = add("state", np.uint16, 0)
        self.clock = add("clock", np.int64, NEVER)
        self.action = add("action", np.int64, 0)
        self.k = add("k", np.uint64, 0)
        self.started = add("started", np.int64, 0)
        self.events = add("events", np.int64, 0)
        self.mark = add("mark", np.int64, 0)
        self.waited = add("waited", np.int64, 0)  # µs in queues
        self.held = {name: add(f"held.{name}", np.int64, -1) for name in entities}
        self.shared = {name: add(f"shared.{name}", np.bool_, False) for name in entities}
        self.chains = {name: Chains(self.columns, name) for name in entities}
        self.agenda = Agenda(self.clock, span)
        self.used = 0
        self.running = 0
        self.free: I64 = EMPTY
        self.locals: dict[tuple[int, str], Column] = {}
        self.texts = plan.texts

    def local(self, flow: int, name: str, plan: Plan) -> Column:
        """The column of a local of a flow (``x__null``: its mask)."""
        if (flow, name) not in self.locals:
            if name.endswith("__null"):
                dtype: np.dtype[np.generic] = np.dtype(np.bool_)
            else:
                dtype = dtype_of(plan.flows[flow].types[name])
            fill = None if dtype == np.dtype(object) else 0
            self.locals[flow, name] = self.columns.add(f"local.{flow}.{name}", dtype, fill)
        return self.locals[flow, name]

    def take(self, wanted: int) -> I64:
        """Free slots, the lowest of the spare ones first."""
        spare = self.free[:wanted]
        self.free = self.free[wanted:]
        fresh = wanted - len(spare)
        self.running += wanted
        if not fresh:
            return spare
        self.columns.reserve(self.used + fresh)
        rows = np.arange(self.used, self.used + fresh)
        self.used += fresh
        return np.concatenate([spare, rows]) if len(spare) else rows

    def park(self, rows: I64, clock: I64, state: Array | int, until: int) -> Array | None:
        """Flows wait for their clock; the mask of those for whom it comes before ``until``, if any."""
        self.clock.a[rows] = clock
        self.state.a[rows] = state
        soon = clock < until
        if not soon.any():
            self.agenda.add(rows, clock)
            return None
        later = ~soon
        self.agenda.add(rows[later], clock[later])
        return soon

    def release(self, rows: I64) -> None:
        """The flows have ended."""
        self.clock.a[rows] = NEVER
        self.free = np.concatenate([self.free, rows]) if len(self.free) else rows
        self.running -= len(rows)

    def alive(self) -> I64:
        """The slots in use, by flow number."""
        rows = np.flatnonzero(self.clock.a[: self.used] < NEVER)
        return rows[np.argsort(self.number.a[rows], kind="stable")]
