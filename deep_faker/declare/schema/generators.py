"""How a field's values are made: `GeneratorSpec`, and what `Field` says of it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from deep_faker.draws.distributions.correlated import CorrelatedPart
from deep_faker.draws.distributions.declared import Distribution, FromFrame, Sequence, is_number
from deep_faker.draws.distributions.segments import PerSegment
from deep_faker.errors import DeclarationError, Diagnostic, near, shown
from deep_faker.spans import Span, caller_span, narrow, narrow_keyword

Mix = tuple[tuple[str, float], ...]
"""Locales and their weights."""

# What pydantic's Field takes goes to pydantic; every other keyword is the provider's.
PYDANTIC = frozenset(inspect.signature(pydantic.Field).parameters) - {"default", "extra"}
_SOURCES = ("faker", "mimesis", "dist", "derive")
# Providers of Faker with an argument of this name: it says that the items of one value differ.
_WITH_UNIQUE = frozenset({"words", "random_elements"})


@dataclass(frozen=True)
class GeneratorSpec:
    """What makes a field's values: ``source`` is ``faker``, ``mimesis``, ``dist`` or ``derive``.

    ``of`` are the fields of the same event that the value agrees with; ``unique`` says that no value
    comes twice in a run. A distribution or function is in ``kwargs`` under its source's name.
    ``added`` are provider classes that Faker does not bring.
    """

    source: str
    name: str
    kwargs: tuple[tuple[str, Any], ...] = ()
    locale: str | Mix | None = None
    of: tuple[str, ...] = ()
    unique: bool = False
    added: tuple[object, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The provider's keyword arguments."""
        return dict(self.kwargs)

    @property
    def is_dependent(self) -> bool:
        """Whether values are made from other fields of the event."""
        return self.source == "derive" or (self.source == "faker" and bool(self.of))

    def __str__(self) -> str:
        if self.source == "derive":
            return "derive"
        if self.source == "dist":
            parts = [repr(self.arguments["dist"])]
            parts += [f"{key}={value!r}" for key, value in self.kwargs if key != "dist"]
        else:
            parts = [f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.kwargs)})"]
        if self.of:
            parts.append(f"of {' and '.join(self.of)}")
        if self.added:
            names = (getattr(each, "__name__", type(each).__name__) for each in self.added)
            parts.append(f"of {' and '.join(names)}")
        return " ".join([*parts, *(["unique"] if self.unique else [])])


def generator_of(
    sources: Mapping[str, object],
    locale: object,
    of: object,
    unique: object,
    provider: object,
    arguments: dict[str, object],
) -> GeneratorSpec | None:
    """The generator that the keywords of `Field` name; None where they name none.

    Raises `DeclarationError` for two of them, or for arguments that do not go together.
    """
    sources_given = [name for name in _SOURCES if sources.get(name) is not None]
    if len(sources_given) > 1:
        first = sources[sources_given[0]]
        label = f"{sources_given[0]}={first!r} is given too"
        raise _refused("two providers", sources_given[1], label, "keep one of them")
    if not sources_given:
        named = (("locale", locale), ("of", of), ("provider", provider))
        rest = [*arguments, *(name for name, value in named if value is not None)]
        rest += ["unique"] if unique else []
        if rest:
            raise _without_provider(rest[0])
        return None
    source = sources_given[0]
    value = sources[source]
    if not isinstance(unique, bool):
        raise _refused("wrong unique", "unique", f"got {shown(unique)}", "write unique=True or leave it out")
    if unique and value in _WITH_UNIQUE:
        arguments, unique = {**arguments, "unique": True}, False
    fields = _of(of)
    mixed = checked_locale(locale, caller_span())
    added = _providers(provider)
    if added and (source != "faker" or fields):
        label = "of= has methods of its own" if fields else f"{source}= knows no such classes"
        raise _refused("provider= without Faker", "provider", label, 'use faker="…", provider=… alone')
    if source == "dist":
        if isinstance(value, PerSegment):
            mend = "use it in StateField(draw=…), beside the one that draws the groups"
            raise _refused("groups of an event", "dist", f"got {shown(value)}", mend)
        name, kwargs = _distribution(value, arguments, fields)
    elif source == "derive":
        name, kwargs = _function(
            value, [*arguments, *(["of"] if fields else []), *(["unique"] if unique else [])]
        )
    else:
        name, kwargs = _named(source, value), tuple(copy.deepcopy(list(arguments.items())))
        if fields and source == "mimesis":
            raise _refused(
                "of= without Faker", "of", "a Mimesis provider stands alone", 'use faker="…", of="…"'
            )
    if mixed is not None and source in ("dist", "derive"):
        raise _refused("locale= without a provider", "locale", f"{source}= has no locale", "leave it out")
    return GeneratorSpec(source, name, kwargs, mixed, fields, unique, added)


def drawn_once(draw: object, digits: int | None) -> GeneratorSpec | None:
    """What ``StateField(draw=…)`` says: the generator of a trait. Raises `DeclarationError`."""
    if draw is None:
        if digits is not None:
            mend = "say what is drawn: draw=Gamma(2, 0.5), digits=2"
            raise _refused("digits= without draw=", "digits", f"got {shown(digits)}", mend)
        return None
    if not isinstance(draw, Distribution | CorrelatedPart | PerSegment):
        mend = 'give one such as draw=Gamma(2, 0.5) or Choice(["walker", "runner"], weights=[3, 1])'
        raise _refused("no distribution", "draw", f"got draw={shown(draw)}", mend)
    arguments: dict[str, object] = {} if digits is None else {"digits": digits}
    name, kwargs = _distribution(draw, arguments, ())
    return GeneratorSpec("dist", name, kwargs)


def checked_locale(locale: object, span: Span | None) -> str | Mix | None:
    """A locale, or locales with their weights, in the form that `GeneratorSpec` keeps.

    >>> checked_locale({"en_US": 3, "de_DE": 1}, None)
    (('en_US', 3), ('de_DE', 1))
    """
    if locale is None or (isinstance(locale, str) and locale):
        return locale
    mend = 'give a locale such as "de_DE", or locales with weights, {"en_US": 3, "de_DE": 1}'
    if not isinstance(locale, Mapping) or not locale:
        raise DeclarationError(
            Diagnostic("wrong locale", narrow_keyword(span, "locale"), f"got {shown(locale)}", mend)
        )
    for name, weight in locale.items():
        if not isinstance(name, str) or not is_number(weight) or weight < 0:
            label = f"{name!r}: {weight!r} is no locale with a weight of 0 or more"
            raise DeclarationError(Diagnostic("wrong locale", narrow_keyword(span, "locale"), label, mend))
    if not sum(locale.values()) > 0:
        raise DeclarationError(
            Diagnostic("wrong locale", narrow_keyword(span, "locale"), "every weight is 0", mend)
        )
    drawn = tuple((name, weight) for name, weight in locale.items() if weight > 0)
    return drawn[0][0] if len(drawn) == 1 else drawn


def _of(fields: object) -> tuple[str, ...]:
    names = () if fields is None else (fields,) if isinstance(fields, str) else fields
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        label, mend = (
            f"got {shown(fields)}",
            'name a field of the event, of="name", or two: of=("first", "last")',
        )
        raise _refused("of= names fields", "of", label, mend)
    return tuple(names)


def _providers(providers: object) -> tuple[object, ...]:
    """The classes; what they are made of, only the library itself can say."""
    many = (
        tuple(providers)
        if isinstance(providers, (list, tuple))
        else (providers,)
        if providers is not None
        else ()
    )
    for each in many:
        if not isinstance(each, type) and not hasattr(each, "provider_name"):
            mend = "give the class, such as provider=VehicleProvider, or a DynamicProvider"
            raise _refused("no provider class", "provider", f"got {shown(each)}", mend)
    return many


def _distribution(
    value: object, arguments: dict[str, object], fields: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, object], ...]]:
    if not isinstance(value, Distribution | Sequence | FromFrame | CorrelatedPart | PerSegment):
        mend = "give one such as dist=LogNormal(3, 0.5), Choice([…]), Sequence() or FromFrame(frame, column)"
        raise _refused("no distribution", "dist", f"got dist={shown(value)}", mend)
    for name in arguments:
        if name != "digits":
            known = near(name, ["digits", "unique", "of", *sorted(PYDANTIC)]).partition("? ")
            hint = f"{known[0]}? Or leave it out" if known[1] else "a distribution takes digits= and unique="
            label = f"{name!r} is no argument of a field with a distribution"
            raise _refused("unknown Field argument", name, label, hint)
    digits = arguments.get("digits")
    if digits is not None and (type(digits) is not int or not 0 <= digits <= 15):
        raise _refused("wrong digits", "digits", f"got {shown(digits)}", "give a whole number from 0 to 15")
    if fields and not isinstance(value, FromFrame):
        label = f"a {type(value).__name__} depends on no other field"
        raise _refused("of= without a frame", "of", label, "use derive=lambda e: …, or FromFrame for both")
    kwargs: list[tuple[str, object]] = [("dist", value)]
    if digits is not None:
        kwargs.append(("digits", digits))
    return type(value).__name__, tuple(kwargs)


def _function(value: object, others: list[str]) -> tuple[str, tuple[tuple[str, object], ...]]:
    if not callable(value):
        mend = "give a function of the event: derive=lambda e: e.price * e.quantity"
        raise _refused("derive is no function", "derive", f"got {shown(value)}", mend)
    for name in others:
        label = f"{name!r} does not go with derive="
        raise _refused("unknown Field argument", name, label, "leave it out: the function says all")
    return getattr(value, "__name__", "derive"), (("derive", value),)


def _named(source: str, name: object) -> str:
    if not isinstance(name, str) or not name or (source == "mimesis" and name.count(".") != 1):
        example = 'mimesis="person.full_name"' if source == "mimesis" else 'faker="name"'
        raise DeclarationError(
            Diagnostic(
                "no provider's name",
                narrow(narrow_keyword(caller_span(), source), name),
                f"got {source}={shown(name)}",
                f"write it like {example}",
            )
        )
    return name


def _without_provider(name: str) -> DeclarationError:
    known = [*sorted(PYDANTIC), *_SOURCES, "locale", "of", "unique", "provider"]
    hint = near(name, known).partition("? ")[0]
    mend = f'name the provider, such as faker="random_int", {name}=…'
    label = f"{name!r} belongs to a provider, and none is named"
    help_ = f"{hint}? Or {mend}" if hint.startswith("did you mean") else mend
    return _refused("unknown Field argument", name, label, help_)


def _refused(title: str, keyword: str, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic(title, narrow_keyword(caller_span(), keyword), label, mend))
