"""An independent checker of a data set: it reads the files and knows nothing of the engines.

`check` proves what can be proved from outside, each by a function of its own; what the files cannot say
(which event changes which state, which type is held from the start) the caller declares in a `World`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

Row = dict[str, Any]


class Broken(AssertionError):  # noqa: N818 - read as a sentence: the data set is broken
    """A statement about the data set that does not hold."""


@dataclass(frozen=True)
class Birth:
    """``event`` creates ``entity``; ``state`` is what it is born with, from the event's row."""

    event: str
    entity: str
    state: Callable[[Row], Row] = lambda row: {}


@dataclass(frozen=True)
class Use:
    """``event.field`` is the key of an ``entity``: held by the session, unless ``shared``."""

    event: str
    field: str
    entity: str
    shared: bool = False


@dataclass(frozen=True)
class Change:
    """An ``event`` changes ``field`` of the ``entity`` whose key is in ``event.key``.

    ``value`` is a constant, or a function of the event's row; ``when`` says for which rows.
    """

    event: str
    key: str
    entity: str
    field: str
    op: str
    value: Any
    when: Callable[[Row], bool] = lambda row: True


@dataclass(frozen=True)
class World:
    """What the files alone do not say."""

    births: tuple[Birth, ...] = ()
    uses: tuple[Use, ...] = ()
    changes: tuple[Change, ...] = ()
    from_start: frozenset[str] = (
        frozenset()
    )  # types that flows take by their filter only, and keep to the end
    released: frozenset[str] = frozenset()  # types that a flow may exchange for another (N4)
    bare: frozenset[str] = frozenset()  # types that a bare SetState changes too


@dataclass
class Files:
    """A data set's tables, as its files hold them."""

    folder: Path
    manifest: dict[str, Any]
    events: dict[str, pl.DataFrame]
    entities: dict[str, pl.DataFrame]
    history: dict[str, pl.DataFrame]
    sessions: pl.DataFrame
    lines: list[Row] = field(default_factory=list)  # of events.jsonl, in its order

    def key(self, entity: str) -> str:
        """The name of the key column: the first one."""
        return self.entities[entity].columns[0]


def load(folder: Path) -> Files:
    """Read everything."""
    manifest = json.loads((folder / "manifest.json").read_text())
    groups: dict[str, dict[str, pl.DataFrame]] = {"events": {}, "entities": {}, "history": {}}
    for group, tables in groups.items():
        for place in sorted((folder / group).glob("*")):
            tables[place.name] = pl.concat([pl.read_parquet(f) for f in sorted(place.glob("*.parquet"))])
    sessions = pl.concat([pl.read_parquet(f) for f in sorted((folder / "sessions").glob("*.parquet"))])
    files = Files(folder, manifest, groups["events"], groups["entities"], groups["history"], sessions)
    text = folder / "events.jsonl"
    if text.exists():
        files.lines = [json.loads(line) for line in text.read_text().splitlines()]
        by_type: dict[str, list[Row]] = defaultdict(list)
        for row in files.lines:
            by_type[row["event_type"]].append({k: v for k, v in row.items() if k != "event_type"})
        files.events = {n: pl.DataFrame(rows, infer_schema_length=None) for n, rows in by_type.items()}
    return files


def check(folder: Path, world: World, *, seed: int | None = None) -> Files:
    """Prove everything; raise `Broken` at the first statement that does not hold."""
    check_manifest(folder)
    files = load(folder)
    if seed is not None and files.manifest["seed"] != seed:
        raise Broken("the manifest has another seed")
    check_order(files)
    check_unique(files)
    check_sessions(files, world)
    check_limit(files)
    check_births(files, world)
    check_uses(files, world)
    check_exclusive(files, world)
    if files.history:
        check_history(files, world)
    check_final_state(files, world)
    check_places(files)
    return files


# ---------------------------------------------------------------- the files themselves


def check_manifest(folder: Path) -> None:
    """Every file is listed, with its rows, bytes and checksum, and nothing else lies there (R3)."""
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {file["path"]: file for file in manifest["files"]}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    if there != set(listed):
        raise Broken(f"manifest: files differ from the list: {sorted(there ^ set(listed))}")
    rows: Counter[str] = Counter()
    for path, said in listed.items():
        data = (folder / path).read_bytes()
        if len(data) != said["bytes"]:
            raise Broken(f"manifest: {path} has {len(data)} bytes, not {said['bytes']}")
        if hashlib.sha256(data).hexdigest() != said["sha256"]:
            raise Broken(f"manifest: {path} has another sha256")
        if path.endswith(".parquet"):
            count = pq.read_metadata(folder / path).num_rows
            rows[path.rpartition("/")[0]] += count
        else:
            count = data.count(b"\n")
            for line in data.splitlines():
                rows[f"events/{json.loads(line)['event_type']}"] += 1
        if count != said["rows"]:
            raise Broken(f"manifest: {path} has {count} rows, not {said['rows']}")
    for table, said in manifest["tables"].items():
        if said["rows"] != rows[table]:
            raise Broken(f"manifest: table {table} has {rows[table]} rows, not {said['rows']}")


def check_order(files: Files) -> None:
    """Every file is in the order of time (T9)."""
    for name, frame in files.events.items():
        if not frame["sys__ets"].is_sorted():
            raise Broken(f"order: events of {name} are not in time order")
    if any(a["sys__ets"] > b["sys__ets"] for a, b in pairwise(files.lines)):
        raise Broken("order: events.jsonl is not in time order")
    if not files.sessions["ended"].is_sorted():
        raise Broken("order: sessions are not in the order in which they ended")
    for name, frame in files.history.items():
        closed = frame.filter(pl.col("valid_to").is_not_null())
        if not closed["valid_to"].is_sorted():
            raise Broken(f"order: history of {name} is not in the order in which versions ended")


def check_places(files: Files) -> None:
    """Events count 1, 2, 3 … in the order of time, over all types (T9)."""
    shown = ["sys__order", "sys__time", "sys__ets"]
    events = pl.concat([frame.select(shown) for frame in files.events.values() if frame.height])
    events = events.sort("sys__order")
    if events["sys__order"].to_list() != [*range(1, events.height + 1)]:
        raise Broken("places: they are not 1, 2, 3 …")
    time = events["sys__time"].cast(pl.Datetime("us"))
    if not time.is_sorted() or (time.dt.epoch("ms") != events["sys__ets"]).any():
        raise Broken("places: they are not in the order of time")
    for frame in files.events.values():
        if not frame["sys__order"].is_sorted():
            raise Broken("places: a table is not in their order")
    if any(a["sys__order"] >= b["sys__order"] for a, b in pairwise(files.lines)):
        raise Broken("places: events.jsonl is not in their order")


def check_unique(files: Files) -> None:
    """Event ids, session ids and keys are unique (V2, N7), of the right length."""
    ids = pl.concat([frame["sys__eid"] for frame in files.events.values()])
    if not ids.is_unique().all():
        raise Broken("unique: an event id occurs twice")
    if set(ids.str.len_chars()) - {12}:
        raise Broken("unique: an event id has not 12 characters")
    sids = files.sessions["sys__sid"]
    if not sids.is_unique().all():
        raise Broken("unique: a session id occurs twice")
    if set(sids.str.len_chars()) - {8}:
        raise Broken("unique: a session id has not 8 characters")
    for name, frame in files.entities.items():
        if not frame[files.key(name)].is_unique().all():
            raise Broken(f"unique: a key of {name} occurs twice")


# ---------------------------------------------------------------- sessions


def _ms(time: datetime) -> int:
    """Milliseconds since the epoch, rounded down, by whole numbers."""
    return (time - datetime(1970, 1, 1)) // timedelta(milliseconds=1)


def check_sessions(files: Files, world: World) -> None:
    """Events lie within their sessions, which count them; starts lie before the end (T5, T6, N8)."""
    start = datetime.fromisoformat(files.manifest["start_time"])
    end = datetime.fromisoformat(files.manifest["end_time"])
    sources = {birth.event for birth in world.births}
    spans = {row["sys__sid"]: row for row in files.sessions.iter_rows(named=True)}
    found: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for name, frame in files.events.items():
        for row in frame.iter_rows(named=True):
            session = spans.get(row["sys__sid"])
            if session is None:
                if name not in sources or row["sys__ets"] != _ms(start):
                    raise Broken(f"sessions: an event of {name} has no session: {row}")
                alone[row["sys__sid"]] += 1
                continue
            found[row["sys__sid"]] += 1
            if not _ms(session["started"]) <= row["sys__ets"] <= _ms(session["ended"]):
                raise Broken(f"sessions: an event of {name} lies outside its session: {row}")
    if alone and max(alone.values()) > 1:
        raise Broken("sessions: two initial entities have one session id")
    for sid, session in spans.items():
        if session["events"] != found[sid]:
            raise Broken(f"sessions: {sid} has {found[sid]} events, not {session['events']}")
        if not start <= session["started"] < end:
            raise Broken(f"sessions: {sid} starts outside the simulation")
        if session["ended"] < session["started"]:
            raise Broken(f"sessions: {sid} ends before it starts")
        if session["outcome"] not in ("completed", "decayed", "no_entity", "cut"):
            raise Broken(f"sessions: {sid} has outcome {session['outcome']!r}")
        cut = session["outcome"] == "cut"
        if cut and (files.manifest["settings"]["on_end"] != "cut" or session["ended"] != end):
            raise Broken(f"sessions: {sid} is cut, but not at the end")
        if files.manifest["settings"]["on_end"] == "cut" and session["ended"] > end:
            raise Broken(f"sessions: {sid} goes on after the end")


def check_limit(files: Files) -> None:
    """Never more than n_flows flows at one instant, the instants of starting and ending included (T5)."""
    changes = [(time, 0, 1) for time in files.sessions["started"]]  # at one instant starts come first
    changes += [(time, 1, -1) for time in files.sessions["ended"]]
    active, limit = 0, files.manifest["settings"]["n_flows"]
    for time, _, change in sorted(changes):
        active += change
        if active > limit:
            raise Broken(f"limit: {active} flows are active at {time}, n_flows is {limit}")


# ---------------------------------------------------------------- entities


def check_births(files: Files, world: World) -> None:
    """An entity with a source event is born by exactly one of them, at its time (N6, N12)."""
    for entity in files.entities:
        births = [birth for birth in world.births if birth.entity == entity]
        if not births:
            continue
        key = files.key(entity)
        made = {
            row[key]: row["sys__ets"]
            for birth in births
            for row in files.events.get(birth.event, pl.DataFrame()).iter_rows(named=True)
        }
        born = {row[key]: _ms(row["born"]) for row in files.entities[entity].iter_rows(named=True)}
        if made != born:
            odd = sorted(k for k in made.keys() | born.keys() if made.get(k) != born.get(k))
            raise Broken(f"births: {entity} and its source events differ for {odd[:3]}")


def check_uses(files: Files, world: World) -> None:
    """A foreign key exists, was born before its use, and is in its session's list if held."""
    for use in world.uses:
        key = files.key(use.entity)
        born = {row[key]: _ms(row["born"]) for row in files.entities[use.entity].iter_rows(named=True)}
        held = dict(files.sessions.select("sys__sid", use.entity).iter_rows())
        for row in files.events.get(use.event, pl.DataFrame()).iter_rows(named=True):
            value = row[use.field]
            if value is None:
                continue
            if value not in born:
                raise Broken(f"uses: {use.event}.{use.field} {value!r} is no {use.entity}")
            if born[value] > row["sys__ets"]:
                raise Broken(f"uses: {use.event}.{use.field} {value!r} is used before its birth")
            if not use.shared and value not in held[row["sys__sid"]]:
                raise Broken(f"uses: {use.event}.{use.field} {value!r} is not held by its session")


def check_exclusive(files: Files, world: World) -> None:
    """No entity is in two sessions at one instant (N1), and one freed waits for the next step (N2).

    For types taken from the start the sessions' whole spans are compared. For the others the taking is not
    in the files: what is compared are the ends, and every event that names the entity.
    """
    start = datetime.fromisoformat(files.manifest["start_time"])
    step = timedelta(microseconds=files.manifest["settings"]["time_step_us"])
    for entity in files.entities:
        if entity in world.released:
            continue
        named = _named(files, world, entity)
        taken: dict[Any, list[Row]] = defaultdict(list)
        for session in files.sessions.iter_rows(named=True):
            if len(set(session[entity])) != len(session[entity]):
                raise Broken(f"exclusive: a session took one {entity} twice")
            for key in session[entity]:
                taken[key].append(session)
        for key, sessions in taken.items():
            for before, after in pairwise(sorted(sessions, key=lambda row: row["ended"])):
                free = start + ((before["ended"] - start) // step + 1) * step
                since = after["started"] if entity in world.from_start else after["ended"]
                if since < free:
                    raise Broken(f"exclusive: {entity} {key!r} is in two sessions at {after['started']}")
                if any(time < _ms(free) for time in named.get((after["sys__sid"], key), ())):
                    raise Broken(f"exclusive: {entity} {key!r} is named by two sessions at once")


def _named(files: Files, world: World, entity: str) -> dict[tuple[str, Any], list[int]]:
    """(session, key) → times of the events that name the held entity."""
    found = defaultdict(list)
    for use in world.uses:
        if use.entity == entity and not use.shared:
            for row in files.events.get(use.event, pl.DataFrame()).iter_rows(named=True):
                found[row["sys__sid"], row[use.field]].append(row["sys__ets"])
    return found


# ---------------------------------------------------------------- state


def _after(state: Row, change: Change, row: Row) -> Any:
    value = change.value(row) if callable(change.value) else change.value
    before = state[change.field]
    if change.op == "is":
        return value
    if change.op in ("min", "max"):
        return min(before, value) if change.op == "min" else max(before, value)
    return {
        "add": lambda: before + value,
        "subtract": lambda: before - value,
        "multiply": lambda: before * value,
    }[change.op]()


def _changes_of(files: Files, world: World, entity: str) -> Iterator[tuple[Row, list[Change]]]:
    """The events that change entities of this type, with what they do; one item an event and entity."""
    names = dict.fromkeys(change.event for change in world.changes if change.entity == entity)
    for name in names:
        declared = [c for c in world.changes if c.event == name and c.entity == entity]
        for row in files.events.get(name, pl.DataFrame()).iter_rows(named=True):
            valid = [c for c in declared if row[c.key] is not None and c.when(row)]
            if valid:
                yield row, valid


def check_history(files: Files, world: World) -> None:
    """Versions chain, each follows from the one before by its event, and the last is the final state."""
    for entity, frame in files.history.items():
        key = files.key(entity)
        beside = (key, "valid_from", "valid_to", "sys__eid", "sys__order", "sys__version")
        plain = [c for c in frame.columns if c not in beside]
        by_id = {row["sys__eid"]: (row, changes) for row, changes in _changes_of(files, world, entity)}
        births = _birth_states(files, world, entity)
        final = {row[key]: row for row in files.entities[entity].iter_rows(named=True)}
        versions: dict[Any, list[Row]] = defaultdict(list)
        for row in frame.iter_rows(named=True):
            versions[row[key]].append(row)
        if versions.keys() != final.keys():
            raise Broken(f"history: {entity} and its final states have other keys")
        used = set()
        for value, rows in versions.items():
            if rows[0]["valid_from"] != final[value]["born"]:
                raise Broken(f"history: {entity} {value!r} does not begin at its birth")
            if rows[-1]["valid_to"] is not None or any(row["valid_to"] is None for row in rows[:-1]):
                raise Broken(f"history: {entity} {value!r} has a wrong open version")
            if any(a["valid_to"] != b["valid_from"] for a, b in pairwise(rows)):
                raise Broken(f"history: {entity} {value!r} has a gap")
            if any(rows[-1][name] != final[value][name] for name in plain):
                raise Broken(f"history: {entity} {value!r} does not end in its final state")
            if [row["sys__version"] for row in rows] != [*range(1, len(rows) + 1)]:
                raise Broken(f"history: versions of {entity} {value!r} are not counted")
            if any(a["sys__order"] > b["sys__order"] for a, b in pairwise(rows)):
                raise Broken(f"history: versions of {entity} {value!r} are out of order")
            state = {name: rows[0][name] for name in plain}
            if value in births and state != (expected := {**state, **births[value]}):
                raise Broken(f"history: {entity} {value!r} is born as {state}, not {expected}")
            for row in rows[1:]:
                if row["sys__eid"] is None:
                    if entity not in world.bare:
                        raise Broken(f"history: {entity} {value!r} has a version without event")
                    state = {name: row[name] for name in plain}
                    continue
                if row["sys__eid"] not in by_id:
                    raise Broken(f"history: {entity} {value!r} was changed by an event that changes nothing")
                event, changes = by_id[row["sys__eid"]]
                if event["sys__order"] != row["sys__order"]:
                    raise Broken(f"history: {entity} {value!r} was not changed at its event's place")
                if event["sys__ets"] != _ms(row["valid_from"]):
                    raise Broken(f"history: {entity} {value!r} was not changed at its event's time")
                for change in changes:
                    if event[change.key] == value:
                        state = {**state, change.field: _after(state, change, event)}
                used.add((row["sys__eid"], value))
                if state != {name: row[name] for name in plain}:
                    raise Broken(
                        f"history: {entity} {value!r} does not follow from its event: {row}, not {state}"
                    )
        wanted = {(row["sys__eid"], row[c.key]) for row, changes in by_id.values() for c in changes}
        if wanted != used:
            raise Broken(f"history: {len(wanted - used)} changes of {entity} made no version")


def _birth_states(files: Files, world: World, entity: str) -> dict[Any, Row]:
    key = files.key(entity)
    return {
        row[key]: birth.state(row)
        for birth in world.births
        if birth.entity == entity
        for row in files.events.get(birth.event, pl.DataFrame()).iter_rows(named=True)
    }


def check_final_state(files: Files, world: World) -> None:
    """Birth state and all changes give the final state, for fields where the order does not matter.

    These are whole numbers that are only added to, and fields that one event type alone sets (its file is in
    order). Others need the history.
    """
    for entity, frame in files.entities.items():
        if entity in world.bare:
            continue
        key = files.key(entity)
        states = _birth_states(files, world, entity)
        if not states:
            continue
        changed = {c.field for c in world.changes if c.entity == entity}
        certain = {name for name in changed if _certain(world, entity, name, frame)}
        for row, changes in _changes_of(files, world, entity):
            for change in changes:
                if change.field in certain and row[change.key] in states:
                    state = states[row[change.key]]
                    state[change.field] = _after(state, change, row)
        for row in frame.iter_rows(named=True):
            for name, value in states[row[key]].items():
                if (name in certain or name not in changed) and row[name] != value:
                    raise Broken(f"final: {entity} {row[key]!r} has {name}={row[name]!r}, not {value!r}")


def _certain(world: World, entity: str, name: str, frame: pl.DataFrame) -> bool:
    changes = [c for c in world.changes if c.entity == entity and c.field == name]
    added = all(c.op in ("add", "subtract") for c in changes) and frame.schema[name] == pl.Int64
    return added or len({(c.event, c.key) for c in changes}) == 1


# ---------------------------------------------------------------- for negative controls


def seal(folder: Path) -> None:
    """Write the manifest's counts and checksums anew, so that only the content of a changed file is wrong."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    rows: Counter[str] = Counter()
    for file in manifest["files"]:
        data = (folder / file["path"]).read_bytes()
        file["bytes"], file["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        if file["path"].endswith(".parquet"):
            file["rows"] = pq.read_metadata(folder / file["path"]).num_rows
            rows[file["path"].rpartition("/")[0]] += file["rows"]
    for table, said in manifest["tables"].items():
        said["rows"] = rows[table]
    path.write_text(json.dumps(manifest))
