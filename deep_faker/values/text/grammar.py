"""Random texts as data: weighted alternatives, each a row of tables to draw a piece from.

    name = 0.97  [first names of men + " "]  [last names]
           0.015 ["Mr. "] [first names of men + " "] [last names]   …

The operations keep the distribution exactly.  `columns.Texts` draws such a text for whole columns.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

_MOST_ALTERNATIVES = 600
_MOST_FUSED = 12_000  # entries of a table that was made by joining two
_DIGITS = tuple("0123456789")


class NotAGrammarError(Exception):
    """The text cannot be written as a (small enough) set of alternatives."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """A table of pieces of text; without weights each is equally likely.

    >>> Leaf(("yes", "no"), (3.0, 1.0)).share(0)
    0.75
    """

    values: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    def share(self, index: int) -> float:
        """The chance of a value."""
        return 1.0 / len(self.values) if self.weights is None else self.weights[index] / self._total

    @cached_property
    def _total(self) -> float:
        return sum(self.weights or ())

    def pairs(self) -> Iterable[tuple[str, float]]:
        """Values with their weights."""
        return zip(self.values, self.weights or (1.0,) * len(self.values), strict=True)


Alternative = tuple[float, tuple[Leaf, ...]]


@dataclass(frozen=True, eq=False)
class Text:
    """Weighted alternatives, each a sequence of tables.

    >>> hello = table(["hi", "hello"]) + literal(" ") + table(["you"])
    >>> [leaf.values for leaf in hello.fused().alternatives[0][1]]
    [('hi you', 'hello you')]
    """

    alternatives: tuple[Alternative, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.alternatives) <= _MOST_ALTERNATIVES:
            raise NotAGrammarError(f"{len(self.alternatives)} alternatives")

    def __add__(self, other: Text) -> Text:
        return Text(
            tuple(
                (a * b, first + second)
                for (a, first), (b, second) in product(self.alternatives, other.alternatives)
            )
        )

    def map(self, function: Callable[[str], str]) -> Text:
        """``function`` of every piece, for functions that treat each character by itself."""
        seen: dict[Leaf, Leaf] = {}  # by identity: leaves stay shared, so that tables do

        def mapped(leaf: Leaf) -> Leaf:
            if leaf not in seen:
                seen[leaf] = Leaf(tuple(function(value) for value in leaf.values), leaf.weights)
            return seen[leaf]

        return Text(tuple((weight, tuple(mapped(leaf) for leaf in row)) for weight, row in self.alternatives))

    def expand(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], Text]) -> Text:
        """Replace every match of ``pattern`` by a text of its own."""
        if not any(pattern.search(value) for leaf in self.leaves for value in leaf.values):
            return self
        out: list[Alternative] = []
        for weight, row in self.alternatives:
            joined = Text(((weight, ()),))
            for leaf in row:
                joined += _expanded(leaf, pattern, replace)
            out.extend(joined.alternatives)
        return Text(tuple(out))

    def first_word(self) -> Text:
        """The text up to its first space."""
        out: list[Alternative] = []
        for weight, row in self.alternatives:
            out.extend(_cut(weight, row))
        return Text(tuple(out))

    def fused(self) -> Text:
        """The same text with neighbouring small tables joined, and alternatives of one table merged."""
        memo: dict[tuple[Leaf, Leaf], Leaf] = {}
        rows = [(weight, _fuse_row(row, memo)) for weight, row in self.alternatives if weight > 0]
        singles = [(weight, row[0]) for weight, row in rows if len(row) == 1]
        if sum(len(leaf.values) for _, leaf in singles) <= _MOST_FUSED and len(singles) > 1:
            rows = [(weight, row) for weight, row in rows if len(row) != 1]
            rows.append((sum(weight for weight, _ in singles), (_merge(singles),)))
        return Text(tuple(rows))

    @property
    def leaves(self) -> list[Leaf]:
        """Every different table."""
        return list(dict.fromkeys(leaf for _, row in self.alternatives for leaf in row))


def literal(text: str) -> Text:
    """A text without chance.

    >>> literal("no").leaves
    [Leaf(values=('no',), weights=None)]
    """
    return Text(((1.0, (Leaf((text,)),)),))


def table(values: Sequence[str], weights: Sequence[float] | None = None) -> Text:
    """One of ``values``; repeated values count as often as they stand there.

    >>> table(["a", "b", "a"]).leaves
    [Leaf(values=('a', 'b'), weights=(2.0, 1.0))]
    """
    if weights is None and len(set(values)) == len(values):
        merged = dict.fromkeys(values, 1.0)
    else:
        merged = {}
        for value, weight in zip(values, weights or [1.0] * len(values), strict=True):
            merged[value] = merged.get(value, 0.0) + weight
    if not merged or any(not isinstance(value, str) for value in merged):
        raise NotAGrammarError("elements that are not text")
    even = len(set(merged.values())) == 1
    return Text(((1.0, (Leaf(tuple(merged), None if even else tuple(merged.values())),)),))


def number_range(low: int, high: int, width: int) -> Text:
    """Whole numbers of so many digits as few products of digits, not as a table of all of them.

    >>> [[leaf.values for leaf in row] for _, row in number_range(198, 219, 3).alternatives]
    [[('19',), ('8', '9')], [('2',), ('0', '1'), ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')]]
    """
    texts, counts = [], []
    while low <= high:
        free = next(k for k in range(width - 1, -1, -1) if low % 10**k == 0 and low + 10**k - 1 <= high)
        block = low // 10**free
        several = min((high - low + 1) // 10**free, 10 - block % 10)
        fixed = f"{block:0{width - free}d}"[:-1]
        text = table([str(digit) for digit in range(block % 10, block % 10 + several)])
        text = literal(fixed) + text if fixed else text
        for _ in range(free):
            text = text + _PLACES["#"]
        texts.append(text)
        counts.append(several * 10.0**free)
        low += several * 10**free
    return either(texts, counts)


def either(texts: Sequence[Text], weights: Sequence[float] | None = None) -> Text:
    """One of ``texts``.

    >>> [weight for weight, _ in either([literal("yes"), literal("no")], [3, 1]).alternatives]
    [0.75, 0.25]
    """
    total = float(sum(weights)) if weights else float(len(texts))
    return Text(
        tuple(
            (share * (weight / total), row)
            for text, weight in zip(texts, weights or [1.0] * len(texts), strict=True)
            for share, row in text.alternatives
        )
    )


def _expanded(leaf: Leaf, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], Text]) -> Text:
    plain, parts = [], []
    for index, value in enumerate(leaf.values):
        if pattern.search(value):
            parts.append((leaf.share(index), _replaced(value, pattern, replace)))
        else:
            plain.append(index)
    if plain:
        rest = Leaf(
            tuple(leaf.values[index] for index in plain),
            leaf.weights and tuple(leaf.weights[index] for index in plain),
        )
        parts.append((sum(leaf.share(index) for index in plain), Text(((1.0, (rest if parts else leaf,)),))))
    return either([text for _, text in parts], [weight for weight, _ in parts])


def _replaced(value: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], Text]) -> Text:
    text, end = None, 0
    for match in pattern.finditer(value):
        part = replace(match)
        if match.start() > end:
            part = literal(value[end : match.start()]) + part
        text, end = part if text is None else text + part, match.end()
    assert text is not None
    return text + literal(value[end:]) if end < len(value) else text


def _cut(weight: float, row: tuple[Leaf, ...]) -> list[Alternative]:
    for place, leaf in enumerate(row):
        spaced = [" " in value for value in leaf.values]
        if not any(spaced):
            continue
        before = row[:place]
        ended = Leaf(tuple(value.split(" ")[0] for value in leaf.values), leaf.weights)
        if all(spaced):
            return [(weight, (*before, ended))]
        out = []
        for wanted in (True, False):
            where = [i for i, has in enumerate(spaced) if has is wanted]
            share = weight * sum(leaf.share(i) for i in where)
            source = ended if wanted else leaf
            part = Leaf(
                tuple(source.values[i] for i in where), leaf.weights and tuple(leaf.weights[i] for i in where)
            )
            out.extend(
                [(share, (*before, part))] if wanted else _cut(share, (*before, part, *row[place + 1 :]))
            )
        return out
    return [(weight, row)]


def _fuse_row(row: tuple[Leaf, ...], memo: dict[tuple[Leaf, Leaf], Leaf]) -> tuple[Leaf, ...]:
    done: list[Leaf] = []
    for leaf in row:
        sizes = (len(done[-1].values), len(leaf.values)) if done else ()
        if done and (1 in sizes or prod(sizes) <= _MOST_FUSED):
            key = (done[-1], leaf)
            if key not in memo:
                memo[key] = _join(*key)
            done[-1] = memo[key]
        else:
            done.append(leaf)
    return tuple(done) or (Leaf(("",)),)


def _join(first: Leaf, second: Leaf) -> Leaf:
    values = tuple([a + b for a in first.values for b in second.values])
    if first.weights is None and second.weights is None:
        return Leaf(values)
    ours, theirs = ([weight for _, weight in leaf.pairs()] for leaf in (first, second))
    return Leaf(values, tuple([a * b for a in ours for b in theirs]))


def _merge(singles: Sequence[tuple[float, Leaf]]) -> Leaf:
    merged: dict[str, float] = {}
    for weight, leaf in singles:
        for index, value in enumerate(leaf.values):
            merged[value] = merged.get(value, 0.0) + weight * leaf.share(index)
    even = max(merged.values()) - min(merged.values()) < 1e-12 * max(merged.values())
    return Leaf(tuple(merged), None if even else tuple(merged.values()))


# --- Faker's placeholders ------------------------------------------------------------------------------

_LETTERS = tuple(string.ascii_letters)
_PLACES: dict[str, Text] = {
    "#": table(_DIGITS),
    "%": table(_DIGITS[1:]),
    "$": table(_DIGITS[2:]),
    "!": table(("", *_DIGITS), (10.0, *[1.0] * 10)),
    "@": table(("", *_DIGITS[1:]), (9.0, *[1.0] * 9)),
}


def numerify(text: Text) -> Text:
    """Digits for ``#``, ``%`` (not 0), ``$`` (2 or more), ``!`` and ``@`` (or nothing), as Faker's.

    >>> [leaf.values for leaf in numerify(literal("$")).leaves]
    [('2', '3', '4', '5', '6', '7', '8', '9')]
    """
    return text.expand(re.compile(r"[#%$!@]"), lambda match: _PLACES[match[0]])


def lexify(text: Text, letters: Sequence[str] = _LETTERS) -> Text:
    """Letters for ``?``, as Faker's.

    >>> [leaf.values for leaf in lexify(literal("?!"), "xy").fused().leaves]
    [('x!', 'y!')]
    """
    one = table(tuple(letters))
    return text.expand(re.compile(r"\?"), lambda _: one)


def hexify(text: Text, *, upper: bool) -> Text:
    """Hexadecimal digits for ``^``, as Faker's.

    >>> [leaf.values[-1] for leaf in hexify(literal("^"), upper=True).leaves]
    ['F']
    """
    one = table(tuple("0123456789ABCDEF" if upper else "0123456789abcdef"))
    return text.expand(re.compile(r"\^"), lambda _: one)
