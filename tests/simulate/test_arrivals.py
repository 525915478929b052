"""T5: how flows start is said once; every engine, and the kernel's compiled twin, keeps to it bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deep_faker import AddDecay, BaseEvent, NewEvent, Simulation
from deep_faker.draws.mix import Draws
from deep_faker.plan import Plan
from deep_faker.simulate.arrivals import Arrivals, first_without, wanted
from tests.support.engine_agreement import compiled, load_text
from tests.support.engines import SAVING, engine_of, every_engine, traces_of
from tests.support.programs.source_flows import module_text


class Started(BaseEvent):
    pass


def plan_of(n_flows: int | None, starts_per_step: int | None) -> Plan:
    """Flows of three weights, which anybody can start at any time."""
    sim = Simulation("20.5s", start_time="2024-01-01", n_flows=n_flows, starts_per_step=starts_per_step)

    def waits(ctx):
        yield NewEvent(ctx, Started)
        yield AddDecay(ctx, rate=0, seconds=2.75)

    for name, weight in (("often", 2.5), ("rarely", 0.25), ("now_and_then", 1)):
        sim.flow(weight, None, name)(waits)
    return sim.compile()


@every_engine
@pytest.mark.parametrize(("n_flows", "starts_per_step"), [(40, None), (None, 9), (15, 9)])
def test_t5_starts_are_those_of_arrivals(engine, n_flows, starts_per_step):
    """How many start in a step, when, and as which flows: on all engines what `Arrivals` says."""
    plan = plan_of(n_flows, starts_per_step)
    settings = plan.settings
    ended = [part for trace in traces_of(*engine_of(plan, engine)) for part in trace.ended]
    flow, table, started, end = (
        np.concatenate([getattr(part, name) for part in ended])
        for name in ("flow", "table", "started", "ended")
    )
    order = np.argsort(flow)
    flow, table, started, end = flow[order], table[order], started[order], end[order]
    arrivals, made = Arrivals(plan, Draws(1)), 0
    for step in range(first_without(settings)):
        begin = settings.start + step * settings.step
        count = wanted(settings, step, int((end[:made] >= begin).sum()))
        instants = arrivals.instants(step, count)
        tables = arrivals.flows(step, 0, np.arange(count), [0, 1, 2])
        kept = instants < settings.end  # what would start later never has (T4)
        upto = made + int(kept.sum())
        assert started[made:upto].tolist() == instants[kept].tolist()
        assert table[made:upto].tolist() == tables[kept].tolist()
        made = upto
    assert made == len(flow)


@pytest.mark.skipif("native" not in SAVING, reason="there is no kernel here")
@pytest.mark.parametrize("seed", range(600, 606))
def test_t5_the_kernel_passes_over_the_steps_that_arrivals_says(seed: int, tmp_path: Path):
    """Wherever a run stops, its step and the starts that it has skipped are the same.

    The numpy engine asks `arrivals.next_step`, the kernel its twin; both have run the same steps before.
    """
    plan = compiled(load_text(module_text(seed), tmp_path))
    for starts_per_step, n_flows in ((None, 4), (2, None), (3, 5)):
        settings = replace(plan.settings, starts_per_step=starts_per_step, n_flows=n_flows)
        changed = replace(plan, settings=settings)
        if any(flow.live is not None for flow in plan.flows):
            pytest.skip("generators are not saved")
        runs = {name: engine_of(changed, name) for name in SAVING}
        for stop in range(0, first_without(settings) + 40, 3):
            saved = {}
            for name, (engine, binding) in runs.items():
                traces_of(engine, binding, stop_before_step=stop)
                arrays = engine.save()
                saved[name] = {
                    key: value.tolist()
                    for key, value in arrays.items()
                    if key.startswith(("counters.", "tally."))
                }
            assert saved["native"] == saved["numpy"], f"before step {stop}"
