"""The registration of families: one shape, one name each, a reason for each long file."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import deep_faker.values.lookup
from deep_faker.draws.mix import Draws
from deep_faker.values import Place
from deep_faker.values.family import Making, families, family

FOLDER = Path(deep_faker.values.lookup.__file__).parent / "families"


@pytest.mark.parametrize("source", ["faker", "mimesis", "ours"])
def test_all_families_have_one_shape(source):
    """What makes a family comes first; all else is named, as the library names it."""
    assert families(source)
    for name, found in families(source).items():
        first, *rest = inspect.signature(found.build).parameters.values()
        assert first.annotation == "Making", name
        assert {each.kind for each in rest} <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
        assert set(found.fixed) <= {each.name for each in rest}, name


def test_a_name_has_one_family():
    with pytest.raises(
        ValueError,
        match=r"faker's 'random_int' has two families: deep_faker.values.numbers.random_int and .*\.mine",
    ):

        @family("random_int")
        def mine(ctx):
            return None


def test_a_piece_has_draws_of_its_own_where_it_is_asked_for():
    asked = []
    ctx = Making(Place(Draws(1), ("field", "E", "x"), 0), None, lambda *given: asked.append(given))
    ctx.piece("word")
    ctx.piece("word", {"nb": 2}, part=("root",))
    assert [(place.purpose, name, dict(given)) for place, name, given in asked] == [
        (("field", "E", "x"), "word", {}),
        (("field", "E", "x", "root"), "word", {"nb": 2}),
    ]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_a_long_family_says_what_a_pool_could_not_do(file):
    text = file.read_text()
    if len(text.splitlines()) > 100:
        assert "pool" in text.split('"""')[1], f"{file.name}: its docstring does not say why it beats a pool"
