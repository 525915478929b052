"""The dirty stream of a run, beside the clean one: what arrives, in the order in which it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from deep_faker.draws.mix import Draws
from deep_faker.fill.defects.answer_key import KEY, schema_rows
from deep_faker.fill.defects.arrival_order import ArrivalOrder
from deep_faker.fill.defects.dirt import Dirt
from deep_faker.fill.events import Columns
from deep_faker.fill.time_order import Arranged
from deep_faker.plan import Array, Plan
from deep_faker.plan.parts import WorldPart
from deep_faker.run.pulling import Pull
from deep_faker.write import EventChunk

_AT_ONCE = 100_000  # events of a first run that are looked at together


@dataclass(frozen=True)
class Arrived:
    """What arrives next, and the rows of the answer key of what has happened."""

    chunk: EventChunk
    key: pa.Table


class Overlay:
    """Makes the dirty stream of one run.

    ``schemas``: of what arrives, by event type. Data sets keep it, too, but where events are late and nothing
    else, which a column of theirs tells.
    """

    def __init__(self, plan: Plan, draws: Draws, columns: Columns, limits: Mapping[int, int]) -> None:
        self._dirt = Dirt(plan, draws, columns.schemas, limits)
        self._order = ArrivalOrder(columns.names)
        self._end = plan.settings.end
        self._first = draws.partition == 0
        self._keeps = plan.settings.defects is not None
        self.schemas = self._dirt.schemas
        self.repeats = self._dirt.repeats

    def take(self, chunk: EventChunk, events: Arranged, until: int) -> Arrived:
        """Take the next clean events; all before ``until`` (µs) have happened."""
        arrivals, key = self._dirt.apply(chunk, events)
        self._order.add(arrivals)
        return Arrived(self._order.until(until), key)

    def rest(self) -> Arrived:
        """What arrives when all has happened."""
        changes = [c for c in self._dirt.defects.changes if c.at < self._end] if self._first else []
        return Arrived(self._order.rest(), schema_rows(changes))

    def tables(self, arrived: Arrived) -> dict[str, pa.Table]:
        """What data sets keep of it."""
        out: dict[str, pa.Table] = {}
        if not self._keeps:
            return out
        for name, schema in self.schemas.items():
            table = arrived.chunk.tables.get(name)
            rows = schema.empty_table() if table is None else table
            known = arrived.chunk.stamps[name]["available_time"] if name in arrived.chunk.stamps else None
            field = pa.field("available_time", pa.timestamp("us"), nullable=False, metadata={"hint": "time"})
            column = pa.array([], field.type) if known is None else known
            out[f"dirty/{name}"] = rows.add_column(3, field, column)
        return out | {"truth/defects": arrived.key if arrived.key.num_rows else KEY.empty_table()}

    def save(self) -> dict[str, Array]:
        """What is on its way, for a checkpoint."""
        return self._order.save()

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `save` gave."""
        self._order.load(arrays)


def overlay_of(
    plan: Plan, draws: Draws, columns: Columns, whole: Plan, part: WorldPart, engine: str
) -> Overlay | None:
    """The overlay of a run; None where every event arrives when it happens, as it is.

    ``whole``: the plan that the ``part`` is of. Rules of exactly so many events ask for a first run.
    """
    defects = plan.settings.defects
    if defects is None and not plan.arrives:
        return None
    limits = _limits(whole, draws, part, engine) if defects is not None and defects.are_exact else {}
    return Overlay(plan, draws, columns, limits)


def _limits(whole: Plan, draws: Draws, part: WorldPart, engine: str) -> dict[int, int]:
    """The draws up to which exact rules hit. Raises `SettingsError` where too few events can be hit."""
    with Pull(whole, seed=draws.seed, engine=engine, most=_AT_ONCE, part=part) as pull:
        dirt = Dirt(whole, draws, pull.columns.schemas)
        quotas = dirt.quotas(draws)
        before: Counter[str] = Counter()
        for trace in pull:
            events = pull.columns.arranged(trace, before, before.total())
            chunk = pull.columns.stamped(events)
            dirt.note(chunk, events, quotas)
            before.update({name: table.num_rows for name, table in chunk.tables.items()})
    return quotas.limits()
