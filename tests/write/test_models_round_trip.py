"""Any model: what is written of it is read back equal from every format, or it is refused at declaration."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, note, settings

from deep_faker import BaseEvent, Dataset
from deep_faker.declare.schema import event_spec
from deep_faker.declare.schema.json_values import EventReader
from deep_faker.errors import DeclarationError
from tests.support.worlds.models import PHASES, models, simulation


def read(event: type[BaseEvent], data: Dataset) -> list[dict[str, Any]]:
    frame = data[event]
    names = [field.name for field in event_spec(event).columns]
    events = EventReader(event_spec(event)).events(
        {name: frame[name].to_arrow().to_pylist() for name in names}
    )
    return [{name: getattr(each, name) for name in names} for each in events]


@settings(max_examples=25, phases=PHASES)
@given(drawn=models())
def test_any_model_comes_back_equal_or_is_refused_at_declaration(drawn):
    """Whatever a model's fields are of, and whatever their values, in every format."""
    event, rows = drawn
    note(str({name: info.annotation for name, info in event.model_fields.items()}))
    try:
        event_spec(event)
    except DeclarationError:
        return
    own = [{name: getattr(event(**values), name) for name in values} for values in rows]
    sim = simulation(event, rows)
    assert read(event, sim.collect()) == own
    for format_ in ("parquet", "arrow", "csv", "jsonl"):
        folder = Path(tempfile.mkdtemp())
        try:
            sim.run(folder / "out", format=format_, progress=False)
            assert read(event, Dataset.open(folder / "out")) == own, format_
        finally:
            shutil.rmtree(folder)
