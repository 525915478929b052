"""A model to set beside the oracle: as good as a line through the features can be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from deep_faker.features.told import matrix


def model_of(train: pl.DataFrame) -> Callable[[pl.DataFrame], np.ndarray]:
    """A logistic regression of ``label`` on all but ``user_id`` and ``at``, by Newton's method; gives scores."""

    def design(rows: pl.DataFrame) -> np.ndarray:
        x = (matrix(rows) - mean) / sd
        return np.column_stack([x, np.ones(len(x))])

    known = train.drop("user_id", "at", "label")
    mean, sd = matrix(known).mean(axis=0), matrix(known).std(axis=0) + 1e-9
    z, came = design(known), train["label"].to_numpy().astype(float)
    w = np.zeros(z.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-np.clip(z @ w, -30, 30)))
        steep = (z * (p * (1 - p) + 1e-6)[:, None]).T @ z + 0.1 * np.eye(len(w))
        w += np.linalg.solve(steep, z.T @ (came - p) - 0.1 * w)
    return lambda rows: design(rows) @ w
