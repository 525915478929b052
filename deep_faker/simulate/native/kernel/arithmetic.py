"""The instructions of expressions, compiled: Python's arithmetic on words, or trouble.

No instruction gives a value that Python would not give. Where one cannot be sure (an int that leaves 64 bits,
a division by zero, a date out of the calendar) it goes to its place of trouble, where Python decides. Nothing
here may be compiled with fast maths, and a power needs variable operands: compilers multiply out constant
exponents.
"""

from __future__ import annotations

import numpy as np

from deep_faker.simulate.native import opcodes as do
from deep_faker.simulate.native.kernel.intrinsics import (
    Word,
    add_checked,
    bits,
    compiled,
    flt,
    mul_checked,
    sub_checked,
)
from deep_faker.simulate.native.kernel.numerics import (
    divide,
    divide_ints,
    floor_divide,
    floor_divide_floats,
    modulo,
    modulo_floats,
    round_scaled,
    round_tens,
    timedelta_part,
    timedelta_whole,
    to_int,
)
from deep_faker.simulate.native.kernel.primitives import (
    LEAST,
    WHOLE,
    civil,
    finite,
    function_of,
    function_of_two,
    hash_of,
    over_float,
    over_int,
    power,
    same_text,
    times_float,
)
from deep_faker.simulate.native.kernel.variates import raced
from deep_faker.simulate.native.words import CODE, SHIFT
from deep_faker.times import EARLIEST, LATEST


@compiled
def place_among(code: Word, start: Word, n: Word, key: Word) -> Word:
    """The first of n sorted words that is not less than the key."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if code[start + middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def compute(op: Word, code: Word, pc: Word, r: Word) -> Word:
    """Do the instruction at ``pc``; the place of the next one.

    ``code`` and ``r`` are ``CPointer(int64)``: the code, and the registers of the flow.
    """
    # One chain of comparisons with constants, which LLVM turns into a jump table.
    if op == do.MOV:
        r[code[pc + 1]] = r[code[pc + 2]]
        return pc + 3
    elif op == do.GOTO:
        return code[pc + 1]
    elif op == do.JUMP:
        return code[pc + 2] if r[code[pc + 1]] != 0 else code[pc + 3]
    elif op == do.JUMP_LTI:
        return code[pc + 3] if r[code[pc + 1]] < r[code[pc + 2]] else code[pc + 4]
    elif op == do.JUMP_LEI:
        return code[pc + 3] if r[code[pc + 1]] <= r[code[pc + 2]] else code[pc + 4]
    elif op == do.JUMP_EQI:
        return code[pc + 3] if r[code[pc + 1]] == r[code[pc + 2]] else code[pc + 4]
    elif op == do.JUMP_LTF:
        return code[pc + 3] if flt(r[code[pc + 1]]) < flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == do.JUMP_LEF:
        return code[pc + 3] if flt(r[code[pc + 1]]) <= flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == do.JUMP_EQF:
        return code[pc + 3] if flt(r[code[pc + 1]]) == flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == do.TRAP:
        return code[pc + 2] if r[code[pc + 1]] != 0 else pc + 3
    elif op == do.SELECT:
        r[code[pc + 1]] = r[code[pc + 3]] if r[code[pc + 2]] != 0 else r[code[pc + 4]]
        return pc + 5
    elif op == do.LTI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] < r[code[pc + 3]] else 0
        return pc + 4
    elif op == do.LEI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] <= r[code[pc + 3]] else 0
        return pc + 4
    elif op == do.EQI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] == r[code[pc + 3]] else 0
        return pc + 4
    elif op == do.LTF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) < flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == do.LEF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) <= flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == do.EQF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) == flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == do.NOT:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] == 0 else 0
        return pc + 3
    elif op == do.SAME_TEXT:
        z, wrong = same_text(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.IS_CODE:
        return pc + 3 if r[code[pc + 1]] >> SHIFT == CODE else code[pc + 2]
    elif op == do.IN_RANGE:
        a, first, last = r[code[pc + 2]], code[pc + 3], code[pc + 4]
        r[code[pc + 1]] = 1 if first <= a <= last and (a - first) % code[pc + 5] == 0 else 0
        return pc + 6
    elif op == do.MEMBER:
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 4, n, a)
        r[code[pc + 1]] = 1 if at < n and code[pc + 4 + at] == a else 0
        return pc + 4 + n
    elif op == do.FINITE:
        r[code[pc + 1]] = 1 if finite(flt(r[code[pc + 2]]), code[pc + 3]) else 0
        return pc + 4
    elif op == do.ADDI:
        z, wrong = add_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.SUBI:
        z, wrong = sub_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.MULI:
        z, wrong = mul_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.FLOORDIVI:
        z, wrong = floor_divide(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.MODI:
        z, wrong = modulo(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.DIVI:
        quotient, wrong = divide_ints(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(quotient)
        return pc + 5
    elif op == do.POWI:
        z, wrong = power(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.SHIFT_LEFT:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        if b < 0 or b > 62 or (a << b) >> b != a:
            return code[pc + 4]
        r[code[pc + 1]] = a << b
        return pc + 5
    elif op == do.SHIFT_RIGHT:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        if b < 0:
            return code[pc + 4]
        r[code[pc + 1]] = a >> (min(63, b))
        return pc + 5
    elif op == do.NEGI:
        a = r[code[pc + 2]]
        if a == LEAST:
            return code[pc + 3]
        r[code[pc + 1]] = -a
        return pc + 4
    elif op == do.ABSI:
        a = r[code[pc + 2]]
        if a == LEAST:
            return code[pc + 3]
        r[code[pc + 1]] = -a if a < 0 else a
        return pc + 4
    elif op == do.ANDI:
        r[code[pc + 1]] = r[code[pc + 2]] & r[code[pc + 3]]
        return pc + 4
    elif op == do.ORI:
        r[code[pc + 1]] = r[code[pc + 2]] | r[code[pc + 3]]
        return pc + 4
    elif op == do.XORI:
        r[code[pc + 1]] = r[code[pc + 2]] ^ r[code[pc + 3]]
        return pc + 4
    elif op == do.INVERT:
        r[code[pc + 1]] = ~r[code[pc + 2]]
        return pc + 3
    elif op == do.MINI:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = min(a, b)
        return pc + 4
    elif op == do.MAXI:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = max(a, b)
        return pc + 4
    elif op == do.HASHI:
        r[code[pc + 1]] = hash_of(r[code[pc + 2]])
        return pc + 3
    elif op == do.ADDF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) + flt(r[code[pc + 3]]))
        return pc + 4
    elif op == do.SUBF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) - flt(r[code[pc + 3]]))
        return pc + 4
    elif op == do.MULF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) * flt(r[code[pc + 3]]))
        return pc + 4
    elif op == do.MINF:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = b if flt(b) < flt(a) else a
        return pc + 4
    elif op == do.MAXF:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = b if flt(b) > flt(a) else a
        return pc + 4
    elif op == do.NEGF:
        r[code[pc + 1]] = bits(-flt(r[code[pc + 2]]))
        return pc + 3
    elif op == do.ABSF:
        r[code[pc + 1]] = bits(abs(flt(r[code[pc + 2]])))
        return pc + 3
    elif op == do.DIVF:
        value, wrong = divide(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == do.FLOORDIVF:
        value, wrong = floor_divide_floats(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == do.MODF:
        value, wrong = modulo_floats(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == do.MATH:
        value, wrong = function_of(code[pc + 3], flt(r[code[pc + 2]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == do.MATH2:
        value, wrong = function_of_two(code[pc + 4], flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 5]
        r[code[pc + 1]] = bits(value)
        return pc + 6
    elif op == do.TO_FLOAT:
        r[code[pc + 1]] = bits(np.float64(r[code[pc + 2]]))
        return pc + 3
    elif op == do.EXACT_FLOAT:
        a = r[code[pc + 2]]
        if a < -WHOLE or a > WHOLE:
            return code[pc + 3]
        r[code[pc + 1]] = bits(np.float64(a))
        return pc + 4
    elif op == do.ROUND_INT:
        z, wrong = to_int(np.rint(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == do.TRUNC:
        z, wrong = to_int(np.trunc(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == do.FLOOR:
        z, wrong = to_int(np.floor(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == do.CEIL:
        z, wrong = to_int(np.ceil(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == do.ROUND:
        r[code[pc + 1]] = bits(round_scaled(flt(r[code[pc + 2]]), flt(r[code[pc + 3]])))
        return pc + 4
    elif op == do.ROUND_TENS:
        value, wrong = round_tens(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == do.ADD_TIME:
        z, wrong = add_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong or z < EARLIEST or z > LATEST:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.SUB_TIME:
        z, wrong = sub_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong or z < EARLIEST or z > LATEST:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.WITHIN:
        a = r[code[pc + 1]]
        return code[pc + 4] if a < r[code[pc + 2]] or a > r[code[pc + 3]] else pc + 5
    elif op == do.FIELD:
        a = r[code[pc + 2]] // code[pc + 3] + code[pc + 4]
        r[code[pc + 1]] = a % code[pc + 5] if code[pc + 5] != 0 else a
        return pc + 6
    elif op == do.CIVIL:
        r[code[pc + 1]] = civil(r[code[pc + 2]] // code[pc + 3], code[pc + 4])
        return pc + 5
    elif op == do.PART:
        more, left, wrong = timedelta_part(0, flt(r[code[pc + 2]]), flt(r[code[pc + 3]]), code[pc + 4])
        z, over = add_checked(r[code[pc + 1]], more)
        if wrong or over:
            return code[pc + 5]
        r[code[pc + 1]] = z
        r[code[pc + 2]] = bits(left)
        return pc + 6
    elif op == do.CARRY:
        odd = r[code[pc + 2]] & 1
        z, wrong = add_checked(r[code[pc + 2]] - odd, timedelta_whole(odd, flt(r[code[pc + 3]])))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.TIMES_FLOAT:
        z, wrong = times_float(r[code[pc + 2]], flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.OVER_FLOAT:
        z, wrong = over_float(r[code[pc + 2]], flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.OVER_INT:
        z, wrong = over_int(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == do.TABLE:
        a, n = r[code[pc + 2]] - code[pc + 3], code[pc + 4]
        if a < 0 or a >= n:
            return code[pc + 5]
        r[code[pc + 1]] = code[pc + 6 + a]
        return pc + 6 + n
    elif op == do.FIND:
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 5, n, a)
        if at == n or code[pc + 5 + at] != a:
            return code[pc + 4]
        r[code[pc + 1]] = at
        return pc + 5 + n
    elif op == do.RACE:
        value, wrong = raced(r[code[pc + 2]], flt(r[code[pc + 3]]), code[pc + 4], code[pc + 5])
        if wrong:
            return code[pc + 6]
        r[code[pc + 1]] = bits(value)
        return pc + 7
    else:  # FIND_OR
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 4, n, a)
        r[code[pc + 1]] = at if at < n and code[pc + 4 + at] == a else n
        return pc + 4 + n
