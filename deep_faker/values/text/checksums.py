"""Control characters that are sums of what each character adds at its place.

A check is a function from free characters to whole numbers.  Changing one character at a time says what
each adds; random texts then show that the sums are right, and which control characters stand for which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from deep_faker.draws.mix import I64, U64, below, mix
from deep_faker.values.text.grammar import NotAGrammarError
from deep_faker.values.text.words64 import U8, store

Unit = tuple[str, ...]  # what can stand at some neighbouring places, each as likely as any other

WORTH = 56  # the bit from which a word of a table holds what its characters add
_TRIED, _TRIED_MORE = 4096, 64  # texts of the first form, and of each other one
_MOST_TILES = 32


@dataclass(frozen=True)
class Control:
    """Control characters, ``count`` of them before a ``position`` of the free ones (-1: after all of them).

    ``check`` gives the whole texts of some free ones.  The control characters, read as a number modulo
    ``modulus`` (X is 10), must be a sum of what each free character adds at its place.

    >>> Control(lambda digits: digits, 97, position=0, count=2, head="DE").place(22)
    2
    """

    check: Callable[[U8], U8]
    modulus: int
    position: int = -1
    count: int = 1
    head: str = ""  # what ``check`` writes before everything else
    gap: str = ""  # what it writes before the control characters

    def place(self, width: int) -> int:
        """Where the control characters stand in texts of a width."""
        return width - self.count if self.position < 0 else len(self.head) + self.position + len(self.gap)


class Sums:
    """What each character at each place of each form adds, and how the control characters are written."""

    def __init__(self, control: Control, forms: list[list[Unit]], widths: I64) -> None:
        self.control = control
        self.places = np.array([control.place(int(width)) for width in widths], np.int64)
        self._alike = len(set(self.places.tolist())) == 1
        known: dict[int, bytes] = {}
        self._of = [self._learnt(form, int(self.places[number]), known) for number, form in enumerate(forms)]
        codes = np.zeros((control.modulus, control.count), np.uint8)
        for rest, code in known.items():
            codes[rest] = np.frombuffer(code, np.uint8)
        # The sums of several tiles go beyond the modulus, and so does the table.
        self.codes = codes.take(np.arange(control.modulus * _MOST_TILES) % control.modulus, axis=0)
        self._words = self.codes.view(f"u{control.count}").reshape(-1)

    def _learnt(self, form: list[Unit], place: int, known: dict[int, bytes]) -> I64:
        """What a character at each place adds, by changing one at a time; then all at once, to be sure."""
        control = self.control
        columns = [sorted(set(column)) for unit in form for column in zip(*unit, strict=True)]
        written = {*range(len(control.head)), *range(place - len(control.gap), place + control.count)}
        free = [place for place in range(len(columns)) if place not in written]
        letters = [np.frombuffer("".join(columns[place]).encode(), np.uint8) for place in free]
        changes = [(k, int(letter)) for k, some in enumerate(letters) for letter in some]
        texts = np.tile(np.array([some[0] for some in letters], np.uint8), (len(changes) + 1, 1))
        for row, (k, letter) in enumerate(changes, 1):
            texts[row, k] = letter
        values = self._values(texts, place, len(columns), {})
        out = np.zeros((len(columns), 128), np.int64)
        for value, (k, letter) in zip(values[1:].tolist(), changes, strict=True):
            out[free[k], letter] = value - values[0]
        out[0] += values[0]  # the first place stands for all that does not change
        trial = np.arange(_TRIED_MORE if known else _TRIED, dtype=np.uint64)
        drawn = [some.take(below(mix(k, trial), len(some)).view(np.int64)) for k, some in enumerate(letters)]
        sums = sum(out[place].take(some) for place, some in zip(free, drawn, strict=True))
        sums = (sums + (out[0, 0] if 0 in written else 0)) % control.modulus
        if not np.array_equal(self._values(np.stack(drawn, axis=1), place, len(columns), known), sums):
            raise NotAGrammarError("control characters that are no sum")
        return out % control.modulus

    def _values(self, texts: U8, place: int, width: int, known: dict[int, bytes]) -> I64:
        """The control characters of texts as numbers; ``known`` learns which stand for which."""
        whole = self.control.check(texts)
        if whole.shape[1] != width:
            raise NotAGrammarError("texts of another width")
        codes = whole[:, place : place + self.control.count]
        digits = np.where(codes == ord("X"), 10, codes.astype(np.int64) - ord("0"))
        values: I64 = digits @ 10 ** np.arange(codes.shape[1])[::-1] % self.control.modulus
        known.update(zip(values.tolist(), (code.tobytes() for code in codes), strict=True))
        return values

    def worth(self, form: int, start: int, texts: Sequence[str]) -> U64:
        """What the texts add from a ``start`` within a form on."""
        characters = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)
        places = np.arange(start, start + characters.shape[1])
        worth: U64 = (self._of[form][places, characters].sum(axis=1) % self.control.modulus).astype(np.uint64)
        return worth

    def write(self, out: U8, sums: I64, form: I64 | None) -> None:
        """The control characters of each row, over the places that were left for them."""
        codes = self._words.take(sums, mode="clip")
        if self._alike:
            start = int(self.places[0])
            store(out, start, start + self.control.count, codes)
            return
        assert form is not None
        places = self.places.take(form)
        places += np.arange(0, out.size, out.shape[1])
        for number in range(self.control.count):
            out.reshape(-1)[places + number] = codes.view(np.uint8)[number :: self.control.count]
