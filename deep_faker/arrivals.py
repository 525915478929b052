"""How flows arrive, beside rates and clocks: what ``@sim.flow(rate=…)`` takes besides text and functions."""

from __future__ import annotations

from deep_faker.declare.bursts import Hawkes

__all__ = ["Hawkes"]
