"""`Twins` and `Sweep`: runs of one program that differ in parameters or seeds, beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, overload

import polars as pl

from deep_faker.declare.params import Scalar
from deep_faker.errors import Diagnostic, SettingsError, shown
from deep_faker.features.asked import Age
from deep_faker.spans import caller_span

if TYPE_CHECKING:
    from deep_faker.features.frame import TrainingFrame

_AGE = "sys__age"


class World(Protocol):
    """A data set, as `deep_faker.dataset.Dataset` is."""

    manifest: Mapping[str, Any]

    def training_frame(self, entity: type | str, *, at: object, features: Mapping[str, Any]) -> TrainingFrame:
        """Rows of (entity, instant)."""
        ...


@dataclass(frozen=True)
class Run:
    """One run: its seed, all its parameters, and its data set."""

    seed: int
    params: Mapping[str, Scalar]
    data: Any = field(repr=False)


class Twins(Sequence[Any]):
    """Worlds of one seed with different parameters, which share all draws; ``twins[0]`` is a `Dataset`.

    >>> from deep_faker import BaseEvent, Entity, Field, NewEvent, Select, Simulation
    >>> from deep_faker.features import Sum
    >>> class Joined(BaseEvent):
    ...     user_id: str = Field(faker="shortuuid", length=8)
    >>> class Order(BaseEvent):
    ...     user_id: str
    ...     total: float = 0.0
    >>> class User(Entity):
    ...     source_event = Joined
    ...     primary_key = "user_id"
    >>> sim = Simulation(
    ...     "1h", "2024-01-01", random_seed=1, initial_entities={User: 4}, params={"discount": 0.0}
    ... )
    >>> @sim.flow(rate="60/h", filter=Select(User))
    ... def buy(ctx):
    ...     yield NewEvent(ctx, Order, total=10 * (1 - ctx.params.discount))
    >>> twins = sim.twins({"discount": 0.0}, {"discount": 0.5})
    >>> effects = twins.effects(User, {"spent": Sum(Order, "total")})
    >>> effects.columns
    ['user_id', 'spent_0', 'spent_1', 'spent_effect']
    >>> (effects["spent_effect"] == effects["spent_0"] / -2).all()
    True
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)

    @property
    def seed(self) -> int:
        """The seed that all have."""
        return self.runs[0].seed

    @property
    def params(self) -> tuple[Mapping[str, Scalar], ...]:
        """The parameters of each."""
        return tuple(run.params for run in self.runs)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self.runs[index].data if isinstance(index, int) else tuple(r.data for r in self.runs[index])

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        return f"Twins(seed={self.seed}, params={[dict(run.params) for run in self.runs]})"

    def effects(self, entity: type | str, measures: Mapping[str, Any], *, at: object = None) -> pl.DataFrame:
        """A row for each entity: every measure in each world, and by how much it differs from the first.

        ``measures`` are features of `Dataset.training_frame`: ``{"spent": Sum(Order, "total")}``; ``at`` is
        the instant at which they are taken, the end of the run where none is given. Columns: the key,
        ``spent_0``, ``spent_1`` …, and ``spent_effect``, the second world less the first (of more than two
        ``spent_effect_1``, ``spent_effect_2`` …; none of what is neither number, truth value nor time).

        An entity is the same in two worlds where it has the same key and was born at the same instant. What
        is null in a world is not there, or not any more. Raises what `Dataset.training_frame` does.

        See `Twins` for an example.
        """
        given: object = measures
        if not isinstance(given, Mapping) or not given:
            label, mend = f"measures={shown(measures)}", 'name some: {"spent": Sum(Order, "total")}'
            raise SettingsError(Diagnostic("no measures", caller_span(), label, mend))
        frames = [self._measured(run, entity, measures, at) for run in self.runs]
        key = frames[0].columns[0]
        whole = frames[0]
        for frame in frames[1:]:
            whole = whole.join(frame, on=[key, _AGE], how="full", coalesce=True, maintain_order="left_right")
        columns: list[pl.Expr] = []
        for name in _names(frames[0], "_0"):
            columns += [pl.col(f"{name}_{number}") for number in range(len(frames))]
            columns += self._effects(name, whole.schema)
        return whole.select(key, *columns)

    def average(self, entity: type | str, measures: Mapping[str, Any], *, at: object = None) -> pl.DataFrame:
        """The mean effect on an entity: a row for each measure and each world after the first.

        Columns: ``measure``, ``world``, ``mean_0`` and ``mean`` (over the entities that both have), their
        difference ``effect``, and ``paired_error`` and ``apart_error``, the standard errors of it as twins
        and as it would be of two independent samples of so many entities.
        """
        effects = self.effects(entity, measures, at=at)
        rows = []
        for name in _names(effects, "_0"):
            for world in range(1, len(self.runs)):
                pair = effects.select(
                    a=pl.col(f"{name}_0").cast(pl.Float64), b=pl.col(f"{name}_{world}").cast(pl.Float64)
                )
                rows.append({"measure": name, "world": world, **_means(pair.drop_nulls())})
        return pl.DataFrame(rows)

    def _effects(self, name: str, schema: pl.Schema) -> list[pl.Expr]:
        kind = schema[f"{name}_0"]
        if not (kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean):
            return []
        out = []
        for number in range(1, len(self.runs)):
            sides = [pl.col(f"{name}_{one}") for one in (number, 0)]
            if kind == pl.Boolean or kind.is_unsigned_integer():
                sides = [side.cast(pl.Int64) for side in sides]
            label = f"{name}_effect" if len(self.runs) == 2 else f"{name}_effect_{number}"
            out.append((sides[0] - sides[1]).alias(label))
        return out

    def _measured(
        self, run: Run, entity: type | str, measures: Mapping[str, Any], at: object
    ) -> pl.DataFrame:
        when = run.data.manifest["end_time"] if at is None else at
        asked = run.data.training_frame(entity, at=when, features={**measures, _AGE: Age()})
        frame: pl.DataFrame = asked.collect().drop("at")
        key = frame.columns[0]
        number = self.runs.index(run)
        return frame.rename({name: f"{name}_{number}" for name in frame.columns if name not in (key, _AGE)})


class Sweep(Sequence[Run]):
    """Runs of several seeds and parameters: for each set of parameters, all seeds."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, index: int | slice) -> Run | tuple[Run, ...]:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        return f"Sweep({len(self)} runs)"

    def twins(self) -> Iterator[Twins]:
        """The runs of each seed, as twins."""
        for seed in dict.fromkeys(run.seed for run in self.runs):
            yield Twins([run for run in self.runs if run.seed == seed])

    def table(self, measure: Callable[[Any], object]) -> pl.DataFrame:
        """A row for each run: ``seed``, its parameters, and what ``measure`` says of its data set.

        ``measure`` gives a number (a column ``value``) or a mapping of names and numbers.
        """
        return pl.DataFrame([measured(run, measure) for run in self.runs], infer_schema_length=None)


def measured(run: Run, measure: Callable[[Any], object]) -> dict[str, object]:
    """A row of a sweep."""
    said = measure(run.data)
    return {"seed": run.seed, **run.params, **(said if isinstance(said, Mapping) else {"value": said})}


def _names(frame: pl.DataFrame, ending: str) -> list[str]:
    """The measures of a frame that has each with this ending."""
    return [name.removesuffix(ending) for name in frame.columns if name.endswith(ending) and name != _AGE]


def _means(pair: pl.DataFrame) -> dict[str, float | None]:
    a, b = pair["a"], pair["b"]
    many = max(len(pair), 1)

    def error(variance: Any) -> float | None:
        return None if variance is None else float((variance / many) ** 0.5)

    spread = None if len(pair) < 2 else float(a.var() or 0) + float(b.var() or 0)  # type: ignore[arg-type]
    return {
        "mean_0": a.mean(),  # type: ignore[dict-item]  # of floats
        "mean": b.mean(),  # type: ignore[dict-item]
        "effect": (b - a).mean(),  # type: ignore[dict-item]
        "paired_error": error((b - a).var()),
        "apart_error": error(spread),
    }
