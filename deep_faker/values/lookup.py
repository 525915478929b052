"""From the name of a library's method to what makes its values: a family, else its own code, else a pool."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from deep_faker.errors import DeclarationError, Diagnostic, near
from deep_faker.spans import narrow, narrow_keyword
from deep_faker.values import choices, numbers  # noqa: F401 - import registers families
from deep_faker.values.base import Arguments, Place, Values
from deep_faker.values.compose.faker import composed
from deep_faker.values.compose.mimesis import mimesis_column
from deep_faker.values.families import (  # noqa: F401 - import registers them
    bank_and_firm,
    check_digits,
    colors,
    containers,
    coordinates,
    dates_and_times,
    decimals,
    documents,
    faker_rest,
    floats,
    hexes,
    ids,
    lorem,
    mimesis,
    mimesis_times,
    passports,
    passwords,
    patterns,
    people_and_books,
    upc_e,
)
from deep_faker.values.families.mimesis import defined_in_mimesis
from deep_faker.values.family import Family, Making, families, family_of
from deep_faker.values.library.evaluator import Drawn
from deep_faker.values.library.libraries import (
    Extended,
    Locale,
    at,
    defined_in,
    faker_generator,
    faker_method,
    faker_methods,
    in_other_locales,
    mimesis_generic,
)
from deep_faker.values.library.pools import (
    drawn,
    faker_pool,
    mimesis_method,
    mimesis_names,
    mimesis_pool,
    mimesis_years,
)
from deep_faker.values.library.reader import read_call, read_provider
from deep_faker.values.text.grammar import NotAGrammarError, Text
from deep_faker.values.text.grids import texts as texts_of

if TYPE_CHECKING:
    from deep_faker.declare.schema import GeneratorSpec

_MOST_SHOWN = 6  # locales in a message
# Methods of Faker that make no value.
_NOT_PROVIDERS = frozenset({"seed", "get_words_list", "enum_random"})


def looked_up(spec: GeneratorSpec, place: Place) -> Values:
    """What makes the values of a library's method in one locale.

    Raises `DeclarationError` for an unknown library, provider, locale or argument.

    >>> from deep_faker.declare.schema import GeneratorSpec
    >>> from deep_faker.draws.mix import Draws
    >>> looked_up(GeneratorSpec("faker", "city"), Place(Draws(7), ("city",), 0)).how
    'column'
    """
    if spec.source == "faker":
        return _faker(place, spec)
    if spec.source == "mimesis":
        return _mimesis(place, spec)
    raise DeclarationError(
        Diagnostic(f"unknown source of values {spec.source!r}", place.span, "", "use faker or mimesis")
    )


def provider_names(locale: Locale = None) -> list[str]:
    """Every name that ``Field(faker=…)`` takes.

    >>> {"city", "email", "shortuuid"} <= set(provider_names())
    True
    """
    return sorted({*families("ours"), *faker_methods(faker_generator(locale))} - _NOT_PROVIDERS)


def _faker(place: Place, spec: GeneratorSpec) -> Values:
    arguments, locale = _above_zero(spec), _generator_name(spec)
    ours = family_of("ours", spec.name)
    if ours is not None:
        _bind(place, spec, ours.build, arguments, skip=1)
        values = _built(spec, ours, Making(place, None, partial(_piece, spec)), arguments)
        assert values is not None  # only arguments of Faker's can be beyond a column
        return values
    try:
        generator = faker_generator(locale)
    except AttributeError:
        raise _unknown_locale(place, spec, _faker_locales()) from None
    except TypeError as error:
        mend = "derive it from faker.providers.BaseProvider, as Faker's documentation says"
        where = narrow_keyword(place.span, "provider")
        raise DeclarationError(Diagnostic("no provider class", where, str(error), mend)) from None
    method = faker_method(generator, spec.name)
    if method is None or spec.name in _NOT_PROVIDERS:
        raise _elsewhere(place, spec) or _unknown(place, spec, provider_names(locale), "Faker")
    _bind(place, spec, method, arguments)
    origin = defined_in(method)
    registered = family_of("faker", origin)
    values = None
    if registered is not None:
        ctx = Making(place, getattr(method, "__self__", None), partial(_piece, spec))
        values = _built(spec, registered, ctx, _complete(method, arguments))
    if origin != "random_element":  # Faker refuses a plain dict of weights, which has an order nowadays
        _tried(place, spec, method, arguments)
    if values is not None:
        return values
    read = (
        read_call(locale, generator, spec.name, arguments) if arguments else read_provider(locale, spec.name)
    )
    if isinstance(read, Text):
        return texts_of(place, read)
    if isinstance(read, Drawn):
        return choices.Elements(place, read.values, read.weights)
    learned = composed(place, locale, spec.name, arguments, partial(_piece, spec))
    if learned is not None:
        return learned
    return _pooled(place, spec, lambda: faker_pool(place, locale, spec.name, arguments))


def _above_zero(spec: GeneratorSpec) -> dict[str, object]:
    """The arguments, without a bound of zero or less that Faker refuses beside ``positive=True``."""
    arguments: dict[str, object] = dict(spec.kwargs)
    least = arguments.get("min_value")
    is_bound = isinstance(least, (int, float)) and least <= 0
    if spec.name == "pyfloat" and arguments.get("positive") is True and is_bound:
        del arguments["min_value"]
    return arguments


def _piece(spec: GeneratorSpec, place: Place, name: str, arguments: Arguments) -> Values | None:
    """What makes the values of a method that another one calls, None where it is not by column."""
    try:
        values = looked_up(replace(spec, name=name, kwargs=tuple(arguments.items()), unique=False), place)
    except DeclarationError:
        return None
    return values if values.how == "column" else None


def _complete(method: Callable[..., object], arguments: Arguments) -> dict[str, object]:
    """The arguments with Faker's own defaults, whatever version of it is installed."""
    bound = inspect.signature(method).bind(**arguments)
    bound.apply_defaults()
    return dict(bound.arguments)


def _bind(
    place: Place, spec: GeneratorSpec, method: Callable[..., object], arguments: Arguments, *, skip: int = 0
) -> None:
    signature = inspect.signature(method)
    parameters = list(signature.parameters.values())[skip:]
    signature = signature.replace(parameters=parameters)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        known = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
        wrong = next((name for name in arguments if name not in known), None)
        shown = _signature(spec.name, parameters)
        if wrong is None:
            raise DeclarationError(
                Diagnostic(f"wrong arguments for {spec.name}", place.span, str(error), f"it is {shown}")
            ) from None
        close = difflib.get_close_matches(wrong, known, n=2)
        question = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        raise DeclarationError(
            Diagnostic(
                f"unknown argument for {spec.name}",
                place.span,
                f"{spec.name} has no argument {wrong!r}",
                f"{question}it is {shown}",
            )
        ) from None


def _signature(name: str, parameters: list[inspect.Parameter]) -> str:
    shown = [
        p.name
        if p.default is p.empty
        else f"{p.name}={p.default.__name__ if isinstance(p.default, type) else repr(p.default)}"
        for p in parameters
    ]
    return f"{name}({', '.join(shown)})"


def _built(spec: GeneratorSpec, registered: Family, ctx: Making, arguments: Arguments) -> Values | None:
    try:
        return registered.values(ctx, arguments)
    except NotAGrammarError:
        return None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _refused(ctx.place, spec, str(error)) from error


def _tried(place: Place, spec: GeneratorSpec, method: Callable[..., object], arguments: Arguments) -> None:
    """Let the library check the values of the arguments by making one value."""
    try:
        with at(place.start_micros):
            drawn(lambda: method(**arguments), 1)
    except NotImplementedError as error:  # a locale without the data
        said = f"{spec.name} has no data in the locale {spec.locale or 'en_US'}: {error}"
        mend = f"take another locale: locale=…; it is {_signature_of(spec.name, method)}"
        raise DeclarationError(
            Diagnostic(f"no {spec.name} in this locale", place.span, said, mend)
        ) from error
    except Exception as error:  # whatever the library raises for these arguments
        raise _refused(place, spec, f"{type(error).__name__}: {error}", method) from error


def _pooled(place: Place, spec: GeneratorSpec, make: Callable[[], Values]) -> Values:
    """A pool; arguments may fail in one draw of many only."""
    try:
        return make()
    except Exception as error:
        raise _refused(place, spec, f"{type(error).__name__}: {error}") from error


def _signature_of(name: str, method: Callable[..., object]) -> str:
    return _signature(name, list(inspect.signature(method).parameters.values()))


def _refused(
    place: Place, spec: GeneratorSpec, reason: str, method: Callable[..., object] | None = None
) -> DeclarationError:
    mend = f"mend the arguments that Field(…) gives to {spec.name}"
    if method is not None:
        mend += f"; it is {_signature_of(spec.name, method)}"
    return DeclarationError(
        Diagnostic(f"wrong arguments for {spec.name}", place.span, f"{spec}: {reason}", mend)
    )


def _elsewhere(place: Place, spec: GeneratorSpec) -> DeclarationError | None:
    """The error for a provider that other locales have."""
    methods = in_other_locales(spec.name) if spec.name not in _NOT_PROVIDERS else {}
    if not methods:
        return None
    where = list(methods)
    shown = ", ".join(where[:_MOST_SHOWN]) + (", …" if len(where) > _MOST_SHOWN else "")
    parameters = list(inspect.signature(methods[where[0]]).parameters.values())[1:]
    return DeclarationError(
        Diagnostic(
            "unknown Faker provider",
            narrow(place.span, spec.name),
            f"Faker has no provider {spec.name!r} in the locale {spec.locale or 'en_US'}",
            f"it is in {shown}: locale={where[0]!r} gives {_signature(spec.name, parameters)}",
        )
    )


def _unknown(place: Place, spec: GeneratorSpec, names: list[str], library: str) -> DeclarationError:
    return DeclarationError(
        Diagnostic(
            f"unknown {library} provider",
            narrow(place.span, spec.name),
            f"{library} has no provider {spec.name!r}",
            near(spec.name, names),
        )
    )


def _unknown_locale(place: Place, spec: GeneratorSpec, locales: list[str]) -> DeclarationError:
    return DeclarationError(
        Diagnostic(
            "unknown locale",
            narrow(place.span, spec.locale),
            f"{spec.source} has no locale {spec.locale!r}",
            near(str(spec.locale), locales),
        )
    )


def _locale(spec: GeneratorSpec) -> str | None:
    assert not isinstance(spec.locale, tuple), "a mix has a provider for each locale"
    return spec.locale


def _generator_name(spec: GeneratorSpec) -> Locale:
    return Extended(_locale(spec), spec.added) if spec.added else _locale(spec)


def _faker_locales() -> list[str]:
    from faker.config import AVAILABLE_LOCALES

    return sorted(AVAILABLE_LOCALES)


def _mimesis(place: Place, spec: GeneratorSpec) -> Values:
    from mimesis.locales import Locale

    locale = _locale(spec)
    try:
        generic = mimesis_generic(locale)
    except ValueError:
        raise _unknown_locale(place, spec, [locale.value for locale in Locale]) from None
    method = mimesis_method(generic, spec.name)
    if method is None:
        raise _unknown(place, spec, mimesis_names(generic), "Mimesis")
    arguments = dict(spec.kwargs)
    _bind(place, spec, method, arguments)
    complete = {**mimesis_years(place, method), **arguments}
    _tried(place, spec, method, complete)
    registered = family_of("mimesis", defined_in_mimesis(method))
    values = None
    if registered is not None:
        ctx = Making(place, getattr(method, "__self__", None), partial(_piece, spec))
        values = _built(spec, registered, ctx, _complete(method, complete))
    values = values or mimesis_column(place, locale, spec.name, complete)
    if values is not None:
        return values
    return _pooled(place, spec, lambda: mimesis_pool(place, locale, spec.name, arguments))
