"""Arrivals of flows whose rate follows from the state of each entity (T15).

Each entity has a Poisson field of its own (`poisson_field` says how), in cells of 19 hours, and the points
below its rate are its arrivals. So a rate that changes moves no other arrival, and of two rates the lower one
has some of the arrivals of the higher. Nothing is kept: the state tells the rates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deep_faker.declare.state_rates import Columns
from deep_faker.draws.distributions.poisson import poisson
from deep_faker.draws.mix import F64, U64, Draws, mix
from deep_faker.plan import Array, FlowTable
from deep_faker.plan.rates import StateRate
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.failures import wrong_rate

UNIT = 36  # heights count points in 2**36 µs, 19.1 hours
A_SECOND = 2.0**UNIT / 1e6
MOST_CELLS = 1 << 21  # cells of a window, about: of many entities that hardly ever do anything

_LOW = np.uint64((1 << 32) - 1)

Read = Callable[[str, str], tuple[Array, Array | None]]
"""A column of state of all entities of a type, as it is between two steps."""


class StateRates:
    """The rates of one flow, and its arrivals."""

    def __init__(self, flow: FlowTable, rate: StateRate, draws: Draws) -> None:
        self.flow, self.name, self.rate, self._draws = flow.number, flow.name, rate, draws
        self.entity = rate.entity
        self.known = 0  # how many entities have their rates
        self._rates: F64 = np.empty(0)  # a second, by entity number
        self._most = float(rate.curve.level.max())

    @property
    def per_micro(self) -> float:
        """How many arrivals there are in a µs, about."""
        return float(self._rates[: self.known].sum()) * self._most / 1e6

    def longest(self) -> int:
        """How long a window may be, in µs."""
        return max(MOST_CELLS // max(self.known, 1), 1) << UNIT

    def look(self, read: Read) -> None:
        """Take the rates of all entities from their state as it is now. Raises `RunError`."""
        columns = {name: read(self.entity, name)[0] for name in self.rate.fields}
        count = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):
            given = np.asarray(self.rate.function(Columns(columns)), np.float64)
        rates = np.broadcast_to(given, (count,)).copy()
        wrong = np.flatnonzero(~((rates >= 0) & (rates <= self.rate.most)))
        if len(wrong):
            place = int(wrong[0])
            state = {name: column[place].item() for name, column in columns.items()}
            raise wrong_rate(self.name, self.entity, state, float(rates[place]), self.rate.most)
        self._rates, self.known = rates, count

    def arrivals(self, numbers: I64, begin: int, end: int) -> tuple[I64, U64, I64]:
        """Of these entities from ``begin`` to before ``end``: instants, words, and whose they are."""
        height = self._rates[numbers] * A_SECOND
        most = height * self.rate.curve.most(begin, end)
        bands = np.zeros(len(numbers), np.int64)
        some = most > 0
        bands[some] = 1 + np.maximum(0, np.ceil(np.log2(most[some]))).astype(np.int64)
        parts = [
            self._band(band, np.flatnonzero(bands > band), numbers, height, begin, end)
            for band in range(int(bands.max(initial=0)))
        ]
        none = np.empty(0, np.int64)
        parts.append((none, np.empty(0, np.uint64), none))
        clock, word, entity = (np.concatenate(column) for column in zip(*parts, strict=True))
        return clock, word, entity

    def _band(
        self, band: int, places: I64, numbers: I64, height: F64, begin: int, end: int
    ) -> tuple[I64, U64, I64]:
        low, high = (0.0, 1.0) if band == 0 else (2.0 ** (band - 1), 2.0**band)
        finer = max(0, band - 1)  # a point in a cell on average: short windows look at few
        shift = UNIT - finer
        cells = np.arange(begin >> shift, ((end - 1) >> shift) + 1)
        place, cell = np.repeat(places, len(cells)), np.tile(cells, len(places))
        who = numbers[place].view(np.uint64)
        key, name = self._draws.key, self.name
        counts = poisson(
            mix(key("state", name, "count", band), who, cell.view(np.uint64)), (high - low) / 2.0**finer
        )
        own = mix(key("state", name, "cell", band), who, cell.view(np.uint64))
        at = np.repeat(np.arange(len(cell)), counts)
        within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        word = mix(key("state", name, "point", band), own[at], within.view(np.uint64))
        clock: I64 = (cell[at] << shift) + (word >> np.uint64(64 - shift)).view(np.int64)
        # the upper bits of a word are the time within the cell, the lower ones the height within the band
        drawn = low + (high - low) * (((word & _LOW).astype(np.float64) + 0.5) * 2.0**-32)
        mine = place[at]
        kept = np.flatnonzero((clock >= begin) & (clock < end))
        kept = kept[drawn[kept] < height[mine[kept]] * self.rate.curve.at(clock[kept])]
        return clock[kept], word[kept], numbers[mine[kept]]
