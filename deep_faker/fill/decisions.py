"""Draws that decided something, as a table of the truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.fill.binding import Binding
from deep_faker.plan import DecisionRows, Plan, Trace
from deep_faker.spans import caller_span

_CODED = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema([
    pa.field("sys__sid", pa.string(), nullable=False, metadata={"hint": "id"}),
    pa.field("sys__time", pa.timestamp("us"), nullable=False, metadata={"hint": "time"}),
    pa.field("flow", _CODED, nullable=False, metadata={"hint": "low"}),
    pa.field("line", pa.int64(), nullable=False, metadata={"hint": "number"}),
    pa.field("kind", _CODED, nullable=False, metadata={"hint": "low"}),
    pa.field("options", pa.list_(pa.string()), metadata={"hint": "text"}),
    pa.field("chances", pa.list_(pa.float64()), nullable=False, metadata={"hint": "number"}),
    pa.field("taken", pa.int64(), nullable=False, metadata={"hint": "number"}),
])  # fmt: skip


def decisions_of(trace: Trace, plan: Plan, binding: Binding) -> pa.Table:
    """The decisions of a trace, in the order (clock, flow number), those of one flow as they were made."""
    parts = [rows for rows in trace.decisions if len(rows.flow)]
    if not parts:
        return SCHEMA.empty_table()
    names = pa.array([flow.name for flow in plan.flows], pa.string())
    tables = [_table(rows, names, binding) for rows in parts]
    clock, flow, turn = (
        np.concatenate([getattr(rows, name) for rows in parts]) for name in ("clock", "flow", "turn")
    )
    order = np.lexsort((turn, flow, clock))
    return pa.concat_tables(tables).unify_dictionaries().take(pa.array(order))


def require_told(plan: Plan, engine: str) -> None:
    """Raise `SettingsError` for an engine, or a flow, whose decisions nobody can tell."""
    if engine == "reference":
        label = 'engine="reference" runs the generators, and sees draws, not what they decide'
        raise SettingsError(Diagnostic("no decisions here", caller_span(), label, 'use engine="vectorized"'))
    for flow in plan.flows:
        if flow.live is not None:
            label = f"it runs as a generator: {flow.live}"
            mend = "run without decisions=True, or change the flow as explain() says"
            where = flow.live_span or flow.span
            raise SettingsError(Diagnostic(f"nobody sees what {flow.name!r} decides", where, label, mend))


def _table(rows: DecisionRows, names: pa.Array, binding: Binding) -> pa.Table:
    n = len(rows.flow)
    zeros = pa.array(np.zeros(n, np.int32))
    count = np.full(n, 2) if rows.kind != "choice" else rows.value.astype(np.int64)
    if rows.kind != "choice":
        chance = np.clip(rows.value, 0.0, 1.0)
        chances = np.column_stack([1 - chance, chance]).reshape(-1)
    elif rows.chances is not None:
        chances = np.tile(np.array(rows.chances), n)
    else:
        chances = np.repeat(1 / count, count)
    offsets = pa.array(np.concatenate([[0], np.cumsum(count)]).astype(np.int32))
    options = pa.nulls(n, pa.list_(pa.string()))
    if rows.options is not None:
        texts = pa.array(rows.options, pa.string()).take(pa.array(np.tile(np.arange(len(rows.options)), n)))
        every = np.arange(n + 1, dtype=np.int32) * len(rows.options)
        options = pa.ListArray.from_arrays(pa.array(every), texts)
    columns = [
        binding.session_ids(rows.flow.astype(np.uint64)),
        pa.array(rows.clock.astype(np.int64)).cast(pa.timestamp("us")),
        pa.DictionaryArray.from_arrays(pa.array(np.full(n, rows.table, np.int32)), names),
        pa.array(np.full(n, rows.line, np.int64)),
        pa.DictionaryArray.from_arrays(zeros, pa.array([rows.kind], pa.string())),
        options,
        pa.ListArray.from_arrays(offsets, pa.array(chances)),
        pa.array(rows.taken.astype(np.int64)),
    ]
    return pa.table(columns, schema=SCHEMA)
