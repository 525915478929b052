"""Which oracle a label has: each kind is asked of the same futures in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from deep_faker.features import asked as ask
from deep_faker.features.closed_form import found
from deep_faker.features.formula import NoFormulaError
from deep_faker.features.oracle import Oracle, chances_known, happened, oracle_of_events
from deep_faker.features.oracle_of_classes import NONE, ClassOracle, codes, oracle_of_classes
from deep_faker.features.oracle_of_numbers import NumberOracle, numbers, oracle_of_numbers
from deep_faker.features.oracle_of_times import TimeOracle, oracle_of_times, signed
from deep_faker.features.sampling import check_rows, instants, rules_of, sampled
from deep_faker.features.told import refused
from deep_faker.plan.trace import OUTCOMES

if TYPE_CHECKING:
    from deep_faker.features.world import World
    from deep_faker.run.futures import Trunk


AnyOracle: TypeAlias = Oracle | NumberOracle | TimeOracle | ClassOracle

_WHY_NOT: dict[type, str] = {
    ask.Mean: "of no events it is nothing, so it has no expected value: ask for Sum and for Count",
    ask.Min: "of no events it is nothing, so it has no expected value: ask for Happens, with where=",
    ask.Max: "of no events it is nothing, so it has no expected value: ask for Happens, with where=",
    ask.Last: "of no events it is nothing, so it has no expected value: ask for Happens, with where=",
    ask.TimeSince: "it looks back, where all is known: ask for TimeTo",
    ask.Verdict: "it is what somebody says of the past: ask for the event itself, Happens(...)",
}


def oracle_of(
    world: World, trunk: Trunk, frame: pl.DataFrame | pl.LazyFrame, label: object, n: int, method: str
) -> AnyOracle:
    """See `Dataset.oracle`; ``trunk`` is the run that made ``world``."""
    checked_label(label)
    shown = ask.as_shown(label)
    if method != "futures":
        try:
            return _by_formula(world, trunk, frame, label, n)
        except NoFormulaError as why:
            if method == "formula":
                mend = 'leave out method="formula", and futures are asked'
                raise refused("no formula", f"{shown}: {why}", mend) from None
    if isinstance(label, ask.Happens):
        samples = sampled(world, trunk, frame, label, n, into=happened, dtype=np.uint8)
        return oracle_of_events(world.key, samples, shown)
    if isinstance(label, ask.TimeTo):
        samples = sampled(world, trunk, frame, label, n, into=signed, dtype=np.float64)
        return oracle_of_times(world.key, samples, shown)
    if isinstance(label, (ask.NextEvent, ask.Outcome)):
        classes = _classes(world, label)
        samples = sampled(
            world, trunk, frame, label, n, into=lambda made: codes(made, classes), dtype=np.int16
        )
        return oracle_of_classes(world.key, samples, shown, classes)
    assert isinstance(label, ask.OfEvents)
    samples = sampled(world, trunk, frame, label, n, into=numbers, dtype=np.float64)
    return oracle_of_numbers(world.key, samples, shown)


def _by_formula(
    world: World, trunk: Trunk, frame: pl.DataFrame | pl.LazyFrame, label: object, n: int
) -> Oracle:
    """The oracle of chances that the table tells. Raises `NoFormulaError` where it does not."""
    if not isinstance(label, ask.Happens):
        raise NoFormulaError(f"of Happens alone, not of {type(label).__name__}")
    form = found(trunk.plan, world, label)
    rows = frame.lazy().collect()
    check_rows(world, rows, label)
    own = rows.select(world.key, pl.col("at").cast(pl.Datetime("us")))
    codes = world.codes(own.lazy()).collect()["_code"].to_numpy()
    chances = np.full(own.height, np.nan)
    for at, view, place in instants(world, trunk, own["at"], label, rules_of(frame, world.end)):
        chances[place] = form.chances(trunk, codes[place], at, view)
    return chances_known(chances, futures=n, rows=own, label=ask.as_shown(label))


def checked_label(label: object) -> None:
    """Raise `SettingsError` for what has no oracle, with the reason."""
    if not isinstance(label, (*ask.LABELS, *_WHY_NOT)):
        mend = "give Happens, Count, Sum, Distinct, TimeTo, NextEvent or Outcome: see deep_faker.features"
        raise refused("no chance of that", f"label={label!r}", mend)
    why_not = _WHY_NOT.get(type(label))
    if why_not is not None:
        raise refused(f"{type(label).__name__} has no oracle", f"label={ask.as_shown(label)}", why_not)
    ask.named_labels(label)


def _classes(world: World, label: ask.NextEvent | ask.Outcome) -> list[str]:
    if isinstance(label, ask.Outcome):
        return [*(outcome for outcome in OUTCOMES if outcome != "cut"), NONE]
    names = [world.event(ask.name_of(event)) for event in label.events] or world.events
    return [*names, NONE]
