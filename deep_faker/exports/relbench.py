"""A RelBench 3 folder: tables with keys that are numbers, tasks with labels and the SQL that makes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.exports.label_sql import Label, checked_label, label_sql
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import VERSION, Tables
from deep_faker.exports.yaml_text import yaml_text
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import format_duration, parse_instant, to_datetime

_MIN_TRAIN = 3
"""What RelBench asks for."""
_SECOND = 1_000_000


@dataclass(frozen=True)
class Task:
    """A task of a RelBench folder: what happens to each entity after an instant.

    ``label``: `Happens`, `Count`, `Sum` or `Distinct` of `deep_faker.features`, with a window. ``windows``:
    at how many instants validation and test ask. ``hidden``: columns that the task must not see, as (table,
    column).

    >>> from deep_faker.features import Happens
    >>> Task("User", Happens("Bought", within="7d")).windows
    1
    """

    entity: type | str
    label: Label
    windows: int = 1
    hidden: Sequence[tuple[str, str]] = ()


def relbench(
    tables: Tables,
    path: object,
    *,
    tasks: Mapping[str, Task] | None = None,
    validation: str | dt.datetime | None = None,
    test: str | dt.datetime | None = None,
    name: str = "deep_faker",
    overwrite: bool = False,
) -> None:
    """A folder that ``relbench.load_dataset`` opens.

    ``db/`` has a table for each event type and each entity type, and, where a history was kept, one for the
    versions of each (``User_versions``). Keys are counted from 0 in the order of time; entities keep their
    own in ``KEY_original``. Entities have their state at birth, what came later is in the versions: the state
    at the end would tell the future. ``tasks/NAME`` have labels by `Dataset.training_frame` and the SQL by
    which RelBench makes the same ones anew.

    ``validation`` and ``test`` are the instants of the last two splits; where nothing is said, the test
    begins as late as its labels can be known, the validation as long before it. Raises `SettingsError` where
    there is no room for them. Tables are written one after the other, each sorted in memory.
    """
    tasks = dict(tasks or {})
    given: Mapping[str, object] = tasks
    for task_name, task in given.items():
        if not isinstance(task, Task):
            label = f"tasks[{task_name!r}]={task!r}"
            raise SettingsError(
                Diagnostic("no task", None, label, 'give Task(User, Happens(Bought, within="7d"))')
            )
        checked_label(tables, tables.entity(task.entity), task.label)
    edges = _edges(tables, tasks, validation, test)
    with staged(path, overwrite=overwrite, folder=True, marker="manifest.yaml") as place:
        (place / "db").mkdir()
        specs: dict[str, object] = {}
        for entity in tables.keys:
            specs |= _entity_tables(tables, entity, place / "db")
        for event in tables.events:
            specs[event] = _event_table(tables, event, place / "db")
        manifest = {
            "name": name,
            "manifest_version": 1,
            "description": f"Events and entities of a simulation, seed {tables.manifest['seed']}.",
            "val_timestamp": str(to_datetime(edges[0])),
            "test_timestamp": str(to_datetime(edges[1])),
            "tables": specs,
        }
        (place / "manifest.yaml").write_text(yaml_text(manifest))
        for task_name, made in tasks.items():
            _write_task(tables, place / "tasks" / task_name, task_name, made, edges)


# ---------------------------------------------------------------- tables


def _write(frame: pl.LazyFrame, tables: Tables, folder: Path, name: str) -> None:
    tables.collected(frame, name).write_parquet(folder / f"{name}.parquet")


def _codes(tables: Tables, entity: str) -> pl.LazyFrame:
    """Key of each entity → its number, in order of birth."""
    key = tables.keys[entity][0]
    return tables.scan_entities(entity).select(
        pl.col(key).alias("_key"), pl.row_index("_code").cast(pl.Int64)
    )


def _numbered(tables: Tables, frame: pl.LazyFrame, columns: Mapping[str, str]) -> pl.LazyFrame:
    """Columns that hold keys of entities, as numbers; null for what is nobody's key."""
    for column, entity in columns.items():
        codes = _codes(tables, entity)
        frame = frame.join(codes, left_on=column, right_on="_key", how="left", maintain_order="left")
        frame = frame.with_columns(pl.col("_code").alias(column)).drop("_code")
    return frame


def _entity_tables(tables: Tables, entity: str, folder: Path) -> dict[str, object]:
    key = tables.keys[entity][0]
    links = tables.links_of(entity)
    fields = list(tables.fields(entity))
    born = tables.scan_entities(entity).select(key, "born")
    specs: dict[str, object] = {}
    if tables.has_history(entity):
        versions = tables.versions(entity)
        start = versions.filter(pl.col(VERSION) == 1).select(key, *fields)
        born = born.join(start, on=key, how="left", maintain_order="left")
        later = _numbered(tables, versions.select(key, "valid_from", *fields), {key: entity, **links})
        numbered = later.with_row_index("version_id").cast({"version_id": pl.Int64})
        _write(numbered, tables, folder, f"{entity}_versions")
        specs[f"{entity}_versions"] = _spec("version_id", "valid_from", {key: entity, **links})
    else:
        links = {}
    original = pl.col(key).alias(f"{key}_original")
    frame = born.with_columns(original, pl.row_index(key).cast(pl.Int64))
    _write(_numbered(tables, frame, links), tables, folder, entity)
    return {entity: _spec(key, "born", links), **specs}


def _event_table(tables: Tables, event: str, folder: Path) -> dict[str, object]:
    named = tables.names_of(event)
    columns = tables.source.columns(f"events/{event}")
    own = "event_id" if "event_id" not in columns else "sys__number"
    frame = _numbered(tables, tables.scan_event(event), named).drop("sys__ets", ORDER)
    _write(frame.with_row_index(own).cast({own: pl.Int64}), tables, folder, event)
    return _spec(own, TIME, named)


def _spec(pkey: str, time: str, fkeys: Mapping[str, str]) -> dict[str, object]:
    return {"pkey": pkey, "time_col": time, "fkeys": dict(fkeys)}


# ---------------------------------------------------------------- tasks


def _window(task: Task) -> int:
    length = task.label.windows[0][1]
    assert length is not None
    return length


def _edges(
    tables: Tables,
    tasks: Mapping[str, Task],
    validation: str | dt.datetime | None,
    test: str | dt.datetime | None,
) -> tuple[int, int]:
    """Where validation and test begin, in µs; both leave room for their labels."""
    start, end = (parse_instant(tables.manifest[each], each) for each in ("start_time", "end_time"))
    seen = _last_instant(tables)
    ahead = max((task.windows * _window(task) for task in tasks.values()), default=(end - start) // 10)
    longest = max((_window(task) for task in tasks.values()), default=0)
    last = min(end, seen)
    second = (last - ahead) // _SECOND * _SECOND if test is None else parse_instant(test, "test")
    first = (
        (second - ahead) // _SECOND * _SECOND
        if validation is None
        else parse_instant(validation, "validation")
    )
    room = {
        "the test's labels": second + longest <= last,
        "the validation's labels": first + max(longest, 1) <= second,
        f"{_MIN_TRAIN} instants of training": first - _MIN_TRAIN * longest >= start,
    }
    for what, is_there in room.items():
        if not is_there:
            label = (
                f"the run is from {to_datetime(start)} to {to_datetime(last)}, "
                f"validation={to_datetime(first)}, "
                f"test={to_datetime(second)}, labels look {format_duration(longest)} ahead"
            )
            mend = "run longer, or take shorter windows"
            raise SettingsError(Diagnostic(f"no room for {what}", None, label, mend))
    return first, second


def _last_instant(tables: Tables) -> int:
    """The last instant of any table: RelBench takes labels up to there."""
    times = [tables.source.scan(f"events/{event}").select(pl.col(TIME).max()) for event in tables.events]
    last = tables.collected(pl.concat(times), "events").to_series().dt.epoch("us").max()
    return int(last) if isinstance(last, int) else parse_instant(tables.manifest["start_time"], "start_time")


def _write_task(tables: Tables, folder: Path, name: str, task: Task, edges: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    entity = tables.entity(task.entity)
    key, length = tables.keys[entity][0], _window(task)
    kind = "binary_classification" if type(task.label).__name__ == "Happens" else "regression"
    (folder / "manifest.yaml").write_text(
        yaml_text(
            {
                "name": name,
                "kind": "forecast",
                "task_type": kind,
                "description": f"{task.label.shown()} of each {entity}.",
                "entity_table": entity,
                "entity_col": key,
                "target_col": name,
                "time_col": "timestamp",
                "timedelta": f"{length} us",
                "num_eval_timestamps": task.windows,
                "remove_columns": [list(pair) for pair in task.hidden],
                "sql": label_sql(tables, entity, task.label, name),
                "manifest_version": 1,
            }
        )
    )
    born = tables.scan_entities(entity).select((pl.col("born") <= to_datetime(edges[1])).sum())
    known = int(tables.collected(born, f"entities/{entity}").item())
    for split, instants in _instants(tables, edges, length, task.windows).items():
        frame = tables.ds.training_frame(
            entity, at=[to_datetime(each) for each in instants], features={}, label={name: task.label}
        )
        codes = _codes(tables, entity)
        labels = (
            frame.lazy()
            .join(codes, left_on=key, right_on="_key", how="left")
            .select(pl.col("at").alias("timestamp"), pl.col("_code").alias(key), _target(name, kind))
            .filter(pl.col(key) < known)  # RelBench asks for none that was born in the test itself
            .sort("timestamp", key)
        )
        labels.collect().write_parquet(folder / f"{split}.parquet")


def _target(name: str, kind: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64 if kind == "binary_classification" else pl.Float64)


def _instants(tables: Tables, edges: tuple[int, int], length: int, windows: int) -> dict[str, list[int]]:
    """The instants of each split, as RelBench has them: back from the validation in steps of the window."""
    first, second = edges
    start = parse_instant(tables.manifest["start_time"], "start_time")
    begins = [start, *_begins(tables)]
    train = [*range(first - length, min(begins) - 1, -length)]
    return {
        "train": sorted(train),
        "val": [first + at * length for at in range(windows) if first + (at + 1) * length <= second],
        "test": [
            second + at * length
            for at in range(windows)
            if second + (at + 1) * length <= _last_instant(tables)
        ],
    }


def _begins(tables: Tables) -> list[int]:
    """The first instant of each table, where it has rows."""
    times = [tables.source.scan(f"events/{event}").select(pl.col(TIME).min()) for event in tables.events]
    times += [tables.scan_entities(entity).select(pl.col("born").min()) for entity in tables.keys]
    named = [each.select(pl.all().name.map(lambda _: "first")) for each in times]
    return tables.collected(pl.concat(named), "events").to_series().drop_nulls().dt.epoch("us").to_list()
