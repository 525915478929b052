"""What flows draw: the functions of `random`, and ``ctx.draw(Poisson(3))`` beside them.

A distribution that is known when the flow is compiled is the one argument of ``variate`` (floats),
``count`` (whole numbers) or ``place`` (of a `Choice`: the place of the value). One whose parameters the flow
computes is made anew for each draw: ``variate_of`` and ``count_of`` take its class and its parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deep_faker.draws.distributions.family import Numbers, W, parameters_of
from deep_faker.draws.distributions.registry import Choice, Distribution, family_of
from deep_faker.draws.mix import U64
from deep_faker.draws.random_module import RANDOM_FUNCTIONS, RandomFunction
from deep_faker.errors import DeclarationError
from deep_faker.spans import Span


def values_of(u: U64, distribution: Distribution) -> Numbers:
    """One value for each draw; of a `Choice` its place.

    >>> from deep_faker import Uniform
    >>> values_of(np.array([0, 2**63], np.uint64), Uniform(0, 8)).tolist()
    [0.0, 4.0]
    """
    values: Numbers = family_of(distribution).array(u, *parameters_of(distribution))
    return values


def value_of(u: int, distribution: Distribution) -> Any:
    """The twin of `values_of`."""
    return family_of(distribution).scalar(u, *parameters_of(distribution))


@dataclass(frozen=True)
class Maker:
    """A class of distributions, which refuses parameters at the line of the flow that computes them."""

    make: type[Any]
    span: Span

    def __call__(self, *parameters: object) -> Distribution:
        try:
            made: Distribution = self.make(*parameters)
        except DeclarationError as error:
            raise DeclarationError(replace(error.diagnostic, span=self.span)) from None
        return made


def made_value(u: int, make: Callable[..., Distribution], *parameters: object) -> Any:
    """The value of a distribution that is made for this draw.

    >>> from deep_faker import Uniform
    >>> made_value(2**63, Uniform, 0, 8)
    4.0
    """
    return value_of(u, make(*parameters))


def drawn(u: int, distribution: Distribution) -> Any:
    """What ``ctx.draw(distribution)`` gives: a number, or one of the values of a `Choice`.

    >>> drawn(0, Choice(["card", "cash"]))
    'card'
    """
    value = value_of(u, distribution)
    return distribution.values[value] if isinstance(distribution, Choice) else value


def function_of(distribution: Distribution) -> str:
    """The function of `FUNCTIONS` that draws from a distribution.

    >>> from deep_faker import Normal, Poisson
    >>> function_of(Poisson(3)), function_of(Normal(0, 1)), function_of(Choice(["card", "cash"]))
    ('count', 'variate', 'place')
    """
    if isinstance(distribution, Choice):
        return "place"
    return "count" if values_of(np.zeros(1, np.uint64), distribution).dtype.kind == "i" else "variate"


def recipe_of(u: W, distribution: Distribution) -> W | None:
    """The steps of `value_of`; None where that draws until a value fits."""
    family = family_of(distribution)
    if isinstance(distribution, Choice):
        assert family.table is not None
        _, sums = family.table(*parameters_of(distribution))
        return (u.unit() * float(sums[-1])).cumulated(sums)
    if family.recipe is None:
        return None
    word: W | None = family.recipe(u, *parameters_of(distribution))
    return word


OF_DISTRIBUTIONS = {
    **dict.fromkeys(("variate", "count", "place"), RandomFunction(1, 1, values_of, value_of)),
    **dict.fromkeys(("variate_of", "count_of"), RandomFunction(2, 3, None, made_value)),
}
FUNCTIONS = {**RANDOM_FUNCTIONS, **OF_DISTRIBUTIONS}
"""Of `deep_faker.plan.Draw`, by name."""


def shown_function(name: str) -> str:
    """What messages call a function that draws.

    >>> shown_function("gauss"), shown_function("count")
    ('random.gauss', 'ctx.draw')
    """
    return "ctx.draw" if name in OF_DISTRIBUTIONS else f"random.{name}"
