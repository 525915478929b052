"""Every provider that ``Field(faker=…)`` and ``Field(mimesis=…)`` take: how it is made, with a sample."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeepFakerError, Diagnostic, SettingsError, near
from deep_faker.values.base import Place
from deep_faker.values.family import families
from deep_faker.values.library.libraries import faker_generator, faker_method, mimesis_generic
from deep_faker.values.library.pools import mimesis_method, mimesis_names, small_pools
from deep_faker.values.lookup import looked_up, provider_names

_START = 1_704_067_200_000_000  # 2024-01-01: samples do not depend on the day
_SAMPLE_POOL = 3
_KEY_ARGUMENTS = ("self", "ctx")


@dataclass(frozen=True)
class Entry:
    """One provider. ``how`` is "column", "pool", or empty where it needs arguments: ``sample`` says which.

    >>> Entry("city", "column", "Rome", "").as_dict()["how"]
    'column'
    """

    name: str
    how: str
    sample: str
    arguments: str

    def as_dict(self) -> dict[str, str]:
        """Plain values, for JSON."""
        return {"name": self.name, "how": self.how, "sample": self.sample, "arguments": self.arguments}


def entries(*, library: str = "faker", locale: str | None = None, pattern: str = "") -> Iterator[Entry]:
    """The providers whose names hold ``pattern``, in order of their names.

    Raises `SettingsError` for a locale that the library does not have.

    >>> [entry.how for entry in entries(pattern="credit_card_number")]
    ['column']
    """
    if library == "faker":
        try:
            generator = faker_generator(locale)
        except AttributeError:
            from faker.config import AVAILABLE_LOCALES

            raise _unknown(locale, sorted(AVAILABLE_LOCALES)) from None
        names = provider_names(locale)
        ours = {name: registered.build for name, registered in families("ours").items()}
        methods = {name: ours.get(name) or faker_method(generator, name) for name in names}
    else:
        from mimesis.locales import Locale

        try:
            generic = mimesis_generic(locale)
        except ValueError:
            raise _unknown(locale, [each.value for each in Locale]) from None
        methods = {name: mimesis_method(generic, name) for name in sorted(mimesis_names(generic))}
    for name, method in methods.items():
        if pattern.lower() in name.lower() and method is not None:
            yield _entry(library, name, locale, method)


def _unknown(locale: str | None, known: list[str]) -> SettingsError:
    return SettingsError(Diagnostic("unknown locale", None, f"--locale {locale}", near(str(locale), known)))


def _entry(library: str, name: str, locale: str | None, method: Callable[..., object]) -> Entry:
    parameters = [p for p in inspect.signature(method).parameters.values() if p.name not in _KEY_ARGUMENTS]
    arguments = ", ".join(str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters)
    try:
        with small_pools(_SAMPLE_POOL):
            place = Place(Draws(1), ("catalogue", name), _START)
            values = looked_up(GeneratorSpec(library, name, (), locale), place)
            sample = _shown(values.one(1, 1, _START))
    except DeepFakerError as error:
        return Entry(name, "", f"needs arguments: {error.diagnostics[0].label.splitlines()[0]}", arguments)
    return Entry(name, values.how, sample, arguments)


def _shown(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value):,} bytes"
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)
