"""The engines, in one place: what is tested "on every engine" runs on these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deep_faker.draws.mix import Draws
from deep_faker.fill.binding import Binding
from deep_faker.plan import Plan, Trace
from deep_faker.plan.storage import to_python
from deep_faker.simulate.choice import engine_for
from deep_faker.simulate.engine import Engine
from deep_faker.simulate.native.lower.program import why_not
from deep_faker.simulate.native.machine import cache
from deep_faker.write import EventChunk

ENGINES = ("numpy", *["native"] * (cache.available() is None), "reference")
SAVING = tuple(name for name in ENGINES if name != "reference")  # those that keep checkpoints


def engines_for(plan: Plan) -> list[str]:
    """The engines that can run a plan, the reference last."""
    return [name for name in ENGINES if name != "native" or why_not(plan) is None]


every_engine = pytest.mark.parametrize("engine", ENGINES)


def engine_of(plan: Plan, name: str, seed: int = 1) -> tuple[Engine, Binding]:
    """An engine that has not run, and the binding that makes its values."""
    draws = Draws(seed)
    binding = Binding(plan, draws)
    return engine_for(plan, name).factory(plan, draws, binding), binding


def traces_of(engine: Engine, binding: Binding, stop_before_step: int | None = None) -> list[Trace]:
    """The traces of a run; the binding knows their keys then."""
    traces = [raw.take() for raw in engine.run(stop_before_step)]
    for trace in traces:
        binding.note_keys(trace.keys)
    return traces


def final_states(plan: Plan, engine: Engine, binding: Binding) -> dict[str, list[Any]]:
    """Births, keys and state of the entities at the end, as Python values."""
    out = {}
    for name, entity in plan.entities.items():
        born = engine.entities(name)
        out[f"births of {name}"] = [
            part.tolist() for part in (born.number, born.flow, born.action, born.clock)
        ]
        out[f"{name} keys"] = binding.key_column(name, born.number).to_pylist()
        for column in entity.columns:
            if not column.lazy:
                values, nulls = engine.column(name, column.name)
                known = None if nulls is None else nulls[born.number]
                whole = to_python(np.asarray(values)[born.number], known, column.type, plan.texts)
                out[f"{name}.{column.name}"] = whole
                for some in (slice(1, 4), slice(None, None, 3)):  # side by side, and with others between
                    part = engine.column(name, column.name, born.number[some])
                    assert repr(to_python(*part, column.type, plan.texts)) == repr(whole[some])
    return out


def events_of(chunk: EventChunk) -> dict[str, int]:
    """How many events of each type a chunk holds."""
    return {name: table.num_rows for name, table in chunk.tables.items()}
