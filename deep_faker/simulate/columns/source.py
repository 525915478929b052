"""The text of a generated function while it is written, its names, and the function when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from deep_faker.plan import Array, Expr, FlowTable, Type
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.liveness import Block
from deep_faker.spans import Span

NO_ENTITY, COMPLETED, DECAYED, CUT = 2, 0, 1, 3  # indices into plan.OUTCOMES
LATE = 4  # no outcome: cut, but taking part in the rest of the step that the end cuts
OWN = {
    "number__": "number",
    "clock__": "clock",
    "action__": "action",
    "k__": "k",
    "events__": "events",
    "mark__": "mark",
}

Batch = tuple[Array, ...]
"""Flows that go on together: their slots, then an array for each local that is live there."""

Place = tuple[Span | None, Expr | None]
"""The user's construct that a line of generated source stands for."""


@dataclass
class Source:
    """One generated function: its lines, and the user's construct that each line stands for."""

    name: str
    lines: list[str] = field(default_factory=list)
    spans: list[Place] = field(default_factory=list)
    place: Place = (None, None)
    indent: int = 1

    def add(self, *lines: str) -> None:
        for line in lines:
            self.lines.append("    " * self.indent + line)
            self.spans.append(self.place)


class Written(NamedTuple):
    """A generated function's flow, what each of its lines stands for, and its text."""

    flow: FlowTable
    spans: list[Place]
    text: str


@dataclass
class Compiled:
    """A block ready to run. ``columns``: the arrays of a batch, after the slots."""

    gid: int
    block: Block
    flow: FlowTable
    columns: tuple[str, ...]
    run: Callable[..., None]
    saved: Callable[..., None] | None = None
    waiting: tuple[str, ...] = ()  # the arrays that wait at a pick or save, after the slots


@dataclass(frozen=True)
class Exits:
    """Where a generated function sends rows: on to a block, into the step's competition, or to their end.

    ``cut`` is for those that the run's end cuts, and that go on in the step that it cuts.
    """

    push: Callable[[int, Batch], None]
    wait: Callable[[int, Batch], None]
    end: Callable[[I64, Array | int, Array | int, I64, I64], None]
    cut: Callable[[I64, Array | int, Array], None]


class Scope:
    """The names that the generated functions of one flow know: its locals, and constants of the engine's."""

    def __init__(self, types: Mapping[str, Type], env: dict[str, object]) -> None:
        self.types, self.env = types, env
        self._constants = 0

    def constant(self, value: object, hint: str = "c") -> str:
        """A name for a value."""
        name = f"df__{hint}_{self.count()}"
        self.env[name] = value
        return name

    def count(self) -> int:
        """A number that no other name of the flow has."""
        self._constants += 1
        return self._constants

    def type(self, local: str) -> str:
        """A name for the type of a local."""
        return self.constant(self.types[local], "type")

    def nulls(self, local: str) -> str:
        """The source of a local's mask of nulls."""
        return f"{local}__null" if self.types[local].optional else "None"


def take(array: Array, rows: I64) -> Array:
    # Twice as fast as array[at]; -1 gives the first row, which nobody looks at.
    return array.take(rows, None, None, "clip")
