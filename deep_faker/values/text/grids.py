"""Texts on a grid: characters that stand at known places are written several at a time, as words.

The places of all forms of a text are cut into tiles of up to eight characters.  A tile has a table of
all that can stand there, so that a column is a look-up and a write for each tile, into one matrix.
Numbers with a control digit have, in the top byte of each table's words, what the characters add to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, I64, U64, below, below1, mix, mix1
from deep_faker.values.base import Place, Rows, fixed_width_strings
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.checksums import WORTH, Control, Sums, Unit
from deep_faker.values.text.columns import Patterns, Tables, Texts, gathered
from deep_faker.values.text.cut_draws import MOST, cut, cut1, repeated, shared, together, together1
from deep_faker.values.text.grammar import Leaf, NotAGrammarError, Text
from deep_faker.values.text.variable_width import RunTexts, run_of
from deep_faker.values.text.words64 import U8, Unsigned, cut_out, store

_MOST_FORMS = 600
_MOST_WORDS = 1 << 18  # of the tables of one tile
_LONGEST = 100_000  # entries of a table that is not a product
_WORD = 8


@dataclass(frozen=True)
class Tile:
    """Places from ``begin`` to ``end``; the words of form f are ``size[f]`` from ``start[f]`` on."""

    begin: int
    end: int
    words: Unsigned
    start: I64
    size: U64

    @cached_property
    def alike(self) -> bool:
        """Whether all forms have the same table."""
        return bool((self.start == self.start[0]).all())

    @cached_property
    def most(self) -> int:
        """The size of the largest table."""
        return int(self.size.max())

    def sizes(self, form: I64 | None) -> int | U64:
        """The size of each row's table, one number where they are all the same."""
        if form is None or bool((self.size == self.size[0]).all()):
            return self.most
        return self.size.take(form)


class Grid:
    """The tiles of a text, what draws them, and the widths of its forms."""

    def __init__(self, forms: list[list[Unit]], weights: list[float], control: Control | None) -> None:
        self.widths = np.array([sum(len(unit[0]) for unit in form) for form in forms])
        self.control, self.forms = control, len(forms)
        self.even = len(set(weights)) == 1
        self.table = Alias(weights)
        bounds = _bounds(forms, _WORD - 1 if control else _WORD)
        self.controls = Sums(control, forms, self.widths) if control else None
        self.tiles = [_tile(forms, begin, end, self.controls) for begin, end in bounds]
        self.width = int(self.widths.max())
        # A form among equals is the first cut of all; others need the whole of a draw.
        self.draws = shared([len(forms) if self.even else 1, *(tile.most for tile in self.tiles)])

    def chunk(self, keys: Sequence[int], form_key: int, counter: U64, out: U8) -> I64 | None:
        """Write the texts of some rows; gives the form of each where there are several."""
        form: I64 | None = None
        if self.forms > 1 and not self.even:
            form = self.table.indices(mix(form_key, counter))
        index: dict[int, I64] = {}
        for key, group in zip(keys, self.draws, strict=False):
            if group[0] and self.tiles[group[0] - 1].most > MOST:
                draw = mix(key, counter)
                index[group[0]] = below(draw, self.tiles[group[0] - 1].sizes(form)).view(np.int64)
                continue
            left = mix(key, counter)
            for number in group:
                if number == 0:
                    form = cut(left, self.forms)
                else:
                    index[number] = cut(left, self.tiles[number - 1].sizes(form), last=number == group[-1])
        sums = np.zeros(len(out), np.uint64) if self.controls is not None else None
        for number, tile in enumerate(self.tiles, 1):
            self._write(out, tile, index.get(number), form, sums)
        if self.controls is not None and sums is not None:
            self.controls.write(out, sums.view(np.int64), form)
        return form

    def _write(self, out: U8, tile: Tile, index: I64 | None, form: I64 | None, sums: U64 | None) -> None:
        if form is None or tile.alike:
            if index is None:  # always the same characters
                words = np.broadcast_to(tile.words[:1], len(out))
                if sums is not None:
                    sums += words >> np.uint64(WORTH)
                out[:, tile.begin : tile.end] = tile.words[:1].view(np.uint8)[: tile.end - tile.begin]
                return
        else:
            start = tile.start.take(form)
            index = start if index is None else np.add(index, start, out=index)
        words = np.take(tile.words, index, mode="clip")
        if sums is not None:
            sums += words >> np.uint64(WORTH)
        store(out, tile.begin, tile.end, words)

    def text(self, keys: Sequence[int], form_key: int, counter: int) -> str:
        """The twin of `chunk` for one row."""
        form = 0
        if self.forms > 1 and not self.even:
            form = self.table.index1(mix1(form_key, counter))
        index = [0] * (len(self.tiles) + 1)
        for key, group in zip(keys, self.draws, strict=False):
            left = mix1(key, counter)
            for number in group:
                size = self.forms if number == 0 else int(self.tiles[number - 1].size[form])
                if number and self.tiles[number - 1].most > MOST:
                    index[number] = below1(mix1(key, counter), size)
                    continue
                drawn, left = cut1(left, size)
                if number == 0:
                    form = drawn
                else:
                    index[number] = drawn
        text, total = bytearray(), 0
        for tile, entry in zip(self.tiles, index[1:], strict=True):
            word = int(tile.words[int(tile.start[form]) + entry])
            text += word.to_bytes(_WORD, "little")[: tile.end - tile.begin]
            total += word >> WORTH if self.controls is not None else 0
        if self.controls is not None:
            place, codes = int(self.controls.places[form]), self.controls.codes[total].tobytes()
            text[place : place + len(codes)] = codes
        return text[: int(self.widths[form])].decode()


# ---------------------------------------------------------------- from a grammar to a grid


def gridded(text: Text, control: Control | None = None) -> Grid | None:
    """The grid of a text, None where its pieces have no fixed width or its tables would be too large.

    >>> from deep_faker.values.text.grammar import literal, numerify
    >>> grid = gridded(numerify(literal("AB-#####")))
    >>> [(tile.begin, tile.end, tile.most) for tile in grid.tiles]
    [(0, 7, 10000), (7, 8, 10)]
    """
    try:
        return _gridded(text, control)
    except NotAGrammarError:
        return None


@lru_cache(maxsize=64)
def _kept(text: Text) -> Grid | None:
    return gridded(text)


def _gridded(text: Text, control: Control | None) -> Grid:
    merged: dict[tuple[Unit, ...], float] = {}
    seen: dict[Leaf, list[Unit]] = {}
    for weight, row in text.alternatives:
        if weight > 0:
            units: list[Unit] = []
            for leaf in row:
                if leaf not in seen:
                    seen[leaf] = _units(leaf)
                units += seen[leaf]
            key = tuple(units)
            merged[key] = merged.get(key, 0.0) + weight
    forms = [list(key) for key in merged]
    if not forms or len(forms) > _MOST_FORMS or not all(forms):
        raise NotAGrammarError("no grid")
    if control is not None:
        forms = [_with_places(form, control) for form in forms]
    least = min(merged.values())
    weights = [least if abs(each - least) < 1e-12 else each for each in merged.values()]
    return Grid(forms, weights, control)


def _with_places(form: list[Unit], control: Control) -> list[Unit]:
    """The units of a form with what is written anyhow and zeros where the control characters will stand."""
    zeros: list[Unit] = [(character,) for character in control.gap + "0" * control.count]
    head: list[Unit] = [(character,) for character in control.head]
    if control.position < 0:
        return head + form + zeros
    ends = np.cumsum([len(unit[0]) for unit in form]).tolist()
    if control.position not in (0, *ends):
        raise NotAGrammarError("no grid")
    before = 0 if control.position == 0 else ends.index(control.position) + 1
    return head + form[:before] + zeros + form[before:]


def _units(leaf: Leaf) -> list[Unit]:
    values = leaf.values
    width, joined = len(values[0]), "".join(values)
    if len(values) > _LONGEST or set(map(len, values)) != {width} or not joined.isascii():
        raise NotAGrammarError("no grid")
    if leaf.weights is not None:
        return [repeated(values, leaf.weights)] if width else []
    if len(values) == 1:
        return [(character,) for character in values[0]]
    columns = [tuple(dict.fromkeys(joined[place::width])) for place in range(width)]
    if prod(len(column) for column in columns) == len(set(values)) == len(values):
        return list(columns)  # all combinations: each place is drawn by itself
    return [values]


def _bounds(forms: list[list[Unit]], most: int) -> list[tuple[int, int]]:
    """Where tiles begin and end: as wide as tables allow, never within a unit of any form."""
    laid = [_laid(form) for form in forms]
    width = max(end for _, end in laid)
    bounds: list[tuple[int, int]] = []
    begin = 0
    while begin < width:
        end = next(
            (end for end in range(min(begin + most, width), begin, -1) if _fits(laid, begin, end)), None
        )
        if end is None:
            raise NotAGrammarError("no grid")
        bounds.append((begin, end))
        begin = end
    return bounds


def _laid(form: list[Unit]) -> tuple[dict[int, Unit], int]:
    """The units by the place where they begin, and the width of the form."""
    ends = np.cumsum([len(unit[0]) for unit in form]).tolist()
    return dict(zip([0, *ends[:-1]], form, strict=True)), ends[-1]


def _within(laid: tuple[dict[int, Unit], int], place: int, end: int) -> list[Unit] | None:
    """The units of a form that fill the places, None where one of them goes on."""
    units, width = laid
    filled: list[Unit] = []
    while place < min(end, width):
        if place not in units:
            return None
        filled.append(units[place])
        place += len(units[place][0])
    return filled if place <= end else None


def _fits(laid: list[tuple[dict[int, Unit], int]], begin: int, end: int) -> bool:
    for each in laid:
        units = _within(each, begin, end)
        if units is None or prod(len(unit) for unit in units) > (MOST if len(units) > 1 else _LONGEST):
            return False
    return True


def _tile(forms: list[list[Unit]], begin: int, end: int, controls: Sums | None) -> Tile:
    size = _WORD if controls is not None else next(size for size in (1, 2, 4, 8) if size >= end - begin)
    tables: dict[bytes, int] = {}
    parts: list[Unsigned] = []
    starts, sizes, total = [], [], 0
    for number, form in enumerate(forms):
        units = _within(_laid(form), begin, end)
        assert units is not None
        words = _words(units, begin, number, controls).astype(f"u{size}")
        key = words.tobytes()
        if key not in tables:
            tables[key] = total
            parts.append(words)
            total += len(words)
            if total > _MOST_WORDS:
                raise NotAGrammarError("no grid")
        starts.append(tables[key])
        sizes.append(len(words))
    return Tile(begin, end, np.concatenate(parts), np.array(starts, np.int64), np.array(sizes, np.uint64))


def _words(units: list[Unit], begin: int, form: int, controls: Sums | None) -> U64:
    """All that the units can be, one after the other, as words."""
    words = np.zeros(1, np.uint64)
    worths = np.zeros(1, np.uint64)
    place = 0
    for unit in units:
        packed = np.array([int.from_bytes(value.encode(), "little") for value in unit], np.uint64)
        words = (words[:, None] | packed << np.uint64(8 * place)).reshape(-1)
        if controls is not None:
            worth = controls.worth(form, begin + place, unit)
            worths = ((worths[:, None] + worth) % np.uint64(controls.control.modulus)).reshape(-1)
        place += len(unit[0])
    return words if controls is None else words | worths << np.uint64(WORTH)


# ---------------------------------------------------------------- what makes the values


class GridTexts(Patterns):
    """Texts on a grid; ``counted`` are those whose keys are a permutation, as with all patterns."""

    def __init__(self, place: Place, tables: Tables, grid: Grid, *, counted: bool) -> None:
        super().__init__(place, tables)
        if not counted:
            self._permutable, self.capacity = False, None
        self._grid = grid
        self._grid_keys = [place.key(number + 1) for number in range(len(grid.draws))]

    def column(self, rows: Rows) -> pa.Array:
        return grid_column(self._grid, self._grid_keys, self._key, rows)

    def one(self, flow: int, action: int, clock: int) -> str:
        return self._grid.text(self._grid_keys, self._key, together1(flow, action))


def grid_column(grid: Grid, keys: Sequence[int], form_key: int, rows: Rows) -> pa.Array:
    """The texts of rows as an Arrow array."""
    n = len(rows)
    out = np.empty((n, grid.width), np.uint8)
    several = len(set(grid.widths.tolist())) > 1
    ends = np.empty(n if several else 0, np.int32)
    for start in range(0, n, CHUNK):
        counter = together(rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK])
        form = grid.chunk(keys, form_key, counter, out[start : start + CHUNK])
        if form is not None and several:
            ends[start : start + CHUNK] = grid.widths.take(form)
    return cut_out(out, ends) if several else fixed_width_strings(out)


def texts(place: Place, text: Text, *, counted: bool = False) -> Texts:
    """What makes the texts of a grammar: on a grid or run together where that can be, else gathered.

    ``counted`` asks for keys that are a permutation of all texts.

    >>> from deep_faker.draws.mix import Draws
    >>> from deep_faker.values.text.grammar import literal, numerify
    >>> codes = texts(Place(Draws(7), ("code",), 0), numerify(literal("A-#%")), counted=True)
    >>> codes.capacity, codes.one(3, 1, 0)[:2]
    (90, 'A-')
    """
    tables = gathered(text)
    grid = None if tables.single else _kept(text)
    if grid is not None:
        return GridTexts(place, tables, grid, counted=counted)
    run = None if tables.single else run_of(text)
    if run is not None:
        return RunTexts(place, tables, run, counted=counted)
    return Patterns(place, tables) if counted else Texts(place, tables)
