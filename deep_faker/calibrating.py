"""The half of the facade that knows averages: what a run will have, and the rates for what it is to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from deep_faker.spans import caller_span

if TYPE_CHECKING:
    from deep_faker.compile import FlowDeclaration
    from deep_faker.features.calibration import Calibration
    from deep_faker.features.expectations import Expectations
    from deep_faker.plan import Plan


class Calibrated:
    """Averages of a `Simulation`."""

    _flows: list[FlowDeclaration]
    if TYPE_CHECKING:
        compile: Callable[..., Plan]

    def expectations(self) -> Expectations:
        """How many events of each type a run has on average, from the compiled flows, without running.

        >>> from deep_faker import BaseEvent, NewEvent, Simulation
        >>> class Visit(BaseEvent):
        ...     pass
        >>> sim = Simulation("1d", start_time="2024-01-01")
        >>> @sim.flow(rate="100/h")
        ... def visit(ctx):
        ...     yield NewEvent(ctx, Visit)
        >>> print(sim.expectations())
        events in the run, on average
                               2,400  Visit
        """
        from deep_faker.features.expectations import expectations

        return expectations(self.compile())

    def calibrate(
        self,
        wanted: Mapping[type | str, str | float] | None = None,
        *,
        conversion: Mapping[tuple[type | str, type | str], float] | None = None,
    ) -> Calibration:
        """Set the rates of flows so that a run has as many events as are ``wanted``, on average.

        ``wanted``: event type → ``"12000/day"``, the mean over the run, or a number in the whole run. Changed
        are the rates of flows that emit these types, each as little as goes in proportion; the result says
        how. ``conversion={(Visit, Order): 0.05}``: so many orders for each visit. No code is changed for it:
        where it does not hold, it is refused with the line of the chance that decides it, and its new value.

        Raises `DeclarationError`, with the arithmetic, for what no rates can give, for a type that no flow
        emits, and where the table does not tell how many there are. Nothing has changed then.

        >>> from deep_faker import BaseEvent, NewEvent, Simulation
        >>> class Visit(BaseEvent):
        ...     pass
        >>> sim = Simulation("1d", start_time="2024-01-01")
        >>> @sim.flow(rate="1/h")
        ... def visit(ctx):
        ...     yield NewEvent(ctx, Visit)
        ...     yield NewEvent(ctx, Visit)
        >>> print(sim.calibrate({Visit: "12000/day"}))
        rates
          visit: 1/h → 250/h
        events in the run, on average
          Visit: 48.00 → 12,000.00, wanted 12,000.00
        """
        from deep_faker.features.calibration import Calibration, calibrate, require_conversion

        plan, span = self.compile(), caller_span()
        require_conversion(plan, {} if conversion is None else conversion, span)
        if wanted is None and conversion is not None:
            return Calibration((), {}, {}, {})
        found = calibrate(plan, {} if wanted is None else wanted, span)
        self._flows[:] = found.applied(self._flows)
        return found
