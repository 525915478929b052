"""Reading a run back: from a folder, or from memory."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict, Unpack, overload

import polars as pl

from deep_faker.declare.checks import one_of, whole
from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.run.parted.commit import commit
from deep_faker.simulate.choice import ENGINES
from deep_faker.tables.folder import FolderTables, opened
from deep_faker.tables.frames import Frames, Truth, entire, name_of
from deep_faker.tables.memory import MemoryTables
from deep_faker.tables.source import Source, entity_keys, in_group
from deep_faker.times import parse_duration, parse_instant
from deep_faker.write.files.manifest import NAME, check_manifest
from deep_faker.write.files.readers import guarded_reader
from deep_faker.write.files.verify import verify

if TYPE_CHECKING:
    from deep_faker.features.asked import Age, Amount, Happens, NextEvent, OfEvents, Outcome, State, TimeTo
    from deep_faker.features.frame import TrainingFrame
    from deep_faker.features.oracle import Oracle
    from deep_faker.features.oracle_of_classes import ClassOracle
    from deep_faker.features.oracle_of_numbers import NumberOracle
    from deep_faker.features.oracle_of_times import TimeOracle
    from deep_faker.features.probe import Probe
    from deep_faker.features.rules import RuleArguments
    from deep_faker.features.split import Split
    from deep_faker.features.told import Told
    from deep_faker.features.world import World
    from deep_faker.run.futures import Planned
    from deep_faker.write import MemoryOutput

    Rows = pl.LazyFrame | pl.DataFrame

    class HowAsked(TypedDict, total=False):
        """What `Dataset.oracle` takes by name."""

        sim: Required[Planned]
        n: int
        method: str
        engine: str


__all__ = ["Dataset", "commit", "verify"]


class Dataset:
    """The tables of one run.

    ``ds[UserLogin]`` (or its name) is a Polars frame of that event type, ``ds.scan(UserLogin)`` a
    lazy one; ``ds.events`` has the common columns of all types. ``ds.entities[User]`` is the final
    state, ``ds.history[User]`` every version, ``ds.sessions`` one row a flow, ``ds.manifest`` what
    the run was. Iterating gives the names of the event types. Frames hand themselves over by the
    Arrow PyCapsule interface, to pyarrow, pandas or DuckDB. A data set can be pickled, for worker
    processes: one in a folder takes its place with it, one in memory its tables.

    Raises `DatasetError` for a name that is not there, with those that are, and for files that are missing,
    damaged, or outside the folder.

    >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
    >>> class Ping(BaseEvent):
    ...     size: int = Field(faker="random_int", min=1, max=9)
    >>> sim = Simulation(duration="1s", start_time="2024-01-01", n_flows=2, random_seed=1)
    >>> @sim.flow()
    ... def ping(ctx):
    ...     yield NewEvent(ctx, Ping)
    >>> sim.collect()
    Dataset(in memory, 2 events)
      events    Ping: 2
      sessions  2
    """

    def __init__(self, source: Source, manifest: Mapping[str, Any], place: str) -> None:
        self._source = source
        self._place = place
        self._events = Frames(source, place, "events")
        self.entities: Mapping[type | str, pl.DataFrame] = Frames(source, place, "entities")
        """Entity type (or its name) → final state of its entities, in order of birth."""
        self.history: Mapping[type | str, pl.DataFrame] = Frames(source, place, "history")
        """Entity type (or its name) → every version of its entities; kept by ``run(history=True)``."""
        self.dirty: Mapping[type | str, pl.DataFrame] = Frames(source, place, "dirty")
        """Event type → what arrives of it, with its defects, in the order of arrival: of ``defects=``."""
        self.manifest: Mapping[str, Any] = manifest
        """The seed, start time, versions and files of the run; for a run in memory without files."""
        self.truth = Truth(source, place)
        """What nobody could have seen: latent state and hidden fields."""

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None
    ) -> Dataset:
        """The data set in the folder ``path``; files are read when a table is asked for.

        ``path`` may be a URL (``s3://bucket/shop``), with the ``storage_options`` of `ParquetOutput`.
        Raises `DatasetError` where there is no whole data set.
        """
        manifest, place = opened(path, storage_options)
        check_manifest(manifest, f"{place.base}/{NAME}")
        return cls(FolderTables(place, manifest), manifest, str(path))

    @classmethod
    def from_memory(cls, memory: MemoryOutput) -> Dataset:
        """What a `MemoryOutput` holds."""
        source = MemoryTables(memory)
        return cls(source, memory.manifest(), "in memory")

    def __repr__(self) -> str:
        events = sum(self._events.rows(name) for name in self)
        lines = [f"Dataset({self._place}, {events:,} events)"]
        for group in ("events", "entities", "history", "dirty"):
            frames = Frames(self._source, self._place, group)
            counts = [f"{name}: {frames.rows(str(name)):,}" for name in frames]
            if counts:
                lines.append(f"  {group:9} {', '.join(counts)}")
        if "sessions" in self._source.names():
            lines.append(f"  sessions  {self._source.rows('sessions'):,}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the tables, and counts over time."""
        from deep_faker.show.dataset import dataset_page

        groups = {group: list(in_group(self._source, group)) for group in ("events", "entities", "history")}
        return dataset_page(self._place, self._source, groups, self.manifest)

    def __getitem__(self, event: type | str) -> pl.DataFrame:
        return self._events[event]

    def __iter__(self) -> Iterator[str]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, event: object) -> bool:
        return event in self._events

    def scan(self, event: type | str, *, order: Literal["time", "part"] = "time") -> pl.LazyFrame:
        """A lazy frame of one event type. What its ``collect()`` raises of a damaged file is Polars' own.

        Of a run in parts it is in order of time, too, which takes all rows at once; ``order="part"`` gives
        part after part, each in order of time, which streams.
        """
        one_of("order", order, ("time", "part"))
        return self._events.scan(event, in_time=order == "time")

    @property
    def events(self) -> pl.DataFrame:
        """What all events have, in their exact order (T9).

        ``sys__eid``, ``sys__ets``, ``sys__sid``, ``sys__time`` (µs), ``sys__order`` (1, 2, 3 …),
        ``event_type``, and a column for each entity type whose key events name, null where one does not.
        A data set of a version that kept no ``sys__order`` is in the order of ``sys__ets``.
        """
        with guarded_reader(f"{self._place}: the events"):
            rows = sum(self._events.rows(name) for name in self)
            return entire(self._source.events(list(self)), rows)

    @property
    def sessions(self) -> pl.DataFrame:
        """One row a flow, in the order in which they ended."""
        if "sessions" not in self._source.names():
            raise DatasetError(Diagnostic("no sessions", None, f"{self._place} has no table of sessions"))
        with guarded_reader(f"{self._place}: sessions"):
            return entire(self._source.scan("sessions").collect(), self._source.rows("sessions"))

    @property
    def defects(self) -> pl.DataFrame:
        """The answer key: a row for each defect of the dirty stream, with the ``original`` value as JSON.

        ``sys__eid``, ``event_type``, ``kind``, ``field``, ``original``, ``sys__time``, ``sys__order`` and
        ``available_time`` (when what has the defect arrives; null: never).
        """
        return self._further("truth/defects", "defects=Defects(…)")

    @property
    def anomalies(self) -> pl.DataFrame:
        """Each event of the flows that are anomalies: ``sys__eid``, ``sys__sid``, ``kind``, ``flow`` …"""
        return self._further("truth/anomalies", "labels=Labels(…)")

    @property
    def incidents(self) -> pl.DataFrame:
        """What incidents touched, with their causes, their instants, and how much was lost."""
        return self._further("truth/incidents", "an Incident(…) as a season, or as during= of a defect")

    @property
    def labels(self) -> pl.DataFrame:
        """What was found out of events, in the order of the verdicts: see `deep_faker.defects.Labels`.

        ``sys__eid``, ``event_type``, ``sys__sid``, ``anomaly`` (what was said), ``reported_at``,
        ``known_at``.
        """
        return self._further("labels", "labels=Labels(…)")

    def _further(self, table: str, asked: str) -> pl.DataFrame:
        """A table that a run keeps where it is asked to. Raises `DatasetError` where it was not."""
        if table not in self._source.names():
            what, label = table.rpartition("/")[2], f"{self._place} has no table {table}"
            raise DatasetError(Diagnostic(f"no {what}", None, label, f"give the simulation {asked}"))
        with guarded_reader(f"{self._place}: {table}"):
            return entire(self._source.scan(table).collect(), self._source.rows(table))

    # ------------------------------------------------ truth and training

    def state(self, entity: type | str, at: str | dt.datetime) -> pl.DataFrame:
        """All entities of a type that were born by the instant ``at``, with their state just then.

        Key, state fields and ``born``, in order of birth, as ``ds.entities`` has them at the end. What
        happened at ``at`` itself has happened. Raises `DatasetError` without a history
        (``run(history=True)``).
        """
        from deep_faker.features.states import state_at

        return state_at(self._world(entity), parse_instant(at, "at"))

    def changes(self, entity: type | str) -> pl.DataFrame:
        """Every change of the entities of a type, in its exact order.

        Key, ``sys__time`` (µs), ``sys__order``, ``sys__version``, ``sys__eid`` of the event that made it
        (null for a bare `SetState`), ``op``: ``"c"`` born, ``"u"`` changed, ``"r"`` there when the run began;
        and the state ``before`` (null for the first) and ``after``, each a struct of key and state fields.
        Laid one over the other they give the final state. Raises `DatasetError` without a history.
        """
        from deep_faker.features.states import changes

        name = name_of(entity)
        initial = self.manifest.get("settings", {}).get("initial_entities", {}).get(name, 0)
        return changes(self._world(name), initial)

    def training_frame(
        self,
        entity: type | str,
        *,
        at: object,
        features: Mapping[str, State | Age | OfEvents | pl.Expr],
        label: object = None,
        eligible: pl.Expr | None = None,
        given: Sequence[str] = (),
        **rules: Unpack[RuleArguments],
    ) -> TrainingFrame:
        """Rows of (entity, instant) with features of what was known then and labels of what came after.

        ``at`` says when: an instant or several, ``Every("7d")``, a frame of keys and instants (``at``), or an
        event type, whose rows see what lies strictly before the event, and of its own fields those in
        ``given``. There is a row for each entity born by then, and not retired, that meets ``eligible``, a
        Polars condition on its state then. ``features`` and ``label`` come from `deep_faker.features`; a
        feature may be a Polars expression over those before it, ``label`` one label or several by name.

        Rules, with what holds where nothing is said:

        * ``closed="right"``: features look back over (t - w, t]; ``"left"``, ``"both"``, ``"none"``.
        * ``embargo``: features end so long before t. ``max_age``: older ``Last`` and ``TimeSince`` are null.
        * ``available``: when events were known where that was not at once, ``{Refund: "2d"}`` or a datetime
          field of theirs; features go by that clock, and by ``available_time`` where the run tells it.
          ``knowledge="event"`` pretends that all was known when it happened, and is warned of.
        * Labels look ahead over (t, t + h], and are null where the run's end, or ``as_known_at`` (the table
          as somebody saw it then), comes before t + h + ``label_delay``.

        The result, a lazy frame of what has been computed, has the key, ``at``, for events ``sys__eid``,
        ``sys__sid`` and ``sys__order``, then features and labels; its ``rules``, ``metadata`` and ``card``
        say how it was made. Raises `SettingsError` for wrong arguments, `DatasetError` where a table, a field
        or the exact order is missing.
        """
        from deep_faker.features.frame import training_frame
        from deep_faker.features.rules import checked_rules

        world = self._world(entity)
        checked = checked_rules(world.end, **rules)
        return training_frame(world, at, features, label, eligible=eligible, given=given, rules=checked)

    def split(
        self,
        frame: pl.LazyFrame | pl.DataFrame,
        *,
        by: str | Sequence[str] = "time",
        gap: str | float | dt.timedelta | None = None,
        validation: str | dt.datetime | None = None,
        test: str | dt.datetime | None = None,
        shares: Sequence[float] = (0.7, 0.15, 0.15),
        seed: int = 0,
    ) -> Split:
        """A training frame in ``train``, ``validation`` and ``test``, across which nothing is known.

        By ``"time"``: the validation begins at ``validation``, the test at ``test`` (where nothing is said,
        so that rows have these ``shares``), and rows whose labels reach into the next part are left out:
        those within ``gap`` of it, by default as far as the labels look ahead. By ``"entity"``: each has its
        part by a draw of its own, the same in every frame with this ``seed``. By both,
        ``["time", "entity"]``: only rows whose two parts are one. Rows without a known label are in none.
        Raises `SettingsError` where a part is empty; a part whose label is never true is warned of.
        """
        from deep_faker.features.frame import TrainingFrame
        from deep_faker.features.split import horizon, split

        rules = frame.rules if isinstance(frame, TrainingFrame) else {}
        rows = frame.lazy().collect()
        edges = tuple(
            None if edge is None else parse_instant(edge, name)
            for name, edge in (("validation", validation), ("test", test))
        )
        return split(
            self._world(rules.get("entity") or self._entity_of(rows)),
            rows,
            by=[by] if isinstance(by, str) else by,
            gap=horizon(rules) if gap is None else parse_duration(gap, "gap"),
            edges=(edges[0], edges[1]),
            shares=shares,
            seed=seed,
            labels=rules.get("label_columns", ["label"]),
        )

    def sequences(
        self,
        entity: type | str,
        *,
        before: object,
        length: int,
        events: Sequence[type | str] = (),
        fields: Sequence[str] = (),
        label: object = None,
        target: str | None = None,
        negatives: int = 0,
        weights: str = "popularity",
        seed: int = 0,
        **rules: Unpack[RuleArguments],
    ) -> TrainingFrame:
        """For each row the entity's last ``length`` events before it, as list columns, oldest first.

        ``before`` is what ``at`` is to `training_frame`, and ``label`` and the rules are the same. Columns:
        ``events`` (names of types), ``times``, and a list for each of ``fields``, null where a type has no
        such field. ``events=`` keeps some types only.

        With ``before=EventType``, ``target`` names a field of that event, which becomes a column, beside the
        list ``negatives`` of so many other values that had been seen by then, drawn by how often
        (``weights="popularity"``) or evenly (``"uniform"``). Raises as `training_frame` does.
        """
        from deep_faker.features.frame import sequence_frame
        from deep_faker.features.rules import checked_rules

        world = self._world(entity)
        checked = checked_rules(world.end, **rules)
        return sequence_frame(
            world,
            before,
            checked,
            length=length,
            events=events,
            fields=fields,
            label=label,
            target=target,
            negatives=negatives,
            weights=weights,
            seed=seed,
        )

    # ------------------------------------------------ other formats

    def export(
        self,
        format: str,  # noqa: A002 - the public name
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        **options: object,
    ) -> None:
        """Write the data set in a format that other tools read: see `deep_faker.exports` for all of them.

        ``format``: ``"relbench"``, ``"ocel"``, ``"xes"``, ``"debezium"``, ``"easytpp"``, ``"hotpp"``,
        ``"meds"`` or ``"huggingface"``; ``options`` are those of that format. What is written appears under
        ``path`` when it is whole. Raises `OutputExistsError` where something lies there, without
        ``overwrite``; `SettingsError` for wrong options; `DatasetError` where a table is missing.
        """
        from deep_faker.exports.door import export
        from deep_faker.exports.tables import Tables

        export(Tables(self, self._source, self._place), format, path, {"overwrite": overwrite, **options})

    def certify(self, simulation: Planned | None = None) -> Path:
        """Put a certificate beside the data: ``verify.sql``, whose path is given back, and ``verify.py``.

        Both need DuckDB and nothing else: keys exist at their time, nobody is in two sessions at once, the
        history is the fold of the changes, counts and rates are within theory's bounds. Of the ``simulation``
        that made the data the certificate also says what its flows promise; without it, each column that is
        named like a key is taken for that key. `verify` runs it. Raises `DatasetError` where the data set is
        not a folder of Parquet files on this machine.
        """
        from deep_faker.run.certified import facts_of
        from deep_faker.write.certificate.files import write_certificate

        if not isinstance(self._source, FolderTables) or not (folder := Path(self._place)).is_dir():
            label, mend = f"{self._place} is no folder on this machine", "write it to one first"
            raise DatasetError(Diagnostic("no place for a certificate", None, label, mend))
        start, history = (
            parse_instant(self.manifest["start_time"]),
            bool(self.manifest["settings"]["history"]),
        )
        facts = None if simulation is None else facts_of(simulation.plan_at(start, history=history))
        write_certificate(folder, self.manifest, facts)
        return folder / "verify.sql"

    @overload
    def oracle(self, frame: Rows, label: Happens, **how: Unpack[HowAsked]) -> Oracle: ...
    @overload
    def oracle(self, frame: Rows, label: TimeTo, **how: Unpack[HowAsked]) -> TimeOracle: ...
    @overload
    def oracle(self, frame: Rows, label: Amount, **how: Unpack[HowAsked]) -> NumberOracle: ...
    @overload
    def oracle(self, frame: Rows, label: NextEvent | Outcome, **how: Unpack[HowAsked]) -> ClassOracle: ...
    def oracle(
        self,
        frame: Rows,
        label: object,
        *,
        sim: Planned,
        n: int = 200,
        method: str = "auto",
        engine: str = "vectorized",
    ) -> Oracle | TimeOracle | NumberOracle | ClassOracle:
        """What can be known at best of each row's label, from ``n`` futures of the world of these data.

        ``frame`` is one of `training_frame` with rows at instants, ``label`` its label: of ``Happens(...)``
        the oracle has chances, of ``Count``, ``Sum`` and ``Distinct`` expected values and their spread, of
        ``TimeTo`` survival curves, of ``NextEvent``, and of ``Outcome`` of sessions under way, the chances of
        each class; all have the least errors that can be reached. ``sim`` is the simulation that made the
        data set, unchanged. At each instant of the frame the world branches into ``n`` futures, and each of
        them serves all its rows. The oracle knows all state, latent state too; what a model knows is less, so
        none is better on average, unless it leaks. Raises `SettingsError` for rows of events, instants
        between two steps of the run, other labels, and another simulation.
        """
        from deep_faker.features.oracles import checked_label, oracle_of
        from deep_faker.features.sampling import same_run
        from deep_faker.run.futures import Trunk

        whole(n, "n", least=4)
        one_of("engine", engine, ENGINES)
        one_of("method", method, ("auto", "formula", "futures"))
        checked_label(label)
        rows = frame.lazy().collect()
        rules = getattr(frame, "rules", {})
        world = self._world(rules.get("entity") or self._entity_of(rows))
        plan = sim.plan_at(parse_instant(self.manifest["start_time"]), history=False)
        same_run(self.manifest, plan, sim.random_seed)
        trunk = Trunk(plan, seed=self.manifest["seed"], engine=engine)
        return oracle_of(world, trunk, frame, label, n, method)

    def probe(self, model: object, frame: Rows, *, oracle: Told) -> Probe:
        """Whether ``model`` is better on ``frame`` than anything can be: then it knows what it should not.

        ``model`` has ``predict_proba`` or ``predict`` (of a matrix of the frame's features), or is a function
        of the frame of features, or the scores themselves, one a row: the greater, the likelier, the more or
        the later. Of classes it gives names, or a score for each of ``oracle.classes``. ``frame`` is of rows
        that the ``oracle`` was asked of, a test part of them, say; rows that the model was trained on look
        like a leak, as they are. Features that are a latent state or hidden field of `truth` are named, too.
        Raises `SettingsError` for other rows, a label of another kind, and scores that are no numbers.
        """
        from deep_faker.features.probe import probe_of

        tables = [*self.truth.entities.items(), *self.truth.history.items()]
        return probe_of(model, frame, oracle, [(str(name), table) for name, table in tables])

    def _entity_of(self, rows: pl.DataFrame) -> str:
        """The entity type whose key the rows have."""
        keys = {name: key for name, (key, _) in entity_keys(self._source).items() if key in rows.columns}
        if len(keys) != 1 or "at" not in rows.columns:
            label = f"columns {', '.join(rows.columns[:8])}"
            mend = "give a frame of training_frame, with its key and at"
            raise DatasetError(Diagnostic("whose rows are these?", None, label, mend))
        return next(iter(keys))

    def _world(self, entity: type | str) -> World:
        from deep_faker.features.world import World

        start, end = (parse_instant(self.manifest[name], name) for name in ("start_time", "end_time"))
        name = name_of(entity)
        retirement = self.manifest.get("settings", {}).get("retirement", {}).get(name)
        return World(self._source, self._place, name, start=start, end=end, retirement=retirement)
