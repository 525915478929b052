"""`TrainingFrame`: rows, features that see only what was known, labels that see only what came after."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from deep_faker.errors import near
from deep_faker.features import asked as ask
from deep_faker.features.card import card
from deep_faker.features.labels import matured, next_event, outcome, time_to, verdict
from deep_faker.features.measures import Column, Events, measured
from deep_faker.features.rows import Rows, rows_of
from deep_faker.features.rules import Rules
from deep_faker.features.search import I64, Moments
from deep_faker.features.sequences import negatives as others
from deep_faker.features.sequences import sequences
from deep_faker.features.states import states
from deep_faker.features.world import World
from deep_faker.tables.source import arriving

_TYPE = ("sys__eid", "sys__sid", "sys__order")
Features: TypeAlias = Mapping[str, "ask.State | ask.Age | ask.OfEvents | pl.Expr"]


class TrainingFrame(pl.LazyFrame):
    """A lazy frame of rows with their features and labels, which knows by what rules it was made.

    ``rules`` holds them as plain values, ``metadata`` as one JSON text (for ``sink_parquet(...,
    metadata=frame.metadata)``), ``card`` as a page for readers. Frames made from it are lazy frames
    that know nothing of this.
    """

    def __init__(self, frame: pl.DataFrame, rules: Mapping[str, Any]) -> None:
        super().__init__(frame)
        self.rules = dict(rules)
        self.card = card(frame, self.rules)

    @property
    def metadata(self) -> dict[str, str]:
        """The rules for the footer of a file."""
        return {"deep_faker.training_frame": json.dumps(self.rules, ensure_ascii=False)}


@dataclass
class _Task:
    """One column of events: a feature's or a label's window."""

    name: str
    of: ask.OfEvents
    length: int | None
    is_label: bool


@dataclass
class _Work:
    """The columns as they are made, by name, and their order."""

    names: list[str] = field(default_factory=list)
    made: dict[str, pl.Series] = field(default_factory=dict)

    def put(self, name: str, values: pl.Series) -> None:
        self.made[name] = values.alias(name)


def training_frame(
    world: World,
    at: object,
    features: Features,
    label: object,
    *,
    eligible: pl.Expr | None,
    given: Sequence[str],
    rules: Rules,
) -> TrainingFrame:
    """See `Dataset.training_frame`."""
    rules = rules.arriving(arriving(world.source, world.events))
    rows = asked_rows(world, at, rules, given, eligible)
    return assembled(world, at, rows, features, label, rules=rules, given=given, eligible=eligible)


def asked_rows(
    world: World, at: object, rules: Rules, given: Sequence[str], eligible: pl.Expr | None
) -> Rows:
    """The rows that are meant, as the searches want them."""
    rows = rows_of(world, at, rules, given)
    return rows if eligible is None else _eligible(world, rows, eligible, rules)


def assembled(
    world: World,
    at: object,
    rows: Rows,
    features: Features,
    label: object,
    *,
    rules: Rules,
    given: Sequence[str] = (),
    eligible: pl.Expr | None = None,
) -> TrainingFrame:
    """The frame of these rows, in the order in which they are handed out."""
    labels = ask.named_labels(label)
    derived = {name: each for name, each in features.items() if isinstance(each, pl.Expr)}
    _check(world, features, labels, given)
    work, tasks = _Work(), []
    for name, feature in features.items():
        tasks += _feature(world, work, rows, rules, name, feature)
    of_labels: list[str] = []
    for name, each in labels.items():
        first = len(work.names)
        tasks += _label(world, work, rows, rules, name, each)
        of_labels += work.names[first:]
    _measure(world, work, rows, rules, tasks)
    frame = rows.shown.hstack([work.made[name] for name in work.names if name in work.made])
    frame = frame.with_columns(_place=pl.Series(rows.place)).sort("_place").drop("_place")
    frame = _with_derived(frame, derived)
    frame = frame.select(*rows.shown.columns, *work.names)
    said = {
        "entity": world.entity,
        "key": world.key,
        "rows": {"kept": len(rows), "not_born": rows.left_out},
        "at": _shown_at(at),
        "given": list(given),
        "features": {name: ask.as_shown(each) for name, each in features.items()},
        "labels": {name: ask.as_shown(each) for name, each in labels.items()},
        "label_columns": of_labels,
        "horizon_us": _horizon(labels.values()),
        "eligible": None if eligible is None else str(eligible),
        **rules.as_json(),
    }
    return TrainingFrame(frame, said)


def sequence_frame(
    world: World,
    before: object,
    rules: Rules,
    *,
    length: int,
    events: Sequence[type | str],
    fields: Sequence[str],
    label: object,
    target: str | None,
    negatives: int,
    weights: str,
    seed: int,
) -> TrainingFrame:
    """See `Dataset.sequences`."""
    for name, number, least in (("length", length, 1), ("negatives", negatives, 0)):
        if type(number) is not int or number < least:
            raise ask.refused(f"wrong {name}", f"{name}={number!r}", f"give a whole number from {least} on")
    rules = rules.arriving(arriving(world.source, world.events))
    if rules.available:
        label = f"available={dict(rules.available)!r}"
        mend = 'sequences are in the order of what happened: knowledge="event" takes them so'
        raise ask.refused("available= of a sequence", label, mend)
    if negatives and target is None:
        raise ask.refused("negatives of what?", f"negatives={negatives}", 'name a field: target="product_id"')
    rows = asked_rows(world, before, rules, (), None)
    lists = [sequences(world, rows, rules, length=length, events=events, fields=fields)]
    if target is not None:
        if not rows.moments.exact:
            raise ask.refused(
                "target of no event", f"target={target!r}", "it goes with before=EventType only"
            )
        event = ask.name_of(before)
        lists.append(others(world, rows, event, target, count=negatives, weights=weights, seed=seed))
    made = assembled(world, before, rows, {}, label, rules=rules)
    ordered = pl.concat(lists, how="horizontal")[np.argsort(rows.place, kind="stable")]
    taken = [name for name in ordered.columns if name in made.collect_schema()]
    if taken:
        raise ask.refused(f"two columns {taken[0]!r}", "a list and a column of the rows", "leave one out")
    labels: list[str] = made.rules["label_columns"]
    whole = made.collect().hstack(ordered).select(pl.exclude(labels), *labels)
    return TrainingFrame(whole, {**made.rules, "sequences": {"length": length, "fields": list(fields)}})


def _shown_at(at: object) -> str:
    if isinstance(at, type):
        return f"each {at.__name__}, strictly before it"
    if isinstance(at, (str, dt.datetime, ask.Every)):
        return str(at)
    return (
        "instants given by hand"
        if isinstance(at, (list, tuple, pl.Series))
        else "a frame of keys and instants"
    )


def _horizon(labels: Iterable[object]) -> int | None:
    """How far the labels look ahead, in µs; None where one has no end."""
    ends = [
        label.windows[0][1] if isinstance(label, ask.OfEvents) else getattr(label, "within", None)
        for label in labels
    ]
    known = [end for end in ends if end is not None]
    return max(known, default=0) if len(known) == len(ends) else None


def _check(
    world: World, features: Mapping[str, object], labels: Mapping[str, object], given: Sequence[str]
) -> None:
    """Refuse what is no feature, and names that are taken."""
    taken = [world.key, "at", *_TYPE, *given]
    for name, each in {**features, **labels}.items():
        if name in taken:
            mend = "name the column otherwise"
            raise ask.refused(f"{name!r} is a column of the rows themselves", f"{name}={each!r}", mend)
        if name in features and name in labels:
            raise ask.refused(f"{name!r} is a feature and a label", f"{name}={each!r}", "name one otherwise")
    for name, each in features.items():
        if isinstance(each, (ask.TimeTo, ask.NextEvent, ask.Outcome, ask.Verdict)):
            raise ask.refused("a label among the features", f"{name}={each!r}", "give it as label=")
        if not isinstance(each, (ask.State, ask.Age, ask.OfEvents, pl.Expr)):
            kinds = (
                "State, Count, Sum, Mean, Min, Max, Last, Distinct, TimeSince, Age, or a Polars expression"
            )
            raise ask.refused("no feature", f"{name}={each!r}", f"features are {kinds}")


def _eligible(world: World, rows: Rows, condition: pl.Expr, rules: Rules) -> Rows:
    """The rows whose entity meets a condition on its state then."""
    names = condition.meta.root_names()
    then = states(world, names, rows.code, rules.seen(rows.moments))
    met = then.select(condition.fill_null(value=False).alias("met")).to_series()
    if met.dtype != pl.Boolean or len(met) != len(rows):
        raise ask.refused("eligible= is no condition", str(condition), 'such as pl.col("plan") == "pro"')
    return rows.only(met.to_numpy())


def _feature(world: World, work: _Work, rows: Rows, rules: Rules, name: str, feature: object) -> list[_Task]:
    if isinstance(feature, pl.Expr):
        work.names.append(name)
        return []
    if isinstance(feature, ask.State):
        work.names.append(name)
        then = states(world, [feature.field], rows.code, rules.seen(rows.moments))
        work.put(name, then.to_series())
        return []
    if isinstance(feature, ask.Age):
        work.names.append(name)
        age = rows.moments.time - world.born[rows.code]
        work.put(name, pl.Series(age).cast(pl.Duration("us")))
        return []
    assert isinstance(feature, ask.OfEvents)
    tasks = [_Task(name + end, feature, length, is_label=False) for end, length in feature.windows]
    work.names += [task.name for task in tasks]
    return tasks


def _label(world: World, work: _Work, rows: Rows, rules: Rules, name: str, label: object) -> list[_Task]:
    work.names.append(name)
    if isinstance(label, ask.NextEvent):
        work.put(name, next_event(world, label, rows, rules))
        return []
    if isinstance(label, ask.Outcome):
        work.put(name, outcome(world, rows, rules, world.source.scan("sessions")))
        return []
    if isinstance(label, ask.Verdict):
        work.put(name, verdict(world, rows, rules))
        return []
    assert isinstance(label, ask.OfEvents)
    if isinstance(label, ask.TimeTo):
        work.names.append(f"{name}_observed")
    return [_Task(name, label, label.windows[0][1], is_label=True)]


def _measure(world: World, work: _Work, rows: Rows, rules: Rules, tasks: Sequence[_Task]) -> None:
    """Make the columns of events: each type is read and sorted once, each of its fields read once."""
    groups: dict[tuple[str, bytes, int | str], list[_Task]] = {}
    for task in tasks:
        event = world.event(ask.name_of(task.of.event))
        clock = 0 if task.is_label else rules.available.get(event, 0)
        same = b"" if task.of.where is None else task.of.where.meta.serialize()
        groups.setdefault((event, same, clock), []).append(task)
    for (event, _, clock), together in groups.items():
        where = together[0].of.where
        events = Events(world, event, where, clock, ordered=rows.moments.exact)
        windows = _Windows(events, rows, rules)
        sums_first = sorted(together, key=lambda task: type(task.of) not in (ask.Sum, ask.Mean))
        by_column = sorted(sums_first, key=lambda task: task.of.column or "")
        column: Column | None = None
        held = ""
        for task in by_column:
            if task.of.column is not None and task.of.column != held:
                column = None  # let go of the one before
                column, held = Column(events, task.of.column), task.of.column
            if isinstance(task.of, ask.TimeTo):
                time, observed = time_to(events, rows, rules, task.length)
                work.put(task.name, time)
                work.put(f"{task.name}_observed", observed)
                continue
            window = windows.label(task.length) if task.is_label else windows.feature(task.of, task.length)
            values = measured(events, column, task.of, window, rows.moments)
            if task.is_label:
                assert task.length is not None
                known = matured(rows, rules, task.length)
                values = pl.select(pl.when(known).then(values)).to_series()
            work.put(task.name, values)


class _Windows:
    """The ranges of positions of each row's windows over some events, each searched once."""

    def __init__(self, events: Events, rows: Rows, rules: Rules) -> None:
        self._groups, self._rows, self._rules = events.groups, rows, rules
        self._known: dict[tuple[str, int | None], I64] = {}

    def feature(self, feature: ask.OfEvents, length: int | None) -> tuple[I64, I64]:
        rules, rows = self._rules, self._rows
        if isinstance(feature, (ask.Last, ask.TimeSince)) and rules.max_age is not None:
            length = rules.max_age if length is None else min(length, rules.max_age)
        last = self._before("seen", None, rules.seen(rows.moments))
        if length is None:
            return self._begin(), last
        return self._before("from", length, rules.window_begin(rows.moments, length)), last

    def label(self, length: int | None) -> tuple[I64, I64]:
        rules, rows = self._rules, self._rows
        assert length is not None
        first = self._before("after", None, rules.label_begin(rows.moments))
        return first, self._before("until", length, rules.label_end(rows.moments, length))

    def _before(self, what: str, length: int | None, moments: Moments) -> I64:
        if (what, length) not in self._known:
            self._known[what, length] = self._groups.before(self._rows.code, moments)
        return self._known[what, length]

    def _begin(self) -> I64:
        if ("begin", None) not in self._known:
            self._known["begin", None] = self._groups.begin(self._rows.code)
        return self._known["begin", None]


def _with_derived(frame: pl.DataFrame, derived: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The features that are expressions of others, in the order given."""
    for name, expression in derived.items():
        for needed in expression.meta.root_names():
            if needed not in frame.columns:
                label = f"{name}={expression} reads {needed!r}"
                raise ask.refused("no such feature", label, near(needed, frame.columns))
        frame = frame.with_columns(expression.alias(name))
    return frame
