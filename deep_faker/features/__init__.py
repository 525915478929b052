"""Features and labels of training frames: what `Dataset.training_frame` is asked for.

>>> from deep_faker import BaseEvent, Entity, Field, NewEvent, Select, Simulation
>>> class Joined(BaseEvent):
...     user_id: str = Field(faker="shortuuid", length=8)
>>> class Visited(BaseEvent):
...     user_id: str
>>> class User(Entity):
...     source_event = Joined
...     primary_key = "user_id"
>>> sim = Simulation("10m", "2024-01-01", random_seed=1, n_flows=2, initial_entities={User: 4})
>>> @sim.flow(filter=Select(User))
... def visit(ctx):
...     yield NewEvent(ctx, Visited)
>>> ds = sim.collect()
>>> visits = {"n": Count(Visited, ["1m", "5m"]), "quiet": TimeSince(Visited)}
>>> frame = ds.training_frame(User, at=Every("2m"), features=visits, label=Happens(Visited, within="1m"))
>>> frame.collect().columns
['user_id', 'at', 'n_1m', 'n_5m', 'quiet', 'label']
>>> frame.rules["closed"], frame.collect().height
('right', 20)
"""

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
    Verdict,
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
    "Verdict",
]
