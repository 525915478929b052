"""Instructions that make generated values: one for each step of a `deep_faker.plan.recipes.Recipe`.

All have seven words: opcode, target, three operands, the address of a table, and how many entries it has (or
what else the step needs). Draws are unsigned words in registers that are signed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel.exact import below, exp, log, mix, normal_from_unit, open_unit, unit
from deep_faker.simulate.native.kernel.intrinsics import bits, compiled, flt, mulhi, pf64, pi64, pu64
from deep_faker.simulate.native.kernel.numerics import round_scaled
from deep_faker.simulate.native.kernel.waits import log_gamma
from deep_faker.simulate.native.recipe_codes import (
    ADD_FLOAT,
    ADD_INT,
    AGAIN,
    ALIAS,
    AT_MOST,
    BELOW,
    BETWEEN,
    CLOCK,
    CUMULATED,
    DIVIDE,
    EQUAL_FLOAT,
    EQUAL_INT,
    EXP,
    FLOOR_DIVIDE,
    HIGH,
    LESS_FLOAT,
    LESS_INT,
    LOG,
    LOG_GAMMA,
    LOW,
    MADE_WORDS,
    MIX,
    MODULO,
    MULTIPLY_FLOAT,
    MULTIPLY_INT,
    NORMAL,
    OPEN_UNIT,
    RINT,
    ROUND,
    SELECT,
    SUBTRACT_FLOAT,
    SUBTRACT_INT,
    TABLE,
    TO_FLOAT,
    TO_INT,
    UNIT,
)

_U = np.uint64
_32, _LOW_HALF = _U(32), _U(0xFFFFFFFF)


@compiled
def make(op: int, C: Any, pc: int, r: Any, flow: Any, action: Any, clock: int) -> int:
    """One step for a flow at its action and clock; the next instruction."""
    target, a, b, table, n = C[pc + 1], r[C[pc + 2]], r[C[pc + 3]], C[pc + 5], C[pc + 6]
    if op == MIX:
        r[target] = np.int64(mix(_U(n), flow, action))
    elif op == CLOCK:
        r[target] = clock
    elif op == HIGH:
        r[target] = np.int64(_U(a) & ~_LOW_HALF)
    elif op == LOW:
        r[target] = np.int64((_U(a) & _LOW_HALF) << _32)
    elif op == BELOW:
        r[target] = np.int64(mulhi(_U(a), _U(b)))
    elif op == AT_MOST:
        r[target] = 1 if _U(a) <= _U(b) else 0
    elif op == UNIT:
        r[target] = bits(unit(_U(a)))
    elif op == OPEN_UNIT:
        r[target] = bits(open_unit(_U(a)))
    elif op == ALIAS:
        entries = pu64(table)
        place = below(_U(a), n)
        entry = entries[place]
        stays = (_U(a) * _U(n)) >> _32 < entry >> _32
        r[target] = place if stays else np.int64(entry & _LOW_HALF)
    elif op == CUMULATED:
        sums = pf64(table)
        low, high = 0, n - 1
        while low < high:
            middle = (low + high) >> 1
            if flt(a) < sums[middle]:
                high = middle
            else:
                low = middle + 1
        r[target] = low
    elif op == TABLE:
        r[target] = pi64(table)[a]
    elif op == ADD_INT:
        r[target] = a + b
    elif op == SUBTRACT_INT:
        r[target] = a - b
    elif op == MULTIPLY_INT:
        r[target] = a * b
    elif op == ADD_FLOAT:
        r[target] = bits(flt(a) + flt(b))
    elif op == SUBTRACT_FLOAT:
        r[target] = bits(flt(a) - flt(b))
    elif op == MULTIPLY_FLOAT:
        r[target] = bits(flt(a) * flt(b))
    elif op == FLOOR_DIVIDE:
        r[target] = a // b
    elif op == MODULO:
        r[target] = a % b
    elif op == DIVIDE:
        r[target] = bits(flt(a) / flt(b))
    elif op == EQUAL_INT:
        r[target] = 1 if a == b else 0
    elif op == EQUAL_FLOAT:
        r[target] = 1 if flt(a) == flt(b) else 0
    elif op == LESS_INT:
        r[target] = 1 if a < b else 0
    elif op == LESS_FLOAT:
        r[target] = 1 if flt(a) < flt(b) else 0
    elif op == SELECT:
        r[target] = b if a != 0 else r[C[pc + 4]]
    elif op == TO_INT:
        r[target] = np.int64(flt(a))
    elif op == TO_FLOAT:
        r[target] = bits(np.float64(a))
    elif op == RINT:
        r[target] = bits(np.rint(flt(a)))
    elif op == ROUND:
        r[target] = bits(round_scaled(flt(a), flt(n)))
    elif op == LOG:
        r[target] = bits(log(flt(a)))
    elif op == EXP:
        r[target] = bits(exp(flt(a)))
    elif op == NORMAL:
        r[target] = bits(normal_from_unit(flt(a)))
    elif op == AGAIN:
        r[target] = np.int64(mix(_U(n), _U(a), _U(0)))
    elif op == LOG_GAMMA:
        r[target] = bits(log_gamma(_U(a), flt(n)))
    elif op == BETWEEN:
        r[target] = np.int64(_U(b) + mulhi(_U(a), _U(r[C[pc + 4]])))
    return pc + MADE_WORDS
