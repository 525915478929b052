"""Paragraphs and texts: as long as Faker's, of the same words, the same in any batch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests.support.worlds.provider_samples import ours, provider, rows, same, theirs

CASES = [("paragraph", {}), ("paragraph", {"nb_sentences": 6, "variable_nb_sentences": False}),
         ("paragraph", {"nb_sentences": 1}), ("text", {}), ("text", {"max_nb_chars": 20}), ("text", {"max_nb_chars": 60}),
         ("text", {"max_nb_chars": 500}), ("text", {"max_nb_chars": 7}),
         ("text", {"ext_word_list": ["abc", "defgh", "i"], "max_nb_chars": 30})]  # fmt: skip


@pytest.mark.parametrize("locale", ["en_US", "ja_JP", "fr_FR"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_distributed_as_faker(name, arguments, locale):
    """81 tests in all, each falsely failing with a chance below 1e-5."""
    mine = ours(name, locale, 6000, **arguments)
    faker = theirs(name, locale, 2500, **arguments)
    assert ks_2samp([len(v) for v in mine], [len(v) for v in faker]).pvalue > 1e-5
    stop = "。" if locale == "ja_JP" else "."
    assert same([v.count(stop) for v in mine], [v.count(stop) for v in faker])
    assert same([v.count("\n") for v in mine], [v.count("\n") for v in faker])
    assert same([v[0] for v in mine], [v[0] for v in faker])
    words = [
        [word.strip(".").lower() for v in values[:1500] for word in v.split()] for values in (mine, faker)
    ]
    if locale == "en_US":
        assert not set(words[0]) - set(theirs_words(locale, arguments))


def theirs_words(locale, arguments):
    from faker import Faker

    return [word.lower() for word in arguments.get("ext_word_list") or Faker(locale).get_words_list()]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_rows_and_batches_agree(name, arguments):
    maker = provider(name, **arguments)
    whole = maker.column(rows(300)).to_pylist()
    assert maker.column(rows(120)).to_pylist() == whole[:120]
    assert [maker.one(flow, 1, 0) for flow in range(40)] == whole[:40]
    assert len(set(whole)) > 20 or arguments.get("max_nb_chars") == 7
    assert max(map(len, whole)) <= arguments.get("max_nb_chars", 10_000)
    assert maker.column(rows(0)).to_pylist() == []


def test_neighbouring_rows_share_nothing():
    """Further draws of a row are nobody else's first ones."""
    values = ours("paragraph", n=4000)
    sentences = [sentence for value in values for sentence in value.split(". ")]
    assert len(set(sentences)) > 0.98 * len(sentences)
    assert np.unique(values).size > 3900
