"""Functions of numbers alone, as the kernel's control part calls them: compiled in the checked build too."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel import arithmetic, draws, exact, made
from deep_faker.simulate.native.kernel.checking import CHECKED
from deep_faker.simulate.native.kernel.intrinsics import compiled, pi64

if CHECKED:
    _MASK = (1 << 64) - 1

    @compiled
    def _compute(op: int, code: int, pc: int, registers: int) -> int:
        return arithmetic.compute(op, pi64(code), pc, pi64(registers))

    @compiled
    def _draw_value(code: int, pc: int, registers: int, u: Any) -> int:
        return draws.draw_value(pi64(code), pc, pi64(registers), u)

    @compiled
    def _wait_drawn(code: int, pc: int, registers: int, u: Any) -> int:
        return draws.wait_drawn(pi64(code), pc, pi64(registers), u)

    @compiled
    def _make(op: int, code: int, pc: int, registers: int, flow: int, action: int, clock: int) -> int:
        return made.make(op, pi64(code), pc, pi64(registers), flow, action, clock)

    def make_value(op: int, code: Any, pc: int, registers: Any, flow: int, action: int, clock: int) -> int:
        """`made.make` at addresses."""
        return int(_make(op, code.address, pc, registers.address, flow, action, clock))

    def compute(op: int, code: Any, pc: int, registers: Any) -> int:
        """`arithmetic.compute` at addresses."""
        return int(_compute(op, code.address, pc, registers.address))

    def draw_value(code: Any, pc: int, registers: Any, u: Any) -> int:
        """`draws.draw_value` at addresses."""
        return int(_draw_value(code.address, pc, registers.address, u))

    def wait_drawn(code: Any, pc: int, registers: Any, u: Any) -> int:
        """`draws.wait_drawn` at addresses."""
        return int(_wait_drawn(code.address, pc, registers.address, u))

    def mix(key: Any, a: Any, b: Any) -> Any:
        """`exact.mix` of words with or without a sign."""
        return np.uint64(
            exact.mix(np.uint64(int(key) & _MASK), np.uint64(int(a) & _MASK), np.uint64(int(b) & _MASK))
        )

    def counted_from(word: Any, number: Any) -> int:
        """`exact.counted_from` of words with or without a sign."""
        return int(exact.counted_from(np.uint64(int(word) & _MASK), np.uint64(int(number) & _MASK)))
else:
    compute, draw_value, wait_drawn = arithmetic.compute, draws.draw_value, draws.wait_drawn
    make_value, mix, counted_from = made.make, exact.mix, exact.counted_from
