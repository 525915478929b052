"""What a run asks of an engine, whichever it is; nothing else of an engine is looked at from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, RawTrace, Site


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run's report says that no event tells.

    ``skipped``: starts that went to no flow; ``unmatched``: for each flow by name, the starts at which nobody
    matched its own filter; ``matched``: for each filter by number, whether anybody ever matched it;
    ``turned_away``: for each flow that has a rate, the arrivals that did not start.
    """

    skipped: int
    unmatched: Mapping[str, int]
    matched: Sequence[bool]
    turned_away: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities of one type that were born: ``number``, ascending, and of each the flow, action and clock.

    Parallel arrays of uint64 flow numbers and int64. Numbers may have gaps: an entity that a flow made too
    late (T4) has one, and never was.
    """

    number: Array
    flow: Array
    action: Array
    clock: Array

    @classmethod
    def on_time(cls, flow: Array, action: Array, clock: Array, first_late: int, late_after: int) -> Entities:
        """Of births by number, those by flows before ``first_late`` and before ``late_after`` (µs)."""
        is_late = (flow >= first_late) | (clock >= late_after)
        if not is_late.any():
            return cls(np.arange(len(flow)), flow, action, clock)
        number = np.flatnonzero(~is_late)
        return cls(number, flow[number], action[number], clock[number])


class Engine(Protocol):
    """Runs one plan once.

    All engines make the same traces, however they are cut, and the same entities. `run` may be called again
    after it has stopped before a step; `load` only before the first `run`; the others between two traces.
    """

    most_rows: int
    """So many events end a trace (at the end of their step), at the latest; may be set between two traces."""

    @property
    def name(self) -> str:
        """Which engine ran, as the report says it: ``"numpy"``."""
        ...

    @property
    def sites(self) -> Sequence[Site]:
        """The plan's sites, and behind them those that live flows have been found to need; it may grow."""
        ...

    def run(self, stop_before_step: int | None = None) -> Iterator[RawTrace]:
        """Go on until all flows have ended, or the next step to make would be ``stop_before_step``.

        Between two traces the engine stands at the end of a step. Raises `RunError` for what flows do, with
        the user's line.
        """
        ...

    def save(self) -> dict[str, Array]:
        """The whole state between two steps, by the names of `deep_faker.simulate.columns.checkpoint`.

        Raises `CheckpointError` where a flow runs as a generator.
        """
        ...

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up what an engine saved, this one or another; the next trace brings all stored keys again."""
        ...

    @property
    def counts(self) -> Counts:
        """Counts of the run so far."""
        ...

    def entities(self, entity: str) -> Entities:
        """The entities of a type that there are now."""
        ...

    def column(self, entity: str, field: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """A state field (that is not lazy) of entities: storage array, and null mask if it is optional.

        ``rows``: the numbers of some of them, ascending; without it, by all numbers, also those that never
        were. To be read, not kept: it may be a view.
        """
        ...


class Factory(Protocol):
    """Makes an engine for a plan; ``fields`` gives the event values that control needs."""

    def __call__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> Engine: ...
