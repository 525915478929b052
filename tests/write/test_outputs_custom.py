"""Outputs that users bring (P6): whole events in order, or frames; closed whatever happens."""

import json

import polars as pl
import pydantic
import pytest
from polars.testing import assert_frame_equal

from deep_faker.declare.schema import BaseEvent, Field, event_spec
from deep_faker.errors import OutputError, SettingsError
from deep_faker.outputs import MemoryOutput, RunInfo
from deep_faker.write import as_output
from deep_faker.write.frames import plain
from tests.support.worlds.output_world import NAMES, Click, Odd, World

WORLD = World(500)


class Collector:
    def __init__(self):
        self.got = []
        self.closed = 0

    def close(self):
        self.closed += 1


class Rows(Collector):
    def send_event(self, event):
        self.got.append(event)


class Frames(Collector):
    def write_batch(self, event_type, frame):
        self.got.append((event_type, frame))


def test_p6_events_one_by_one_in_order():
    target = Rows()
    WORLD.run(as_output(target), [3, 250])
    assert [e.event_type for e in target.got] == [NAMES[code] for code in WORLD.order]
    for name in NAMES:
        own = [e for e in target.got if e.event_type == name]
        rows = WORLD.tables[name].to_pylist()
        assert [(e.sys__eid, e.sys__ets, e.sys__sid) for e in own] == [
            (r["sys__eid"], r["sys__ets"], r["sys__sid"]) for r in rows
        ]
    assert target.closed == 1


def test_p6_events_hold_the_fields_own_types():
    """Equal to what the model itself makes of the values: UUIDs, members, nested values."""
    target = Rows()
    WORLD.run(as_output(target))
    odd = [e for e in target.got if isinstance(e, Odd)]
    for event, row in zip(odd, WORLD.tables["Odd"].to_pylist(), strict=True):
        row["extra"] = None if row["extra"] is None else json.loads(row["extra"])
        assert event == Odd.model_validate(row)
    assert all(type(e) is Click for e in target.got if e.event_type == "Click")


class Doubled(BaseEvent):
    n: int = Field(alias="amount")
    m: int = Field(validation_alias="mm", default=0)

    @pydantic.field_validator("n")
    @classmethod
    def double(cls, value: int) -> int:
        return value * 2


def test_v1_what_pydantic_returned_is_not_validated_again():
    import numpy as np
    import pyarrow as pa

    from deep_faker.outputs import EventChunk

    table = pa.table({"sys__eid": ["x"], "sys__ets": [1], "sys__sid": ["y"], "n": [4], "m": [5]})
    run = RunInfo(1, 0, 1, 1, {"Doubled": event_spec(Doubled)}, {}, {"Doubled": table.schema})
    target = Rows()
    output = as_output(target)
    output.open(run)
    output.write(EventChunk({"Doubled": table}, np.zeros(1, np.uint16), ("Doubled",)))
    (event,) = target.got
    assert (event.n, event.m, event.sys__eid) == (4, 5, "x")


def test_p6_frames():
    target = Frames()
    WORLD.run(as_output(target), [100])
    for name in NAMES:
        frame = pl.concat([f for n, f in target.got if n == name])
        assert_frame_equal(frame, pl.from_arrow(plain(WORLD.tables[name])))
    assert target.closed == 1


class Broken(Collector):
    def send_event(self, event):
        if len(self.got) == 42:
            raise ConnectionError("gone")
        self.got.append(event)


def test_p6_closed_on_failure_too():
    """The object's own exception is the cause; what it took before is counted."""
    target = Broken()
    with pytest.raises(
        OutputError, match=r"Broken failed: ConnectionError: gone\nit had taken 42 events"
    ) as e:
        WORLD.run(as_output(target))
    assert isinstance(e.value.__cause__, ConnectionError)
    assert target.closed == 1


def test_p6_a_close_that_fails_is_heard_once():
    class Sticky(Rows):
        def close(self):
            super().close()
            raise OSError("stuck")

    target = Sticky()
    with pytest.raises(OutputError, match="Sticky failed: OSError: stuck"):
        WORLD.run(as_output(target))
    assert target.closed == 1


def test_an_interrupt_passes():
    class Stop(Rows):
        def send_event(self, event):
            raise KeyboardInterrupt

    target = Stop()
    with pytest.raises(KeyboardInterrupt):
        WORLD.run(as_output(target))
    assert target.closed == 1


def test_close_is_optional_and_runs_can_repeat():
    class Counter:
        n = 0

        def send_event(self, event):
            self.n += 1

    target = Counter()
    output = as_output(target)
    WORLD.run(output)
    WORLD.run(output)
    assert target.n == 1000


@pytest.mark.parametrize("wrong", [None, 3, "out", object(), [], Rows, MemoryOutput])
def test_what_takes_no_events(wrong):
    with pytest.raises(SettingsError, match="not an output"):
        as_output(wrong)


def test_the_packages_own_stay_as_they_are():
    memory = MemoryOutput()
    assert as_output(memory) is memory
