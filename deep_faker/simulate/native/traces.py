"""The kernel's logs as traces. `Logs` can be made into a `Trace` on another thread than the kernel's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from deep_faker.expressions.rows import ByRow
from deep_faker.plan import Array, Drawn, EndedFlows, FieldDraws, NewKeys, SiteRows, Trace, Versions
from deep_faker.plan.trace import packed_order
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.recording import SiteLog
from deep_faker.simulate.native.layout import (
    B_ENDS,
    B_LOG,
    B_VERSIONS,
    E_FIRST,
    END_WORDS,
    V_ACTION,
    V_CLOCK,
    V_EVENT,
    V_FIRST,
    V_FLOW,
    V_NUMBER,
    V_TYPE,
)
from deep_faker.simulate.native.lower.program import Program
from deep_faker.simulate.native.lower.writer import Column
from deep_faker.simulate.native.texts import Objects, Words


@dataclass
class Logs:
    """What the kernel has logged since the last ones, the objects that its words name, and new stored keys.

    ``live``: events of flows that run as generators, as Python values. ``spare``: where the logs go, by their
    buffer, when they have been taken: the kernel writes into them again.

    It is a `plan.RawTrace`.
    """

    reader: Reader
    log: I64
    log_end: int
    ends: I64
    ends_end: int
    versions: I64
    versions_end: int
    events: int
    until: int
    objects: Objects
    keys: list[NewKeys]
    live: list[SiteLog]
    spare: Mapping[int, list[I64]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing has happened."""
        return not (self.log_end or self.ends_end or self.versions_end or self.keys or self.live)

    def take(self, drawn: Drawn | None = None) -> Trace:
        """The events, ended flows and versions as columns."""
        assert len(self.log), "logs are taken once"
        trace = self.reader.trace(self, drawn)
        for which, log in ((B_LOG, self.log), (B_ENDS, self.ends), (B_VERSIONS, self.versions)):
            self.spare[which].append(log)
        self.log = self.ends = self.versions = self.log[:0]
        return trace


class Reader:
    """Makes traces of one program's logs, by functions of the kernel."""

    def __init__(
        self,
        program: Program,
        words: Words,
        fields: FieldDraws,
        used: list[str],
        functions: Mapping[str, Callable[..., int]],
    ) -> None:
        self.functions = functions
        self.program, self.words, self.fields = program, words, fields
        self.plan = program.plan
        self.used = used  # entity types that flows can hold
        self.widths = np.zeros(max(len(self.plan.sites), 1), np.int64)
        for number, site in program.sites.items():
            self.widths[number] = site.width
        self._least = 4 + min((site.width for site in program.sites.values()), default=0)

    def trace(self, raw: Logs, drawn: Drawn | None = None) -> Trace:
        """The events, ended flows and versions of a raw trace, as columns."""
        ended = self._ended(raw)
        rows, sites = self._events(raw, drawn)
        live = [some for log in raw.live if (some := log.take()) is not None]
        if live:  # they are in no order of time
            rows, sites = sorted([*rows, *live], key=lambda some: some.site), None
        return Trace(raw.until, rows, [] if ended is None else [ended], self._versions(raw), raw.keys, sites)

    # ------------------------------------------------------------ events

    def _events(self, raw: Logs, drawn: Drawn | None) -> tuple[list[SiteRows], Array | None]:
        """Each site's events in the order of time, and the sites of all in that order."""
        if not raw.log_end:
            return [], None
        counts = np.zeros(len(self.widths), np.int64)
        log, widths = raw.log.ctypes.data, self.widths.ctypes.data
        most = raw.log_end // self._least
        offsets, clocks = np.empty((2, most), np.int64)
        n = self.functions["count_rows"](
            log, raw.log_end, widths, counts.ctypes.data, offsets.ctypes.data, clocks.ctypes.data
        )
        order = self._in_time(raw, offsets[:n], clocks[:n])
        sizes = counts * (self.widths + 3)
        ends = np.cumsum(sizes)
        places = ends - sizes
        first = places.copy()
        out, sites = np.empty(int(ends[-1]), np.int64), np.empty(n, np.int64)
        self.functions["to_columns"](
            log,
            n,
            order.ctypes.data,
            widths,
            counts.ctypes.data,
            places.ctypes.data,
            out.ctypes.data,
            sites.ctypes.data,
        )
        rows = []
        for number in np.flatnonzero(counts).tolist():
            block = out[first[number] : ends[number]].reshape(-1, int(counts[number]))
            rows.append(self._rows(number, block, raw.objects, drawn))
        return rows, sites

    def _in_time(self, raw: Logs, offsets: I64, clocks: I64) -> I64:
        """Where the records are in the log, in the order of (clock, flow, action)."""
        packed = packed_order(clocks)
        if packed is not None:
            order, bits = packed
            done = self.functions["in_time"](
                raw.log.ctypes.data, len(clocks), order.ctypes.data, bits, offsets.ctypes.data
            )
            if done:
                return order
        flow, action = raw.log[offsets + 1], raw.log[offsets + 2]
        return offsets[np.lexsort((action, flow, clocks))]

    def _rows(self, number: int, block: I64, objects: Objects, drawn: Drawn | None) -> SiteRows:
        site = self.program.sites[number]
        wanted = None if drawn is None else drawn.get(site.site.event, ())
        flow, action, clock, words = block[0].view(np.uint64), block[1], block[2], block[3:]
        values: dict[str, Array] = {}
        nulls: dict[str, Array] = {}
        for column in site.values:
            if wanted is not None and column.name not in wanted:
                continue
            if column.early:
                values[column.name], mask = self.fields.early(
                    site.site.event, column.name, flow, action, clock
                )
            else:
                values[column.name], mask = self._column(column, words, objects)
            if column.name in site.nulls and mask is not None:
                nulls[column.name] = mask
        keys = {name: words[place] for name, place in site.keys.items()}
        return SiteRows(number, flow, action, clock, values, nulls, keys)

    def _column(self, column: Column, words: I64, objects: Objects) -> tuple[Array, Array | None]:
        if column.expr is not None:
            by_row = ByRow(column.expr, [o.type for o in column.operands], self.plan.texts)
            return by_row(words.shape[1], *(self._column(o, words, objects) for o in column.operands))
        mask = None if column.null < 0 else words[column.null]
        values, nulls = self.words.storage(words[column.place], mask, column.type, objects)
        # a view would keep the words of all columns in memory until its file is written
        return (values.copy() if values.base is not None else values), nulls

    # ------------------------------------------------------------ sessions

    def _ended(self, raw: Logs) -> EndedFlows | None:
        if not raw.ends_end:
            return None
        types = len(self.plan.entities)
        taken = np.zeros(max(types, 1), np.int64)
        ends = raw.ends.ctypes.data
        records = np.empty(raw.ends_end // END_WORDS, np.int64)
        n = self.functions["count_taken"](ends, raw.ends_end, taken.ctypes.data, records.ctypes.data)
        records = records[:n]
        # as they are written: by end, then flow
        order = records[_by_end(raw.ends[records + 3], raw.ends[records])]
        columns = np.empty((8, n), np.int64)
        offsets = np.zeros((max(types, 1), n + 1), np.int64)
        upto = np.cumsum(taken)
        first = upto - taken
        places = first.copy()
        items = np.empty(max(int(upto[-1]), 1), np.int64)
        self.functions["split_ends"](
            ends,
            n,
            order.ctypes.data,
            types,
            columns.ctypes.data,
            offsets.ctypes.data,
            places.ctypes.data,
            items.ctypes.data,
        )
        held = {
            name: (offsets[e], items[first[e] : upto[e]])
            for e, name in enumerate(self.plan.entities)
            if name in self.used
        }
        flow, table, started, ended, outcome, line, events, waited = columns
        return EndedFlows(
            flow.view(np.uint64),
            table.astype(np.uint16),
            started,
            ended,
            outcome,
            line,
            events,
            held,
            waited if self.plan.queues else None,
        )

    # ------------------------------------------------------------ history

    def _versions(self, raw: Logs) -> list[Versions]:
        if not raw.versions_end:
            return []
        parts: dict[int, list[int]] = {}
        place = 0
        types = list(self.program.world.entities.values())
        log = raw.versions
        while place < raw.versions_end:
            e = int(log[place + V_TYPE])
            parts.setdefault(e, []).append(place)
            place += V_FIRST + types[e].stride - E_FIRST
        out = []
        for e, places in sorted(parts.items()):
            rows = types[e]
            start = np.array(places)
            width = V_FIRST + rows.stride - E_FIRST
            block = log[start[:, None] + np.arange(width)]
            number, clock, flow, action = (block[:, i] for i in (V_NUMBER, V_CLOCK, V_FLOW, V_ACTION))
            order = np.lexsort((action, flow, clock, number))
            block = block[order]
            values: dict[str, Array] = {}
            nulls: dict[str, Array] = {}
            for name, state in rows.states.items():
                words = np.ascontiguousarray(block[:, V_FIRST + state.live - E_FIRST])
                mask = None if state.null < 0 else block[:, V_FIRST + state.null - E_FIRST]
                values[name], null_mask = self.words.storage(words, mask, state.type, raw.objects)
                if null_mask is not None:
                    nulls[name] = null_mask
            out.append(
                Versions(
                    rows.name,
                    block[:, V_NUMBER].copy(),
                    block[:, V_CLOCK].copy(),
                    block[:, V_FLOW].copy().view(np.uint64),
                    block[:, V_ACTION].copy(),
                    block[:, V_EVENT] != 0,
                    values,
                    nulls,
                )
            )
        return out


def _by_end(ended: I64, flow: I64) -> I64:
    """The order of flows that end, by (instant, number)."""
    packed = packed_order(ended)
    if packed is None:
        return np.lexsort((flow, ended))
    words, bits = packed
    place, times = words & ((1 << bits) - 1), words >> bits
    flows = flow[place]
    if ((times[1:] == times[:-1]) & (flows[1:] < flows[:-1])).any():
        return np.lexsort((flow, ended))
    return place
