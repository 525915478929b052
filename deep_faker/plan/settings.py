"""`Settings`: what a simulation says of time and of how many flows there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from deep_faker.declare.defects import Defects
    from deep_faker.declare.labels import Labels
    from deep_faker.declare.schema.generators import Mix


@dataclass(frozen=True, slots=True)
class Settings:
    """Instants and lengths in µs. ``n_flows`` None: there is no ceiling, and ``starts_per_step`` is given.

    ``starts_per_step`` 0: every flow starts at a rate of its own.

    >>> Settings(start=0, duration=90, step=60, n_flows=1).last
    120
    """

    start: int
    duration: int
    step: int
    n_flows: int | None
    on_end: Literal["finish", "cut"] = "finish"
    emit_initial: bool = True
    initial: tuple[tuple[str, int], ...] = ()
    history: bool = False
    locale: str | Mix | None = None  # of fields that name none
    starts_per_step: int | None = None
    decisions: bool = False  # whether draws that decide are logged
    defects: Defects | None = None
    labels: Labels | None = None
    params: tuple[tuple[str, bool | int | float | str], ...] = ()

    @property
    def end(self) -> int:
        return self.start + self.duration

    @property
    def cuts_a_step(self) -> bool:
        """Whether the end lies within a step."""
        return self.duration % self.step != 0

    @property
    def last(self) -> int:
        """The instant at which the last step with starts ends."""
        return self.start - (-self.duration // self.step) * self.step

    @property
    def late_after(self) -> int:
        """What happens from this instant on is taken back at the end of its step; 2**63 - 1: nothing is."""
        return self.end if self.on_end == "cut" and self.cuts_a_step else 2**63 - 1
