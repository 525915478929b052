"""The tables of a data set by group and name; each is read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from deep_faker.errors import DatasetError, Diagnostic, near
from deep_faker.tables.source import Source, in_group
from deep_faker.write.files.readers import guarded_reader


class Truth:
    """What the tables of a data set leave out: ``StateField(latent=True)`` and ``Field(hidden=True)``.

    ``entities[Type]``: key and latent state at the end; ``history[Type]``: of every version, with
    ``sys__order`` and ``sys__version``; ``events[Type]``: ``sys__eid``, ``sys__order`` and hidden fields.
    """

    def __init__(self, source: Source, place: str) -> None:
        self.entities: Mapping[type | str, pl.DataFrame] = Frames(source, place, "truth/entities")
        self.history: Mapping[type | str, pl.DataFrame] = Frames(source, place, "truth/history")
        self.events: Mapping[type | str, pl.DataFrame] = Frames(source, place, "truth/events")
        self._source, self._place = source, place

    @property
    def decisions(self) -> pl.DataFrame:
        """Every draw that decided something, in the order of time, of ``run(decisions=True)``.

        ``sys__sid``, ``sys__time``, ``flow``, ``line``, ``kind`` (``random``: a comparison with ``random()``;
        ``decay``: of an `AddDecay`; ``choice``: one of several), ``options`` where they are known before,
        their ``chances``, and which was ``taken`` (0, 1, 2 …). Raises `DatasetError` where none were kept.
        """
        if "truth/decisions" not in self._source.names():
            mend = "run with decisions=True to keep them"
            raise DatasetError(Diagnostic("no decisions", None, f"in {self._place}", mend))
        with guarded_reader(f"{self._place}: truth/decisions"):
            table = "truth/decisions"
            return entire(self._source.scan(table).collect(), self._source.rows(table))

    def __repr__(self) -> str:
        groups = {"entities": self.entities, "history": self.history, "events": self.events}
        shown = [f"{name} of {', '.join(map(str, frames))}" for name, frames in groups.items() if frames]
        return f"Truth({'; '.join(shown) or 'nothing is hidden'})"


class Frames(Mapping[type | str, pl.DataFrame]):
    """The tables of one group by name; each is read when it is asked for."""

    def __init__(self, source: Source, place: str, group: str) -> None:
        self._source, self._place, self._group = source, place, group

    def __getitem__(self, key: type | str) -> pl.DataFrame:
        with guarded_reader(f"{self._place}: {self._group}/{self._known(key)}"):
            return entire(self.scan(key).collect(), self.rows(self._known(key)))

    def scan(self, key: type | str, *, in_time: bool = True) -> pl.LazyFrame:
        """A lazy frame. Raises `DatasetError` for a name that is not there."""
        name = self._known(key)
        with guarded_reader(f"{self._place}: {self._group}/{name}"):
            return self._source.scan(f"{self._group}/{name}", in_time=in_time)

    def rows(self, name: str) -> int:
        """The number of rows of one table, without reading it."""
        return self._source.rows(f"{self._group}/{name}")

    def __contains__(self, key: object) -> bool:
        return name_of(key) in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(in_group(self._source, self._group))

    def __len__(self) -> int:
        return sum(1 for _ in self)  # list(self) would ask for the length

    def __repr__(self) -> str:
        return f"{self._group}: {', '.join(map(str, self)) or 'none'}"

    def _known(self, key: object) -> str:
        name, names = name_of(key), [str(known) for known in self]
        if name in names:
            return name
        if self._group == "history" and not names:
            mend = "run with history=True (--history) to keep every version"
        elif self._group.startswith("truth/") and not names:
            mend = "nothing is hidden: see StateField(latent=True) and Field(hidden=True)"
        elif self._group == "dirty" and not names:
            mend = "give the simulation defects=Defects(…), and the run keeps them"
        else:
            mend = near(name, names, f"the data set's {self._group}")
        what = "event type" if self._group.endswith(("events", "dirty")) else "entity type"
        raise DatasetError(Diagnostic(f"no {what} {name!r}", None, f"in {self._place}", mend))


def entire(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The frame, which has as many rows as the manifest says; `ValueError` where a file was exchanged."""
    if frame.height != rows:
        raise ValueError(f"{frame.height} rows")
    return frame


def name_of(key: object) -> str:
    return key.__name__ if isinstance(key, type) else str(key)
