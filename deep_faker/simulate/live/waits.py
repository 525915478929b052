"""How long a live flow waits: for `AddDecay`, and for its turn."""

from __future__ import annotations

from deep_faker.declare.actions import UNITS, AddDecay, Distribution
from deep_faker.draws.distributions.declared import kind_and_parameters
from deep_faker.draws.mix import Draws
from deep_faker.draws.to_micros import to_micros1, wait_micros1
from deep_faker.plan.settings import Settings


def delay_of(wait: AddDecay, draws: Draws, flow: int, action: int) -> int:
    """The microseconds of an `AddDecay`, which is that action of the flow."""
    delay = 0
    for position, (unit, value) in enumerate(wait.waits):
        if isinstance(value, Distribution):
            key = draws.key("wait", position)
            delay += wait_micros1(*kind_and_parameters(value), UNITS[unit], key, flow, action)
        else:
            delay += to_micros1(value, UNITS[unit])
    return delay


def next_try(settings: Settings, clock: int, left: int) -> tuple[int, bool]:
    """How long a flow in a queue waits now, and whether it tries again then; ``left``: its patience, in µs.

    What others let go is there from the next step on.

    >>> next_try(Settings(0, 90, 10, 1), 13, 20), next_try(Settings(0, 90, 10, 1), 13, 5)
    ((7, True), (5, False))
    """
    rest = settings.step - (clock - settings.start) % settings.step
    return (rest, True) if rest <= left else (left, False)
