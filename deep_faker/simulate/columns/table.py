"""Entities of one type: their state by column, who is available, and what a step has touched of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import chain

import numpy as np

from deep_faker.declare.schema import start_value
from deep_faker.plan import Apply, Array, Emit, EntityPlan, FieldDraws, Plan, Save, Type
from deep_faker.plan.storage import dtype_of, from_python, to_python
from deep_faker.simulate.arrays import I64, Column, Columns, joined
from deep_faker.simulate.failures import wrong_weight
from deep_faker.simulate.weights import as_weights


class EntityTable:
    """All entities of one type. An entity's number is its row; rows are never taken away.

    Where the plan asks for a start view, ``start`` columns hold the world as the step found it, beside
    the live ones that the holder of an entity changes.
    """

    def __init__(self, plan: EntityPlan, whole: Plan, fields: FieldDraws) -> None:
        self.plan, self.name, self.fields, self.texts = plan, plan.name, fields, whole.texts
        # Live flows look at whatever they like.
        self.has_live = any(flow.live is not None for flow in whole.flows)
        # The step that the end cuts is made once more without the flows that start after the end.
        self.logs_changes = plan.shared_changes or self.has_live or whole.settings.cuts_a_step
        self.start_view = plan.start_view or self.logs_changes
        self.count = 0
        self.step = -1
        self.epoch = 0  # counts the steps that changed state, for what is derived from it
        self.is_changed = False
        self.changing = changed_fields(whole, plan)
        self.rows = Columns()
        add = self.rows.add
        self.available = add("available", np.bool_, False)
        self.published = add("published", np.bool_, False)
        self.taken = add("taken", np.int64, -1)
        self.holder = add("holder", np.int64, -1)
        self.born_flow = add("born.flow", np.uint64, 0)
        self.born_action = add("born.action", np.int64, 0)
        self.born_site = add("born.site", np.int32, -1)
        self.born_clock = add("born.clock", np.int64, 0)
        self.keys = add("key", object, None) if plan.key_mode == "stored" else None
        self.told = 0  # of so many entities the keys have been handed on
        self.types: dict[str, Type] = {c.name: c.type for c in plan.columns if not c.lazy}
        self.live: dict[str, Column] = {}
        self.nulls: dict[str, Column] = {}
        self.start: dict[str, Column] = {}
        self.start_nulls: dict[str, Column] = {}
        for name, type_ in self.types.items():
            self._add_column(name, type_)
        self.number_of: dict[Hashable, int] = {}  # key → number, as far as it was needed
        self._indexed = 0
        self.has_shared = any(f.shared for f in whole.filters if f.entity == plan.name)
        self.rows.reserve(1)  # so that there is something to take rows from
        self.log_taken: list[I64] = []
        self.log_freed: list[I64] = []
        self.log_spared: list[I64] = []  # taken by starts after the end, and so free again
        self.log_changed: dict[str, list[I64]] = {}  # by field
        self.unfit: list[tuple[int, str]] = []  # rows and weights that cannot be drawn by
        self.log_open_changed: list[I64] = []  # changed without being held: may be in exclusive lists

    def _add_column(self, name: str, type_: Type) -> None:
        dtype = dtype_of(type_)
        self.live[name] = self.rows.add(f"state.{name}", dtype, None if dtype == np.dtype(object) else 0)
        if type_.optional:
            self.nulls[name] = self.rows.add(f"null.{name}", np.bool_, True)
        if not self.start_view:
            return
        if name not in self.changing:  # its two views are one
            self.start[name] = self.live[name]
            if type_.optional:
                self.start_nulls[name] = self.nulls[name]
        else:
            self.start[name] = self.rows.add(f"start.{name}", dtype, None if dtype == np.dtype(object) else 0)
            if type_.optional:
                self.start_nulls[name] = self.rows.add(f"startnull.{name}", np.bool_, True)

    # ------------------------------------------------------------ reading

    def settled(self, name: str) -> tuple[Column, Column | None]:
        """The column as the step found it (where nobody can tell: the live one), and its nulls."""
        if self.start_view:
            return self.start[name], self.start_nulls.get(name)
        return self.live[name], self.nulls.get(name)

    def settled_rows(self, name: str, rows: I64) -> tuple[Array, Array | None]:
        column, nulls = self.settled(name)
        return np.take(column.a, rows, mode="clip"), None if nulls is None else nulls.a[rows]

    def python(self, name: str, rows: I64) -> list[object]:
        """Settled state of rows as Python values."""
        values, nulls = self.settled_rows(name, rows)
        return to_python(values, nulls, self.types[name], self.texts)

    def weights(self, name: str, rows: I64) -> Array:
        """A field as weights, as the step found it; null counts as zero."""
        return as_weights(*self.settled_rows(name, rows))

    def weigh(self, name: str, rows: I64) -> None:
        """Note the rows that ``Select(weight=name)`` cannot draw."""
        weights = self.weights(name, rows)
        bad = ~((weights >= 0.0) & (weights < np.inf))
        if bad.any():
            self.unfit += [(number, name) for number in rows[bad].tolist()]

    def check_weights(self) -> None:
        """Stop the run for an entity of a weighted selection without a weight (N9)."""
        if self.unfit:
            number, name = min(self.unfit)
            row = np.array([number])
            raise wrong_weight(self.name, self.key_list(row)[0], name, self.python(name, row)[0])

    def key_array(self, rows: I64) -> Array:
        """Keys of entities, as an object array."""
        if self.keys is not None:
            return self.keys.a[rows]
        return self.fields.keys(self.name, rows)

    def key_list(self, rows: I64) -> list[object]:
        return list(self.key_array(rows))

    def find_key(self, key: object) -> int:
        """The number of the entity with this key, -1 if there is none. The index grows when asked."""
        if self.keys is None and self._indexed < self.count:
            rows = np.arange(self._indexed, self.count)
            self.number_of.update(zip(self.key_list(rows), rows.tolist(), strict=True))
            self._indexed = self.count
        try:
            return self.number_of.get(key, -1)
        except TypeError:  # an unhashable value equals no key
            return -1

    def open_to(self, rows: I64, *, shared: bool) -> Array:
        """Which rows selections may see: the available ones, the published ones if shared."""
        return np.take(self.published.a if shared else self.available.a, rows, mode="clip")

    def open_at_start(self, *, shared: bool) -> I64:
        """The rows that selections of this step may see, ascending."""
        if shared:
            return np.flatnonzero(self.published.a[: self.count])
        open_ = self.available.a[: self.count].copy()
        for rows in self.log_freed:
            open_[rows] = False
        open_ |= self.taken.a[: self.count] == self.step
        return np.flatnonzero(open_)

    # ------------------------------------------------------------ births

    def create(self, flow: Array, action: Array, site: Array | int, clock: Array) -> I64:
        """New entities with their default state, held by nobody, seen by nobody; their numbers."""
        first, last = self.count, self.count + len(flow)
        self.rows.reserve(last)
        self.count = last
        new = slice(first, last)
        self.born_flow.a[new] = flow
        self.born_action.a[new] = action
        self.born_site.a[new] = site
        self.born_clock.a[new] = clock
        states = self.plan.spec.by_name
        for column in self.plan.columns:
            if column.lazy or column.from_field is not None:
                continue
            # A mutable default must not be shared by two entities.
            state = states[column.name]
            fresh = column.type.kind == "object" or state.default_factory is not None
            rows = range(last - first)
            defaults = [start_value(self.plan.spec, state) for _ in rows] if fresh else [column.default]
            self._fill(column.name, new, *from_python(defaults, column.type, self.texts))
        return np.arange(first, last)

    def forget(self, first: int) -> None:
        """The entities from ``first`` on were not born after all."""
        if self.keys is not None:
            for key in self.keys.a[first : self.count].tolist():
                self.number_of.pop(key, None)
            self.keys.a[first : self.count] = None
        self.count = first

    def _fill(self, name: str, new: slice, values: Array, nulls: Array | None) -> None:
        for columns, masks in ((self.live, self.nulls), (self.start, self.start_nulls)):
            if name in columns:
                columns[name].a[new] = values
            if name in masks:
                masks[name].a[new] = False if nulls is None else nulls

    def set_state(self, name: str, rows: I64, values: Array, nulls: Array | None) -> None:
        """Initial state of new rows, in both views."""
        for columns, masks in ((self.live, self.nulls), (self.start, self.start_nulls)):
            if name in columns:
                columns[name].a[rows] = values
            if name in masks:
                masks[name].a[rows] = False if nulls is None else nulls

    def publish(self, rows: I64) -> None:
        """The creating flows have ended: the entities can be selected from the next step on."""
        self.published.a[rows] = True
        self.free(rows)

    # ------------------------------------------------------------ holding

    def take(self, rows: I64, flows: Array) -> None:
        """Rows (distinct) are held by flows from now on."""
        self.available.a[rows] = False
        self.taken.a[rows] = self.step
        if self.start_view:
            self.holder.a[rows] = flows
        self.log_taken.append(rows)

    def free(self, rows: I64) -> None:
        """Rows (distinct) are held by nobody any more; others see that from the next step on."""
        self.available.a[rows] = True
        self.log_freed.append(rows)

    # ------------------------------------------------------------ the end of a step

    def settle(self) -> None:
        """The start view takes over what the step has changed."""
        if self.is_changed:
            self.epoch, self.is_changed = self.epoch + 1, False
        if self.start_view:
            for name, parts in self.log_changed.items():
                rows = joined(parts)
                self.start[name].a[rows] = np.take(self.live[name].a, rows, mode="clip")
                if name in self.start_nulls:
                    self.start_nulls[name].a[rows] = np.take(self.nulls[name].a, rows, mode="clip")


def changed_fields(whole: Plan, entity: EntityPlan) -> set[str]:
    """The state fields of a type that some flow changes; with live flows it may be any."""
    if any(flow.live is not None for flow in whole.flows):
        return {column.name for column in entity.columns}
    changes = chain.from_iterable(action.changes for action in _actions(whole))
    return {change.field for change in changes if change.entity == entity.name}


def _actions(plan: Plan) -> Iterator[Apply | Emit]:
    """All that changes state."""
    for state in chain.from_iterable(flow.states for flow in plan.flows):
        yield from (op for op in state.operations if isinstance(op, (Apply, Emit)))
        if isinstance(state.terminator, Save):
            yield state.terminator.emit
