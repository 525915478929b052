"""Which engine runs a plan: the name that a user gives, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deep_faker.simulate.failures import not_compiled, not_native

if TYPE_CHECKING:
    from deep_faker.draws.mix import Draws
    from deep_faker.plan import FieldDraws, Plan
    from deep_faker.simulate.engine import Engine, Factory
    from deep_faker.simulate.native.lower.forms import Forms

ENGINES = ("vectorized", "native", "numpy", "reference")


class Choice(NamedTuple):
    """How to make the engine, and ``why``: which one it is and what it does, as `explain` says it."""

    factory: Factory
    why: str


def engine_for(plan: Plan, name: str) -> Choice:
    """The engine that ``name``, one of `ENGINES`, stands for; ``vectorized`` is the best that is there.

    Raises `SettingsError` where that engine cannot run here. So does a factory of ``native`` for a plan that
    turns out to have no native form while it is lowered; that of ``vectorized`` makes the numpy engine then.
    """
    if name == "reference":
        from deep_faker.simulate.reference.engine import ReferenceEngine

        return Choice(ReferenceEngine, "reference: each flow runs as the generator that it is")
    if name == "numpy":
        return _numpy()
    why_not = _not_native(plan)
    if name == "native":
        if why_not is not None:
            raise not_native(why_not)
        return Choice(_native, _NATIVE)
    return _numpy(why_not) if why_not is not None else Choice(_best, _NATIVE)


def explained(plan: Plan, draws: Draws, fields: FieldDraws) -> tuple[str, Forms | None]:
    """What `Choice.why` says of the best engine, and what the plan is natively; None where it runs otherwise.

    The plan is lowered for that, so that what only lowering tells is said, too.
    """
    why_not = _not_native(plan)
    if why_not is None:
        from deep_faker.simulate.native.lower.program import forms_of
        from deep_faker.simulate.native.lower.writer import NotLowerableError

        try:
            return _best_now(), forms_of(plan, draws, fields)
        except NotLowerableError as error:
            why_not = str(error)
    return _numpy(why_not).why, None


def is_native(plan: Plan) -> bool:
    """Whether the compiled kernel runs a plan, as far as can be told without lowering it."""
    return _not_native(plan) is None


def _best_now() -> str:
    """Which engine a plan that has a native form would run on, at this moment."""
    from deep_faker.simulate.native.kernel.checking import CHECKED
    from deep_faker.simulate.native.machine import cache

    try:
        if CHECKED or cache.ready():
            return _NATIVE
        failure = cache.failure()
    except (OSError, ImportError) as error:  # no source to compile, as `Takeover` finds it
        failure = str(error)
    if failure is not None:
        return _numpy(failure).why
    return f"{_numpy().why}, until the native kernel has been compiled; that takes over then"


_NATIVE = "native: one compiled kernel walks the table of all flows"


def _numpy(why: str | None = None) -> Choice:
    from deep_faker.simulate.columns.engine import ColumnEngine

    text = "numpy: the flows that are due advance together, by column"
    return Choice(ColumnEngine, text if why is None else f"{text} (not native: {why})")


def _not_native(plan: Plan) -> str | None:
    """Why a plan cannot run natively, here or at all; None where it can."""
    from deep_faker.simulate.native.lower.program import why_not
    from deep_faker.simulate.native.machine import cache

    return why_not(plan) or cache.available()


def _native(plan: Plan, draws: Draws, fields: FieldDraws) -> Engine:
    """The native engine; its kernel is compiled first where that has not been done."""
    from deep_faker.simulate.native.engine import NativeEngine
    from deep_faker.simulate.native.kernel.checking import CHECKED
    from deep_faker.simulate.native.lower.program import forms_of
    from deep_faker.simulate.native.lower.writer import NotLowerableError
    from deep_faker.simulate.native.machine import cache
    from deep_faker.simulate.native.machine.takeover import compile_now

    try:
        if not CHECKED and not cache.ready():
            forms_of(plan, draws, fields)  # nobody waits for the compiler to be refused then
            compile_now()
        return NativeEngine(plan, draws, fields)
    except NotLowerableError as error:
        raise not_native(str(error)) from None
    except (OSError, RuntimeError) as error:
        raise not_compiled(error) from error


def _best(plan: Plan, draws: Draws, fields: FieldDraws) -> Engine:
    """The native engine where its kernel is there, else one that begins by numpy and goes over to it."""
    from deep_faker.simulate.columns.engine import ColumnEngine
    from deep_faker.simulate.native.engine import NativeEngine
    from deep_faker.simulate.native.kernel.checking import CHECKED
    from deep_faker.simulate.native.lower.writer import NotLowerableError
    from deep_faker.simulate.native.machine.takeover import Takeover

    takeover = None if CHECKED else Takeover()
    if takeover is not None and takeover.waiting:
        from deep_faker.simulate.vectorized import VectorizedEngine

        return VectorizedEngine(plan, draws, fields, takeover)
    if takeover is not None and takeover.kernel is None:
        return ColumnEngine(plan, draws, fields)
    functions = None if takeover is None or takeover.kernel is None else takeover.kernel.functions
    try:
        return NativeEngine(plan, draws, fields, functions)
    except NotLowerableError:
        return ColumnEngine(plan, draws, fields)
