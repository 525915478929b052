"""The end of a step for entities that flows shared: all changes once more, in the order of time.

What nobody shared is already as it must be. For the others (and for all, where the history is kept) the
changes of the step, the holder's too, are made again from the state that the step found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array
from deep_faker.simulate.arrays import I64, distinct
from deep_faker.simulate.columns.change_forms import CHANGE_FORMS
from deep_faker.simulate.failures import failed

if TYPE_CHECKING:
    from deep_faker.simulate.columns.changes import Changes, Entry


def settle(changes: Changes) -> None:
    """What the step's changes of shared entities come to, in the order of T9."""
    if changes.log:
        log, changes.log = changes.log, []
        changes.shared_fields.clear()
        _replay(changes, log)


def _replay(changes: Changes, log: list[Entry]) -> None:
    table = changes.table
    shared = [entry.entity[entry.shared] for entry in log if entry.shared is not None and entry.shared.any()]
    touched = [entry.entity for entry in log] if changes.history else shared
    if not touched:
        return
    entities = distinct(touched, table.count)
    mark = np.zeros(table.count, np.bool_)
    mark[entities] = True
    story = Story(log, mark)
    for name in table.types:
        table.live[name].a[entities] = table.start[name].a[entities]
        if name in table.nulls:
            table.nulls[name].a[entities] = table.start_nulls[name].a[entities]
    try:
        if changes.history:
            story.turns(changes, versions=True)
        else:
            for field in {entry.field for entry in log}:
                of_field = Story([entry for entry in log if entry.field == field], mark)
                # a field may have changed in entities only that nobody shared
                if len(of_field.place) and not of_field.at_once(changes):
                    of_field.turns(changes, versions=False)
    except Exception:
        _one_by_one(changes, log, entities)
        raise
    table.log_open_changed.append(entities)
    for name in table.types:
        table.log_changed.setdefault(name, []).append(entities)


def _one_by_one(changes: Changes, log: list[Entry], entities: I64) -> None:
    """A change cannot be made: entity by entity, the first that cannot stops the run."""
    table = changes.table
    for entity in entities.tolist():
        for name in table.types:
            table.live[name].a[entity] = table.start[name].a[entity]
            if name in table.nulls:
                table.nulls[name].a[entity] = table.start_nulls[name].a[entity]
        mark = np.zeros(table.count, np.bool_)
        mark[entity] = True
        Story(log, mark).turns(changes, versions=False)


class Story:
    """The changes to the marked entities: ``batch`` and ``place`` point to where each is written down."""

    def __init__(self, log: list[Entry], mark: Array) -> None:
        self.log = log
        rows = [np.flatnonzero(mark[entry.entity]) for entry in log]
        self.batch = np.repeat(np.arange(len(log)), [len(places) for places in rows])
        self.place: I64 = np.concatenate(rows)
        self.entity, self.clock, self.flow, self.action = (
            np.concatenate([getattr(entry, name)[places] for entry, places in zip(log, rows, strict=True)])
            for name in ("entity", "clock", "flow", "action")
        )
        self.order = np.repeat([entry.order for entry in log], [len(places) for places in rows])

    def at_once(self, changes: Changes) -> bool:
        """All changes of one field in one call, where they are of one kind that allows it."""
        field = self.log[0].field
        column, nulls = changes.table.live[field], changes.table.nulls.get(field)
        ops = {entry.op for entry in self.log}
        kind = changes.table.types[field].kind
        families = {CHANGE_FORMS[op].family if op != "is" else "set" for op in ops}
        if nulls is not None or changes.updates[field, "is"].strict:
            return False
        if len(ops) > 1 and families != {"sum"}:
            return False
        if any(entry.values.dtype != column.a.dtype for entry in self.log):
            return False
        values = np.concatenate([e.values[self.place[self.batch == i]] for i, e in enumerate(self.log)])
        op, family = ops.pop() if len(ops) == 1 else "add", families.pop()
        if family == "sum" and op == "add":
            minus = np.array([CHANGE_FORMS[entry.op].minus for entry in self.log])[self.batch]
            values = np.where(minus, -values, values)
        if kind == "float":
            if family == "choice":  # nan and signed zeros as Python has them
                return False
        elif family not in ("set", "choice") and (
            kind != "int" or family == "product" or not self._fits(column.a[self.entity], values)
        ):
            return False
        entity = self.entity
        if op == "is" or (kind == "float" and len(values) > 1):  # elsewhere any order gives the same
            time = self._in_time()
            entity, values = entity[time], values[time]
        if op == "is":
            column.a[entity] = values  # of several values for one row, the last one stays
        else:
            with np.errstate(all="ignore"):
                CHANGE_FORMS[op].at.at(column.a, entity, values)
        return True

    def _in_time(self) -> I64:
        """Positions in the order of T9. A flow's own changes are in order already: the sort is stable."""
        flow = self.flow.view(np.int64) - int(self.flow.min())
        clock = self.clock - int(self.clock.min())
        width = int(flow.max()) + 1
        if int(clock.max()) * width < 1 << 62:
            return np.argsort(clock * width + flow, kind="stable")
        return np.lexsort((flow, clock))

    def _fits(self, start: I64, values: I64) -> bool:
        """No order of adding can leave the 64 bits."""
        most = np.abs(start.astype(np.float64)).max() + np.abs(values.astype(np.float64)).sum()
        return bool(most < 2.0**62)

    def turns(self, changes: Changes, *, versions: bool) -> None:
        """The first change of every entity, then the second of every entity, and so on."""
        sequence = np.lexsort((self.order, self.action, self.flow, self.clock, self.entity))
        entity = self.entity[sequence]
        first = np.flatnonzero(np.r_[True, entity[1:] != entity[:-1]])
        rank = np.arange(len(entity)) - np.repeat(first, np.diff(np.r_[first, len(entity)]))
        last = self._last_of_action(sequence) if versions else None
        by_turn = sequence[np.argsort(rank, kind="stable")]
        for now in np.split(by_turn, np.cumsum(np.bincount(rank))[:-1]):
            batches = self.batch[now]
            for i in np.unique(batches).tolist():
                mine = now[batches == i]
                entry, places = self.log[i], self.place[mine]
                if entry.op != "born":
                    nulls = None if entry.nulls is None else entry.nulls[places]
                    changes.context = entry.where
                    try:
                        changes.updates[entry.field, entry.op](
                            entry.entity[places], entry.values[places], nulls
                        )
                    except (ArithmeticError, TypeError, ValueError) as error:
                        span, flow = entry.where
                        raise failed(flow, span, error) from error
                if last is not None:
                    done = places[last[mine]]
                    if len(done):
                        slots, flow, action, clock = (column[done] for column in entry.who)
                        changes.snapshot(entry.entity[done], (slots, flow, action, clock), entry.is_event)

    def _last_of_action(self, sequence: I64) -> Array:
        """Which changes are the last of their action on their entity: those make a version."""
        same = np.ones(len(sequence) - 1, np.bool_)
        for column in (self.entity, self.clock, self.flow, self.action):
            same &= column[sequence[1:]] == column[sequence[:-1]]
        last = np.ones(len(sequence), np.bool_)
        last[sequence[:-1]] = ~same
        return last
