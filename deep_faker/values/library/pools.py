"""Pools: values that only a library's own code can make, drawn once and then drawn from.

A pool keeps repeated values, so that what is common stays common.  It is made from the seed alone
and is the same in every partition.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.draws.mix import MASK
from deep_faker.values.base import Arguments, Place
from deep_faker.values.choices import Elements
from deep_faker.values.library.libraries import (
    LOCK,
    Locale,
    at,
    faker_generator,
    locale_name,
    mimesis_generic,
)

if TYPE_CHECKING:
    from mimesis import Generic

SIZE = 10_000
_TRIES = 5
_MOST: ContextVar[int] = ContextVar("deep_faker_pool_size", default=SIZE)


@contextmanager
def small_pools(size: int) -> Iterator[None]:
    """While this lasts, pools are of so few values: enough to show one."""
    token = _MOST.set(size)
    try:
        yield
    finally:
        _MOST.reset(token)


def _size(name: str) -> int:
    return min(_SIZES.get(name, SIZE), _MOST.get())


# Calls that take milliseconds or give megabytes.
_SIZES = {
    "csv": 500,
    "dsv": 500,
    "fixed_width": 500,
    "image": 16,
    "json": 500,
    "json_bytes": 500,
    "profile": 1_000,
    "psv": 500,
    "pydict": 2_000,
    "pyiterable": 2_000,
    "pylist": 2_000,
    "pyset": 2_000,
    "pystruct": 200,
    "pytuple": 2_000,
    "simple_profile": 2_000,
    "tar": 16,
    "texts": 2_000,
    "time_series": 1_000,
    "tsv": 500,
    "zip": 16,
}


class Pool(Elements):
    """Values drawn from a library, each as often as it gave it."""

    how = "pool"

    def __init__(self, place: Place, values: Sequence[object]) -> None:
        super().__init__(place, values)
        self.detail = f"pool of {len(self._objects) + self._nulls:,} distinct values"


def faker_pool(place: Place, locale: Locale, name: str, arguments: Arguments) -> Pool:
    """A pool of a Faker provider's values, with now at the start of the simulation."""
    generator = faker_generator(locale)
    seed = place.draws.id_key("pool", locale_name(locale), name)

    def make() -> list[object]:
        generator.seed_instance(seed)
        method = getattr(generator, name)
        named = {**_days(place, method), **arguments}
        return drawn(lambda: _settled(method(**named)), _size(name))

    return Pool(place, _kept(place, seed, arguments, make))


def drawn(make: Callable[[], object], size: int) -> list[object]:
    """So many values. Raises what ``make`` raises where it fails more often than not.

    A few methods fail for some of their own draws: Spain's ISBN rules do not cover all groups, say.
    """
    values: list[object] = []
    failed = 0
    while len(values) < size:
        try:
            values.append(make())
        except Exception:
            failed += 1
            if failed > len(values) + _TRIES:
                raise
    return values


def mimesis_pool(place: Place, locale: str | None, name: str, arguments: Arguments) -> Pool:
    """A pool of a Mimesis provider's values, ``name`` such as "person.full_name"."""
    seed = place.draws.id_key("pool", "mimesis", locale or "", name) & (MASK >> 1)

    def make() -> list[object]:
        method = mimesis_method(mimesis_generic(locale, seed), name)
        assert method is not None  # looked up before
        named = {**mimesis_years(place, method), **arguments}
        return [_settled(method(**named)) for _ in range(_size(name))]

    return Pool(place, _kept(place, seed, arguments, make))


_MOST_KEPT = 64
_KEPT: OrderedDict[tuple[int, int, str], list[object]] = OrderedDict()


def _kept(place: Place, seed: int, arguments: Arguments, make: Callable[[], list[object]]) -> list[object]:
    """The values of a pool, made once for all fields that want the same."""
    key = (seed, place.start_micros, f"{sorted(arguments.items())!r} {_MOST.get()}")
    with LOCK:
        if key not in _KEPT:
            with at(place.start_micros, seed):
                _KEPT[key] = make()
            if len(_KEPT) > _MOST_KEPT:
                _KEPT.popitem(last=False)
        return _KEPT[key]


def mimesis_method(generic: Generic, name: str) -> Callable[..., object] | None:
    """The method at a dotted name, None where there is none."""
    group, _, rest = name.partition(".")
    if "." in rest or group.startswith("_") or rest.startswith("_") or group not in dir(generic):
        return None
    method = getattr(getattr(generic, group), rest or "__call__", None)  # "choice" is called itself
    return method if inspect.ismethod(method) or inspect.isfunction(method) else None


def mimesis_names(generic: Generic) -> list[str]:
    """Every name that `mimesis_method` knows."""
    names: list[str] = []
    for group in sorted(dir(generic)):
        provider = getattr(generic, group)
        public = (
            name for name in dir(provider) if not name.startswith("_") and name not in _OF_EVERY_PROVIDER
        )
        names.extend(f"{group}.{name}" for name in public if callable(getattr(provider, name)))
    return names


_OF_EVERY_PROVIDER = {
    "Meta",
    "get_current_locale",
    "has_seed",
    "locale_context",
    "override_locale",
    "reseed",
    "update_dataset",
    "validate_enum",
}


def _days(place: Place, method: Callable[..., object]) -> dict[str, dt.date]:
    """Faker has a default that is the day of its import: the day of the start instead."""
    start = dt.date(1970, 1, 1) + dt.timedelta(microseconds=place.start_micros)
    parameters = inspect.signature(method).parameters.values()
    return {parameter.name: start for parameter in parameters if isinstance(parameter.default, dt.date)}


def mimesis_years(place: Place, method: Callable[..., object]) -> dict[str, int]:
    """Mimesis writes the year of its import into defaults: the year of the start instead.

    Its ranges begin in fixed years; where those lie after the start, they begin in its year.
    """
    from mimesis import Datetime

    imported = Datetime._CURRENT_YEAR  # noqa: SLF001
    year = int(np.datetime64(place.start_micros, "us").astype("datetime64[Y]").astype(int)) + 1970
    return {
        name: year
        for name, parameter in inspect.signature(method).parameters.items()
        if (parameter.default is imported and name in ("start", "end", "maximum"))
        or (name in ("start", "minimum") and parameter.default in range(year + 1, 2100))
    }


def _settled(value: object) -> object:
    """A generator's items as a list: a value must not run out."""
    return list(value) if isinstance(value, Iterator) else value
