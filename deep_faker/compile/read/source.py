"""From a function to its tree in the user's file, and from a node of it to the user's line and column."""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
import operator
import sysconfig
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import NoReturn

from deep_faker.errors import CompileError, Diagnostic
from deep_faker.spans import Span, node_span

_LIBRARY = tuple(
    dict.fromkeys(
        str(Path(sysconfig.get_path(name)).resolve())
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
)
_PACKAGE = str(Path(__file__).resolve().parents[2])

Node = ast.expr | ast.stmt


class NotCompiled(Exception):  # noqa: N818 - no error: the flow runs as a generator instead
    """The flow says something outside the compiled language; ``reason`` and ``span`` say what and where."""

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason, self.span = reason, span


@dataclass(frozen=True, eq=False)
class Source:
    """A function and its tree, whose positions are those of its file."""

    function: FunctionType
    node: ast.FunctionDef
    file: str

    def span(self, node: Node | ast.arg | None = None) -> Span:
        """Where ``node`` (without one: the function's own line) stands."""
        return node_span(node if node is not None else self.node, self.file)

    def refuse(self, node: Node, title: str, label: str, mend: str) -> NoReturn:
        """Raise `CompileError` at ``node``."""
        raise CompileError(Diagnostic(title, self.span(node), label, mend))


@dataclass(frozen=True)
class Bound:
    """A function with what is given to it before the context, and by keyword.

    That is what a method, a `functools.partial` or an object with ``__call__`` comes to.
    """

    function: FunctionType
    args: tuple[object, ...] = ()
    keywords: Mapping[str, object] = field(default_factory=dict)


def bound(flow: object) -> Bound | None:
    """What a callable comes to; None where no Python function is behind it.

    >>> bound(functools.partial(line_span, "shop.py")).args
    ('shop.py',)
    """
    args: tuple[object, ...] = ()
    keywords: dict[str, object] = {}
    while not isinstance(flow, FunctionType):
        if isinstance(flow, functools.partial):
            args, keywords, flow = (*flow.args, *args), {**flow.keywords, **keywords}, flow.func
        elif isinstance(flow, MethodType):
            args, flow = (flow.__self__, *args), flow.__func__
        elif callable(flow) and not isinstance(flow, type) and isinstance(flow.__call__, MethodType):
            flow = flow.__call__
        else:
            return None
    return Bound(flow, args, keywords)


def function_span(function: FunctionType) -> Span:
    """The line of ``def``, found without a tree."""
    return line_span(function.__code__.co_filename, function.__code__.co_firstlineno)


def line_span(file: str, line: int) -> Span:
    """A whole line of a file."""
    text = linecache.getline(file, line).rstrip("\r\n")
    return Span(file, line, len(text) - len(text.lstrip()), len(text), text)


def read_source(function: FunctionType) -> Source | None:
    """The function's tree, or None where its source cannot be had or is not what runs."""
    code = function.__code__
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    find = _lambda if code.co_name == "<lambda>" else _definition
    node = find(text, code.co_filename, code.co_name, code.co_firstlineno) if text else None
    if node is None or not _is_what_runs(text, code):
        return None
    return Source(function, node, code.co_filename)


@functools.lru_cache(maxsize=256)
def _definition(text: str, file: str, name: str, line: int) -> ast.FunctionDef | None:
    tree = _parsed(text, file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.name == name:
            if line == min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]):
                return node
    return None


@functools.lru_cache(maxsize=256)
def _lambda(text: str, file: str, _: str, line: int) -> ast.FunctionDef | None:
    """The only lambda that begins in that line, as a function."""
    tree = _parsed(text, file)
    lambdas = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda) and n.lineno == line] if tree else []
    return function_of(lambdas[0], lambdas[0].args, lambdas[0].body) if len(lambdas) == 1 else None


def function_of(node: ast.expr, arguments: ast.arguments, body: ast.expr) -> ast.FunctionDef:
    """A function that gives the value of an expression."""
    result = ast.copy_location(ast.Return(body), body)
    function = ast.FunctionDef("<lambda>", arguments, [result], [])
    return ast.copy_location(function, node)


@functools.lru_cache(maxsize=64)
def _parsed(text: str, file: str) -> ast.Module | None:
    try:
        return ast.parse(text, file)
    except SyntaxError:  # a notebook cell with magics, or a template
        return None


def _is_what_runs(text: str, code: CodeType) -> bool:
    """Whether the file still holds what was loaded: it may have been edited since."""
    functions = [
        other
        for other in _codes(text, code.co_filename, code.co_flags & _FUTURES)
        if (other.co_name, other.co_firstlineno) == (code.co_name, code.co_firstlineno)
    ]
    return any(_same(code, other) for other in functions) or "@pytest_ar" in code.co_names


# What `from __future__ import …` leaves in a code object; a notebook's cells inherit it.
_FUTURES = functools.reduce(
    operator.or_, (getattr(__future__, n).compiler_flag for n in __future__.all_feature_names)
)


@functools.lru_cache(maxsize=64)
def _codes(text: str, file: str, flags: int) -> tuple[CodeType, ...]:
    try:
        todo = [compile(text, file, "exec", flags=flags, dont_inherit=True)]
    except (SyntaxError, ValueError):
        return ()
    codes: list[CodeType] = []
    while todo:
        codes.append(todo.pop())
        todo += [part for part in codes[-1].co_consts if isinstance(part, CodeType)]
    return tuple(codes)


def _same(a: CodeType, b: CodeType) -> bool:
    if a.co_code != b.co_code or a.co_names != b.co_names or len(a.co_consts) != len(b.co_consts):
        return False
    return all(
        _same(x, y) if isinstance(x, CodeType) and isinstance(y, CodeType) else repr(x) == repr(y)
        for x, y in zip(a.co_consts, b.co_consts, strict=True)
    )


@functools.lru_cache(maxsize=1024)
def is_user_file(file: str) -> bool:
    """Whether code of this file is the user's: not ours, not a library's."""
    if file.startswith("<"):
        return not file.startswith("<frozen")
    path = str(Path(file).resolve())
    return not path.startswith((*_LIBRARY, _PACKAGE + "/"))


def assigned_names(function: ast.FunctionDef) -> Counter[str]:
    """How often each local name is bound in the body (parameters do not count)."""
    counts: Counter[str] = Counter()
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            counts[node.id] += 1
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            counts[node.name] += 1
            continue
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            counts.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif (isinstance(node, ast.ExceptHandler) and node.name) or (
            isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name
        ):
            counts[node.name] += 1
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            # the targets are the comprehension's own; a walrus inside binds in the function
            walrus = (n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            counts.update(walrus)
            continue
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            counts[node.target.id] += 1  # reads and writes: never a name for one value
        todo.extend(ast.iter_child_nodes(node))
    return counts


def yields(function: ast.FunctionDef) -> list[ast.Yield | ast.YieldFrom]:
    """The yields of the function itself, not of functions inside it."""
    yields_: list[ast.Yield | ast.YieldFrom] = []
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            yields_.append(node)
        todo.extend(ast.iter_child_nodes(node))
    return yields_
