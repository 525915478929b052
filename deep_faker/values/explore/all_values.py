"""The whole of a provider's values with their chances, where they are few."""

# ruff: noqa: SLF001 - the parts of providers that their modules keep to themselves

from __future__ import annotations

import numpy as np

from deep_faker.values.base import Values
from deep_faker.values.choices import Elements
from deep_faker.values.text.columns import Texts
from deep_faker.values.times import DAY, DayTexts

MOST = 400


def all_of(provider: Values) -> tuple[list[object], list[float]] | None:
    """The different values and their weights, None where they are not known or more than ``MOST``."""
    if provider.how != "column":
        return None
    if isinstance(provider, Elements):
        values, weights = _merged(provider._values, [float(weight) for weight in provider._weights])
    elif isinstance(provider, Texts) and provider._tables.single:
        leaf = provider._tables.text.leaves[0]
        values, weights = list(leaf.values), list(leaf.weights or [1.0] * len(leaf.values))
    elif isinstance(provider, DayTexts):
        first, last = provider._low, provider._low + provider._size
        starts = (np.arange(len(provider._codes)) + provider._first) * DAY
        inside = np.minimum(starts + DAY, last) - np.maximum(starts, first)
        values, weights = provider._texts.to_pylist(), np.bincount(provider._codes, weights=inside).tolist()
    else:
        return None
    return (values, weights) if len(values) <= MOST else None


def _merged(values: list[object], weights: list[float]) -> tuple[list[object], list[float]]:
    try:
        merged: dict[object, float] = {}
        for value, weight in zip(values, weights, strict=True):
            merged[value] = merged.get(value, 0.0) + weight
    except TypeError:  # what has no hash
        return values, weights
    if len({(type(value), value) for value in values}) != len(merged):  # 1 and True
        return values, weights
    return list(merged), list(merged.values())
