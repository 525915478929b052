"""Worlds that share all draws, and differ in a parameter: what it does to each entity, and how sure that is.

``sim.twins({"discount": 0.0}, {"discount": 0.2})`` makes `Twins`, whose ``effects`` has each entity in all
of them; ``sim.sweep(seeds=…, params=…)`` makes a `Sweep` of many runs.
"""

from deep_faker.features.twins import Run, Sweep, Twins

__all__ = ["Run", "Sweep", "Twins"]
