"""Whose fault it was: from an exception in generated code to the user's line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.errors import DeclarationError, DeepFakerError
from deep_faker.expressions import row_function
from deep_faker.plan import Expr, FlowTable
from deep_faker.plan.storage import to_python
from deep_faker.simulate.failures import failed
from deep_faker.simulate.live.source_lines import user_span

if TYPE_CHECKING:
    from deep_faker.simulate.columns.source import Batch
    from deep_faker.simulate.columns.world import World


def attempt(world: World, run: Callable[..., None], names: tuple[str, ...], batch: Batch) -> None:
    """Run a block for a batch (its slots, then the arrays ``names``); rows that fail stay behind."""
    world.redo.done = 0
    try:
        run(*batch)
    except Exception as error:  # noqa: BLE001 - at some of its rows: which?
        _one_by_one(world, run, names, batch, error)


def _one_by_one(
    world: World, run: Callable[..., None], names: tuple[str, ...], batch: Batch, error: Exception
) -> None:
    """A batch has failed at some of its rows: run each by itself, and note those that fail."""
    rows = batch[0]
    number = world.slots.number.a[rows]
    clock = batch[1 + names.index("clock__")] if "clock__" in names else world.slots.clock.a[rows]
    done, count = world.redo.done, len(world.failures.found)
    for row in range(len(rows)):
        cause: Exception | None = error
        if len(rows) > 1:
            world.redo.skip, world.redo.done = done, 0
            cause = _failure(run, tuple(column[row : row + 1] for column in batch))
        if cause is not None:
            world.failures.add(int(clock[row]), int(number[row]), blamed(world, cause))
    world.redo.skip = 0
    if len(world.failures.found) == count:  # it was none of them
        raise error


def _failure(run: Callable[..., None], batch: Batch) -> Exception | None:
    try:
        run(*batch)
    except Exception as error:  # noqa: BLE001 - this is what we are looking for
        return error
    return None


def blamed(world: World, error: Exception) -> Exception:
    """The error at the user's line, if a flow's code caused ``error``.

    The column forms only know that something is wrong. The expression is done again by Python, whose
    exception it is that counts.
    """
    if isinstance(error, DeepFakerError) and not isinstance(error, DeclarationError):
        return error
    innermost = None
    for frame, line in _frames(error):
        written = world.sources.get(frame.f_code.co_filename)
        if written is not None:
            innermost = frame, written.flow, written.spans[line - 1]
    if innermost is None:
        return error
    frame, flow, (span, expr) = innermost
    cause: Exception = error
    if expr is not None:
        cause = _first_failure(world, frame, flow, expr) or error
        span = user_span(cause.__traceback__) or span
    blame = failed(flow.name, span, cause)
    blame.__cause__ = cause
    return blame


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _first_failure(world: World, frame: FrameType, flow: FlowTable, expr: Expr) -> Exception | None:
    known: dict[str, Any] = frame.f_locals
    if any(name not in known for name in expr.names) or not expr.names:
        return None
    columns = []
    for name in expr.names:
        type_ = flow.types[name]
        nulls = known[f"{name}__null"] if type_.optional else None
        columns.append(to_python(known[name], nulls, type_, world.plan.texts))
    rows = known["rows__"]
    order = np.lexsort((world.slots.number.a[rows], known.get("clock__", world.slots.clock.a[rows])))
    function = row_function(expr)
    for place in order.tolist():
        try:
            function(*(column[place] for column in columns))
        except Exception as error:  # noqa: BLE001 - this is what we are looking for
            return error
    return None
