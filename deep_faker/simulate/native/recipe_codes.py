"""Opcodes of instructions that make generated values; `recipe_words` writes them, `made` does them."""

from __future__ import annotations

# fmt: off
(MIX, CLOCK, HIGH, LOW, BELOW, AT_MOST, UNIT, OPEN_UNIT, ALIAS, CUMULATED, TABLE, ADD_INT, SUBTRACT_INT, MULTIPLY_INT,
 ADD_FLOAT, SUBTRACT_FLOAT, MULTIPLY_FLOAT, FLOOR_DIVIDE, MODULO, DIVIDE, EQUAL_INT, EQUAL_FLOAT, LESS_INT, LESS_FLOAT,
 SELECT, TO_INT, TO_FLOAT, RINT, ROUND, LOG, EXP, NORMAL, AGAIN, LOG_GAMMA, BETWEEN) = range(192, 227)
# fmt: on
MADE_WORDS = 7
