"""Places in the user's source: of a node, of what a frame is doing, of a word within a call."""

from __future__ import annotations

import ast
import contextlib
import functools
import linecache
import sys
import tokenize
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType

# Frames of these packages lie between the user's statement and our check (a pydantic
# class statement runs the metaclass, a frozen dataclass its generated __init__).
_INNER = frozenset(
    {"deep_faker", "pydantic", "pydantic_core", "abc", "dataclasses", "functools", "contextlib"}
)


Place = tuple[int, int, int, int]
"""Where a node of `ast` was written: line, last line, column and last column, as the parser counts them."""


@dataclass(frozen=True)
class Span:
    """A piece of the user's source: one line of ``file``, and columns counted from 0.

    >>> Span("shop.py", 31, 9, 22, '        ("totl_orders", "add", 1),').place
    'shop.py:31:9'
    """

    file: str
    line: int
    col: int
    end_col: int
    text: str
    end_line: int = 0
    """The last line of a longer construct; 0 when it ends on ``line``."""

    @property
    def place(self) -> str:
        """``file:line:col``, the file relative to the working directory where it lies below it."""
        return f"{shown_path(self.file)}:{self.line}:{self.col}"


def caller_frame(skip: int = 0) -> FrameType | None:
    """The first frame outside the package, or ``skip`` more such frames further out."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() may be None and is no more public
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module not in _INNER and not frame.f_code.co_filename.startswith("<frozen"):
            if skip == 0:
                return frame
            skip -= 1
        frame = frame.f_back
    return None


def caller_span(skip: int = 0) -> Span | None:
    """The span of what the first frame outside the package is doing.

    Costs a walk over frames: call it where something is declared or has gone wrong, not per event.
    """
    frame = caller_frame(skip)
    return frame_span(frame) if frame else None


def declared_span() -> Span | None:
    """`caller_span` where something is declared: of a module that was loaded again, its new lines."""
    frame = caller_frame()
    if frame is None:
        return None
    linecache.checkcache(frame.f_code.co_filename)
    return frame_span(frame)


def frame_span(frame: FrameType) -> Span:
    """The span of the expression that ``frame`` is executing."""
    return _code_span(frame.f_code, frame.f_lasti, frame.f_lineno)


def traceback_span(trace: TracebackType) -> Span:
    """The span of the expression that raised in the frame of ``trace``."""
    return _code_span(trace.tb_frame.f_code, trace.tb_lasti, trace.tb_lineno)


def node_span(node: ast.expr | ast.stmt | ast.arg, file: str, *, first_line: int = 1) -> Span:
    """The span of an AST node of ``file``, whose parsed text began at ``first_line``."""
    line = node.lineno + first_line - 1
    end = (node.end_lineno or node.lineno) + first_line - 1
    return _span(file, line, end, node.col_offset, node.end_col_offset)


def narrow(span: Span | None, value: object) -> Span | None:
    """Where ``value`` is written inside the construct at ``span``; ``span`` itself where it is not.

    Found are literals equal to it, and calls of its class, such as ``Now()``. Reads and parses the
    file: for the moment of an error only.
    """
    for node in _nodes_within(span):
        if isinstance(node, ast.expr) and _writes(node, value) and span is not None:
            return node_span(node, span.file)
    return span


def narrow_keyword(span: Span | None, name: str) -> Span | None:
    """The keyword argument ``name=…`` inside the call at ``span``; ``span`` itself if none."""
    for node in _nodes_within(span):
        if isinstance(node, ast.keyword) and node.arg == name and span is not None:
            end = node.end_col_offset if node.end_lineno == node.lineno else None
            return _span(span.file, node.lineno, node.end_lineno or node.lineno, node.col_offset, end)
    return span


def attribute_span(span: Span | None, class_name: str, attribute: str) -> Span | None:
    """Where class ``class_name``, whose statement is at ``span``, sets or annotates ``attribute``."""
    if span is None:
        return None
    for node in _classes(span.file, _source(span.file)):
        if node.name == class_name and _covers(node, span.line):
            for statement in node.body:
                if attribute in _targets(statement):
                    return node_span(statement, span.file)
    return span


def shown_path(file: str) -> str:
    """``file`` as messages show it: relative to the working directory where it lies below it."""
    if "ipykernel_" in file:
        return "notebook cell"
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _code_span(code: CodeType, lasti: int, lineno: int) -> Span:
    """The span of an instruction; the whole line where the compiler kept no columns."""
    line, end_line, col, end_col = next(islice(code.co_positions(), lasti // 2, None), (None,) * 4)
    if line is None or col is None:
        return _span(code.co_filename, lineno, lineno, 0, None)
    return _span(code.co_filename, line, end_line or line, col, end_col)


def _span(file: str, line: int, end_line: int, col: int, end_col: int | None) -> Span:
    """Make a span from byte columns, as Python's parser counts them."""
    text = linecache.getline(file, line).rstrip("\r\n")
    encoded = text.encode()
    start = len(encoded[:col].decode(errors="ignore"))
    if end_line != line or end_col is None:
        end = _code_end(text)
    else:
        end = len(encoded[:end_col].decode(errors="ignore"))
    if col == 0 and end_col is None:
        start = len(text) - len(text.lstrip())
    return Span(file, line, start, end, text, end_line if end_line != line else 0)


def _code_end(text: str) -> int:
    """Where a line's code ends: a comment behind the beginning of a longer call is no part of it."""
    with contextlib.suppress(tokenize.TokenError, SyntaxError):  # it is a piece of something longer
        for token in tokenize.generate_tokens(iter([text]).__next__):
            if token.type == tokenize.COMMENT:
                return len(text[: token.start[1]].rstrip())
    return len(text)


def _source(file: str) -> str:
    return "".join(linecache.getlines(file))


@functools.lru_cache(maxsize=16)
def _parsed(file: str, source: str) -> ast.Module:
    try:
        return ast.parse(source, file)
    except SyntaxError:  # a notebook cell with magics, say: the whole span will do
        return ast.Module(body=[], type_ignores=[])


@functools.lru_cache(maxsize=16)
def _classes(file: str, source: str) -> list[ast.ClassDef]:
    return [node for node in ast.walk(_parsed(file, source)) if isinstance(node, ast.ClassDef)]


@functools.lru_cache(maxsize=16)
def _expressions(file: str, source: str) -> list[ast.expr | ast.keyword]:
    """All expressions and keyword arguments of a file, in order of the text; outer ones before inner ones."""
    nodes = [node for node in ast.walk(_parsed(file, source)) if isinstance(node, (ast.expr, ast.keyword))]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


def _nodes_within(span: Span | None) -> Iterator[ast.expr | ast.keyword]:
    """The nodes of the file that lie in the construct at ``span``, in order of the text."""
    if span is None:
        return
    nodes = _expressions(span.file, _source(span.file))
    first = bisect_left(nodes, span.line, key=lambda node: node.lineno)
    end_line = span.end_line or span.line
    last = bisect_right(nodes, end_line, key=lambda node: node.lineno)
    end_col = _last_column(span, nodes[first:last]) if span.end_line else span.end_col
    for node in nodes[first:last]:
        before = node.lineno == span.line and node.col_offset < span.col
        after = node.lineno == end_line and node.col_offset >= end_col
        if not before and not after:
            yield node


def _last_column(span: Span, nodes: list[ast.expr | ast.keyword]) -> int:
    """Where a longer construct ends in its last line."""
    ends = (
        node.end_col_offset or 0
        for node in nodes
        if (node.lineno, node.col_offset, node.end_lineno) == (span.line, span.col, span.end_line)
    )
    return max(ends, default=sys.maxsize)


def _writes(node: ast.expr, value: object) -> bool:
    """Whether the expression is a literal of ``value``, or calls the class of it."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == type(value).__name__
    if not isinstance(node, (ast.Constant, ast.UnaryOp, ast.Tuple, ast.List, ast.Set, ast.Dict)):
        return False
    try:
        written = ast.literal_eval(node)
    except (ValueError, TypeError):  # it holds names or calls
        return False
    return type(written) is type(value) and bool(written == value)


def _covers(node: ast.ClassDef, line: int) -> bool:
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return first <= line <= (node.end_lineno or node.lineno)


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    return []
