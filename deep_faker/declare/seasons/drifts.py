"""Changes that nobody announced: drifts, and incidents with their onset and recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.declare.seasons.base import Product, Season, checked, refused
from deep_faker.declare.seasons.factors import instant
from deep_faker.declare.seasons.zones import Zone
from deep_faker.draws.mix import F64, I64
from deep_faker.errors import shown
from deep_faker.times import format_duration, format_instant, parse_duration

_KINDS = ("abrupt", "gradual", "recurring")
_STEPS = 48  # into which what changes gradually is cut


@dataclass(frozen=True)
class Drift(Season):
    """From ``at`` on, ``factor`` times as much: a change that stays, or comes again.

    ``kind`` is ``"abrupt"``: at once; ``"gradual"``: in 48 steps over ``width``; or ``"recurring"``: for
    ``width``, again after each time ``every``. ``at`` is as in `Window`.

    Raises `DeclarationError` for what cannot be read, or a width that is longer than ``every``.

    >>> Drift("2024-03-01", 2)
    Drift('2024-03-01T00:00:00', 2)
    >>> Drift("2024-03-01", 0.5, kind="recurring", width="1d", every="7d")
    Drift('2024-03-01T00:00:00', 0.5, kind='recurring', width='1d', every='1w')
    """

    at: Any  # µs since the epoch, once it is made
    factor: float
    kind: str = "abrupt"
    width: Any = None  # µs, once it is made
    every: Any = None
    tz: str | None = None

    def __post_init__(self) -> None:
        checked("Drift", "factor", self.factor)
        put = object.__setattr__
        if self.kind not in _KINDS:
            raise refused("Drift", f"kind={shown(self.kind)}", f"give one of {', '.join(map(repr, _KINDS))}")
        put(self, "at", instant(self.at, "at", Zone(self.tz)))
        needed = {"abrupt": (), "gradual": ("width",), "recurring": ("width", "every")}[self.kind]
        for name in ("width", "every"):
            value = getattr(self, name)
            if (value is None) == (name in needed):
                mend = f"give {name}=" if name in needed else f"leave {name}= out"
                raise refused("Drift", f"kind={self.kind!r} with {name}={shown(value)}", mend)
            if value is not None:
                put(self, name, parse_duration(value, name))
        if self.kind == "recurring" and self.width > self.every:
            label = f"width={format_duration(self.width)} is longer than every={format_duration(self.every)}"
            raise refused("Drift", label, "let it end before it comes again")

    def __repr__(self) -> str:
        parts = [repr(format_instant(self.at)), f"{self.factor:g}"]
        parts += [f"kind={self.kind!r}"] if self.kind != "abrupt" else []
        parts += [f"{n}={format_duration(v)!r}" for n in ("width", "every") if (v := getattr(self, n))]
        return f"Drift({', '.join(parts)})"

    def edges(self, begin: int, end: int) -> I64:
        """Where it begins, ends, or goes on to the next step."""
        if self.kind == "gradual":
            return ramp(self.at, self.width)
        if self.kind == "abrupt":
            return np.array([self.at])
        first = max((begin - self.at) // self.every, 0)
        starts = self.at + self.every * np.arange(first, max((end - self.at) // self.every, first) + 1)
        return np.concatenate([starts, starts + self.width])

    def settles(self) -> bool:
        """Unless it comes again."""
        return self.kind != "recurring"

    def factors(self, at: I64, begin: int) -> F64:
        """1 before, the factor after; on the way, what it is in the middle of the step."""
        del begin
        if self.kind == "gradual":
            return 1.0 + (self.factor - 1.0) * progress(at, self.at, self.width)
        since = at - self.at
        on = since >= 0 if self.kind == "abrupt" else (since >= 0) & (since % self.every < self.width)
        return np.where(on, float(self.factor), 1.0)


@dataclass(frozen=True)
class Incident(Season):
    """Something that goes wrong for a while: it comes on, lasts, and is mended.

    From ``at`` on, over ``onset``, what it touches goes from as usual to ``factor`` times as much; it stays
    there for ``lasts``, and comes back over ``recovery``. As a season it touches flows, as ``during=`` of a
    rule of defects events; ``truth/incidents`` has a row for each, with the ``cause``. ``start`` and
    ``end`` are its first and last instant (µs).

    Raises `DeclarationError` for what cannot be read.

    >>> outage = Incident("psp down", "2024-03-01T12:00", lasts="2h", factor=0.1, cause="a bad release")
    >>> outage
    Incident('psp down', '2024-03-01T12:00:00', lasts='2h', factor=0.1)
    """

    name: str
    at: Any  # µs since the epoch, once it is made
    lasts: Any  # µs, once it is made
    factor: float = 1.0
    onset: Any = None
    recovery: Any = None
    cause: str = ""
    tz: str | None = None

    def __post_init__(self) -> None:
        checked("Incident", "factor", self.factor)
        put = object.__setattr__
        for name in ("name", "cause"):
            if not isinstance(getattr(self, name), str):
                raise refused("Incident", f"{name}={shown(getattr(self, name))}", f"give {name} as a text")
        put(self, "at", instant(self.at, "at", Zone(self.tz)))
        put(self, "lasts", parse_duration(self.lasts, "lasts"))
        for name in ("onset", "recovery"):
            value = getattr(self, name)
            put(self, name, 0 if value in (None, 0) else parse_duration(value, name))

    def __repr__(self) -> str:
        parts = [repr(self.name), repr(format_instant(self.at)), f"lasts={format_duration(self.lasts)!r}"]
        parts += [f"factor={self.factor:g}"] if self.factor != 1 else []
        parts += [f"{n}={format_duration(v)!r}" for n in ("onset", "recovery") if (v := getattr(self, n))]
        return f"Incident({', '.join(parts)})"

    @property
    def start(self) -> int:
        """When it comes on."""
        return int(self.at)

    @property
    def full_from(self) -> int:
        """When it is as bad as it gets."""
        return int(self.at + self.onset)

    @property
    def full_until(self) -> int:
        """When it begins to be mended."""
        return int(self.at + self.onset + self.lasts)

    @property
    def end(self) -> int:
        """When all is as usual again."""
        return int(self.full_until + self.recovery)

    def edges(self, begin: int, end: int) -> I64:
        """Its steps of coming and going."""
        del begin, end
        return np.concatenate([ramp(self.start, self.onset), ramp(self.full_until, self.recovery)])

    def settles(self) -> bool:
        """Once it is mended."""
        return True

    def factors(self, at: I64, begin: int) -> F64:
        """How much of the usual there is."""
        del begin
        come = progress(at, self.start, self.onset) - progress(at, self.full_until, self.recovery)
        return 1.0 + (self.factor - 1.0) * come


def incidents_of(season: Season | None) -> list[Incident]:
    """The incidents that a season is made of."""
    parts = season.parts if isinstance(season, Product) else (season,)
    return [part for part in parts if isinstance(part, Incident)]


def ramp(start: int, width: int) -> I64:
    """The instants at which a gradual change takes a step; of no width, one.

    >>> ramp(10, 0).tolist(), len(ramp(0, 3_600_000_000))
    ([10], 49)
    """
    return np.array([start + width * step // _STEPS for step in range(_STEPS + 1 if width else 1)])


def progress(at: I64, start: int, width: int) -> F64:
    """How far a change has come, from 0 to 1: in the middle of each of its steps.

    >>> progress(np.array([-1, 0, 47, 48]), 0, 48).round(2).tolist()
    [0.0, 0.01, 0.99, 1.0]
    """
    if not width:
        return (at >= start).astype(np.float64)
    step = np.searchsorted(ramp(start, width), at, side="right") - 1
    out: F64 = np.clip((step + 0.5) / _STEPS, 0.0, 1.0)
    return np.where(step < 0, 0.0, np.where(step >= _STEPS, 1.0, out))
