"""Rates and waiting times that a flow computes: what `AddDecay` refuses is refused in its own words.

The usual batch is right, and a few numpy calls say so; only one that may not be is looked at value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.declare.actions import UNITS, Distribution, check_rate, check_wait
from deep_faker.declare.schema import EntitySpec
from deep_faker.draws.distributions.declared import kind_and_parameters
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.to_micros import plainly_right, to_micros, to_micros1, wait_micros
from deep_faker.errors import DeclarationError
from deep_faker.plan import Array, Type
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.failures import at_line, out_of_time
from deep_faker.spans import Span, narrow_keyword
from deep_faker.times import LATEST

_NAMES = {micros: name for name, micros in UNITS.items()}


def may_be_wrong(spec: EntitySpec, field: str, have: Type) -> bool:
    """Whether only the run can tell if a condition's value of type ``have`` is one for the field."""
    state = spec.by_name.get(field)
    return have.kind == "object" or (state is not None and (state.literal or state.enum) is not None)


def rates(values: Array, span: Span) -> Array:
    """Probabilities, one a row. Raises `DeclarationError`."""
    if values.dtype.kind not in "iuf" or not ((values >= 0) & (values <= 1)).all():
        for value in values.tolist():
            check_rate(value, span)
        values = values.astype(np.float64)
    return values


def lengths(values: Array, unit: int, span: Span) -> I64:
    """Numbers of units as microseconds. Raises `DeclarationError`."""
    good = values.dtype.kind in "iuf" and ((values >= 0) & (values <= LATEST / unit)).all()
    if not good:
        for value in values.tolist():
            check_wait(_NAMES[unit], value, span)
    return to_micros(values, unit)


def lengths_of(values: list[Any], unit: int, span: Span, key: int, number: Array, action: Array) -> I64:
    """Waiting times of no single type: numbers and distributions, few but of many rows each."""
    micros = np.empty(len(values), np.int64)
    drawn: dict[int, list[int]] = {}
    for row, value in enumerate(values):
        check_wait(_NAMES[unit], value, span)
        if isinstance(value, Distribution):
            drawn.setdefault(id(value), []).append(row)
        else:
            micros[row] = to_micros1(value, unit)
    for rows in drawn.values():
        kind, params = kind_and_parameters(values[rows[0]])
        micros[rows] = wait_micros(kind, params, unit, key, number[rows], action[rows].view(np.uint64))
    return micros


@dataclass(frozen=True)
class Doubted:
    """Distributions that a flow made: `AddDecay` has yet to say whether they are such of waits.

    The flow makes them before it calls `AddDecay`, which looks at the rate first, then at each wait.
    """

    distributions: list[object]
    params: tuple[Any, ...]


def parameters(kind: str, params: tuple[Any, ...], unit: int, span: Span) -> tuple[Any, ...] | Doubted:
    """Parameters of a distribution, numbers or arrays. Raises the `DeclarationError` of the distribution."""
    family = FAMILIES[kind]
    choices = family.native == "places"
    columns = np.broadcast_arrays(*map(np.atleast_1d, params[0] if choices else params))
    # a distribution of waits of such parameters may be longer than the calendar: each is looked at
    most = family.longest(LATEST / unit)
    if not plainly_right(kind, columns) or any((column > most).any() for column in columns):
        make = family.make
        distributions: list[object] = []
        for row in zip(*(column.tolist() for column in columns), strict=True):
            try:
                distributions.append(make(row, params[1]) if choices else make(*row))
            except DeclarationError as error:
                # it knows the place of the code that calls it, which is ours
                keyword = narrow_keyword(span, _NAMES[unit])
                raise at_line(error, keyword) from error
        numbers = tuple(column.astype(np.float64) for column in columns)
        return Doubted(distributions, (numbers, params[1]) if choices else numbers)
    return params


def fitting(params: tuple[Any, ...] | Doubted, unit: int, span: Span) -> tuple[Any, ...]:
    """The parameters, if the distribution is one of waits. Raises `DeclarationError`."""
    if not isinstance(params, Doubted):
        return params
    for distribution in params.distributions:
        check_wait(_NAMES[unit], distribution, span)
    return params.params


def clocks(clock: I64, delay: I64 | int, flow: str, span: Span) -> I64:
    """The clocks after a wait. Raises `FlowError` for one without a date."""
    new: I64 = clock + delay
    if new.max(initial=0) > LATEST:
        raise out_of_time(flow, span)
    return new
