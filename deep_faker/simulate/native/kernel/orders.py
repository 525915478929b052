"""The keyed random order in which a step reads a list: `deep_faker.draws.mix.permute` of its places."""

from __future__ import annotations

from typing import Any

from deep_faker.draws.mix import permute1
from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.checking import CHECKED
from deep_faker.simulate.native.kernel.exact import permute_at, permute_rounds
from deep_faker.simulate.native.kernel.jit import I, jit

Words = Any
_SMALL = 16  # up to here the order is one of sorting
_HASHES, _PLACES = 20, 40  # where those are, in the words of a permutation


@jit
def _prepare(words: Words, key: int, size: int) -> None:
    """Write down what `ordered_place` needs."""
    if size > _SMALL:
        permute_rounds(key, size, words)
        return
    for i in range(size):
        h = mix(key, i, 0)
        j = i
        while j > 0 and words[_HASHES + j - 1] > h:
            words[_HASHES + j] = words[_HASHES + j - 1]
            words[_PLACES + j] = words[_PLACES + j - 1]
            j -= 1
        words[_HASHES + j] = h
        words[_PLACES + j] = i


@jit
def _place(words: Words, at: int, size: int) -> int:
    """The place in the list that comes ``at``-th in the order."""
    return permute_at(at, size, words) if size > _SMALL else I(words[_PLACES + at])


def _remember(words: Words, key: int, size: int) -> None:
    words[0], words[1] = key, size


def _permuted(words: Words, at: int, size: int) -> int:
    return permute1(int(words[0]), int(at), int(size))


prepare_order, ordered_place = (_remember, _permuted) if CHECKED else (_prepare, _place)
