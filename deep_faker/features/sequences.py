"""Sequences: each entity's events in order as list columns, cut before the row, and values not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from deep_faker.draws.mix import below, derive, mix
from deep_faker.errors import near
from deep_faker.features.asked import name_of, refused
from deep_faker.features.rows import Rows
from deep_faker.features.rules import Rules
from deep_faker.features.search import I64, Groups
from deep_faker.features.world import World
from deep_faker.tables.source import ORDER, TIME

_TRIES = 16


def sequences(
    world: World,
    rows: Rows,
    rules: Rules,
    *,
    length: int,
    events: Sequence[type | str],
    fields: Sequence[str],
) -> pl.DataFrame:
    """For each row its last ``length`` events: list columns ``events``, ``times`` and one for each field."""
    names = [world.event(name_of(event)) for event in events] or world.events
    for field in fields:
        known = {column for name in names for column in _columns(world, name)}
        if field not in known:
            world.fail(f"no event has a field {field!r}", "", near(field, sorted(known)))
        types = {columns[field] for name in names if field in (columns := _columns(world, name))}
        if len(types) > 1 and not types <= {"int64", "double"}:
            label = f"{field!r} is {' and '.join(sorted(types))} in different events"
            raise refused(f"no list of {field}", label, "keep some types only: events=[...]")
    frames = []
    for number, name in enumerate(names):
        own = [f for f in fields if f in world.source.columns(f"events/{name}")]
        frame = world.source.scan(f"events/{name}").select(world.key, TIME, ORDER, *own)
        frames.append(world.codes(frame).with_columns(_type=pl.lit(number)))
    whole = pl.concat(frames, how="diagonal_relaxed").sort(ORDER)
    columns = {"times": TIME, **{field: field for field in fields}}
    table = world.collected(whole.select("_code", ORDER, "_type", TIME, *fields), "events")
    micros = table[TIME].dt.epoch("us").to_numpy()
    groups = Groups(table["_code"].to_numpy(), micros, table[ORDER].to_numpy())
    last = groups.before(rows.code, rules.seen(rows.moments))
    first = np.maximum(groups.begin(rows.code), last - length)
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(last - first, out=offsets[1:])
    places = np.repeat(first - offsets[:-1], last - first) + np.arange(offsets[-1])
    picked = groups.rows(places)
    kinds = pl.Series(names).gather(table["_type"].to_numpy()[picked])
    lists = {"events": kinds} | {name: table[column].gather(picked) for name, column in columns.items()}
    return pl.DataFrame({name: _lists(values, offsets) for name, values in lists.items()})


def _columns(world: World, event: str) -> Mapping[str, str]:
    return world.source.columns(f"events/{event}")


def negatives(
    world: World, rows: Rows, event: str, target: str, *, count: int, weights: str, seed: int
) -> pl.DataFrame:
    """The ``target`` of each row's event, and ``count`` values that it did not take (``negatives``).

    By ``"popularity"``: the value of an event drawn from all that came before, of whatever entity; by
    ``"uniform"``: of the values that had come before, each as likely. Null where none was found.
    """
    if weights not in ("popularity", "uniform"):
        mend = near(str(weights), ("popularity", "uniform"), "weights")
        raise refused("wrong weights", f"weights={weights!r}", mend)
    assert not isinstance(rows.moments.order, int)
    columns = [ORDER, world.column(event, target)]
    table = world.collected(world.scan(event).select(columns), f"events/{event}")
    values = table[target]
    own = np.searchsorted(table[ORDER].to_numpy(), rows.moments.order)
    code = values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    firsts = np.sort(np.unique(code, return_index=True)[1]) if weights == "uniform" else None
    choices = own if firsts is None else np.searchsorted(firsts, own)
    picked = np.full((len(rows), count), -1, np.int64)
    key = derive(seed, "negatives", event, target)
    for place in range(count):
        left = np.flatnonzero(choices > 0)
        for again in range(_TRIES):
            draw = mix(key, own[left].astype(np.uint64), place * _TRIES + again)
            found = below(draw, choices[left].astype(np.uint64)).astype(np.int64)
            found = found if firsts is None else firsts[found]
            right = (code[found] != code[own[left]]) & (code[found] > 0)
            picked[left[right], place] = found[right]
            left = left[~right]
    flat = picked.ravel()
    chosen = values.gather(pl.select(pl.when(pl.Series(flat) >= 0).then(pl.Series(flat))).to_series())
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * count
    return pl.DataFrame({"target": values.gather(own), "negatives": _lists(chosen, offsets)})


def _lists(values: pl.Series, offsets: I64) -> pl.Series:
    """A column of lists: row i has the values from one offset to the next."""
    array = pa.LargeListArray.from_arrays(pa.array(offsets), values.to_arrow())
    return pl.Series(pl.from_arrow(array))
