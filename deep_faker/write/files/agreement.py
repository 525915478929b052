"""What the rows of a data set say about each other, and whether they agree.

Ids are permuted counters: with the seed, an event's id tells its flow, and so does the id of its session. So
sums of files that somebody made anew do not hide that a row was added, taken away or moved.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from deep_faker.draws.ids import flow_of, unscramble
from deep_faker.draws.mix import MASK, Draws
from deep_faker.write.files.manifest import Manifest

IDS = ("sys__eid", "sys__ets", "sys__sid")
_Counts = npt.NDArray[np.uint64]


class Agreement:
    """Is shown every table of a data set, file by file, and says what does not fit.

    In memory it keeps a number a session, and the keys of entities. An output can be fed by hand, with ids of
    one's own: only what has the sessions of a run is held to its ids.
    """

    def __init__(self, manifest: Manifest) -> None:
        draws = Draws(int(manifest["seed"]))
        self._parts = manifest["partitions"] if "parts" in manifest else 1
        self._keys = {"sys__eid": draws.id_key("eid"), "sys__sid": draws.id_key("sid")}
        start = dt.datetime.fromisoformat(manifest["start_time"]).replace(tzinfo=dt.UTC)
        self._start = int(start.timestamp() * 1000 // 1)
        sessions = manifest["tables"].get("sessions")
        self._of_a_run = sessions is not None and "events" in sessions.get("columns", {})
        self._born = sum(manifest["settings"].get("initial_entities", {}).values())
        self._filtered = bool(manifest.get("filtered"))
        self._last: dict[str, int] = {}
        self._last_place: dict[str, int] = {}
        # of each part the sum of all places, and how many there are
        self._places: dict[int, tuple[int, int]] = {}
        self._flows: list[_Counts] = []
        self._sessions: list[_Counts] = []
        self._told: list[_Counts] = []  # the events that each session says it has
        self._held: dict[str, pl.Series] = {}
        self._entities: dict[str, list[pl.Series]] = {}
        self._open: dict[str, int] = {}  # versions of entities that are still valid
        self._versions: dict[str, list[pl.Series]] = {}

    # ------------------------------------------------ tables

    def events(self, name: str, table: pa.Table, part: int = 0) -> Iterator[str]:
        """The next rows of an event type (or of one of its partitions), of which `IDS` are looked at.

        ``name`` tells a part's rows from those of another ``part`` of the run.
        """
        if not table.num_rows or not self._of_a_run:
            return
        times = table["sys__ets"].to_numpy()
        if times[0] < self._last.get(name, self._start) or (np.diff(times) < 0).any():
            yield "rows are out of their order in time"
        self._last[name] = int(times[-1])
        if "sys__order" in table.column_names:
            yield from self._in_their_places(name, table, times, part)
        flows = flow_of(self._counters("sys__eid", table))
        if not np.array_equal(flows, self._counters("sys__sid", table)):
            yield "ids of events and sessions do not belong together, or not to the manifest's seed"
        self._flows.append(flows)

    def _in_their_places(
        self, name: str, table: pa.Table, times: npt.NDArray[np.int64], part: int
    ) -> Iterator[str]:
        places, rest = np.divmod(table["sys__order"].to_numpy() - 1 - part, self._parts)
        places += 1
        if rest.any():
            yield "events have the places of another part"
        if places[0] <= self._last_place.get(name, 0) or (np.diff(places) <= 0).any():
            yield "events are out of their places"
        self._last_place[name] = int(places[-1])
        told, count = self._places.get(part, (0, 0))
        self._places[part] = (told + int(places.sum()), count + len(places))
        if (table["sys__time"].cast(pa.int64()).to_numpy() // 1000 != times).any():
            yield "sys__time and sys__ets are not one instant"

    def sessions(self, table: pa.Table) -> Iterator[str]:
        """Rows of ``sessions``."""
        if not table.num_rows or not self._of_a_run:
            return
        self._sessions.append(self._counters("sys__sid", table))
        self._told.append(table["events"].to_numpy().astype(np.uint64))
        if (pl.Series(table["ended"]) < pl.Series(table["started"])).any():
            yield "a session ends before it starts"
        for name in table.column_names[table.column_names.index("events") + 1 :]:
            keys = pl.Series(table[name]).explode().drop_nulls().unique()
            held = self._held.get(name)
            self._held[name] = keys if held is None else pl.concat([held, keys]).unique()

    def entities(self, name: str, table: pa.Table) -> Iterator[str]:
        """Rows of ``entities/name``, whose first column is the key."""
        keys = pl.Series(table.column(0))
        self._entities.setdefault(name, []).append(keys)
        if keys.null_count():
            yield "an entity has no key"

    def history(self, name: str, table: pa.Table) -> Iterator[str]:
        """Rows of ``history/name``, whose first columns are the key, ``valid_from`` and ``valid_to``."""
        if "valid_to" not in table.column_names:
            return
        ends = pl.Series(table["valid_to"])
        self._versions.setdefault(name, []).append(pl.Series(table.column(0)).unique())
        self._open[name] = self._open.get(name, 0) + ends.null_count()
        if (ends < pl.Series(table["valid_from"])).any():
            yield "a version ends before it begins"

    # ------------------------------------------------ at the end

    def problems(self) -> Iterator[str]:
        """What does not fit between the tables, once all have been seen."""
        yield from self._between_events_and_sessions()
        if not self._filtered and any(2 * told != n * (n + 1) for told, n in self._places.values()):
            yield "events: their places are not 1, 2, 3 …"
        for name, pieces in self._entities.items():
            keys = pl.concat(pieces)
            if keys.n_unique() != len(keys):
                yield f"entities/{name}: a key is there twice"
            if name in self._held and not self._held[name].is_in(keys.implode()).all():
                yield f"sessions: a key of {name} is none in entities/{name}"
            if name in self._versions:
                versions = pl.concat(self._versions[name])
                if not versions.is_in(keys.implode()).all() or self._open[name] != len(keys):
                    yield f"history/{name}: its versions are not those of entities/{name}"

    def _between_events_and_sessions(self) -> Iterator[str]:
        if not self._sessions:
            return
        sessions, order = np.unique(np.concatenate(self._sessions), return_index=True)
        told = np.concatenate(self._told)
        if len(sessions) != len(told):
            yield "sessions: a session is there twice"
        flows, counts = np.unique(np.concatenate([*self._flows, np.empty(0, np.uint64)]), return_counts=True)
        place = np.searchsorted(sessions, flows)
        known = place < len(sessions)
        known[known] = sessions[place[known]] == flows[known]
        counted = np.zeros(len(sessions), np.uint64)
        counted[place[known]] = counts[known]
        wrong = counted > told[order] if self._filtered else counted != told[order]
        if wrong.any():
            yield f"sessions: {np.count_nonzero(wrong):,} of them have other events than they say"
        # initial entities have sessions of their own, one event each, and no rows
        if np.count_nonzero(~known) > self._born or (counts[~known] != 1).any():
            yield "sessions: there are events of sessions that are not there"

    def _counters(self, column: str, table: pa.Table) -> _Counts:
        ids = table[column].combine_chunks().cast(pa.string())
        ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        length = 12 if column == "sys__eid" else 8
        offsets = np.frombuffer(ids.buffers()[1], "<i4")[ids.offset : ids.offset + len(ids) + 1]
        if ids.null_count or (np.diff(offsets) != length).any():
            return np.full(len(ids), MASK, np.uint64)
        characters = np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(-1, length)
        return unscramble(self._keys[column], characters)
