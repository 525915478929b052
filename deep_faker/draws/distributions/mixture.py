"""`Mixture`: one of several distributions, drawn first, then a value of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.draws.distributions.family import (
    Family,
    Numbers,
    Parameter,
    W,
    check_number,
    family_of_class,
    parameters_of,
    refused,
    wrong_as_wait,
)
from deep_faker.draws.mix import U64, mix, mix1
from deep_faker.draws.random_module import _cumulated, weighted_index, weighted_index1

PART = 0x6D697874  # what the draw within a part is for; any number that nothing else has would do


@dataclass(frozen=True, init=False, repr=False)
class Mixture:
    """One of several distributions of numbers, by weight, and then a value of that one.

    Whole numbers where all parts are counts, else floats.
    Raises `DeclarationError` for what is no distribution of numbers, and for weights that are none.

    >>> from deep_faker import Exponential, Normal
    >>> Mixture({Exponential(5): 0.9, Normal(600, 60): 0.1})
    Mixture({Exponential(mean=5): 0.9, Normal(mean=600, sd=60): 0.1})
    """

    parts: tuple[Any, ...]
    weights: tuple[float, ...]

    def __init__(self, parts: Mapping[Any, float]) -> None:
        mend = "give distributions with their weights: Mixture({Exponential(5): 0.9, Normal(600, 60): 0.1})"
        given: object = parts
        if not isinstance(given, Mapping) or not given:
            raise refused("Mixture", f"got {given!r}", mend)
        for part, weight in parts.items():
            family = family_of_class(type(part))
            if family is None or family.native == "places":
                raise refused("Mixture", f"{part!r} is no distribution of numbers", mend)
            check_number("Mixture", "weight", weight, least=0)
        if not sum(parts.values()) > 0:
            raise refused("Mixture", "every weight is 0", "give a positive weight to a part")
        kept = {part: weight for part, weight in parts.items() if weight > 0}
        object.__setattr__(self, "parts", tuple(kept))
        object.__setattr__(self, "weights", tuple(kept.values()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{p!r}: {w!r}" for p, w in zip(self.parts, self.weights, strict=True))
        return f"Mixture({{{inside}}})"


def _family(part: Any) -> Family:
    family = family_of_class(type(part))
    assert family is not None
    return family


def _is_whole(part: Any) -> bool:
    of = getattr(part, "of", part)  # a truncated one
    return all(map(_is_whole, of.parts)) if isinstance(of, Mixture) else _family(of).native == "counts"


def mixture(u: U64, parts: tuple[Any, ...], weights: tuple[float, ...]) -> Numbers:
    """Values of the parts."""
    place = weighted_index(u, weights)
    out: Numbers = np.empty(len(u))
    if all(map(_is_whole, parts)):
        out = out.astype(np.int64)
    for number, part in enumerate(parts):  # few, each for all of its rows
        rows = np.flatnonzero(place == number)
        out[rows] = _family(part).array(mix(PART, u[rows]), *parameters_of(part))
    return out


def mixture1(u: int, parts: tuple[Any, ...], weights: tuple[float, ...]) -> float:
    """The twin of `mixture`.

    >>> from deep_faker import Uniform
    >>> mixture1(2**63, (Uniform(1, 1), Uniform(5, 5)), (1, 1))
    5.0
    """
    part = parts[weighted_index1(u, weights)]
    value: float = _family(part).scalar(mix1(PART, u), *parameters_of(part))
    return value if all(map(_is_whole, parts)) else float(value)


def _recipe(u: W, parts: tuple[Any, ...], weights: tuple[float, ...]) -> W | None:
    whole = all(map(_is_whole, parts))
    words = []
    for part in parts:
        write = _family(part).recipe
        word = None if write is None else write(u.again(PART), *parameters_of(part))
        if word is None:
            return None
        words.append(word if whole else word.as_float())
    _, sums, total = _cumulated(tuple(weights))
    place = (u.unit() * float(total)).cumulated(sums)
    out: W = words[-1]
    for number, word in enumerate(words[:-1]):
        out = place.equals(number).select(word, out)
    return out


def _typical(given: Mixture) -> float:
    means = [_family(part).typical(part) for part in given.parts]
    return sum(m * w for m, w in zip(means, given.weights, strict=True)) / sum(given.weights)


def _wrong_wait(given: Mixture) -> str | None:
    return next((wrong for wrong in map(wrong_as_wait, given.parts) if wrong is not None), None)


def _written(params: Sequence[Any], _computed: Collection[int]) -> str:
    return ", ".join(f"{part!r}: {weight}" for part, weight in zip(*params, strict=True))


FAMILY = Family(
    make=Mixture,
    parameters=(Parameter("parts"), Parameter("weights")),
    array=mixture,
    scalar=mixture1,
    native="steps",
    table=None,
    recipe=_recipe,
    typical=_typical,
    written=_written,
    wrong_wait=_wrong_wait,
)
