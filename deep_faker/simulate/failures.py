"""What a run stops for, said in the same words by every engine.

Nothing else in this room builds a diagnostic; `tests/test_architecture.py` holds it to that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from deep_faker.errors import (
    CheckpointError,
    DeclarationError,
    Diagnostic,
    FlowError,
    InvalidValueError,
    KeySpaceError,
    RunError,
    SettingsError,
    StalledFlowError,
    wrong_setting,
)
from deep_faker.spans import Span

ATTEMPTS = 1_000
"""Draws of one key before its space counts as full (N7)."""

STALL = 10_000
"""Actions of one flow without time passing before the run stops (T6)."""

TURNS = 1_000_000
"""Turns of a flow's loops between two yields before the run stops."""


class Failures:
    """The flows that fail in one time step: the run stops for the first of them in the order of T9.

    Engines do a step's work in different orders, so the first failure that one meets is no measure. A flow
    that has failed does nothing more; the others finish the step.
    """

    def __init__(self) -> None:
        self.found: list[tuple[int, int, Exception]] = []

    def add(self, clock: int, number: int, error: Exception) -> None:
        """Flow ``number`` failed at its ``clock``."""
        self.found.append((clock, number, error))

    def drop(self, first: int, after: int) -> None:
        """What flows with numbers from ``first`` on did in this step, or any ``after``, has not been."""
        self.found = [failure for failure in self.found if failure[1] < first and failure[0] < after]

    def first(self) -> Exception | None:
        """What the run has to stop for, if anything."""
        return min(self.found, key=lambda failure: failure[:2])[2] if self.found else None

    def check(self) -> None:
        """Stop the run at the end of a step in which a flow has failed."""
        error = self.first()
        if error is not None:
            raise error


def taken(entity: str, name: str, key: object, span: Span | None, *, drawn: bool) -> KeySpaceError:
    """The error for a key that an entity has already; ``drawn``: in `ATTEMPTS` draws none was new."""
    if drawn:  # a default alone is one key
        label = f"{ATTEMPTS:,} draws of {name!r} in a row gave keys that exist already"
        mend = "give the key a generator with more room, or make fewer entities"
        return KeySpaceError(Diagnostic(f"too few keys for {entity}", span, label, mend))
    label = f"{entity} with {name}={key!r} exists already"
    return KeySpaceError(
        Diagnostic(f"duplicate key of {entity}", span, label, "give each entity a key of its own")
    )


def failed(flow: str, span: Span | None, cause: Exception) -> RunError:
    """The error for an exception that a flow's own code raised.

    What would have been refused at declaration, had the value been known, is said in the words of there.
    """
    if isinstance(cause, DeclarationError):
        diagnostic = cause.diagnostic
        kind = InvalidValueError if diagnostic.title.startswith("wrong type") else FlowError
        title = f"{diagnostic.title} in flow {flow!r}"
        return kind(Diagnostic(title, diagnostic.span or span, diagnostic.label, diagnostic.help))
    name = type(cause).__name__
    return FlowError(Diagnostic(f"{name} in flow {flow!r}", span, f"{name}: {cause}"))


def not_held(entity: str) -> ValueError:
    """The exception for ``ctx.add_entity`` of an entity that the flow has not got."""
    return ValueError(
        f"add_entity({entity}, …) of an entity that this flow does not hold; pick it with yield "
        "Select(…), select_entities(…)[0] or get_random_available_entity(…)"
    )


def check_bits(entity: str, field: str, value: object) -> None:
    """Raises `OverflowError` for an int that a state field of ints cannot hold."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise OverflowError(f"{entity}.{field} = {value} does not fit into 64 bits")


def of_none(op: str, field: str | None = None) -> TypeError:
    """The exception for an operator that changes a field which is None; ``field``: with its entity type."""
    where = "a state field that is None" if field is None else f"{field}, which is None"
    return TypeError(f"{op!r} on {where}")


def got_none(kind: str) -> TypeError:
    """The exception for a None where a value of ``kind`` is stored."""
    return TypeError(f"expected {kind}, got None")


def invalid(name: str, value: object, reason: str, span: Span | None, mend: str) -> InvalidValueError:
    """The error for a value that the model of an event refuses."""
    return InvalidValueError(Diagnostic(f"invalid value for {name}", span, f"{value!r}: {reason}", mend))


def at_line(error: DeclarationError, span: Span | None) -> DeclarationError:
    """The error of a declaration that was made for a flow, at the flow's line instead of ours."""
    return DeclarationError(replace(error.diagnostic, span=span))


def no_action(flow: str, span: Span | None, value: object) -> FlowError:
    """The error for what a flow yields that is no action."""
    label = f"flow {flow!r} yielded {value!r}"
    mend = "yield NewEvent(…), AddDecay(…), Select(…) or SetState(…)"
    return FlowError(Diagnostic("a flow yields actions", span, label, mend))


def empty_field(event: str, field: str, span: Span | None) -> FlowError:
    """The error for a field of an event that nothing fills."""
    label = f"{event}.{field} has no generator and no default, and no entity's key fills it"
    mend = f"give it: NewEvent(ctx, {event}, {field}=…)"
    return FlowError(Diagnostic("a required field is empty", span, label, mend))


def out_of_time(flow: str, span: Span | None) -> FlowError:
    """The error for a wait after which a flow's clock has no date."""
    label = "the clock would pass the end of the year 9999"
    mend = 'wait for a shorter time, or stop flows at the end of the run with on_end="cut"'
    return FlowError(Diagnostic(f"a wait too long in flow {flow!r}", span, label, mend))


def wrong_rate(
    flow: str, entity: str, state: Mapping[str, object], rate: float, most: float
) -> InvalidValueError:
    """The error for a rate from state that is none (T15)."""
    shown_state = ", ".join(f"{name}={value!r}" for name, value in state.items())
    label = f"the rate of {flow} is {rate!r} a second for a {entity} with {shown_state}"
    mend = f"a rate is 0 or more, and at most {most:,.0f}"
    return InvalidValueError(Diagnostic("a rate that is none", None, label, mend))


def too_many_triggers(flow: str, event: str, most: int) -> RunError:
    """The error for events that start flows that emit ever more of them (T14)."""
    label = f"{flow} is to start more than {most:,} times at once, after {event}"
    mend = (
        f"where a flow that {event} starts leads to {event} again, let it do so less than once on average, "
        "or give a longer after="
    )
    return RunError(Diagnostic("starts that grow without end", None, label, mend))


def is_weight(value: object) -> bool:
    """Whether ``Select(weight=…)`` can draw by a number; null counts as 0."""
    return value is None or (isinstance(value, (int, float)) and 0 <= value < math.inf)


def wrong_weight(entity: str, key: object, field: str, value: object) -> InvalidValueError:
    """The error for a state field that ``Select(weight=…)`` cannot draw by (N9)."""
    label = f"{entity} {key!r} has {field} = {value!r}, and Select(weight={field!r}) draws by it"
    return InvalidValueError(
        Diagnostic(f"{entity}.{field} is no weight", None, label, "a weight is finite, and 0 or more")
    )


def stalled(flow: str, span: Span | None) -> StalledFlowError:
    """The error for a flow whose clock stands still."""
    label = f"{STALL:,} actions of flow {flow!r} without time passing"
    mend = "let time pass with yield AddDecay(ctx, seconds=…), or leave the loop"
    return StalledFlowError(Diagnostic("a flow does not move on", span, label, mend))


def spinning(flow: str, span: Span | None) -> StalledFlowError:
    """The error for a flow in a loop that neither yields nor ends."""
    label = f"{TURNS:,} turns of loops in flow {flow!r} without a yield"
    mend = "leave the loop, or yield in it"
    return StalledFlowError(Diagnostic("a flow does not move on", span, label, mend))


def too_late(flow: str, span: Span | None, does: str) -> FlowError:
    """The error for what a flow does in its ``finally`` that only a flow that goes on can do."""
    label = f"flow {flow!r} has ended, and {does} in its finally"
    return FlowError(Diagnostic("a flow that has ended", span, label, "do it before the flow can end"))


# ---------------------------------------------------------------- what a flow's own code may not do


def no_flow_runs() -> RuntimeError:
    """The exception for a function of a flow's code that is called from elsewhere."""
    return RuntimeError("this function belongs to a flow, and no flow is running")


def no_queue(span: Span, keyword: str) -> RunError:
    """The exception for a selection in ordinary code that is to wait, or to give a list."""
    label = f"a selection in an expression gives one entity, at once: {keyword}= has no place there"
    return RunError(
        Diagnostic(f"{keyword}= goes with yield", span, label, f"write yield Select(…, {keyword}=…)")
    )


def not_running() -> RuntimeError:
    """The exception for a pick by a context whose flow is not being run."""
    return RuntimeError("the flow is not running")


def other_thread() -> RuntimeError:
    """The exception for a pick that other code than the flow's makes."""
    return RuntimeError("only the flow's own code, on its own thread, can pick entities")


def not_keyed(name: str, why: str, mend: str) -> TypeError:
    """The exception for a source of numbers that do not come from the simulation's seed (F3)."""
    return TypeError(f"{name} cannot be used in a flow: {why}; {mend}")


def sleeps() -> TypeError:
    """The exception for ``time.sleep`` in a flow."""
    return TypeError("time.sleep does not move a flow's clock; yield AddDecay(ctx, seconds=…) does")


def beyond_placeholder(what: str) -> TypeError:
    """The exception for ``what`` a value cannot do that stands for one of an event to be filled later."""
    return TypeError(
        "the source of this function cannot be read, so mutate=… was evaluated before the event's fields "
        f"were filled; there, a value of ctx.current_event_data knows + - * / only, not {what}"
    )


# ---------------------------------------------------------------- what an engine cannot do


def not_native(why: str) -> SettingsError:
    """The error for ``engine="native"`` where that cannot run."""
    return wrong_setting("engine", "native", f'{why}; use "vectorized", the best that is there')


def not_compiled(cause: Exception) -> SettingsError:
    """The error for ``engine="native"`` whose kernel cannot be made."""
    return wrong_setting("engine", "native", f"the kernel cannot be compiled: {cause}")


def too_many_states(most: int) -> NotImplementedError:
    """The exception for a plan that the numpy engine has no numbers for."""
    return NotImplementedError(f"a plan of more than {most:,} states")


def reference_not_saved() -> CheckpointError:
    """The error for a checkpoint of the reference engine."""
    mend = 'run with engine="vectorized"'
    return CheckpointError(
        Diagnostic("the reference engine cannot be saved", None, "it runs generators", mend)
    )


def generator_not_saved(flow: str, span: Span | None, why: str) -> CheckpointError:
    """The error for a checkpoint of a flow that was not compiled."""
    return CheckpointError(
        Diagnostic(f"flow {flow!r} cannot be saved", span, f"it runs as a generator: {why}")
    )
