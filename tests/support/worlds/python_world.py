"""Small flows that note one text, run by all engines, which must tell what Python tells."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from deep_faker.errors import DeepFakerError
from deep_faker.plan import Plan
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

HEAD = """
import bisect, functools, heapq, itertools, math, os, platform, random, socket, threading, time
from collections import defaultdict
from datetime import date, datetime, timedelta
from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, SetState, Simulation, StateField

class Note(BaseEvent):
    text: str

class Made(BaseEvent):
    key: str = Field(faker="shortuuid", length=8)

class User(Entity):
    source_event = Made
    primary_key = "key"
    score: float = StateField(default=0.0)
    visits: int = StateField(default=0)

sim = Simulation("2s", start_time="2024-01-01", n_flows=8, random_seed=3, initial_entities={User: 40})
"""
FLOW = """
@sim.flow(filter=Select(User))
def flow(ctx):
    user = ctx.get_entity(User)
    n = random.randint(0, 2)
"""


def program(body: str, before: str = "") -> str:
    """A module with one flow, of which ``body`` is the rest; ``n`` is 0, 1 or 2 in it."""
    return HEAD + textwrap.dedent(before) + FLOW + textwrap.indent(textwrap.dedent(body), "    ")


def noting(expression: str) -> str:
    return f"yield NewEvent(ctx, Note, text=str({expression}))"


def plan_of(body: str, folder: Path, before: str = "") -> Plan:
    return compiled(load_text(program(body, before), folder))


def told(body: str, folder: Path, before: str = "") -> list[Any] | DeepFakerError:
    """What the flows note, or the error that ends the run: the same from all engines, errors by their place too."""
    plan = plan_of(body, folder, before)
    made = {name: tables(plan, 1, name) for name in engines_for(plan)}
    reference = made["reference"]
    for name, result in made.items():
        assert not (found := differences(result, reference)), (name, found)
        if isinstance(result, DeepFakerError) and isinstance(reference, DeepFakerError):
            assert result.diagnostic.label == reference.diagnostic.label, name
    if isinstance(reference, DeepFakerError):
        return reference
    texts: list[Any] = reference["events/Note"]["text"].to_pylist()
    return texts


def is_live(body: str, folder: Path, before: str = "") -> bool:
    return plan_of(body, folder, before).flows[0].live is not None
