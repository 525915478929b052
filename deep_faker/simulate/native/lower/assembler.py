"""Instructions while they are written: words, constants, labels, and the registers of one flow.

Every value is one 64-bit word: bool 0 or 1, int, the bits of a float, µs of a datetime or timedelta, days of
a date, an entity's number (-1: none), the index of a ``code`` text, and for other text and objects a text
word (see `deep_faker.simulate.native.words`). A value that may be None has a second register, 1 where it is.

An instruction is its opcode and its operands, one word each. Operands are registers, jump targets (places in
the code) or plain numbers, as the opcode says; constants are registers too, loaded once for all flows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from deep_faker.plan import Type

_U64 = 1 << 64


def bits_of(value: float) -> int:
    """The word of a float.

    >>> bits_of(1.0) == 0x3FF0000000000000
    True
    """
    word: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return word


def float_of(word: int) -> float:
    """The float of a word.

    >>> float_of(bits_of(-0.5))
    -0.5
    """
    value: float = struct.unpack("<d", struct.pack("<q", word))[0]
    return value


def signed(word: int) -> int:
    """A 64-bit key or draw as the signed word that holds it.

    >>> signed(5), signed(2**64 - 1)
    (5, -1)
    """
    word %= _U64
    return word - _U64 if word >= _U64 >> 1 else word


@dataclass(frozen=True, slots=True)
class Const:
    """A register that holds a constant: the ``number``-th of the program."""

    number: int


@dataclass(eq=False, slots=True)
class Label:
    """A place in the code, known once it has been reached."""

    place: int | None = None


Word = int | Const | Label
Register = int | Const


@dataclass
class Code:
    """The instructions of all flows of a plan.

    >>> code, end = Code(registers=2), Label()
    >>> code.put(87, 1, 0, code.constant(40), end)  # register 1 = register 0 + 40
    >>> code.place(end)
    >>> code.finish()  # constants are behind the registers
    ([87, 1, 0, 2, 5], [40])
    """

    words: list[int] = field(default_factory=list)
    constants: dict[int, int] = field(default_factory=dict)  # word → its number
    registers: int = 0  # the most that a flow uses; constants are behind them
    _patches: list[tuple[int, Const | Label]] = field(default_factory=list)

    def put(self, *words: Word) -> None:
        """Append words."""
        for word in words:
            if isinstance(word, int):
                self.words.append(word)
            else:
                self._patches.append((len(self.words), word))
                self.words.append(-1)

    def constant(self, word: int) -> Const:
        """The register of a constant."""
        return Const(self.constants.setdefault(word, len(self.constants)))

    def place(self, label: Label) -> None:
        """The label stands here."""
        label.place = len(self.words)

    def mark(self) -> tuple[int, int, int]:
        """How far the code has come, for `undo`."""
        return len(self.words), len(self._patches), len(self.constants)

    def undo(self, mark: tuple[int, int, int]) -> None:
        """Forget all that was written since ``mark``."""
        words, patches, constants = mark
        del self.words[words:], self._patches[patches:]
        while len(self.constants) > constants:
            self.constants.popitem()

    def finish(self) -> tuple[list[int], list[int]]:
        """All words, and those of the constants (to be loaded from register ``registers`` on)."""
        for place, what in self._patches:
            if isinstance(what, Const):
                self.words[place] = self.registers + what.number
            else:
                assert what.place is not None
                self.words[place] = what.place
        self._patches.clear()
        return self.words, list(self.constants)


class Frame:
    """The registers of one flow: stored locals first, then all others and what expressions need meanwhile.

    ``types`` are the locals' static types. A local that may be None has a register for that too.
    """

    def __init__(self, code: Code, types: dict[str, Type], texts: tuple[str, ...]) -> None:
        self.code, self.types, self.texts = code, types, texts
        self.numbers: dict[str, int] = {}

    def register(self, name: str) -> int:
        """The register of a local (``x__null``: of its mask)."""
        number = self.numbers.setdefault(name, len(self.numbers))
        self.code.registers = max(self.code.registers, len(self.numbers))
        return number

    def null(self, name: str) -> int | None:
        """The register that says whether a local is None; None where it cannot be."""
        return self.register(f"{name}__null") if self.types[name].optional else None

    def temporary(self) -> int:
        """A register of its own."""
        return self.register(f"#{len(self.numbers)}")
