"""Where a live flow stands in its user's source."""

from __future__ import annotations

import ast
import linecache
import sys
from functools import lru_cache
from types import CodeType, FrameType, GeneratorType, TracebackType

from deep_faker.simulate.live.late_mutate import function_node
from deep_faker.simulate.live.rebuilt import is_user_file
from deep_faker.spans import Span, traceback_span


def line_span(file: str, line: int) -> Span:
    """The whole line as a span."""
    text = linecache.getline(file, line).rstrip("\r\n")
    return Span(file, line, len(text) - len(text.lstrip()), len(text), text)


def yield_place(generator: GeneratorType[object, object, object]) -> tuple[str, int]:
    """File and line of the ``yield`` at which a generator, or one that it yields from, is suspended."""
    while isinstance(generator.gi_yieldfrom, GeneratorType):
        generator = generator.gi_yieldfrom
    line = generator.gi_frame.f_lineno if generator.gi_frame is not None else generator.gi_code.co_firstlineno
    return generator.gi_code.co_filename, line


def user_frame() -> FrameType | None:
    """The innermost frame of user code below the caller."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_span(trace: TracebackType | None) -> Span | None:
    """Where user code raised: the innermost of its frames in a traceback."""
    innermost = None
    while trace is not None:
        if is_user_file(trace.tb_frame.f_code.co_filename):
            innermost = trace
        trace = trace.tb_next
    return traceback_span(innermost) if innermost is not None else None


def end_line(code: CodeType, reached: int) -> int:
    """The line at which a function ended: its ``return``, or else the last line of its last statement."""
    returns, last = _ends(code)
    return last if last and reached not in returns else reached


@lru_cache(maxsize=256)
def _ends(code: CodeType) -> tuple[frozenset[int], int]:
    node = function_node(code)
    if node is None:
        return frozenset(), 0
    returns: set[int] = set()
    rest: list[ast.AST] = list(node.body)
    while rest:
        inner = rest.pop()
        if isinstance(inner, ast.Return):
            returns.add(inner.lineno)
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            rest += ast.iter_child_nodes(inner)
    return frozenset(returns), node.body[-1].end_lineno or node.body[-1].lineno
