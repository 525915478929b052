"""What a flow draws, and the instants that it asks for: `random`, `uuid`, `datetime.now` and their kin."""

from __future__ import annotations

import ast
import datetime as dt
import inspect
import itertools
import random

from deep_faker.compile.graph.ir import Draw
from deep_faker.compile.lower.entities import clock_read
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.operands import arguments_of, value_of
from deep_faker.compile.read.values import Code, Const, Items, Spread, Value, constant, local
from deep_faker.draws.distributions.declared import Choice, Distribution
from deep_faker.draws.distributions.drawn import Maker, function_of
from deep_faker.draws.distributions.family import family_of_class
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.random_module import RANDOM_FUNCTIONS
from deep_faker.errors import shown
from deep_faker.plan.storage import EPOCH

_COUNTS = [family for family in FAMILIES.values() if family.native == "counts"]


def draw(low: Lowering, name: str, node: ast.Call) -> Value:
    args, kwargs = arguments_of(low, node)
    if name == "shuffle":
        raise low.limit(node, "random.shuffle changes a list in place")
    if name == "choice" and len(args) == 1 and not kwargs:
        return _choice(low, args[0], node)
    if name == "choices":
        drawn = _choices(low, args, kwargs, node)
        if drawn is not None:
            return drawn
    names = RANDOM_FUNCTIONS[name].parameters
    for parameter in names[len(args) :]:
        if parameter not in kwargs:
            if not kwargs:
                break
            default = inspect.signature(getattr(random, name)).parameters[parameter].default
            args.append(Const(default))
            continue
        args.append(kwargs.pop(parameter))
    if kwargs:
        raise low.limit(node, f"random.{name} with the argument {next(iter(kwargs))!r}")
    target = low.fresh()
    low.emit(Draw(target, name, tuple(low.code(value, node) for value in args), low.span(node)))
    return Code(local(target))


def _choice(low: Lowering, population: Value, node: ast.Call) -> Value:
    """An index is drawn, then looked up: by column for constants of one kind."""
    index = low.fresh()
    if isinstance(population, Const):
        try:
            population = Const(tuple(population.value[i] for i in range(len(population.value))))
        except (TypeError, KeyError):
            raise low.limit(node, "random.choice of something that is no sequence") from None
        length: ast.expr = constant(len(population.value))
    else:
        population = Code(local(low.as_local(population, node)))
        length = ast.Call(constant(len), [population.node], [])
    low.emit(Draw(index, "index", (length,), low.span(node)))
    return Code(ast.Subscript(low.code(population, node), local(index), ast.Load()))


def _choices(low: Lowering, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Value | None:
    """``random.choices`` of constants with k=1: a list of one element, drawn by comparisons."""
    names = ("population", "weights")
    arguments = dict(zip(names, args, strict=False)) | kwargs
    count = arguments.pop("k", Const(1))
    if len(args) > len(names) or not all(isinstance(v, Const) for v in (count, *arguments.values())):
        return None
    population, weights = (value_of(arguments.pop(name, Const(None))) for name in names)
    if (
        arguments
        or value_of(count) != 1
        or not isinstance(population, (list, tuple, str, range))
        or not population
    ):
        return None
    if weights is None:
        return Items((_choice(low, Const(population), node),), list)
    try:
        sums = list(itertools.accumulate(float(weight) for weight in weights))
    except (TypeError, ValueError):
        return None
    if len(sums) != len(population) or min(weights) < 0 or not 0 < sums[-1] < float("inf") or len(sums) > 64:
        return None
    unit, place = low.fresh(), low.fresh()
    low.emit(Draw(unit, "random", (), low.span(node)))
    # The same sum and products as in variates.weighted_index, and as many comparisons as weights.
    low.let(ast.BinOp(local(unit), ast.Mult(), constant(sums[-1])), node, place)
    reached: list[ast.expr] = [
        ast.Call(constant(int), [ast.Compare(local(place), [ast.GtE()], [constant(edge)])], [])
        for edge in sums[:-1]
    ]
    index: ast.expr = constant(0)
    for one in reached:
        index = ast.BinOp(index, ast.Add(), one)
    number = low.let(index, node)
    return Items((Code(ast.Subscript(constant(tuple(population)), local(number), ast.Load())),), list)


def draw_of_distribution(low: Lowering, node: ast.Call) -> Value:
    """``ctx.draw(…)``."""
    args, kwargs = arguments_of(low, node)
    given = [*args, *(kwargs.pop(name) for name in ("distribution",) if name in kwargs)]
    mend = "give one such as ctx.draw(Poisson(3))"
    if len(given) != 1 or kwargs:
        raise low.wrong(node, "ctx.draw takes one distribution", ast.unparse(node), mend)
    target, (what,) = low.fresh(), given
    if isinstance(what, Spread) and what.make is not Choice:
        function = "count_of" if family_of_class(what.make) in _COUNTS else "variate_of"
        place = low.span((node.args or [word.value for word in node.keywords])[0])
        codes = [
            constant(Maker(what.make, place)),
            *(low.code(what.parts[name], node) for name in what.parts),
        ]
        low.emit(Draw(target, function, tuple(codes), low.span(node)))
        return Code(local(target))
    if not isinstance(what, Const):
        raise low.limit(node, "draws from a distribution that is not known when compiling")
    if not isinstance(what.value, Distribution):
        raise low.wrong(node, "no distribution", f"got {shown(what.value)}", mend)
    low.emit(Draw(target, function_of(what.value), (constant(what.value),), low.span(node)))
    if isinstance(what.value, Choice):
        values = Const(tuple(what.value.values))
        return Code(ast.Subscript(low.code(values, node), local(target), ast.Load()))
    return Code(local(target))


def clock_call(low: Lowering, kind: str, node: ast.Call) -> Value:
    if kind == "calendar":
        raise low.limit(node, f"calls {ast.unparse(node.func)}")
    if node.args or node.keywords:
        raise low.limit(node, f"{ast.unparse(node.func)} with a time zone")
    clock = clock_read(low).node
    if kind == "datetime":
        return Code(clock)
    if kind == "nanoseconds":
        passed = ast.BinOp(clock, ast.Sub(), constant(EPOCH))
        micros = ast.BinOp(passed, ast.FloorDiv(), constant(dt.timedelta(microseconds=1)))
        return Code(ast.BinOp(micros, ast.Mult(), constant(1000)))
    if kind == "date":
        return Code(ast.Call(ast.Attribute(clock, "date", ast.Load()), [], []))
    passed = ast.BinOp(clock, ast.Sub(), constant(EPOCH))
    return Code(ast.Call(ast.Attribute(passed, "total_seconds", ast.Load()), [], []))
