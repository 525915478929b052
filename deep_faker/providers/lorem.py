"""Paragraphs and texts, by column: sentences are grammars, and how many there are is drawn for each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws import mix
from deep_faker.providers.base import Place, Rows, Values
from deep_faker.providers.grammar import Text, table
from deep_faker.providers.special import sentence_of, words_of
from deep_faker.providers.tables import Alias
from deep_faker.providers.texts import Tables, Texts

_MOST_ROUNDS = 1_000  # so that the draws of rounds and of sentences stay apart
_LONGEST = 20_000  # characters: some 200 rounds
_MOST_SENTENCES = 40
_STRIDE = 1 << 44  # actions of the further draws of one row lie beyond those of any flow


class Repeated(Values):
    """A drawn number of texts of one grammar, joined."""

    def __init__(self, place: Place, text: Text | Values, counts: list[int], between: str) -> None:
        super().__init__(place)
        self._texts = text if isinstance(text, Values) else Texts(place, Tables(text))
        self._numbers = sorted(set(counts))
        self._table = Alias([counts.count(number) for number in self._numbers])
        self._between = between

    def column(self, rows: Rows) -> pa.Array:
        """All texts at once, each as long as its number says."""
        draw = mix(self.place.key("count"), rows.flow, rows.action)
        counts = np.array(self._numbers, np.int64)[self._table.indices(draw)]
        parts = _plain(self._texts.column(_further(rows, counts)))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), parts), self._between)


class Filled(Values):
    """Texts as long as Faker's `text` makes them: parts are added until there are enough characters, then
    the last one goes; where that leaves nothing, it begins again."""

    def __init__(
        self, place: Place, part: Values, most: int, between: str, finish: Callable[[pa.Array], pa.Array]
    ) -> None:
        super().__init__(place)
        self._part, self._most, self._between, self._finish = part, most, between, finish

    def column(self, rows: Rows) -> pa.Array:
        """Round by round for the rows that are not done; one round makes a part for each of them."""
        n = len(rows)
        texts: list[pa.Array] = []
        owners: list[np.ndarray[Any, Any]] = []
        size = np.zeros(n, np.int64)
        begun = np.zeros(n, np.int64)  # the round in which the row's text began
        waiting = np.arange(n)
        for turn in range(_MOST_ROUNDS):
            if not len(waiting):
                break
            some = Rows(
                rows.flow[waiting], rows.action[waiting] + np.uint64(turn * _STRIDE), rows.clock[waiting]
            )
            part = _plain(self._part.column(some))
            length = pc.utf8_length(part).to_numpy().astype(np.int64)
            size[waiting] += length + len(self._between) * (size[waiting] > 0)
            full = size[waiting] >= self._most
            kept = ~full
            texts.append(part.filter(pa.array(kept)))
            owners.append(waiting[kept])
            empty = full & (begun[waiting] == turn)
            size[waiting[empty]] = 0
            begun[waiting[empty]] = turn + 1
            waiting = waiting[kept | empty]
        return self._finish(self._gathered(n, owners, texts))

    def _gathered(self, n: int, owners: list[np.ndarray[Any, Any]], texts: list[pa.Array]) -> pa.Array:
        if not texts:
            return pa.array([], pa.string())
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")  # by row, and in each in the order of the rounds
        parts = pa.concat_arrays(texts).take(pa.array(order))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), parts), self._between)


def _further(rows: Rows, counts: np.ndarray[Any, np.dtype[np.int64]]) -> Rows:
    """Each row as often as it counts, with actions of its own."""
    at = np.repeat(np.arange(len(rows)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    number = (np.arange(len(at)) - starts).astype(np.uint64)
    # below the stride of whole rounds: both may be nested
    action = rows.action[at] + number * np.uint64(1 << 54)
    return Rows(rows.flow[at], action, rows.clock[at])


def _plain(texts: pa.Array) -> pa.Array:
    return texts.dictionary_decode() if isinstance(texts, pa.DictionaryArray) else texts


def _counts(number: int, *, varied: bool) -> list[int]:
    """As `randomize_nb_elements`: 60 to 140 % in whole per cent, at least one."""
    return [max(int(number * percent / 100), 1) for percent in range(60, 141)] if varied else [number]


def _paragraph(
    provider: Any,
    place: Place,
    *,
    nb_sentences: int = 3,
    variable_nb_sentences: bool = True,
    ext_word_list: Any = None,
) -> Values | None:
    if not 0 < nb_sentences <= _MOST_SENTENCES:
        return None
    counts = _counts(nb_sentences, varied=variable_nb_sentences)
    return Repeated(place, sentence_of(provider, ext_word_list), counts, provider.word_connector)


def _text(
    provider: Any, place: Place, *, max_nb_chars: int = 200, ext_word_list: Any = None
) -> Values | None:
    gap, stop = provider.word_connector, provider.sentence_punctuation
    if not 5 <= max_nb_chars <= _LONGEST:
        return None
    if max_nb_chars < 25:
        words = Texts(place, Tables(table(words_of(provider, None, ext_word_list))))
        if len(stop) != 1 or len(gap) > 1:
            return None

        def finish(texts: pa.Array) -> pa.Array:
            first = pc.utf8_upper(pc.utf8_slice_codeunits(texts, 0, 1))
            return pc.binary_join_element_wise(first, pc.utf8_slice_codeunits(texts, 1), stop, "")

        return Filled(place, words, max_nb_chars, gap, finish)
    if max_nb_chars < 100:
        sentences = Texts(place, Tables(sentence_of(provider, ext_word_list)))
        return Filled(place, sentences, max_nb_chars, gap, lambda texts: texts)
    paragraph = _paragraph(provider, place, ext_word_list=ext_word_list)
    assert paragraph is not None
    return Filled(place, paragraph, max_nb_chars, "\n", lambda texts: texts)


LOREM: dict[str, Callable[..., Values | None]] = {"lorem.paragraph": _paragraph, "lorem.text": _text}
