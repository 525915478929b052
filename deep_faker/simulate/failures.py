"""What a run stops for, said in the same words by every engine."""

from __future__ import annotations

import math
from typing import Any

from deep_faker.errors import (
    DeclarationError,
    Diagnostic,
    FlowError,
    InvalidValueError,
    KeySpaceError,
    RunError,
    StalledFlowError,
)
from deep_faker.spans import Span

ATTEMPTS = 1_000
"""Draws of one key before its space counts as full (N7)."""

STALL = 10_000
"""Actions of one flow without time passing before the run stops (T6)."""

TURNS = 1_000_000
"""Turns of a flow's loops between two yields before the run stops."""


class Failures:
    """The flows that fail in one time step: the run stops for the first of them in the order of T9.

    Engines do a step's work in different orders, so the first failure that one meets is no measure. A flow
    that has failed does nothing more; the others finish the step.
    """

    def __init__(self) -> None:
        self.found: list[tuple[int, int, Exception]] = []

    def add(self, clock: int, number: int, error: Exception) -> None:
        """Flow ``number`` failed at its ``clock``."""
        self.found.append((clock, number, error))

    def drop(self, first: int, after: int) -> None:
        """What flows with numbers from ``first`` on did in this step, or any ``after``, has not been."""
        self.found = [failure for failure in self.found if failure[1] < first and failure[0] < after]

    def first(self) -> Exception | None:
        """What the run has to stop for, if anything."""
        return min(self.found, key=lambda failure: failure[:2])[2] if self.found else None

    def check(self) -> None:
        """Stop the run at the end of a step in which a flow has failed."""
        error = self.first()
        if error is not None:
            raise error


def taken(entity: str, name: str, key: Any, span: Span | None, *, drawn: bool) -> KeySpaceError:
    """The error for a key that an entity has already; ``drawn``: in `ATTEMPTS` draws none was new."""
    if drawn:  # a default alone is one key
        label = f"{ATTEMPTS:,} draws of {name!r} in a row gave keys that exist already"
        mend = "give the key a generator with more room, or make fewer entities"
        return KeySpaceError(Diagnostic(f"too few keys for {entity}", span, label, mend))
    label = f"{entity} with {name}={key!r} exists already"
    return KeySpaceError(
        Diagnostic(f"duplicate key of {entity}", span, label, "give each entity a key of its own")
    )


def failed(flow: str, span: Span | None, cause: Exception) -> RunError:
    """The error for an exception that a flow's own code raised.

    What would have been refused at declaration, had the value been known, is said in the words of there.
    """
    if isinstance(cause, DeclarationError):
        found = cause.diagnostic
        kind = InvalidValueError if found.title.startswith("wrong type") else FlowError
        title = f"{found.title} in flow {flow!r}"
        return kind(Diagnostic(title, found.span or span, found.label, found.help))
    name = type(cause).__name__
    return FlowError(Diagnostic(f"{name} in flow {flow!r}", span, f"{name}: {cause}"))


def not_held(entity: str) -> ValueError:
    """The exception for ``ctx.add_entity`` of an entity that the flow has not got."""
    return ValueError(
        f"add_entity({entity}, …) of an entity that this flow does not hold; pick it with yield "
        "Select(…), select_entities(…)[0] or get_random_available_entity(…)"
    )


def overflow(entity: str, field: str, value: int) -> OverflowError:
    """The exception for an int that a state field cannot hold."""
    return OverflowError(f"{entity}.{field} = {value} does not fit into 64 bits")


def out_of_time(flow: str, span: Span | None) -> FlowError:
    """The error for a wait after which a flow's clock has no date."""
    label = "the clock would pass the end of the year 9999"
    mend = 'wait for a shorter time, or stop flows at the end of the run with on_end="cut"'
    return FlowError(Diagnostic(f"a wait too long in flow {flow!r}", span, label, mend))


def is_weight(value: Any) -> bool:
    """Whether ``Select(weight=…)`` can draw by a value; null counts as 0."""
    return value is None or (value >= 0 and value < math.inf)


def wrong_weight(entity: str, key: Any, field: str, value: Any) -> InvalidValueError:
    """The error for a state field that ``Select(weight=…)`` cannot draw by (N9)."""
    label = f"{entity} {key!r} has {field} = {value!r}, and Select(weight={field!r}) draws by it"
    return InvalidValueError(
        Diagnostic(f"{entity}.{field} is no weight", None, label, "a weight is finite, and 0 or more")
    )


def stalled(flow: str, span: Span | None) -> StalledFlowError:
    """The error for a flow whose clock stands still."""
    label = f"{STALL:,} actions of flow {flow!r} without time passing"
    mend = "let time pass with yield AddDecay(ctx, seconds=…), or leave the loop"
    return StalledFlowError(Diagnostic("a flow does not move on", span, label, mend))


def spinning(flow: str, span: Span | None) -> StalledFlowError:
    """The error for a flow in a loop that neither yields nor ends."""
    label = f"{TURNS:,} turns of loops in flow {flow!r} without a yield"
    mend = "leave the loop, or yield in it"
    return StalledFlowError(Diagnostic("a flow does not move on", span, label, mend))


def too_late(flow: str, span: Span | None, does: str) -> FlowError:
    """The error for what a flow does in its ``finally`` that only a flow that goes on can do."""
    label = f"flow {flow!r} has ended, and {does} in its finally"
    return FlowError(Diagnostic("a flow that has ended", span, label, "do it before the flow can end"))
