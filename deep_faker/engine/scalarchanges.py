"""What flows do to entities in the scalar engine: hold, create, change; and what generated code calls."""

from __future__ import annotations

import itertools
import operator
from typing import Any, NoReturn

from deep_faker.engine import computed
from deep_faker.engine.eventdata import state_of_field
from deep_faker.engine.failures import (
    ATTEMPTS,
    failed,
    not_held,
    out_of_time,
    overflow,
    spinning,
    stalled,
    taken,
)
from deep_faker.engine.scalarstore import ScalarTable
from deep_faker.engine.scalarworld import ScalarWorld
from deep_faker.errors import Span
from deep_faker.ids import flow_counter1, scramble1
from deep_faker.plan import Apply, Emit, Save, State
from deep_faker.schema import check_state_value

_INT64 = 2**63


class MissingError(Exception):
    """A flow needs an entity that it does not have."""


class ScalarChanges(ScalarWorld):
    """The entities of a run as its flows see and change them."""

    # ------------------------------------------------ holding

    def _take(self, f: Any, entity: str, number: int, *, shared: bool) -> None:
        """The flow's slot of a type becomes ``number`` (-1: nothing was found)."""
        held, exclusive = self._slots[entity]
        setattr(f, held, number)
        setattr(f, exclusive, number >= 0 and not shared)
        if number >= 0 and not shared:
            table = self.tables[entity]
            table.available[number] = False
            table.taken[number] = self._step
            table.holder[number] = f.number
            table.touched.add(number)
            f.kept.append((self._index[entity], number))

    def _release(self, f: Any, entity: str) -> None:
        held, exclusive = self._slots[entity]
        number = getattr(f, held)
        if number >= 0 and getattr(f, exclusive):
            self._free(entity, number, f)
        setattr(f, held, -1)
        setattr(f, exclusive, False)

    def _free(self, entity: str, number: int, f: Any) -> None:
        table = self.tables[entity]
        table.taken[number] = self._step
        if (entity, number) not in f.born:  # its creator publishes it when it ends
            table.available[number] = True
        table.touched.add(number)

    def hold(self, f: Any, entity: str, number: int) -> None:
        """``ctx.add_entity``: only names what the flow has already."""
        if number < 0:
            raise MissingError
        if getattr(f, f"h{self.names.index(entity)}") != number:
            raise not_held(entity)

    # ------------------------------------------------ births

    def create(self, f: Any, entity: str, number: int, site: int, values: dict[str, Any]) -> Any:
        """The entity of a birth; its key comes back, drawn again where it collided."""
        table = self.tables[entity]
        key = values.get(table.entity.spec.primary_key)
        if table.stored is not None:
            key = self._stored_key(table, site, key, (f.number, f.action, f.clock))
        state = self._birth_state(table, site, number, values, f)
        table.add((f.number, f.action, site, f.clock), state, free=False)
        f.born.append((entity, number))
        self._take(f, entity, number, shared=False)
        return key

    def _birth_state(
        self, table: ScalarTable, site: int, number: int, values: dict[str, Any], f: Any
    ) -> dict[str, Any]:
        state = table.default_state()
        spec = table.entity.spec
        for column in table.entity.columns:
            name = column.from_field
            if column.lazy or name is None:
                continue
            if name in values:
                value = values[name]
            elif name == spec.primary_key and table.stored is None:
                value = self.fields.key_one(table.name, number)
            elif site >= 0 and name in self.plan.sites[site].keys and f is not None:
                owner = self.plan.sites[site].keys[name]
                value = self.tables[owner].key(getattr(f, f"h{self.names.index(owner)}"))
            else:
                event = spec.source_event
                value = event.by_name[name].make_default() if event is not None else None
            field = spec.source_event.by_name[name] if spec.source_event is not None else None
            if field is not None and table.is_other[column.name]:
                value = state_of_field(value, field, table.specs[column.name])
            where = ("initial entities", spec.span) if f is None else self._where(f, site)
            state[column.name] = self._fitting(table, column.name, value, *where)
        return state

    def _where(self, f: Any, site: int) -> tuple[str, Span]:
        return self.plan.flows[f.table].name, self.plan.sites[site].span

    def _stored_key(self, table: ScalarTable, site: int, key: Any, at: tuple[int, int, int]) -> Any:
        """Keep a key that collides with none; a generated one is drawn again."""
        assert table.stored is not None
        spec = table.entity.spec
        attempt = 0
        while key in table.numbers:
            attempt += 1
            where = self.plan.sites[site]
            event = spec.source_event if spec.primary_key in where.early else None
            if event is None or attempt == ATTEMPTS:
                raise taken(table.name, spec.primary_key, key, where.span, drawn=event is not None)
            key = self.fields.early_one(event.name, spec.primary_key, *at, attempt=attempt)
        table.numbers[key] = len(table.stored)
        table.stored.append(key)
        return key

    # ------------------------------------------------ changes

    def _fitting(
        self, table: ScalarTable, name: str, value: Any, flow: str = "initial", span: Span | None = None
    ) -> Any:
        """A value as the state field keeps it; the wrong type raises (N11)."""
        kind = type(value)
        if kind is table.plain.get(name) and (kind is not int or -_INT64 <= value < _INT64):
            return value
        if table.types[name].kind == "float" and kind is int:
            return float(value)
        return check_state_value(table.specs[name], value, entity=table.name, span=span, flow=flow)

    def change(self, f: Any, entity: str, name: str, op: str, value: Any, place: int, event: bool) -> None:
        """One state change, as the flow sees it at once."""
        table = self.tables[entity]
        slot, exclusive = self._slots[entity]
        number = getattr(f, slot)
        if number < 0:
            return
        held = getattr(f, exclusive)
        if table.logged:
            at = (f.table, f.state)
            table.log.append((number, f.clock, f.number, f.action, place, name, op, value, held, at))
        # who held it before, and nobody after, still sees it live
        if not held and table.start_view and table.holder[number] != f.number:
            own = self._own(f).setdefault((entity, number), {})
            before = own.get(name, table.start[name][number])
            own[name] = self._changed(table, name, op, before, value)
            table.changed.add(number)
        else:
            column = table.live[name]
            column[number] = self._changed(table, name, op, column[number], value)
            table.changed.add(number)
        if self.settings.history:
            f.touched.append((entity, number))

    def _changed(self, table: ScalarTable, name: str, op: str, before: Any, value: Any) -> Any:
        after = apply_change(op, before, value)
        if type(after) is int and not -_INT64 <= after < _INT64:
            self.overflow(table.name, name, after)
        return self._fitting(table, name, after)

    def _own(self, f: Any) -> dict[Any, Any]:
        if f.own_step != self._step:
            f.own, f.own_step = {}, self._step
        own: dict[Any, Any] = f.own
        return own

    def view(self, f: Any, entity: str, number: int, name: str) -> Any:
        """A state field as this flow sees it: live where it holds, else the step's start and its own."""
        table = self.tables[entity]
        if table.holder[number] == f.number:
            return table.live[name][number]
        if f.own_step == self._step and (entity, number) in f.own:
            return f.own[entity, number].get(name, table.start[name][number])
        return table.start[name][number]

    def _replay(self, table: ScalarTable) -> None:
        """Changes by flows that do not hold the entity: all of the step's changes again, in T9 order."""
        if len(table.log) == 1 and not self.settings.history:
            ((number, _, _, _, _, name, op, value, held, at),) = table.log
            if not held:
                before = table.start[name][number]
                table.live[name][number] = self._changed_again(table, name, op, before, value, at)
            table.log.clear()
            return
        shared = {entry[0] for entry in table.log if not entry[8]}
        entries = sorted(e for e in table.log if e[0] in shared)
        table.log.clear()
        for number in shared:
            for name, column in table.live.items():
                column[number] = table.start[name][number]
        places = self._versions_of(table, shared) if self.settings.history else {}
        for at, group in itertools.groupby(entries, key=operator.itemgetter(0, 1, 2, 3)):
            number = at[0]
            for *_, name, op, value, _, place in group:
                column = table.live[name]
                column[number] = self._changed_again(table, name, op, column[number], value, place)
            if at in places:
                made = self._versions[table.name]
                values = tuple(column[number] for column in table.live.values())
                made[places[at]] = (*made[places[at]][:5], values)

    def _changed_again(
        self, table: ScalarTable, name: str, op: str, before: Any, value: Any, at: tuple[int, int]
    ) -> Any:
        """A change at the end of a step: it may fail only now that all of them are put together."""
        try:
            return self._changed(table, name, op, before, value)
        except (ArithmeticError, TypeError, ValueError) as error:
            flow = self.plan.flows[at[0]]
            raise failed(flow.name, changing(flow.states[at[1]], table.name, name), error) from error

    def _versions_of(self, table: ScalarTable, numbers: set[int]) -> dict[tuple[int, ...], int]:
        """Where the versions stand that this step made of some entities, by (entity, clock, flow, action)."""
        made, begin = self._versions[table.name], self.settings.start + self._step * self.settings.step
        places: dict[tuple[int, ...], int] = {}
        for place in range(len(made) - 1, -1, -1):
            if made[place][1] < begin:
                break
            if made[place][0] in numbers:
                places[made[place][:4]] = place
        return places

    def changed_by(self, f: Any, is_event: bool) -> None:
        """Keep the versions that an action made (history)."""
        for entity, number in dict.fromkeys(f.touched):
            self._version(self.tables[entity], number, f.clock, f.number, f.action, is_event=is_event)
        f.touched.clear()

    # ------------------------------------------------ called by generated code

    def missing(self, f: Any) -> NoReturn:
        raise MissingError

    def overflow(self, entity: str, field: str, value: int) -> NoReturn:
        raise overflow(entity, field, value)

    def out_of_time(self, f: Any) -> NoReturn:
        flow = self.plan.flows[f.table]
        raise out_of_time(flow.name, flow.states[f.state].terminator.span)

    def stalled(self, f: Any) -> NoReturn:
        flow = self.plan.flows[f.table]
        raise stalled(flow.name, flow.states[f.state].span)

    def spinning(self, f: Any, span: Span) -> NoReturn:
        raise spinning(self.plan.flows[f.table].name, span)

    def session(self, number: int) -> str:
        """The session id of a flow."""
        counter = flow_counter1(self.draws.partition, self.draws.partitions, number)
        return scramble1(self._session_key, counter, 8)

    rate = staticmethod(computed.rate1)
    delay = staticmethod(computed.length1)


def changing(state: State, entity: str, field: str) -> Span:
    """Where a state of a flow changes a field."""
    actions: list[Any] = [op for op in state.operations if isinstance(op, (Apply, Emit))]
    if isinstance(state.terminator, Save):
        actions.append(state.terminator.emit)
    found = (a.span for a in actions for c in a.changes if (c.entity, c.field) == (entity, field))
    return next(found, state.span)


def apply_change(op: str, before: Any, value: Any) -> Any:
    """The new value of a state field."""
    match op:
        case "is":
            return value
        case "add":
            return before + value
        case "subtract":
            return before - value
        case "multiply":
            return before * value
        case "min":
            return min(before, value)
        case _:
            return max(before, value)
