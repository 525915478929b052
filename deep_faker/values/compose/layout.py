"""The texts of one form as columns of positions in one table of pieces.

Fixed texts and the small tables beside them are fused into one table, and what is drawn for a part of a text
is its position there.  A value that comes twice keeps a position of its own.  One 64-bit draw is cut into the
positions of several tables where that leaves each of them even to within 2**-32.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import I64, U64, below, mix
from deep_faker.values.base import Place, Rows
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Tables, gathered
from deep_faker.values.text.grammar import Text, literal

_MOST_AT_ONCE = 1 << 32  # outcomes of one draw that is cut
_MOST_FUSED, _MOST_BYTES = 4096, 200_000  # entries and bytes of a fused table: all stay in the cache
_MOST_COPIED = 60_000  # entries of a grammar's tables that get fixed texts before and after


class Source:
    """One of some values.  Those without weights share draws, the others have one of their own."""

    def __init__(
        self, values: Sequence[object], weights: Sequence[float] | None = None, key: int = 0
    ) -> None:
        self.values, self._key = values, key
        self.table = None if weights is None else Alias(weights)

    def indices(self, rows: Rows) -> I64:
        """The positions of weighted values."""
        assert self.table is not None, "it shares a draw"
        return self.table.indices(mix(self._key, rows.flow, rows.action))


Positions = npt.NDArray[np.signedinteger]
Drawn = dict[Source, Positions]


class Grammar:
    """Texts of a grammar of several tables, drawn as `Texts` draws them."""

    def __init__(self, place: Place, text: Text) -> None:
        self._place, self.text = place, text
        self.large = sum(len(leaf.values) for leaf in text.leaves) > _MOST_COPIED

    def columns(self, tables: Tables, rows: Rows) -> list[I64]:
        """The position of each row's piece, slot by slot: the same in all tables of one shape."""
        return tables.columns(tables.keys(self._place), rows.flow, rows.action)

    def texts(self, function: Callable[[str], str], rows: Rows) -> list[str]:
        """The texts of rows after ``function`` of each piece."""
        tables = gathered(self.text)
        columns = self.columns(tables, rows)
        pieces = [[function(tables.pieces[at]) for at in column.tolist()] for column in columns]
        return ["".join(row) for row in zip(*pieces, strict=True)]


# ---------------------------------------------------------------- columns


class Table:
    """A table over all combinations of the values of some sources: one column."""

    width = 1

    def __init__(self, sources: list[Source], texts: list[str]) -> None:
        self.sources, self.base = sources, 0
        self.pieces = pa.array(texts, pa.string())

    def columns(self, rows: Rows, drawn: Drawn) -> Sequence[Positions | int | pa.Array]:
        """The positions."""
        if not self.sources:
            return [self.base]
        index = drawn[self.sources[0]]
        for source in self.sources[1:]:
            index = index * index.dtype.type(len(source.values))
            index += drawn[source].astype(index.dtype, copy=False)
        return [index + index.dtype.type(self.base)]


class Slots:
    """The tables of a grammar: a column for each slot."""

    def __init__(self, grammar: Grammar, tables: Tables) -> None:
        self._grammar, self._tables = grammar, tables
        self.pieces, self.base, self.width = tables.arrow, 0, tables.width

    def columns(self, rows: Rows, drawn: Drawn) -> Sequence[Positions | int | pa.Array]:
        """The positions."""
        return [index + self.base for index in self._grammar.columns(self._tables, rows)]


class Days:
    """The texts of days, of which the first and the last are known: one column."""

    width = 1

    def __init__(self, texts: list[str], first: int, days: Callable[[Rows], I64]) -> None:
        self.pieces, self.base = pa.array(texts, pa.string()), 0
        self._first, self._days = first, days

    def columns(self, rows: Rows, drawn: Drawn) -> Sequence[Positions | int | pa.Array]:
        """The positions."""
        return [self._days(rows) - np.int64(self._first - self.base)]


class MadeTexts:
    """Texts that something else makes, for each block of rows anew: one column."""

    pieces, base, width = None, 0, 1

    def __init__(self, make: Callable[[Rows], pa.Array]) -> None:
        self._make = make

    def columns(self, rows: Rows, drawn: Drawn) -> Sequence[Positions | int | pa.Array]:
        """The texts themselves."""
        return [self._make(rows)]


Part = Table | Slots | Days | MadeTexts


@dataclass
class _Pending:
    """A grammar with the fixed texts around it."""

    grammar: Grammar
    written: Text
    before: str
    after: str = ""


TableKey = tuple[Text, str, str]  # a grammar and the fixed texts before and after it


class Builder:
    """Puts the parts of a form together from left to right.  ``tables`` keeps those of the grammars."""

    def __init__(self, tables: dict[TableKey, Tables]) -> None:
        self._parts: list[Part] = []
        self._tables = tables
        self._sources: list[Source] = []
        self._texts = [""]
        self._pending: _Pending | None = None

    def fixed(self, text: str) -> None:
        """A text without chance."""
        if self._pending is not None:
            self._pending.after += text
        elif text:
            self._texts = [before + text for before in self._texts]

    def chosen(self, source: Source, texts: Sequence[str]) -> None:
        """A text for each value of a source."""
        self._settle()
        if source in self._sources:
            self._repeated(source, texts)
            return
        if len(self._texts) > 1 and len(texts) > 1 and self._too_large(texts):
            self._flush()
        self._texts = [before + text for before in self._texts for text in texts]
        self._sources.append(source)

    def _too_large(self, texts: Sequence[str]) -> bool:
        mine, theirs = sum(map(len, self._texts)), sum(map(len, texts))
        size = len(self._texts) * len(texts)
        return size > _MOST_FUSED or mine * len(texts) + theirs * len(self._texts) > _MOST_BYTES

    def _repeated(self, source: Source, texts: Sequence[str]) -> None:
        stride = prod(len(later.values) for later in self._sources[self._sources.index(source) + 1 :])
        self._texts = [
            before + texts[number // stride % len(texts)] for number, before in enumerate(self._texts)
        ]

    def grammar(self, grammar: Grammar, written: Text) -> None:
        """The texts of a grammar, as they are written here."""
        self._settle()
        before = ""
        if not (self._sources or grammar.large):
            self._texts, before = [""], self._texts[0]
        self._flush()
        self._pending = _Pending(grammar, written, before)

    def part(self, part: Days | MadeTexts) -> None:
        """Texts that are made in another way."""
        self._settle()
        self._flush()
        self._parts.append(part)

    def done(self) -> list[Part]:
        """All parts."""
        self._settle()
        self._flush()
        return self._parts or [Table([], [""])]

    def _flush(self) -> None:
        if self._sources or self._texts[0]:
            self._parts.append(Table(self._sources, self._texts))
        self._sources, self._texts = [], [""]

    def _settle(self) -> None:
        """Make a part of the grammar that waited for the fixed text after it."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        text, after = pending.written, pending.after
        if pending.grammar.large:
            self._texts, after = [after], ""
        key = (pending.written, pending.before, after)
        if key[1:] == ("", ""):
            self._tables[key] = gathered(text)  # shared with the fields that are of the same grammar
        elif key not in self._tables:
            text = literal(pending.before) + text if pending.before else text
            self._tables[key] = Tables(text + literal(after) if after else text)
        self._parts.append(Slots(pending.grammar, self._tables[key]))


# ---------------------------------------------------------------- draws


class Drawing:
    """The positions of the sources of a form: draws that are cut, and those of weighted values.

    Sources that one table alone needs are drawn as one.  All forms cut the same draws, as a row has one form.
    """

    def __init__(self, variants: Source, parts: Sequence[Part]) -> None:
        self._variants = variants
        self._cuts: dict[Source, tuple[Source, int]] = {}  # of those drawn as one: which, and the stride
        tables = [part for part in parts if isinstance(part, Table)]
        used = Counter(source for table in tables for source in table.sources)
        for table in tables:
            own = [s for s in table.sources if used[s] == 1 and s is not variants and s.table is None]
            if len(own) == len(table.sources) > 1:
                table.sources = [self._as_one(own)]
        seen = dict.fromkeys(source for table in tables for source in table.sources if source is not variants)
        self._weighted = [source for source in seen if source.table is not None]
        self._groups: list[list[Source]] = []
        size = _MOST_AT_ONCE
        for source in seen:
            if source.table is None:
                size *= len(source.values)
                if size > _MOST_AT_ONCE:
                    self._groups.append([])
                    size = len(source.values)
                self._groups[-1].append(source)
        self.draws = len(self._groups)  # that it cuts

    def _as_one(self, sources: list[Source]) -> Source:
        whole = Source(range(prod(len(source.values) for source in sources)))
        stride = len(whole.values)
        for source in sources:
            stride //= len(source.values)
            self._cuts[source] = (whole, stride)
        return whole

    def drawn(self, rows: Rows, variants: I64, draws: Sequence[U64]) -> Drawn:
        """The position of each source that a table is of."""
        out: Drawn = {self._variants: variants}
        for group, shared in zip(self._groups, draws, strict=False):
            sizes = [len(source.values) for source in group]
            draw = below(shared, prod(sizes))
            if len(group) == 1:
                out[group[0]] = draw.view(np.int64)
                continue
            rest = draw.astype(np.uint32)
            for source, size in zip(group[:0:-1], sizes[:0:-1], strict=True):
                higher = rest // np.uint32(size)
                out[source] = (rest - higher * np.uint32(size)).view(np.int32)
                rest = higher
            out[group[0]] = rest.view(np.int32)
        for source in self._weighted:
            out[source] = source.indices(rows)
        return out

    def all_of(self, rows: Rows, variants: I64, draws: Sequence[U64]) -> Drawn:
        """The position of every source."""
        out = self.drawn(rows, variants, draws)
        for source, (whole, stride) in self._cuts.items():
            out[source] = out[whole] // stride % len(source.values)
        return out
