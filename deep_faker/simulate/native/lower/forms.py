"""How a program does what its flows say: by instructions, with the events' columns, or by Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deep_faker.spans import Span

Place = tuple[str, Span | None, str]
"""A flow, where in the source, and what is done there."""


@dataclass
class Forms:
    """Counted and noted while a plan is lowered.

    ``values``: what flows compute, which is expressions, draws, and generated values that control needs;
    ``native``: how many of them the kernel computes. ``later``: texts for events only, which are made with
    the events' columns. ``python``: what the kernel always leaves to Python. (Where it must only because a
    value is out of the ordinary, an int of more than 64 bits, nothing is noted.)
    """

    values: int = 0
    native: int = 0
    later: list[Place] = field(default_factory=list)
    python: list[Place] = field(default_factory=list)

    def value(self, write: Callable[[], None]) -> None:
        """A value whose instructions ``write`` writes; native, unless that notes that Python does it."""
        before = len(self.python)
        write()
        self.values += 1
        self.native += len(self.python) == before

    def value_later(self, flow: str, span: Span | None, what: str) -> None:
        """A value that only events hold."""
        self.values += 1
        self.later.append((flow, span, what))
