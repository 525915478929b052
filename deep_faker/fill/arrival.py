"""When events are known: each so long after it happened as its ``NewEvent(..., arrives=…)`` says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deep_faker.draws.distributions.declared import Distribution, kind_and_parameters
from deep_faker.draws.mix import Draws
from deep_faker.draws.to_micros import wait_micros
from deep_faker.fill.time_order import Part, concatenated
from deep_faker.plan import Array, Site, arrow

SECOND = 1_000_000


class Arrival:
    """The delays of a run's events, each a draw of its own: no other event or draw moves it."""

    def __init__(self, draws: Draws) -> None:
        self._key = draws.key("arrives")

    def times(self, part: Part, sites: Sequence[Site]) -> Array:
        """The instants (µs) at which the events of one type are known, in T9 order."""
        delays = []
        for rows in part.rows:
            lag = sites[rows.site].arrives
            n = len(rows.flow)
            delays.append(
                np.zeros(n, np.int64) if lag is None else delayed(lag, self._key, rows.flow, rows.action)
            )
        return part.sorted(part.clock + concatenated(delays))


def delayed(lag: Distribution, key: int, flow: Array, action: Array) -> Array:
    """One delay in µs, at least 0, for each event; a distribution is of seconds.

    >>> from deep_faker import Choice
    >>> delayed(Choice([1.5]), 7, np.array([3]), np.array([1])).tolist()
    [1500000]
    """
    kind, parameters = kind_and_parameters(lag)
    return wait_micros(kind, parameters, SECOND, key, flow.astype(np.uint64), action.astype(np.uint64))


def instants(micros: Array) -> pa.Array:
    """Instants in µs as a column of timestamps."""
    return arrow.numbers(np.ascontiguousarray(micros, np.int64)).view(pa.timestamp("us"))
