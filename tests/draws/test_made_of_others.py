"""Mixtures, truncated distributions, correlated numbers: twins, recipes, and theory.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from deep_faker import (
    Beta,
    Choice,
    Exponential,
    Gamma,
    LogNormal,
    Normal,
    Pareto,
    Poisson,
    Uniform,
    Zipf,
)
from deep_faker.distributions import Weibull
from deep_faker.draws.distributions.drawn import recipe_of, value_of, values_of
from deep_faker.draws.distributions.margins import margin_of, value_at
from deep_faker.draws.exact import normal_from_unit
from deep_faker.draws.mix import Draws, mix, open_unit
from deep_faker.errors import DeclarationError
from deep_faker.people import Correlated, Mixture, Segments, Truncated
from deep_faker.plan import Type
from deep_faker.plan.recipes import NoRecipeError, Steps, evaluate
from deep_faker.values import Place, Rows
from deep_faker.values.families.distributions import dist

FALSE_ALARM = 1e-4
KEY = 77
SOME = np.arange(20_000, dtype=np.uint64)

MADE = [
    Truncated(Normal(40, 15), 18, 90),
    Truncated(Normal(0, 1), 3),
    Truncated(Exponential(5), high=2),
    Truncated(Pareto(1.2), 2, 50),
    Truncated(LogNormal(1, 1), 1, 3),
    Truncated(Uniform(-1, 1), -0.5),
    Truncated(Poisson(2), 1, 6),
    Truncated(Zipf(1.1, 1000), high=20),
    Truncated(Gamma(2, 1), 0.5, 4),
    Truncated(Beta(2, 8), 0.05),
    Mixture({Exponential(5): 0.8, Normal(60, 5): 0.2}),
    Mixture({Poisson(1): 3, Truncated(Zipf(1.0, 50), 2): 1}),
    Mixture({Poisson(3): 1, Gamma(3, 2): 1, Mixture({Normal(0, 1): 1, Uniform(5, 6): 1}): 2}),
    Truncated(Weibull(30, 0.7), 3, 50),
]


def _named(value: object) -> str:
    """The name of a case; SciPy's distributions would say where in memory they lie."""
    return value.dist.name if hasattr(value, "dist") else str(value)


@pytest.mark.parametrize("distribution", MADE, ids=str)
def test_twins_and_recipes_agree(distribution: object):
    """One draw, a column of draws, and the steps that the kernel walks give the same value."""
    flows = SOME[:300]
    u = mix(KEY, flows, 1)
    column = values_of(u, distribution).tolist()
    assert [value_of(int(one), distribution) for one in u] == column
    steps = Steps()
    try:
        word = recipe_of(steps.mix(KEY), distribution)
    except NoRecipeError:
        word = None
    draws_again = "Gamma" in str(distribution) and isinstance(distribution, Truncated)
    assert (word is None) == (draws_again or "Truncated(of=Beta" in str(distribution))
    if word is not None:
        recipe = steps.recipe(Type("float" if word.kind == "float" else "int"), word)
        assert [evaluate(recipe, int(flow), 1) for flow in flows] == column


@pytest.mark.parametrize(
    ("distribution", "of"),
    [
        (MADE[0], stats.norm(40, 15)),
        (MADE[1], stats.norm(0, 1)),
        (MADE[2], stats.expon(scale=5)),
        (MADE[3], stats.pareto(1.2)),
        (MADE[4], stats.lognorm(1, scale=np.e)),
        (MADE[5], stats.uniform(-1, 2)),
        (MADE[8], stats.gamma(2)),
        (MADE[9], stats.beta(2, 8)),
        (MADE[13], stats.weibull_min(0.7, scale=30)),
    ],
    ids=_named,
)
def test_a_truncated_one_has_its_law(distribution: Truncated, of: object):
    """``(F(x) - F(low)) / (F(high) - F(low))`` is uniform; without the truncation it is not."""
    values = values_of(mix(KEY, SOME), distribution)
    low = -np.inf if distribution.low is None else distribution.low
    high = np.inf if distribution.high is None else distribution.high
    assert low <= values.min() <= values.max() <= high
    chance = (of.cdf(values) - of.cdf(low)) / (of.cdf(high) - of.cdf(low))
    assert stats.kstest(chance, "uniform").pvalue > FALSE_ALARM
    assert stats.kstest(of.cdf(values), "uniform").pvalue < FALSE_ALARM  # the test sees the difference


def test_truncated_counts_have_their_chances():
    """Chances of counts, given that they lie between the bounds."""
    seen = np.bincount(values_of(mix(KEY, SOME), MADE[6]), minlength=7)
    assert seen[0] == 0
    assert len(seen) == 7
    chances = stats.poisson(2).pmf(np.arange(1, 7))
    assert stats.chisquare(seen[1:], len(SOME) * chances / chances.sum()).pvalue > FALSE_ALARM


def test_a_mixture_has_its_law():
    """The cumulated chances of the parts, by weight; of other weights they are others."""
    values = values_of(mix(KEY, SOME), MADE[10])

    def law(weight: float):
        return lambda x: weight * stats.expon(scale=5).cdf(x) + (1 - weight) * stats.norm(60, 5).cdf(x)

    assert stats.kstest(values, law(0.8)).pvalue > FALSE_ALARM
    assert stats.kstest(values, law(0.75)).pvalue < FALSE_ALARM


MARGINS = [
    (Normal(1, 3), stats.norm(1, 3)),
    (LogNormal(1, 2), stats.lognorm(2, scale=np.e)),
    (Uniform(-3, 4), stats.uniform(-3, 7)),
    (Exponential(7), stats.expon(scale=7)),
    (Pareto(2.5, 3), stats.pareto(2.5, scale=3)),
    (Weibull(30, 0.7), stats.weibull_min(0.7, scale=30)),
    (Gamma(2, 0.5), stats.gamma(2, scale=0.5)),
    (Gamma(0.05, 3), stats.gamma(0.05, scale=3)),
    (Gamma(500), stats.gamma(500)),
    (Beta(2, 8), stats.beta(2, 8)),
    (Beta(0.2, 0.3), stats.beta(0.2, 0.3)),
]


@pytest.mark.parametrize(("distribution", "of"), MARGINS, ids=_named)
def test_margins_are_quantiles(distribution: object, of: object):
    """Within 1e-4 of SciPy's, from eight standard deviations below to eight above."""
    z = np.linspace(-8, 8, 333)
    z = z[np.abs(z) > 1e-9]
    wanted = np.where(z < 0, of.ppf(stats.norm.cdf(z)), of.isf(stats.norm.sf(z)))
    assert value_at(margin_of(distribution), z) == pytest.approx(wanted, rel=1e-4, abs=1e-300)


@pytest.mark.parametrize(
    ("distribution", "of"), [(Poisson(3), stats.poisson(3)), (Zipf(1.2, 50), None)], ids=_named
)
def test_margins_of_counts_have_their_chances(distribution: object, of: object):
    """Counts of normal scores."""
    counts = value_at(margin_of(distribution), normal_from_unit(open_unit(mix(KEY, SOME))))
    number = np.arange(12) if of is not None else np.arange(1, 13)
    chances = of.pmf(number) if of is not None else number**-1.2 / (np.arange(1, 51) ** -1.2).sum()
    seen = np.array([(counts == each).sum() for each in number])
    wanted = len(SOME) * chances
    assert (np.abs(seen - wanted) < 5 * np.sqrt(wanted) + 1).all()


def test_correlated_numbers_have_their_ranks_and_margins():
    """Spearman's correlation is ``6 / π * asin(ρ / 2)``; each keeps its own distribution."""
    rho = [[1, 0.6, -0.4], [0.6, 1, 0], [-0.4, 0, 1]]
    three = Correlated({"a": LogNormal(0, 1), "b": Gamma(2, 0.5), "c": Beta(2, 8)}, rho)
    rows = Rows(SOME, np.ones(len(SOME), np.uint64), np.zeros(len(SOME), np.int64))
    columns = {}
    for name in three.names:
        values = dist(Place(Draws(5), ("field", "E", name), 0), three[name], None)
        columns[name] = np.array(values.column(rows))
        steps = Steps()
        recipe = steps.recipe(Type("float"), values.recipe(steps).word)
        for flow in range(50):
            assert evaluate(recipe, flow, 1) == values.one(flow, 1, 0) == columns[name][flow]
    laws = (stats.lognorm(1), stats.gamma(2, scale=0.5), stats.beta(2, 8))
    for name, law in zip(three.names, laws, strict=True):
        assert stats.kstest(columns[name], law.cdf).pvalue > FALSE_ALARM
    for i, one in enumerate(three.names):
        for j, other in enumerate(three.names[:i]):
            seen = stats.spearmanr(columns[one], columns[other]).statistic
            assert seen == pytest.approx(6 / np.pi * np.arcsin(rho[i][j] / 2), abs=4 / np.sqrt(len(SOME)))


def test_groups_share_one_draw():
    """The group that a trait draws is that by which the others are drawn."""
    kinds = Segments({"few": 1, "none": 0, "many": 3})
    each = kinds.each({"few": Poisson(1), "none": Poisson(5), "many": Truncated(Poisson(9), 4)})
    object.__setattr__(each, "field", "kind")
    rows = Rows(SOME, np.ones(len(SOME), np.uint64), np.zeros(len(SOME), np.int64))
    kind = dist(Place(Draws(5), ("field", "E", "kind"), 0), kinds, None).column(rows).to_pylist()
    values = dist(Place(Draws(5), ("field", "E", "n"), 0), each, None)
    column = np.array(values.column(rows))
    many = np.array([one == "many" for one in kind])
    assert 0.73 < many.mean() < 0.77
    assert column[many].min() >= 4
    assert column[~many].mean() == pytest.approx(1, abs=0.1)
    steps = Steps()
    recipe = steps.recipe(Type("int"), values.recipe(steps).word)
    for flow in range(50):
        assert evaluate(recipe, flow, 1) == values.one(flow, 1, 0) == column[flow]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Truncated(Normal(0, 1)), "it has no bound"),
        (lambda: Truncated(Normal(0, 1), 2, 1), "low=2, high=1"),
        (lambda: Truncated(Normal(0, 1), 9, 10), "hardly any value"),
        (lambda: Truncated(Gamma(2, 1), 30), "hardly any value"),
        (lambda: Truncated(Choice([1, 2]), 1), "Choice(values=(1, 2)"),
        (lambda: Truncated(Normal(0, 1), "low"), "low='low'"),
        (lambda: Mixture({}), "got {}"),
        (lambda: Mixture([Normal(0, 1)]), "got [Normal"),
        (lambda: Mixture({Normal(0, 1): -1}), "weight=-1"),
        (lambda: Mixture({Normal(0, 1): 0}), "every weight is 0"),
        (lambda: Mixture({Choice(["a"]): 1}), "is no distribution of numbers"),
        (lambda: Segments({}), "got {}"),
        (lambda: Segments({"a": 1}).each(b=Poisson(1)), "'a' has no distribution"),
        (lambda: Segments({"a": 1}).each(a=3), "a=3"),
        (lambda: Correlated({"a": Normal(0, 1)}, [[1]]), "got {'a'"),
        (lambda: Correlated({"a": Normal(0, 1), "b": MADE[10]}, [[1, 0], [0, 1]]), "has no place in it"),
        (lambda: Correlated({"a": Normal(0, 1), "b": Gamma(1)}, [[1, 2], [2, 1]]), "correlation[0][1]=2"),
        (lambda: Correlated({"a": Normal(0, 1), "b": Gamma(1)}, [[1, 0.5], [0.4, 1]]), "symmetric"),
        (lambda: Correlated({"a": Normal(0, 1), "b": Gamma(1)}, [[1, 1], [1, 1]]), "no numbers have these"),
        (lambda: Correlated({"a": Normal(0, 1), "b": Gamma(1)}, [[1, 0], [0, 1]])["c"], "there is no 'c'"),
    ],
)
def test_what_is_none_is_refused(make, says: str):
    """With the value, at the user's line."""
    with pytest.raises(DeclarationError) as refusal:
        make()
    assert says in str(refusal.value)
    assert refusal.value.diagnostic.span.file == __file__
