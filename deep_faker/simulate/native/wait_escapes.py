"""What the kernel leaves to Python of waits, and of the conditions of selections: see `escapes`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deep_faker.declare.operators import check_condition
from deep_faker.draws.to_micros import wait_micros
from deep_faker.plan import Array, Delay, EntityPlan, Type, Wait
from deep_faker.simulate import computed
from deep_faker.simulate.failures import out_of_time
from deep_faker.simulate.native.escapes import Batch, Serve
from deep_faker.spans import Span
from deep_faker.times import LATEST


def rate(register: str, local: str, span: Span) -> Serve:
    """A probability that is no plain number: as a float, or refused."""

    def serve(batch: Batch) -> None:
        batch.put_as(register, Type("float"), _rates(batch, local, span).astype(np.float64), None)

    return serve


def length(register: str, local: str, unit: int, position: int, span: Span) -> Serve:
    """The microseconds of a wait that the flow computed, or what `AddDecay` refuses."""

    def serve(batch: Batch) -> None:
        type_ = batch.flow.types[local]
        values, nulls = batch.column(local)
        if type_.kind in ("int", "float") and (nulls is None or not nulls.any()):
            micros = computed.lengths(values, unit, span)
        else:
            key = batch.world.key("wait", position)
            micros = computed.lengths_of(batch.python(local), unit, span, key, batch.word, batch.action)
        batch.put_as(register, Type("int"), micros, None)

    return serve


def drawn_length(register: str, delay: Delay, position: int, span: Span) -> Serve:
    """The microseconds of a wait whose distribution has parameters that the flow computed."""

    def serve(batch: Batch) -> None:
        assert delay.kind is not None
        params = delay.params
        if delay.given:
            params = computed.fitting(_parameters(batch, delay, span), delay.unit, span)
        key = batch.world.key("wait", position)
        action = batch.action.view(np.uint64)
        micros = wait_micros(delay.kind, params, delay.unit, key, batch.word, action)
        batch.put_as(register, Type("int"), micros, None)

    return serve


def in_order(wait: Wait, serve: Serve) -> Serve:
    """What ``serve`` does of a wait, after what comes before it.

    The flow makes the distributions, then `AddDecay` looks at the rate, then at the waits.
    """
    made_by_flow = [delay for delay in wait.delays if delay.given]
    if not made_by_flow and not isinstance(wait.rate, str):
        return serve

    def serve_in_order(batch: Batch) -> None:
        for delay in made_by_flow:
            _parameters(batch, delay, wait.span)
        if isinstance(wait.rate, str):
            _rates(batch, wait.rate, wait.span)
        serve(batch)

    return serve_in_order


def _parameters(batch: Batch, delay: Delay, span: Span) -> tuple[object, ...] | computed.Doubted:
    """The parameters of a distribution that the flow makes."""
    assert delay.kind is not None
    of_flow = {position: _numbers(batch, name) for position, name in delay.given}
    choices = delay.kind == "choice"
    values = delay.params[0] if choices else delay.params
    params: tuple[object, ...] = tuple(of_flow.get(position, value) for position, value in enumerate(values))
    if choices:
        params = (params, delay.params[1])
    return computed.parameters(delay.kind, params, delay.unit, span)


def _rates(batch: Batch, local: str, span: Span) -> Array:
    type_ = batch.flow.types[local]
    values, nulls = batch.column(local)
    if type_.kind not in ("int", "float") or nulls is not None:
        values = np.fromiter(batch.python(local), object, len(batch))
    return computed.rates(values, span)


def _numbers(batch: Batch, local: str) -> Array:
    if batch.flow.types[local] in (Type("int"), Type("float")):
        return batch.column(local)[0]
    return np.fromiter(batch.python(local), object, len(batch))


def wrong_wait(rate_register: str | None, span: Span) -> Serve:
    """A wait that ends after all dates, or whose rate (an int or a float) is no probability."""

    def serve(batch: Batch) -> None:
        if rate_register is not None:
            rates = batch.stored(rate_register, batch.frame.types[rate_register])[0]
        for row in range(len(batch)):
            if rate_register is not None:
                computed.rates(rates[row : row + 1], span)
            if int(batch.clock[row]) + int(batch.wait[row]) > LATEST:
                raise out_of_time(batch.flow.name, span)
        raise AssertionError("a wait that can be")

    return serve


def judge(entity: EntityPlan, conditions: Sequence[tuple[str, str, str]], span: Span) -> Serve:
    """Check the values of conditions that may be of a type that the field has not."""

    def serve(batch: Batch) -> None:
        for name, op, local in conditions:
            for value in batch.python(local):
                check_condition(entity.spec, name, op, value, span)

    return serve
