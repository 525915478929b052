"""What is known of a local in a walk of a table: a constant, a uniform number, a race's time, or nothing."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deep_faker.draws.race import race1, race_log1, won1
from deep_faker.plan import Expr


@dataclass(frozen=True, slots=True)
class Known:
    """A constant. ``kind`` tells 1, 1.0 and True apart."""

    kind: type
    value: object


@dataclass(frozen=True, slots=True)
class Between:
    """A number that is uniform in [low, high): the draw ``source``, and what comparisons have told of it."""

    source: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Arrives:
    """The time of one option of ``ctx.choose``, or the least of several: exponential, of this rate."""

    rate: float


@dataclass(frozen=True, slots=True)
class Somebody:
    """An entity that is surely there."""


Value = Known | Between | Arrives | Somebody
World = dict[str, Value]
"""Local → what is known of it; of those that are not there, nothing is."""

Outcome = tuple[float, Value | None, World]
"""Chance, value (None: not known), what is known then."""

_TURNED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Lt: ast.Gt, ast.LtE: ast.GtE}


def known(value: object) -> Known | None:
    """The constant, if it is one that can be told apart from others."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return Known(type(value), value)
    return None


def outcomes(expr: Expr, world: World, chances: Mapping[tuple[str, int, int], float]) -> Iterator[Outcome]:
    """What the expression can be, with the chance of each.

    ``chances`` replaces that of a comparison with ``random()``, by the place of the comparison.
    """
    mine = {name: world.get(name) for name in expr.names}
    if all(isinstance(value, Known) for value in mine.values()):
        yield 1.0, _evaluated(expr.text, expr, mine), world
        return
    node = ast.parse(expr.text, mode="eval").body
    if isinstance(node, ast.Name):
        yield 1.0, mine.get(node.id), world
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield 1.0, _called(node, expr, mine), world
    elif isinstance(node, ast.IfExp):
        test = _evaluated(ast.unparse(node.test), expr, mine)
        arm = node.body if isinstance(test, Known) and test.value else node.orelse
        yield 1.0, _part(arm, expr, mine) if isinstance(test, Known) else None, world
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _compared(node, expr, world, chances)
    else:
        yield 1.0, None, world


def place(expr: Expr) -> tuple[str, int, int]:
    """Where the expression stands."""
    return expr.span.file, expr.span.line, expr.span.col


def _compared(
    node: ast.Compare, expr: Expr, world: World, chances: Mapping[tuple[str, int, int], float]
) -> Iterator[Outcome]:
    mine = {name: world.get(name) for name in expr.names}
    left, right = _part(node.left, expr, mine), _part(node.comparators[0], expr, mine)
    kind = type(node.ops[0])
    if isinstance(left, Arrives) and isinstance(right, Arrives) and kind is ast.Lt:
        # which of two exponential times is less says nothing of how long the less is
        both = Arrives(left.rate + right.rate)
        names = [name for name, value in mine.items() if isinstance(value, Arrives)]
        after = world | dict.fromkeys(names, both)
        chance = left.rate / both.rate if both.rate else 0.0
        yield from ((p, Known(bool, said), after) for p, said in ((chance, True), (1 - chance, False)) if p)
        return
    if isinstance(right, Between) and kind in _TURNED:
        left, right, kind = right, left, _TURNED[kind]
    number = right.value if isinstance(right, Known) else None
    if not isinstance(left, Between) or kind not in _TURNED or not isinstance(number, (int, float)):
        yield 1.0, None, world
        return
    at = min(max(float(number), left.low), left.high)
    chance = (at - left.low) / (left.high - left.low)
    if left.high - left.low == 1.0:
        chance = chances.get(place(expr), chance) if kind in (ast.Lt, ast.LtE) else chance
    is_below = kind in (ast.Lt, ast.LtE)
    for p, below, piece in (
        (chance, True, replace(left, high=at)),
        (1 - chance, False, replace(left, low=at)),
    ):
        if p > 0.0:
            # where a chance was replaced, the number itself is not followed any further
            told = piece if piece.high > piece.low and place(expr) not in chances else None
            yield p, Known(bool, below is is_below), _all_told(world, left.source, told)


def _all_told(world: World, source: str, piece: Between | None) -> World:
    out = dict(world)
    for name, value in world.items():
        if isinstance(value, Between) and value.source == source:
            if piece is None:
                del out[name]
            else:
                out[name] = piece
    return out


def _called(node: ast.Call, expr: Expr, mine: Mapping[str, Value | None]) -> Value | None:
    function = expr.consts.get(node.func.id) if isinstance(node.func, ast.Name) else None
    if function is won1:
        return _part(node.args[0], expr, mine)
    if function in (race1, race_log1):
        weight = _part(node.args[2], expr, mine)
        if isinstance(weight, Known) and isinstance(weight.value, (int, float)):
            number = float(weight.value)
            return Arrives(math.exp(number) if function is race_log1 else number)
    return None


def _part(node: ast.expr, expr: Expr, mine: Mapping[str, Value | None]) -> Value | None:
    if isinstance(node, ast.Name) and node.id in mine:
        return mine[node.id]
    return _evaluated(ast.unparse(node), expr, mine)


def _evaluated(text: str, expr: Expr, mine: Mapping[str, Value | None]) -> Known | None:
    """The value of a part of the expression that only hangs on constants."""
    names = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
    values = {name: value.value for name, value in mine.items() if isinstance(value, Known)}
    if any(name in mine and name not in values for name in names):
        return None
    try:
        return known(eval(text, {**expr.consts, **values}))  # noqa: S307 - the compiler's own text
    except Exception:  # noqa: BLE001 - what it raises is the run's to say
        return None
