"""Which engine runs a plan: the name that a user gives, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deep_faker.errors import wrong_setting

if TYPE_CHECKING:
    from deep_faker.engine.protocol import Factory
    from deep_faker.plan import Plan

ENGINES = ("vectorized", "native", "numpy", "reference")


class Choice(NamedTuple):
    """How to make the engine, and ``why``: which one it is and what it does, as `explain` says it."""

    factory: Factory
    why: str


def engine_for(plan: Plan, name: str) -> Choice:
    """The engine that ``name``, one of `ENGINES`, stands for; ``vectorized`` is the best that is there.

    Raises `SettingsError` where that engine cannot run here.
    """
    del plan  # no engine is for some plans only
    if name == "reference":
        from deep_faker.engine.reference import ReferenceEngine

        return Choice(ReferenceEngine, "reference: each flow runs as the generator that it is")
    if name == "native":
        mend = 'this version has no native engine: use "vectorized", the best that is there'
        raise wrong_setting("engine", name, mend)
    from deep_faker.engine.kernel import ColumnEngine

    return Choice(ColumnEngine, "numpy: the flows that are due advance together, by column")
