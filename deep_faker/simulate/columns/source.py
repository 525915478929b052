"""The text of a generated function while it is written, and the function when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deep_faker.plan import Expr, FlowTable
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


@dataclass
class Source:
    """One generated function: its lines, and the user's construct that each line stands for."""

    name: str
    lines: list[str] = field(default_factory=list)
    spans: list[tuple[Span | None, Expr | None]] = field(default_factory=list)
    at: tuple[Span | None, Expr | None] = (None, None)
    indent: int = 1

    def add(self, *lines: str) -> None:
        for line in lines:
            self.lines.append("    " * self.indent + line)
            self.spans.append(self.at)


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
    spans: list[tuple[Span | None, Expr | None]] = field(default_factory=list)


def take(array: Any, at: Any) -> Any:
    # Twice as fast as array[at]; -1 gives the first row, which nobody looks at.
    return array.take(at, None, None, "clip")
