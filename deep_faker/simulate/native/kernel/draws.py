"""Instructions that draw: the functions of `random`, generated values, and waits of a distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel.intrinsics import Word as Words
from deep_faker.simulate.native.kernel.intrinsics import bits, compiled, flt
from deep_faker.simulate.native.kernel.variates import (
    choice_index,
    expovariate,
    getrandbits,
    lognormvariate,
    normalvariate,
    paretovariate,
    randint,
    randrange,
    triangular,
    triangular_middle,
    uniform,
    uniform_ints,
    weibullvariate,
)
from deep_faker.simulate.native.kernel.waits import parameters_right, wait_micros
from deep_faker.simulate.native.layout import (
    BITS,
    DRAW_WORDS,
    EXPONENTIAL,
    INDEX,
    LOGNORMAL,
    NORMAL,
    PARETO,
    RANDINT,
    RANDRANGE,
    TRIANGULAR,
    TRIANGULAR_MIDDLE,
    UNIFORM,
    UNIFORM_INTS,
    WHOLE_DRAW,
)


@compiled
def draw_value(C: Words, pc: int, r: Words, u: Any) -> int:
    """Draw by the instruction at ``pc``; the next one, or where Python does it."""
    function, target = C[pc + 1], C[pc + 2]
    a, b, c = r[C[pc + 3]], r[C[pc + 4]], r[C[pc + 5]]
    if function <= INDEX:
        if function == RANDINT:
            whole, trouble = randint(u, a, b)
        elif function == RANDRANGE:
            whole, trouble = randrange(u, a, b, c)
        elif function == BITS:
            whole, trouble = getrandbits(u, a)
        else:
            whole, trouble = choice_index(u, a)
        if not trouble:
            r[target] = whole
    elif function == WHOLE_DRAW:
        trouble = False
        r[target] = np.int64(u)
    else:
        trouble = False
        if function == UNIFORM_INTS:
            real, trouble = uniform_ints(u, a, b)
        elif function == UNIFORM:
            real = uniform(u, flt(a), flt(b))
        elif function == NORMAL:
            real = normalvariate(u, flt(a), flt(b))
        elif function == TRIANGULAR:
            real = triangular(u, flt(a), flt(b), flt(c))
        elif function == TRIANGULAR_MIDDLE:
            real = triangular_middle(u, flt(a), flt(b))
        elif function == EXPONENTIAL:
            real, trouble = expovariate(u, flt(a))
        elif function == LOGNORMAL:
            real, trouble = lognormvariate(u, flt(a), flt(b))
        elif function == PARETO:
            real, trouble = paretovariate(u, flt(a))
        else:
            real, trouble = weibullvariate(u, flt(a), flt(b))
        if not trouble:
            r[target] = bits(real)
    return C[pc + 6] if trouble else pc + DRAW_WORDS


@compiled
def wait_drawn(C: Words, pc: int, r: Words, u: Any) -> int:
    """The microseconds of a wait whose distribution the instruction at ``pc`` names; -1: Python must."""
    kind, a, b, most = C[pc + 2], flt(r[C[pc + 3]]), flt(r[C[pc + 4]]), flt(C[pc + 7])
    if most > 0.0 and not parameters_right(kind, a, b, most):
        return -1
    micros, trouble = wait_micros(kind, u, a, b, C[pc + 5], C[pc + 6])
    return -1 if trouble else micros
