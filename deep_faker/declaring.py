"""The half of the facade that takes flows: how they start, and by what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from deep_faker.declare.actions import Select
from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.spans import caller_span, declared_span

if TYPE_CHECKING:
    from deep_faker.compile import FlowDeclaration
    from deep_faker.declare.bursts import Hawkes
    from deep_faker.declare.schema import BaseEvent
    from deep_faker.declare.seasons import Season
    from deep_faker.draws.distributions.declared import Distribution

F = TypeVar("F", bound=Callable[..., Any])


class Declared:
    """Where the flows of a `Simulation` are declared."""

    _flows: list[FlowDeclaration]

    def flow(
        self,
        initiation_weight: float = 1.0,
        filter: Select | list[Select] | tuple[Select, ...] | None = None,  # noqa: A002 - the public name
        flow_name: str | None = None,
        *,
        rate: str | Hawkes | Callable[[Any], object] | None = None,
        season: Season | None = None,
        every: Distribution | str | float | timedelta | None = None,
    ) -> Callable[[F], F]:
        """Register a generator function as a flow; the function itself is returned.

        Flows start in proportion to ``initiation_weight`` among those whose ``filter`` matches an
        available entity. The name defaults to the function's. ``sim.flow()(shop.visit)`` takes a method,
        a `functools.partial` or an object with ``__call__`` as well. A function that is declared again, in a
        cell of a notebook that is run once more, takes the place of the one before.

        With a ``rate``, such as ``"1200/h"``, it starts of itself instead, at the instants of a Poisson
        process, however many flows are active; ``season``, of `deep_faker.seasons`, says how that changes.
        With ``every`` (a time, or a distribution of seconds such as ``Exponential(days=7)``), each entity of
        the ``filter`` has a clock of its own, at whose instants the flow starts with it; with a ``season``
        these clocks go faster and slower.

        Raises `DeclarationError` for a weight that is no number ≥ 0, a filter that is no Select, a rate
        that cannot be read, or a name that is taken.
        """
        if callable(initiation_weight):
            name = getattr(initiation_weight, "__name__", "flow")
            raise SettingsError(
                Diagnostic(
                    "flow without parentheses",
                    caller_span(),
                    f"{name} is given as an argument",
                    "write @sim.flow() with the parentheses",
                )
            )
        given = {"rate": rate, "season": season, "every": every}
        return self._register(initiation_weight, filter, flow_name, **given)

    def on(
        self,
        event: type[BaseEvent],
        after: Distribution | str | float | timedelta | None = None,
        *,
        filter: Select | list[Select] | tuple[Select, ...] | None = None,  # noqa: A002 - as in `flow`
        flow_name: str | None = None,
    ) -> Callable[[F], F]:
        """Register a flow that each ``event`` starts, ``after`` a time: a distribution of seconds, ``"2h"``.

        It starts with those entities of its ``filter`` that the flow had that emitted the event, when they
        are free. Raises `DeclarationError` for what is no event or no time, and what `flow` refuses.
        """
        return self._register(1.0, filter, flow_name, on=event, after=after)

    def _register(self, weight: float, filters: object, name: str | None, **how: Any) -> Callable[[F], F]:
        from deep_faker.compile import declare_flow

        span = declared_span()

        def register(function: F) -> F:
            taken = {flow.name: flow for flow in self._flows}
            declared = declare_flow(function, weight, filters, name, span, taken, **how)
            if declared.name in taken:
                self._flows[self._flows.index(taken[declared.name])] = declared
            else:
                self._flows.append(declared)
            return function

        return register

    def remove_flow(self, name: str) -> None:
        """Forget the flow of that name: one that was renamed in a notebook, say.

        Raises `SettingsError` where there is none.
        """
        names = [flow.name for flow in self._flows]
        if name not in names:
            label = f"the simulation has no flow {name!r}"
            raise SettingsError(Diagnostic("unknown flow", caller_span(), label, near(str(name), names)))
        del self._flows[names.index(name)]
