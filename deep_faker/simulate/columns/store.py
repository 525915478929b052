"""The entities of all types, and for each filter the list of who matches it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np

from deep_faker.plan import Array, FieldDraws, NewKeys, Plan
from deep_faker.simulate.arrays import EMPTY, I64, NEVER, distinct, joined
from deep_faker.simulate.columns.members import Membership
from deep_faker.simulate.columns.table import EntityTable
from deep_faker.simulate.engine import Entities


class Lists:
    """The lists of one entity type; they follow the rows of its table that a step has touched."""

    def __init__(self, table: EntityTable, plan: Plan) -> None:
        self.table = table
        grid = (plan.settings.start, plan.settings.step)
        self.all = [Membership(table, f, grid) for f in plan.filters if f.entity == table.name]

    def begin(self, step: int, now: int, pick_keys: Mapping[int, int]) -> None:
        """A step begins, at the instant ``now``."""
        self.table.step = step
        for members in self.all:
            members.flip_due(step, now)
        for members in self.all:
            members.begin(pick_keys[members.filter.number], step)

    def settle(self, now: int) -> None:
        """The step is over; ``now`` is the instant of the next one."""
        table = self.table
        table.settle()
        logs = (table.log_taken, table.log_freed, table.log_spared, table.log_changed, table.log_open_changed)
        if not any(logs):
            return
        self._exclusive(now)
        if table.has_shared:
            self._shared(now)
        table.check_weights()
        for log in logs:
            log.clear()

    def _exclusive(self, now: int) -> None:
        table, gone = self.table, EMPTY
        back = [*table.log_freed, *table.log_spared]
        if table.log_taken:
            taken = joined(table.log_taken)
            free = np.take(table.available.a, taken, mode="clip")
            gone = taken[~free] if free.any() else taken
        if table.log_open_changed:
            touched = joined(table.log_open_changed)
            back.append(touched[np.take(table.available.a, touched, mode="clip")])
        # A row is freed at most once in a step, as it is not offered again; only changes may repeat it.
        repeated = table.log_open_changed or table.log_spared
        rows = EMPTY if not back else distinct(back, table.count) if repeated else joined(back)
        for members in self.all:
            if not members.filter.shared:
                members.refresh(rows, None, gone, now, table.step + 1)

    def _shared(self, now: int) -> None:
        table = self.table
        rows = [*chain.from_iterable(table.log_changed.values()), *table.log_open_changed, *table.log_freed]
        calm = distinct(rows, table.count)
        touched = distinct([*rows, *table.log_spared, *table.log_taken], table.count)
        for members in self.all:
            if members.filter.shared:
                # A row that was only taken can match anew for no other reason than Now().
                judged = touched if members.flip is not None else calm
                open_ = table.open_to(judged, shared=True)
                members.refresh(judged, open_, EMPTY, now, table.step + 1)

    def next_flip(self) -> int:
        """The next step in which time alone makes an entity match, or no longer (`NEVER`: none)."""
        return min((members.next_flip() for members in self.all if members.flip), default=NEVER)


class Store:
    """The entities of all types."""

    def __init__(self, plan: Plan, fields: FieldDraws) -> None:
        self.tables = {name: EntityTable(entity, plan, fields) for name, entity in plan.entities.items()}
        self.by_type = {name: Lists(table, plan) for name, table in self.tables.items()}
        self.lists = {m.filter.number: m for lists in self.by_type.values() for m in lists.all}
        self.late_after = plan.settings.late_after
        self.late_from = NEVER  # flows from this number on started after the end: what they bore is not

    def column(self, entity: str, field: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        table = self.tables[entity]
        nulls = table.nulls.get(field)
        which = slice(table.count) if rows is None else rows
        return table.live[field].a[which], None if nulls is None else nulls.a[which]

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        table = self.tables[entity]
        columns = (table.born_flow, table.born_action, table.born_clock)
        flow, action, clock = (column.a[: table.count] for column in columns)
        return Entities.on_time(flow, action, clock, self.late_from, self.late_after)

    def births(self, entity: str, first: int) -> I64:
        """The instants at which entities were born, from a number on."""
        table = self.tables[entity]
        return table.born_clock.a[first : table.count].copy()

    def new_keys(self) -> list[NewKeys]:
        """The stored keys that have not been handed on."""
        keys = []
        for name, table in self.tables.items():
            if table.keys is not None and table.told < table.count:
                keys.append(NewKeys(name, table.told, table.keys.a[table.told : table.count].copy()))
                table.told = table.count
        return keys

    # ------------------------------------------------------------ saving

    def save(self) -> dict[str, Array]:
        """The entities as named arrays; taken between two steps."""
        out: dict[str, Array] = {}
        for name, table in self.tables.items():
            for column_name, column in table.rows.by_name.items():
                if column_name.startswith(("filter.", "start.", "startnull.", "taken")):
                    continue
                out[f"entity.{name}.{column_name}"] = column.a[: table.count].copy()
        for number, members in self.lists.items():
            out[f"filter.{number}.members"] = members.members[: members.length].copy()
        return out

    def load(self, arrays: Mapping[str, Array], step: int) -> None:
        """Take up what `save` gave; ``step``: the last step that was made."""
        for name, table in self.tables.items():
            table.count = len(arrays[f"entity.{name}.available"])
            table.rows.reserve(table.count)
            for column_name, column in table.rows.by_name.items():
                source = column_name.replace("startnull.", "null.").replace("start.", "state.")
                saved = arrays.get(f"entity.{name}.{source}")
                if saved is not None:
                    column.a[: table.count] = saved
            if table.keys is not None:
                keys = table.keys.a[: table.count].tolist()
                table.number_of = dict(zip(keys, range(table.count), strict=True))
            table.step = step
        for number, members in self.lists.items():
            members.restore(arrays[f"filter.{number}.members"], step)
