"""`Oracle`: each row's true chance, from futures of the world that it is a row of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from deep_faker.draws.mix import Draws, mix_unit
from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.features import asked as ask
from deep_faker.features.bounds import Bound, Worlds, best_auc, best_log_loss
from deep_faker.features.frame import TrainingFrame, assembled
from deep_faker.features.future_tables import FutureTables
from deep_faker.features.rows import rows_of
from deep_faker.features.rules import CLOSED, Rules
from deep_faker.features.world import World
from deep_faker.run.runner import settings_of
from deep_faker.spans import caller_span
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import to_datetime

if TYPE_CHECKING:
    from deep_faker.plan import Plan
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
            raise refused(
                "rows of another frame", label, "ask the oracle of all rows first, split afterwards"
            )
        column = np.full(self.rows.height, -1)
        column[self.known] = np.arange(len(self.known))
        column = column[found["_place"].to_numpy()]
        return self.worlds[:, column[column >= 0]], column >= 0

    def calibration(self, frame: pl.DataFrame | pl.LazyFrame, bins: int = 10) -> pl.DataFrame:
        """Chances beside what happened, in ``bins`` groups of rows from the least chance to the greatest.

        ``rows``, mean ``probability``, the share that ``happened`` in the frame's label, and the ``error``
        that this share has where the chances are right: how far futures lie from each other in that group.
        Half of the futures say which rows go together, the others how likely they are: else those with luck
        would stand together. Raises `SettingsError` where the frame has no label of its own.
        """
        rows = frame.lazy().collect()
        label = label_of(frame, rows)
        worlds, is_known = self.of(rows)
        happened = rows[label].to_numpy()[is_known].astype(np.float64)
        order = np.argsort(worlds[::2].sum(axis=0), kind="stable")
        others = worlds[1::2]
        out = []
        for part in np.array_split(order, min(bins, len(order))):
            shares = others[:, part].mean(axis=1)
            chance = float(shares.mean())
            least = (shares.sum() * len(part) + 1) / (len(others) * len(part) + 1)  # none of n may be by luck
            spread = max(float(shares.std(ddof=1)), float(np.sqrt(least / len(part) * (1 - least))))
            error = spread * float(np.sqrt(1 + 1 / len(others)))
            out.append((len(part), chance, float(happened[part].mean()), error))
        return pl.DataFrame(out, schema=["rows", "probability", "happened", "error"], orient="row")


def refused(title: str, label: str, mend: str = "") -> SettingsError:
    """The error for a wrong argument, at the user's line."""
    return SettingsError(Diagnostic(title, caller_span(), label, mend))


def label_of(frame: object, rows: pl.DataFrame) -> str:
    """The name of a frame's label, which is true or false. Raises `SettingsError` where it has none, or
    several."""
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
        label_ = f"{own.height:,} rows, labels over {label.within}"
        raise refused("no label is known", label_, "take rows whose window ends before the run")
    return _oracle(world.key, own, chances[:, known], known, label.shown())


def chances_known(
    probabilities: Sequence[float], *, futures: int = 200, rows: pl.DataFrame | None = None, seed: int = 0
) -> Oracle:
    """The oracle of rows whose chances a formula tells; futures are drawn of these, each row for itself.

    ``rows`` has a key, first, and ``at``; without it rows have the numbers 0, 1, 2 … Raises `SettingsError`
    for what is no chance.

    >>> chances_known([0.1, 0.9] * 500).auc.value > 0.85
    True
    """
    chance = np.asarray(probabilities, np.float64)
    if chance.ndim != 1 or not len(chance) or not ((chance >= 0) & (chance <= 1)).all():
        label = f"{len(chance)} values, from {chance.min(initial=1)} to {chance.max(initial=0)}"
        raise refused("no chances", label, "give a number from 0 to 1 for each row")
    if rows is None:
        at = pl.lit(to_datetime(0)).cast(pl.Datetime("us"))
        rows = pl.select(row=pl.int_range(len(chance))).with_columns(at=at)
    place = np.arange(len(chance), dtype=np.uint64)
    key = Draws(seed).key("known chances")
    worlds = np.array([mix_unit(key, place, world) < chance for world in range(futures)], np.uint8)
    names = [rows.columns[0], "at"]
    made = _oracle(names[0], rows.select(names), worlds, place.astype(np.int64), "known chances")
    exact = made.rows.with_columns(probability=pl.Series(chance), error=pl.lit(0.0))
    return replace(made, rows=exact, base_rate=float(chance.mean()))


def _labels(
    tables: FutureTables, world: World, rows: pl.DataFrame, label: ask.Happens, rules: Rules
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The labels of rows of one instant in the future that the tables show."""
    future = World(tables, world.place, world.entity, start=world.start, end=world.end)
    meant = rows_of(future, rows, rules)
    made = assembled(future, rows, meant, {}, label, rules=rules).collect()
    return made["label"].to_numpy().astype(bool)


def _oracle(
    key: str, own: pl.DataFrame, worlds: Worlds, known: np.ndarray[Any, np.dtype[np.int64]], label: str
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
        label=label,
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
        mend = (
            f"take {_MOST_INSTANTS} instants at most, as at=Every(...) has them: each needs its own futures"
        )
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
        if world.collected(
            world.source.scan(f"events/{event}").filter(pl.col(TIME) == then).head(1), event
        ).height:
            label = f"{event} at {to_datetime(at).isoformat()}, which features see and futures draw anew"
            mend = 'make the frame with closed="left", or take another instant'
            raise refused("events at the instant of rows", label, mend)


def same_run(manifest: Mapping[str, Any], plan: Plan, seed: int | None) -> None:
    """Raise `SettingsError` where the plan is not that of the run which the manifest tells of."""
    said = manifest.get("settings", {})
    here: dict[str, object] = {"random_seed": seed, **settings_of(plan)}
    there = {"random_seed": manifest["seed"], **said, "history": plan.settings.history}
    if manifest.get("partitions", 1) > 1:
        mend = "make the data set in one piece: futures branch off of one run"
        raise refused("a data set of parts has no oracle", f"partitions={manifest['partitions']}", mend)
    for name, value in here.items():
        if name in there and there[name] != value:
            label = f"{name} was {there[name]!r} and is {value!r}"
            raise refused("another world", label, "give the simulation that made the data set, unchanged")


def _check_same(world: World, trunk: Trunk, at: int) -> None:
    """The run must be the one that made the data; who was born by then tells."""
    there = int((world.born < at).sum()) if at > world.start else int((world.born <= at).sum())
    here = trunk.born(world.entity)
    if here != there:
        label = f"{there:,} {world.entity} in the data, {here:,} in the simulation"
        raise refused("another world", label, "give the simulation that made the data set, unchanged")
