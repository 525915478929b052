"""T5: how flows start is said once; every engine, and the kernel's compiled twin, keeps to it bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deep_faker.simulate.arrivals import first_without
from tests.support.engine_agreement import compiled, load_text
from tests.support.engines import SAVING, engine_of, traces_of
from tests.support.programs.source_flows import module_text


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
