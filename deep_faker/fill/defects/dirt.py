"""Clean events to dirty ones: what arrives of them and when, and the answer key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.defects import ClockSkew, Defects, Duplicate, Late, Rule, Unit, applies
from deep_faker.draws.mix import Draws, mix
from deep_faker.fill.arrival import delayed
from deep_faker.fill.defects.answer_key import AnswerKey
from deep_faker.fill.defects.batch import Batch, Mask, one_array
from deep_faker.fill.defects.hits import Hits, Quotas
from deep_faker.fill.defects.schemas import dirty_schemas, evolved
from deep_faker.fill.defects.values import (
    as_json,
    emptied,
    misspellable,
    misspelled,
    present,
    scalable,
    scaled,
    skews,
)
from deep_faker.fill.time_order import Arranged
from deep_faker.plan import Array, Plan, arrow
from deep_faker.write import EventChunk
from deep_faker.write.frames import plain


@dataclass
class Arrivals:
    """Rows of one event type that arrive, in any order: each with its instant (µs), its event's place in the
    run, and which copy of the event it is (0: the event itself)."""

    table: pa.Table
    available: Array
    order: Array
    copy: Array


class Dirt:
    """The defects of one run: a pure function of its events, whatever chunks they come in."""

    def __init__(
        self,
        plan: Plan,
        draws: Draws,
        schemas: Mapping[str, pa.Schema],
        limits: Mapping[int, int] | None = None,
    ) -> None:
        self.defects = plan.settings.defects or Defects()
        self.rules = self.defects.rules()
        self.hits = Hits(self.rules, draws, limits)
        self._of = {
            name: [n for n, rule in enumerate(self.rules) if applies(rule, plan.events[name])]
            for name in schemas
        }
        self.schemas = dirty_schemas(schemas, self.defects, self._of, self.rules)

    @property
    def repeats(self) -> bool:
        """Whether an event may arrive more than once."""
        return bool(self.defects.duplicate)

    def quotas(self, draws: Draws) -> Quotas:
        """What finds the limits of exact rules, by `note`."""
        return Quotas(self.hits, draws.partition, draws.partitions)

    def note(self, chunk: EventChunk, events: Arranged, quotas: Quotas) -> None:
        """See the next events of a first run."""
        for batch in self._batches(chunk, events):
            left = ~self._dropped_by_chance(batch)
            for number in self._of[batch.event]:
                if self.rules[number].is_exact:
                    quotas.note(number, batch, left & self._able(self.rules[number], batch))

    def apply(self, chunk: EventChunk, events: Arranged) -> tuple[dict[str, Arrivals], pa.Table]:
        """What arrives of the next events, by type, and the rows of `answer_key.KEY` of their defects."""
        key, out = AnswerKey(), {}
        for batch in self._batches(chunk, events):
            out[batch.event] = self._dirtied(batch, key)
        return out, key.table()

    def _batches(self, chunk: EventChunk, events: Arranged) -> Iterator[Batch]:
        for name, part in events.parts.items():
            time = part.sorted(part.clock)
            stamps = chunk.stamps[name]
            late = "available_time" in stamps.column_names
            known = one_array(stamps["available_time"]).cast(pa.int64()).to_numpy() if late else time
            assert part.places is not None
            flow, action = part.sorted(part.flow), part.sorted(part.action)
            yield Batch(name, plain(chunk.tables[name]), flow, action, time, part.places, known.copy())

    # ------------------------------------------------ one type

    def _dirtied(self, batch: Batch, key: AnswerKey) -> Arrivals:
        mine = self._of[batch.event]
        left = ~self._drop(batch, key)
        copies: list[tuple[Array, Array]] = []  # rows, and when they arrive
        for number in mine:
            rule = self.rules[number]
            if rule.kind == "drop":
                continue
            rows = np.flatnonzero(self.hits.of(number, batch, left & self._able(rule, batch)))
            if not len(rows):
                continue
            if isinstance(rule, Late):
                self._delay(number, rule, rows, batch, key)
            elif isinstance(rule, Duplicate):
                copies.append((rows, self._again(number, rule, rows, batch, key)))
            elif isinstance(rule, ClockSkew):
                self._skew(number, rule, rows, batch, key)
            else:
                self._change(number, rule, rows, batch, key)
        table = evolved(batch, self.defects.changes, self.schemas[batch.event], left, key, len(self.rules))
        return _arriving(table, batch, np.flatnonzero(left), copies)

    def _dropped_by_chance(self, batch: Batch) -> Mask:
        gone = np.zeros(len(batch), bool)
        for number in self._of[batch.event]:
            if self.rules[number].kind == "drop" and not self.rules[number].is_exact:
                gone |= self.hits.of(number, batch, ~gone)
        return gone

    def _drop(self, batch: Batch, key: AnswerKey) -> Mask:
        """Those that never arrive: by chance first, so that exact rules draw from those that would."""
        gone = np.zeros(len(batch), bool)
        drops = [number for number in self._of[batch.event] if self.rules[number].kind == "drop"]
        for number in sorted(drops, key=lambda number: self.rules[number].is_exact):
            hit = self.hits.of(number, batch, ~gone)
            rows = np.flatnonzero(hit)
            if len(rows):
                events = batch.table.take(arrow.numbers(rows)).to_pylist()
                key.add(batch, number, "drop", rows, originals=as_json(events), arrives=False)
                gone |= hit
        return gone

    def _able(self, rule: Rule, batch: Batch) -> Mask:
        """The events whose values the defect would change."""
        if rule.kind == "typo":
            return misspellable(batch.clean(rule.field_names[0]))
        if isinstance(rule, Unit):
            return scalable(batch.clean(rule.field), rule.factor)
        if rule.kind == "null":
            return present(batch.clean(rule.field_names[0]))
        return np.ones(len(batch), bool)

    def _change(self, number: int, rule: Rule, rows: Array, batch: Batch, key: AnswerKey) -> None:
        """Another value of one field. Where several rules have a field, each begins with what is there."""
        [name] = rule.field_names
        column = batch.column(name)
        originals = as_json(batch.clean(name).take(arrow.numbers(rows)).to_pylist())
        key.add(batch, number, rule.kind, rows, named=name, originals=originals)
        if isinstance(rule, Unit):
            batch.columns[name] = scaled(column, rows, rule.factor)
        elif rule.kind == "typo":
            draws = self.hits.key(number, "letter")
            flow, action = batch.flow.astype(np.uint64), batch.action.astype(np.uint64)
            batch.columns[name] = misspelled(column, rows, draws, flow, action)
        else:
            hit = np.zeros(len(batch), bool)
            hit[rows] = True
            batch.columns[name] = emptied(column, hit)

    def _skew(self, number: int, rule: ClockSkew, rows: Array, batch: Batch, key: AnswerKey) -> None:
        if rule.per is not None:
            u = mix(self.hits.source_key(number, "by"), self.hits.sources(number, batch)[rows])
        else:
            flow, action = batch.flow[rows].astype(np.uint64), batch.action[rows].astype(np.uint64)
            u = mix(self.hits.key(number, "by"), flow, action)
        wrong = skews(rule.by, u)
        by = np.zeros(len(batch), np.int64)
        by[rows] = wrong
        for name in ("sys__ets", *rule.field):
            column = batch.column(name)
            originals = as_json(batch.clean(name).take(arrow.numbers(rows)).to_pylist())
            key.add(batch, number, rule.kind, rows, named=name, originals=originals)
            if name == "sys__ets":
                batch.columns[name] = pc.add(column, arrow.numbers(by))
            else:
                shift = arrow.numbers(by * 1000).cast(pa.duration("us"))
                batch.columns[name] = pc.add(column, shift).cast(column.type)

    def _delay(self, number: int, rule: Late, rows: Array, batch: Batch, key: AnswerKey) -> None:
        originals = as_json(instant.isoformat() for instant in _datetimes(batch.available[rows]))
        by = delayed(rule.by, self.hits.key(number, "by"), batch.flow[rows], batch.action[rows])
        batch.available[rows] += np.maximum(by, 1)
        key.add(batch, number, rule.kind, rows, originals=originals)

    def _again(self, number: int, rule: Duplicate, rows: Array, batch: Batch, key: AnswerKey) -> Array:
        """When the copies arrive."""
        after: Array = np.zeros(len(rows), np.int64)
        if not isinstance(rule.after, (int, float)):
            after = delayed(rule.after, self.hits.key(number, "after"), batch.flow[rows], batch.action[rows])
        available = batch.available[rows] + after
        key.add(batch, number, rule.kind, rows, available=available)
        return available


def _arriving(table: pa.Table, batch: Batch, left: Array, copies: list[tuple[Array, Array]]) -> Arrivals:
    if len(left) == len(batch) and not copies:
        return Arrivals(table, batch.available, batch.order, np.zeros(len(batch), np.int64))
    rows = np.concatenate([left, *(rows for rows, _ in copies)])
    available = np.concatenate([batch.available[left], *(known for _, known in copies)])
    copy = np.repeat(np.arange(len(copies) + 1), [len(left), *(len(rows) for rows, _ in copies)])
    taken = table.take(arrow.numbers(np.ascontiguousarray(rows, np.int64)))
    return Arrivals(taken, available, batch.order[rows], copy)


def _datetimes(micros: Array) -> list[dt.datetime]:
    out: list[dt.datetime] = micros.astype("datetime64[us]").tolist()
    return out
