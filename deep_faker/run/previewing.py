"""The first events of a run, without the run: what flows make, and some of the initial entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from deep_faker.fill.events import Columns
from deep_faker.plan import Plan, SiteRows, Trace
from deep_faker.write import json_lines


def preview_lines(
    plan: Plan, columns: Columns, traces: Iterator[Trace], n: int, *, initial: bool = True
) -> list[str]:
    """``n`` of the first events as JSON lines, in their order; no more traces are taken than that needs.

    Many worlds begin with more entities than anybody wants to read: at most half of the lines are their
    events, the first ones of each type, as long as flows make the rest. Without ``initial`` all are of flows.
    """
    first = next(traces)
    sites = set(plan.initial_sites.values())
    born = [rows for rows in first.rows if rows.site in sites]
    first.rows = [rows for rows in first.rows if rows.site not in sites]
    before: Counter[str] = Counter()
    places = []  # of the initial events among those of their type
    for rows in born:
        event = plan.sites[rows.site].event
        places.append(Counter({event: before[event]}))
        before[event] += len(rows.flow)
    sizes = [len(rows.flow) for rows in born] if initial else []
    wanted = n - min(n // 2, sum(sizes))
    of_flows: list[str] = []
    for trace in chain([first], traces):
        of_flows += _lines(plan, columns, trace, before)
        if len(of_flows) >= wanted:
            break
    lines: list[str] = []
    for rows, place, share in zip(born, places, _shares(sizes, n - min(len(of_flows), wanted)), strict=False):
        lines += _lines(plan, columns, replace(first, rows=[_head(rows, share)]), place)
    return lines + of_flows[: n - len(lines)]


def _lines(plan: Plan, columns: Columns, trace: Trace, before: Counter[str]) -> list[str]:
    """A trace's events, of which ``before`` others of their types came first; counts them there."""
    chunk = columns.fill(trace, before)
    before.update({name: table.num_rows for name, table in chunk.tables.items()})
    return json_lines(chunk, plan.events).decode().split("\n")[:-1]


def _shares(sizes: list[int], total: int) -> list[int]:
    """How many to take of each, ``total`` in all if there are so many, as evenly as the sizes allow.

    >>> _shares([100, 2, 50], 12)
    [5, 2, 5]
    """
    shares = [0] * len(sizes)
    for done, at in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[at] = min(sizes[at], (total - sum(shares)) // (len(sizes) - done))
    return shares


def _head(rows: SiteRows, n: int) -> SiteRows:
    """The first rows of a site."""
    parts = (
        {name: array[:n] for name, array in group.items()} for group in (rows.values, rows.nulls, rows.keys)
    )
    return SiteRows(rows.site, rows.flow[:n], rows.action[:n], rows.clock[:n], *parts)
