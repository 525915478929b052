"""Entities are born: the initial ones, and those that flows save."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, Save, Site, StateColumn, Type
from deep_faker.plan.storage import from_python, one_to_storage, to_python
from deep_faker.simulate.arrays import I64, joined
from deep_faker.simulate.columns.blame import attempt, blamed
from deep_faker.simulate.columns.changes import Masked, recast
from deep_faker.simulate.columns.source import Batch, Compiled
from deep_faker.simulate.event_data import copied, validated
from deep_faker.simulate.failures import ATTEMPTS, taken
from deep_faker.spans import Span

if TYPE_CHECKING:
    from deep_faker.simulate.columns.live_flows import Turn
    from deep_faker.simulate.columns.table import EntityTable
    from deep_faker.simulate.columns.world import World

Column = tuple[Array, Array | None, Type]  # values, nulls, type


class Births:
    """Gives entity numbers, keys and initial state, in the order of T9."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan, self.fields, self.texts = world.plan, world.fields, world.plan.texts

    # ------------------------------------------------------------ initial entities

    def initial(self) -> int:
        """The entities that exist at the start, and their events; the next free flow number."""
        first = 0
        for name, count in self.plan.settings.initial:
            if count:
                self._initial(name, first, count)
            first += count
        return first

    def _initial(self, name: str, first: int, count: int) -> None:
        world, settings = self.world, self.plan.settings
        table = world.store.tables[name]
        flow = np.arange(first, first + count, dtype=np.uint64)
        action, clock = np.ones(count, np.int64), np.full(count, settings.start)
        site = self.plan.sites[self.plan.initial_sites[name]] if name in self.plan.initial_sites else None
        number = table.create(flow, action, -1 if site is None else site.number, clock)
        early: dict[str, Column] = {}
        if site is not None:
            for field in site.early:
                type_ = self.fields.early_type(site.event, field)
                early[field] = (*self.fields.early(site.event, field, flow, action, clock), type_)
        if table.keys is not None:
            assert site is not None
            self._stored(table, site, number, early, (flow, action, clock), np.arange(count), None)
        self._state(table, site, number, early | self._seen(table, site, early), {}, None)
        table.available.a[number] = True
        table.published.a[number] = True
        for members in world.store.by_type[name].all:
            open_ = table.open_to(number, shared=members.filter.shared)
            members.refresh(number, open_, number[:0], settings.start, 0)
        table.check_weights()
        emitted = site is not None and settings.emit_initial
        world.changes[name].born(number, (number, flow, action, clock), is_event=emitted)
        world.recorder.versions[name] += world.changes[name].take_initial()
        if site is not None and emitted:
            log = world.recorder.sites[site.number]
            values = [self._bound(site, field, early[field])[0] for field in log.values]
            nulls = [self._bound(site, field, early[field])[1] for field in log.nulls]
            log.batches.append((flow, action, clock, *values, *nulls, *[number for _ in log.keys]))  # type: ignore[arg-type]
            world.recorder.rows += count

    def _bound(self, site: Site, field: str, column: Column) -> Masked:
        values, nulls, type_ = column
        return recast(values, nulls, type_, site.bound[field], self.texts)

    # ------------------------------------------------------------ births in flows

    def serve(self, parts: Sequence[tuple[Compiled, Batch]]) -> None:
        """The births of compiled flows in a wave, by entity type; then their events."""
        groups: dict[str, list[tuple[Compiled, Save, Batch]]] = {}
        for code, batch in parts:
            groups.setdefault(_save_of(code).entity, []).append((code, _save_of(code), batch))
        for entity, group in groups.items():
            table = self.world.store.tables[entity]
            first = table.count
            try:
                self._serve(table, group)
            except Exception as error:  # noqa: BLE001 - one of them cannot be: which?
                table.forget(first)
                self._one_by_one(table, group, error)

    def _one_by_one(
        self, table: EntityTable, group: list[tuple[Compiled, Save, Batch]], error: Exception
    ) -> None:
        """Births of which one cannot be, each by itself: those that fail are noted, and get no number."""
        failures = self.world.failures
        turns = []
        for code, save, batch in group:
            clock, number = (batch[1 + code.waiting.index(n)].tolist() for n in ("clock__", "number__"))
            for place, turn in enumerate(zip(clock, number, strict=True)):
                turns.append((turn, code, save, tuple(column[place : place + 1] for column in batch)))
        before = len(failures.found)
        for turn, code, save, one in sorted(turns, key=lambda item: item[0]):
            first = table.count
            try:
                self._serve(table, [(code, save, one)])
            except Exception as cause:  # noqa: BLE001 - the run stops for the first of its step
                table.forget(first)
                failures.add(*turn, blamed(self.world, cause))
        if len(failures.found) == before:
            raise error

    def serve_in_turn(
        self,
        parts: Sequence[tuple[Compiled, Batch]],
        live: Sequence[Turn],
    ) -> None:
        """The same with live flows among them, one birth after the other: ``live`` are (turn, action)."""
        turns = list(live)
        for code, batch in parts:
            clock, number = (batch[1 + code.waiting.index(name)].tolist() for name in ("clock__", "number__"))
            for place, turn in enumerate(zip(clock, number, strict=True)):
                one = tuple(column[place : place + 1] for column in batch)
                turns.append((turn, partial(self.serve, [(code, one)])))
        for _, action in sorted(turns, key=lambda item: item[0]):
            action()

    def _serve(self, table: EntityTable, group: list[tuple[Compiled, Save, Batch]]) -> None:
        """Entity numbers by (clock, flow number), keys, state, events."""
        world = self.world
        flow, action, clock = (
            joined([batch[1 + code.waiting.index(name)] for code, _, batch in group])
            for name in ("number__", "action__", "clock__")
        )
        sites = np.repeat([save.emit.site for _, save, _ in group], [len(batch[0]) for *_, batch in group])
        order = world.order_of(clock, flow)
        created = table.create(flow[order], action[order], sites[order], clock[order])
        number = np.empty(len(order), np.int64)
        number[order] = created
        cuts = np.cumsum([0, *(len(batch[0]) for *_, batch in group)]).tolist()
        pieces = [slice(a, b) for a, b in itertools.pairwise(cuts)]
        columns = [self._handed_over(code, save, batch) for code, save, batch in group]
        if table.keys is not None:
            self._keys(table, group, columns, number, order, (flow, action, clock), pieces)
        for (code, save, batch), values, piece in zip(group, columns, pieces, strict=True):
            site = self.plan.sites[save.emit.site]
            held = {
                field: (entity, np.take(world.slots.held[entity].a, batch[0], mode="clip"))
                for field, entity in save.emit.keys
            }
            self._state(table, site, number[piece], values, held, (code.flow.name, save.span))
        for (code, _, batch), values, piece in zip(group, columns, pieces, strict=True):
            assert code.saved is not None
            whole = (*self._with_keys(table, code, batch, values), number[piece])
            attempt(world, code.saved, (*code.waiting, "born__"), whole)

    def _handed_over(self, code: Compiled, save: Save, batch: Batch) -> dict[str, Column]:
        """The event's values that the flow hands over."""
        out: dict[str, Column] = {}
        for field, local in save.emit.values:
            type_ = code.flow.types[local]
            nulls = batch[1 + code.waiting.index(f"{local}__null")] if type_.optional else None
            out[field] = batch[1 + code.waiting.index(local)], nulls, type_
        return out

    # ------------------------------------------------------------ stored keys

    def _keys(
        self,
        table: EntityTable,
        group: list[tuple[Compiled, Save, Batch]],
        columns: list[dict[str, Column]],
        number: I64,
        order: I64,
        who: tuple[Array, Array, Array],
        pieces: list[slice],
    ) -> None:
        """Keep the keys of all births of a wave, each seeing those before it in T9 order."""
        if len(group) == 1:
            site = self.plan.sites[group[0][1].emit.site]
            self._stored(table, site, number, columns[0], who, order, group[0][1].span)
            return
        which = np.concatenate([np.full(piece.stop - piece.start, i) for i, piece in enumerate(pieces)])
        for place in order.tolist():  # several sites at once are rare: one birth after the other
            i = int(which[place])
            offset = place - pieces[i].start
            name = table.plan.spec.primary_key
            values, nulls, type_ = columns[i][name]
            at_row = slice(offset, offset + 1)
            one = {name: (values[at_row], None if nulls is None else nulls[at_row], type_)}
            site = self.plan.sites[group[i][1].emit.site]
            row = slice(place, place + 1)
            one_who = (who[0][row], who[1][row], who[2][row])
            self._stored(table, site, number[row], one, one_who, np.zeros(1, np.int64), group[i][1].span)
            if one[name][0][0] is not values[offset]:
                values = values.copy()
                values[offset] = one[name][0][0]
                columns[i][name] = values, nulls, type_

    def _stored(
        self,
        table: EntityTable,
        site: Site,
        number: I64,
        columns: dict[str, Column],
        who: tuple[Array, Array, Array],
        order: I64,
        span: Span | None,
    ) -> None:
        """Check the keys against all others, draw generated ones again where they collide (N7)."""
        assert table.keys is not None
        name = table.plan.spec.primary_key
        values, nulls, type_ = columns[name]
        keys = to_python(values, nulls, type_, self.texts)
        known = table.number_of
        for place in order.tolist():
            key, attempt = keys[place], 0
            while key in known:
                attempt += 1
                if name not in site.early or attempt == ATTEMPTS:
                    raise taken(table.name, name, key, span or site.span, drawn=name in site.early)
                flow, action, clock = (int(column[place]) for column in who)
                key = self.fields.early_one(site.event, name, flow, action, clock, attempt=attempt)
            known[key] = int(number[place])
            table.keys.a[number[place]] = key
            if attempt:
                values = values.copy()
                values[place] = one_to_storage(key, type_, self.texts)[0]
                columns[name] = values, nulls, type_

    def _with_keys(
        self, table: EntityTable, code: Compiled, batch: Batch, columns: dict[str, Column]
    ) -> Batch:
        """The batch, with keys that were drawn again in place of the first ones."""
        save = _save_of(code)
        local = dict(save.emit.values).get(table.plan.spec.primary_key)
        if local is None or table.keys is None:
            return batch
        position = 1 + code.waiting.index(local)
        return (*batch[:position], columns[table.plan.spec.primary_key][0], *batch[position + 1 :])

    # ------------------------------------------------------------ state

    def _seen(self, table: EntityTable, site: Site | None, early: dict[str, Column]) -> dict[str, Column]:
        """Generated fields of initial events as state sees them, where the user's validators change them."""
        spec, start = table.plan.spec, self.plan.settings.start
        if site is None or spec.source_event is None or spec.source_event.row_validated is None:
            return {}
        number = np.arange(table.count)
        births = [(flow, 1, start) for flow in table.born_flow.a[: table.count].tolist()]
        keys = {} if spec.key_field is None else {spec.primary_key: table.key_list(number).__getitem__}
        names = [name for name in early if name != spec.primary_key]
        seen = validated(spec.source_event, self.fields, self.world.draws, births, names, keys, spec.span)
        return {
            name: (np.fromiter(values, object, len(values)), None, Type("object"))
            for name, values in seen.items()
        }

    def _state(
        self,
        table: EntityTable,
        site: Site | None,
        number: I64,
        columns: dict[str, Column],
        held: dict[str, tuple[str, I64]],
        where: tuple[str, Span | None] | None,
    ) -> None:
        """Copies of event fields in the new entities' state; ``where``: the flow and its line."""
        where = where or ("initial entities", table.plan.spec.span)
        for column in table.plan.columns:
            if not column.lazy and column.from_field is not None:
                values, nulls = self._copied(table, column, site, number, columns, held, where)
                table.set_state(column.name, number, values, nulls)

    def _copied(
        self,
        table: EntityTable,
        column: StateColumn,
        site: Site | None,
        number: I64,
        columns: dict[str, Column],
        held: dict[str, tuple[str, I64]],
        where: tuple[str, Span | None],
    ) -> Masked:
        name, spec = str(column.from_field), table.plan.spec.by_name[column.name]
        event = table.plan.spec.source_event
        assert event is not None
        field = event.by_name[name]
        alike = field.kind == spec.kind and field.enum is spec.enum is None and spec.row_validated is None
        if name in columns:
            values, nulls, have = columns[name]
            fits = nulls is None or column.type.optional or not nulls.any()
            # of objects it is not known what they are
            if alike and fits and have.kind == column.type.kind != "object" and field.literal == spec.literal:
                return recast(values, nulls, have, column.type, self.texts)
            python = to_python(values, nulls, have, self.texts)
        elif name == table.plan.spec.primary_key:
            python = table.key_list(number)
        elif name in held:
            python = self.world.store.tables[held[name][0]].key_list(held[name][1])
        else:
            python = [field.make_default() for _ in range(len(number))]
        if alike and spec.literal is None and name in (table.plan.spec.primary_key, *held):
            return from_python(python, column.type, self.texts)
        flow, span = where
        copies = [copied(value, field, spec, entity=table.name, span=span, flow=flow) for value in python]
        return from_python(copies, column.type, self.texts)


def _save_of(code: Compiled) -> Save:
    save = code.block.terminator
    assert isinstance(save, Save)
    return save
