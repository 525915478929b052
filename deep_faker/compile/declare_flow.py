"""What ``@sim.flow(…)`` says, checked where it stands."""

from __future__ import annotations

import ast
import inspect
import linecache
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from deep_faker.compile.read.source import Bound, bound, function_span, read_source
from deep_faker.declare.actions import Select
from deep_faker.declare.bursts import Hawkes
from deep_faker.declare.rates import delay_of, interval, per_second
from deep_faker.declare.schema import BaseEvent, is_event
from deep_faker.declare.seasons import Season
from deep_faker.draws.distributions.declared import Choice, Distribution
from deep_faker.errors import CompileError, DeclarationError, Diagnostic, shown
from deep_faker.spans import Span, narrow_keyword


@dataclass(frozen=True)
class FlowDeclaration:
    """A registered flow. ``filter`` has at most one `Select` for each entity type.

    ``rate``: how often it starts of itself, a second; ``every``: after which times for each entity; ``on``:
    the event that starts it, ``after`` a time; none: it takes places by its ``weight``. ``rate_text`` is what
    was written.
    """

    name: str
    function: Callable[..., object]
    weight: float
    filter: tuple[Select, ...]
    span: Span
    bound: Bound
    rate: float | None = None
    season: Season | None = None
    rate_text: str = ""
    every: Distribution | None = None
    on: type[BaseEvent] | None = None
    after: Distribution | None = None
    state_rate: Callable[[Any], object] | None = None
    burst: Hawkes | None = None

    @property
    def arrives(self) -> bool:
        """Whether it starts of itself."""
        own = self.rate, self.every, self.on, self.state_rate
        return any(how is not None for how in own)

    def replaces(self, other: FlowDeclaration) -> bool:
        """Whether this is the other flow declared again: in the same file, or in cells of a notebook (F10).

        Two flows of one name in one piece of code, or a loop that makes several, are not.
        """
        code, before = self.bound.function.__code__, other.bound.function.__code__
        if code is before or code.co_name != before.co_name:
            return False
        if code.co_filename != before.co_filename:
            return _is_cell(code.co_filename) and _is_cell(before.co_filename)
        if code.co_firstlineno == before.co_firstlineno:
            return True
        return bool(linecache.getlines(code.co_filename)) and read_source(other.bound.function) is None


def declare_flow(
    function: Any,
    weight: object = 1.0,
    filter: object = None,  # noqa: A002 - named as its users write it
    flow_name: object = None,
    span: Span | None = None,
    taken: Mapping[str, FlowDeclaration] | None = None,
    rate: object = None,
    season: object = None,
    every: object = None,
    on: object = None,
    after: object = None,
) -> FlowDeclaration:
    """Check the arguments of ``@sim.flow`` (F10). ``taken``: the flows that there are.

    A flow may be a function, a method, a `functools.partial` or an object with ``__call__``.
    Raises `DeclarationError` for a weight that is no number ≥ 0, a filter that is no Select, two Selects
    of one type, a rate or interval that cannot be read or has a weight beside it, a season without a rate,
    an event that is none, a name that is taken, or something that cannot be a flow.

    >>> def visit(ctx):
    ...     yield
    >>> declare_flow(visit, 2).weight
    2.0
    """
    binding = bound(function)
    if binding is None:
        where = span or Span("", 0, 0, 0, "")
        raise _refused("not a function", where, f"got {function!r}", "decorate a def")
    plain = binding.function
    linecache.checkcache(plain.__code__.co_filename)  # its module may have been edited and loaded again
    place = span or function_span(plain)
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        raise _refused("a flow is not async", place, f"{plain.__name__} is async", "write def, not async def")
    _check_parameters(function, plain, place)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
        argument = narrow_keyword(place, "initiation_weight") or place
        raise _refused(
            "wrong initiation_weight", argument, f"got {weight!r}", "give a number that is not negative"
        )
    name: object = _name(function, plain) if flow_name is None else flow_name
    if not isinstance(name, str) or not name:
        raise _refused("wrong flow_name", place, f"got {flow_name!r}", "give a text")
    # an object's own __call__ is a method of it, which engines can take apart
    run = function if isinstance(function, (FunctionType, MethodType, partial)) else function.__call__
    filters, by_state = _filters(filter, place), callable(rate)
    burst = rate if isinstance(rate, Hawkes) else None
    arriving = _arriving(rate, season, weight, place, every)
    if by_state:
        _check_owner("a rate of each entity", filters, narrow_keyword(place, "rate") or place)
    interval = None if every is None else _interval(every, rate, weight, filters, place)
    event, delay = _started_by(on, after, filters, place)
    declaration = FlowDeclaration(
        name, run, float(weight), filters, place, binding, *arriving, every=interval, on=event, after=delay
    )
    declaration = replace(declaration, burst=burst)
    if by_state:
        declaration = replace(declaration, state_rate=rate)  # type: ignore[arg-type]  # it is callable
    other = (taken or {}).get(name)
    if other is not None and not declaration.replaces(other):
        label = f"{name!r} is declared at {other.span.place} already"
        raise _refused("two flows of one name", place, label, 'rename one, or give flow_name="…"')
    return declaration


def _name(function: object, plain: FunctionType) -> str:
    """The function's name; an object's is its class's."""
    return plain.__name__ if plain.__name__ != "__call__" else type(function).__name__


def _is_cell(file: str) -> bool:
    """Whether code comes from a notebook or a prompt, whose files change with every run of a cell."""
    return file.startswith("<") or "ipykernel_" in file or "__marimo__cell" in file


def _check_parameters(function: Callable[..., object], plain: FunctionType, span: Span) -> None:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        signature = f"{plain.__name__}{inspect.signature(function)}"
        mend = f"write def {plain.__name__}(ctx: FlowContext)"
        if next(iter(inspect.signature(plain).parameters), None) == "self" and function is plain:
            mend = f"declare the method of an object: sim.flow()(shop.{plain.__name__})"
        raise _refused("a flow takes the context", span, signature, mend) from None


def _arriving(
    rate: object, season: object, weight: float, span: Span, every: object
) -> tuple[float | None, Season | None, str]:
    """The rate a second, the season, and the rate as it was written."""
    where = narrow_keyword(span, "season") or span
    if season is not None and not isinstance(season, Season):
        mend = "give one of deep_faker.seasons: season=Daily([…]) * Weekly([…])"
        raise _refused("wrong season", where, f"got {shown(season)}", mend)
    if rate is None:
        if season is not None and every is None:
            label = "a season without a rate"
            raise _refused("wrong season", where, label, 'say what it multiplies: rate="1200/h", season=…')
        return None, season, ""
    place = narrow_keyword(span, "rate") or span
    if weight != 1:
        label = f"rate={shown(rate)} and initiation_weight={weight:g}"
        mend = "a flow that has a rate takes nobody's place: leave out its initiation_weight"
        raise _refused("a rate and a weight", place, label, mend)
    if callable(rate):
        return None, season, _source_of(rate)
    if isinstance(rate, Hawkes):
        return per_second(rate.rate, place), season, repr(rate)
    return per_second(rate, place), season, str(rate)


def _interval(
    every: object, rate: object, weight: float, filters: tuple[Select, ...], span: Span
) -> Distribution:
    """The times between two starts of an entity, as a distribution of seconds."""
    place = narrow_keyword(span, "every") or span
    if rate is not None:
        raise _refused("a rate and an interval", place, f"rate={shown(rate)} and every=", "give one of them")
    if weight != 1:
        label = f"every= and initiation_weight={weight:g}"
        mend = "a flow that starts of itself takes nobody's place: leave out its initiation_weight"
        raise _refused("an interval and a weight", place, label, mend)
    _check_owner("every", filters, place)
    return interval(every, place)


def _check_owner(what: str, filters: tuple[Select, ...], span: Span) -> None:
    if len(filters) != 1 or filters[0].shared or filters[0].weight is not None:
        label = f"its filter is {', '.join(map(repr, filters)) or 'missing'}"
        mend = "say whose clock it is: filter=Select(User, …), one type that is neither shared nor weighted"
        raise _refused(f"{what} without its entity", span, label, mend)


def _source_of(function: Callable[..., object]) -> str:
    """A rate as its author wrote it, if it can be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)).strip().lstrip("@"))
    except (OSError, TypeError, SyntaxError):
        return "a function"
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return ast.unparse(found[0].body) if len(found) == 1 else getattr(function, "__name__", "a function")


def _started_by(
    on: object, after: object, filters: tuple[Select, ...], span: Span
) -> tuple[type[BaseEvent] | None, Distribution | None]:
    """The event that starts a flow, and after which time it does, in seconds."""
    if on is None:
        return None, None
    if not is_event(on):
        raise _refused("not an event", span, f"got {shown(on)}", "name an event class: @sim.on(OrderPlaced)")
    for select in filters:
        if select.weight is not None:
            label = f"weight={select.weight!r} of {select.entity.__name__}"
            mend = "the event says which entity it is: leave out its weight"
            raise _refused("a weight where nothing is drawn", span, label, mend)
    delay = Choice([0.0]) if after is None else delay_of(after, narrow_keyword(span, "after") or span)
    return on, delay


def _filters(filters: object, span: Span) -> tuple[Select, ...]:
    items = () if filters is None else (filters,) if isinstance(filters, Select) else filters
    where = narrow_keyword(span, "filter") or span
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, Select) for item in items):
        raise _refused(
            "filter takes Select", where, f"got {filters!r}", "write filter=Select(User, …) or a list of them"
        )
    for item in items:
        if item.wait is not None:
            label = f"Select({item.entity.__name__}, …, wait=…) is what the flow starts with"
            mend = "a start does not wait: select it inside the flow, yield Select(…, wait=…)"
            raise _refused("a filter does not wait", where, label, mend)
        if item.n is not None:
            label = f"Select({item.entity.__name__}, …, n=…) is what the flow starts with"
            mend = "select the list inside the flow: products = yield Select(…, n=…)"
            raise _refused("a filter gives one entity", where, label, mend)
    types = [item.entity for item in items]
    for cls in types:
        if types.count(cls) > 1:
            label = f"two Selects of {cls.__name__}"
            mend = "join their conditions in one where=[…]; a flow holds one of each type"
            raise _refused("a filter names each type once", where, label, mend)
    return tuple(items)


def _refused(title: str, span: Span, label: str, mend: str) -> DeclarationError:
    return CompileError(Diagnostic(title, span, label, mend))
