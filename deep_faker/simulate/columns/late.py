"""Flows that start after the end of the run, or are cut there, within the step that the end cuts.

A longer run must keep the rows of a shorter one, and in a step the competition goes on in waves: what a flow
does late in the first wave decides which number, so which key, another flow's second birth gets. So these
flows take part in the whole step, as they would in the longer run, and then all that they did too late is
taken back. Their entities keep their numbers, but are nobody's and never seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array
from deep_faker.simulate.arrays import EMPTY, I64, distinct
from deep_faker.simulate.columns.changes import Changes, Entry
from deep_faker.simulate.columns.replay import Story
from deep_faker.simulate.columns.source import CUT

if TYPE_CHECKING:
    from deep_faker.simulate.columns.endings import Endings
    from deep_faker.simulate.columns.world import World


class Late:
    """What is late in the running step: flows from number ``first`` on, and all that happens after a cut."""

    def __init__(self, world: World, endings: Endings) -> None:
        self.world, self.endings = world, endings
        self.after = world.settings.late_after
        self.first: int | None = None
        self._cut = EMPTY  # slots of flows that are cut and go on

    def cut(self, rows: I64, line: Array | int, events: Array) -> None:
        """The flows at ``rows`` are cut, but go on in this step; once for each."""
        slots, end = self.world.slots, self.world.settings.end
        new = ~np.isin(rows, self._cut)
        if self.first is not None:
            new &= slots.number.a[rows] < self.first
        rows, events = rows[new], events[new]
        self._cut = np.concatenate([self._cut, rows])
        lines = line[new] if isinstance(line, np.ndarray) else np.full(len(rows), line)
        held = {name: slots.chains[name].read(rows, drop=False) for name in self.endings.used}
        self.endings.write(rows, np.full(len(rows), CUT), lines, np.full(len(rows), end), events, held)

    def take_back(self) -> list[int]:
        """At the end of the step: what is late has not been, and its flow numbers are free again.

        The numbers of the flows that are no more; their generators are still to be closed.
        """
        world, slots, endings = self.world, self.world.slots, self.endings
        first = world.next_flow if self.first is None else self.first
        self._drop_events(first)
        world.failures.drop(first, self.after)
        alive = slots.alive()
        rows = alive[(slots.number.a[alive] >= first) | np.isin(alive, self._cut)]
        endings.parts = [_some(part, ~np.isin(part[0], rows)) for part in endings.parts]
        endings.parts = [part for part in endings.parts if len(part[0])]
        for name, chain in slots.chains.items():
            table = world.store.tables[name]
            _, numbers = chain.read(rows, drop=True)
            born = (table.born_flow.a[numbers] >= first) | (table.born_clock.a[numbers] >= self.after)
            table.available.a[numbers[~born]] = True
            table.log_spared.append(numbers[~born])
            self._drop_changes(world.changes[name], first)
        gone: list[int] = slots.number.a[rows].tolist()
        slots.release(rows)
        world.next_flow = world.store.late_from = first
        self.first, self._cut = None, EMPTY
        return gone

    def _drop_events(self, first: int) -> None:
        recorder = self.world.recorder
        for decisions in recorder.decisions:
            decisions.keep(first, self.after)
        for log in recorder.sites.values():
            before = len(log.rows) + sum(len(batch[0]) for batch in log.batches)
            kept = [_some(batch, (batch[0] < first) & (batch[2] < self.after)) for batch in log.batches]
            # the same list: generated code holds on to it
            log.batches[:] = [batch for batch in kept if len(batch[0])]
            log.rows = [row for row in log.rows if row[0] < first and row[2] < self.after]
            recorder.rows -= before - len(log.rows) - sum(len(batch[0]) for batch in log.batches)

    def _drop_changes(self, changes: Changes, first: int) -> None:
        """The entities that late flows have changed are again what all others have made of them."""
        table, log = changes.table, changes.log
        right = [(entry.flow < first) & (entry.clock < self.after) for entry in log]
        gone = [entry.entity[~rows] for entry, rows in zip(log, right, strict=True)]
        touched = distinct([rows for rows in gone if len(rows)], table.count)
        if not len(touched):
            return
        kept = [_kept(entry, rows) for entry, rows in zip(log, right, strict=True)]
        changes.log = [entry for entry in kept if len(entry.entity)]
        for name in table.types:
            table.live[name].a[touched] = table.start[name].a[touched]
            if name in table.nulls:
                table.nulls[name].a[touched] = table.start_nulls[name].a[touched]
            table.log_changed.setdefault(name, []).append(touched)
        mark = np.zeros(table.count, np.bool_)
        mark[touched] = True
        if any(mark[entry.entity].any() for entry in changes.log):
            Story(changes.log, mark).turns(changes, versions=False)


def _some(columns: tuple[Array, ...], rows: Array) -> tuple[Array, ...]:
    return tuple(column[rows] for column in columns)


def _kept(entry: Entry, rows: Array) -> Entry:
    places: I64 = np.flatnonzero(rows)
    return replace(
        entry,
        **{name: getattr(entry, name)[places] for name in ("slots", "flow", "action", "clock", "entity")},
        values=entry.values[places] if len(entry.values) else entry.values,
        nulls=None if entry.nulls is None else entry.nulls[places],
        shared=None if entry.shared is None else entry.shared[places],
    )
