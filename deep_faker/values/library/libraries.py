"""Faker and Mimesis: their providers by name, and the clock that they see."""

from __future__ import annotations

import datetime as dt
import inspect
import random
import re
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from faker.generator import Generator
    from mimesis import Generic

# The libraries keep state of their own (generators, caches, module globals): one caller at a time.
LOCK = threading.RLock()
_DEFAULT_LOCALE = "en_US"
_MISSING = object()


# Modules of provider classes that are not the libraries' own.
_ADDED_MODULES: set[str] = set()


def of_providers(module: str) -> bool:
    """Whether a module is one of Faker's providers, or has some that users have added."""
    return module.startswith("faker.providers") or module in _ADDED_MODULES


class Extended(NamedTuple):
    """A locale with provider classes of the user's own or of the community's."""

    locale: str | None
    added: tuple[object, ...]


Locale = str | Extended | None
"""What names a generator of Faker's; None is its default locale."""


def locale_name(locale: Locale) -> str:
    """The locale as Faker calls it, "" where none is named."""
    return (locale.locale if isinstance(locale, Extended) else locale) or ""


@lru_cache(maxsize=64)
def faker_generator(locale: Locale) -> Generator:
    """Faker's generator for a locale, with a random source of its own.

    Raises `AttributeError` for an unknown locale, as Faker does, and `TypeError` for a class of the user's
    that is no provider.
    """
    with LOCK:
        generator = new_generator(locale)
        generator.seed_instance(0)
        return generator


def new_generator(locale: Locale) -> Generator:
    """A generator that is the caller's alone."""
    from faker import Faker
    from faker.providers import BaseProvider, DynamicProvider

    generator: Generator = Faker(locale_name(locale) or _DEFAULT_LOCALE).factories[0]
    # what is added comes last and wins, as in Faker
    for each in locale.added if isinstance(locale, Extended) else ():
        if isinstance(each, DynamicProvider):  # it has a random source of its own: one with ours instead
            own = DynamicProvider(each.provider_name, list(each.elements), generator)
            generator.add_provider(own)
        elif isinstance(each, type) and issubclass(each, BaseProvider):
            _ADDED_MODULES.update(base.__module__ for base in each.__mro__ if issubclass(base, BaseProvider))
            generator.add_provider(each)
        else:
            raise TypeError(f"{each!r} is no subclass of faker.providers.BaseProvider")
    return generator


def faker_methods(generator: Generator) -> list[str]:
    """The names of every provider method."""
    return [
        name
        for name in dir(generator)
        if not name.startswith("_")
        and inspect.ismethod(getattr(generator, name))
        and _provided(generator, name)
    ]


def _provided(generator: Generator, name: str) -> bool:
    return getattr(generator, name).__self__ is not generator


def faker_method(generator: Generator, name: str) -> Callable[..., object] | None:
    """The provider method ``name``, None where there is none."""
    method = getattr(generator, name, None)
    if name.startswith("_") or not inspect.ismethod(method) or not _provided(generator, name):
        return None
    return method


def in_other_locales(name: str) -> dict[str, Callable[..., object]]:
    """The locales in which Faker has a provider method that others lack, with the method.

    Its source is searched: making the generators of all locales takes seconds.
    """
    import faker.providers

    folder = Path(faker.providers.__file__).parent
    methods = {}
    for path in sorted(folder.glob("*/*/__init__.py")):
        if re.search(rf"^    def {re.escape(name)}\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            module = import_module(f"faker.providers.{path.parts[-3]}.{path.parts[-2]}")
            methods[path.parts[-2]] = getattr(module.Provider, name)
    return methods


def defined_in(method: Callable[..., object]) -> str:
    """Where a provider method comes from: ``"python.pyfloat"`` of ``faker.providers.python``, say."""
    function = inspect.unwrap(method)
    if not f"{function.__module__}.".startswith("faker.providers."):
        return f"{function.__module__}:{function.__qualname__}"  # like none of Faker's, whatever its name
    module = function.__module__.removeprefix("faker.providers").lstrip(".")
    return f"{module}.{function.__name__}".lstrip(".")


def mimesis_generic(locale: str | None, seed: int = 0) -> Generic:
    """Mimesis' collection of providers for a locale such as ``"de"``, newly seeded.

    Raises `ValueError` for an unknown locale.
    """
    from mimesis import Generic
    from mimesis.locales import Locale

    with LOCK:
        return Generic(locale=Locale((locale or "en").lower().replace("_", "-")), seed=seed)


def start_year(start_micros: int) -> int:
    """The year in which the simulation starts."""
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=start_micros)).year  # noqa: DTZ001


def mimesis_locales() -> list[str]:
    """The names of Mimesis' locales."""
    from mimesis.locales import Locale

    return [locale.value for locale in Locale]


# Of each module of providers, where it holds a clock or a class of times.
_CLOCKS: dict[str, tuple[types.ModuleType, list[str]]] = {}
_looked_at = 0  # so many modules


def _modules_with_clocks() -> list[tuple[types.ModuleType, list[str]]]:
    """The libraries' modules and the names in them that `at` changes; the users' own, which grow, anew.

    `at` is called for each field, and some thousand modules are there: looking at all took four fifths of it.
    """
    global _looked_at  # noqa: PLW0603 - under `LOCK`
    clocks = {id(dt.datetime), id(dt.date), id(dt), id(time)}

    def names(module: types.ModuleType) -> list[str]:
        return [name for name, value in list(vars(module).items()) if id(value) in clocks]

    if len(sys.modules) != _looked_at:
        for name, module in list(sys.modules.items()):
            if name.startswith(("faker.providers", "mimesis.providers")):
                known = _CLOCKS.get(name)
                if known is None or known[0] is not module:
                    _CLOCKS[name] = (module, names(module))
        _looked_at = len(sys.modules)
    added = [sys.modules[name] for name in _ADDED_MODULES if name in sys.modules]
    return [*_CLOCKS.values(), *((module, names(module)) for module in added)]


@contextmanager
def at(start_micros: int, seed: int = 0) -> Iterator[None]:
    """Let both libraries see ``start_micros`` as now and today, and leave `random` as it was."""
    now = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=start_micros)  # noqa: DTZ001 - naive UTC
    moment, day = _frozen_classes(now)
    whole = types.ModuleType("datetime")
    vars(whole).update({**vars(dt), "datetime": moment, "date": day})
    clock = types.ModuleType("time")
    vars(clock).update({**vars(time), "time": lambda: start_micros / 1e6})
    stand_ins = {id(dt.datetime): moment, id(dt.date): day, id(dt): whole, id(time): clock}
    with LOCK:
        state = random.getstate()
        random.seed(seed)
        changed = [
            (module, name, value)
            for module, names in _modules_with_clocks()
            for name in names
            if id(value := getattr(module, name, None)) in stand_ins
        ]
        for module, name, value in changed:
            setattr(module, name, stand_ins[id(value)])
        zipfile = sys.modules.get("zipfile")  # dates what it packs by a clock of its own, from 1980 on
        if zipfile is not None:
            clock = types.ModuleType("time")
            packed = max(now, dt.datetime(1980, 1, 1)).timetuple()  # noqa: DTZ001
            vars(clock).update({**vars(time), "localtime": lambda *_: packed})
            changed.append((zipfile, "time", zipfile.time))
            zipfile.time = clock  # type: ignore[attr-defined]  # a module as it is imported
        years = _mimesis_years(now.year)
        changed += _ordered_sets()
        try:
            yield
        finally:
            for function, defaults in years:
                function.__defaults__ = defaults
            for module, name, value in changed:
                if value is _MISSING:
                    delattr(module, name)
                else:
                    setattr(module, name, value)
            random.setstate(state)


class _OrderedSet(dict[object, None]):
    """A set whose order does not depend on the process's hashes of texts."""

    def __init__(self, items: Iterable[object] = ()) -> None:
        super().__init__(dict.fromkeys(items))

    def add(self, item: object) -> None:
        """As that of a set."""
        self[item] = None


def _ordered_sets() -> list[tuple[types.ModuleType, str, object]]:
    """Let Mimesis list its sets in the order in which they were filled; gives what was there."""
    changed: list[tuple[types.ModuleType, str, object]] = []
    for name in ("mimesis.providers.internet", "mimesis.providers.choice"):
        module = sys.modules.get(name)
        if module is not None:
            changed.append((module, "set", vars(module).get("set", _MISSING)))
            module.set = _OrderedSet  # type: ignore[attr-defined]  # in place of the builtin one
    return changed


def _mimesis_years(year: int) -> list[tuple[types.FunctionType, tuple[object, ...]]]:
    """Put a year in place of that of Mimesis' import, which it writes into defaults; gives what was there."""
    dates = sys.modules.get("mimesis.providers.date")
    if dates is None:
        return []
    imported = dates.Datetime._CURRENT_YEAR  # noqa: SLF001
    changed = []
    for function in vars(dates.Datetime).values():
        if isinstance(function, types.FunctionType) and imported in (function.__defaults__ or ()):
            changed.append((function, function.__defaults__ or ()))
            function.__defaults__ = tuple(year if it is imported else it for it in changed[-1][1])
    return changed


def _frozen_classes(now: dt.datetime) -> tuple[type, type]:
    """Stand-ins for ``datetime`` and ``date`` whose clock stands still; what they make are real ones."""

    class Like(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, cls.__mro__[1])

    class Moment(dt.datetime, metaclass=Like):
        def __new__(cls, *args: Any, **kwargs: Any) -> dt.datetime:  # type: ignore[misc]  # the real class
            return dt.datetime(*args, **kwargs)  # noqa: DTZ001

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return now if tz is None else now.replace(tzinfo=dt.UTC).astimezone(tz)

        @classmethod
        def utcnow(cls) -> dt.datetime:  # type: ignore[override]
            return now

        @classmethod
        def today(cls) -> dt.datetime:  # type: ignore[override]
            return now

        @classmethod
        def fromtimestamp(cls, timestamp: float, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.fromtimestamp(timestamp, tz)

        @classmethod
        def strptime(cls, text: str, form: str) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.strptime(text, form)  # noqa: DTZ007

        @classmethod
        def combine(cls, *args: Any, **kwargs: Any) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.combine(*args, **kwargs)

    class Day(dt.date, metaclass=Like):
        def __new__(cls, *args: Any, **kwargs: Any) -> dt.date:  # type: ignore[misc]  # the real class
            return dt.date(*args, **kwargs)

        @classmethod
        def today(cls) -> dt.date:  # type: ignore[override]
            return now.date()

        @classmethod
        def fromtimestamp(cls, timestamp: float) -> dt.date:  # type: ignore[override]
            return dt.date.fromtimestamp(timestamp)  # noqa: DTZ012

    return Moment, Day
