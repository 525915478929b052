"""`Choice`: one of several values. What is drawn is the value's place; what that means, others know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from deep_faker.draws.distributions.family import Family, Parameter, Table, check_number, is_number, refused
from deep_faker.draws.mix import I64, U64
from deep_faker.draws.random_module import _cumulated, weighted_index, weighted_index1


@dataclass(frozen=True, init=False)
class Choice:
    """One of ``values``, evenly or in proportion to ``weights``; as waiting times, numbers ≥ 0.

    >>> Choice([1, 5, 60], weights=[8, 1, 1])
    Choice(values=(1, 5, 60), weights=(8, 1, 1))
    >>> Choice(["card", "cash", None], [6, 3, 1]).values
    ('card', 'cash', None)
    """

    values: tuple[object, ...]
    weights: tuple[float, ...] | None

    def __init__(self, values: Sequence[object], weights: Sequence[float] | None = None) -> None:
        listed = _listed("values", values)
        shares = None if weights is None else _listed("weights", weights)
        if shares is not None:
            for share in shares:
                check_number("Choice", "weights", share, least=0)
            if len(shares) != len(listed):
                label = f"{len(listed)} values and {len(shares)} weights"
                raise refused("Choice", label, "give one weight for each value")
            if sum(shares) == 0:
                raise refused(
                    "Choice", "every weight is 0", "give a positive weight to a value that may be drawn"
                )
        object.__setattr__(self, "values", listed)
        object.__setattr__(self, "weights", shares)


def _listed(name: str, items: object) -> tuple[Any, ...]:
    if isinstance(items, (str, bytes)) or not isinstance(items, Sequence) or not items:
        raise refused("Choice", f"{name}={items!r}", f"{name} is a list, of at least one")
    return tuple(items)


def _weights(values: Sequence[object], weights: Sequence[float] | None) -> tuple[float, ...]:
    return tuple(weights or (1,) * len(values))


def places(u: U64, values: Sequence[object], weights: Sequence[float] | None) -> I64:
    """Places of values."""
    return weighted_index(u, _weights(values, weights))


def place1(u: int, values: Sequence[object], weights: Sequence[float] | None) -> int:
    """The twin of `places`.

    >>> place1(2**63, ("a", "b", "c"), None)
    1
    """
    return weighted_index1(u, _weights(values, weights))


def _table(values: Sequence[object], weights: Sequence[float] | None) -> Table:
    return 0, _cumulated(_weights(values, weights))[1]


def _written(params: Sequence[Any], computed: Collection[int]) -> str:
    values, weights = params[0], params[1] if len(params) > 1 else None
    inside = ", ".join("…" if n in computed else str(v) for n, v in enumerate(values))
    return inside + (f"; weights {', '.join(map(str, weights))}" if weights else "")


def _least(choice: Choice) -> float:
    return min((value for value in choice.values if is_number(value)), default=0)


def _wrong_wait(choice: Choice) -> str | None:
    for value in choice.values:
        if not is_number(value) or value < 0:
            return f"the value {value!r}"
    return None


FAMILY = Family(
    make=Choice,
    parameters=(Parameter("values"), Parameter("weights")),
    array=places,
    scalar=place1,
    native="places",
    table=_table,
    recipe=None,  # the values need not be numbers: `deep_faker.values.choices` has recipes of places
    typical=_least,
    written=_written,
    wrong_wait=_wrong_wait,
)
