"""Arrivals that come in bursts: each one may lead to others (T16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from deep_faker.declare.rates import delay_of, per_second
from deep_faker.draws.distributions.declared import Distribution, is_number
from deep_faker.errors import DeclarationError, Diagnostic, shown
from deep_faker.spans import caller_span


@dataclass(frozen=True, eq=False)
class Hawkes:
    """A self-exciting process: arrivals at a ``rate``; each has Poisson(``branching``) more after a time.

    These lead to others in the same way, so that there are ``rate / (1 - branching)`` in all, in clusters.
    The variance of counts over long times is ``1 / (1 - branching)**2`` times their mean (Hawkes 1971).

    Raises `DeclarationError` for a rate or time that cannot be read, and for a ``branching`` that is not
    from 0 to less than 1: from 1 on there is no end of it.

    >>> from deep_faker import Exponential
    >>> Hawkes("30/h", branching=0.5, after=Exponential(minutes=10))
    Hawkes('30/h', branching=0.5, after=Exponential(mean=600))
    """

    rate: str
    branching: float
    after: Distribution | str | float | timedelta

    def __post_init__(self) -> None:
        span = caller_span()
        per_second(self.rate, span)
        b = self.branching
        if not is_number(b) or not 0 <= b < 1:
            label = f"branching={shown(b)}: each arrival leads to so many others on average"
            mend = "give a number from 0 to less than 1; from 1 on the arrivals would have no end"
            raise DeclarationError(Diagnostic("wrong branching", span, label, mend))
        object.__setattr__(self, "after", delay_of(self.after, span))

    def __repr__(self) -> str:
        return f"Hawkes({self.rate!r}, branching={self.branching!r}, after={self.after!r})"
