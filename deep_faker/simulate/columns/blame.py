"""Whose fault it was: from an exception in generated code to the user's line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.errors import DeclarationError, DeepFakerError
from deep_faker.expressions import row_function
from deep_faker.plan import Array, Expr, FlowTable
from deep_faker.plan.storage import to_python
from deep_faker.simulate.failures import failed
from deep_faker.simulate.live.source_lines import user_span

if TYPE_CHECKING:
    from deep_faker.simulate.columns.engine import Kernel


def one_by_one(
    kernel: Kernel,
    run: Callable[..., None],
    names: tuple[str, ...],
    batch: tuple[Array, ...],
    error: Exception,
) -> None:
    """A batch has failed at some of its rows: run each by itself, and note those that fail."""
    rows = batch[0]
    number = kernel.slots.number.a[rows]
    clock = batch[1 + names.index("clock__")] if "clock__" in names else kernel.slots.clock.a[rows]
    made, count = kernel.redo.made, len(kernel.failures.found)
    for at in range(len(rows)):
        cause: Exception | None = error
        if len(rows) > 1:
            kernel.redo.skip, kernel.redo.made = made, 0
            cause = _failure(run, tuple(column[at : at + 1] for column in batch))
        if cause is not None:
            kernel.failures.add(int(clock[at]), int(number[at]), blamed(kernel, cause))
    kernel.redo.skip = 0
    if len(kernel.failures.found) == count:  # it was none of them
        raise error


def _failure(run: Callable[..., None], batch: tuple[Array, ...]) -> Exception | None:
    try:
        run(*batch)
    except Exception as error:  # noqa: BLE001 - this is what we are looking for
        return error
    return None


def blamed(kernel: Kernel, error: Exception) -> Exception:
    """The error at the user's line, if a flow's code caused ``error``.

    The column forms only know that something is wrong. The expression is done again by Python, whose
    exception it is that counts.
    """
    if isinstance(error, DeepFakerError) and not isinstance(error, DeclarationError):
        return error
    found = None
    for frame, line in _frames(error):
        source = kernel.sources.get(frame.f_code.co_filename)
        if source is not None:
            flow, spans, _ = source
            found = frame, flow, spans[line - 1]
    if found is None:
        return error
    frame, flow, (span, expr) = found
    cause: Exception = error
    if expr is not None:
        cause = _first_failure(kernel, frame, flow, expr) or error
        span = user_span(cause.__traceback__) or span
    made = failed(flow.name, span, cause)
    made.__cause__ = cause
    return made


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _first_failure(kernel: Kernel, frame: FrameType, flow: FlowTable, expr: Expr) -> Exception | None:
    known: dict[str, Any] = frame.f_locals
    if any(name not in known for name in expr.names) or not expr.names:
        return None
    columns = []
    for name in expr.names:
        type_ = flow.types[name]
        nulls = known[f"{name}__null"] if type_.optional else None
        columns.append(to_python(known[name], nulls, type_, kernel.plan.texts))
    rows = known["rows__"]
    order = np.lexsort((kernel.slots.number.a[rows], known.get("clock__", kernel.slots.clock.a[rows])))
    function = row_function(expr)
    for at in order.tolist():
        try:
            function(*(column[at] for column in columns))
        except Exception as error:  # noqa: BLE001 - this is what we are looking for
            return error
    return None
