"""Whose fault it was: from an exception in generated code to the user's line."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from deep_faker.engine.failures import failed
from deep_faker.engine.lines import user_span
from deep_faker.errors import DeepFakerError, Span
from deep_faker.expressions import row_function
from deep_faker.plan import Expr, FlowTable
from deep_faker.storage import to_python

if TYPE_CHECKING:
    from deep_faker.engine.kernel import Kernel


def blamed(kernel: Kernel, error: Exception) -> None:
    """Raise ``error`` as a `FlowError` at the user's line, if a flow's code caused it.

    The column forms only know that some row is wrong. The expression is done again row by row, in
    the order (clock, flow number), and the first row that fails gives the exception.
    """
    if isinstance(error, DeepFakerError):
        return
    found = None
    for frame, line in _frames(error):
        source = kernel.sources.get(frame.f_code.co_filename)
        if source is not None:
            flow, spans, _ = source
            found = frame, flow, spans[line - 1]
    if found is None:
        return
    frame, flow, (span, expr) = found
    cause: Exception = error
    if expr is not None:
        cause = _first_failure(kernel, frame, flow, expr) or error
        span = user_span(cause.__traceback__) or span
    _raise(flow, span, cause)


def _raise(flow: FlowTable, span: Span | None, cause: Exception) -> NoReturn:
    raise failed(flow.name, span, cause) from cause


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
