"""T5: so many flows started in each step, in place of a ceiling on those that are active."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deep_faker import AddDecay, BaseEvent, Dataset, NewEvent, Simulation
from deep_faker.cli_options import loaded
from deep_faker.errors import SettingsError
from deep_faker.plan import Plan, Trace
from deep_faker.run.checkpoints.fingerprint import differences as fingerprints_differ
from deep_faker.run.checkpoints.fingerprint import fingerprint
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, every_engine, traces_of
from tests.support.programs.source_flows import module_text


class Started(BaseEvent):
    pass


def simulation(**settings) -> Simulation:
    sim = Simulation(**({"duration": "30s", "start_time": "2024-01-01", "random_seed": 5} | settings))

    @sim.flow()
    def long(ctx):
        yield NewEvent(ctx, Started)
        yield AddDecay(ctx, rate=0, seconds=12.5)

    return sim


def starts(data: Dataset) -> Counter[int]:
    """Flows started in each second."""
    return Counter(int((at - datetime(2024, 1, 1)).total_seconds()) for at in data.sessions["started"])


@every_engine
def test_t5_each_step_starts_so_many_flows_whatever_is_active(engine):
    """Flows that last many steps do not keep others from starting; instants are spread over the step."""
    data = simulation(starts_per_step=7).collect(engine=engine)
    assert starts(data) == dict.fromkeys(range(30), 7)
    assert len({at.microsecond for at in data.sessions["started"]}) > 200


@every_engine
def test_t5_n_flows_beside_it_stays_a_ceiling(engine):
    """Never more than ``n_flows`` are active; below that each step starts ``starts_per_step``."""
    data = simulation(starts_per_step=7, n_flows=20).collect(engine=engine)
    begun = starts(data)
    assert [begun[second] for second in range(4)] == [7, 7, 6, 0]
    spans = list(zip(data.sessions["started"], data.sessions["ended"], strict=True))
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 20


def test_t5_the_last_step_is_cut_by_the_end():
    """A start at or after the end takes part and then does nothing, as with a ceiling (T4)."""
    sim = simulation(starts_per_step=40, duration="2.5s")
    data = sim.collect()
    begun = starts(data)
    assert (begun[0], begun[1]) == (40, 40)
    assert 8 < begun[2] < 32
    assert max(data.sessions["started"]) < datetime(2024, 1, 1) + timedelta(seconds=2.5)


def _changed(plan: Plan, seed: int) -> Plan:
    rng = random.Random(seed)
    ceiling = rng.choice([None, None, 3, 25])
    return replace(
        plan,
        settings=replace(plan.settings, starts_per_step=rng.choice([1, 2, 7]), n_flows=ceiling),
    )


@pytest.mark.slow
@pytest.mark.parametrize("first", range(600, 640, 10))
def test_e2_random_flows_run_alike_on_all_engines(first: int, tmp_path: Path):
    """Random programs with starts in each step, with and without a ceiling: one result on every engine."""
    for seed in range(first, first + 10):
        text = module_text(seed)
        sim = load_text(text, tmp_path)
        plan = _changed(compiled(sim), seed)
        made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
        for name, result in made.items():
            found = differences(result, made["reference"])
            assert not found, f"case {seed}, {name}\n" + "\n".join(found) + f"\n\n{text}"


def test_r1_a_ceiling_that_is_never_reached_changes_nothing():
    """The draws of a start do not depend on which setting asks for it."""
    free = simulation(starts_per_step=3).collect()
    assert simulation(starts_per_step=3, n_flows=1000).collect().events.equals(free.events)


def test_n_flows_is_ten_only_where_nothing_is_said():
    """Alone, ``starts_per_step`` knows no ceiling; `change` gives the two as the constructor does."""
    assert Simulation().n_flows == 10
    assert Simulation(starts_per_step=2).n_flows is None
    sim = Simulation()
    sim.change(starts_per_step=4)
    assert (sim.n_flows, sim.starts_per_step) == (None, 4)
    sim.change(n_flows=9)
    assert (sim.n_flows, sim.starts_per_step) == (9, 4)


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_what_is_no_number_of_starts_is_refused(value):
    """The message names the argument and its value."""
    with pytest.raises(SettingsError, match="starts_per_step="):
        Simulation(starts_per_step=value)


def test_p5_the_command_line_takes_it(tmp_path: Path):
    """``--starts-per-step`` wins over the file."""
    file = tmp_path / "world.py"
    file.write_text("from deep_faker import Simulation\nsim = Simulation(starts_per_step=2)\n")
    assert loaded(str(file)).starts_per_step == 2
    assert loaded(str(file), starts_per_step=6).starts_per_step == 6


@pytest.mark.slow
def test_it_stands_in_the_manifest_and_in_explain(tmp_path: Path):
    """What a run was told is kept with it."""
    sim = simulation(starts_per_step=3)
    sim.run(tmp_path / "out", progress=False)
    kept = Dataset.open(tmp_path / "out").manifest["settings"]
    assert (kept["starts_per_step"], kept["n_flows"]) == (3, None)
    assert "3 flows started in each step; on_end" in sim.explain()
    sim.change(n_flows=50)
    assert "3 flows started in each step, at most 50 flows at once" in sim.explain()


def test_r4_another_number_of_starts_is_another_run():
    """A resumed run with another ``starts_per_step`` is refused by the setting's name."""
    one, other = (fingerprint(simulation(starts_per_step=n).compile(), seed=1, versions={}) for n in (3, 4))
    assert fingerprints_differ(one, other) == ["setting starts_per_step was 3 and is 4"]


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on_with_its_starts(name):
    """Half of a run saved and taken up by another engine object ends with the same flows."""
    plan = simulation(starts_per_step=7, n_flows=40).compile()

    def rows(traces: list[Trace]) -> list[tuple[int, int]]:
        parts = [part for trace in traces for part in trace.rows]
        return [pair for part in parts for pair in zip(part.flow.tolist(), part.clock.tolist(), strict=True)]

    whole = rows(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=11))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + rows(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)
