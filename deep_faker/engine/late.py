"""Flows that start after the end of the run, within the step that the end cuts.

A longer run must keep the rows of a shorter one, and in a step the competition goes on in waves: what a flow
that starts late does in the first wave decides which number, so which key, another flow's second birth gets.
So these flows take part in the whole step, as they would in the longer run, and then all that they did is
taken back. Their entities keep their numbers, but are nobody's and never seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.engine.buffers import I64, distinct
from deep_faker.engine.changes import Changes, Entry
from deep_faker.engine.replay import Story
from deep_faker.plan import Array

if TYPE_CHECKING:
    from deep_faker.engine.kernel import ColumnEngine


def take_back(engine: ColumnEngine, first: int) -> None:
    """Undo what flows with numbers from ``first`` on have done in this step; those numbers are free again."""
    _drop_events(engine, first)
    engine.failures.drop(first)
    slots, store = engine.slots, engine.store
    endings = engine.endings
    endings.parts = [
        tuple(column[slots.number.a[part[0]] < first] for column in part) for part in endings.parts
    ]  # type: ignore[misc]  # tuples of the same length
    endings.parts = [part for part in endings.parts if len(part[0])]
    alive = slots.alive()
    rows = alive[slots.number.a[alive] >= first]
    for name, chain in slots.chains.items():
        table = store.tables[name]
        _, numbers = chain.read(rows, drop=True)
        taken = numbers[table.born_flow.a[numbers] < first]
        table.available.a[taken] = True
        table.log_spared.append(taken)
        _drop_changes(engine.changes[name], first)
    if engine.live is not None:
        engine.live.drop(first)
    slots.release(rows)
    engine.next_flow = store.late_from = first


def _drop_events(engine: ColumnEngine, first: int) -> None:
    recorder = engine.recorder
    for log in recorder.sites.values():
        before = len(log.rows) + sum(len(batch[0]) for batch in log.batches)
        # the same list: generated code holds on to it
        log.batches[:] = [tuple(column[batch[0] < first] for column in batch) for batch in log.batches]
        log.batches[:] = [batch for batch in log.batches if len(batch[0])]
        log.rows = [row for row in log.rows if row[0] < first]
        recorder.rows -= before - len(log.rows) - sum(len(batch[0]) for batch in log.batches)


def _drop_changes(changes: Changes, first: int) -> None:
    """The entities that such flows have changed are again what all others have made of them."""
    table = changes.table
    gone = [entry.entity[entry.flow >= first] for entry in changes.log]
    touched = distinct([rows for rows in gone if len(rows)], table.count)
    if not len(touched):
        return
    changes.log = [kept for entry in changes.log if len((kept := _kept(entry, entry.flow < first)).entity)]
    for name in table.types:
        table.live[name].a[touched] = table.start[name].a[touched]
        if name in table.nulls:
            table.nulls[name].a[touched] = table.start_nulls[name].a[touched]
        table.log_changed.setdefault(name, []).append(touched)
    mark = np.zeros(table.count, np.bool_)
    mark[touched] = True
    if any(mark[entry.entity].any() for entry in changes.log):
        Story(changes.log, mark).turns(changes, versions=False)


def _kept(entry: Entry, rows: Array) -> Entry:
    at: I64 = np.flatnonzero(rows)
    return replace(
        entry,
        **{name: getattr(entry, name)[at] for name in ("slots", "flow", "action", "clock", "entity")},
        values=entry.values[at] if len(entry.values) else entry.values,
        nulls=None if entry.nulls is None else entry.nulls[at],
        shared=None if entry.shared is None else entry.shared[at],
    )
