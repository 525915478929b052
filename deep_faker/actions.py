"""What a flow yields and sees, by one import: the name that the first deep_faker had for it.

`Release` is here alone; all else stands at the top as well.
"""

from deep_faker.declare.actions import AddDecay, NewEvent, Release, Select, SetState
from deep_faker.declare.context import Context, FlowContext, GlobalContext
from deep_faker.declare.operators import Now
from deep_faker.draws.distributions.declared import Choice, Exponential, LogNormal, Normal, Uniform

__all__ = [
    "AddDecay",
    "Choice",
    "Context",
    "Exponential",
    "FlowContext",
    "GlobalContext",
    "LogNormal",
    "NewEvent",
    "Normal",
    "Now",
    "Release",
    "Select",
    "SetState",
    "Uniform",
]
