"""Files and fields whose names mean something to the machinery: they work, or are refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deep_faker import BaseEvent, Dataset, Field, NewEvent, ParquetOutput, Simulation
from deep_faker.errors import DeclarationError, UsageError
from deep_faker.loader import load_simulation
from tests.support.engines import every_engine

PROGRAM = """
from deep_faker import BaseEvent, Field, NewEvent, Simulation
class Ping(BaseEvent):
    name: str = Field(faker="name")
sim = Simulation("3s", start_time="2024-01-01", n_flows=1, random_seed=1)
@sim.flow()
def go(ctx):
    yield NewEvent(ctx, Ping)
sim.preview(1)
"""


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    """What loading adds to the interpreter goes again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = dict(sys.modules)
    yield
    for name in [*sys.modules]:
        if name not in before:
            del sys.modules[name]


@pytest.mark.parametrize("name", ["faker", "mimesis", "polars", "rich", "random", "types", "json", "queue"])
def test_a_program_named_as_a_library(name, tmp_path):
    """It would be imported in the library's place: the message says to rename it."""
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    module = sys.modules.get(name)
    with pytest.raises(UsageError, match=f"{name} is the name of a library") as raised:
        load_simulation(str(tmp_path / f"{name}.py"))
    assert "rename it" in str(raised.value)
    assert sys.modules.get(name) is module


@pytest.mark.parametrize("beside", ["faker.py", "mimesis/__init__.py", "polars.py"])
def test_a_program_beside_a_file_named_as_a_library(beside, tmp_path):
    """Its folder is searched first, as Python does: the library would not be found."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("")
    with pytest.raises(UsageError, match="hides the library"):
        load_simulation(str(tmp_path / "shop.py"))


@pytest.mark.parametrize("name", ["test", "shop", "faker_shop", "secrets_of_mine", "mimesis2"])
def test_other_names_are_free(name, tmp_path):
    """Also those that begin like a library's."""
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    assert len(load_simulation(str(tmp_path / f"{name}.py")).preview(2)) == 2


def test_a_script_named_as_a_library(tmp_path):
    """`python faker.py`: the error says what hides what."""
    (tmp_path / "faker.py").write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "faker.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "error: faker is hidden" in ran.stderr
    assert "help: rename that file" in ran.stderr
    assert "is not drawn from the seed" not in ran.stderr


@pytest.mark.parametrize("name", ["mutate", "save_entity"])
def test_fields_named_as_arguments_of_an_event(name):
    """`NewEvent` has a keyword of that name: the field could never be given, so the class is refused."""
    with pytest.raises(DeclarationError, match=f"{name!r} is an argument of NewEvent"):
        type("Odd", (BaseEvent,), {"__annotations__": {name: int}, "__module__": __name__, name: 1})


@every_engine
@pytest.mark.parametrize("n_flows", [2, 200])
@pytest.mark.parametrize("name", ["ctx", "event_type_", "self", "cls", "fields", "rate", "entity", "changes"])
def test_other_fields_are_free(name, n_flows, engine):
    """What is a positional argument, or an inner name, may be a field, given or generated."""
    odd = type(
        "Odd", (BaseEvent,), {"__annotations__": {name: int, "n": int}, "__module__": __name__, "n": 1}
    )
    sim = Simulation("3s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, odd, **{name: 5})

    assert set(sim.collect(engine=engine)["Odd"][name].to_list()) == {5}


class Bought(BaseEvent):
    place: str = Field(
        faker="random_element",
        elements=["__HIVE_DEFAULT_PARTITION__", "_", "%5F_HIVE_DEFAULT_PARTITION__", "de"],
    )
    maybe: str | None = Field(faker="random_element", elements=["__HIVE_DEFAULT_PARTITION__", None])


@pytest.mark.parametrize("key", ["place", "maybe"])
@pytest.mark.parametrize("form", ["parquet", "csv", "arrow"])
def test_text_that_is_hives_name_of_null(key, form, tmp_path):
    """It is a value like others, and comes back as it was; null does too."""
    sim = Simulation("60s", start_time="2024-01-01", n_flows=2, random_seed=1)

    @sim.flow()
    def buy(ctx):
        yield NewEvent(ctx, Bought)

    sim.add_output(ParquetOutput(tmp_path / "out", form, partition_by=key))
    sim.run()
    wrote, read = sim.collect()["Bought"], Dataset.open(tmp_path / "out")["Bought"]
    assert sorted(map(str, read[key])) == sorted(map(str, wrote[key]))
    assert read[key].null_count() == wrote[key].null_count()
    assert "__HIVE_DEFAULT_PARTITION__" in read[key]
