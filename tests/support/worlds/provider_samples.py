"""Samples of a provider, ours and Faker's own, and whether they look alike."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from faker import Faker
from scipy.stats import chi2_contingency

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.values import Place, Rows, make

OURS, THEIRS = 20_000, 4_000


LEVEL = 1e-6


def provider(name, locale="en_US", **arguments):
    spec = GeneratorSpec("faker", name, tuple(arguments.items()), locale)
    return make(spec, Place(Draws(3), ("field", "E", name), 0))


def rows(n):
    return Rows(np.arange(n, dtype=np.uint64), np.ones(n, np.uint64), np.zeros(n, np.int64))


def ours(name, locale="en_US", n=OURS, **arguments):
    return [str(value) for value in provider(name, locale, **arguments).column(rows(n)).to_pylist()]


def theirs(name, locale="en_US", n=THEIRS, **arguments):
    fake = Faker(locale)
    fake.seed_instance(5)
    method = getattr(fake, name)
    return [str(method(**arguments)) for _ in range(n)]


def same(a, b):
    """Whether two samples of categories look alike: rare ones are pooled."""
    a, b = Counter(a), Counter(b)
    share = sum(b.values()) / (sum(a.values()) + sum(b.values()))
    common = [key for key in a.keys() | b.keys() if (a[key] + b[key]) * min(share, 1 - share) >= 8]
    table = [[a[key], b[key]] for key in common]
    rest = [sum(a.values()) - sum(row[0] for row in table), sum(b.values()) - sum(row[1] for row in table)]
    if sum(rest) * min(share, 1 - share) >= 8:
        table.append(rest)
    return len(table) < 2 or chi2_contingency(np.array(table).T).pvalue > LEVEL


def views(values):
    """What is compared: whole values, lengths, and the characters at some places from either end."""
    yield "values", values
    yield "lengths", [len(value) for value in values]
    for place in (0, 1, 3, 5, -1, -2, -4):
        yield (
            f"character {place}",
            [value[place] if -len(value) <= place < len(value) else "" for value in values],
        )
    yield (
        "kinds",
        [re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "0", value))) for value in values],
    )
