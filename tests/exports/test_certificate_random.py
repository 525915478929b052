"""The certificate of random programs finds nothing in what they have made, and something where a row is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from deep_faker import Simulation
from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import load_text
from tests.support.programs.source_flows import module_text

pytest.importorskip("duckdb", reason="the certificate is in DuckDB's SQL")
from deep_faker.write.certificate.script import faults

PROGRAMS = 20


def certified(folder: Path) -> Iterator[tuple[int, Path]]:
    """So many random programs that run to their end and make events, each with its data set."""
    made = seed = 0
    while made < PROGRAMS:
        seed += 1
        sim: Simulation = load_text(module_text(seed, live=False), folder)
        place = folder / f"data-{seed}"
        try:
            report = sim.run(place, history=seed % 2 == 0, progress=False, certificate=True)
        except DeepFakerError:
            continue  # programs may be wrong at their run: a key twice, an empty pool
        if sum(report.events.values()) > 20:
            made += 1
            yield seed, place


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::deep_faker.errors.DeepFakerWarning")
def test_nothing_is_found_in_random_programs(tmp_path: Path):
    """A certificate is a function of manifest and plan: what it states holds of every run."""
    spoiled = 0
    for seed, place in certified(tmp_path):
        found, count = faults(place)
        assert found == [], seed
        assert count > 5
        if spoiled < 3:
            spoiled += _is_noticed(place)
    assert spoiled == 3


def _is_noticed(place: Path) -> bool:
    """Whether an event that is gone is found."""
    file = max((place / "events").rglob("*.parquet"), key=lambda file: file.stat().st_size)
    pl.read_parquet(file).slice(1).write_parquet(file)
    return bool(faults(place)[0])
