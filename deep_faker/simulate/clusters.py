"""Arrivals in clusters: each arrival of a `Burst` leads to others, which lead to others (T16)."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.distributions.poisson import poisson
from deep_faker.draws.mix import U64, Draws, mix
from deep_faker.draws.to_micros import wait_micros
from deep_faker.plan.rates import Burst
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.came import Arriving, nobody


class Clusters:
    """What the arrivals of one flow lead to.

    The draws of each are keyed by the word of the one before it, and so in the end by a point of the Poisson
    field: what there is at a lower rate is there at a higher one, too.
    """

    def __init__(self, name: str, burst: Burst, draws: Draws, start: int) -> None:
        self._burst = burst
        self._keys = [draws.key(what, name) for what in ("children", "child", "child-after")]
        self.until = start  # all that come from firsts before it are known
        self._later = nobody(1)

    def window(self, firsts: Arriving, begin: int, end: int) -> Arriving:
        """With the firsts from ``until`` to before ``end``: all from ``begin`` to before ``end``."""
        self.until = end
        all_ = self._later
        generation = firsts
        while len(generation.clock):
            all_ = all_.then(generation)
            generation = self._children(generation)
        later = all_.clock >= end
        self._later = all_.some(np.flatnonzero(later))
        return all_.some(np.flatnonzero(~later & (all_.clock >= begin)))

    def _children(self, parents: Arriving) -> Arriving:
        count_key, word_key, delay_key = self._keys
        burst = self._burst
        counts = poisson(mix(count_key, parents.word), burst.branching)
        parent = np.repeat(np.arange(len(counts)), counts)
        place: I64 = np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
        word: U64 = mix(word_key, parents.word[parent], place.view(np.uint64))
        delay = wait_micros(
            burst.kind, burst.params, 1_000_000, delay_key, word, np.zeros(len(word), np.uint64)
        )
        return Arriving(parents.clock[parent] + delay, parents.flow[parent], word, parents.entity[parent])
