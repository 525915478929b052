"""The door of the room: from a field's generator to what makes its values, whatever the source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.values.base import Place, Provider, Values
from deep_faker.values.families.distributions import dist
from deep_faker.values.family import family_of
from deep_faker.values.library.libraries import defined_in, faker_generator, faker_method, mimesis_locales
from deep_faker.values.lookup import looked_up
from deep_faker.values.mixes import Mixed
from deep_faker.values.uniques import unique_of

if TYPE_CHECKING:
    from deep_faker.declare.schema import GeneratorSpec
    from deep_faker.declare.schema.generators import Mix


def make(spec: GeneratorSpec, place: Place) -> Provider:
    """The values of a field.  The purpose of ``place`` is what its draws are for: ("field", event, field).

    Raises `DeclarationError` for an unknown library, provider, locale or argument, and for values
    that cannot be made unique.

    >>> from deep_faker.declare.schema import GeneratorSpec
    >>> from deep_faker.draws.mix import Draws
    >>> dice = GeneratorSpec("faker", "random_int", (("min", 1), ("max", 6)))
    >>> values = make(dice, Place(Draws(7), ("field", "Throw", "dice"), 0))
    >>> values.kind, values.how, values.capacity
    ('int', 'column', 6)
    """

    def of_locale(locale: str | None) -> Values:
        return looked_up(replace(spec, locale=locale), place)

    if spec.source == "dist":
        arguments = spec.arguments
        values: Values = dist(place, arguments["dist"], arguments.get("digits"))
    elif isinstance(spec.locale, tuple) and not _same_in_all(spec, spec.locale):
        values = Mixed(place, spec.locale, of_locale)
        if spec.unique:
            label = f"it is not known how many different values {spec} has in several locales"
            mend = "give the field one locale, or use numerify, bothify, random_int, shortuuid or uuid4"
            raise DeclarationError(Diagnostic("values that cannot be made unique", place.span, label, mend))
    elif isinstance(spec.locale, tuple):
        values = of_locale(spec.locale[0][0])
    else:
        values = of_locale(spec.locale)
    return unique_of(place, spec, values) if spec.unique else values


def _same_in_all(spec: GeneratorSpec, mix: Mix) -> bool:
    """Whether a provider does not know of locales: numbers, patterns, ids, most times."""
    if spec.source != "faker":
        return False
    try:
        methods = [faker_method(faker_generator(name), spec.name) for name, _ in mix]
    except AttributeError:  # an unknown locale: whoever makes the mix says so
        return False
    origins = {defined_in(method) if method is not None else "" for method in methods}
    registered = family_of("faker", origins.pop()) if len(origins) == 1 else None
    return registered is not None and registered.anywhere


def localized(spec: GeneratorSpec, locale: str | Mix | None) -> GeneratorSpec:
    """The generator in the simulation's locale, where it names none of its own and has one.

    >>> from deep_faker.declare.schema import GeneratorSpec
    >>> localized(GeneratorSpec("mimesis", "address.city"), "de_DE").locale
    'de'
    """
    if locale is None or spec.locale is not None or spec.source not in ("faker", "mimesis"):
        return spec
    if family_of("ours", spec.name) is not None:
        return spec
    if spec.source == "mimesis":
        names = mimesis_locales()
        if isinstance(locale, str):
            return replace(spec, locale=_of_mimesis(locale, names))
        return replace(spec, locale=tuple((_of_mimesis(name, names), weight) for name, weight in locale))
    return replace(spec, locale=locale)


def _of_mimesis(locale: str, known: list[str]) -> str:
    """Mimesis calls most locales by their language: ``de`` for ``de_DE``."""
    whole = locale.lower().replace("_", "-")
    language = whole.partition("-")[0]
    return next((name for name in (whole, language) if name in known), locale)
