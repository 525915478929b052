"""What a run did: counts, rate, memory, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from deep_faker.markup import line, page, table
from deep_faker.times import to_datetime


class Counts(TypedDict):
    """What a run counts, by the names that `RunReport` has for it."""

    events: Mapping[str, int]
    flows: Mapping[str, int]
    sessions: Mapping[str, Mapping[str, int]]
    skipped: int
    entities: Mapping[str, int]
    unmatched: Mapping[str, int]
    turned_away: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """The result of `Simulation.run`; ``print(report)`` shows the summary.

    ``events``: rows by event type; ``flows``: ended flows by outcome, ``sessions``: the same of each flow;
    ``skipped``: starts for which no entity matched, ``unmatched``: of each flow, the starts at which nobody
    matched its own filter, so that they went to others or were skipped; ``turned_away``: of each flow that
    has a rate, the arrivals that did not start, as nobody matched or ``n_flows`` were active; ``entities``:
    entities at the end by type; ``engine``: which one ran, such as ``"numpy"``; ``seconds``: wall time;
    ``peak_memory``: bytes of resident memory at the highest; ``files``: paths with rows and bytes; ``lag``:
    of a paced run, the most seconds that events left too late.
    """

    seed: int
    start_micros: int
    end_micros: int
    events: Mapping[str, int]
    flows: Mapping[str, int]
    skipped: int
    entities: Mapping[str, int]
    engine: str
    seconds: float
    peak_memory: int
    files: tuple[Mapping[str, object], ...] = ()
    where: tuple[str, ...] = ()
    ran: bool = field(default=True)
    lag: float | None = None
    sessions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unmatched: Mapping[str, int] = field(default_factory=dict)
    turned_away: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All events."""
        return sum(self.events.values())

    @property
    def rate(self) -> float:
        """Events a second of wall time."""
        return self.total / self.seconds if self.seconds else 0.0

    def with_delivery(self, other: RunReport) -> RunReport:
        """The report of a run in parts, and of the delivery of its data set."""
        return replace(
            self,
            seconds=self.seconds + other.seconds,
            peak_memory=max(self.peak_memory, other.peak_memory),
            files=self.files + other.files,
            where=self.where + other.where,
            lag=other.lag,
        )

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "seed": self.seed,
            "start_time": to_datetime(self.start_micros).isoformat(),
            "end_time": to_datetime(self.end_micros).isoformat(),
            "events": dict(self.events),
            "total_events": self.total,
            "flows": dict(self.flows),
            "sessions": {name: dict(counts) for name, counts in self.sessions.items()},
            "skipped_starts": self.skipped,
            "unmatched_starts": dict(self.unmatched),
            **({"turned_away": dict(self.turned_away)} if self.turned_away else {}),
            "entities": dict(self.entities),
            "engine": self.engine,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.rate),
            "peak_memory_bytes": self.peak_memory,
            **({} if self.lag is None else {"lag_seconds": round(self.lag, 3)}),
            "outputs": list(self.where),
            "files": [dict(f) for f in self.files],
        }

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.as_dict())

    def _head(self) -> list[str]:
        """Lines on the run as a whole."""
        if not self.ran:
            return ["not run: the file is being loaded"]
        start, end = to_datetime(self.start_micros), to_datetime(self.end_micros)
        lines = [
            f"{self.total:,} events in {self.seconds:.1f} s ({self.rate:,.0f}/s), seed {self.seed}",
            f"simulated {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC",
            f"engine {self.engine}, peak memory {self.peak_memory / 2**20:,.0f} MiB",
        ]
        if self.lag is not None:
            lines.append(f"at most {self.lag:.2f} s behind its pace" if self.lag else "never behind its pace")
        return lines

    def __str__(self) -> str:
        lines = self._head()
        if not self.ran:
            return lines[0]
        lines += _table("events", self.events)
        lines += _table("flows", {_OUTCOME_TEXT.get(k, k): v for k, v in self.flows.items()})
        if self.skipped:
            lines.append(f"  {self.skipped:>14,}  starts skipped: no entity matched a flow's filter")
            lines += [
                f"  {count:>14,}  starts at which nobody matched {name}"
                for name, count in self.unmatched.items()
                if name not in self.turned_away
            ]
        for name, count in self.turned_away.items():
            if count:
                nobody = self.unmatched.get(name, 0)
                why = "n_flows were active"
                if nobody:
                    why = "nobody matched" if nobody == count else f"nobody matched ({nobody:,}), or {why}"
                lines.append(f"  {count:>14,}  arrivals of {name} turned away: {why}")
        lines += _table("entities", self.entities)
        if self.where:
            lines.append("written to")
            lines += [f"  {place}" for place in self.where]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, with counts as tables."""
        tables = (
            table(("event", "rows"), self.events.items()),
            table(
                ("flow", *outcomes, ""),
                [
                    (name, *(counts.get(one, 0) for one in outcomes), "")
                    for name, counts in self.sessions.items()
                ],
            )
            if (outcomes := list(dict.fromkeys(one for counts in self.sessions.values() for one in counts)))
            else "",
            table(("entity", "at the end"), self.entities.items()),
            *(line(place, quiet=True) for place in self.where),
        )
        return page(*map(line, self._head()), *tables)


_OUTCOME_TEXT = {"no_entity": "no entity", "cut": "cut at the end"}


def _table(title: str, rows: Mapping[str, int]) -> list[str]:
    if not rows:
        return []
    return [title, *(f"  {count:>14,}  {name}" for name, count in rows.items())]
