"""One 64-bit draw cut into several small independent ones.

A draw is a fraction; times a size it is a number below the size, and a fraction again, from which the
next is cut.  Each cut is four passes over an array, a draw of its own thirteen.  What is cut from one
draw has at most 2**44 outcomes, so that the chance of none is off by more than a part in 2**20.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deep_faker.draws.mix import I64, MASK, U64, below, below1, mix, mix1
from deep_faker.values.text.grammar import NotAGrammarError

MOST = 1 << 16  # the largest size that can be cut; larger ones need a draw of their own
ROOM = 1 << 44  # outcomes of one draw
_DROPPED, _SHIFT = 16, 48  # the bits of a fraction that a number is made of: times a size they are 64
_DROPPED_U64, _SHIFT_U64 = np.uint64(_DROPPED), np.uint64(_SHIFT)
_MOST_REPEATED = 5000
_ACTION = 0xD6E8FEB86659FD93


def together(flow: U64, action: U64) -> U64:
    """One counter of both: what several draws of a row have in common is computed once.

    >>> flow, action = np.array([3], np.uint64), np.array([5], np.uint64)
    >>> together(flow, action).tolist() == [together1(3, 5)]
    True
    """
    out = action * np.uint64(_ACTION)
    out += flow
    return out


def together1(flow: int, action: int) -> int:
    """The twin of `together`."""
    return (flow + action * _ACTION) & MASK


def cut(fractions: U64, size: int | U64, *, last: bool = False) -> I64:
    """Numbers below ``size``, a number or an array of them; ``fractions`` becomes what is left.

    >>> fractions = np.array([1 << 63], np.uint64)
    >>> cut(fractions, 5).tolist(), cut(fractions, 10).tolist()
    ([2], [5])
    """
    factor = size if isinstance(size, np.ndarray) else np.uint64(size)
    number = fractions >> _DROPPED_U64
    number *= factor
    number >>= _SHIFT_U64
    if not last:
        fractions *= factor  # modulo 2**64
    return number.view(np.int64)


def cut1(fraction: int, size: int) -> tuple[int, int]:
    """The twin of `cut`: the number and what is left of the fraction."""
    return ((fraction >> _DROPPED) * size) >> _SHIFT, fraction * size & MASK


def shared(sizes: Sequence[int]) -> list[list[int]]:
    """Which of the sizes, by their places, are cut from one draw; sizes of one need none.

    Powers of two divide all outcomes evenly, so they may use up the whole draw.

    >>> shared([10_000, 1, 10_000, 10_000, 1000])
    [[0, 2, 3], [4]]
    """
    groups: list[list[int]] = []
    taken, room = 1, 0
    for place, size in enumerate(sizes):
        if size == 1:
            continue
        even = size & (size - 1) == 0
        if not groups or size > MOST or taken * size > (room if even else min(room, ROOM)):
            groups.append([])
            taken, room = 1, 0 if size > MOST else MASK + 1
        groups[-1].append(place)
        taken *= size
        if not even:
            room = min(room, ROOM)
    return groups


class Several:
    """Several small independent numbers of each row, from as few draws as can be.

    >>> several, counter = Several([1, 2, 3], [10, 26, 40_000]), np.array([7], np.uint64)
    >>> [int(number[0]) for number in several.draw(counter)] == several.draw1(7)
    True
    """

    def __init__(self, keys: Sequence[int], sizes: Sequence[int]) -> None:
        self._sizes, self._groups = sizes, shared(sizes)
        self._keys = keys[: len(self._groups)]

    def draw(self, counter: U64) -> list[I64]:
        """Numbers below each of the sizes."""
        out: list[I64] = [np.zeros(0, np.int64)] * len(self._sizes)
        for key, group in zip(self._keys, self._groups, strict=True):
            if self._sizes[group[0]] > MOST:
                out[group[0]] = below(mix(key, counter), self._sizes[group[0]]).view(np.int64)
                continue
            left = mix(key, counter)
            for place in group:
                out[place] = cut(left, self._sizes[place], last=place == group[-1])
        return [
            number if size > 1 else np.zeros(len(counter), np.int64)
            for number, size in zip(out, self._sizes, strict=True)
        ]

    def draw1(self, counter: int) -> list[int]:
        """The twin of `draw`."""
        out = [0] * len(self._sizes)
        for key, group in zip(self._keys, self._groups, strict=True):
            if self._sizes[group[0]] > MOST:
                out[group[0]] = below1(mix1(key, counter), self._sizes[group[0]])
                continue
            left = mix1(key, counter)
            for place in group:
                out[place], left = cut1(left, self._sizes[place])
        return out


def repeated(values: tuple[str, ...], weights: Sequence[float]) -> tuple[str, ...]:
    """The values as often as they weigh; raises `NotAGrammarError` where weights are no small numbers.

    >>> repeated(("rare", "often"), [0.5, 1.5])
    ('rare', 'often', 'often', 'often')
    """
    least = min(weight for weight in weights if weight > 0)
    counts = [round(weight / least) for weight in weights]
    pairs = zip(counts, weights, strict=True)
    if (
        any(abs(count * least - weight) > 1e-9 * least for count, weight in pairs)
        or sum(counts) > _MOST_REPEATED
    ):
        raise NotAGrammarError("no grid")
    return tuple(value for value, count in zip(values, counts, strict=True) for _ in range(count))
