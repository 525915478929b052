"""The registration of families: values that are written by hand, by the name that asks for them.

A family is a function of one shape, ``(ctx: Making, **arguments of the method)``, in whatever module its
values are; `family` above it is all that has to be said.  `lookup` asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from deep_faker.values.base import Arguments, Place, Values

Source = Literal["faker", "mimesis", "ours"]
Build = Callable[..., Values | None]
B = TypeVar("B", bound=Build)
# Makes the values of a method at a place, None where that is not by column.
MakePiece = Callable[[Place, str, Arguments], Values | None]
_NONE: Arguments = MappingProxyType({})


@dataclass(frozen=True)
class Making:
    """What a family is given: where it works, and the library's provider whose method it stands for.

    ``provider`` is read for what it keeps, so that the lists of a locale, of a newer version and of a
    user's own subclass count; names of ours have none.
    """

    place: Place
    provider: Any  # of any class of either library, of which each family reads its own attributes
    make: MakePiece

    def piece(self, name: str, arguments: Arguments = _NONE, part: tuple[str, ...] = ()) -> Values | None:
        """What makes the values of another method, in the same locale; None where it is not by column.

        ``part`` gives it draws of its own: without it, it draws what the family itself would draw.
        """
        return self.make(self.place.part(*part), name, arguments)


@dataclass(frozen=True)
class Family:
    """A registered function.  ``anywhere``: all locales have the same values, so a mix draws none of them."""

    build: Build
    anywhere: bool
    fixed: Arguments

    def values(self, ctx: Making, arguments: Arguments) -> Values | None:
        """The values; None for arguments that cannot be done by column."""
        return self.build(ctx, **self.fixed, **arguments)


_FAMILIES: dict[tuple[Source, str], Family] = {}


def family(
    name: str, *, source: Source = "faker", anywhere: bool = False, **fixed: object
) -> Callable[[B], B]:
    """Register a function: it makes ``name`` by column, or gives None for arguments that it cannot do.

    ``name`` is where the library defines the method, ``module.method`` (of Faker's base provider the
    method alone), so that what a locale or a user overrides is left to them.  Of source "ours" it is a
    name that Faker does not have, and comes before Faker's.  ``fixed`` are arguments of the function in
    which methods that share it differ.  Raises `ValueError` for a name that is taken.
    """

    def register(build: B) -> B:
        if (source, name) in _FAMILIES:
            both = " and ".join(
                f"{each.__module__}.{each.__name__}" for each in (_FAMILIES[source, name].build, build)
            )
            raise ValueError(f"{source}'s {name!r} has two families: {both}")
        _FAMILIES[source, name] = Family(build, anywhere, MappingProxyType(fixed))
        return build

    return register


def family_of(source: Source, name: str) -> Family | None:
    """The family of a name, None where there is none.

    >>> family_of("faker", "no.method")
    """
    return _FAMILIES.get((source, name))


def families(source: Source) -> Mapping[str, Family]:
    """All families of a source, by name.

    >>> from deep_faker.values import lookup  # which imports them all
    >>> sorted(families("ours"))
    ['now', 'shortuuid']
    """
    return {name: registered for (of, name), registered in _FAMILIES.items() if of == source}
