"""The instructions of expressions, compiled: Python's arithmetic on words, or trouble.

No instruction gives a value that Python would not give. Where one cannot be sure (an int that leaves 64 bits,
a division by zero, a date out of the calendar) it goes to its place of trouble, where Python decides. Nothing
here may be compiled with fast maths, and a power needs variable operands: compilers multiply out constant
exponents.
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.engine.native.intrinsics import (
    Word,
    add_checked,
    bits,
    compiled,
    flt,
    fma,
    fmod,
    mul_checked,
    sub_checked,
)
from deep_faker.engine.native.numerics import (
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
from deep_faker.engine.native.opcodes import (
    ABSF,
    ABSI,
    ADD_TIME,
    ADDF,
    ADDI,
    ANDI,
    CARRY,
    CEIL,
    CIVIL,
    DIVF,
    DIVI,
    EQF,
    EQI,
    EXACT_FLOAT,
    FIELD,
    FIND,
    FINITE,
    FLOOR,
    FLOORDIVF,
    FLOORDIVI,
    GOTO,
    HASHI,
    IN_RANGE,
    INVERT,
    IS_CODE,
    JUMP,
    JUMP_EQF,
    JUMP_EQI,
    JUMP_LEF,
    JUMP_LEI,
    JUMP_LTF,
    JUMP_LTI,
    LEF,
    LEI,
    LTF,
    LTI,
    MATH,
    MATH2,
    MAXF,
    MAXI,
    MEMBER,
    MINF,
    MINI,
    MODF,
    MODI,
    MOV,
    MULF,
    MULI,
    NEGF,
    NEGI,
    NOT,
    ORI,
    OVER_FLOAT,
    OVER_INT,
    PART,
    POWI,
    ROUND,
    ROUND_INT,
    ROUND_TENS,
    SAME_TEXT,
    SELECT,
    SHIFT_LEFT,
    SHIFT_RIGHT,
    SUB_TIME,
    SUBF,
    SUBI,
    TABLE,
    TIMES_FLOAT,
    TO_FLOAT,
    TRAP,
    TRUNC,
    WITHIN,
    XORI,
)  # fmt: skip
from deep_faker.engine.native.words import CODE, FIRST, SHIFT
from deep_faker.times import EARLIEST, LATEST

TWO52 = 2.0**52
WHOLE = 2**53  # ints up to here are floats
LOWEST = -(2**63)
HASH_MODULUS = np.uint64(2**61 - 1)


@compiled
def nearest(value: float, error: float) -> float:
    """The integer nearest to ``value + error`` (half to even), where that is an exact sum and below 2**52.

    Only a tie of the rounded value needs the error: anything else is further from a tie than it can be wrong.
    """
    whole = np.rint(value)
    over = value - whole
    if over == 0.5 and error > 0.0:
        return whole + 1.0
    if over == -0.5 and error < 0.0:
        return whole - 1.0
    return whole


@compiled
def function_of(which: Word, x: float) -> tuple[float, bool]:
    """A function of `math` by its place in ``opcodes.FUNCTIONS``; trouble where Python raises."""
    if which == 0:
        z = math.sqrt(x)
    elif which == 1:
        z = math.exp(x)
    elif which == 2:
        z = math.log(x)
    elif which == 3:
        z = math.log2(x)
    elif which == 4:
        z = math.log10(x)
    elif which == 5:
        z = math.log1p(x)
    elif which == 6:
        z = math.expm1(x)
    elif which == 7:
        z = math.sin(x)
    elif which == 8:
        z = math.cos(x)
    elif which == 9:
        z = math.tan(x)
    elif which == 10:
        z = math.asin(x)
    elif which == 11:
        z = math.acos(x)
    elif which == 12:
        z = math.atan(x)
    elif which == 13:
        z = math.sinh(x)
    elif which == 14:
        z = math.cosh(x)
    elif which == 15:
        z = math.tanh(x)
    elif which == 16:
        z = math.asinh(x)
    elif which == 17:
        z = math.acosh(x)
    elif which == 18:
        z = math.atanh(x)
    elif which == 19:
        z = math.erf(x)
    else:
        z = math.erfc(x)
    return z, (math.isnan(z) and not math.isnan(x)) or (math.isinf(z) and math.isfinite(x))


@compiled
def function_of_two(which: Word, x: float, y: float) -> tuple[float, bool]:
    """A function of `math` by its place in ``opcodes.FUNCTIONS2``; trouble where Python may raise."""
    if which == 0:
        z = math.pow(x, y)
    elif which == 1:
        z = math.atan2(x, y)
    elif which == 2:
        z = fmod(x, y)
    else:
        z = math.copysign(x, y)
    if math.isnan(z):
        return z, not (math.isnan(x) or math.isnan(y))
    return z, math.isinf(z) and math.isfinite(x) and math.isfinite(y)


@compiled
def finite(x: float, which: Word) -> bool:
    """A test of `math` by its place in ``opcodes.FINITE_TESTS``."""
    if which == 0:
        return math.isfinite(x)
    if which == 1:
        return math.isnan(x)
    return math.isinf(x)


# ---------------------------------------------------------------- ints and texts


@compiled
def power(a: Word, exponent: Word) -> tuple[Word, bool]:
    """``a ** exponent`` of ints."""
    z = 1
    while exponent > 0:
        if exponent & 1:
            z, wrong = mul_checked(z, a)
            if wrong:
                return z, True
        exponent >>= 1
        if exponent > 0:
            a, wrong = mul_checked(a, a)
            if wrong:
                return z, True
    return z, exponent < 0


@compiled
def hash_of(a: Word) -> Word:
    """``hash(a)`` of an int."""
    size = np.uint64(a) if a >= 0 else np.uint64(-(a + 1)) + np.uint64(1)
    rest = np.int64(size % HASH_MODULUS)
    if a >= 0:
        return rest
    return -2 if rest == 1 else -rest  # -1 would be an error in C


@compiled
def same_text(a: Word, b: Word) -> tuple[Word, bool]:
    """Whether two text words are one text; -1 for ``b`` is a text that no plan text is."""
    kind = a >> SHIFT
    if a == b:
        return 1, False
    if kind == CODE and (b == -1 or b >> SHIFT == CODE):
        return 0, False
    key = kind == b >> SHIFT and kind >= FIRST and (kind - FIRST) & 1 == 0
    return 0, not key


# ---------------------------------------------------------------- times


@compiled
def civil(days: Word, part: Word) -> Word:
    """Year, month or day of the proleptic Gregorian calendar, of days since 1970-01-01.

    Counted in eras of 400 years from the first of March, so that the leap day is a year's last.
    """
    z = days + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    if part == 2:
        return day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    if part == 1:
        return month
    return year_of_era + era * 400 + (1 if month <= 2 else 0)


@compiled
def times_float(a: Word, y: float) -> tuple[Word, bool]:
    """A timedelta times a float."""
    x = np.float64(a)
    product = x * y
    if not (abs(product) < TWO52 and a >= -WHOLE and a <= WHOLE):
        return 0, True
    return np.int64(nearest(product, fma(x, y, -product))), False


@compiled
def over_float(a: Word, y: float) -> tuple[Word, bool]:
    """A timedelta over a float."""
    x = np.float64(a)
    quotient = x / y
    if not (y != 0.0 and abs(quotient) < TWO52 and a >= -WHOLE and a <= WHOLE and math.isfinite(y)):
        return 0, True
    rest = fma(-quotient, y, x)
    return np.int64(nearest(quotient, rest if y > 0.0 else -rest)), False


@compiled
def over_int(a: Word, b: Word) -> tuple[Word, bool]:
    """A timedelta over an int, half to even."""
    if b in (0, LOWEST) or (b == -1 and a == LOWEST):
        return 0, True
    quotient, rest = a // b, a % b
    if b < 0:
        rest, b = -rest, -b
    # Twice the rest might not fit.
    if rest > b - rest or (rest == b - rest and quotient & 1 == 1):
        quotient += 1
    return quotient, False


# ---------------------------------------------------------------- tables


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
    if op == MOV:
        r[code[pc + 1]] = r[code[pc + 2]]
        return pc + 3
    elif op == GOTO:
        return code[pc + 1]
    elif op == JUMP:
        return code[pc + 2] if r[code[pc + 1]] != 0 else code[pc + 3]
    elif op == JUMP_LTI:
        return code[pc + 3] if r[code[pc + 1]] < r[code[pc + 2]] else code[pc + 4]
    elif op == JUMP_LEI:
        return code[pc + 3] if r[code[pc + 1]] <= r[code[pc + 2]] else code[pc + 4]
    elif op == JUMP_EQI:
        return code[pc + 3] if r[code[pc + 1]] == r[code[pc + 2]] else code[pc + 4]
    elif op == JUMP_LTF:
        return code[pc + 3] if flt(r[code[pc + 1]]) < flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == JUMP_LEF:
        return code[pc + 3] if flt(r[code[pc + 1]]) <= flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == JUMP_EQF:
        return code[pc + 3] if flt(r[code[pc + 1]]) == flt(r[code[pc + 2]]) else code[pc + 4]
    elif op == TRAP:
        return code[pc + 2] if r[code[pc + 1]] != 0 else pc + 3
    elif op == SELECT:
        r[code[pc + 1]] = r[code[pc + 3]] if r[code[pc + 2]] != 0 else r[code[pc + 4]]
        return pc + 5
    elif op == LTI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] < r[code[pc + 3]] else 0
        return pc + 4
    elif op == LEI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] <= r[code[pc + 3]] else 0
        return pc + 4
    elif op == EQI:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] == r[code[pc + 3]] else 0
        return pc + 4
    elif op == LTF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) < flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == LEF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) <= flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == EQF:
        r[code[pc + 1]] = 1 if flt(r[code[pc + 2]]) == flt(r[code[pc + 3]]) else 0
        return pc + 4
    elif op == NOT:
        r[code[pc + 1]] = 1 if r[code[pc + 2]] == 0 else 0
        return pc + 3
    elif op == SAME_TEXT:
        z, wrong = same_text(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == IS_CODE:
        return pc + 3 if r[code[pc + 1]] >> SHIFT == CODE else code[pc + 2]
    elif op == IN_RANGE:
        a, first, last = r[code[pc + 2]], code[pc + 3], code[pc + 4]
        r[code[pc + 1]] = 1 if first <= a <= last and (a - first) % code[pc + 5] == 0 else 0
        return pc + 6
    elif op == MEMBER:
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 4, n, a)
        r[code[pc + 1]] = 1 if at < n and code[pc + 4 + at] == a else 0
        return pc + 4 + n
    elif op == FINITE:
        r[code[pc + 1]] = 1 if finite(flt(r[code[pc + 2]]), code[pc + 3]) else 0
        return pc + 4
    elif op == ADDI:
        z, wrong = add_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == SUBI:
        z, wrong = sub_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == MULI:
        z, wrong = mul_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == FLOORDIVI:
        z, wrong = floor_divide(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == MODI:
        z, wrong = modulo(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == DIVI:
        quotient, wrong = divide_ints(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(quotient)
        return pc + 5
    elif op == POWI:
        z, wrong = power(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == SHIFT_LEFT:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        if b < 0 or b > 62 or (a << b) >> b != a:
            return code[pc + 4]
        r[code[pc + 1]] = a << b
        return pc + 5
    elif op == SHIFT_RIGHT:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        if b < 0:
            return code[pc + 4]
        r[code[pc + 1]] = a >> (min(63, b))
        return pc + 5
    elif op == NEGI:
        a = r[code[pc + 2]]
        if a == LOWEST:
            return code[pc + 3]
        r[code[pc + 1]] = -a
        return pc + 4
    elif op == ABSI:
        a = r[code[pc + 2]]
        if a == LOWEST:
            return code[pc + 3]
        r[code[pc + 1]] = -a if a < 0 else a
        return pc + 4
    elif op == ANDI:
        r[code[pc + 1]] = r[code[pc + 2]] & r[code[pc + 3]]
        return pc + 4
    elif op == ORI:
        r[code[pc + 1]] = r[code[pc + 2]] | r[code[pc + 3]]
        return pc + 4
    elif op == XORI:
        r[code[pc + 1]] = r[code[pc + 2]] ^ r[code[pc + 3]]
        return pc + 4
    elif op == INVERT:
        r[code[pc + 1]] = ~r[code[pc + 2]]
        return pc + 3
    elif op == MINI:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = min(a, b)
        return pc + 4
    elif op == MAXI:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = max(a, b)
        return pc + 4
    elif op == HASHI:
        r[code[pc + 1]] = hash_of(r[code[pc + 2]])
        return pc + 3
    elif op == ADDF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) + flt(r[code[pc + 3]]))
        return pc + 4
    elif op == SUBF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) - flt(r[code[pc + 3]]))
        return pc + 4
    elif op == MULF:
        r[code[pc + 1]] = bits(flt(r[code[pc + 2]]) * flt(r[code[pc + 3]]))
        return pc + 4
    elif op == MINF:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = b if flt(b) < flt(a) else a
        return pc + 4
    elif op == MAXF:
        a, b = r[code[pc + 2]], r[code[pc + 3]]
        r[code[pc + 1]] = b if flt(b) > flt(a) else a
        return pc + 4
    elif op == NEGF:
        r[code[pc + 1]] = bits(-flt(r[code[pc + 2]]))
        return pc + 3
    elif op == ABSF:
        r[code[pc + 1]] = bits(abs(flt(r[code[pc + 2]])))
        return pc + 3
    elif op == DIVF:
        value, wrong = divide(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == FLOORDIVF:
        value, wrong = floor_divide_floats(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == MODF:
        value, wrong = modulo_floats(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == MATH:
        value, wrong = function_of(code[pc + 3], flt(r[code[pc + 2]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == MATH2:
        value, wrong = function_of_two(code[pc + 4], flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 5]
        r[code[pc + 1]] = bits(value)
        return pc + 6
    elif op == TO_FLOAT:
        r[code[pc + 1]] = bits(np.float64(r[code[pc + 2]]))
        return pc + 3
    elif op == EXACT_FLOAT:
        a = r[code[pc + 2]]
        if a < -WHOLE or a > WHOLE:
            return code[pc + 3]
        r[code[pc + 1]] = bits(np.float64(a))
        return pc + 4
    elif op == ROUND_INT:
        z, wrong = to_int(np.rint(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == TRUNC:
        z, wrong = to_int(np.trunc(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == FLOOR:
        z, wrong = to_int(np.floor(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == CEIL:
        z, wrong = to_int(np.ceil(flt(r[code[pc + 2]])))
        if wrong:
            return code[pc + 3]
        r[code[pc + 1]] = z
        return pc + 4
    elif op == ROUND:
        r[code[pc + 1]] = bits(round_scaled(flt(r[code[pc + 2]]), flt(r[code[pc + 3]])))
        return pc + 4
    elif op == ROUND_TENS:
        value, wrong = round_tens(flt(r[code[pc + 2]]), flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = bits(value)
        return pc + 5
    elif op == ADD_TIME:
        z, wrong = add_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong or z < EARLIEST or z > LATEST:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == SUB_TIME:
        z, wrong = sub_checked(r[code[pc + 2]], r[code[pc + 3]])
        if wrong or z < EARLIEST or z > LATEST:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == WITHIN:
        a = r[code[pc + 1]]
        return code[pc + 4] if a < r[code[pc + 2]] or a > r[code[pc + 3]] else pc + 5
    elif op == FIELD:
        a = r[code[pc + 2]] // code[pc + 3] + code[pc + 4]
        r[code[pc + 1]] = a % code[pc + 5] if code[pc + 5] != 0 else a
        return pc + 6
    elif op == CIVIL:
        r[code[pc + 1]] = civil(r[code[pc + 2]] // code[pc + 3], code[pc + 4])
        return pc + 5
    elif op == PART:
        more, left, wrong = timedelta_part(0, flt(r[code[pc + 2]]), flt(r[code[pc + 3]]), code[pc + 4])
        z, over = add_checked(r[code[pc + 1]], more)
        if wrong or over:
            return code[pc + 5]
        r[code[pc + 1]] = z
        r[code[pc + 2]] = bits(left)
        return pc + 6
    elif op == CARRY:
        odd = r[code[pc + 2]] & 1
        z, wrong = add_checked(r[code[pc + 2]] - odd, timedelta_whole(odd, flt(r[code[pc + 3]])))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == TIMES_FLOAT:
        z, wrong = times_float(r[code[pc + 2]], flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == OVER_FLOAT:
        z, wrong = over_float(r[code[pc + 2]], flt(r[code[pc + 3]]))
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == OVER_INT:
        z, wrong = over_int(r[code[pc + 2]], r[code[pc + 3]])
        if wrong:
            return code[pc + 4]
        r[code[pc + 1]] = z
        return pc + 5
    elif op == TABLE:
        a, n = r[code[pc + 2]] - code[pc + 3], code[pc + 4]
        if a < 0 or a >= n:
            return code[pc + 5]
        r[code[pc + 1]] = code[pc + 6 + a]
        return pc + 6 + n
    elif op == FIND:
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 5, n, a)
        if at == n or code[pc + 5 + at] != a:
            return code[pc + 4]
        r[code[pc + 1]] = at
        return pc + 5 + n
    else:  # FIND_OR
        a, n = r[code[pc + 2]], code[pc + 3]
        at = place_among(code, pc + 4, n, a)
        r[code[pc + 1]] = at if at < n and code[pc + 4 + at] == a else n
        return pc + 4 + n
