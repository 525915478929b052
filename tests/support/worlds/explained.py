"""Flows given as text, and what `explain` says of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from deep_faker import Simulation
from deep_faker.loader import load_simulation

HEAD = """
import random
from datetime import datetime, timedelta
from pydantic import field_validator
from deep_faker import *

class Made(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    job: str = Field(faker="name")

class Seen(BaseEvent):
    user_id: str
    n: int

class User(Entity):
    source_event = Made
    primary_key = "user_id"
    n: int = StateField(default=0, type_=int)
    last: datetime | None = StateField(default=None, type_=datetime)

sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=2, random_seed=1, initial_entities={User: 5})
"""


def explained(tmp_path: Path, body: str) -> tuple[str, list[str]]:
    """The text for a file with these flows, and the file's lines."""
    file = tmp_path / "flows.py"
    file.write_text(HEAD + textwrap.dedent(body))
    sim = load_simulation(str(file))
    assert isinstance(sim, Simulation)
    return sim.explain(), file.read_text().splitlines()
