"""Which engine runs a plan: the name that a user gives, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deep_faker.errors import wrong_setting

if TYPE_CHECKING:
    from deep_faker.draws import Draws
    from deep_faker.engine.protocol import Engine, Factory
    from deep_faker.plan import FieldDraws, Plan

ENGINES = ("vectorized", "native", "numpy", "reference")


class Choice(NamedTuple):
    """How to make the engine, and ``why``: which one it is and what it does, as `explain` says it."""

    factory: Factory
    why: str


def engine_for(plan: Plan, name: str) -> Choice:
    """The engine that ``name``, one of `ENGINES`, stands for; ``vectorized`` is the best that is there.

    Raises `SettingsError` where that engine cannot run here.
    """
    if name == "reference":
        from deep_faker.engine.reference import ReferenceEngine

        return Choice(ReferenceEngine, "reference: each flow runs as the generator that it is")
    if name == "numpy":
        return _numpy()
    why_not = _not_native(plan)
    if name == "native":
        if why_not is not None:
            raise wrong_setting("engine", name, f'{why_not}; use "vectorized", the best that is there')
        return Choice(_native, "native: one compiled kernel walks the table of all flows")
    return _numpy(why_not) if why_not is not None else Choice(_best, "native: one compiled kernel walks the table of all flows")


def _numpy(why: str | None = None) -> Choice:
    from deep_faker.engine.kernel import ColumnEngine

    text = "numpy: the flows that are due advance together, by column"
    return Choice(ColumnEngine, text if why is None else f"{text} (not native: {why})")


def _not_native(plan: Plan) -> str | None:
    """Why a plan cannot run natively, here or at all; None where it can."""
    from deep_faker.engine.native import cache
    from deep_faker.engine.native.lower import why_not

    return why_not(plan) or cache.available()


def _native(plan: Plan, draws: Draws, fields: FieldDraws) -> Engine:
    """The native engine; its kernel is compiled first where that has not been done."""
    from deep_faker.engine.native import cache
    from deep_faker.engine.native.checking import CHECKED
    from deep_faker.engine.native.engine import NativeEngine
    from deep_faker.engine.native.takeover import compile_now

    if not CHECKED and not cache.ready():
        try:
            compile_now()
        except (OSError, RuntimeError) as error:
            raise wrong_setting("engine", "native", f"the kernel cannot be compiled: {error}") from error
    return NativeEngine(plan, draws, fields)


def _best(plan: Plan, draws: Draws, fields: FieldDraws) -> Engine:
    """The native engine where its kernel is there, else one that begins by numpy and goes over to it."""
    from deep_faker.engine.native.checking import CHECKED
    from deep_faker.engine.native.engine import NativeEngine
    from deep_faker.engine.native.takeover import Takeover

    if CHECKED:
        return NativeEngine(plan, draws, fields)
    takeover = Takeover()
    if takeover.kernel is not None:
        return NativeEngine(plan, draws, fields, takeover.kernel.functions)
    if not takeover.waiting:
        from deep_faker.engine.kernel import ColumnEngine

        return ColumnEngine(plan, draws, fields)
    from deep_faker.engine.vectorized import VectorizedEngine

    return VectorizedEngine(plan, draws, fields, takeover)
