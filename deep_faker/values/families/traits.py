"""Values that hang on what is drawn beside them: of correlated numbers, and of groups.

No library makes them, and no pool could: each is computed from the draws of its own row, the same in flows
that read it early. What goes together has the same draws under a key that all parts have in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.distributions.correlated import CorrelatedPart
from deep_faker.draws.distributions.margins import CELL, CELLS, FIRST, Margin, margin_of, value_at
from deep_faker.draws.distributions.segments import Segments
from deep_faker.draws.exact import normal_from_unit
from deep_faker.draws.mix import F64, open_unit
from deep_faker.expressions.runtime import round_to
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.values.base import Drawn, Place, Rows, Values, plain
from deep_faker.values.choices import Elements

_SLACK = 1e-6  # more than rounding carries a value beyond its knots


class Correlate(Values):
    """One of several correlated numbers.

    >>> from deep_faker import Normal
    >>> from deep_faker.draws.distributions.correlated import Correlated
    >>> from deep_faker.draws.mix import Draws
    >>> both = Correlated({"a": Normal(0, 1), "b": Normal(0, 1)}, [[1, 0.99], [0.99, 1]])
    >>> a, b = (Correlate(Place(Draws(7), ("field", "E", name), 0), both[name], None) for name in "ab")
    >>> abs(a.one(3, 1, 0) - b.one(3, 1, 0)) < 1
    True
    """

    def __init__(self, place: Place, part: CorrelatedPart, digits: int | None) -> None:
        super().__init__(place)
        together = Place(place.draws, (*place.purpose[:-1], part.shared), place.start_micros, place.span)
        self._row = part.of.rows[part.number]
        self._keys = [together.key(number) for number in range(len(self._row))]
        margin = margin_of(part.of.parts[part.number])
        assert margin is not None
        self._margin: Margin = margin
        self.kind = "float" if margin.sums is None else "int"
        self._digits = digits if margin.sums is None else None

    def column(self, rows: Rows) -> pa.Array:
        z: F64 = np.zeros(0)
        for number, (key, weight) in enumerate(zip(self._keys, self._row, strict=True)):
            score = normal_from_unit(open_unit(self._draw(rows, key))) * weight
            z = score if number == 0 else z + score
        values = value_at(self._margin, z)
        return arrow.numbers(values if self._digits is None else round_to(values, self._digits))

    def recipe(self, steps: Steps) -> Drawn:
        scores = [
            steps.mix(key).open_unit().normal() * weight
            for key, weight in zip(self._keys, self._row, strict=True)
        ]
        z = scores[0]
        for score in scores[1:]:
            z += score
        word = _steps_at(self._margin, z)
        return Drawn(word if self._digits is None else word.rounded(self._digits))


def _steps_at(margin: Margin, z: Word) -> Word:
    """The steps of `deep_faker.draws.distributions.margins.value_at`."""
    if margin.sums is not None:
        return z.cumulated(margin.sums) + margin.least
    y = z
    if margin.knots is not None:
        x = ((z - FIRST) / CELL).clipped(0.0, float(CELLS))
        cell = (x - 0.5).rint().clipped(0.0, CELLS - 1.0)
        number, knots = cell.to_int(), margin.knots.tolist()
        low, high = number.among(knots), (number + 1).among(knots)
        steepest = float(np.abs(np.diff(margin.knots)).max()) + _SLACK
        slope = (high - low).within(-steepest, steepest)
        y = low + slope * (x - cell).within(0.0, 1.0)
        y = y.within(float(margin.knots.min()) - _SLACK, float(margin.knots.max()) + _SLACK)
    if margin.shape == "exp":
        y = y.exp()
    elif margin.shape == "odds":
        y = 1.0 / ((y * -1.0).exp() + 1.0)
    return y * margin.scale + margin.shift


class Grouped(Values):
    """A value of the distribution that the entity's group has.

    ``parts`` are the values of each group, by the place of its name; ``group`` is where the group is drawn.
    """

    def __init__(self, place: Place, segments: Segments, group: Place, parts: list[Values]) -> None:
        super().__init__(place)
        self._place = Elements(group, list(range(len(segments.values))), segments.weights)
        self._parts = parts
        kinds = {part.kind for part in parts}
        self.kind = "float" if kinds == {"int", "float"} else kinds.pop()

    def column(self, rows: Rows) -> pa.Array:
        groups = self._place.column(rows)
        columns = [plain(part.column(rows)) for part in self._parts]  # few groups, each for all rows
        if self.kind == "float":
            columns = [column.cast(pa.float64()) for column in columns]
        return pc.choose(groups, *columns)

    def one(self, flow: int, action: int, clock: int) -> object:
        group: Any = self._place.one(flow, action, clock)
        value: Any = self._parts[group].one(flow, action, clock)
        return float(value) if self.kind == "float" else value

    def recipe(self, steps: Steps) -> Drawn | None:
        place = self._place.recipe(steps).word
        drawn = [part.recipe(steps) for part in self._parts]
        if any(each is None or each.values is not None for each in drawn):
            return None
        words = [each.word.as_float() if self.kind == "float" else each.word for each in drawn if each]
        word = words[-1]
        for number, other in enumerate(words[:-1]):
            word = place.equals(number).select(other, word)
        return Drawn(word)
