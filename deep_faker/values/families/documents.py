"""Random bytes and XML of drawn words and values, by column.

Bytes of a pool would repeat; Faker's default of a megabyte each is the exception and comes from eight of
them, as no memory holds a column.  XML takes Faker 595 µs a document, six seconds for a pool; here 5 µs.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import U64, mix
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.families.containers import Elements, Keys, Types, counts_of, elements_of, further
from deep_faker.values.family import Making, family
from deep_faker.values.library.pools import Pool
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.prose import gathered_rows
from deep_faker.values.text.words64 import U8

_LONGEST = 1024  # bytes of a value by column; a megabyte each, as Faker's default has it, fills any memory
_IN_POOL = 8
_MOST_KEYS = 60
_ROWS = 4096  # of one gather
_SIMPLE = ("str", "int", "float", "decimal", "uuid", "date", "datetime")


# ---------------------------------------------------------------- bytes


def _bytes(key: int, flow: U64, action: U64, length: int) -> U8:
    """Random bytes, shape (n, length)."""
    words = np.empty((len(flow), -(-length // 8)), "<u8")
    start = mix(key, flow, action)
    for column in range(words.shape[1]):
        words[:, column] = mix(key, start, column)
    return words.view(np.uint8).reshape(len(flow), 8 * words.shape[1])[:, :length]


class Bytes(Values):
    """Random bytes of one length.

    >>> from deep_faker.draws.mix import Draws
    >>> len(Bytes(Place(Draws(7), ("token",), 0), 6).one(3, 1, 0))
    6
    """

    kind = "json"

    def __init__(self, place: Place, length: int) -> None:
        super().__init__(place)
        self._length = length

    def column(self, rows: Rows) -> pa.Array:
        """The bytes as a JSON text of hexadecimal digits, as all bytes."""
        import polars as pl  # at use: a run without such a field need not wait for it

        whole = _bytes(self._key, rows.flow, rows.action, self._length)
        kind = pa.binary(self._length)
        buffers = [None, pa.py_buffer(np.ascontiguousarray(whole))]
        binary = pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), buffers)
        digits = pl.Series(binary.cast(pa.large_binary())).bin.encode("hex").to_arrow().cast(pa.string())
        return pc.binary_join_element_wise('"', digits, '"', "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The bytes."""
        return [row.tobytes() for row in _bytes(self._key, rows.flow, rows.action, self._length)]


@family("misc.binary")
def _binary(ctx: Making, *, length: int = 1 << 20) -> Values | None:
    if type(length) is not int or length < 1:
        return None
    if length <= _LONGEST:
        return Bytes(ctx.place, length)
    key = ctx.place.draws.id_key("pool", "binary", str(length))
    words = np.arange(-(-length // 8), dtype=np.uint64)
    values = [mix(key, words, number).tobytes()[:length] for number in range(_IN_POOL)]
    return Pool(ctx.place, values)


# ---------------------------------------------------------------- XML


class Xml(Values):
    """A root of one word with elements of different words, each with a value."""

    def __init__(
        self, place: Place, root: Values, elements: Elements, counts: list[int], keys: Keys, prolog: str
    ) -> None:
        super().__init__(place)
        self._root, self._elements, self._keys, self._prolog = root, elements, keys, prolog
        self._numbers = np.array(sorted(set(counts)), np.int64)
        self._table = Alias([counts.count(number) for number in self._numbers.tolist()])
        tags = [f"<{word}>" for word in keys.words] + [f"</{word}>" for word in keys.words]
        self._tags = pa.array(tags, pa.string())

    def column(self, rows: Rows) -> pa.Array:
        """The documents, some rows at a time."""
        parts = [
            self._block(Rows(rows.flow[start:end], rows.action[start:end], rows.clock[start:end]))
            for start in range(0, len(rows), _ROWS)
            for end in [start + _ROWS]
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], pa.string())])

    def _block(self, rows: Rows) -> pa.Array:
        """All elements of all rows are made at once, and all tags and elements gathered at once."""
        counts = self._numbers[self._table.indices(mix(self.place.key("count"), rows.flow, rows.action))]
        root = self._root.column(rows)
        root = root if isinstance(root, pa.DictionaryArray) else root.dictionary_encode()
        roots, root_of = len(root.dictionary), root.indices.to_numpy()
        around = [(f"{self._prolog}<{word}>", f"</{word}>") for word in root.dictionary.to_pylist()]
        pieces = [
            self._tags,
            pa.array([text for texts in zip(*around, strict=True) for text in texts], pa.string()),
        ]
        ends = np.cumsum(3 * counts + 2)
        begins = ends - (3 * counts + 2)
        index = np.empty(int(ends[-1]), np.int32)
        index[begins] = root_of + len(self._tags)
        index[ends - 1] = root_of + (len(self._tags) + roots)
        number = np.arange(int(counts.sum()))
        place = 3 * number + np.repeat(begins + 1 - 3 * (np.cumsum(counts) - counts), counts)
        keys = self._keys.indices(rows.flow, rows.action, counts)
        index[place] = keys
        index[place + 2] = keys + len(self._keys.words)
        size = len(self._tags) + 2 * roots
        for kind, positions, texts in self._elements.texts(further(rows, counts)):
            index[place[positions] + 1] = np.arange(size, size + len(positions))
            pieces.append(_escaped(texts) if kind == "str" else texts)
            size += len(positions)
        return gathered_rows(pa.concat_arrays(pieces), index, ends)


def _escaped(texts: pa.Array) -> pa.Array:
    """Texts as they stand in XML; few have what must be written in another way."""
    data = texts.buffers()[2]
    whole = b"" if data is None else data.to_pybytes()
    if not any(sign in whole for sign in (b"&", b"<", b">")):
        return texts
    for sign, name in (("&", "&amp;"), (">", "&gt;"), ("<", "&lt;")):
        texts = pc.replace_substring(texts, sign, name)
    return texts


def _prolog() -> str | None:
    """What the library that Faker uses writes before the root, None where it writes elements another way."""
    try:
        xmltodict = import_module("xmltodict")
    except ImportError:
        return None
    before, root, rest = xmltodict.unparse({"root": {"key": "value"}}).partition("<root>")
    return before if root + rest == "<root><key>value</key></root>" else None


@family("misc.xml")
def _xml(
    ctx: Making,
    *,
    nb_elements: int = 10,
    variable_nb_elements: bool = True,
    value_types: Types = None,
    allowed_types: Types = None,
) -> Values | None:
    words = list(ctx.provider.generator.get_words_list())
    counts = counts_of(nb_elements, varied=variable_nb_elements)
    types = ctx.provider.generator.pydict.__self__
    elements = elements_of(replace(ctx, provider=types), value_types, allowed_types)
    root = ctx.piece("word", part=("root",))
    prolog = _prolog()
    if prolog is None or elements is None or root is None or not elements.kinds <= set(_SIMPLE):
        return None
    keys = Keys(ctx.place, words)
    if not keys.distinct or not 0 < max(counts) <= min(_MOST_KEYS, len(words)):
        return None
    return Xml(ctx.place, root, elements, counts, keys, prolog)
