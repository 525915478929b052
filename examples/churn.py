"""Who will leave? Players of a game, a training frame of what was known, and a model that learns from it.

deepfaker run examples/churn.py --output game --history
python examples/churn.py
"""

import random

import numpy as np
import polars as pl

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Exponential,
    Field,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.features import Age, Count, Every, Happens, Mean, State, TimeSince, TrainingFrame


class Installed(BaseEvent):
    """A player begins; some are more patient than others."""

    player_id: str = Field(faker="shortuuid", length=10)
    device: str = Field(faker="random_element", elements=["phone", "tablet", "web"])
    patience: int = Field(faker="random_int", min=2, max=8)


class RoundPlayed(BaseEvent):
    """One round, won or lost."""

    player_id: str
    won: bool
    score: int


class Uninstalled(BaseEvent):
    """A player leaves for good."""

    player_id: str


class Player(Entity):
    """Losing again and again wears patience out."""

    source_event = Installed
    primary_key = "player_id"

    device: str = StateField(from_field="device", type_=str)
    patience: int = StateField(from_field="patience", type_=int)
    lost_in_a_row: int = StateField(default=0, type_=int)
    status: str = StateField(default="active", type_=str)


sim = Simulation(
    duration="10d",
    start_time="2024-01-01",
    time_step="1m",
    n_flows=12,
    random_seed=42,
    initial_entities={Player: 800},
)


@sim.flow(initiation_weight=10.0, filter=Select(Player, where=[("status", "is", "active")]))
def play(ctx: FlowContext):
    """A few rounds; who has lost too often in a row may go."""
    for _ in range(random.randint(1, 6)):
        yield AddDecay(ctx, rate=0.05, minutes=Exponential(2))
        if random.random() < 0.45:
            won = SetState(Player, [("lost_in_a_row", "is", 0)])
            yield NewEvent(ctx, RoundPlayed, won=True, score=random.randint(50, 100), mutate=won)
        else:
            lost = SetState(Player, [("lost_in_a_row", "add", 1)])
            yield NewEvent(ctx, RoundPlayed, won=False, score=random.randint(0, 60), mutate=lost)
    player = ctx.get_entity(Player)
    if player.lost_in_a_row > player.patience and random.random() < 0.7:
        yield NewEvent(ctx, Uninstalled, mutate=SetState(Player, [("status", "is", "gone")]))


@sim.flow(initiation_weight=1.0)
def install(ctx: FlowContext):
    """A new player looks at the game for a moment."""
    yield NewEvent(ctx, Installed, save_entity=Player)
    yield AddDecay(ctx, minutes=Exponential(1))


def training_frame(ds: Dataset) -> TrainingFrame:
    """Each active player every six hours: what was known then, and who has left a day later."""
    return ds.training_frame(
        Player,
        at=Every("6h"),
        eligible=pl.col("status") == "active",
        features={
            "lost_in_a_row": State("lost_in_a_row"),
            "patience": State("patience"),
            "rounds": Count(RoundPlayed, ["1d", "3d"]),
            "score": Mean(RoundPlayed, "score", "3d"),
            "won": Mean(RoundPlayed, "won", "3d"),
            "quiet": TimeSince(RoundPlayed),
            "age": Age(),
            "worn": pl.col("lost_in_a_row") - pl.col("patience"),
        },
        label=Happens(Uninstalled, within="1d"),
    )


def numbers(frame: pl.LazyFrame) -> tuple[np.ndarray, np.ndarray]:
    """Features as a matrix of numbers, durations in days, and the label."""
    rows = frame.drop_nulls("label").collect()
    table = rows.drop("player_id", "at", "label")
    days = [
        pl.col(name).dt.total_seconds() / 86_400 for name, kind in table.schema.items() if kind == pl.Duration
    ]
    table = table.with_columns(days).select(pl.all().cast(pl.Float64).fill_null(0.0))
    return table.to_numpy(), rows["label"].to_numpy().astype(float)


def fitted(x: np.ndarray, y: np.ndarray, rounds: int = 400) -> np.ndarray:
    """The weights of a logistic regression, by gradient descent."""
    weights = np.zeros(x.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-x @ weights))
        weights -= 0.5 * (x.T @ (chance - y) / len(y) + 1e-4 * weights)
    return weights


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """The chance that one who leaves has a higher score than one who stays."""
    rank = pl.Series(score).rank("average").to_numpy()
    n = truth.sum()
    return float((rank[truth > 0].sum() - n * (n + 1) / 2) / (n * (len(truth) - n)))


def main() -> float:
    """Train on the first days, and score on the last."""
    ds = sim.collect(history=True)
    frame = training_frame(ds)
    print(frame.card)
    parts = ds.split(frame, by="time")
    (x, y), (unseen, truth) = numbers(parts.train), numbers(parts.test)
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-9

    def scaled(rows: np.ndarray) -> np.ndarray:
        return np.hstack([(rows - middle) / spread, np.ones((len(rows), 1))])

    score = auc(scaled(unseen) @ fitted(scaled(x), y), truth)
    print(f"{len(y):,} rows to learn from, {len(truth):,} to test on; AUC {score:.3f}")
    return score


if __name__ == "__main__":
    main()
