"""Drawing one of a list that is none of those that a flow has already: ``Select(…, n=3)``.

Without weights the places of the others are left out. With weights it is drawn again while it is one of them,
which gives each of the rest its chance; after `TRIES`, as where one weighs nearly all, by the rest's sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deep_faker.draws.mix import mix1, unit1

TRIES = 32


def place_apart(length: int, others: Sequence[int], u: int) -> int:
    """A place below ``length`` that is none of some distinct ones; -1 where none is left.

    >>> [place_apart(3, [1], u << 62) for u in range(4)], place_apart(1, [0], 7)
    ([0, 0, 2, 2], -1)
    """
    left = length - len(others)
    if left <= 0:
        return -1
    place = int(unit1(u) * left)
    for other in sorted(others):
        if place >= other:
            place += 1
    return place


def weighted_apart(
    draw: Callable[[int], int],
    others: Sequence[int],
    members: Sequence[int],
    weights: Callable[[], Sequence[float]],
    u: int,
) -> int:
    """An entity by weight that is none of the others; -1 where none with a weight is left.

    ``draw`` gives one of ``members`` for a draw, whoever it is; ``weights`` are theirs.
    """
    for attempt in range(TRIES):
        found = draw(u if attempt == 0 else mix1(u, attempt))
        if found < 0 or found not in others:
            return found
    total, sums = 0.0, []
    for member, weight in zip(members, weights(), strict=True):
        total += 0.0 if member in others else weight
        sums.append(total)
    aim = unit1(mix1(u, TRIES)) * total
    return next((member for member, reached in zip(members, sums, strict=True) if reached > aim), -1)
