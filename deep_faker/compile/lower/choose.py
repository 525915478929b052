"""``ctx.choose({"browse": 3, "buy": user.mood})``: a race of the options, each with a time of its own."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from deep_faker.compile.graph.ir import Draw
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.operands import operands, value_of
from deep_faker.compile.read.values import Code, Const, Value, constant, local
from deep_faker.draws.race import check_label, check_utility, check_weight, race1, race_log1, won1

_MANY = 64  # options beyond which the table would be longer than it is worth


def choose(low: Lowering, node: ast.Call) -> Value:
    """The label that wins, by comparisons of the options' times."""
    softmax = _is_softmax(low, node)
    options = _options(low, node)
    _checked(low, node, options, softmax=softmax)
    word = low.fresh()
    settled = {label: low.settled(value, node) for label, value in options.items()}
    low.emit(Draw(word, "word", (), low.span(node)))
    time_of = race_log1 if softmax else race1
    place: ast.expr = constant(0)
    least = ""
    for at, (label, weight) in enumerate(settled.items()):
        parts = [local(word), constant(label), low.code(weight, node)]
        time = low.let(ast.Call(constant(time_of), parts, []), node)
        if not least:
            least = time
            continue
        sooner = low.let(ast.Compare(local(time), [ast.Lt()], [local(least)]), node)
        place = local(low.let(ast.IfExp(local(sooner), constant(at), place), node))
        least = low.let(ast.IfExp(local(sooner), local(time), local(least)), node)
    winner = low.let(ast.Call(constant(won1), [place, local(least)], []), node)
    return Code(ast.Subscript(constant(tuple(settled)), local(winner), ast.Load()))


def _is_softmax(low: Lowering, node: ast.Call) -> bool:
    softmax = False
    for keyword in node.keywords:
        if keyword.arg not in ("options", "softmax"):
            label = f"choose has no {keyword.arg!r}"
            raise low.wrong(node, "unknown argument", label, "write ctx.choose({…}, softmax=True)")
        if keyword.arg == "softmax":
            value = low.visit(keyword.value)
            if not isinstance(value, Const):
                raise low.limit(node, "ctx.choose with softmax= that is not constant")
            softmax = bool(value.value)
    return softmax


def _options(low: Lowering, node: ast.Call) -> dict[object, Value]:
    given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "options")]
    if len(given) != 1:
        raise low.wrong(
            node, "choose takes one mapping", ast.unparse(node), 'write ctx.choose({"browse": 3, "buy": 1})'
        )
    (written,) = given
    if not isinstance(written, ast.Dict):
        known = low.visit(written)
        if not isinstance(known, Const):
            raise low.limit(node, "ctx.choose of a mapping that is neither constant nor written out")
        if not isinstance(known.value, Mapping):
            label = f"got {known.value!r}"
            raise low.wrong(
                node, "choose takes a mapping", label, "give labels their weights: {label: weight}"
            )
        return {label: Const(weight) for label, weight in known.value.items()}
    if any(key is None for key in written.keys):
        raise low.limit(node, "a dict with **")
    parts = [
        part for pair in zip(written.keys, written.values, strict=True) for part in pair if part is not None
    ]
    values = operands(low, parts)
    labels = values[::2]
    if not all(isinstance(label, Const) for label in labels):
        raise low.limit(node, "ctx.choose with labels that are not constant")
    options = {value_of(label): weight for label, weight in zip(labels, values[1::2], strict=True)}
    if len(options) < len(labels):
        raise low.limit(node, "ctx.choose with a label that stands there twice")
    return options


def _checked(low: Lowering, node: ast.Call, options: Mapping[object, Value], *, softmax: bool) -> None:
    """Refuse what is wrong whatever the flow does."""
    if not options:
        raise low.wrong(node, "nothing to choose from", ast.unparse(node), "give an option at least")
    if len(options) > _MANY:
        raise low.limit(node, f"ctx.choose of more than {_MANY} options")
    check, never = (check_utility, -math.inf) if softmax else (check_weight, 0.0)
    numbers = []
    for label, weight in options.items():
        wrong = check_label(label)
        if wrong is not None:
            mend = "labels are text, numbers, enums, classes, or tuples of them"
            raise low.wrong(node, "wrong label", f"{label!r} is {wrong}", mend)
        if isinstance(weight, Const):
            try:
                numbers.append(check(label, weight.value))
            except (TypeError, ValueError) as error:
                mend = "give a finite number" if softmax else "give a number of 0 or more"
                raise low.wrong(node, "wrong weight", str(error), mend) from None
    if len(numbers) == len(options) and max(numbers) == never:
        label = "all weights are 0" if not softmax else "all utilities are -inf"
        raise low.wrong(node, "nothing can be chosen", label, "give one option a chance at least")
