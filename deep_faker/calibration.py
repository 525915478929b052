"""What `Simulation.calibrate` and `Simulation.expectations` give."""

from deep_faker.features.calibration import Calibration, NewRate
from deep_faker.features.expectations import Expectations

__all__ = ["Calibration", "Expectations", "NewRate"]
