"""`difficulty`: the value of a parameter at which labels are as hard to tell as is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deep_faker.errors import SettingsError
from deep_faker.features.oracle import Oracle
from deep_faker.features.told import refused


@dataclass(frozen=True)
class Dial:
    """Where a dial was left: the ``value``, and the ``oracle`` there. ``tried``: each value and its AUC."""

    value: float
    oracle: Oracle
    tried: tuple[tuple[float, float], ...]

    def __repr__(self) -> str:
        bound = self.oracle.auc
        return f"Dial({self.value:.6g}: AUC {bound.value:.4f} ± {bound.error:.4f}, {len(self.tried)} tried)"


def difficulty(
    auc: float,
    of: Callable[[float], Oracle],
    *,
    between: tuple[float, float],
    tolerance: float = 0.005,
    tries: int = 20,
) -> Dial:
    """The value between two others at which the oracle's AUC is ``auc``, by bisection.

    ``of`` makes the world with that value and asks its oracle; its AUC goes one way with the value. It ends
    within ``tolerance``, or within the oracle's own error where that is more; worlds of one seed have draws
    in common, so that few futures show which of two values is harder. Raises `SettingsError` where ``auc`` is
    not between those of the two ends, or is not reached in so many ``tries``.

    >>> from deep_faker.features.oracle import chances_known
    >>> def of(x):
    ...     return chances_known([0.5 - x, 0.5 + x] * 500, futures=100)
    >>> difficulty(0.7, of, between=(0.0, 0.5), tolerance=0.01).value
    0.203125
    """
    if not 0.5 <= auc < 1:
        raise refused("wrong auc", f"auc={auc!r}", "give one from 0.5 to below 1, such as 0.85")
    low, high = between
    oracles = {value: of(value) for value in (low, high)}
    rising = oracles[high].auc.value > oracles[low].auc.value
    ends = sorted(oracle.auc.value for oracle in oracles.values())
    if not ends[0] - tolerance <= auc <= ends[1] + tolerance:
        label = f"auc={auc} lies outside of {ends[0]:.4f} to {ends[1]:.4f}, those of {low:g} and {high:g}"
        raise refused("the dial does not go so far", label, "give other ends: between=(low, high)")
    for value, oracle in oracles.items():
        if abs(oracle.auc.value - auc) <= max(tolerance, oracle.auc.error):
            return Dial(value, oracle, _tried(oracles))
    for _ in range(tries):
        middle = (low + high) / 2
        oracle = oracles[middle] = of(middle)
        if abs(oracle.auc.value - auc) <= max(tolerance, oracle.auc.error):
            return Dial(middle, oracle, _tried(oracles))
        if (oracle.auc.value < auc) == rising:
            low = middle
        else:
            high = middle
    label = f"after {tries} tries the AUC of {middle:g} is {oracle.auc.value:.4f}"
    raise _missed(label)


def _missed(label: str) -> SettingsError:
    return refused("the dial jumps", label, "take more entities or futures, or a wider tolerance")


def _tried(oracles: dict[float, Oracle]) -> tuple[tuple[float, float], ...]:
    return tuple((value, oracle.auc.value) for value, oracle in oracles.items())
