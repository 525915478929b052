"""Flows given as source text, compiled, and run by all engines, which must tell one story."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from deep_faker import Simulation
from deep_faker.fill.events import Columns
from deep_faker.plan import OUTCOMES, Expr, FlowTable, Plan
from tests.support.engines import engine_of, engines_for, events_of, final_states, traces_of

WORLD = """
import math, random, time, uuid
from datetime import date, datetime, timedelta
from typing import Any, Literal
import shortuuid
from pydantic import field_validator
from deep_faker import (
    AddDecay, BaseEvent, Choice, Entity, Exponential, Field, FlowContext, LogNormal, NewEvent, Normal, Now,
    Select, SetState, Simulation, StateField, Uniform,
)

class UserMade(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    country: str = Field(faker="random_element", elements=["de", "fr", "it"])
    age: int = Field(faker="random_int", min=18, max=80)
    name: str = Field(faker="first_name")

class User(Entity):
    source_event = UserMade
    primary_key = "user_id"
    country: str = StateField(from_field="country", type_=str)
    age: int = StateField(from_field="age", type_=int)
    name: str = StateField(from_field="name", type_=str)
    visits: int = StateField(default=0, type_=int)
    spent: float = StateField(default=0.0, type_=float)
    tier: str = StateField(default="new", type_=str)
    seen: datetime | None = StateField(default=None, type_=datetime)

class ProductMade(BaseEvent):
    product_id: str = Field(faker="bothify", text="P-#####")
    price: float = Field(faker="pyfloat", min_value=1.0, max_value=90.0, right_digits=2)

class Product(Entity):
    source_event = ProductMade
    primary_key = "product_id"
    price: float = StateField(from_field="price", type_=float)
    sold: int = StateField(default=0, type_=int)

class Note(BaseEvent):
    value: Any = None

class Bought(BaseEvent):
    user_id: str
    product_id: str
    amount: float = Field(faker="pyfloat", min_value=1.0, max_value=100.0, right_digits=2)
    method: str = Field(faker="random_element", elements=["card", "cash"])

sim = Simulation(
    duration="20s", start_time="2024-05-17T09:30:00", n_flows=4, random_seed=5,
    initial_entities={User: 12, Product: 6},
)
"""

FLOW = """
@sim.flow(filter=Select(User))
def flow(ctx):
    user = ctx.get_entity(User)
"""

_numbers = itertools.count()


def module_of(source: str, folder: Path, name: str | None = None) -> ModuleType:
    """A module with that source in a file of its own."""
    name = name or f"flows_{next(_numbers)}"
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def world(source: str, folder: Path) -> Simulation:
    """The simulation of `WORLD` with more declared in it."""
    sim: Simulation = module_of(WORLD + source, folder).sim
    return sim


def flow_of(body: str, folder: Path, before: str = "") -> Simulation:
    """`WORLD` with one flow of users, of which ``body`` is the rest."""
    return world(f"{before}\n{FLOW}{textwrap.indent(textwrap.dedent(body), '    ')}", folder)


def user_flow(text: str) -> str:
    """A flow of users whose rest is ``text``; what follows a line of dashes in it comes before the flow."""
    body, _, before = textwrap.dedent(text).partition("----\n")
    return before + FLOW + textwrap.indent(body, "    ")


# ---------------------------------------------------------------- what it compiled to


def expressions(part: Any) -> Iterator[Expr]:
    """All expressions in a part of a plan."""
    if isinstance(part, Expr):
        yield part
    elif isinstance(part, (tuple, list)):
        for item in part:
            yield from expressions(item)
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            yield from expressions(getattr(part, field.name))


def reasons(table: FlowTable) -> list[str]:
    """Why a flow, or parts of it, go row by row."""
    if table.live is not None:
        return [f"live: {table.live}"]
    parts = [part for state in table.states for part in (state.operations, state.terminator)]
    return [expr.by_row for expr in expressions(parts) if expr.by_row is not None]


# ---------------------------------------------------------------- what happens


@dataclass
class Story:
    """All that one engine made."""

    events: dict[str, list[tuple[Any, ...]]]
    sessions: list[tuple[Any, ...]]
    entities: dict[str, list[Any]]

    def notes(self) -> list[Any]:
        """The values of the Note events."""
        return [row[-1] for row in self.events.get("Note", [])]


def story(plan: Plan, name: str, seed: int = 3) -> Story:
    """Run one engine."""
    engine, binding = engine_of(plan, name, seed)
    traces = traces_of(engine, binding)
    columns = Columns(binding)
    columns.use_sites(engine.sites)
    events: dict[str, list[tuple[Any, ...]]] = {}
    sessions: list[tuple[Any, ...]] = []
    before: Counter[str] = Counter()
    for trace in traces:
        chunk = columns.fill(trace, before)
        before.update(events_of(chunk))
        for kind, table in chunk.tables.items():
            events.setdefault(kind, []).extend(tuple(row.values()) for row in table.to_pylist())
        for ended in trace.ended:
            parts = ("flow", "started", "ended", "outcome", "line", "events")
            sessions += zip(*(getattr(ended, part).tolist() for part in parts), strict=True)
    # traces may be cut elsewhere, so that types come in another order
    return Story(dict(sorted(events.items())), sorted(sessions), final_states(plan, engine, binding))


def agreed(sim: Simulation, *, history: bool = False) -> tuple[Plan, Story]:
    """The plan, and the story on which all engines agree."""
    plan = sim.compile(history=history)
    told = {name: story(plan, name) for name in engines_for(plan)}
    reference = told.pop("reference")
    for name, other in told.items():
        for part in ("events", "sessions", "entities"):
            ours, theirs = getattr(other, part), getattr(reference, part)
            assert repr(ours) == repr(theirs), f"{name}: {part} differ"
    return plan, reference


def outcomes(told: Story) -> set[str]:
    """How flows ended."""
    return {OUTCOMES[session[3]] for session in told.sessions}
