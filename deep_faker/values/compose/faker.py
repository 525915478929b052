"""Faker's methods by column: what running a method gave, as what draws whole columns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from deep_faker.draws.mix import Draws
from deep_faker.values.base import Arguments, Place, Values
from deep_faker.values.compose.mimesis import program
from deep_faker.values.explore.methods import CallNode
from deep_faker.values.library.libraries import LOCK, Locale
from deep_faker.values.library.pools import small_pools
from deep_faker.values.text.grammar import NotAGrammarError

if TYPE_CHECKING:
    from deep_faker.values.explore.recorder import Made

# Makes the values of a method at a place, None where that is not by column.
MakePiece = Callable[[Place, str, Arguments], Values | None]
_Key = tuple[Locale, str, str, int]
_MOST_KEPT = 256
_PROBES = 3  # values of a pool that is only made to see that it is one
_KEPT: OrderedDict[_Key, tuple[Arguments, list[Made] | None]] = OrderedDict()
_BUSY: ContextVar[tuple[_Key, ...]] = ContextVar("deep_faker_composing", default=())


def composed(place: Place, locale: Locale, name: str, arguments: Arguments, make: MakePiece) -> Values | None:
    """A method of Faker's by column, None where it cannot be."""
    key = (locale, name, repr(sorted(arguments.items())), place.start_micros)
    if key in _BUSY.get():  # a method that calls itself
        return None
    with LOCK:
        if key not in _KEPT:
            # with the arguments, so that no other object gets the name of one in the key
            _KEPT[key] = (arguments, _templates(key, place, arguments, make))
            if len(_KEPT) > _MOST_KEPT:
                _KEPT.popitem(last=False)
        ways = _KEPT[key][1]
    try:
        return None if ways is None else _values(place, ways, make)
    except NotAGrammarError:
        return None


def _templates(key: _Key, place: Place, arguments: Arguments, make: MakePiece) -> list[Made] | None:
    from deep_faker.values.explore.faker import templates

    probe = Place(Draws(0), ("piece",), place.start_micros)

    def piece(name: str, named: Mapping[str, object]) -> Values | None:
        with small_pools(_PROBES):
            return make(probe, name, named)

    token = _BUSY.set((*_BUSY.get(), key))
    try:
        return templates(key[0], key[1], arguments, place.start_micros, piece)
    except NotAGrammarError:
        return None
    finally:
        _BUSY.reset(token)


def _values(place: Place, ways: list[Made], make: MakePiece) -> Values:
    from deep_faker.values.compose.templates import Composite, drawn_in

    if not drawn_in(ways):
        return program([each.value for each in ways], [each.chance for each in ways])(place)

    def values(node: CallNode, where: Place) -> Values:
        piece = make(where, node.name, dict(node.arguments))
        assert piece is not None, "it was by column before"
        return piece

    first = ways[0].value
    if len(ways) == 1 and isinstance(first, CallNode) and not first.steps:
        return values(first, place)
    return Composite(place, ways, values)
