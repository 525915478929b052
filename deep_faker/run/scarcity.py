"""Too little memory, said as what takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deep_faker.errors import Diagnostic, RunError
from deep_faker.spans import Span


@contextmanager
def memory_said(simulation: object, entities: int, span: Span | None) -> Iterator[None]:
    """Say what takes memory where there is too little: the simulation, and its initial ``entities``."""
    try:
        yield
    except MemoryError as error:
        label = f"{simulation!r}, {entities:,} initial entities: {str(error) or 'none is left'}"
        mend = "take fewer flows at once, or fewer entities"
        raise RunError(Diagnostic("not enough memory", span, label, mend)) from error
