"""Sentences, paragraphs and texts, by column; lists of them.

From a pool the same 10,000 texts would come again and again, after a second to fill it (Faker takes
89 µs for a text, here 2); here each row has words of its own, as many as Faker gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, U64, mix
from deep_faker.plan import arrow
from deep_faker.plan.conversion import json_text
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.families.containers import counts_of, further
from deep_faker.values.family import Build, Making, family
from deep_faker.values.library.loops import words_of
from deep_faker.values.text.prose import I32, Prose, Strung, cut, cut_into, gathered_rows

if TYPE_CHECKING:
    from faker.providers.lorem import Provider as LoremProvider

_MOST_ROUNDS = 1_000  # a text that is not done by then ends where it is
_LONGEST = 20_000  # characters: some 200 rounds
_MOST_SENTENCES = 40
_MOST_WORDS = 100  # of a sentence
_WORDS_AT_FIRST = 6  # of a short text; who needs more is rare
_WORDS = 6  # of a sentence that another method asks for, as Faker has it
Written = Callable[[str], str]


def _in_json(text: str) -> str:
    return json_text(text)[1:-1]


class Paragraphs(Values):
    """Paragraphs; a sentence is one of one sentence."""

    def __init__(self, place: Place, prose: Prose) -> None:
        super().__init__(place)
        self._prose = prose

    def column(self, rows: Rows) -> pa.Array:
        """All words of some rows at once."""
        return _in_chunks(rows, self._prose.rows, self._chunk)

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        strung = self._prose.strung(self._key, mix(self._key, flow, action))
        return self._prose.texts(strung.index, strung.groups)


class Filled(Values):
    """Texts as long as Faker's `text` makes them: parts are added until there are enough characters, then
    the last one goes; where that leaves nothing, it begins again."""

    def __init__(self, place: Place, part: Prose, most: int, joint: int) -> None:
        super().__init__(place)
        self._part, self._most, self._joint = part, most, joint

    def column(self, rows: Rows) -> pa.Array:
        """The parts of some rows at once."""
        return _in_chunks(rows, self._part.rows, self._chunk)

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        """Round by round for the rows that are not done; one round draws a part for each of them."""
        n, start = len(flow), mix(self._key, flow, action)
        made: list[Strung] = []
        owners: list[I64] = []
        size = np.zeros(n, np.int64)
        waiting = np.arange(n)
        for turn in range(_MOST_ROUNDS):
            if not len(waiting):
                break
            part = self._part.strung(self._key, mix(self._key, start[waiting], turn), measured=True)
            before = size[waiting]
            after = before + part.lengths
            after += self._joint * (before > 0)
            kept = after < self._most
            ends = np.cumsum(part.groups)
            self._part.joined_on(part, (ends - part.groups)[before > 0])
            made.append(part)
            owners.append(np.where(kept, waiting, -1))
            size[waiting] = np.where(kept, after, before)
            waiting = waiting[kept | (before == 0)]
        return self._in_order(n, made, owners)

    def _in_order(self, n: int, made: list[Strung], owners: list[I64]) -> pa.Array:
        """The kept parts by row, and in each in the order of the rounds."""
        owner = np.concatenate(owners)
        groups = np.concatenate([part.groups for part in made])
        begins = np.cumsum(groups) - groups
        order = np.argsort(owner.astype(np.int16 if n < 1 << 15 else np.int64), kind="stable")
        order = order[np.count_nonzero(owner < 0) :]
        groups, begins = groups[order], begins[order]
        ends = np.cumsum(groups)
        source = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(begins - (ends - groups), groups)
        entries = np.concatenate([part.index for part in made])
        width = entries.shape[1]  # entry by entry: a take of such groups is half as fast
        index = entries.reshape(-1).take((source * width)[:, None] + np.arange(width))
        per_row = np.bincount(owner[order], weights=groups, minlength=n).astype(np.int64)
        return self._part.texts(index, per_row)


class Words(Values):
    """Short texts: words until there are enough characters, without the last one, ended by a stop.

    ``ways`` are the texts of each word as the only one, as the first one, as one between, and as the last.
    """

    def __init__(
        self, place: Place, lengths: Sequence[int], gap: int, most: int, ways: list[list[str]]
    ) -> None:
        super().__init__(place)
        self._lengths = np.array(lengths, np.int64)
        self._size, self._gap, self._most = len(lengths), gap, most
        self._pieces = pa.array([text for way in ways for text in way], pa.string())
        shortest = max(min(lengths) + gap, 1)
        self._widest = (most + gap) // shortest + 1

    def column(self, rows: Rows) -> pa.Array:
        """Word by word for all rows at once; who has not enough of the first ones draws more of the same."""
        return _in_chunks(rows, 1 << 14, self._chunk)

    def _chunk(self, flow: U64, action: U64) -> pa.Array:
        start = mix(self._key, flow, action)
        words, kept = self._drawn(start, min(_WORDS_AT_FIRST, self._widest))
        if words.shape[1] < self._widest:
            unsure = (kept == 0) | (kept == words.shape[1])
            if unsure.any():
                words = np.pad(words, ((0, 0), (0, self._widest - words.shape[1])))
                words[unsure], kept[unsure] = self._drawn(start[unsure], self._widest)
        for turn in range(1, _MOST_ROUNDS):
            again = np.flatnonzero(kept == 0)
            if not len(again):
                break
            words[again], kept[again] = self._drawn(mix(self._key, start[again], turn << 32), self._widest)
        return self._joined(words, kept)

    def _drawn(self, start: U64, width: int) -> tuple[I32, I64]:
        """So many words of some rows, and how many of them are kept."""
        k = cut_into(self._size)
        groups = [cut(mix(self._key, start, draw + 1), self._size, k) for draw in range(-(-width // k))]
        words = groups[0] if len(groups) == 1 else np.concatenate(groups, axis=1)
        size = self._lengths.take(words[:, 0])
        kept = (size < self._most).astype(np.int64)
        for column in range(1, width):
            size += self._gap
            size += self._lengths.take(words[:, column])
            kept += size < self._most
        return words[:, :width], kept

    def _joined(self, words: I32, kept: I64) -> pa.Array:
        flat = words[np.arange(words.shape[1])[None, :] < kept[:, None]]
        ends = np.cumsum(kept)
        flat += np.int32(2 * self._size)  # between; the first one, and the last one
        flat[ends - kept] -= np.int32(self._size)
        flat[ends - 1] += np.where(kept > 1, self._size, -self._size).astype(np.int32)
        return gathered_rows(self._pieces, flat, ends)


class Listed(Values):
    """Lists of so many texts that ``inner`` makes as they stand in JSON."""

    kind = "json"

    def __init__(self, place: Place, inner: Values, number: int) -> None:
        super().__init__(place)
        self._inner, self._number = inner, number

    def column(self, rows: Rows) -> pa.Array:
        """The JSON."""
        texts = self._inner.column(further(rows, np.full(len(rows), self._number)))
        offsets = np.arange(0, len(texts) + 1, self._number, dtype=np.int32)
        joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), '", "')
        return pc.binary_join_element_wise('["', joined, '"]', "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The lists."""
        return [json.loads(text) for text in self.column(rows).to_pylist()]


def _in_chunks(rows: Rows, size: int, chunk: Callable[[U64, U64], pa.Array]) -> pa.Array:
    parts = [
        chunk(rows.flow[start : start + size], rows.action[start : start + size])
        for start in range(0, len(rows), size)
    ]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [arrow.texts([])])


def _prose(
    provider: LoremProvider,
    ext_word_list: Sequence[str] | None,
    sentences_of: list[int],
    words: list[int] | None = None,
    *,
    joint: str = "",
    written: Written = str,
) -> Prose:
    gap, stop = provider.word_connector, provider.sentence_punctuation
    texts = words_of(provider, None, ext_word_list)
    counts = words or counts_of(_WORDS, varied=True)
    return Prose(texts, gap, stop, counts, sentences_of, joint=joint, written=written)


@family("lorem.sentence")
def _sentence(
    ctx: Making,
    *,
    nb_words: int = 6,
    variable_nb_words: bool = True,
    ext_word_list: Sequence[str] | None = None,
    written: Written = str,
) -> Values | None:
    if not 0 < nb_words <= _MOST_WORDS:
        return None
    counts = counts_of(nb_words, varied=variable_nb_words)
    return Paragraphs(ctx.place, _prose(ctx.provider, ext_word_list, [1], counts, written=written))


@family("lorem.paragraph")
def _paragraph(
    ctx: Making,
    *,
    nb_sentences: int = 3,
    variable_nb_sentences: bool = True,
    ext_word_list: Sequence[str] | None = None,
    written: Written = str,
) -> Values | None:
    if not 0 < nb_sentences <= _MOST_SENTENCES:
        return None
    counts = counts_of(nb_sentences, varied=variable_nb_sentences)
    return Paragraphs(ctx.place, _prose(ctx.provider, ext_word_list, counts, written=written))


@family("lorem.text")
def text(
    ctx: Making,
    *,
    max_nb_chars: int = 200,
    ext_word_list: Sequence[str] | None = None,
    written: Written = str,
) -> Values | None:
    gap, stop = ctx.provider.word_connector, ctx.provider.sentence_punctuation
    if not 5 <= max_nb_chars <= _LONGEST:
        return None
    if max_nb_chars < 25:
        words = words_of(ctx.provider, None, ext_word_list)
        return short_text(ctx.place, words, gap, stop, max_nb_chars, written)
    if max_nb_chars < 100:
        part = _prose(ctx.provider, ext_word_list, [1], joint=gap, written=written)
        return Filled(ctx.place, part, max_nb_chars, len(gap))
    part = _prose(ctx.provider, ext_word_list, counts_of(3, varied=True), joint="\n", written=written)
    return Filled(ctx.place, part, max_nb_chars, 1)


def short_text(
    place: Place,
    words: list[str],
    gap: str,
    stop: str,
    most: int,
    written: Written = str,
    *,
    capital: bool = True,
) -> Values | None:
    """Words of a text of few characters, the first one with a capital letter.

    >>> from deep_faker.draws.mix import Draws
    >>> short_text(Place(Draws(7), ("note",), 0), ["dry"], " ", ".", most=8).one(3, 1, 0)
    'Dry dry.'
    """
    if not words or any(not isinstance(word, str) for word in words) or min(map(len, words)) >= most:
        return None
    capitals = [word[:1].upper() + word[1:] if capital else word for word in words]
    ways = [[word + stop for word in capitals], capitals, [gap + word for word in words]]
    ways.append([gap + word + stop for word in words])
    texts = [[written(text) for text in way] for way in ways]
    return Words(place, [len(word) for word in words], len(gap), most, texts)


@family("lorem.sentences", build=_sentence)
@family("lorem.paragraphs", build=_paragraph)
def _listed(
    ctx: Making, *, build: Build, nb: int = 3, ext_word_list: Sequence[str] | None = None, **others: object
) -> Values | None:
    if not 0 < nb <= _MOST_SENTENCES:
        return None
    inner = build(ctx, ext_word_list=ext_word_list, written=_in_json, **others)
    return None if inner is None else Listed(ctx.place, inner, nb)


@family("lorem.texts")
def _texts(
    ctx: Making,
    *,
    nb_texts: int = 3,
    max_nb_chars: int = 200,
    ext_word_list: Sequence[str] | None = None,
) -> Values | None:
    return _listed(ctx, build=text, nb=nb_texts, ext_word_list=ext_word_list, max_nb_chars=max_nb_chars)
