"""Which events have a defect: by chance, by source, or exactly so many.

Each event has a draw of its own under the rule's key, so a longer run, other chunks or one rule more hit no
other events. Exactly k are those with the k lowest draws of all that can have it; a first run finds the
limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deep_faker.declare.defects import Exactly, Rule
from deep_faker.declare.defects.rules import is_expression
from deep_faker.draws.mix import F64, U64, Draws, mix, mix_unit
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.fill.defects.batch import Batch, Mask, SourceNumbers
from deep_faker.plan.parts import WorldPart


class Hits:
    """The draws of a run's rules; ``limits``: of each exact rule, by its number, the highest that hits."""

    def __init__(self, rules: Sequence[Rule], draws: Draws, limits: Mapping[int, int] | None = None) -> None:
        self.rules, self._draws, self.limits = rules, draws, limits or {}
        self._sources = SourceNumbers()
        # of its own kind it is the n-th: a rule of another kind moves no draw
        self._names = [(rule.kind, _place(rules, number)) for number, rule in enumerate(rules)]

    def key(self, number: int, purpose: str = "") -> int:
        """The key of a rule's draws for ``purpose``."""
        return self._draws.key("defect", *self._names[number], purpose)

    def source_key(self, number: int, purpose: str = "") -> int:
        """The same for draws of sources, which all parts have alike."""
        return self._draws.id_key("defect", *self._names[number], purpose)

    def eligible(self, number: int, batch: Batch, able: Mask) -> Mask:
        """Of the events that are ``able`` to have a rule's defect, those that meet its conditions."""
        rule = self.rules[number]
        out: Mask = able
        if rule.since is not None:
            out = out & (batch.time >= rule.since)
        if rule.until is not None:
            out = out & (batch.time < rule.until)
        if rule.where is not None and out.any():
            import polars as pl

            out = out & batch.evaluated(rule.where, pl.Boolean, rule)
        return out

    def of(self, number: int, batch: Batch, able: Mask) -> Mask:
        """The events that have a rule's defect."""
        rule = self.rules[number]
        out: Mask = self.eligible(number, batch, able)
        if not out.any():
            return out
        if rule.is_exact:
            if number not in self.limits:
                return np.zeros(len(batch), bool)
            return out & (self.draws(number, batch) <= np.uint64(self.limits[number]))
        chances: F64 | float = rule.chance
        if rule.per is not None:
            sources, missing = self._sources.of(batch.clean(rule.per))
            return out & ~missing & (mix_unit(self.source_key(number), sources) < chances)
        if is_expression(rule.chance):
            import polars as pl

            chances = batch.evaluated(rule.chance, pl.Float64, rule)
        return out & (mix_unit(self.key(number), *_counters(batch)) < chances)

    def draws(self, number: int, batch: Batch) -> U64:
        """The draw of each event."""
        return mix(self.key(number), *_counters(batch))

    def sources(self, number: int, batch: Batch) -> U64:
        """The number of each event's source."""
        per = self.rules[number].per
        assert per is not None
        return self._sources.of(batch.clean(per))[0]


@dataclass
class _Lowest:
    """The lowest draws so far, each with its event; more than are wanted, as some may be dropped."""

    most: int
    rows: list[tuple[U64, U64, U64]] = field(default_factory=list)  # draw, flow, action
    held: int = 0

    def add(self, draws: U64, flow: U64, action: U64) -> None:
        self.rows.append((draws, flow, action))
        self.held += len(draws)
        if self.held > 4 * self.most + 65_536:
            self.rows, self.held = [self.lowest()], 0
            self.held = len(self.rows[0][0])

    def lowest(self) -> tuple[U64, U64, U64]:
        if not self.rows:
            empty = np.empty(0, np.uint64)
            return empty, empty, empty
        draws, flow, action = (np.concatenate(column) for column in zip(*self.rows))
        first = np.argsort(draws, kind="stable")[: self.most]
        return draws[first], flow[first], action[first]


class Quotas:
    """Finds the limits of rules that are of exactly so many events, in a first run of the same events."""

    def __init__(self, hits: Hits, part: int, parts: int) -> None:
        self._hits = hits
        self._counts = {
            number: WorldPart(part, parts).share(rule.chance.count)
            for number, rule in enumerate(hits.rules)
            if isinstance(rule.chance, Exactly)
        }
        drops = sum(c for n, c in self._counts.items() if hits.rules[n].kind == "drop")
        self._lowest = {number: _Lowest(count + drops) for number, count in self._counts.items()}

    def note(self, number: int, batch: Batch, able: Mask) -> None:
        """See the next events, of which ``able`` ones can have a rule's defect."""
        rows = np.flatnonzero(self._hits.eligible(number, batch, able))
        if len(rows):
            flow, action = _counters(batch)
            self._lowest[number].add(self._hits.draws(number, batch)[rows], flow[rows], action[rows])

    def limits(self) -> dict[int, int]:
        """The highest draw of each rule that hits. Raises `SettingsError` where too few can have it."""
        dropped = set[tuple[int, int]]()
        out = {}
        for number, count in self._counts.items():  # drops come first, and what is dropped has nothing else
            draws, flow, action = self._lowest[number].lowest()
            events = list(zip(flow.tolist(), action.tolist()))
            left = [i for i, event in enumerate(events) if event not in dropped]
            rule = self._hits.rules[number]
            if len(left) < count:
                label = f"{rule!r}: {len(left):,} events can have it, and {count:,} are to"
                mend = "ask for fewer, or let the run be longer"
                raise SettingsError(Diagnostic("too few events for a defect", None, label, mend))
            if count:
                out[number] = int(draws[left[count - 1]])
            if rule.kind == "drop":
                dropped.update(events[i] for i in left[:count])
        return out


def _counters(batch: Batch) -> tuple[U64, U64]:
    return batch.flow.astype(np.uint64), batch.action.astype(np.uint64)


def _place(rules: Sequence[Rule], number: int) -> int:
    return sum(rule.kind == rules[number].kind for rule in rules[:number])
