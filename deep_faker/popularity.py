"""Popularity: weights for ``Select(..., weight=)``, by which few entities get most of the picks.

>>> from deep_faker import BaseEvent, Entity, Field, StateField
>>> class Added(BaseEvent):
...     film_id: str = Field(faker="bothify", text="F-#####")
>>> class Film(Entity):
...     source_event = Added
...     primary_key = "film_id"
...     popularity: float = StateField(draw=zipf_weights(1.1))
"""

from deep_faker.draws.distributions.declared import Pareto
from deep_faker.draws.distributions.family import is_number, refused

__all__ = ["zipf_weights"]


def zipf_weights(exponent: float = 1.0) -> Pareto:
    """Weights whose r-th largest falls as ``r ** -exponent``: Zipf's law, of however many entities there are.

    They are Pareto variates of shape ``1 / exponent``: of N the r-th is about ``(N / r) ** exponent``.
    So entities that are born later take their place among the others, and nobody's weight changes for it.
    Raises `DeclarationError` unless 0 < ``exponent`` <= 10.

    Source: Newman, "Power laws, Pareto distributions and Zipf's law", Contemporary Physics 46 (2005).

    >>> zipf_weights(2)
    Pareto(shape=0.5, minimum=1.0)
    """
    if not is_number(exponent) or not 0 < exponent <= 10:
        raise refused("zipf_weights", f"exponent={exponent!r}", "give a number above 0, 10 at most")
    return Pareto(1 / exponent)
