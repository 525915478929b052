"""`Oracle`: each row's true chance, from futures of the world that it is a row of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.features import asked as ask
from deep_faker.features.bounds import Bound, Worlds, best_auc, best_log_loss
from deep_faker.features.frame import TrainingFrame, assembled
from deep_faker.features.future_tables import FutureTables
from deep_faker.features.rows import rows_of
from deep_faker.features.rules import CLOSED, Rules
from deep_faker.features.world import World
from deep_faker.spans import caller_span
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import to_datetime

if TYPE_CHECKING:
    from deep_faker.run.futures import Trunk

_MOST_INSTANTS = 100


@dataclass(frozen=True)
class Oracle:
    """What no model can know better: the chance of each row's label, all told of the world at its instant.

    ``rows`` has the key, ``at``, ``probability`` and its standard ``error``, in the order of the frame; null
    where the label's window ends after the run. ``auc`` and ``log_loss`` are the best that can be reached on
    these rows, each with its error and its spread, by which one world lies beside another. ``base_rate`` is
    the mean chance.
    """

    key: str
    rows: pl.DataFrame
    futures: int
    label: str
    auc: Bound
    log_loss: Bound
    base_rate: float
    worlds: Worlds = field(repr=False)
    known: np.ndarray[Any, np.dtype[np.int64]] = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"Oracle({self.label}, {self.rows.height:,} rows, {self.futures} futures)\n"
            f"  base rate {self.base_rate:.4f}\n"
            f"  AUC       {self.auc.value:.4f} ± {self.auc.error:.4f}\n"
            f"  log-loss  {self.log_loss.value:.4f} ± {self.log_loss.error:.4f}"
        )

    def of(self, rows: pl.DataFrame) -> tuple[Worlds, np.ndarray[Any, np.dtype[np.bool_]]]:
        """The futures of some of its rows, found by key and instant, and which of these are known.

        Raises `SettingsError` for rows that it has not been asked of.
        """
        place = pl.Series("_place", np.arange(self.rows.height))
        mine = self.rows.select(self.key, "at").with_columns(place)
        found = rows.select(self.key, "at").join(mine, on=[self.key, "at"], how="left", maintain_order="left")
        if found["_place"].null_count() or found.height != rows.height:
            label = f"{found['_place'].null_count():,} of {rows.height:,} rows are not the oracle's"
            raise refused("rows of another frame", label, "ask the oracle of all rows first, split afterwards")
        column = np.full(self.rows.height, -1)
        column[self.known] = np.arange(len(self.known))
        column = column[found["_place"].to_numpy()]
        return self.worlds[:, column[column >= 0]], column >= 0

    def calibration(self, frame: pl.DataFrame | pl.LazyFrame, bins: int = 10) -> pl.DataFrame:
        """Chances beside what happened, in ``bins`` groups of rows from the least chance to the greatest.

        ``rows``, mean ``probability``, the share that ``happened`` in the frame's label, and the ``error`` that
        this share has where the chances are right: how far futures lie from each other in that group. Raises
        `SettingsError` where the frame has no label of its own.
        """
        rows = frame.lazy().collect()
        label = label_of(frame, rows)
        worlds, is_known = self.of(rows)
        happened = rows[label].to_numpy()[is_known].astype(np.float64)
        chance = worlds.mean(axis=0)
        order = np.argsort(chance, kind="stable")
        out = []
        for part in np.array_split(order, min(bins, len(order))):
            shares = worlds[:, part].mean(axis=1)
            error = float(shares.std(ddof=1)) * float(np.sqrt(1 + 1 / len(worlds)))
            out.append((len(part), float(chance[part].mean()), float(happened[part].mean()), error))
        return pl.DataFrame(out, schema=["rows", "probability", "happened", "error"], orient="row")


def refused(title: str, label: str, mend: str = "") -> SettingsError:
    """The error for a wrong argument, at the user's line."""
    return SettingsError(Diagnostic(title, caller_span(), label, mend))


def label_of(frame: object, rows: pl.DataFrame) -> str:
    """The name of a frame's label, which is true or false. Raises `SettingsError` where it has none, or several."""
    names = frame.rules["label_columns"] if isinstance(frame, TrainingFrame) else ["label"]
    if len(names) != 1 or names[0] not in rows.columns or rows[names[0]].dtype != pl.Boolean:
        label = f"columns {', '.join(rows.columns)}"
        raise refused("no label that is true or false", label, "give a frame with label=Happens(...)")
    return str(names[0])


def oracle_of(
    world: World, trunk: Trunk, frame: pl.DataFrame | pl.LazyFrame, label: object, n: int
) -> Oracle:
    """See `Dataset.oracle`; ``trunk`` is the run that made ``world``."""
    if not isinstance(label, ask.Happens):
        mend = "give Happens(EventType, within=...): for other labels see sim.futures(...)"
        raise refused("no chance of that", f"label={label!r}", mend)
    [labels] = ask.named_labels(label).values()
    rows = frame.lazy().collect()
    _check_rows(world, rows)
    rules = _rules(frame, world.end)
    horizon = labels.windows[0][1]
    assert horizon is not None
    chances = np.zeros((n, rows.height), np.uint8)
    is_known = np.zeros(rows.height, bool)
    event = world.event(ask.name_of(label.event))
    needed = [world.key, TIME, ORDER, *([] if label.where is None else label.where.meta.root_names())]
    asked = trunk.asked([event], {event: list(dict.fromkeys(needed))})
    tables = FutureTables(world.source, world.entity, asked)
    own = rows.select(world.key, pl.col("at").cast(pl.Datetime("us")))
    for at, place in _by_instant(own["at"]):
        if at + horizon > rules.known:
            continue
        _check_instant(world, at, rules)
        trunk.go_to(at)
        _check_same(world, trunk, at)
        is_known[place] = True
        for number in range(n):
            tables.show(trunk.future(number + 1, asked, at + horizon))
            chances[number, place] = _labels(tables, world, own[place], label, rules)
    known = np.flatnonzero(is_known)
    if not len(known):
        label_ = f"rows from {own['at'].min()} on, labels over {label.within}"
        raise refused("no label is known", label_, "take rows whose window ends before the run")
    return _oracle(world.key, own, chances[:, known], known, label)


def _labels(
    tables: FutureTables, world: World, rows: pl.DataFrame, label: ask.Happens, rules: Rules
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The labels of rows of one instant in the future that the tables show."""
    future = World(tables, world.place, world.entity, start=world.start, end=world.end)
    meant = rows_of(future, rows, rules)
    made = assembled(future, rows, meant, {}, label, rules=rules).collect()
    return made["label"].to_numpy().astype(bool)


def _oracle(
    key: str, own: pl.DataFrame, worlds: Worlds, known: np.ndarray[Any, np.dtype[np.int64]], label: ask.Happens
) -> Oracle:
    n = len(worlds)
    sums = worlds.sum(axis=0, dtype=np.int64)
    smoothed = (sums + 1) / (n + 2)  # a share of 0 or 1 of n is not sure, either
    columns = {name: np.full(own.height, np.nan) for name in ("probability", "error")}
    columns["probability"][known] = sums / n
    columns["error"][known] = np.sqrt(smoothed * (1 - smoothed) / n)
    made = (pl.Series(name, values).fill_nan(None) for name, values in columns.items())
    return Oracle(
        key=key,
        rows=own.with_columns(*made),
        futures=n,
        label=label.shown(),
        auc=best_auc(worlds),
        log_loss=best_log_loss(worlds),
        base_rate=float(sums.mean() / n),
        worlds=worlds,
        known=known,
    )


def _by_instant(at: pl.Series) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.int64]]]]:
    """The instants in µs, rising, and the rows of each."""
    micros = at.dt.epoch("us").to_numpy()
    instants, which = np.unique(micros, return_inverse=True)
    if len(instants) > _MOST_INSTANTS:
        mend = f"take {_MOST_INSTANTS} instants at most, as at=Every(...) has them: each needs its own futures"
        raise refused("too many instants", f"{len(instants):,} different ones in 'at'", mend)
    for number, instant in enumerate(instants.tolist()):
        yield instant, np.flatnonzero(which == number)


def _check_rows(world: World, rows: pl.DataFrame) -> None:
    if world.key not in rows.columns or "at" not in rows.columns or not rows.height:
        label = f"columns {', '.join(rows.columns[:8])}; {rows.height:,} rows"
        raise refused("no rows", label, f"give a frame of training_frame, with {world.key!r} and 'at'")
    if ORDER in rows.columns:
        mend = "give instants: what follows an event hangs on what its flow does next"
        raise refused("rows of events have no oracle", "at=EventType", mend)


def _rules(frame: object, end: int) -> Rules:
    """The rules of the frame's labels: which end of the window is closed, and until when they are known."""
    said: Mapping[str, Any] = frame.rules if isinstance(frame, TrainingFrame) else {}
    closed = str(said.get("closed", "right"))
    assert closed in CLOSED, near(closed, CLOSED, "closed")
    return Rules(closed, 0, None, 0, end, None, {})


def _check_instant(world: World, at: int, rules: Rules) -> None:
    """What happens at the very instant is before the row, and after the branch: then nobody knows of it."""
    if not rules.sees_the_instant or at == world.start:
        return
    then = pl.lit(to_datetime(at)).cast(pl.Datetime("us"))
    for event in world.events:
        if world.collected(world.source.scan(f"events/{event}").filter(pl.col(TIME) == then).head(1), event).height:
            label = f"{event} at {to_datetime(at).isoformat()}, which features see and futures draw anew"
            mend = 'make the frame with closed="left", or take another instant'
            raise refused("events at the instant of rows", label, mend)


def _check_same(world: World, trunk: Trunk, at: int) -> None:
    """The run must be the one that made the data; who was born by then tells."""
    there = int((world.born < at).sum()) if at > world.start else int((world.born <= at).sum())
    here = trunk.born(world.entity)
    if here != there:
        label = f"{there:,} {world.entity} in the data, {here:,} in the simulation"
        raise refused("another world", label, "give the simulation that made the data set, unchanged")
