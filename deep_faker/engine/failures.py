"""What a run stops for, said in the same words by every engine."""

from __future__ import annotations

from typing import Any

from deep_faker.errors import Diagnostic, FlowError, KeySpaceError, Span, StalledFlowError

ATTEMPTS = 1_000
"""Draws of one key before its space counts as full (N7)."""

STALL = 10_000
"""Actions of one flow without time passing before the run stops (T6)."""


def taken(entity: str, name: str, key: Any, span: Span | None, *, drawn: bool) -> KeySpaceError:
    """The error for a key that an entity has already; ``drawn``: in `ATTEMPTS` draws none was new."""
    if drawn:
        label = f"{ATTEMPTS:,} draws of {name!r} in a row gave keys that exist already"
        mend = "give the key's generator more room, or make fewer entities"
        return KeySpaceError(Diagnostic(f"too few keys for {entity}", span, label, mend))
    label = f"{entity} with {name}={key!r} exists already"
    return KeySpaceError(
        Diagnostic(f"duplicate key of {entity}", span, label, "give each entity a key of its own")
    )


def failed(flow: str, span: Span | None, cause: Exception) -> FlowError:
    """The error for an exception that a flow's own code raised."""
    kind = type(cause).__name__
    return FlowError(Diagnostic(f"{kind} in flow {flow!r}", span, f"{kind}: {cause}"))


LATEST = 253_402_300_799_999_999
"""The last microsecond of the year 9999: no datetime is later."""


def too_late(flow: str, span: Span | None) -> FlowError:
    """The error for a wait that ends after the year 9999."""
    label = f"flow {flow!r} would go on after the year 9999, where no datetime is"
    return FlowError(Diagnostic("a clock beyond the year 9999", span, label, "let it wait for less time"))


def stalled(flow: str, span: Span | None) -> StalledFlowError:
    """The error for a flow whose clock stands still."""
    label = f"{STALL:,} actions of flow {flow!r} without time passing"
    mend = "let time pass with yield AddDecay(ctx, seconds=…), or leave the loop"
    return StalledFlowError(Diagnostic("a flow does not move on", span, label, mend))
