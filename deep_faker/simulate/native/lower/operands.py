"""The parts of an expression while its instructions are written: where values are, and as what.

A part is a constant, a register, or a value that is not computed before it is wanted: a `Test`, which
may become a jump, or an entry of a table, so that what is done to it can be done to the table instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Literal

from deep_faker.plan import Kind, Type
from deep_faker.plan.storage import find_text, kind_of, one_to_storage, type_of
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Frame, Label, Register, Word, bits_of

NUMBERS = ("bool", "int", "float")
INTEGRAL = ("bool", "int")
TEXTS = ("code", "str")
EXACT = 2**53  # ints up to here are floats without loss
TABLE_LIMIT = 4096
BOOL, INT, FLOAT, OBJECT, NONE = (Type(kind) for kind in ("bool", "int", "float", "object", "none"))
WRONG = object()
"""An entry of a table where Python has to decide."""


class UnlowerableError(Exception):
    """A part has no native form; ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Test:
    """What is true or false: ``a op b``, or of a text ``b == -1`` for one that no plan text is.

    ``true``: a is not 0; ``flag``: nor ever other than 0 or 1. ``negated`` turns the answer round. Where
    register ``some`` is 1, a value is None: then the answer, before it is turned, is what register ``both``
    holds, or no.
    """

    op: Literal["true", "flag", "lt", "le", "eq", "text"]
    a: Register
    b: Register = 0
    floats: bool = False
    negated: bool = False
    some: Register | None = None
    both: Register | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The entry of place ``index - low``. ``safe``: there always is one."""

    index: Register
    elements: tuple[Any, ...]
    low: int = 0
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Val:
    """A part: a constant, or where its value and the flag of its None are."""

    type: Type
    reg: Register | None = None
    null: Register | None = None
    constant: bool = False
    value: Any = None  # of the class that the type says
    test: Test | None = None
    table: Table | None = None
    floats: Register | None = None  # the float of a number that is sometimes an int, sometimes a float

    @property
    def kind(self) -> Kind:
        return self.type.kind


class Writer:
    """Writes instructions of one expression."""

    def __init__(self, frame: Frame, trouble: Label) -> None:
        self.frame, self.code, self.trouble, self.texts = frame, frame.code, trouble, frame.texts
        self.used = 0
        self.scratches: set[Register] = set()

    # ------------------------------------------------ registers and instructions

    def scratch(self) -> int:
        """A register that nothing needs after the expression."""
        self.used += 1
        register = self.frame.register(f"#x{self.used}")
        self.scratches.add(register)
        return register

    def lasting(self, register: Register) -> Register:
        """A register that is still needed after the expression."""
        if register not in self.scratches:
            return register
        kept = self.frame.temporary()
        self.move(kept, register)
        return kept

    def put(self, opcode: int, *operands: Word) -> None:
        self.code.put(opcode, *operands)

    def make(self, opcode: int, *operands: Word, dest: Register | None = None) -> Register:
        """An instruction that writes a register, given first: ``dest`` or a new one."""
        target = self.scratch() if dest is None else dest
        self.code.put(opcode, target, *operands)
        return target

    def risky(self, opcode: int, *operands: Word, dest: Register | None = None) -> Register:
        """`make`, with the place of trouble as last operand."""
        return self.make(opcode, *operands, self.trouble, dest=dest)

    def move(self, target: Register, source: Register) -> None:
        if target != source:
            self.put(op.MOV, target, source)

    def number(self, word: int) -> Register:
        """The register of a constant word."""
        return self.code.constant(word)

    # ------------------------------------------------ constants

    def constant(self, value: object) -> Val:
        return Val(type_of([value]), constant=True, value=value)

    def fold(self, function: Callable[..., object], *values: object) -> Val:
        """The constant result of constants."""
        try:
            return self.constant(function(*values))
        except Exception as error:
            raise UnlowerableError(f"raises {type(error).__name__}") from error

    def word_of(self, value: Any, kind: Kind) -> int:
        """The word of a Python value."""
        if kind == "float":
            return bits_of(float(value))
        if kind in TEXTS:
            code = find_text(self.texts, value)
            if code is None:
                raise UnlowerableError(f"the text {value!r} is not among the plan's")
            return code
        if kind in ("object", "none"):
            raise UnlowerableError("an object")
        return int(one_to_storage(value, Type(kind), self.texts)[0])

    # ------------------------------------------------ values in registers

    def reg(self, val: Val, dest: Register | None = None) -> Register:
        """The register of the value, in the storage of its type."""
        if val.constant:
            return self.number(self.word_of(val.value, val.kind))
        if val.test is not None:
            return self.tested(val.test, dest)
        if val.table is not None:
            return self.looked_up(val, dest).reg  # type: ignore[return-value]  # made there
        if val.reg is None:
            raise UnlowerableError(f"a value of kind {val.kind}")
        return val.reg

    def named(self, val: Val) -> Val:
        """``val`` in a register, to be used more than once."""
        if val.test is not None:
            return Val(BOOL, self.tested(val.test))
        if val.table is not None and val.kind != "object":
            return self.looked_up(val)
        return val

    def dropped(self, *vals: Val) -> None:
        """Evaluated for what they may raise, though their value does not matter."""
        for val in vals:
            if val.table is not None and not val.table.safe:
                table = val.table
                last = table.low + len(table.elements) - 1
                self.put(op.WITHIN, table.index, self.number(table.low), self.number(last), self.trouble)
            if val.table is not None and WRONG in val.table.elements:
                self._check_wrong(val.table)

    def solid(self, val: Val) -> Val:
        """``val`` that is not None; trouble where it is."""
        if val.kind == "none":
            raise UnlowerableError("an operation on None")
        if val.table is not None and val.type.optional:
            known = tuple(WRONG if e is None else e for e in val.table.elements)
            return replace(
                val, type=Type(val.kind, entity=val.type.entity), table=replace(val.table, elements=known)
            )
        if val.null is None:
            return val
        self.put(op.TRAP, val.null, self.trouble)
        return replace(val, null=None, type=Type(val.kind, entity=val.type.entity))

    def stands(self, val: Val) -> bool:
        """Whether the value is there with no instruction written, and never None."""
        if val.constant:
            return val.kind not in ("object", "none")
        return val.reg is not None and val.null is None and val.reg not in self.scratches

    def ints(self, val: Val) -> Register:
        """A bool or an int."""
        return self.number(int(val.value)) if val.constant else self.reg(val)

    def floats(self, val: Val, *, exact: bool = False) -> Register:
        """A number as ``float()`` of it; ``exact``: trouble where that is another number."""
        if val.constant:
            if exact and float(val.value) != val.value and val.value == val.value:
                raise UnlowerableError("an int that no float is")
            return self.number(bits_of(float(val.value)))
        if val.floats is not None:
            return val.floats
        if val.kind == "float":
            return self.reg(val)
        if val.kind == "object" and val.table is not None:
            return self.looked_up(self._as_floats(val)).reg  # type: ignore[return-value]  # made there
        if exact and val.kind == "int":
            return self.risky(op.EXACT_FLOAT, self.reg(val))
        return self.make(op.TO_FLOAT, self.reg(val))

    def _as_floats(self, val: Val) -> Val:
        """A table of ints and floats as one of floats."""
        assert val.table is not None
        elements = val.table.elements
        if not all(
            e is WRONG or (type(e) in (bool, int, float) and (type(e) is float or abs(e) <= EXACT))
            for e in elements
        ):
            raise UnlowerableError("a table of other than numbers")
        floats = tuple(e if e is WRONG else float(e) for e in elements)
        return replace(val, type=FLOAT, table=replace(val.table, elements=floats))

    def numeric(self, val: Val) -> bool:
        """Whether the arithmetic of numbers applies."""
        if val.kind in NUMBERS or val.floats is not None:
            return True
        if val.kind == "object" and val.table is not None:
            return all(e is WRONG or type(e) in (bool, int, float) for e in val.table.elements)
        return False

    # ------------------------------------------------ tests

    def truth(self, val: Val) -> Val:
        """``bool(val)``."""
        if val.constant:
            return self.fold(bool, val.value)
        if val.table is not None:
            return self.by_value(bool, [val], BOOL)
        if val.test is not None:
            return val
        kind = val.kind
        if kind == "object" and val.floats is None:
            raise UnlowerableError("the truth of an object")
        if kind in ("object", "float"):
            test = Test("eq", self.floats(val), self.number(0), floats=True, negated=True)
        elif kind == "entity":
            test = Test("lt", self.reg(val), self.number(0), negated=True)
        elif kind in TEXTS:
            test = self.text_test(val, "", negated=True)
        elif kind in ("datetime", "date"):
            if val.null is None:
                return self.constant(True)
            return Val(BOOL, test=Test("flag", val.null, negated=True))
        else:
            test = Test("flag" if kind == "bool" else "true", self.reg(val))
        if val.null is None:
            return Val(BOOL, test=test)
        both = self.number(1) if test.negated else None  # None is false
        return Val(BOOL, test=replace(test, some=val.null, both=both))

    def text_test(self, val: Val, text: str, *, negated: bool) -> Test:
        """Whether a text equals a constant one."""
        known = find_text(self.texts, text)
        word = self.number(-1 if known is None else known)
        return Test("eq" if val.kind == "code" else "text", self.reg(val), word, negated=negated)

    def negated(self, val: Val) -> Val:
        """``not val`` of a bool."""
        if val.constant:
            return self.constant(not val.value)
        if val.table is not None:
            return self.by_value(lambda e: not e, [val], BOOL)
        test = val.test or Test("flag", self.reg(val))
        return Val(BOOL, test=replace(test, negated=not test.negated))

    def tested(self, test: Test, dest: Register | None = None) -> Register:
        """The answer as 0 or 1."""
        if test.some is None:
            return self._plain(test, dest)
        none, some, end = Label(), Label(), Label()
        target = self.scratch() if dest is None else dest
        self.put(op.JUMP, test.some, none, some)
        self.code.place(some)
        answer = self._plain(replace(test, some=None, both=None), target)
        self.move(target, answer)
        self.put(op.GOTO, end)
        self.code.place(none)
        if test.both is None:
            self.move(target, self.number(int(test.negated)))
        elif test.negated:
            self.put(op.NOT, target, test.both)
        else:
            self.move(target, test.both)
        self.code.place(end)
        return target

    def _plain(self, test: Test, dest: Register | None) -> Register:
        a, b = test.a, test.b
        if test.op in ("true", "flag"):
            if test.negated:
                return self.make(op.NOT, a, dest=dest)
            return a if test.op == "flag" else self.make(op.NOT, self.make(op.NOT, a), dest=dest)
        if test.op == "text":
            if not test.negated:
                return self.risky(op.SAME_TEXT, a, b, dest=dest)
            return self.make(op.NOT, self.risky(op.SAME_TEXT, a, b), dest=dest)
        if test.negated and not test.floats and test.op != "eq":
            opcode = op.LEI if test.op == "lt" else op.LTI  # not a < b is b <= a
            return self.make(opcode, b, a, dest=dest)
        codes = {"lt": (op.LTI, op.LTF), "le": (op.LEI, op.LEF), "eq": (op.EQI, op.EQF)}[test.op]
        if not test.negated:
            return self.make(codes[test.floats], a, b, dest=dest)
        return self.make(op.NOT, self.make(codes[test.floats], a, b), dest=dest)

    def branch(self, val: Val, then: Label, other: Label) -> None:
        """To one of two places by the truth of ``val``."""
        val = self.truth(val)
        if val.constant:
            self.put(op.GOTO, then if val.value else other)
            return
        test = val.test or Test("flag", self.reg(val))
        if test.negated:
            then, other = other, then
        if test.some is not None:
            plain, none = Label(), Label()
            self.put(op.JUMP, test.some, other if test.both is None else none, plain)
            if test.both is not None:
                self.code.place(none)
                self.put(op.JUMP, test.both, then, other)
            self.code.place(plain)
        if test.op in ("true", "flag"):
            self.put(op.JUMP, test.a, then, other)
        elif test.op == "text":
            self.put(op.JUMP, self.risky(op.SAME_TEXT, test.a, test.b), then, other)
        else:
            codes = {
                "lt": (op.JUMP_LTI, op.JUMP_LTF),
                "le": (op.JUMP_LEI, op.JUMP_LEF),
                "eq": (op.JUMP_EQI, op.JUMP_EQF),
            }[test.op]
            self.put(codes[test.floats], test.a, test.b, then, other)

    # ------------------------------------------------ tables

    def table_of(self, val: Val) -> Table | None:
        """All values that ``val`` can have, if they are few and known."""
        if val.table is not None:
            return val.table
        if val.kind == "bool":
            known: tuple[object, ...] = (False, True)
        elif val.kind == "code" and len(self.texts) <= TABLE_LIMIT:
            known = self.texts
        else:
            return None
        if val.null is None:
            return Table(self.reg(val), known, safe=True)
        place = self.make(op.SELECT, val.null, self.number(len(known)), self.reg(val))
        return Table(place, (*known, None), safe=True)

    def by_value(self, function: Callable[..., object], operands: Sequence[Val], type_: Type | None) -> Val:
        """Python's own ``function`` of the operands, done once for each entry of their tables.

        ``type_``: of the results (None: that which they have).
        """
        if all(v.constant for v in operands):
            return self.fold(function, *(v.value for v in operands))
        tables = [None if v.constant else self.table_of(v) for v in operands]
        known = [t for t in tables if t is not None]
        size = prod(len(t.elements) for t in known)
        if len(known) < sum(not v.constant for v in operands) or size > TABLE_LIMIT:
            raise UnlowerableError("a function of values that are not few")
        results = []
        for entries in product(*(t.elements for t in known)):
            left = iter(entries)
            values = [v.value if v.constant else next(left) for v in operands]
            results.append(_applied(function, values))
        index, low, safe = self._place(known)
        return self.entries(Table(index, tuple(results), low, safe), type_)

    def _place(self, tables: Sequence[Table]) -> tuple[Register, int, bool]:
        """One index into the product of tables."""
        first = tables[0]
        if len(tables) == 1:
            return first.index, first.low, first.safe
        index: Register | None = None
        for table in tables:
            last = table.low + len(table.elements) - 1
            if not table.safe:
                self.put(op.WITHIN, table.index, self.number(table.low), self.number(last), self.trouble)
            place = table.index
            if table.low:
                place = self.risky(op.SUBI, place, self.number(table.low))
            if index is None:
                index = place
            else:
                index = self.risky(op.MULI, index, self.number(len(table.elements)))
                index = self.risky(op.ADDI, index, place)
        assert index is not None
        return index, 0, True

    def entries(self, table: Table, type_: Type | None = None) -> Val:
        """An entry of a table."""
        values = [e for e in table.elements if e is not WRONG]
        if not values:
            raise UnlowerableError("no value of a table")
        return Val(type_ or type_of(values), table=table)

    def looked_up(self, val: Val, dest: Register | None = None) -> Val:
        """The entry in a register."""
        table, kind = val.table, val.kind
        assert table is not None
        elements = table.elements
        filler = next((e for e in elements if e is not WRONG and e is not None), None)
        stored = [filler if e is WRONG or e is None else e for e in elements]
        if filler is None or not all(_fits(e, kind) for e in stored):
            raise UnlowerableError("a table of values that have no words")
        words = [self.word_of(e, kind) for e in stored]
        if WRONG in elements:
            self._check_wrong(table)
        null = None
        if None in elements:
            null = self._from_words(table, [int(e is None) for e in elements])
        value = self._from_words(table, words, dest)
        return Val(Type(kind, null is not None, val.type.entity), value, null)

    def _check_wrong(self, table: Table) -> None:
        self.put(op.TRAP, self._from_words(table, [int(e is WRONG) for e in table.elements]), self.trouble)

    def _from_words(self, table: Table, words: Iterable[int], dest: Register | None = None) -> Register:
        words = list(words)
        target = self.scratch() if dest is None else dest
        self.put(op.TABLE, target, table.index, table.low, len(words), self.trouble, *words)
        return target


def _applied(function: Callable[..., object], values: Sequence[object]) -> object:
    if any(v is WRONG for v in values):
        return WRONG
    try:
        return function(*values)
    except Exception:  # noqa: BLE001 - only a row that has this entry raises it
        return WRONG


def _fits(value: object, kind: Kind) -> bool:
    its = kind_of(value)
    return its == kind or (its, kind) in {("code", "str"), ("int", "float")}
