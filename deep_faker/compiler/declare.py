"""What ``@sim.flow(…)`` says, checked where it stands."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from deep_faker.actions import Select
from deep_faker.compiler.source import function_span
from deep_faker.errors import CompileError, DeclarationError, Diagnostic, Span, narrow_keyword


@dataclass(frozen=True)
class FlowDeclaration:
    """A registered flow. ``filter`` has at most one `Select` for each entity type."""

    name: str
    function: Callable[..., Any]
    weight: float
    filter: tuple[Select, ...]
    span: Span


def declare_flow(
    function: Any,
    weight: Any = 1.0,
    filter: Any = None,  # noqa: A002 - named as its users write it
    flow_name: Any = None,
    span: Span | None = None,
    taken: Mapping[str, FlowDeclaration] | None = None,
) -> FlowDeclaration:
    """Check the arguments of ``@sim.flow`` (F10). ``taken``: the flows that there are.

    Raises `DeclarationError` for a weight that is no number ≥ 0, a filter that is no Select, two Selects
    of one type, a name that is taken, or something that cannot be a flow.

    >>> def visit(ctx):
    ...     yield
    >>> declare_flow(visit, 2).weight
    2.0
    """
    if not isinstance(function, FunctionType):
        where = span or Span("", 0, 0, 0, "")
        raise _refused("not a function", where, f"got {function!r}", "decorate a def")
    place = span or function_span(function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise _refused(
            "a flow is not async", place, f"{function.__name__} is async", "write def, not async def"
        )
    _check_parameters(function, place)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
        at = narrow_keyword(place, "initiation_weight") or place
        raise _refused("wrong initiation_weight", at, f"got {weight!r}", "give a number that is not negative")
    name: Any = function.__name__ if flow_name is None else flow_name
    if not isinstance(name, str) or not name:
        raise _refused("wrong flow_name", place, f"got {flow_name!r}", "give a text")
    other = (taken or {}).get(name)
    if other is not None:
        label = f"{name!r} is declared at {other.span.place} already"
        raise _refused("two flows of one name", place, label, 'rename one, or give flow_name="…"')
    return FlowDeclaration(name, function, float(weight), _filters(filter, place), place)


def _check_parameters(function: FunctionType, span: Span) -> None:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        signature = f"{function.__name__}{inspect.signature(function)}"
        raise _refused(
            "a flow takes the context", span, signature, f"write def {function.__name__}(ctx: FlowContext)"
        ) from None


def _filters(given: Any, span: Span) -> tuple[Select, ...]:
    items = () if given is None else (given,) if isinstance(given, Select) else given
    at = narrow_keyword(span, "filter") or span
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, Select) for item in items):
        raise _refused(
            "filter takes Select", at, f"got {given!r}", "write filter=Select(User, …) or a list of them"
        )
    types = [item.entity for item in items]
    for cls in types:
        if types.count(cls) > 1:
            label = f"two Selects of {cls.__name__}"
            mend = "join their conditions in one where=[…]; a flow holds one of each type"
            raise _refused("a filter names each type once", at, label, mend)
    return tuple(items)


def _refused(title: str, span: Span, label: str, mend: str) -> DeclarationError:
    return CompileError(Diagnostic(title, span, label, mend))
