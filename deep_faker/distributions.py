"""All distributions; the commonest are at the top, too.

They go wherever a value is drawn: ``Field(dist=…)``, ``StateField(draw=…)``, ``AddDecay(ctx, minutes=…)``,
``ctx.draw(…)``, ``every=…``.

>>> from deep_faker.distributions import Weibull
>>> Weibull(30, 0.7)
Weibull(scale=30, shape=0.7)
"""

from deep_faker.draws.distributions.correlated import Correlated
from deep_faker.draws.distributions.declared import (
    Beta,
    Choice,
    Exponential,
    FromFrame,
    Gamma,
    LogNormal,
    Mixture,
    Normal,
    Pareto,
    Poisson,
    Sequence,
    Truncated,
    Uniform,
    Weibull,
    Zipf,
)
from deep_faker.draws.distributions.segments import Segments

__all__ = [
    "Beta",
    "Choice",
    "Correlated",
    "Exponential",
    "FromFrame",
    "Gamma",
    "LogNormal",
    "Mixture",
    "Normal",
    "Pareto",
    "Poisson",
    "Segments",
    "Sequence",
    "Truncated",
    "Uniform",
    "Weibull",
    "Zipf",
]
