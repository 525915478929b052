"""Recipes of generated values as instructions; the kernel's part is `made`."""

from __future__ import annotations

import numpy as np

from deep_faker.plan.recipes import Recipe, Step
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native.lower.assembler import Frame, Register, bits_of, signed
from deep_faker.simulate.native.opcodes import MOV
from deep_faker.simulate.native.recipe_codes import *
from deep_faker.simulate.native.texts import Words

_BY_KIND = {
    "add": (ADD_INT, ADD_FLOAT),
    "subtract": (SUBTRACT_INT, SUBTRACT_FLOAT),
    "multiply": (MULTIPLY_INT, MULTIPLY_FLOAT),
    "equal": (EQUAL_INT, EQUAL_FLOAT),
    "less": (LESS_INT, LESS_FLOAT),
}
_ALIKE = {
    "clock": CLOCK,
    "high": HIGH,
    "low": LOW,
    "below": BELOW,
    "at_most": AT_MOST,
    "unit": UNIT,
    "open_unit": OPEN_UNIT,
    "floor_divide": FLOOR_DIVIDE,
    "modulo": MODULO,
    "divide": DIVIDE,
    "select": SELECT,
    "to_float": TO_FLOAT,
    "rint": RINT,
    "log": LOG,
    "exp": EXP,
    "normal": NORMAL,
    "between": BETWEEN,
}


def word_of(value: float, kind: str) -> int:
    """The word of a constant or an entry.

    >>> word_of(True, "bool"), word_of(2**64 - 1, "draw"), hex(word_of(1.0, "float"))
    (1, -1, '0x3ff0000000000000')
    """
    return bits_of(value) if kind == "float" else signed(int(value))


def write_recipe(
    recipe: Recipe,
    frame: Frame,
    words: Words,
    tables: list[I64],
    target: Register,
    null: Register | None,
    given: Register | None = None,
) -> None:
    """Instructions that leave the value in ``target``, as a word of its type, and its None in ``null``.

    ``given`` is the register of the draw that the recipe is given, if it takes one.
    """
    places: list[Register] = []
    for step in recipe.steps:
        if step.op == "given":
            assert given is not None
            places.append(given)
            continue
        places.append(_written(step, recipe.steps, places, frame, tables))
    value = places[recipe.value]
    if recipe.values is not None:
        table = words.text_words(list(recipe.values))
        tables.append(table)
        _put(frame, TABLE, target, [value], table.ctypes.data, len(table))
    else:
        frame.code.put(MOV, target, value)
    if null is not None:
        frame.code.put(MOV, null, frame.code.constant(0) if recipe.null is None else places[recipe.null])


def _written(
    step: Step, steps: tuple[Step, ...], places: list[Register], frame: Frame, tables: list[I64]
) -> Register:
    if step.op == "constant":
        return frame.code.constant(word_of(step.by[0], step.kind))
    operands = [places[number] for number in step.of]
    if step.op == "to_int" and steps[step.of[0]].kind != "float":
        return operands[0]  # a bool is its word
    target = frame.temporary()
    opcode, table, more = _ALIKE.get(step.op, 0), 0, 0
    if step.op in _BY_KIND:
        opcode = _BY_KIND[step.op][steps[step.of[0]].kind == "float"]
    elif step.op == "mix":
        opcode, more = MIX, signed(step.by[0])
    elif step.op == "again":
        opcode, more = AGAIN, signed(step.by[0])
    elif step.op == "log_gamma":
        opcode, more = LOG_GAMMA, bits_of(step.by[0])
    elif step.op == "to_int":
        opcode = TO_INT
    elif step.op == "round":
        opcode, more = ROUND, bits_of(10.0 ** step.by[0])
    elif step.op in ("alias", "cumulated", "table"):
        opcode = {"alias": ALIAS, "cumulated": CUMULATED, "table": TABLE}[step.op]
        kind = {"alias": "draw", "cumulated": "float"}.get(step.op, step.kind)
        entries = np.array([word_of(value, kind) for value in step.by], np.int64)
        tables.append(entries)
        table, more = entries.ctypes.data, len(entries)
    _put(frame, opcode, target, operands, table, more)
    return target


def _put(
    frame: Frame, opcode: int, target: Register, operands: list[Register], table: int, more: int
) -> None:
    filled = [*operands, *[frame.code.constant(0)] * (3 - len(operands))]
    frame.code.put(opcode, target, *filled, table, more)
