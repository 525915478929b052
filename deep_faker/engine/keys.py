"""The one rule of keys that can collide (N7), and what is said when it cannot be kept."""

from __future__ import annotations

from typing import Any

from deep_faker.errors import Diagnostic, KeySpaceError, Span

ATTEMPTS = 1_000
"""Draws of one key before its space counts as full."""


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
