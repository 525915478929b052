"""Ids are keyed permutations of counters: unique by construction, twins equal, evenly spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deep_faker.draws.ids import (
    ALPHABET,
    CounterOverflowError,
    action_counter,
    action_counter1,
    capacity,
    flow_counter,
    flow_counter1,
    flow_of,
    scramble,
    scramble1,
    texts,
    unscramble,
)
from deep_faker.draws.mix import MASK

U64S = st.integers(0, MASK)


def u64(values):
    return np.array(values, np.uint64)


def test_the_alphabet_is_that_of_shortuuid():
    import shortuuid

    assert shortuuid.get_alphabet() == ALPHABET
    assert len(ALPHABET) == 57


def test_ids_are_fixed():
    """Ids are part of what a seed means."""
    assert [scramble1(42, 0, 12), scramble1(42, 1, 12)] == ["SDHWCBorSGF7", "DwHazGNWCECQ"]
    assert scramble1(42, 12345, 8) == "Jk7FDSnf"


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_ids_are_a_permutation_of_all_texts(length):
    ids = texts(scramble(1, np.arange(57**length, dtype=np.uint64), length))
    assert len(set(ids)) == 57**length
    assert set("".join(ids)) == set(ALPHABET)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 22, 33, 40])
def test_scramble_twins(length):
    top = min(capacity(length), 2**63) - 1
    counters = [0, 1, 2, top // 2, top - 1, top][: 57 if length == 1 else None]
    ids = texts(scramble(99, u64(counters), length))
    assert ids == [scramble1(99, counter, length) for counter in counters]
    assert all(len(text) == length and set(text) <= set(ALPHABET) for text in ids)


@given(U64S, st.lists(st.integers(0, 57**8 - 1), min_size=2, unique=True))
def test_v2_different_counters_give_different_ids(key, counters):
    for length in (8, 12, 22):
        assert len(set(texts(scramble(key, u64(counters), length)))) == len(counters)


def test_v2_dense_ids_are_unique():
    counters = np.arange(400_000, dtype=np.uint64)
    assert len(np.unique(scramble(3, counters, 8).view("S8"))) == 400_000
    assert len(np.unique(scramble(3, counters, 12).view("S12"))) == 400_000


@pytest.mark.parametrize("length", [4, 8, 12])
def test_ids_of_dense_counters_are_even_in_every_place(length):
    """Each character and each pair of neighbours is evenly spread (p > 1e-6 each)."""
    ids = scramble(5, np.arange(200_000, dtype=np.uint64), length)
    codes = np.array([ALPHABET.find(chr(c)) for c in range(128)])[ids]
    for place in range(length):
        counts = np.bincount(codes[:, place], minlength=57)
        assert stats.chisquare(counts).pvalue > 1e-6
        pairs = np.bincount(codes[:, place] * 57 + codes[:, (place + 1) % length], minlength=57**2)
        assert stats.chisquare(pairs).pvalue > 1e-6
        # Counter n and n + 1 have unrelated characters.
        steps = np.bincount((codes[1:, place] - codes[:-1, place]) % 57, minlength=57)
        assert stats.chisquare(steps).pvalue > 1e-6


def test_ids_of_different_keys_are_unrelated():
    same = scramble(1, np.arange(100_000, dtype=np.uint64), 8) == scramble(
        2, np.arange(100_000, dtype=np.uint64), 8
    )
    assert abs(same.mean() - 1 / 57) < 5 * np.sqrt(1 / 57 / same.size)


def test_a_counter_beyond_the_space_raises():
    with pytest.raises(CounterOverflowError, match="length 2"):
        scramble(1, u64([0, 57**2]), 2)
    with pytest.raises(CounterOverflowError, match="length 2"):
        scramble1(1, 57**2, 2)


# --- counters of flows and actions --------------------------------------------------------------------


@given(
    st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))),
    st.lists(st.tuples(st.integers(0, 2**24), st.integers(1, 2**20)), min_size=1, max_size=20, unique=True),
)
def test_action_counter_twins_and_unique(partition, pairs):
    partitions, mine = partition
    flow, action = (u64(column) for column in zip(*pairs, strict=True))
    counters = action_counter(mine, partitions, flow, action).tolist()
    assert counters == [action_counter1(mine, partitions, f, a) for f, a in pairs]
    assert len(set(counters)) == len(pairs)
    assert flow_counter(mine, partitions, flow).tolist() == [
        flow_counter1(mine, partitions, f) for f, _ in pairs
    ]


def test_action_counters_of_all_partitions_are_different():
    flow, action = (
        x.ravel() for x in np.meshgrid(np.arange(300, dtype=np.uint64), np.arange(1, 200, dtype=np.uint64))
    )
    counters = np.concatenate([action_counter(p, 3, flow, action) for p in range(3)])
    assert len(np.unique(counters)) == len(counters)


def test_action_counters_are_dense_enough_for_eight_characters():
    """A billion flows of a hundred actions fit."""
    assert action_counter1(0, 1, 10**9, 100) < 57**8 // 2


def test_action_counters_beyond_the_space_raise():
    with pytest.raises(CounterOverflowError):
        action_counter(0, 1, u64([1]), u64([0]))
    with pytest.raises(CounterOverflowError, match="no counter left"):
        action_counter(0, 1, u64([2**62]), u64([1]))
    with pytest.raises(CounterOverflowError, match="no counter left"):
        action_counter1(0, 1, 0, 2**26)


@given(st.integers(0, MASK), st.sampled_from([2, 7, 8, 11, 12]), st.data())
def test_unscramble_gives_the_counter_back(key, length, data):
    """An id tells its counter to whoever has the key, and a text with other letters tells nothing."""
    counters = u64(
        data.draw(st.lists(st.integers(0, min(capacity(length), MASK) - 1), min_size=1, max_size=20))
    )
    characters = scramble(key, counters, length)
    assert unscramble(key, characters).tolist() == counters.tolist()
    characters[0, 0] = ord("0")
    assert unscramble(key, characters)[0] == MASK


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), min_size=1), st.integers(1, 5))
def test_an_events_counter_tells_its_flow(pairs, partitions):
    """The counter of (partition, flow, action) holds that of (partition, flow)."""
    flows, actions = u64([flow for flow, _ in pairs]), u64([action for _, action in pairs])
    counters = action_counter(partitions - 1, partitions, flows, actions)
    assert flow_of(counters).tolist() == flow_counter(partitions - 1, partitions, flows).tolist()
