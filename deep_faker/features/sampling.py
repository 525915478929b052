"""What the label of each row is in each of many futures: one future serves all rows of an instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from deep_faker.errors import near
from deep_faker.features import asked as ask
from deep_faker.features.frame import TrainingFrame, assembled
from deep_faker.features.future_tables import FutureTables
from deep_faker.features.rows import rows_of
from deep_faker.features.rules import CLOSED, Rules
from deep_faker.features.told import refused
from deep_faker.features.world import World
from deep_faker.run.runner import settings_of
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import parse_instant, to_datetime

if TYPE_CHECKING:
    import numpy.typing as npt

    from deep_faker.plan import Plan
    from deep_faker.run.futures import Trunk

_MOST_INSTANTS = 100
_SESSION = "sys__sid"


@dataclass(frozen=True)
class Samples:
    """``own``: key and instant of each row; ``worlds``: future × known row; ``known``: which rows these are.

    ``view``: until when each known row is looked at, in µs from its instant.
    """

    own: pl.DataFrame
    worlds: npt.NDArray[Any]
    known: npt.NDArray[np.int64]
    view: npt.NDArray[np.int64]


def sampled(
    world: World,
    trunk: Trunk,
    frame: pl.DataFrame | pl.LazyFrame,
    label: ask.OfEvents | ask.NextEvent | ask.Outcome,
    n: int,
    *,
    into: Callable[[pl.DataFrame], npt.NDArray[Any]],
    dtype: npt.DTypeLike,
) -> Samples:
    """The labels of a frame's rows in ``n`` futures, each ``into`` an array of ``dtype``.

    Raises `SettingsError` for rows that have no future to look at.
    """
    rows = frame.lazy().collect()
    check_rows(world, rows, label)
    rules = rules_of(frame, world.end, censors=isinstance(label, ask.TimeTo))
    asked = trunk.asked(*_needed(world, label))
    tables = FutureTables(world.source, world.entity, asked)
    session = [_SESSION] if isinstance(label, ask.Outcome) else []
    own = rows.select(world.key, pl.col("at").cast(pl.Datetime("us")), *session)
    worlds = np.zeros((n, own.height), dtype)
    views = np.full(own.height, -1, np.int64)
    for at, view, place in instants(world, trunk, own["at"], label, rules):
        views[place] = view
        for number in range(n):
            ended: list[pl.DataFrame] | None = [] if session else None
            tables.show(trunk.future(number + 1, asked, at + view, sessions=ended), ended)
            future = World(tables, world.place, world.entity, start=world.start, end=world.end)
            mine = own[place]
            made = assembled(future, mine, rows_of(future, mine, rules), {}, label, rules=rules).collect()
            worlds[number, place] = into(made)
    known = np.flatnonzero(views >= 0)
    return Samples(own.drop(session), worlds[:, known], known, views[known])


def instants(
    world: World, trunk: Trunk, at: pl.Series, label: object, rules: Rules
) -> Iterator[tuple[int, int, npt.NDArray[np.int64]]]:
    """The instants of rows whose label is known, in µs, how far it looks, and the places of these rows.

    The trunk stands at each when it is told. Raises `SettingsError` where there is none, and for the instants
    at which nothing can branch off.
    """
    some = False
    for instant, place in by_instant(at):
        view = view_of(label, instant, rules)
        if view is not None:
            some = True
            _check_instant(world, instant, rules)
            trunk.go_to(instant)
            _check_same(world, trunk, instant)
            yield instant, view, place
    if not some:
        shown = f"{len(at):,} rows, labels {ask.as_shown(label)}"
        raise refused("no label is known", shown, "take rows whose window ends before the run")


def _needed(world: World, label: object) -> tuple[list[str], dict[str, list[str]]]:
    """The event types that a label looks at, and the columns of each."""
    if isinstance(label, ask.Outcome):
        return (some := world.events[:1]), {name: [world.key, TIME, ORDER] for name in some}
    if isinstance(label, ask.NextEvent):
        names = [world.event(ask.name_of(event)) for event in label.events] or world.events
        return names, {name: [world.key, TIME, ORDER] for name in names}
    assert isinstance(label, ask.OfEvents)
    event = world.event(ask.name_of(label.event))
    more = [] if label.where is None else label.where.meta.root_names()
    own = [] if label.column is None else [world.column(event, label.column)]
    return [event], {event: list(dict.fromkeys([world.key, TIME, ORDER, *own, *more]))}


def view_of(label: object, at: int, rules: Rules) -> int | None:
    """How far from an instant a label looks, in µs; None where that is not known."""
    left = rules.known - rules.label_delay - at
    length = label.windows[0][1] if isinstance(label, ask.OfEvents) else getattr(label, "within", None)
    if length is None or isinstance(label, ask.TimeTo):  # what is not over is censored
        return min(left, left if length is None else length) if left > 0 else None
    return None if length > left else length


def by_instant(at: pl.Series) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
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


def check_rows(world: World, rows: pl.DataFrame, label: object) -> None:
    """Raise `SettingsError` for rows without key or instant, and for those of events."""
    if world.key not in rows.columns or "at" not in rows.columns or not rows.height:
        label_ = f"columns {', '.join(rows.columns[:8])}; {rows.height:,} rows"
        raise refused("no rows", label_, f"give a frame of training_frame, with {world.key!r} and 'at'")
    if ORDER in rows.columns:
        mend = "give instants: what follows an event hangs on what its flow does next"
        raise refused("rows of events have no oracle", "at=EventType", mend)
    if isinstance(label, ask.Outcome) and _SESSION not in rows.columns:
        mend = f"give at= a frame of sessions under way: {world.key!r}, 'at' and {_SESSION!r}"
        raise refused("whose outcome?", f"columns {', '.join(rows.columns[:8])}", mend)


def rules_of(frame: object, end: int, *, censors: bool = False) -> Rules:
    """The rules of the frame's labels: which end of the window is closed, and until when they are known."""
    said: Mapping[str, Any] = frame.rules if isinstance(frame, TrainingFrame) else {}
    closed = str(said.get("closed", "right"))
    assert closed in CLOSED, near(closed, CLOSED, "closed")
    if not (said and censors):
        return Rules(closed, 0, None, 0, end, None, {})
    known = parse_instant(said["labels_known_until"], "labels_known_until")
    return Rules(closed, 0, None, int(said["label_delay_us"]), min(end, known), None, {})


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
