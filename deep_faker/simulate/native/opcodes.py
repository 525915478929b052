"""The instructions of expressions: their opcodes, from 64 on, and the meaning of their operands.

``d`` is the register that is written, ``a``, ``b``, ``c`` are registers that are read; ``then``, ``other``
and ``trouble`` are places in the code, all else are plain numbers. What ends in I works on ints (and bools,
codes, times), what ends in F on the bits of floats. What goes to ``trouble`` has written nothing.
"""

from __future__ import annotations

from typing import Final

# ---- moves and jumps
MOV: Final = 64  # d a
GOTO: Final = 65  # then
JUMP: Final = 66  # a then other: whether a is not 0
JUMP_LTI: Final = 67  # a b then other
JUMP_LEI: Final = 68
JUMP_EQI: Final = 69
JUMP_LTF: Final = 70
JUMP_LEF: Final = 71
JUMP_EQF: Final = 72
TRAP: Final = 73  # a trouble: trouble where a is not 0
SELECT: Final = 74  # d a b c: b where a is not 0, else c

# ---- tests: 0 or 1
LTI: Final = 75  # d a b
LEI: Final = 76
EQI: Final = 77
LTF: Final = 78
LEF: Final = 79
EQF: Final = 80
NOT: Final = 81  # d a
SAME_TEXT: Final = 82  # d a b trouble: two text words; -1 for b is a text that no plan text is
IS_CODE: Final = 83  # a trouble: trouble where a text word is not that of a plan's text
IN_RANGE: Final = 84  # d a first last step
MEMBER: Final = 85  # d a n, and n sorted words: whether a is one of them
FINITE: Final = 86  # d a which: isfinite, isnan, isinf

# ---- whole numbers
ADDI: Final = 87  # d a b trouble
SUBI: Final = 88
MULI: Final = 89
FLOORDIVI: Final = 90
MODI: Final = 91
DIVI: Final = 92  # a float
POWI: Final = 93
SHIFT_LEFT: Final = 94
SHIFT_RIGHT: Final = 95
NEGI: Final = 96  # d a trouble
ABSI: Final = 97
ANDI: Final = 98  # d a b
ORI: Final = 99
XORI: Final = 100
INVERT: Final = 101  # d a
MINI: Final = 102  # d a b
MAXI: Final = 103
HASHI: Final = 104  # d a

# ---- floats
ADDF: Final = 105  # d a b
SUBF: Final = 106
MULF: Final = 107
MINF: Final = 108
MAXF: Final = 109
NEGF: Final = 110  # d a
ABSF: Final = 111
DIVF: Final = 112  # d a b trouble
FLOORDIVF: Final = 113
MODF: Final = 114
MATH: Final = 115  # d a which trouble: see FUNCTIONS
MATH2: Final = 116  # d a b which trouble: see FUNCTIONS2

# ---- from one to the other
TO_FLOAT: Final = 117  # d a
EXACT_FLOAT: Final = 118  # d a trouble: trouble where a float cannot hold the int
ROUND_INT: Final = 119  # d a trouble
TRUNC: Final = 120
FLOOR: Final = 121
CEIL: Final = 122
ROUND: Final = 123  # d a b: to the float b = 10 ** digits, digits not negative
ROUND_TENS: Final = 124  # d a b trouble: to multiples of b = 10 ** -digits

# ---- times
ADD_TIME: Final = 125  # d a b trouble: a datetime and a timedelta
SUB_TIME: Final = 126
WITHIN: Final = 127  # a low high trouble: registers
FIELD: Final = 128  # d a unit plus modulus: (a // unit + plus) % modulus, no modulus where that is 0
CIVIL: Final = 129  # d a unit part: year, month or day of a // unit days
PART: Final = 130  # d c a unit trouble: d more µs, c more fraction for a units (a float)
CARRY: Final = 131  # d a c trouble: a µs and the fraction c, rounded as timedelta() does
TIMES_FLOAT: Final = 132  # d a b trouble: a timedelta times a float
OVER_FLOAT: Final = 133
OVER_INT: Final = 134

# ---- tables
TABLE: Final = 135  # d a low n trouble, and n words: that of place a - low
FIND: Final = 136  # d a n trouble, and n sorted words: the place of a among them
FIND_OR: Final = 137  # d a n, and n sorted words: n where a is not among them

# ---- choices
RACE: Final = 138  # d word weight key logarithm trouble: the time of the option of that key; see `draws.race`

FINITE_TESTS: Final = ("isfinite", "isnan", "isinf")
FUNCTIONS: Final = (
    "sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
)  # fmt: skip
FUNCTIONS2: Final = ("pow", "atan2", "fmod", "copysign")
