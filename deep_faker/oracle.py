"""What no model can know better: futures of a world, the oracle of its rows, probes for leaks, difficulty.

``ds.oracle(frame, label, sim=sim)`` makes an `Oracle` of chances, a `NumberOracle`, `TimeOracle` or
`ClassOracle`, as the label is; ``ds.probe(model, frame, oracle=oracle)`` a `Probe`, ``sim.futures(at)`` the
`Future` worlds under all. `difficulty` turns a parameter until the oracle's AUC is what is wanted;
`chances_known` is the oracle of rows whose chances a formula tells.
"""

from deep_faker.features.bounds import Bound
from deep_faker.features.dial import Dial, difficulty
from deep_faker.features.oracle import Oracle, chances_known
from deep_faker.features.oracle_of_classes import ClassOracle
from deep_faker.features.oracle_of_numbers import NumberOracle
from deep_faker.features.oracle_of_times import TimeOracle
from deep_faker.features.probe import Probe
from deep_faker.run.futures import Future

__all__ = [
    "Bound",
    "ClassOracle",
    "Dial",
    "Future",
    "NumberOracle",
    "Oracle",
    "Probe",
    "TimeOracle",
    "chances_known",
    "difficulty",
]
