"""The delays of waits, and the conditions of picks, in the source of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deep_faker.plan import Delay, Pick, Type, Wait
from deep_faker.simulate.computed import may_be_wrong

if TYPE_CHECKING:
    from deep_faker.simulate.columns.code import FlowCode


def wait_source(code: FlowCode, terminator: Wait) -> list[str]:
    """Source of ``new__``, the clock after a wait, and of its rate ``rate__`` where that is not 0.

    What is wrong is found in the order in which the flow itself would: it makes the distributions, then
    `AddDecay` looks at the rate, then at the waits.
    """
    span, rate = code.constant(terminator.span, "span"), terminator.rate
    made, delay = _delay(code, terminator, span)
    if isinstance(rate, str):
        nulls = f"{rate}__null" if code.types[rate].optional else "None"
        made.append(f"rate__ = R.rate({rate}, {nulls}, {code.constant(code.types[rate], 'type')}, {span})")
    elif rate > 0:
        made.append(f"rate__ = {float(rate)!r}")
    if code.plan.settings.on_end == "cut":  # what ends after all dates is cut before it gets there
        return [*made, f"new__ = clock__ + {delay}"]
    return [*made, f"new__ = R.clocks(clock__, {delay}, {span})"]


def _delay(code: FlowCode, terminator: Wait, span: str) -> tuple[list[str], str]:
    """Source of the distributions that the flow makes, and of the delay in microseconds."""
    made: list[str] = []
    constant = 0
    parts: list[str] = []
    for index, delay in enumerate(terminator.delays):
        # The position of the keyword in the call; the compiler may have dropped others.
        position = delay.purpose.removeprefix("wait")
        key = code.kernel.draws.key("wait", int(position) if position else index)
        if delay.kind is not None:
            parameters = _parameters(code, delay, span)
            if delay.given:
                made.append(f"given{index}__ = {parameters}")
                parameters = f"R.fitting(given{index}__, {delay.unit}, {span})"
            parts.append(f"R.wait({delay.kind!r}, {parameters}, {delay.unit}, {key}, number__, action__)")
        elif delay.local is not None:
            type_ = code.types[delay.local]
            nulls = f"{delay.local}__null" if type_.optional else "None"
            kind = code.constant(type_, "type")
            drawn = f"{key}, number__, action__"
            parts.append(f"R.length({delay.local}, {nulls}, {kind}, {delay.unit}, {span}, {drawn})")
        else:
            constant += delay.constant
    if constant or not parts:
        parts.append(str(constant))
    return made, " + ".join(parts)


def _parameters(code: FlowCode, delay: Delay, span: str) -> str:
    """The parameters of a distribution: one constant, or a tuple with the locals that the flow gives."""
    if not delay.given:
        return code.constant(delay.params, "params")
    given = {at: _number(code, name) for at, name in delay.given}
    values = delay.params[0] if delay.kind == "choice" else delay.params
    parts = "".join(f"{given.get(at, repr(value))}, " for at, value in enumerate(values))
    if delay.kind == "choice":
        parts = f"({parts}), {delay.params[1]!r}"
    return f"R.varying({delay.kind!r}, ({parts}), {delay.unit}, {span})"


def _number(code: FlowCode, name: str) -> str:
    """A local as numbers; what may be none goes on as the values themselves."""
    type_ = code.types[name]
    if type_ in (Type("int"), Type("float")):
        return name
    nulls = f"{name}__null" if type_.optional else "None"
    return f"R.rows({name}, {nulls}, {code.constant(type_, 'type')})"


def judging(code: FlowCode, pick: Pick) -> list[str]:
    """Source of the checks of those conditions whose values only the run knows to be right."""
    spec = code.plan.entities[pick.entity].spec
    out = []
    for name, op, local in pick.dynamic:
        type_ = code.types[local]
        if may_be_wrong(spec, name, type_):
            nulls = f"{local}__null" if type_.optional else "None"
            values = f"R.python({local}, {nulls}, {code.constant(type_, 'type')})"
            span = code.constant(pick.span, "span")
            out.append(f"R.judge({pick.entity!r}, {name!r}, {op!r}, {values}, {span})")
    return out
