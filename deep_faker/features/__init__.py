"""Features and labels of training frames: what `Dataset.training_frame` is asked for."""

from deep_faker.features.asked import (
    Age,
    Count,
    Distinct,
    Every,
    Happens,
    Last,
    Max,
    Mean,
    Min,
    NextEvent,
    Outcome,
    State,
    Sum,
    TimeSince,
    TimeTo,
)
from deep_faker.features.frame import TrainingFrame
from deep_faker.features.split import Split

__all__ = [
    "Age",
    "Count",
    "Distinct",
    "Every",
    "Happens",
    "Last",
    "Max",
    "Mean",
    "Min",
    "NextEvent",
    "Outcome",
    "Split",
    "State",
    "Sum",
    "TimeSince",
    "TimeTo",
    "TrainingFrame",
]
