"""Zipf's law of picks by weight, and how it drifts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, SetState, Simulation, StateField
from deep_faker.errors import DeepFakerError
from deep_faker.popularity import zipf_weights


class Viewed(BaseEvent):
    film_id: str


class Added(BaseEvent):
    film_id: str = Field(faker="bothify", text="F-######")


def exponent(sizes: np.ndarray) -> float:
    """Hill's estimate of Zipf's exponent, from the larger half."""
    largest = np.sort(sizes)[::-1][: len(sizes) // 2 + 1]
    return float(np.log(largest[:-1] / largest[-1]).mean())


def cinema(weight: float, films: int, views: int, *, drift: bool = False, hours: int = 1):
    class Film(Entity):
        source_event = Added
        primary_key = "film_id"
        popularity: float = StateField(draw=zipf_weights(weight))

    sim = Simulation(
        f"{hours}h", start_time="2024-01-01", time_step="1m", random_seed=2, initial_entities={Film: films}
    )

    @sim.flow(rate=f"{views}/h")
    def view(ctx):
        yield Select(ctx, Film, shared=True, weight="popularity")
        yield NewEvent(ctx, Viewed, film_id=ctx.get_entity(Film).film_id)

    if drift:

        @sim.flow(filter=Select(Film), every="1h")
        def drifts(ctx):
            yield SetState(Film, [("popularity", "multiply", random.lognormvariate(0, 0.7))])
            yield AddDecay(ctx, seconds=1)

    return sim, Film


@pytest.mark.parametrize("asked", [0.8, 1.1])
def test_weights_and_picks_follow_zipf(asked):
    """The exponent of the weights, and that of how often each film is viewed; without weights it is another."""
    sim, film = cinema(asked, 2000, 200_000)
    ds = sim.collect()
    weights = ds.entities[film]["popularity"].to_numpy()
    assert exponent(weights) == pytest.approx(asked, abs=4 * asked / np.sqrt(1000))
    views = ds["Viewed"].group_by("film_id").len()["len"].to_numpy()
    often = np.sort(views)[::-1][:200]
    assert float(np.log(often[:-1] / often[-1]).mean()) == pytest.approx(asked, abs=4 * asked / np.sqrt(199))
    assert often[0] > 20 * np.median(views)


def test_popularity_drifts():
    """A day later others are on top; without drift they are the same."""

    def tops(*, drift: bool) -> list[set[str]]:
        sim, _ = cinema(1.0, 300, 4000, drift=drift, hours=10)
        views = sim.collect()["Viewed"].sort("sys__time")
        third = views.height // 5
        parts = views[:third], views[-third:]
        return [
            set(part.group_by("film_id").len().sort("len", descending=True)["film_id"][:10]) for part in parts
        ]

    before, after = tops(drift=False)
    assert len(before & after) >= 8
    before, after = tops(drift=True)
    assert len(before & after) <= 6


def test_what_is_no_exponent_is_refused():
    """With the value."""
    for wrong in (0, -1, 11, "1", float("nan")):
        with pytest.raises(DeepFakerError, match="exponent="):
            zipf_weights(wrong)
