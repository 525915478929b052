"""Words, sentences and paragraphs by column, as positions in one table of words that is gathered once.

A word stands in a text in some ways: within a sentence, at its end, capitalised at its beginning.  Each way
of each word is an entry of the table, with the gap before it, so that a text is nothing but its entries one
after the other.  What a row draws depends on the row and on a number within it, never on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import I64, U64, below, derive, mix
from deep_faker.plan import arrow
from deep_faker.values.text.grammar import NotAGrammarError

I32 = npt.NDArray[np.int32]
_MOST_AT_ONCE = 1 << 32  # outcomes of one draw that is cut into several: none is off by more than 2**-32
_MOST_CUT = 16
_PIECES = 98_304  # of one gather: they stay in the second-level cache
# Ways of a word: within a sentence, its last one, its first one; what is added to the way of a first word
# where its sentence is not the first one of its paragraph, and where its paragraph is not that of its text.
END, FIRST, _LATER, _JOINED = 1, 2, 2, 4


def cut_into(size: int) -> int:
    """How many draws below ``size`` one 64-bit draw may be cut into.

    >>> cut_into(10), cut_into(1000), cut_into(100_000)
    (9, 3, 1)
    """
    count = 1
    while count < _MOST_CUT and size ** (count + 1) <= _MOST_AT_ONCE:
        count += 1
    return count


def cut(u: U64, size: int, count: int) -> I32:
    """``count`` draws below ``size`` of each 64-bit draw, shape (n, count).

    >>> cut(np.array([0, 1 << 63], np.uint64), 10, 3).tolist()
    [[0, 0, 0], [5, 0, 0]]
    """
    out = np.empty((len(u), count), np.int32)
    if count == 1:
        out[:, 0] = below(u, size)
        return out
    rest = below(u, size**count).astype(np.uint32)
    for column in range(count - 1, 0, -1):
        higher = rest // np.uint32(size)
        np.subtract(rest, higher * np.uint32(size), out=out[:, column], casting="unsafe")
        rest = higher
    out[:, 0] = rest
    return out


def gathered_rows(pieces: pa.Array, index: I32, ends: I64) -> pa.Array:
    """The pieces up to each end joined: the gathered bytes lie in order, only the offsets thin out.

    >>> pieces, index = pa.array(["a", "b", "c"]), np.array([0, 2, 1], np.int32)
    >>> gathered_rows(pieces, index, np.array([2, 3])).to_pylist()
    ['ac', 'b']
    """
    taken = pieces.take(arrow.numbers(index))
    offsets = np.empty(len(ends) + 1, np.int32)
    offsets[0] = 0
    offsets[1:] = np.frombuffer(taken.buffers()[1], np.int32, count=len(index) + 1).take(ends)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), taken.buffers()[2])


@dataclass
class Strung:
    """Texts as groups of entries: row ``i`` has ``groups[i]`` of them; ``lengths`` in characters."""

    index: I32  # shape (groups, entries of one)
    groups: I64
    lengths: I64


class Prose:
    """Paragraphs of one to some sentences of drawn words.

    ``words_of`` and ``sentences_of`` are the equally likely numbers of words and of sentences; ``gap``
    stands between words and sentences, ``joint`` between paragraphs.  ``written`` is how the text is written
    down, the lengths are those of what it stands for.

    >>> prose = Prose(["dry"], " ", ".", words_of=[2], sentences_of=[2])
    >>> strung = prose.strung(7, np.array([1], np.uint64))
    >>> prose.texts(strung.index, strung.groups).to_pylist()
    ['Dry dry. Dry dry.']
    """

    def __init__(
        self,
        words: Sequence[str],
        gap: str,
        stop: str,
        words_of: Sequence[int],
        sentences_of: Sequence[int] = (1,),
        *,
        joint: str = "",
        written: Callable[[str], str] = str,
    ) -> None:
        if not words or any(not isinstance(word, str) for word in words):
            raise NotAGrammarError("elements that are not text")
        n = self.size = len(words)
        titles = [word.title() for word in words]
        ways = [[gap + word for word in words], titles]
        ways += [[gap + title for title in titles], [joint + title for title in titles]]
        texts = [text + end for way in ways for end in ("", stop) for text in way] + [""]
        self.pieces = arrow.texts(map(written, texts))
        self.blank = len(texts) - 1
        self._lengths = np.array(list(map(len, texts)), np.int32)
        self._of_word = cut_into(n)
        self._words_of = np.array(words_of, np.int64)
        self._sentences_of = np.array(sentences_of, np.int64)
        self._most = int(self._sentences_of.max())
        # Both numbers come of draws below the same size: the shorter list is repeated.
        self._numbers = int(np.lcm(len(words_of), len(sentences_of)))
        self._of_number = cut_into(self._numbers)
        mean = float(self._words_of.mean() * self._sentences_of.mean())
        self.rows = max(256, int(_PIECES / (mean + self._of_word)))  # of one gather

    def strung(self, key: int, start: U64, *, measured: bool = False) -> Strung:
        """The paragraphs that begin with some draws; their lengths only if ``measured``."""
        per_sentence = self._numbers_of(key, start)
        words = per_sentence.sum(axis=1) if self._most > 1 else per_sentence[:, 0]
        k = self._of_word
        groups = (words + (k - 1)) // k
        before = np.cumsum(groups) - groups
        # The groups of a row are counted from its first draw, which is nowhere near that of another row.
        counter = np.repeat(start - before.view(np.uint64), groups)
        counter += np.arange(len(counter), dtype=np.uint64)
        index = cut(mix(derive(key, "words"), counter), self.size, k)
        flat = index.reshape(-1)
        self._shape(flat, before * k, per_sentence)
        spare, last = groups * k - words, (before + groups) * k - k
        # the last entries of the last group, which is shorter where words are spare
        for number in range(1, k):
            place = last + number
            flat[place] = np.where(spare >= k - number, self.blank, flat.take(place))
        lengths = np.empty(0, np.int64)
        if measured:
            taken = self._lengths.take(flat)
            lengths = np.add.reduceat(taken, before * k).astype(np.int64) if len(flat) else lengths
        return Strung(index, groups, lengths)

    def _numbers_of(self, key: int, start: U64) -> I64:
        """How many words each sentence of a row has, 0 for those that it has not."""
        one = self._most == 1 and len(self._sentences_of) == 1
        wanted = self._most + (not one)
        parts = [
            cut(mix(derive(key, "numbers"), start, turn), self._numbers, min(self._of_number, wanted - done))
            for turn, done in enumerate(range(0, wanted, self._of_number))
        ]
        drawn = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if one:
            return self._words_of.take(drawn % len(self._words_of))
        sentences = self._sentences_of.take(drawn[:, 0] % len(self._sentences_of))
        per_sentence = self._words_of.take(drawn[:, 1:] % len(self._words_of))
        per_sentence[np.arange(self._most)[None, :] >= sentences[:, None]] = 0
        return per_sentence

    def _shape(self, flat: I32, begins: I64, per_sentence: I64) -> None:
        """Make words the first and last ones of their sentences: what both add to the way of a word."""
        if self._most == 1:
            first, last = begins, begins + per_sentence[:, 0] - 1
        else:
            ends = np.cumsum(per_sentence, axis=1)
            ends += begins[:, None]
            there = per_sentence > 0
            last = ends[there] - 1
            first = last + 1 - per_sentence[there]
            flat[first] += np.int32(_LATER * self.size)
            flat[begins] -= np.int32(_LATER * self.size)
        flat[first] += np.int32(FIRST * self.size)
        flat[last] += np.int32(END * self.size)

    def joined_on(self, strung: Strung, groups: I64) -> None:
        """Let the paragraphs that begin with some groups follow upon others."""
        strung.index[groups, 0] += np.int32(_JOINED * self.size)

    def texts(self, index: I32, groups: I64) -> pa.Array:
        """The texts of rows of so many groups."""
        return gathered_rows(self.pieces, index.reshape(-1), np.cumsum(groups) * self._of_word)
