"""Texts as positions in one table: draws that are cut, tables that are fused, and values that come twice."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws, mix
from deep_faker.values import make
from deep_faker.values.base import Place, Rows
from deep_faker.values.choices import json_text
from deep_faker.values.compose.layout import Builder, Drawing, Grammar, Slots, Source, Table
from deep_faker.values.compose.templates import Composite
from deep_faker.values.text.columns import Tables
from deep_faker.values.text.grammar import literal, table
from deep_faker.values.text.prose import Prose, cut, cut_into
from tests.support.worlds.provider_world import START, rows

PLACE = Place(Draws(3), ("field", "E", "x"), START)


def provider(name, **arguments):
    spec = GeneratorSpec("faker", name, tuple(arguments.items()), "en_US")
    return make(spec, Place(Draws(1), ("field", "E", name), START))


@pytest.mark.parametrize("size", [1, 2, 10, 81, 971, 70_000])
def test_v4_a_draw_is_cut_into_even_and_independent_ones(size):
    """Each digit of the draw is even, and so are pairs of them."""
    count = min(cut_into(size), 4)
    assert size ** cut_into(size) <= 2**32 or cut_into(size) == 1
    drawn = cut(mix(5, np.arange(100_000, dtype=np.uint64)), size, count)
    assert drawn.shape == (100_000, count)
    assert 0 <= drawn.min() <= drawn.max() < size
    coarse = drawn.astype(np.int64) * 10 // size if size > 10 else drawn
    for first in range(count):
        for second in range(first):
            pairs = np.unique(coarse[:, first] * 10 + coarse[:, second], return_counts=True)[1]
            whole = size in (1, 2, 10)
            assert not whole or len(pairs) == size**2
            expected = _expected(size)
            assert size == 1 or chisquare(pairs, np.outer(expected, expected).ravel() * 100_000).pvalue > 1e-6


def _expected(size):
    bins = np.arange(size) if size <= 10 else np.arange(size) * 10 // size
    return np.bincount(bins) / size


def texts_of(builder, given, variants, n=4000):
    """The texts of rows, and how many pieces each has."""
    parts = builder.done()
    drawing = Drawing(given, parts)
    block = rows(0, n)
    draws = [mix(PLACE.key("draw", at), block.flow, block.action) for at in range(drawing.draws)]
    drawn = drawing.drawn(block, variants, draws)
    columns = [(part.pieces.to_pylist(), index) for part in parts for index in part.columns(block, drawn)]
    made = [
        "".join(pieces[index if isinstance(index, int) else int(index[row])] for pieces, index in columns)
        for row in range(n)
    ]
    return made, parts, drawing.all_of(block, variants, draws)


def test_small_tables_and_fixed_texts_are_one_table():
    """One piece a row, and the positions of what was drawn for it are known."""
    first, second, given = Source("abc"), Source(range(10)), Source(range(1))
    builder = Builder({})
    builder.fixed("<")
    builder.chosen(first, list("abc"))
    builder.fixed("-")
    builder.chosen(second, [str(number) for number in range(10)])
    builder.fixed(">")
    made, parts, positions = texts_of(builder, given, np.zeros(4000, np.int64))
    assert len(parts) == 1
    assert len(set(made)) == 30
    assert made == [f"<{'abc'[a]}-{b}>" for a, b in zip(positions[first], positions[second], strict=True)]


def test_a_value_that_comes_twice_is_the_same():
    """In one table and in another one."""
    same, large, given = Source("xyz"), Source(range(3000)), Source(range(2))
    builder = Builder({})
    builder.chosen(same, list("xyz"))
    builder.chosen(same, list("XYZ"))
    builder.chosen(large, [f"{number:04}" for number in range(3000)])
    builder.chosen(given, ["!", "?"])
    builder.chosen(same, list("xyz"))
    variants = np.arange(4000) % 2
    made, parts, _ = texts_of(builder, given, variants)
    assert len(parts) > 1
    assert all(text[0] == text[1].lower() == text[-1] for text in made)
    assert [text[-2] for text in made] == ["!" if at % 2 == 0 else "?" for at in range(4000)]
    assert len({text[2:6] for text in made}) > 2000


def test_fixed_texts_stand_in_the_tables_of_a_grammar():
    """And its pieces are those that it has without them."""
    one = table([str(number) for number in range(300)]) + table([chr(97 + at) for at in range(26)] * 2)
    text = Tables(one + table([f"{number:03}" for number in range(900)])).text
    grammar = Grammar(PLACE, text)
    builder = Builder({})
    builder.fixed("[")
    builder.grammar(grammar, text)
    builder.fixed("]")
    made, parts, _ = texts_of(builder, Source(range(1)), np.zeros(500, np.int64), 500)
    assert [type(part) for part in parts] == [Slots]
    assert made == [f"[{whole}]" for whole in grammar.texts(str, rows(0, 500))]


def test_a_form_of_nothing_is_empty():
    """A table of the empty text."""
    made, parts, _ = texts_of(Builder({}), Source(range(1)), np.zeros(3, np.int64), 3)
    assert made == ["", "", ""]
    assert isinstance(parts[0], Table)


@pytest.mark.parametrize("name", ["passport_owner", "simple_profile", "sentences", "paragraphs", "texts"])
def test_objects_are_what_the_json_says(name):
    """A composed value and its JSON are of the same draws."""
    made = provider(name)
    assert made.kind == "json"
    texts = made.column(rows(0, 300)).to_pylist()
    assert texts == [json_text(value) for value in made.column_objects(rows(0, 300))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["chrome", "firefox", "user_agent", "file_path", "simple_profile", "dga", "slug"]
)
def test_any_batch_gives_the_same_values(name):
    """Blocks, batches and single rows."""
    made = provider(name)
    whole = made.column(rows(0, 600)).to_pylist()
    if isinstance(made, Composite):
        made._rows = 77
        assert made.column(rows(0, 600)).to_pylist() == whole
    shuffled = np.random.default_rng(1).permutation(600)
    block = rows(0, 600)
    some = Rows(block.flow[shuffled], block.action[shuffled], block.clock[shuffled])
    assert made.column(some).to_pylist() == [whole[at] for at in shuffled]
    assert made.column(rows(0, 0)).to_pylist() == []
    first = zip(block.flow[:5].tolist(), block.action[:5].tolist(), block.clock[:5].tolist(), strict=True)
    assert [made.one(*row) for row in first] == made.column_objects(rows(0, 5))


def test_both_versions_of_a_safari_are_one():
    """The version that a browser names twice."""
    for text in provider("chrome").column(rows(0, 2000)).to_pylist():
        if "Chrome/" in text:
            assert text.split("AppleWebKit/")[1].split(" ")[0] == text.split("Safari/")[1]


def test_prose_has_so_many_words():
    """As many sentences and words as asked for, each word equally likely."""
    prose = Prose(["a", "bb", "ccc", "dd"], " ", ".", [2, 3], [1, 2, 2], written=lambda text: text)
    made = prose.strung(9, mix(1, np.arange(30_000, dtype=np.uint64)), measured=True)
    texts = prose.texts(made.index, made.groups).to_pylist()
    assert [len(text) for text in texts] == made.lengths.tolist()
    sentences = Counter(text.count(".") for text in texts)
    assert chisquare([sentences[1], sentences[2]], [10_000, 20_000]).pvalue > 1e-6
    counts = Counter(len(sentence.split()) for text in texts for sentence in text.rstrip(".").split(". "))
    assert set(counts) == {2, 3}
    assert chisquare(list(counts.values())).pvalue > 1e-6
    words = Counter(word.strip(".").lower() for text in texts for word in text.split())
    assert chisquare([words[word] for word in ("a", "bb", "ccc", "dd")]).pvalue > 1e-6
    assert all(sentence[0].isupper() for text in texts for sentence in text.split(". "))


def test_lists_of_texts_in_json_are_texts():
    """Line ends within a text are written down as JSON has them."""
    lists = [json.loads(text) for text in provider("texts", nb_texts=2).column(rows(0, 500)).to_pylist()]
    assert all(len(texts) == 2 for texts in lists)
    assert any("\n" in text for texts in lists for text in texts)
    assert max(len(text) for texts in lists for text in texts) < 200


def test_literal_texts_fuse_with_large_tables():
    """A table of any size takes a fixed text in, so that it is no piece of its own."""
    large = table([str(number) for number in range(30_000)])
    assert len((literal("<") + large + literal(">")).fused().alternatives[0][1]) == 1
