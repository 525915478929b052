"""Faker's methods that their own code does not show to be plain distributions, by column.

Each reads what Faker keeps in the provider, so that another locale's or a newer version's tables count.
A pool would have at most 10,000 values of spaces that are far larger (slugs, domains, book numbers with
their check digits), and some are slow to fill: 2.2 ms for a text of `fixed_width`, here 4 µs.
"""

# ruff: noqa: SLF001 - some of Faker's tables are private

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, U64, below, mix
from deep_faker.values.base import Place, Rows, Values, plain
from deep_faker.values.choices import Elements
from deep_faker.values.families import lorem
from deep_faker.values.families.check_digits import Characters, Checked
from deep_faker.values.family import Making, family
from deep_faker.values.library.libraries import at, defined_in
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.checksums import Control
from deep_faker.values.text.columns import Texts
from deep_faker.values.text.grammar import (
    NotAGrammarError,
    Text,
    either,
    literal,
    number_range,
    numerify,
    table,
)
from deep_faker.values.text.grids import texts

if TYPE_CHECKING:
    from faker.typing import DateParseType

# The width of a cell, what makes it, and the arguments of that.
Cell = tuple[int, str] | tuple[int, str, dict[str, object]]
_ZERO = ord("0")
_SLUG = 20  # characters of the text of which Faker makes a slug


# ---------------------------------------------------------------- slugs


class Slugs(Values):
    """Texts of ASCII words as slugs."""

    def __init__(self, place: Place, texts: Values) -> None:
        super().__init__(place)
        self._texts = texts

    def column(self, rows: Rows) -> pa.Array:
        """As Faker's `slugify`: words in small letters with hyphens between them."""
        texts = pc.ascii_lower(plain(self._texts.column(rows)))
        texts = pc.ascii_trim_whitespace(pc.replace_substring_regex(texts, r"[^\w\s-]", ""))
        return pc.replace_substring_regex(texts, r"[-\s]+", "-")


@family("internet.slug")
def _slug(ctx: Making, *, value: str | None = None) -> Values | None:
    words = _us_lorem(type(ctx.provider))
    text = ctx.provider.generator.text
    if value is not None or words is None or defined_in(text) != "lorem.text":
        return None
    fixed = "".join([*words.word_list, text.__self__.word_connector, text.__self__.sentence_punctuation])
    kept = unicodedata.normalize("NFKD", fixed).encode("ascii", "ignore").decode()
    if kept != "".join(character for character in fixed if character.isascii()):
        return None  # what is not ASCII would become letters
    where, gap, stop = (
        ctx.place.part("text"),
        text.__self__.word_connector,
        text.__self__.sentence_punctuation,
    )
    if gap == " " and stop == "." and all(re.fullmatch("[A-Za-z0-9_]+", word) for word in words.word_list):
        # what is a slug of such a text is one of each of its words, with hyphens between them
        return lorem.short_text(
            where, [word.lower() for word in words.word_list], "-", "", _SLUG, capital=False
        )
    long = replace(ctx, provider=text.__self__, place=where)
    inner = lorem.text(long, max_nb_chars=_SLUG, ext_word_list=words.word_list)
    return None if inner is None else Slugs(ctx.place, inner)


class _WithWords(Protocol):
    word_list: Sequence[str]


def _us_lorem(kind: type) -> _WithWords | None:
    """The lorem provider whose words Faker takes for slugs, as it stands in its own module."""
    modules = (sys.modules[each.__module__] for each in kind.__mro__)
    return next((vars(each)["USLoremProvider"] for each in modules if "USLoremProvider" in vars(each)), None)


# ---------------------------------------------------------------- tables of text


class FixedWidth(Values):
    """Lines of cells of fixed widths."""

    def __init__(self, place: Place, cells: list[list[Values]], widths: list[int], align: str) -> None:
        super().__init__(place)
        self._cells, self._widths, self._align = cells, widths, align

    def column(self, rows: Rows) -> pa.Array:
        """All cells of a column at once, filled up and cut."""
        out: list[pa.Array] = []
        for number, line in enumerate(self._cells):
            if number:
                out.append(pa.scalar("\n"))
            for cell, width in zip(line, self._widths, strict=True):
                text = plain(cell.column(rows)).cast(pa.string())
                out.append(pc.utf8_slice_codeunits(self._filled(text, width), 0, width))
        return pc.binary_join_element_wise(*out, "")

    def _filled(self, text: pa.Array, width: int) -> pa.Array:
        if self._align == "right":
            return pc.utf8_lpad(text, width)
        return pc.utf8_center(text, width) if self._align == "middle" else pc.utf8_rpad(text, width)


@family("misc.fixed_width")
def _fixed_width(
    ctx: Making,
    *,
    data_columns: Sequence[Cell] | None = None,
    num_rows: int = 10,
    align: str = "left",
) -> Values | None:
    default: list[Cell] = [(20, "name"), (3, "pyint", {"max_value": 20})]
    columns = default if data_columns is None else list(data_columns)
    cells: list[list[Values]] = []
    for row in range(num_rows):
        cells.append([])
        for number, (_, definition, *rest) in enumerate(columns):
            name, arguments = definition, dict(*rest)
            if re.match(r".*\{\{.*\}\}.*", name):
                name, arguments = "pystr_format", {"string_format": definition}
            cell = ctx.piece(name, arguments, ("cell", str(row), str(number)))
            if cell is None or cell.kind not in ("str", "int"):
                return None
            cells[-1].append(cell)
    return FixedWidth(ctx.place, cells, [width for width, *_ in columns], align) if cells else None


class Encoded(Values):
    """Texts as bytes."""

    kind = "json"

    def __init__(self, place: Place, texts: Values) -> None:
        super().__init__(place)
        self._texts = texts

    def column(self, rows: Rows) -> pa.Array:
        """The bytes as a JSON text of hexadecimal digits, as all bytes."""
        import polars as pl  # at use: a run without such a field need not wait for it

        frame = pl.Series(plain(self._texts.column(rows)).cast(pa.large_string())).cast(pl.Binary)
        return pc.binary_join_element_wise('"', frame.bin.encode("hex").to_arrow().cast(pa.string()), '"', "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The bytes."""
        return [text.encode() for text in self._texts.column(rows).to_pylist()]


@family("misc.json_bytes")
def _json_bytes(ctx: Making, **arguments: object) -> Values | None:
    texts = ctx.piece("json", arguments)
    return None if texts is None else Encoded(ctx.place, texts)


# ---------------------------------------------------------------- postcodes, numbers of books and goods


@family("address.en_US.postcode_in_state")
def _postcode_in_state(ctx: Making, *, state_abbr: str | None = None) -> Values | None:
    states = ctx.provider.states_abbr if state_abbr is None else [state_abbr]
    if not set(states) <= set(ctx.provider.known_usps_abbr):
        return None
    parts = []
    for state in states:
        low, high = ctx.provider.states_postcode[state]
        parts.append(table([f"{number:05d}" for number in range(low, high + 1)]))
    return texts(ctx.place, either(parts))


@family("sbn.sbn9")
def _sbn9(ctx: Making, *, separator: str = "-") -> Values | None:
    from faker.providers.sbn.rules import RULES

    if not separator.isascii() or any(character.isdigit() for character in separator):
        return None
    forms: list[Text] = []
    weights = []
    for low, high, length in RULES:
        if low[length:].strip("0") or high[length:].strip("9") or not len(low) == len(high) == 7:
            raise NotAGrammarError("rules that cut registrants")
        first, last = int(low[:length]), int(high[:length])
        registrants = number_range(first, last, length)
        forms.append(registrants + literal(separator) + numerify(literal("#" * (8 - length))))
        weights.append(int(high) - int(low) + 1.0)
    if sum(weights) != 10**7:
        raise NotAGrammarError("rules with gaps")
    tail = np.frombuffer(separator.encode(), np.uint8)

    def check(characters: Characters) -> Characters:
        written = (characters >= _ZERO) & (characters <= ord("9"))
        digits = characters[written].reshape(len(characters), 8).astype(np.int64) - _ZERO
        number = digits @ np.arange(1, 9) % 11
        codes = np.where(number == 10, ord("X"), number + _ZERO).astype(np.uint8)
        gap = np.broadcast_to(tail, (len(characters), len(tail)))
        return np.concatenate([characters, gap, codes[:, None]], axis=1)

    return Checked(ctx.place, either(forms, weights), Control(check, modulus=11, gap=separator))


# ---------------------------------------------------------------- spans of time


class Spans(Values):
    """Spans of time between two, in microseconds."""

    kind = "timedelta"

    def __init__(self, place: Place, low: int, high: int) -> None:
        super().__init__(place)
        self._low, self._size = low, max(high - low, 1)

    def column(self, rows: Rows) -> pa.Array:
        """The spans."""
        return pa.array(below(self._draw(rows), self._size).view(np.int64) + self._low).cast(
            pa.duration("us")
        )


@family("date_time.time_delta")
def _time_delta(ctx: Making, *, end_datetime: DateParseType | None = None) -> Values:
    with at(ctx.place.start_micros):
        now, end = ctx.provider._parse_start_datetime("now"), ctx.provider._parse_end_datetime(end_datetime)
    return Spans(ctx.place, *sorted((0, (end - now) * 1_000_000)))


# ---------------------------------------------------------------- generated domains


class Domains(Values):
    """Domain names from the arithmetic on a date that Faker's `dga` does.

    What the months and the days become is looked up, as there are few.  The rows with the longest names come
    first, so that a step is done for those alone that have so many letters.
    """

    def __init__(self, place: Place, ends: list[str], weights: list[float], bounds: list[range]) -> None:
        super().__init__(place)
        _, months, days, lengths = self._bounds = bounds
        self._most = lengths[-1]
        self._together = prod(map(len, bounds)) <= _MOST_AT_ONCE
        steps = [
            _steps_of(np.array(each, np.uint64), self._most, *how)
            for each, how in zip((months, days), _DATE, strict=True)
        ]
        self._dates = (steps[0][:, :, None] ^ steps[1][:, None, :]).reshape(self._most, -1)
        self._ends = Alias(weights)
        texts = [f".{end}".encode() for end in ends]
        self._tails = np.array([len(text) for text in texts], np.int64)
        self._letters = np.zeros((self._tails.max(), len(texts)), np.uint8)
        for number, text in enumerate(texts):
            self._letters[: len(text), number] = np.frombuffer(text, np.uint8)

    def column(self, rows: Rows) -> pa.Array:
        """Letter by letter for some rows at once."""
        parts = [
            self._chunk(rows.flow[start : start + _ROWS], rows.action[start : start + _ROWS])
            for start in range(0, len(rows), _ROWS)
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], pa.string())])

    def _drawn(self, flow: U64, action: U64) -> tuple[U64, I64, I64]:
        """The year, the number of the month and day, and the number of letters of each row."""
        years, _, days, lengths = self._bounds
        sizes = [len(bound) for bound in self._bounds]
        if self._together:
            rest = below(mix(self.place.key("date"), flow, action), prod(sizes)).astype(np.uint32)
            parts = []
            for size in sizes[:0:-1]:
                higher = rest // np.uint32(size)
                parts.append((rest - higher * np.uint32(size)).astype(np.int64))
                rest = higher
            length, day, month = parts
            year = rest.astype(np.uint64)
        else:
            each = [
                below(mix(self.place.key("date", part), flow, action), size)
                for part, size in enumerate(sizes)
            ]
            year, (month, day, length) = each[0], (draw.view(np.int64) for draw in each[1:])
        return year + np.uint64(years[0]), month * len(days) + day, length + lengths[0]

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        year, date, length = self._drawn(flow, action)
        tail = self._ends.indices(mix(self._key, flow, action))
        ends = np.cumsum(length + self._tails.take(tail))
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        out = np.empty(int(ends[-1]), np.uint8)
        order = np.argsort(-length.astype(np.int16), kind="stable")
        year, date, length, begins = (
            year[order],
            date[order],
            length[order],
            offsets[:-1].take(order).astype(np.int64),
        )
        many = len(length) - np.searchsorted(length[::-1], np.arange(self._most), side="right")
        for step, count in enumerate(many.tolist()):
            if not count:
                break
            year = _next(year[:count], *_YEAR)
            whole = year ^ self._dates[step].take(date[:count])
            whole -= whole // np.uint64(25) * np.uint64(25)
            whole += np.uint64(97)
            out[begins[:count] + step] = whole
        begins, tail = begins + length, tail[order]
        for number, letters in enumerate(self._letters):
            there = np.flatnonzero(self._tails.take(tail) > number)
            out[begins[there] + number] = letters.take(tail[there])
        return pa.StringArray.from_buffers(len(length), pa.py_buffer(offsets), pa.py_buffer(out))


def _next(state: U64, times: int, right: int, mask: int, left: int) -> U64:
    """The next state of a part of a date."""
    out = state << np.uint64(times)
    out ^= state
    out >>= np.uint64(right)
    high = state & np.uint64(mask)
    high <<= np.uint64(left)
    out ^= high
    return out


def _steps_of(state: U64, steps: int, *how: int) -> U64:
    out = []
    for _ in range(steps):
        state = _next(state, *how)
        out.append(state)
    return np.array(out)


# the shifts and the masks of Faker's arithmetic: of a year, and of a month and a day
_YEAR = (3, 11, 0xFFFFFFF0, 17)
_DATE = ((2, 25, 0xFFFFFFF8, 4), (13, 19, 0xFFFFFFFE, 12))
_MOST_AT_ONCE = 1 << 32  # outcomes of one draw that is cut
_ROWS = 8192


def _entries(values: Values | None) -> tuple[list[str], list[float]] | None:
    """The values of a list and their weights, where that is what makes them."""
    if isinstance(values, Elements):
        return list(map(str, values._values)), list(values._weights)
    if not isinstance(values, Texts) or not values._tables.single:
        return None
    (leaf,) = values._tables.text.leaves
    return list(leaf.values), list(leaf.weights or [1.0] * len(leaf.values))


@family("internet.dga")
def _dga(
    ctx: Making,
    *,
    year: int | None = None,
    month: int | None = None,
    day: int | None = None,
    tld: str | None = None,
    length: int | None = None,
) -> Values | None:
    ends = _entries(ctx.piece("tld", part=("tld",))) if not tld else ([tld], [1.0])
    bounds = ((year, range(1, 10_000)), (month, range(1, 13)), (day, range(1, 31)), (length, range(2, 64)))
    if ends is None or any(value and not 0 < value < 2**31 for value, _ in bounds) or (length or 0) > 1000:
        return None
    return Domains(ctx.place, *ends, [range(value, value + 1) if value else bound for value, bound in bounds])
