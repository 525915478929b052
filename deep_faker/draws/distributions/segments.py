"""`Segments`: groups of entities, and traits that are drawn by another distribution in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deep_faker.draws.distributions.choice import Choice
from deep_faker.draws.distributions.family import family_of_class, refused


@dataclass(frozen=True, init=False, repr=False)
class Segments(Choice):
    """Groups by name, with their shares: a trait says which one an entity is in, others go by it.

    ``kind: str = StateField(draw=kinds)`` draws the group, ``StateField(draw=kinds.each(…))`` what differs
    from group to group. Raises `DeclarationError` for shares that are none.

    >>> kinds = Segments({"casual": 0.8, "heavy": 0.2})
    >>> kinds
    Segments({'casual': 0.8, 'heavy': 0.2})
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        given: object = shares
        if not isinstance(given, Mapping) or not given or not all(isinstance(n, str) and n for n in given):
            mend = 'give names with their shares: Segments({"casual": 0.8, "heavy": 0.2})'
            raise refused("Segments", f"got {given!r}", mend)
        super().__init__(list(shares), list(shares.values()))

    def __repr__(self) -> str:
        return f"Segments({dict(zip(self.values, self.weights or (), strict=True))})"

    def each(self, by_name: Mapping[str, Any] | None = None, /, **more: Any) -> PerSegment:
        """A distribution for each group: ``kinds.each(casual=Gamma(2, 0.5), heavy=Gamma(9, 1))``.

        >>> from deep_faker import Poisson
        >>> Segments({"casual": 0.8, "heavy": 0.2}).each(casual=Poisson(1), heavy=Poisson(9))
        PerSegment({'casual': Poisson(mean=1), 'heavy': Poisson(mean=9)})
        """
        parts = {**(by_name or {}), **more}
        wrong = sorted(set(parts) ^ set(map(str, self.values)))
        if wrong:
            label = f"{wrong[0]!r} {'has no distribution' if wrong[0] in self.values else 'is no group'}"
            raise refused("Segments", label, f"give one for each of {', '.join(map(str, self.values))}")
        for name, part in parts.items():
            if family_of_class(type(part)) is None:
                raise refused("Segments", f"{name}={part!r}", "give a distribution, such as Gamma(2, 0.5)")
        if len({isinstance(part, Choice) for part in parts.values()}) > 1:
            raise refused("Segments", "a Choice in some groups only", "give numbers or choices in all")
        return PerSegment(self, tuple(parts[str(name)] for name in self.values))


@dataclass(frozen=True, repr=False)
class PerSegment:
    """What `Segments.each` gives; ``field`` is where the group is drawn, once the entity is declared."""

    segments: Segments
    parts: tuple[Any, ...]
    field: str = ""

    def __repr__(self) -> str:
        return f"PerSegment({dict(zip(self.segments.values, self.parts, strict=True))})"
