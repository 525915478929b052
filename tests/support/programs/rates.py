"""Random rates and clocks for the flows of any plan."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from deep_faker.draws.curves import Curve
from deep_faker.plan import Plan
from deep_faker.plan.rates import Every, Rate


def with_rates(plan: Plan, seed: int) -> Plan:
    """The plan with rates for some or all of its flows, which change in the run, and with or without a ceiling.

    Where a flow has an entity of its own, it may go by that one's clock instead.
    """
    rng, s = random.Random(seed), plan.settings
    flows = []
    for flow in plan.flows:
        if rng.random() < 0.3:
            flows.append(flow)
            continue
        seconds = s.duration / 1e6
        owner = plan.filters[flow.starts[0]] if len(flow.starts) == 1 else None
        if owner is not None and not owner.shared and owner.weight is None and rng.random() < 0.5:
            mean = seconds / rng.choice([1, 4, 20])
            every = Every(owner.entity, "exponential", (mean,), mean, "some time")
            flows.append(replace(flow, weight=0.0, every=every))
            continue
        since = np.array([s.start, s.start + s.duration // 3, s.start + s.duration // 2])
        curve = Curve(since, np.array([1.0, rng.choice([0.0, 3.0]), rng.choice([0.5, 1.0])]))
        per_second = rng.choice([3, 30, 200]) / seconds
        flows.append(replace(flow, weight=0.0, rate=Rate(per_second, curve, f"{per_second}/s")))
    if any(flow.arrives is None and flow.weight > 0 for flow in flows):
        per_step, n_flows = rng.choice([(None, 5), (1, None), (2, 7)])
    else:
        per_step, n_flows = 0, rng.choice([None, None, 3, 20])
    return replace(plan, flows=tuple(flows), settings=replace(s, starts_per_step=per_step, n_flows=n_flows))
