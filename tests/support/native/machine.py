"""A machine for lowered expressions: runs them over rows of Python values, as a flow would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deep_faker.plan import Type
from deep_faker.plan.storage import find_text, one_from_storage, one_to_storage
from deep_faker.simulate.native.kernel.arithmetic import compute
from deep_faker.simulate.native.kernel.intrinsics import compiled, pi64
from deep_faker.simulate.native.lower.assembler import Code, Frame, Label, bits_of
from deep_faker.simulate.native.lower.expressions import Operand
from deep_faker.simulate.native.words import OBJECT, SHIFT

DONE, TROUBLE, YES, NO = 0, 1, 2, 3
STARTS = 7  # what nulls and unused registers hold
ODD = 77 << SHIFT  # a text word that nothing is known of


class TroubleError(Exception):
    """Python has to decide about this row."""


@compiled
def run(code: Any, rows: Any, ends: Any) -> None:
    """Each row of registers through the code, from its first word to an instruction that ends."""
    c = pi64(code.ctypes.data)
    for i in range(len(rows)):
        r, pc = pi64(rows.ctypes.data + i * rows.shape[1] * 8), 0
        while c[pc] >= 64:
            pc = compute(c[pc], c, pc, r)
        ends[i] = c[pc]


class Machine:
    """One program over locals of some types."""

    def __init__(self, locals_: Mapping[str, Type], texts: Sequence[str]) -> None:
        self.types, self.texts = dict(locals_), tuple(texts)
        self.code = Code()
        self.frame = Frame(self.code, self.types, self.texts)
        self.trouble = Label()
        self.others: list[str] = []  # texts that are no plan texts

    def end(self, *labels: Label) -> None:
        """Ends: DONE here, TROUBLE at its place, YES and NO at the places of a test."""
        for status, label in zip((DONE, TROUBLE, YES, NO), (Label(), self.trouble, *labels), strict=False):
            self.code.place(label)
            self.code.put(status)

    def word(self, value: Any, type_: Type) -> int:
        if type_.kind == "none":
            return STARTS
        if type_.kind == "float":
            return bits_of(float(value))
        if type_.kind == "str":
            code = find_text(self.texts, value)
            if code is not None:
                return code
            self.others.append(value)
            return (OBJECT << SHIFT) + len(self.others) - 1
        return int(one_to_storage(value, type_, self.texts)[0])

    def value(self, word: int, null: bool, type_: Type) -> Any:
        if type_.kind == "float":
            return None if null else float(np.int64(word).view(np.float64))
        if type_.kind in ("str", "object") and not null:
            return self.texts[word] if word < 1 << SHIFT else self.others[word & ((1 << SHIFT) - 1)]
        return one_from_storage(word, null, type_, self.texts)

    def run(self, rows: Mapping[str, Sequence[Any]], n: int) -> tuple[Any, Any]:
        """Registers after the run, one row each, and how each ended."""
        columns = {}
        for name, values in rows.items():
            type_ = self.types[name]
            own, null = self.frame.register(name), self.frame.null(name)
            odd = {"str": ODD, "bool": 1, "float": -1}.get(type_.kind, STARTS)
            columns[own] = [odd if null is not None and v is None else self.word(v, type_) for v in values]
            if null is not None:
                columns[null] = [int(v is None) for v in values]
        words, constants = self.code.finish()
        registers = np.full((n, self.code.registers + len(constants)), STARTS, np.int64)
        registers[:, self.code.registers :] = constants
        for register, column in columns.items():
            registers[:, register] = column
        before = registers.copy()
        ends = np.full(n, -1, np.int64)
        run(np.array(words, np.int64), registers, ends)
        assert (registers[:, self.code.registers :] == constants).all(), "a constant was written to"
        self.before = before
        return registers, ends

    def results(
        self, operand: Operand, rows: Mapping[str, Sequence[Any]], n: int, target: str | None = None
    ) -> list[Any]:
        """The values of an operand; a `TroubleError` where Python has to decide.

        All locals must be as they were, but for ``target`` where there was no trouble.
        """
        registers, ends = self.run(rows, n)
        for name in rows:
            kept = ends == TROUBLE if name == target else slice(None)
            for own in (self.frame.register(name), self.frame.null(name)):
                if own is not None:
                    assert (registers[kept, own] == self.before[kept, own]).all(), f"{name} was written to"
        at = {
            part: None
            if register is None
            else register
            if isinstance(register, int)
            else self.code.registers + register.number
            for part, register in (("value", operand.register), ("null", operand.null))
        }
        out: list[Any] = []
        for row, end in zip(registers, ends, strict=True):
            if end == TROUBLE:
                out.append(TroubleError())
                continue
            assert end == DONE
            null = at["null"] is not None and bool(row[at["null"]])
            out.append(self.value(int(row[at["value"]]), null, operand.type))
        return out
