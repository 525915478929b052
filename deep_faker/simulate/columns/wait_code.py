"""The delays of waits, and the conditions of picks, in the source of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deep_faker.plan import Delay, Pick, Type, Wait
from deep_faker.simulate.computed import may_be_wrong

if TYPE_CHECKING:
    from deep_faker.declare.schema import EntitySpec
    from deep_faker.draws.mix import Draws
    from deep_faker.simulate.columns.source import Scope
    from deep_faker.simulate.columns.world import World


def wait_source(world: World, scope: Scope, terminator: Wait) -> list[str]:
    """Source of ``new__``, the clock after a wait, and of its rate ``rate__`` where that is not 0.

    What is wrong is found in the order in which the flow itself would: it makes the distributions, then
    `AddDecay` looks at the rate, then at the waits.
    """
    span, rate = scope.constant(terminator.span, "span"), terminator.rate
    lines, delay = _delay(world.draws, scope, terminator, span)
    if isinstance(rate, str):
        lines.append(f"rate__ = R.rate({rate}, {scope.nulls(rate)}, {scope.type(rate)}, {span})")
    elif rate > 0:
        lines.append(f"rate__ = {float(rate)!r}")
    if world.settings.on_end == "cut":  # what ends after all dates is cut before it gets there
        return [*lines, f"new__ = clock__ + {delay}"]
    return [*lines, f"new__ = R.clocks(clock__, {delay}, {span})"]


def _delay(draws: Draws, scope: Scope, terminator: Wait, span: str) -> tuple[list[str], str]:
    """Source of the distributions that the flow makes, and of the delay in microseconds."""
    lines: list[str] = []
    constant = 0
    parts: list[str] = []
    for index, delay in enumerate(terminator.delays):
        # The position of the keyword in the call; the compiler may have dropped others.
        position = delay.purpose.removeprefix("wait")
        key = draws.key("wait", int(position) if position else index)
        if delay.kind is not None:
            parameters = _parameters(scope, delay, span)
            if delay.given:
                lines.append(f"given{index}__ = {parameters}")
                parameters = f"R.fitting(given{index}__, {delay.unit}, {span})"
            parts.append(
                f"R.wait({delay.kind!r}, {parameters}, {delay.unit}, {key}, S.word.a[rows__], action__)"
            )
        elif delay.local is not None:
            value = f"{delay.local}, {scope.nulls(delay.local)}, {scope.type(delay.local)}"
            parts.append(f"R.length({value}, {delay.unit}, {span}, {key}, S.word.a[rows__], action__)")
        else:
            constant += delay.constant
    if constant or not parts:
        parts.append(str(constant))
    return lines, " + ".join(parts)


def _parameters(scope: Scope, delay: Delay, span: str) -> str:
    """The parameters of a distribution: one constant, or a tuple with the locals that the flow gives."""
    if not delay.given:
        return scope.constant(delay.params, "params")
    local_at = {position: _number(scope, name) for position, name in delay.given}
    values = delay.params[0] if delay.kind == "choice" else delay.params
    parts = "".join(f"{local_at.get(position, repr(value))}, " for position, value in enumerate(values))
    if delay.kind == "choice":
        parts = f"({parts}), {delay.params[1]!r}"
    return f"R.varying({delay.kind!r}, ({parts}), {delay.unit}, {span})"


def _number(scope: Scope, name: str) -> str:
    """A local as numbers; what may be none goes on as the values themselves."""
    if scope.types[name] in (Type("int"), Type("float")):
        return name
    return f"R.rows({name}, {scope.nulls(name)}, {scope.type(name)})"


def judging(spec: EntitySpec, scope: Scope, pick: Pick) -> list[str]:
    """Source of the checks of those conditions whose values only the run knows to be right."""
    out = []
    for name, op, local in pick.dynamic:
        if may_be_wrong(spec, name, scope.types[local]):
            values = f"R.python({local}, {scope.nulls(local)}, {scope.type(local)})"
            span = scope.constant(pick.span, "span")
            out.append(f"R.judge({pick.entity!r}, {name!r}, {op!r}, {values}, {span})")
    return out
